"""Trees of actions against brute force on tiny inputs; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of the main test (default 500); the others run a
share of it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.oracle.all_action_trees import least_cost
from treeml import PolicyTreeClassifier, SearchLimitWarning
from treeml._core.validation import as_table
from treeml.certificate import verify

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 20
BOUNDS = ("siblings", "archive", "splits", "lookahead", "leaf_count")
CLOSE = 1e-12


@dataclasses.dataclass
class Case:
    """A tiny input with every parameter of the search; all numbers are exact in binary."""

    X: np.ndarray
    costs: np.ndarray
    weight: np.ndarray | None
    rewards: bool
    max_depth: int | None
    max_leaf_nodes: int | None
    min_samples_leaf: int
    regularization: float

    def model(self, **parameters) -> PolicyTreeClassifier:
        return PolicyTreeClassifier(
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            regularization=self.regularization,
            rewards=self.rewards,
            time_limit=None,
            **parameters,
        )

    def weighted(self) -> tuple[np.ndarray, list[list[Fraction]], Fraction]:
        """Rows of positive weight, their shifted costs times weight, the total weight."""
        weight = np.ones(len(self.X)) if self.weight is None else self.weight
        rows, kept = [], []
        for r, (row, amount) in enumerate(zip(self.costs.tolist(), weight.tolist(), strict=True)):
            if amount > 0:
                row = [Fraction(-c if self.rewards else c) for c in row]
                least = min(0, *row)
                rows.append([(c - least) * Fraction(amount) for c in row])
                kept.append(r)
        return self.X[kept], rows, sum((Fraction(w) for w in weight.tolist()), Fraction(0))

    def optimum(self) -> Fraction:
        X, costs, total = self.weighted()
        leaf = Fraction(self.regularization) * total
        found = least_cost(
            X,
            costs,
            leaf,
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
        )
        return found / total

    def tree_objective(self, model: PolicyTreeClassifier) -> float:
        """The objective of the tree, from its own answers."""
        X, costs, total = self.weighted()
        chosen = model.tree_.label[model.apply(X)]
        cost = sum((row[a] for row, a in zip(costs, chosen.tolist(), strict=True)), Fraction(0))
        return float(cost / total + Fraction(self.regularization) * model.n_leaves_)


def random_matrix(rng: np.random.Generator) -> np.ndarray:
    """Free columns, thresholds of two numbers, or levels of two categories."""
    n, p = int(rng.integers(2, 14)), int(rng.integers(1, 7))
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(0, 2, (n, p)).astype(np.uint8)
    values = rng.integers(0, 5 if kind == 1 else 3, (n, 2))
    which, cut = rng.integers(0, 2, p), rng.integers(0, 4, p)
    columns = values[:, which]
    return (columns <= cut if kind == 1 else columns == cut).astype(np.uint8)


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    X = random_matrix(rng)
    K = int(rng.integers(2, 12) if rng.random() < 0.2 else rng.integers(2, 5))
    most = int(10 ** rng.integers(0, 10))  # ties, and sums in four and in eight bytes
    costs = rng.integers(-most if rng.random() < 0.4 else 0, most + 1, (len(X), K)).astype(float)
    if rng.random() < 0.3:
        costs /= 8
    weight = None
    if rng.random() < 0.3:
        weight = rng.integers(0, 4, len(X)) / rng.choice([1, 4])
        weight[0] = 1.0
    return Case(
        X,
        costs,
        weight,
        rewards=bool(rng.random() < 0.3),
        max_depth=[0, 1, 2, 3, 4, None][rng.integers(6)],
        max_leaf_nodes=None if rng.random() < 0.6 else int(rng.integers(1, 8)),
        min_samples_leaf=1 if rng.random() < 0.6 else int(rng.integers(2, 5)),
        regularization=0.0 if rng.random() < 0.4 else float(rng.integers(1, 9)) / 32 * most,
    )


def checked(case: Case, seed: int, model: PolicyTreeClassifier) -> None:
    """A finished search: optimal, proven, and its tree costs what it says."""
    best = float(case.optimum())
    room = CLOSE * max(1.0, best)
    assert model.status_ == "optimal", seed
    assert abs(model.objective_ - best) <= room, (seed, model.objective_, best)
    assert model.lower_bound_ == model.objective_, seed
    assert abs(case.tree_objective(model) - model.objective_) <= room, seed
    assert case.max_depth is None or model.tree_.depth <= case.max_depth, seed
    assert case.max_leaf_nodes is None or model.n_leaves_ <= case.max_leaf_nodes, seed


@pytest.mark.parametrize("batch", range(BATCHES))
def test_brute_force_finds_no_cheaper_tree(batch):
    for seed in range(batch, CASES, BATCHES):
        case = random_case(seed)
        rng = np.random.default_rng((seed, 1))
        model = case.model(n_jobs=1 if rng.random() < 0.9 else 2)
        model._leave_out(*[name for name in BOUNDS if rng.random() < 0.3])
        checked(case, seed, model.fit(case.X, case.costs, case.weight))


@pytest.mark.parametrize("batch", range(4))
def test_a_stopped_search_has_a_bound_that_holds(batch):
    for seed in range(batch, max(4, CASES // 3), 4):
        case = random_case(10_000 + seed)
        model = case.model()._set_stop(seed % 7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SearchLimitWarning)
            model.fit(case.X, case.costs, case.weight)
        best, room = float(case.optimum()), CLOSE * max(1.0, model.objective_)
        assert model.lower_bound_ <= best + room, seed
        assert best <= model.objective_ + room, seed
        assert abs(case.tree_objective(model) - model.objective_) <= room, seed
        assert (model.status_ == "optimal") == (model.lower_bound_ == model.objective_), seed


def test_a_weight_is_a_row_so_many_times():
    for seed in range(max(10, CASES // 5)):
        case = dataclasses.replace(random_case(20_000 + seed), min_samples_leaf=1)
        weight = np.random.default_rng(seed).integers(0, 4, len(case.X))
        weight[0] = 1
        weighted = case.model().fit(case.X, case.costs, weight)
        repeated = case.model().fit(np.repeat(case.X, weight, 0), np.repeat(case.costs, weight, 0))
        assert abs(weighted.objective_ - repeated.objective_) <= CLOSE * max(
            1.0, repeated.objective_
        ), seed
        assert weighted.tree_.predicates == repeated.tree_.predicates, seed
        assert np.array_equal(weighted.predict(case.X), repeated.predict(case.X)), seed


def test_certificates_are_proved_again():
    for seed in range(max(10, CASES // 10)):
        case = random_case(30_000 + seed)
        model = case.model().fit(case.X, case.costs, case.weight)
        found = verify(model.to_json(), as_table(case.X), case.costs, sample_weight=case.weight)
        assert found.ok, (seed, str(found))
        assert found.bound_checked, (seed, str(found))


def test_every_instruction_set_finds_the_same():
    code = (
        "import json; from tests.oracle.test_cost_trees import random_case\n"
        "out = []\n"
        "for seed in range(40):\n"
        "    case = random_case(40_000 + seed)\n"
        "    model = case.model().fit(case.X, case.costs, case.weight)\n"
        "    out.append([model.objective_, model.tree_.to_dict()['predicate']])\n"
        "print(json.dumps(out))"
    )
    found = []
    for isa in ("portable", "avx2", "widest"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"TREEML_ISA": isa},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == found[2]
