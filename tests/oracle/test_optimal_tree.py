"""Optimal trees against brute force on tiny inputs; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of the main test (default 500); the others run a
share of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.oracle.brute_force import enumerated_cost, optimal_cost, tree_cost, tree_faults
from treeml import OptimalTreeClassifier, SearchLimitWarning
from treeml._core.validation import as_table
from treeml.certificate import verify

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 20
BOUNDS = ("equivalent_points", "siblings", "archive", "splits", "lookahead", "leaf_count")
DEPTHS = (0, 1, 2, 3, 4, None)
EXACT = 1e-12


@dataclasses.dataclass
class Case:
    """A tiny input with every parameter of the search."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    class_weight: dict[int, float] | str | None
    max_depth: int | None
    regularization: float
    min_samples_leaf: int
    max_leaf_nodes: int | None
    rounded: bool = False

    def model(self, **parameters) -> OptimalTreeClassifier:
        return OptimalTreeClassifier(
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            regularization=self.regularization,
            min_samples_leaf=self.min_samples_leaf,
            class_weight=self.class_weight,
            time_limit=None,
            **parameters,
        )

    def fit(self, **parameters) -> OptimalTreeClassifier:
        return self.model(**parameters).fit(self.X, self.y, sample_weight=self.weight)

    @property
    def classes(self) -> np.ndarray:
        return np.unique(self.y)

    @property
    def codes(self) -> list[int]:
        return np.searchsorted(self.classes, self.y).tolist()

    @property
    def weights(self) -> list[Fraction]:
        return [Fraction(w) for w in (self.weight if self.weighted else [1] * len(self.y))]

    @property
    def weighted(self) -> bool:
        return self.weight is not None

    @property
    def class_weights(self) -> list[Fraction]:
        if isinstance(self.class_weight, dict):
            return [Fraction(self.class_weight.get(int(c), 1.0)) for c in self.classes]
        if self.class_weight == "balanced":
            sizes = np.bincount(self.codes)
            return [Fraction(len(self.y), len(sizes) * int(size)) for size in sizes]
        return [Fraction(1)] * len(self.classes)

    @property
    def total(self) -> Fraction:
        weights = self.class_weights
        return sum(
            (w * weights[c] for w, c in zip(self.weights, self.codes, strict=True)), Fraction(0)
        )

    def optimum(self) -> float:
        """Least objective, by brute force in fractions."""
        cost = optimal_cost(
            self.X.tolist(), self.codes, self.weights, len(self.classes), self.max_depth,
            Fraction(self.regularization) * self.total, 1, self.min_samples_leaf,
            self.class_weights, self.max_leaf_nodes,
        )  # fmt: skip
        return float(cost / self.total)

    def objective_of(self, tree) -> float:
        """Objective of a tree, row by row in fractions."""
        cost = tree_cost(
            tree, self.X.tolist(), self.codes, self.weights, 1,
            Fraction(self.regularization) * self.total, self.class_weights,
        )  # fmt: skip
        return float(cost / self.total)

    def faults_of(self, tree) -> list[str]:
        return tree_faults(
            tree, self.X.tolist(), self.weights, self.max_depth, self.min_samples_leaf,
            self.max_leaf_nodes,
        )  # fmt: skip

    def tolerance(self, model: OptimalTreeClassifier) -> float:
        """Exact, unless the weights had to be rounded to a grid: then what that may change."""
        return EXACT + 2 * model.certificate_.rounding if self.rounded else EXACT


def random_matrix(rng: np.random.Generator) -> np.ndarray:
    """Rows and columns of 0 and 1: random, constant, equal, complementary; rows that repeat."""
    n_rows, n_columns = int(rng.integers(2, 41)), int(rng.integers(1, 9))
    X = (rng.random((n_rows, n_columns)) < rng.choice([0.1, 0.3, 0.5, 0.8], n_columns)).astype(int)
    for column in range(n_columns):
        kind = rng.random()
        if kind < 0.05:
            X[:, column] = rng.integers(0, 2)
        elif kind < 0.12:
            X[:, column] = X[:, rng.integers(0, n_columns)]
        elif kind < 0.2:
            X[:, column] = 1 - X[:, rng.integers(0, n_columns)]
    if rng.random() < 0.3:
        X = X[rng.integers(0, max(1, n_rows // 2), n_rows)]
    return X


def random_y(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two to four classes, sometimes six or one: noise, or a rule with some noise."""
    n_classes = int(rng.choice([1, 2, 2, 2, 3, 4, 6]))
    noise = rng.integers(0, n_classes, len(X))
    first, second, third = X[:, rng.integers(0, X.shape[1], 3)].T
    rule = (first + 2 * (second ^ third)) % n_classes
    return np.where(rng.random(len(X)) < rng.choice([0.1, 0.4, 1.0]), noise, rule)


def random_weight(n_rows: int, rng: np.random.Generator) -> tuple[np.ndarray | None, bool]:
    """No weights, integers with zeros, large ones, binary fractions, or any reals (rounded)."""
    kind = int(rng.integers(0, 8))
    if kind == 3:
        weight = rng.integers(0, 4, n_rows).astype(np.float64)
    elif kind == 4:
        weight = rng.integers(1, 10**6, n_rows).astype(np.float64)
    elif kind == 5:
        weight = rng.integers(0, 30, n_rows) / 8
    elif kind == 6:
        weight = rng.integers(0, 3, n_rows) * 2.0**20
    elif kind == 7:
        return rng.random(n_rows) + 0.05, True
    else:
        return None, False
    weight[rng.integers(0, n_rows)] = 1
    return weight, False


def large_case(seed: int) -> Case:
    """Some hundreds of rows, tens of columns; a depth, or no depth and a cost per leaf."""
    rng = np.random.default_rng([20241, seed])
    n_rows, n_columns = int(rng.integers(50, 400)), int(rng.integers(9, 40))
    hidden = rng.random((n_rows, 4)) < 0.5
    X = np.where(
        rng.random((n_rows, n_columns)) < rng.choice([0.05, 0.2, 1.0]),
        rng.random((n_rows, n_columns)) < rng.choice([0.1, 0.3, 0.5], n_columns),
        hidden[:, rng.integers(0, 4, n_columns)],
    ).astype(int)
    weight, _ = random_weight(n_rows, rng)
    depth = (2, 3, 3, None)[seed % 4]
    regularization = float(rng.choice([0.0, 0.005, 0.02])) if depth else 0.06
    return Case(
        X=X, y=random_y(X, rng), weight=weight, class_weight=None, max_depth=depth,
        regularization=regularization, min_samples_leaf=int(rng.choice([1, 1, 5])),
        max_leaf_nodes=int(rng.integers(2, 7)) if rng.random() < 0.2 else None,
        rounded=True,
    )  # fmt: skip


def random_case(seed: int) -> Case:
    rng = np.random.default_rng([20240, seed])
    X = random_matrix(rng)
    y = random_y(X, rng)
    weight, rounded = random_weight(len(y), rng)
    class_weight: dict[int, float] | str | None = None
    kind = rng.random()
    if kind < 0.25:
        class_weight = {int(c): float(rng.choice([0.5, 1, 2, 3, 10])) for c in np.unique(y)}
    elif kind < 0.4 and weight is None:
        class_weight = "balanced"
    return Case(
        X=X,
        y=y,
        weight=weight,
        class_weight=class_weight,
        max_depth=DEPTHS[seed % len(DEPTHS)],
        regularization=float(rng.choice([0.0, 0.001, 0.01, 1 / 30, 0.1, 0.3])),
        min_samples_leaf=int(rng.choice([1, 1, 2, 3, 4])),
        max_leaf_nodes=int(rng.integers(1, 9)) if rng.random() < 0.3 else None,
        rounded=rounded,
    )


def batch(number: int, share: float = 1.0) -> range:
    """Seeds of a batch, where the test runs a share of all cases."""
    size = max(1, round(CASES * share / BATCHES))
    return range(number * size, (number + 1) * size)


@contextlib.contextmanager
def naming(seed: int) -> Iterator[None]:
    """Failures say which case it was."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}") from error


batches = pytest.mark.parametrize("number", range(BATCHES))


def check(case: Case, model: OptimalTreeClassifier) -> None:
    """The contract of a completed search."""
    optimum, tolerance = case.optimum(), case.tolerance(model)
    assert model.status_ == "optimal"
    assert model.objective_ == pytest.approx(optimum, rel=0, abs=tolerance)
    assert model.lower_bound_ <= optimum + tolerance
    assert model.lower_bound_ == pytest.approx(optimum, rel=0, abs=tolerance)
    assert model.gap_ == pytest.approx(0, abs=tolerance / max(optimum, tolerance))
    tree = model.tree_
    assert not case.faults_of(tree)
    assert case.objective_of(tree) == pytest.approx(optimum, rel=0, abs=tolerance)
    wrong = model.predict(case.X) != case.y
    weights = np.array(case.class_weights, float)[case.codes] * np.array(case.weights, float)
    counted = weights[wrong].sum() / weights.sum() + case.regularization * model.n_leaves_
    assert counted == pytest.approx(model.objective_, rel=0, abs=tolerance)
    assert model.n_leaves_ == tree.n_leaves
    check_history(case, model, optimum)


def check_bracket(case: Case, model: OptimalTreeClassifier, optimum: float) -> None:
    """The contract of any search, ended or not."""
    tolerance = case.tolerance(model)
    assert model.lower_bound_ <= optimum + tolerance
    assert optimum <= model.objective_ + tolerance
    assert case.objective_of(model.tree_) == pytest.approx(model.objective_, rel=0, abs=tolerance)
    assert not case.faults_of(model.tree_)
    gap = (model.objective_ - model.lower_bound_) / max(model.objective_, 1e-300)
    assert model.gap_ == pytest.approx(max(0.0, gap))
    check_history(case, model, optimum)


def check_history(case: Case, model: OptimalTreeClassifier, optimum: float) -> None:
    """Objectives fall, bounds rise, the optimum is between them, and the last are the result's."""
    tolerance = case.tolerance(model)
    seconds, objective, bound = model.result_.history.T
    assert (np.diff(seconds) >= 0).all()
    assert (np.diff(objective) <= 0).all()
    assert (np.diff(bound) >= 0).all()
    assert objective[-1] == pytest.approx(model.objective_, rel=0, abs=EXACT)
    assert bound[-1] == pytest.approx(model.lower_bound_, rel=0, abs=EXACT)
    assert bound[-1] <= optimum + tolerance
    assert optimum <= objective[-1] + tolerance


@batches
def test_objective_is_that_of_brute_force(number):
    for seed in batch(number):
        case = random_case(seed)
        with naming(seed):
            check(case, case.fit())


@batches
def test_two_threads_find_it_too(number):
    for seed in batch(number, share=0.5):
        case = random_case(seed)
        with naming(seed):
            check(case, case.fit(n_jobs=2))


@batches
@pytest.mark.parametrize("bound", BOUNDS)
def test_no_bound_is_needed_for_the_optimum(number, bound):
    for seed in batch(number, share=0.1):
        case = random_case(seed)
        with naming(seed):
            model = case.model(n_jobs=1 + seed % 2)._leave_out(bound)
            check(case, model.fit(case.X, case.y, case.weight))


@batches
def test_the_optimum_without_any_bound(number):
    for seed in batch(number, share=0.2):
        case = random_case(seed)
        with naming(seed):
            model = case.model(n_jobs=1 + seed % 2)._leave_out(*BOUNDS)
            check(case, model.fit(case.X, case.y, case.weight))


@batches
def test_larger_tables_with_and_without_bounds(number):
    """More rows and columns than brute force can do: every configuration proves the same."""
    for seed in batch(number, share=0.1):
        case = large_case(seed)
        with naming(seed):
            plain = case.fit()
            assert plain.status_ == "optimal"
            check_bracket(case, plain, plain.objective_)
            for without in (*((bound,) for bound in BOUNDS), BOUNDS):
                other = case.model(n_jobs=1 + seed % 2)._leave_out(*without)
                other.fit(case.X, case.y, case.weight)
                check_bracket(case, other, plain.objective_)
                found = (other.objective_, other.lower_bound_, other.status_)
                assert found == (plain.objective_, plain.lower_bound_, "optimal"), without


@batches
def test_certificates_are_verified_with_their_bound(number):
    for seed in batch(number, share=0.2):
        case = random_case(seed)
        if case.weight is not None and not case.weight.all():
            case.weight = case.weight + 1
        model = case.fit()
        found = verify(model.to_json(), as_table(case.X), case.y, sample_weight=case.weight)
        assert found.ok, f"seed {seed}: {found}"
        assert found.bound_checked, f"seed {seed}"


@batches
def test_weights_are_repeated_rows(number):
    for seed in batch(number, share=0.4):
        case = random_case(seed)
        rng = np.random.default_rng([7, seed])
        repeats = rng.integers(0, 4, len(case.y))
        repeats[np.unique(case.y, return_index=True)[1]] += 1  # every class stays
        case.class_weight = None if case.class_weight == "balanced" else case.class_weight
        case.weight, case.min_samples_leaf = repeats.astype(np.float64), 1
        weighted = case.fit()
        rows = np.repeat(np.arange(len(case.y)), repeats)
        repeated = dataclasses.replace(case, X=case.X[rows], y=case.y[rows], weight=None).fit()
        assert weighted.objective_ == repeated.objective_, f"seed {seed}"
        assert weighted.lower_bound_ == repeated.lower_bound_, f"seed {seed}"
        same = weighted.predict(case.X) == repeated.predict(case.X)
        assert same.all(), f"seed {seed}"


@batches
def test_row_order_changes_nothing(number):
    for seed in batch(number, share=0.4):
        case = random_case(seed)
        order = np.random.default_rng([8, seed]).permutation(len(case.y))
        weight = None if case.weight is None else case.weight[order]
        turned = dataclasses.replace(case, X=case.X[order], y=case.y[order], weight=weight).fit()
        model = case.fit()
        for name in ("objective_", "lower_bound_", "gap_", "status_", "n_leaves_"):
            assert getattr(turned, name) == getattr(model, name), f"seed {seed}: {name}"
        counts, others = turned.tree_.counts, model.tree_.counts
        assert np.allclose(counts, others, rtol=1e-12), f"seed {seed}"
        same = dataclasses.replace(turned.tree_, counts=others) == model.tree_
        assert same, f"seed {seed}: {turned.tree_.to_dict()} is not {model.tree_.to_dict()}"


@pytest.mark.parametrize("after_polls", [1, 2, 3, 5, 10, 50])
@pytest.mark.parametrize("number", range(5))
def test_stopped_searches_bracket_the_optimum_and_go_on_to_it(number, after_polls):
    """Uses the private hook `_set_stop`: the deadline is reported as reached at that poll."""
    for seed in batch(number, share=0.2):
        case = random_case(seed)
        rng = np.random.default_rng([10, seed, after_polls])
        left_out = [bound for bound in BOUNDS if rng.random() < 0.2]
        model = case.model(n_jobs=1 + seed % 2, warm_start=True)._leave_out(*left_out)
        optimum = case.optimum()
        with naming(seed), warnings.catch_warnings():
            warnings.simplefilter("ignore", SearchLimitWarning)
            earlier, bound = math.inf, -math.inf
            while True:
                model._set_stop(after_polls).fit(case.X, case.y, case.weight)
                check_bracket(case, model, optimum)
                assert model.objective_ <= earlier
                assert model.lower_bound_ >= bound
                earlier, bound = model.objective_, model.lower_bound_
                if model.status_ == "optimal":
                    break
                assert model.status_ == "time_limit"
                after_polls = 2 * after_polls
            check(case, model)


@batches
def test_a_larger_depth_goes_on_from_a_smaller_one(number):
    for seed in batch(number, share=0.1):
        case = random_case(seed)
        model = case.model(n_jobs=1 + seed % 2, warm_start=True)
        for depth, leaves in ((1, None), (3, 4), (2, None), (None, 3), (4, None)):
            case.max_depth, case.max_leaf_nodes = depth, leaves
            model.set_params(max_depth=depth, max_leaf_nodes=leaves)
            with naming(seed):
                check(case, model.fit(case.X, case.y, case.weight))


@batches
def test_a_gap_that_is_small_enough_ends_the_search(number):
    for seed in batch(number, share=0.1):
        case = random_case(seed)
        gap_tol = (0.02, 0.1, 0.5, 1.0)[seed % 4]
        with naming(seed):
            model = case.fit(gap_tol=gap_tol, n_jobs=1 + seed % 2)
            assert model.status_ in ("optimal", "gap_tol")
            assert model.gap_ <= gap_tol + EXACT
            check_bracket(case, model, case.optimum())


def test_a_stopped_search_says_so():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (300, 12)), rng.integers(0, 2, 300)
    model = OptimalTreeClassifier(max_depth=4, regularization=0.0)._set_stop(1)
    with pytest.warns(SearchLimitWarning, match="before the proof was complete"):
        model.fit(X, y)
    assert model.status_ == "time_limit"
    assert model.lower_bound_ < model.objective_


@pytest.mark.skipif("TREEML_ISA" in os.environ, reason="this is the run in the other process")
def test_the_portable_kernels_pass_too():
    """The instruction set is chosen once per process, so a share runs in another one."""
    settings = {"TREEML_ISA": "portable", "TREEML_ORACLE_CASES": str(max(BATCHES, CASES // 4))}
    names = "brute_force and objective or repeated_rows or bracket"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", names]
    out = subprocess.run(
        [*command, str(Path(__file__).relative_to(root))],
        env=os.environ | settings,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-2000:]
    assert " passed" in out.stdout


@pytest.mark.parametrize("seed", range(100))
def test_the_oracle_against_an_enumeration_of_all_trees(seed):
    rng = np.random.default_rng([9, seed])
    n_rows, n_columns, n_classes = (int(rng.integers(1, high)) for high in (10, 4, 4))
    depth = int(rng.integers(0, 3 if n_columns < 3 or n_classes < 3 else 2))
    weights = rng.integers(0, 4, n_rows)
    weights[0] = 1
    case = (
        rng.integers(0, 2, (n_rows, n_columns)).tolist(),
        rng.integers(0, n_classes, n_rows).tolist(),
        weights.tolist(),
        n_classes,
        depth,
        int(rng.integers(0, 4)),
        int(rng.integers(1, 4)),
        int(rng.integers(1, 4)),
        rng.integers(1, 4, n_classes).tolist(),
        (None, 1, 2, 3)[seed % 4],
    )
    assert optimal_cost(*case) == enumerated_cost(*case)
