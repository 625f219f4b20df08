"""Risk scores of least logistic loss: a matrix in, the card and its bound out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import risk_score as native
from treeml.search.card_constraints import CardConstraints
from treeml.search.card_result import CardResult
from treeml.search.result import relative_gap

__all__ = ["MAX_LOGIT", "TOLERANCE", "SubsetResult", "best_subset", "risk_score", "risk_scores"]

_STATUS: tuple[Status, ...] = ("gap_tol", "time_limit", "memory_limit", "interrupted")
_FLATTEST = 1e-12  # slope of a card whose terms are best ignored but must be used

MAX_LOGIT = 500.0
"""Default limit on how steep a card may be; see `risk_score`."""

TOLERANCE = 4e-7
"""A proof is complete once the bound is this close to the loss, relative to it."""


def risk_score(
    X: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_features: int,
    constraints: CardConstraints | None = None,
    scale: Literal["free"] | float = "free",
    max_logit: float = MAX_LOGIT,
    control: Control | None = None,
) -> CardResult:
    """The scorecard of least mean logistic loss with at most so many terms, with a bound.

    A card is a vector of integer points, an intercept and a scale; it says
    ``P(y = 1) = sigmoid((intercept + x @ points) / scale)``. First cards come from a beam search
    over supports and rounding at many scales; the proof is a best-first search over supports.

    Parameters
    ----------
    X : ndarray of float64, shape (n, n_terms)
        Finite.
    codes : ndarray of int32, shape (n,)
        0 or 1; both occur.
    sample_weight : ndarray of float64, shape (n,), default=None
        Not negative; None: 1 each.
    max_features : int
        Most terms with points.
    constraints : CardConstraints, default=None
        None: points from -5 to 5.
    scale : "free" or float, default="free"
        A given scale fixes how many log odds a point is worth.
    max_logit : float, default=500.0
        With a free scale, no term of a card may move the log odds by more:
        ``|points_j| max|x_j| / scale <= max_logit``. On separable rows the loss falls with the
        scale without end; this limit makes the least loss one that is attained.
    control : Control, default=None
        Limits and progress; Ctrl-C ends the search with the best card so far. ``gap_tol`` of 1
        or more: no proof is tried, and the bound is the entropy of equal rows.

    Returns
    -------
    CardResult
        ``objective`` and ``lower_bound`` are mean losses in nats. "optimal": they differ by no
        more than `TOLERANCE` times the objective, or 1e-9. Bounds are safe against rounding: the
        dual value and the error that floating point can make are summed in the bound's disfavour.

    Raises
    ------
    ValueError
        Where no card obeys the constraints, or a class does not occur.
    """
    control = control or Control()
    start = time.perf_counter()
    fixed = None if scale == "free" else float(scale)
    rows = _merged(X, codes, sample_weight)
    found = _search(rows, X.shape[1], max_features, constraints, max_logit, fixed, False, control)
    return _card(found, fixed, start)


def risk_scores(
    X: np.ndarray,
    codes: np.ndarray,
    sample_weights: Iterable[np.ndarray],
    *,
    max_features: int,
    constraints: CardConstraints | None = None,
    scale: Literal["free"] | float = "free",
    max_logit: float = MAX_LOGIT,
    control: Control | None = None,
) -> Iterator[CardResult]:
    """`risk_score` for several weights of the same rows, as bootstraps need them.

    Equal rows are merged, and columns laid out, once for all of them.

    Parameters
    ----------
    sample_weights : iterable of ndarray of float64, each of shape (n,)

    Yields
    ------
    CardResult
        One for each of ``sample_weights``, in order.
    """
    control = control or Control()
    fixed = None if scale == "free" else float(scale)
    rows = None
    for weights in sample_weights:
        start = time.perf_counter()
        _check_classes(codes, weights)
        if rows is None:
            rows = _merged(X, codes, None)
        rows.weigh(np.ascontiguousarray(weights, dtype=np.float64))
        found = _search(
            rows, X.shape[1], max_features, constraints, max_logit, fixed, False, control
        )
        yield _card(found, fixed, start)


def _card(found: dict[str, Any], fixed: float | None, start: float) -> CardResult:
    """The result of a search for points."""
    slope = max(found["slope"], _FLATTEST) if fixed is None else 1.0 / fixed
    if fixed is None and not found["points"].any():
        slope = 1.0
    return CardResult(
        points=found["points"],
        intercept=found["intercept"] / slope,
        scale=1.0 / slope if fixed is None else fixed,
        **_proven(found, start),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SubsetResult:
    """A sparse logistic regression, and what is proven about it; fields as in `CardResult`.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_terms,)
        0 where a term is not used.
    """

    coef: np.ndarray
    intercept: float
    objective: float
    lower_bound: float
    status: Status
    seconds: float
    counters: dict[str, int]
    history: np.ndarray

    @property
    def gap(self) -> float:
        """See `treeml.search.result.relative_gap`."""
        return relative_gap(self.objective, self.lower_bound)


def best_subset(
    X: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    max_features: int,
    max_logit: float = MAX_LOGIT,
    control: Control | None = None,
) -> SubsetResult:
    """The logistic regression of least mean loss with at most so many coefficients, with a bound.

    The search of `risk_score` without points: parameters, errors and what is proven as there.
    """
    control = control or Control()
    start = time.perf_counter()
    rows = _merged(X, codes, sample_weight)
    found = _search(rows, X.shape[1], max_features, None, max_logit, None, True, control)
    return SubsetResult(coef=found["points"], intercept=found["intercept"], **_proven(found, start))


def _check_classes(codes: np.ndarray, sample_weight: np.ndarray | None) -> None:
    weighed = codes if sample_weight is None else codes[sample_weight > 0]
    if not weighed.any() or weighed.all():
        raise ValueError("both classes must occur among the rows of positive weight")


def _merged(
    X: np.ndarray, codes: np.ndarray, sample_weight: np.ndarray | None
) -> native.MergedRows:
    """Rows as the native search reads them."""
    _check_classes(codes, sample_weight)
    return native.MergedRows(
        np.ascontiguousarray(X, dtype=np.float64),
        np.ascontiguousarray(codes, dtype=np.int32),
        None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype=np.float64),
    )


def _search(
    rows: native.MergedRows,
    n_terms: int,
    max_features: int,
    constraints: CardConstraints | None,
    max_logit: float,
    scale: float | None,
    real: bool,
    control: Control,
) -> dict[str, Any]:
    """What the native search finds."""
    if constraints is None:
        constraints = CardConstraints.box(n_terms)
    progress = control.progress

    def report(seconds: float, upper: int, lower: int) -> None:
        if progress is not None:
            progress(seconds, upper * 2.0**-40, lower * 2.0**-40)

    found, raised = rows.search(
        constraints,
        max_features=max_features,
        max_logit=max_logit,
        fixed_slope=0.0 if scale is None else 1.0 / scale,
        real=real,
        gap_tol=control.gap_tol,
        time_limit=-1.0 if control.time_limit is None else control.time_limit,
        memory_limit=-1 if control.memory_limit is None else control.memory_limit,
        stop_after=-1 if control.stop_after is None else control.stop_after,
        callback=None if progress is None else report,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    if not found["found"]:
        if raised:
            raise raised[0]
        raise ValueError("no card obeys the constraints")
    return found


def _proven(found: dict[str, Any], start: float) -> dict[str, Any]:
    """What is known of the loss, as fields of a result."""
    objective = found["loss"] / found["total"]
    return {
        "objective": objective,
        "lower_bound": min(objective, found["lower"] / found["total"]),
        "status": "optimal" if found["optimal"] else _STATUS[found["stop"]],
        "seconds": time.perf_counter() - start,
        "counters": found["counters"],
        "history": np.array(found["history"], dtype=np.float64).reshape(-1, 3),
    }
