"""Risk scores against every card, one by one; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of all tests together (default 500).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit

from tests.oracle.all_cards import (
    INFEASIBLE,
    KINDS,
    Case,
    admitted,
    all_cards,
    best_risk_card,
    least_losses,
    random_case,
)
from treeml._core.control import Control
from treeml.search.risk_score import risk_score

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 20
EXACT = 1e-12  # of bounds: what rounding may do
CLOSE = 1e-6  # of a completed search, relative


@dataclasses.dataclass
class Problem:
    """A case with the other parameters of the search."""

    case: Case
    scale: float | str
    max_logit: float

    def fit(self, k: int | None = None, **limits: Any) -> Any:
        return risk_score(
            self.case.X,
            self.case.codes,
            self.case.weight,
            max_features=self.case.k if k is None else k,
            constraints=self.case.constraints,
            scale=self.scale,
            max_logit=self.max_logit,
            control=Control(**limits),
        )

    def optimum(self) -> float:
        case = self.case
        return best_risk_card(
            case.X, case.y, case.weights, case.k, case.constraints, self.scale, self.max_logit
        )[0]


def random_problem(seed: tuple[int, ...], **case: Any) -> Problem:
    rng = np.random.default_rng([31, *seed])
    scale = "free" if rng.random() < 0.7 else float(rng.choice([1.0, 1.0, 2.5]))
    max_logit = float(rng.choice([50, 50, 50, 5, 1]))
    return Problem(random_case(rng, **case), scale, max_logit)


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


def loss_of(case: Case, points: np.ndarray, intercept: float, scale: float) -> float:
    t = (intercept + case.X @ points) / scale
    losses = np.logaddexp(0, np.where(case.y == 1, -t, t))
    return float(case.weights @ losses / case.weights.sum())


def check_card(problem: Problem, r: Any, k: int | None = None) -> None:
    """The card is one that may be, and what is said of it is true."""
    case = problem.case
    assert r.points.shape == (case.X.shape[1],)
    assert r.points.dtype == np.int64
    assert case.constraints.admits(r.points)
    assert np.count_nonzero(r.points) <= (case.k if k is None else k)
    assert 0 < r.scale < np.inf
    if problem.scale == "free":
        largest = (np.abs(r.points) * np.abs(case.X).max(axis=0)).max()
        assert largest / r.scale <= problem.max_logit * (1 + 1e-9)
    else:
        assert r.scale == problem.scale
    found = loss_of(case, r.points, r.intercept, r.scale)
    assert r.objective == pytest.approx(found, rel=1e-9, abs=EXACT)


def check_bracket(problem: Problem, r: Any, optimum: float) -> None:
    """The contract of any search, ended or not."""
    check_card(problem, r)
    assert r.lower_bound <= optimum + EXACT * max(1, optimum)
    assert r.objective >= optimum * (1 - 1e-9) - EXACT
    gap = r.objective - r.lower_bound  # itself where the loss is all but 0
    gap /= r.objective if r.objective >= 1e-6 else 1.0
    assert r.gap == pytest.approx(max(0.0, gap), abs=EXACT)


def check(problem: Problem, r: Any, optimum: float) -> None:
    """The contract of a completed search."""
    check_bracket(problem, r, optimum)
    assert r.status == "optimal"
    assert r.objective == pytest.approx(optimum, rel=CLOSE, abs=EXACT)
    assert r.gap <= CLOSE or r.objective - r.lower_bound <= EXACT  # a loss of almost 0


def check_whole_run(problem: Problem) -> None:
    optimum = problem.optimum()
    if np.isinf(optimum):
        with pytest.raises(ValueError, match=r"."):
            problem.fit()
    else:
        check(problem, problem.fit(), optimum)


@batches
def test_objective_is_that_of_the_best_of_all_cards(number):
    for seed in batch(number, share=0.5):
        with naming(seed):
            check_whole_run(random_problem((1, seed)))


@batches
def test_larger_tables(number):
    for seed in batch(number, share=0.04):
        k = 3 if seed % 10 == 9 else 2
        n_terms = 12 if k == 3 else 12 + seed % 9
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
        rng = np.random.default_rng([32, seed])
        optimum = problem.optimum()
        if np.isinf(optimum):
            continue
        stop_after = int(2 ** rng.uniform(0, 12))
        with naming(seed, stop_after), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            r = problem.fit(stop_after=stop_after)
            check_bracket(problem, r, optimum)
            assert r.status in ("optimal", "time_limit")
            if r.status == "optimal":
                check(problem, r, optimum)


@batches
def test_any_gap_will_do(number):
    for seed in batch(number, share=0.06):
        problem = random_problem((5, seed))
        optimum = problem.optimum()
        if np.isfinite(optimum):
            with naming(seed):
                r = problem.fit(gap_tol=1.0)
                check_bracket(problem, r, optimum)
                assert r.status in ("optimal", "gap_tol")
                assert r.lower_bound >= 0


@batches
def test_more_terms_are_no_worse(number):
    for seed in batch(number, share=0.04):
        problem = random_problem((6, seed))
        earlier = np.inf
        for k in range(1, 5):
            with naming(seed, k):
                try:
                    r = problem.fit(k=k)
                except ValueError:
                    assert np.isinf(earlier)
                else:
                    check_card(problem, r, k)
                    assert r.status == "optimal"
                    assert r.objective <= earlier * (1 + CLOSE) + EXACT
                    earlier = r.objective


@batches
def test_weights_are_repeated_rows(number):
    for seed in batch(number, share=0.06):
        problem = random_problem((7, seed))
        if np.isinf(problem.optimum()):
            continue
        case = problem.case
        repeats = np.random.default_rng([33, seed]).integers(1, 4, len(case.y))
        rows = np.repeat(np.arange(len(case.y)), repeats)
        weighted = dataclasses.replace(case, weight=repeats.astype(np.float64))
        repeated = dataclasses.replace(case, X=case.X[rows], y=case.y[rows], weight=None)
        with naming(seed):
            one = dataclasses.replace(problem, case=weighted).fit()
            other = dataclasses.replace(problem, case=repeated).fit()
            assert one.status == other.status == "optimal"
            assert one.objective == pytest.approx(other.objective, rel=CLOSE, abs=EXACT)


@pytest.mark.parametrize("name", INFEASIBLE)
def test_no_card_obeys_these(name):
    rng = np.random.default_rng(8)
    X = rng.integers(0, 2, (30, 4)).astype(np.float64)
    case = Case(X, rng.integers(0, 2, 30), None, 2, INFEASIBLE[name])
    for scale in ("free", 1.0):
        problem = Problem(case, scale, 50.0)
        assert np.isinf(problem.optimum())
        with pytest.raises(ValueError, match=r"."):
            problem.fit()


def slow_least_loss(t: np.ndarray, y: np.ndarray, weight: np.ndarray, shrink: bool) -> float:
    """The same as `least_losses` for one row, by SciPy: one search in another."""
    p = weight / weight.sum()
    signed = np.where(y == 1, -1.0, 1.0)

    def loss(a: float) -> float:
        reach = 40 + np.abs(a * t).max() - np.log(p.min())
        b = brentq(lambda b: p @ (expit(a * t + b) - y), -reach, reach, xtol=1e-13, maxiter=10000)
        return float(p @ np.logaddexp(0, signed * (a * t + b)))

    if not shrink:
        return loss(1.0)
    inside = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-11})
    return min(loss(0.0), loss(1.0), float(inside.fun))


@pytest.mark.parametrize("seed", range(40))
def test_the_fits_of_the_oracle_against_scipy(seed):
    rng = np.random.default_rng([34, seed])
    case = random_case(rng)
    cards = rng.integers(-2, 3, (3, case.X.shape[1]))
    for size in (0.5, 5.0, 50.0, 150.0):
        logits = cards @ case.X.T
        logits = size * logits / np.maximum(1, np.abs(logits).max(axis=1))[:, None]
        for shrink in (False, True):
            found = least_losses(logits, case.y, case.weights, shrink)
            slow = [slow_least_loss(t, case.y, case.weights, shrink) for t in logits]
            assert found == pytest.approx(slow, rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("seed", range(40))
def test_the_cards_of_the_oracle_are_all_that_are_admitted(seed):
    rng = np.random.default_rng([35, seed])
    n_terms = int(rng.integers(1, 5))
    case = random_case(rng, n_terms=n_terms)
    every = map(np.array, itertools.product(range(-2, 3), repeat=n_terms))
    expected = {
        tuple(card.tolist())
        for card in every
        if np.count_nonzero(card) <= case.k and case.constraints.admits(card)
    }
    cards = all_cards(case.constraints, case.k)
    cards = cards[admitted(cards, case.constraints)]
    assert len(cards) == len(expected)
    assert set(map(tuple, cards.tolist())) == expected
