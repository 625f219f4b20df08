"""Probabilities in the leaves of the trees of a counted set: ranges, and who departs most."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import rashomon as native
from treeml.search.ranges import GreatestScores, _by_label
from treeml.search.rashomon import _STATUS, Counted, _limits, _polls, _raise

__all__ = ["Departure", "departing_scores", "leaf_vectors", "share_ranges"]

_MOST_TOTAL = 2**31


@dataclasses.dataclass(frozen=True, slots=True)
class Departure:
    """What makes a leaf far from another tree.

    Parameters
    ----------
    chosen : int
        The class whose probability counts.
    of_group : ndarray of int64, shape (n_groups, 2)
        Numerator and denominator of the probability that the other tree gives each group of rows.
    delta : tuple of int, int
        Far is a difference of this fraction or more.
    """

    chosen: int
    of_group: np.ndarray
    delta: tuple[int, int]


def share_ranges(
    counted: Counted, numbers: np.ndarray, n_classes: int, control: Control
) -> tuple[tuple[np.ndarray, np.ndarray] | None, Status]:
    """Least and greatest probability of each class in the leaves of each traced row.

    Parameters
    ----------
    counted : Counted
        From `RashomonSearch.trace`; it has a member, and all rows of the fit are among the traced.
    numbers : ndarray of int64, shape (n_rows, n_classes) or (n_rows, 2 x n_classes)
        Weight of the rows of the fit in each class, 0 for others. Where a class has weight 0,
        also their unweighted number in each class, which counts in leaves without weight.
    n_classes : int
    control : Control

    Returns
    -------
    (low, high) : ndarrays of int64, shape (n_rows, n_classes, 2)
        Numerators and denominators; None where a limit ended it.
    status : str
    """
    _check(numbers)
    complete, low, high, stop, raised = counted._trees.probabilities(
        _by_label(counted, numbers),
        _flags(counted),
        has_rows=numbers.shape[1] > n_classes,
        **_limits(control),
        stop_after=_polls(control),
    )
    _raise(raised)
    if not complete:
        return None, _STATUS[stop]
    assert counted.order is not None
    ends = [
        np.array(end, dtype=np.int64).reshape(n_classes, -1, 2).transpose(1, 0, 2)[counted.order]
        for end in (low, high)
    ]
    return (ends[0], ends[1]), "optimal"


def leaf_vectors(
    counted: Counted, numbers: np.ndarray, n_classes: int, control: Control
) -> tuple[tuple[np.ndarray, np.ndarray] | None, Status]:
    """The different probability vectors in the leaves of the members, and who gets each.

    Parameters
    ----------
    counted, numbers, n_classes, control
        As for `share_ranges`.

    Returns
    -------
    (vectors, rows) : ndarrays, shape (n_vectors, n_classes) of int64, (n_vectors, n_rows) of bool
        Proportions without a common divisor; None where a limit ended it.
    status : str
    """
    _check(numbers)
    complete, counts, rows, stop, raised = counted._trees.vectors(
        _by_label(counted, numbers),
        _flags(counted),
        has_rows=numbers.shape[1] > n_classes,
        **_limits(control),
        stop_after=_polls(control),
    )
    _raise(raised)
    if not complete:
        return None, _STATUS[stop]
    assert counted.order is not None
    vectors = np.array(counts, dtype=np.int64).reshape(-1, n_classes)
    packed = np.array(rows, dtype="<u8").reshape(len(vectors), -1).view(np.uint8)
    bits = np.unpackbits(packed, axis=1, bitorder="little").astype(bool)
    return (vectors, bits[:, counted.order]), "optimal"


def departing_scores(
    counted: Counted,
    numbers: np.ndarray,
    rows: np.ndarray,
    n_classes: int,
    departure: Departure,
    control: Control,
) -> tuple[GreatestScores | None, Status]:
    """The greatest number of rows whose probability in a member is far from that in another tree.

    Parameters
    ----------
    counted, numbers, n_classes, control
        As for `share_ranges`.
    rows : ndarray of int64, shape (n_rows, n_groups)
        How many rows each traced row stands for, in the column of its group.
    departure : Departure
    """
    _check(numbers)
    delta, unit = departure.delta
    found = native.Ranges(
        counted._trees,
        of_group=[(int(a), int(b)) for a, b in departure.of_group],
        n_classes=n_classes,
        chosen=departure.chosen,
        delta=(delta, unit),
        has_rows=numbers.shape[1] > n_classes,
    )
    complete, stop, raised = found.find(
        _by_label(counted, np.hstack([numbers, rows])),
        **_limits(control),
        stop_after=_polls(control),
    )
    _raise(raised)
    if not complete:
        return None, _STATUS[stop]
    return GreatestScores(counted, found), "optimal"


def _flags(counted: Counted) -> list[int]:
    parts = counted.parts
    return [int(part in parts) for part in range(max(parts, default=0) + 1)]


def _check(numbers: np.ndarray) -> None:
    if int(numbers.sum()) >= 2 * _MOST_TOTAL:
        raise ValueError(
            f"the rows of the fit add up to {int(numbers.sum())} units of their common grid; "
            "give weights that are multiples of a larger unit"
        )
