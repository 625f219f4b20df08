"""All scorecards that are nearly as good as the best one: a matrix in, flat arrays out."""

from __future__ import annotations

import dataclasses
import math
import time
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import card_set as native
from treeml.search.card_constraints import CardConstraints
from treeml.search.risk_score import MAX_LOGIT
from treeml.search.slim_problem import SlimProblem, on_a_grid

__all__ = ["EDGE", "CardSetResult", "near_risk_scores", "near_slim_cards"]

EDGE = 1e-9
"""Logistic losses this close to a bound, relative to it, count as within it."""

_STATUS: tuple[Status, ...] = ("optimal", "time_limit", "memory_limit", "interrupted")
_NOISE = 1e-13  # of a mean loss
_POOL, _TABLES = 2**25, 2**27
_WHOLE = 2**62


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CardSetResult:
    """Scorecards over the columns of a matrix, by rising objective.

    Equal objectives come with fewer terms first, then with smaller points.

    Parameters
    ----------
    terms : ndarray of int32, shape (n_cards, most_terms)
        The columns that have points, ascending, then -1.
    points : ndarray of int32, shape (n_cards, most_terms)
    intercepts, scales, objectives : ndarray of float64, shape (n_cards,)
    optimum : float
        Least objective; where ``complete`` is False, of what was found.
    bound : float
        Cards have an objective of at most this.
    proven_bound : float
        No card with an objective below this is missing: ``bound`` where ``complete``.
    complete : bool
        Whether all cards up to ``bound`` are here.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
        "gap_tol": floating point left open whether some cards are within the bound.
    seconds : float
    counters : dict of str to int
    """

    terms: np.ndarray
    points: np.ndarray
    intercepts: np.ndarray
    scales: np.ndarray
    objectives: np.ndarray
    optimum: float
    bound: float
    proven_bound: float
    complete: bool
    status: Status
    seconds: float
    counters: dict[str, int]


def near_risk_scores(
    X: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_features: int,
    constraints: CardConstraints | None = None,
    scale: Literal["free"] | float = "free",
    max_logit: float = MAX_LOGIT,
    epsilon: float | None = None,
    max_regret: float | None = None,
    control: Control | None = None,
) -> CardSetResult:
    """Every scorecard whose mean logistic loss is nearly the least.

    A card is its points; its loss is that with the best intercept, and scale where that is free.
    Then multiples of points are one card, which stands with the smallest points admitted, and
    points that go against the labels, whose best scale is infinite, are none: they say what the
    card without points says.

    Parameters
    ----------
    X, codes, sample_weight, max_features, constraints, scale, max_logit
        As for `treeml.search.risk_score`.
    epsilon : float, default=None
        Cards have a loss of at most (1 + epsilon) times the least one.
    max_regret : float, default=None
        Instead: of at most the least one plus this.
    control : Control, default=None
        Limits; Ctrl-C ends the search with the cards found so far.

    Returns
    -------
    CardSetResult

    Raises
    ------
    ValueError
        Where no card obeys the constraints.
    """
    control = control or Control()
    began = time.perf_counter()
    constraints = CardConstraints.box(X.shape[1]) if constraints is None else constraints
    fixed = None if scale == "free" else float(scale)
    found, raised = native.risk_scores(
        np.ascontiguousarray(X, dtype=np.float64),
        np.ascontiguousarray(codes, dtype=np.int32),
        None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype=np.float64),
        constraints,
        max_features=max_features,
        max_logit=max_logit,
        fixed_slope=0.0 if fixed is None else 1.0 / fixed,
        epsilon=epsilon or 0.0,
        regret=-1.0 if max_regret is None else max_regret,
        **_limits(control),
    )
    total = found["total"]
    losses = found["loss"] / total
    _check(found, raised)
    optimum = float(losses.min()) if len(losses) else found["best"] / total
    bound = optimum * (1 + (epsilon or 0.0)) if max_regret is None else optimum + max_regret
    used = found["points"].any(axis=1)
    slopes = np.where(used, found["slope"], 1.0)
    scales = 1.0 / slopes if fixed is None else np.full(len(losses), fixed)
    return _ordered(
        found,
        losses,
        found["intercept"] * scales if fixed is None else found["intercept"] * fixed,
        scales,
        (optimum, bound, min(bound, found["proven"] / total)),
        bound * (1 + EDGE) + _NOISE,
        began,
    )


def near_slim_cards(
    X: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_features: int,
    constraints: CardConstraints | None = None,
    regularization: float = 0.0,
    class_weight: tuple[float, float] = (1.0, 1.0),
    drop_trivial: bool = True,
    epsilon: float | None = None,
    max_regret: float | None = None,
    control: Control | None = None,
    start: np.ndarray | None = None,
) -> CardSetResult:
    """Every scorecard whose weighted misclassification is nearly the least.

    A card is its points and a threshold between two adjacent scores of the rows (half-way), so one
    vector of points can be several cards. Multiples of points are one card, which stands with the
    smallest points admitted. A card predicts both classes, but for the two without points. Sums of
    weights are whole numbers, so that the bound is exact.

    Parameters
    ----------
    X, codes, sample_weight, max_features, constraints, regularization, class_weight
        As for `treeml.search.slim`; the objective is that one without its tie-break.
    drop_trivial : bool, default=True
        Leave out cards that label all rows as they would without one of their terms, with another
        threshold and the same points for the other terms.
    epsilon, max_regret
        As for `near_risk_scores`; the decimal as it is written counts.
    control : Control, default=None
        Limits; Ctrl-C ends the search with the cards found so far.
    start : ndarray of int, shape (n_terms,), default=None
        Points of a good card: the search is faster the better it is.

    Returns
    -------
    CardSetResult
        ``scales`` are 1.

    Raises
    ------
    ValueError
        Where no card obeys the constraints.
    """
    control = control or Control()
    began = time.perf_counter()
    X = np.ascontiguousarray(X, dtype=np.float64)
    codes = np.ascontiguousarray(codes, dtype=np.int32)
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    constraints = CardConstraints.box(X.shape[1]) if constraints is None else constraints
    problem = SlimProblem.make(
        X, codes, weight, max_features, constraints, regularization, class_weight, None, None
    )
    matrix, grid = on_a_grid(X)
    one = problem.unit * problem.total  # cost of an objective of 1
    room = 2**62 if control.memory_limit is None else control.memory_limit // 4
    found, raised = native.slim_cards(
        matrix,
        codes,
        problem.integers.astype(np.float64),
        constraints,
        max_features=problem.max_features,
        costs=problem.costs(max(1, round(grid))),
        margin=_margin(epsilon, max_regret, one),
        drop_trivial=drop_trivial,
        start=[] if start is None else [int(w) for w in start],
        pool_bytes=min(_POOL, room),
        table_bytes=min(_TABLES, room),
        **_limits(control),
    )
    costs = found["loss"]
    _check(found, raised)
    best = costs.min() if len(costs) else found["best"]
    numerator, denominator, regret = _margin(epsilon, max_regret, one)
    most = int(best) + int(best) * numerator // denominator + regret
    bound = float(best) * (1 + (epsilon or 0.0)) / one if max_regret is None else most / one
    return _ordered(
        found,
        costs / one,
        np.where(found["points"].any(axis=1), found["intercept"] / grid, found["intercept"]),
        np.ones(len(costs)),
        (float(best) / one, max(bound, most / one), max(0.0, min(most, found["proven"])) / one),
        most / one,
        began,
    )


def _limits(control: Control) -> dict[str, Any]:
    return {
        "time_limit": -1.0 if control.time_limit is None else control.time_limit,
        "memory_limit": -1 if control.memory_limit is None else control.memory_limit,
        "stop_after": -1 if control.stop_after is None else control.stop_after,
    }


def _margin(epsilon: float | None, max_regret: float | None, one: int) -> tuple[int, int, int]:
    """How far a cost may be above the least one: a fraction of it, and whole units."""
    if max_regret is not None:
        return 0, 1, math.floor(Fraction(repr(float(max_regret))) * one)
    share = Fraction(repr(float(epsilon or 0.0)))
    if max(share.numerator, share.denominator) >= _WHOLE:
        share = share.limit_denominator(2**40)
    return share.numerator, share.denominator, 0


def _check(found: dict[str, Any], raised: list[BaseException]) -> None:
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    if not len(found["loss"]) and raised:
        raise raised[0]
    if not len(found["loss"]) and found["complete"]:
        raise ValueError("no card obeys the constraints")


def _ordered(
    found: dict[str, Any],
    objectives: np.ndarray,
    intercepts: np.ndarray,
    scales: np.ndarray,
    bounds: tuple[float, float, float],
    most: float,
    began: float,
) -> CardSetResult:
    """The cards within the bound in their order, each once."""
    terms, points = found["terms"], found["points"]
    width = terms.shape[1]
    levels = np.rint(objectives / max(bounds[0] * 1e-10, 1e-14))  # equal but for rounding
    keys = [intercepts, *(points[:, t] for t in reversed(range(width)))]
    keys += [terms[:, t] for t in reversed(range(width))]
    keys += [np.abs(points).sum(axis=1), np.count_nonzero(points, axis=1), levels]
    order = np.lexsort(keys)
    order = order[objectives[order] <= most]
    if not found["complete"]:  # the card it began with may be there twice
        whole = np.column_stack([terms[order], points[order], intercepts[order]])
        again = np.zeros(len(order), dtype=bool)
        again[1:] = (np.abs(whole[1:] - whole[:-1]) <= 1e-9 * np.abs(whole[1:])).all(axis=1)
        order = order[~again]
    optimum, bound, proven = bounds
    return CardSetResult(
        terms=terms[order],
        points=points[order],
        intercepts=intercepts[order],
        scales=scales[order],
        objectives=objectives[order],
        optimum=optimum,
        bound=bound,
        proven_bound=bound if found["complete"] else proven,
        complete=found["complete"],
        status="gap_tol" if not (found["complete"] or found["stop"]) else _STATUS[found["stop"]],
        seconds=time.perf_counter() - began,
        counters=found["counters"],
    )
