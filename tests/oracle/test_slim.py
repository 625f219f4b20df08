"""SLIM against every card and every cut, one by one; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of all tests together (default 500).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import types
import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.oracle.all_cards import INFEASIBLE, KINDS, Case, best_slim_card, random_case
from treeml._core.control import Control
from treeml.search.card_constraints import CardConstraints
from treeml.search.slim import slim

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 20
EXACT = 1e-12


@dataclasses.dataclass
class Problem:
    """A case with the other parameters of the search."""

    case: Case
    regularization: float = 0.0
    class_weight: tuple[float, float] = (1.0, 1.0)
    max_fpr: float | None = None
    min_tpr: float | None = None

    def fit(self, k: int | None = None, **limits: Any) -> Any:
        return slim(
            self.case.X,
            self.case.codes,
            self.case.weight,
            max_features=self.case.k if k is None else k,
            constraints=self.case.constraints,
            regularization=self.regularization,
            class_weight=self.class_weight,
            max_fpr=self.max_fpr,
            min_tpr=self.min_tpr,
            control=Control(**limits),
        )

    def optimum(self, tie: float = 0.0) -> float:
        """Least objective; without the tie-break it only says whether there is a card."""
        case = self.case
        return best_slim_card(
            case.X, case.y, case.weights, case.k, case.constraints, self.regularization, tie,
            self.class_weight, self.max_fpr, self.min_tpr,
        )[0]  # fmt: skip

    @property
    def feasible(self) -> bool:
        return bool(np.isfinite(self.optimum()))


def random_problem(seed: tuple[int, ...], **case: Any) -> Problem:
    rng = np.random.default_rng([41, *seed])
    made = random_case(rng, **case)
    weights = [(1.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.5, 2.0), (10.0, 1.0)]
    return Problem(
        case=made,
        regularization=float(rng.choice([0.0, 0.0, 0.001, 0.02, 0.1])),
        class_weight=weights[int(rng.integers(0, len(weights)))],
        max_fpr=random_limit(made, 0, rng) if rng.random() < 0.25 else None,
        min_tpr=random_limit(made, 1, rng) if rng.random() < 0.25 else None,
    )


def random_limit(case: Case, label: int, rng: np.random.Generator) -> float:
    """A share that a class may have exactly, where weights are integers; none it has, or 0 or 1."""
    kind = rng.random()
    if kind < 0.2:
        return float(label)
    weight = case.weights[case.y == label]
    if kind < 0.6 and (weight == np.round(weight)).all():
        return float(weight[rng.random(len(weight)) < rng.random()].sum() / weight.sum())
    return float(rng.random())


def batch(number: int, share: float) -> range:
    """Seeds of a batch, where the test runs a share of all cases."""
    size = max(1, round(CASES * share / BATCHES))
    return range(number * size, (number + 1) * size)


@contextlib.contextmanager
def naming(*seed: object) -> Iterator[None]:
    """Failures say which case it was."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


batches = pytest.mark.parametrize("number", range(BATCHES))


def check_card(problem: Problem, r: Any, k: int | None = None) -> None:
    """The card is one that may be, and what is said of it is true."""
    case = problem.case
    assert r.points.shape == (case.X.shape[1],)
    assert r.points.dtype == np.int64
    assert case.constraints.admits(r.points)
    n_terms = np.count_nonzero(r.points)
    assert n_terms <= (case.k if k is None else k)
    assert np.isfinite(r.intercept)
    one = r.intercept + case.X @ r.points > 0
    ones, weight = case.y == 1, case.weights
    if problem.max_fpr is not None:
        assert weight[one & ~ones].sum() / weight[~ones].sum() <= problem.max_fpr
    if problem.min_tpr is not None:
        assert weight[one & ones].sum() / weight[ones].sum() >= problem.min_tpr
    assert r.tie >= 0
    weight = weight * np.where(ones, problem.class_weight[1], problem.class_weight[0])
    found = weight[one != ones].sum() / weight.sum()
    found += problem.regularization * n_terms + r.tie * np.abs(r.points).sum()
    assert r.objective == pytest.approx(found, rel=EXACT, abs=EXACT)


def check_bracket(problem: Problem, r: Any) -> None:
    """The contract of any search, ended or not."""
    optimum = problem.optimum(r.tie)
    check_card(problem, r)
    assert r.lower_bound <= optimum + EXACT * max(1, optimum)
    assert r.objective >= optimum - EXACT
    gap = r.objective - r.lower_bound  # itself where the objective is all but 0
    gap /= r.objective if r.objective >= 1e-6 else 1.0
    assert r.gap == pytest.approx(max(0.0, gap), abs=EXACT)


def check(problem: Problem, r: Any) -> None:
    """The contract of a completed search."""
    check_bracket(problem, r)
    assert r.status == "optimal"
    assert r.objective == pytest.approx(problem.optimum(r.tie), rel=EXACT, abs=EXACT)
    assert r.gap <= 1e-6 or r.objective - r.lower_bound <= EXACT


def check_whole_run(problem: Problem) -> None:
    if problem.feasible:
        check(problem, problem.fit())
    else:
        with pytest.raises(ValueError, match=r"."):
            problem.fit()


@batches
def test_objective_is_that_of_the_best_of_all_cards(number):
    for seed in batch(number, share=0.5):
        with naming(seed):
            check_whole_run(random_problem((1, seed)))


@batches
def test_larger_tables(number):
    for seed in batch(number, share=0.04):
        k = 3 if seed % 3 == 2 else 2
        n_terms = 12 + seed % 3 if k == 3 else 12 + seed % 9
        with naming(seed):
            check_whole_run(random_problem((2, seed), n_terms=n_terms, k=k))


@pytest.mark.parametrize("kind", KINDS)
def test_constraints_of_one_kind(kind):
    for seed in range(max(1, round(CASES * 0.1 / len(KINDS)))):
        with naming(seed):
            check_whole_run(random_problem((3, seed), kind=kind))


@batches
def test_stopped_searches_bracket_the_optimum(number):
    for seed in batch(number, share=0.2):
        problem = random_problem((4, seed))
        rng = np.random.default_rng([42, seed])
        if not problem.feasible:
            continue
        stop_after = int(2 ** rng.uniform(0, 12))
        with naming(seed, stop_after), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            r = problem.fit(stop_after=stop_after)
            check_bracket(problem, r)
            assert r.status in ("optimal", "time_limit")
            if r.status == "optimal":
                check(problem, r)


@batches
def test_any_gap_will_do(number):
    for seed in batch(number, share=0.06):
        problem = random_problem((5, seed))
        if problem.feasible:
            with naming(seed):
                r = problem.fit(gap_tol=1.0)
                check_bracket(problem, r)
                assert r.status in ("optimal", "gap_tol")
                assert r.lower_bound >= 0


@batches
def test_more_terms_are_no_worse(number):
    for seed in batch(number, share=0.04):
        problem = random_problem((6, seed))
        earlier, tie = np.inf, 0.0
        for k in range(1, 5):
            with naming(seed, k):
                try:
                    r = problem.fit(k=k)
                except ValueError:
                    assert np.isinf(earlier)
                else:
                    check_card(problem, r, k)
                    dearer = max(0.0, r.tie - tie) * 2 * k  # the factor may depend on k
                    assert r.status == "optimal"
                    assert r.objective <= earlier + dearer + EXACT
                    earlier, tie = r.objective, r.tie


@batches
def test_weights_are_repeated_rows(number):
    for seed in batch(number, share=0.06):
        problem = random_problem((7, seed))
        case = problem.case
        repeats = np.random.default_rng([43, seed]).integers(1, 4, len(case.y))
        rows = np.repeat(np.arange(len(case.y)), repeats)
        weighted = dataclasses.replace(case, weight=repeats.astype(np.float64))
        repeated = dataclasses.replace(case, X=case.X[rows], y=case.y[rows], weight=None)
        problem = dataclasses.replace(problem, case=weighted)
        if not problem.feasible:
            continue
        with naming(seed):
            one = problem.fit()
            other = dataclasses.replace(problem, case=repeated).fit()
            assert one.status == other.status == "optimal"
            check(problem, one)
            unlike = abs(one.tie - other.tie) * 2 * case.k
            assert one.objective == pytest.approx(other.objective, rel=EXACT, abs=EXACT + unlike)


@pytest.mark.parametrize("name", [*INFEASIBLE, "rates"])
def test_no_card_obeys_these(name):
    rng = np.random.default_rng(8)
    X = rng.integers(0, 2, (30, 4)).astype(np.float64)
    case = Case(
        X, rng.integers(0, 2, 30), None, 2, INFEASIBLE.get(name, CardConstraints.box(4, -2, 2))
    )
    problem = Problem(case)
    if name == "rates":
        problem.max_fpr, problem.min_tpr = 0.0, 1.0
    assert not problem.feasible
    with pytest.raises(ValueError, match=r"."):
        problem.fit()


def slow_optimum(problem: Problem, tie: float) -> float:
    """Least objective in fractions, in plain loops; limits are read as their shortest decimals."""
    case = problem.case
    X = [[Fraction(x) for x in row] for row in case.X.tolist()]
    y, weight = case.y.tolist(), [Fraction(w) for w in case.weights.tolist()]
    class_weight = [Fraction(w) for w in problem.class_weight]
    total = sum(w * class_weight[c] for w, c in zip(weight, y, strict=True))
    of_class = [sum(w for w, c in zip(weight, y, strict=True) if c == label) for label in (0, 1)]
    best: Fraction | float = np.inf
    for card in itertools.product(range(-2, 3), repeat=len(X[0])):
        points = np.array(card)
        if np.count_nonzero(points) > case.k or not case.constraints.admits(points):
            continue
        scores = [sum(x * p for x, p in zip(row, card, strict=True)) for row in X]
        cost = Fraction(problem.regularization) * sum(p != 0 for p in card)
        cost += Fraction(tie) * sum(map(abs, card))
        for cut in {min(scores) - 1, *scores}:
            one = [score > cut for score in scores]
            rate = [
                sum(w for w, c, p in zip(weight, y, one, strict=True) if c == label and p)
                for label in (0, 1)
            ]
            if problem.max_fpr is not None and float(rate[0] / of_class[0]) > problem.max_fpr:
                continue
            if problem.min_tpr is not None and float(rate[1] / of_class[1]) < problem.min_tpr:
                continue
            wrong = class_weight[0] * rate[0] + class_weight[1] * (of_class[1] - rate[1])
            best = min(best, wrong / total + cost)
    return float(best)


@pytest.mark.parametrize("seed", range(60))
def test_the_oracle_against_plain_loops(seed):
    problem = random_problem((9, seed), n_terms=1 + seed % 3)
    tie = (0.0, 1e-4, 0.01)[seed % 3]
    case = problem.case
    found, points, intercept = best_slim_card(
        case.X, case.y, case.weights, case.k, case.constraints, problem.regularization, tie,
        problem.class_weight, problem.max_fpr, problem.min_tpr,
    )  # fmt: skip
    assert found == pytest.approx(slow_optimum(problem, tie), rel=EXACT, abs=EXACT)
    if np.isfinite(found):
        card = {"points": points, "intercept": intercept, "tie": tie, "objective": found}
        check_card(problem, types.SimpleNamespace(**card))
