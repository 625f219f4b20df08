"""Ensembles of fewest cuts against tables over all sets of rows; failures print the seed.

TREEML_ORACLE_CASES: number of random cases of the main test (default 150).
"""

from __future__ import annotations

import dataclasses
import itertools
import os

import numpy as np
import pytest

from tests.oracle.all_ensembles import (
    enumerated_fewest_cuts,
    fewest_cuts,
    least_errors,
    price,
)
from treeml._core.control import Control
from treeml._ext import ensemble as native
from treeml.binarize.dataset import BinaryDataset
from treeml.search.cut_examples import cut_examples
from treeml.search.ensemble import optimal_ensemble

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "150"))
BATCHES = 10


@dataclasses.dataclass
class Case:
    """A tiny input; rows may be equal, contradict each other, and have weights."""

    X: list[list[int]]
    codes: list[int]
    weights: list[int]
    n_classes: int
    budget: int

    @property
    def dataset(self) -> BinaryDataset:
        packed = BinaryDataset.from_zero_one(np.array(self.X, dtype=np.uint8))
        assert packed is not None
        weights = None if set(self.weights) == {1} else np.array(self.weights, dtype=float)
        return packed.with_classes(np.array(self.codes), self.n_classes, weights)

    @property
    def unavoidable(self) -> int:
        groups: dict[tuple, list[int]] = {}
        for row, code, weight in zip(self.X, self.codes, self.weights, strict=True):
            groups.setdefault(tuple(row), [0] * self.n_classes)[code] += weight
        return sum(sum(group) - max(group) for group in groups.values())


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(2, 8)), int(rng.integers(2, 4))
    X = rng.integers(0, 2, (n, int(rng.integers(2, 5))))
    if seed % 2:
        X = np.unique(X, axis=0)
    n = len(X)
    codes = rng.integers(0, n_classes, n).tolist()
    weights = [1] * n if seed % 3 else rng.integers(1, 4, n).tolist()
    budget = int(rng.integers(1, 3)) if seed % 4 == 0 else 0
    return Case(X.tolist(), codes, weights, n_classes, budget)


def ways(n_trees: int) -> tuple[str, ...]:
    return ("auto", "witness") if n_trees > 3 else ("program", "join", "witness")


@pytest.mark.parametrize("seed", range(12))
def test_the_oracle_agrees_with_writing_down_all_trees(seed):
    rng = np.random.default_rng(seed)
    n, most = int(rng.integers(3, 6)), 2
    X = np.unique(rng.integers(0, 2, (n, 3)), axis=0).tolist()
    codes = rng.integers(0, 2 + seed % 2, len(X)).tolist()
    for n_trees in (1, 3):
        found = fewest_cuts(X, codes, n_trees)
        known = enumerated_fewest_cuts(X, codes, n_trees, most)
        assert known == found or (found > most and known == float("inf"))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_way_finds_the_fewest_cuts(batch):
    for seed in range(batch, CASES, BATCHES):
        case = random_case(seed)
        for n_trees, criterion in itertools.product((1, 3, 5), ("size", "max_size")):
            if n_trees == 5 and len(case.X) > 6:
                continue
            allowed = case.unavoidable + case.budget
            least = fewest_cuts(
                case.X, case.codes, n_trees, weights=case.weights, budget=allowed,
                largest=criterion == "max_size",
            )  # fmt: skip
            for method in ways(n_trees):
                found = optimal_ensemble(
                    case.dataset, n_estimators=n_trees, criterion=criterion,
                    error_budget=case.budget, method=method,
                )  # fmt: skip
                known = (found.status, found.objective, found.lower_bound)
                assert known == ("optimal", least, least), (seed, n_trees, criterion, method)
                cuts, largest, wrong = price(
                    [t.tolist() for t in found.trees], case.X, case.codes, case.weights
                )
                assert least == (largest if criterion == "max_size" else cuts), (seed, method)
                assert wrong == found.errors <= allowed, (seed, method)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_prices_of_cuts(batch):
    for seed in range(batch, CASES // 2, BATCHES):
        case = random_case(seed)
        for n_trees in (1, 3):
            errors = least_errors(case.X, case.codes, n_trees, weights=case.weights)
            total = sum(case.weights)
            for cost, most in itertools.product((0.03, 0.125), (None, 2)):
                least = min(
                    e / total + cost * k for k, e in errors.items() if most is None or k <= most
                )
                for method in ("auto", "witness"):
                    found = optimal_ensemble(
                        case.dataset, n_estimators=n_trees, regularization=cost, max_cuts=most,
                        method=method,
                    )  # fmt: skip
                    assert found.objective == pytest.approx(least, abs=1e-9), (seed, method)
                    assert found.status == "optimal"
            found = optimal_ensemble(
                case.dataset, n_estimators=n_trees, regularization=0, max_cuts=1
            )
            assert found.errors == errors[min(1, max(errors))], seed


@pytest.mark.parametrize("n_trees", [1, 3, 5])
def test_bounds_are_valid_wherever_the_search_is_stopped(n_trees):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = np.unique(rng.integers(0, 2, (12, 5)), axis=0)
        case = Case(X.tolist(), rng.integers(0, 2, len(X)).tolist(), [1] * len(X), 2, 0)
        methods = ("witness",) if n_trees == 5 else ("join", "witness")
        cost = None if seed % 3 else 0.04
        known: dict[str, int | None] = {"max_cuts": 6} if n_trees == 5 and cost else {}
        best = optimal_ensemble(case.dataset, n_estimators=n_trees, regularization=cost, **known)
        assert best.status == "optimal"
        for method in methods:
            for stop in (0, 1, 2, 3, 5, 9, int(rng.integers(10, 60))):
                found = optimal_ensemble(
                    case.dataset, n_estimators=n_trees, method=method, regularization=cost,
                    control=Control(stop_after=stop), **known,
                )  # fmt: skip
                assert found.lower_bound <= best.objective + 1e-12, (seed, method, stop)
                assert found.objective >= best.objective - 1e-12, (seed, method, stop)
                assert found.status in ("optimal", "time_limit")


def test_sets_of_any_length():
    """The same examples in sets of 1, 2, 4 and more words have the same answer."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = np.unique(rng.integers(0, 3, (25, 3)), axis=0)
        table = np.hstack([X > 0, X > 1]).astype(np.uint8)
        dataset = BinaryDataset.from_zero_one(table)
        assert dataset is not None
        given = cut_examples(dataset.with_classes(rng.integers(0, 2, len(X)), 2), exact_rest=False)
        answers = set()
        for n_words, n_trees in itertools.product((1, 2, 3, 6), (1, 3)):
            columns = np.zeros((len(given.columns), n_words), dtype=np.uint64)
            columns[:, :1] = given.columns
            cost, lower, *_ = native.search(
                columns, given.chain, given.label, given.weight, 2, n_trees=n_trees,
                largest=False, budget=seed % 2, error_cost=0, cut_cost=1, most_cuts=99,
                method=2, time_limit=-1, memory_limit=-1, stop_after=-1,
            )  # fmt: skip
            assert cost == lower
            answers.add((n_trees, cost))
        assert len(answers) == 2, seed


def test_little_memory_changes_nothing_but_the_time():
    rng = np.random.default_rng(5)
    X = rng.integers(0, 9, (44, 5))
    table = np.hstack([k < X for k in range(8)]).astype(np.uint8)
    packed = BinaryDataset.from_zero_one(table)
    assert packed is not None
    dataset = packed.with_classes(rng.integers(0, 2, 44), 2)
    free = optimal_ensemble(dataset)
    tight = optimal_ensemble(dataset, control=Control(memory_limit=250_000))
    assert free.status == tight.status == "optimal"
    assert free.objective == tight.objective
    assert tight.counters["replaced"] > 10 * free.counters["replaced"]
    hopeless = optimal_ensemble(dataset, control=Control(memory_limit=1000))
    assert hopeless.status == "memory_limit"
    assert hopeless.lower_bound <= free.objective <= hopeless.objective


@pytest.mark.parametrize(("n_trees", "cuts"), [(1, 19), (3, 11), (5, 5)])
def test_majority_of_five_bits(n_trees, cuts):
    X = np.array(list(itertools.product([0, 1], repeat=5)), dtype=np.uint8)
    dataset = BinaryDataset.from_zero_one(X)
    assert dataset is not None
    dataset = dataset.with_classes((X.sum(axis=1) > 2).astype(int), 2)
    found = optimal_ensemble(dataset, n_estimators=n_trees)
    assert (found.n_cuts, found.status, found.errors) == (cuts, "optimal", 0)
