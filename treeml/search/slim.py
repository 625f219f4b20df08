"""Scorecards of least 0-1 loss (SLIM): whole numbers in, the native search, figures out."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint

from treeml._core.control import Control, Status
from treeml._ext import slim as native
from treeml.search.card_constraints import CardConstraints
from treeml.search.card_result import CardResult
from treeml.search.slim_milp import LinearRows, SlimProgram, best_of_program
from treeml.search.slim_packing import packed_errors, takes_long
from treeml.search.slim_problem import SlimProblem, on_a_grid

__all__ = ["slim"]

_STATUS: tuple[Status, ...] = ("gap_tol", "time_limit", "memory_limit", "interrupted")
_INFINITE = (2**63 - 1) // 4
_POOL = 2**25  # bytes of supports that wait
_PACKING_FROM = 1.0  # seconds of the limit from which a tenth goes into a bound at the start
_TABLES = 2**27  # bytes of nets of sets of columns


def slim(
    X: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_features: int,
    constraints: CardConstraints | None = None,
    regularization: float = 0.0,
    class_weight: tuple[float, float] = (1.0, 1.0),
    max_fpr: float | None = None,
    min_tpr: float | None = None,
    linear_constraints: LinearConstraint | Sequence[LinearConstraint] | None = None,
    control: Control | None = None,
    start: np.ndarray | None = None,
) -> CardResult:
    """The card of least weighted misclassification, with a proof.

    A card is a vector of integer points, at most ``max_features`` of them not 0, and an intercept;
    it predicts 1 where ``intercept + x @ points > 0``. Minimises errors / total + regularization x
    terms + tie x sum of absolute points, where a row that is misclassified errs by its weight times
    that of its class, and total is what all rows would err.

    Parameters
    ----------
    X : ndarray of float64, shape (n, n_terms)
        Finite. Scores are compared on a grid: the coarsest of binary or decimal fractions that
        holds all values, else one of 2^-42 of the largest value.
    codes : ndarray of int32, shape (n,)
        0 or 1.
    sample_weight : ndarray of float64, shape (n,), default=None
        Not negative; None: 1 each. Brought to a grid of whole numbers, exactly where they are
        multiples of 2^-20, else with 50 bits for the sum.
    max_features : int
        Most terms with points.
    constraints : CardConstraints, default=None
        None: points from -5 to 5.
    regularization : float, default=0.0
        Cost of a term in units of the total.
    class_weight : tuple of two floats, default=(1.0, 1.0)
        Weights of classes 0 and 1 in the objective.
    max_fpr : float, default=None
        Largest share of the sample weight of class 0 that may be predicted 1.
    min_tpr : float, default=None
        Least share of the sample weight of class 1 that must be predicted 1.
    linear_constraints : LinearConstraint or list of them, default=None
        Of the points of all terms and the intercept, in this order. The search obeys them at its
        leaves, beginning with a card that HiGHS finds. Where half of the time is not enough for a
        proof, a sixth goes into a bound without them, and the rest into the whole as a mixed
        integer program for HiGHS.
    control : Control, default=None
        Limits and progress; Ctrl-C ends the search with the best card so far.
    start : ndarray of int, shape (n_terms,), default=None
        Points of a card to begin with; not used along with linear constraints.

    Returns
    -------
    CardResult
        With ``tie``, the factor of the sum of absolute points: below half of the smallest
        difference of the other two terms, divided by the largest such sum. It only decides between
        cards that are equal otherwise.

    Raises
    ------
    ValueError
        Where no card is admitted.

    References
    ----------
    B. Ustun and C. Rudin, Supersparse linear integer models for optimized medical scoring systems,
    Machine Learning 102 (2016): the problem, its tie-break (section 2) and its constraints.
    """
    control = control or Control()
    began = time.perf_counter()
    X = np.ascontiguousarray(X, dtype=np.float64)
    codes = np.ascontiguousarray(codes, dtype=np.int32)
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    constraints = CardConstraints.box(X.shape[1]) if constraints is None else constraints
    problem = SlimProblem.make(
        X, codes, weight, max_features, constraints, regularization, class_weight, max_fpr, min_tpr
    )
    if linear_constraints is None:
        found = _search(problem, control, start, began)
        if found is None:
            raise ValueError(_why_infeasible(problem))
        return found
    if isinstance(linear_constraints, LinearConstraint):
        linear_constraints = [linear_constraints]
    rows = LinearRows(problem, linear_constraints)
    program = SlimProgram(problem, rows)

    def until(share: float) -> Control:
        limit = control.time_limit
        return dataclasses.replace(control, time_limit=None if limit is None else limit * share)

    found = _search(problem, until(1 / 2), program.some_points(), began, rows)
    if found is not None and found.status != "time_limit":
        return found
    without = _search(problem, until(2 / 3), None, began)
    bound = 0.0 if without is None else without.lower_bound
    if found is not None and without is not None and without.status == "interrupted":
        return dataclasses.replace(
            found,
            status="interrupted",
            lower_bound=min(found.objective, max(found.lower_bound, bound)),
        )
    return best_of_program(program, found, bound, control, began)


def _search(
    problem: SlimProblem,
    control: Control,
    start: np.ndarray | None,
    began: float,
    linear: LinearRows | None = None,
) -> CardResult | None:
    """The native search; None where no card is admitted, or none that obeys ``linear`` is known."""
    matrix, grid = on_a_grid(problem.X)
    progress = control.progress
    scale = problem.scale

    def report(seconds: float, upper: int, lower: int) -> None:
        if progress is not None:
            progress(seconds, upper / scale, lower / scale)

    least_errors, interrupted = _errors_at_least(problem, control)
    limit = -1.0
    if control.time_limit is not None:  # what came before this counts
        limit = max(0.0, control.time_limit - (time.perf_counter() - began))
    room = 2**62 if control.memory_limit is None else control.memory_limit // 4
    points, cut, cost, lower, complete, stop, counters, steps, raised = native.search(
        matrix,
        problem.codes,
        problem.integers.astype(np.float64),
        problem.constraints,
        max_features=problem.max_features,
        costs=problem.costs(max(1, round(grid))),
        linear=[] if linear is None else linear.of_cut(grid),
        start=[] if start is None else [int(w) for w in start],
        least_errors=least_errors,
        gap_tol=control.gap_tol,
        time_limit=limit,
        memory_limit=-1 if control.memory_limit is None else control.memory_limit,
        stop_after=0 if interrupted else -1 if control.stop_after is None else control.stop_after,
        pool_bytes=min(_POOL, room),
        table_bytes=min(_TABLES, room),
        callback=None if progress is None else report,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt) or cost >= _INFINITE:
            raise error
    if cost >= _INFINITE:
        return None
    card = np.array(points, dtype=np.int64)
    intercept = -cut / grid
    error = problem.error(card, intercept)
    objective = problem.objective(card, error)
    proven = lower == cost and abs(objective - cost / scale) <= 1e-9 + 2 * problem.rounding
    if progress is not None:
        with contextlib.suppress(KeyboardInterrupt):  # nothing is left to end
            progress(steps[-1][0], objective, lower / scale)
    history = np.array(steps, dtype=np.float64).reshape(-1, 3)
    history[:, 1:] /= scale
    ended: Status = "gap_tol" if complete else "interrupted" if interrupted else _STATUS[stop]
    return CardResult(
        points=card,
        intercept=intercept,
        scale=1.0,
        objective=objective,
        lower_bound=objective if proven else min(objective, problem.bound(lower)),
        status="optimal" if proven else ended,
        seconds=time.perf_counter() - began,
        counters=counters,
        history=history,
        tie=1 / scale,
        error=error,
    )


def _errors_at_least(problem: SlimProblem, control: Control) -> tuple[int, bool]:
    """Errors of every card by a packing, where the search may not end; whether Ctrl-C came."""
    limit = control.time_limit
    if control.stop_after is not None or limit is None or limit < _PACKING_FROM:
        return 0, False
    try:
        return packed_errors(problem, limit / 10) if takes_long(problem, limit / 2) else 0, False
    except KeyboardInterrupt:
        return 0, True


def _why_infeasible(problem: SlimProblem) -> str:
    """Names the kinds of constraints of which one less would admit a card."""
    k, constraints = problem.max_features, problem.constraints

    def fine(most: int = k, **changes: Any) -> bool:
        return native.admits_some_card(dataclasses.replace(constraints, **changes), most)

    if fine():
        rates = [
            f"{name}={value}"
            for name, value in (("max_fpr", problem.max_fpr), ("min_tpr", problem.min_tpr))
            if value is not None
        ]
        return (
            f"no card of at most {k} terms keeps {' and '.join(rates)} on these rows; "
            "loosen one of them, or allow more terms or points"
        )
    wide: dict[str, Any] = {
        "low": np.minimum(constraints.low, -1),
        "high": np.maximum(constraints.high, 1),
    }
    n_terms = len(constraints.low)
    guilty = [
        text
        for text, admitted in (
            (f"max_features={k}", fine(n_terms)),
            (f"required {constraints.required}", fine(required=())),
            (f"limits {constraints.limits}", fine(limits=())),
            (f"implications {constraints.implications}", fine(implications=())),
            (f"order {constraints.order}", fine(order=())),
            ("the ranges of points (low, high)", fine(**wide)),
        )
        if admitted
    ]
    what = "; ".join(guilty) or "several of them conflict"
    return f"no card obeys the constraints; without one of these there would be one: {what}"
