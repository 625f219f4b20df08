"""Greatest additive scores of the trees of a counted set, from a max-plus sweep of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import rashomon as native
from treeml.search.rashomon import _STATUS, Counted, _limits, _polls, _raise

__all__ = ["GreatestScores", "greatest_scores", "nearest_score"]

_MOST_SCORE = 2**59


class GreatestScores:
    """The greatest score of the members of every cost and part, and members that have it.

    Attributes
    ----------
    levels : list of (int, int, int)
        (cost, part, score), by cost and part, as `Counted.levels` has them.
    """

    def __init__(self, counted: Counted, found: native.Ranges) -> None:
        self._found = found
        self.levels = [
            (cost, part, score)
            for cost, part, _ in counted.levels()
            if (score := found.greatest(cost, part)) is not None
        ]

    def best(self) -> tuple[int, np.ndarray]:
        """The greatest score of all members, and the cheapest member that has it, as nodes."""
        cost, part, score = max(self.levels, key=lambda level: (level[2], -level[0], -level[1]))
        return score, self.attaining(cost, part)

    def attaining(self, cost: int, part: int) -> np.ndarray:
        """A member of a level with its score, as nodes (column, if_true, if_false, label)."""
        return np.array(self._found.attaining(cost, part), dtype=np.int32).reshape(-1, 4)


def greatest_scores(
    counted: Counted, scores: Any, control: Control
) -> tuple[list[GreatestScores] | None, Status]:
    """The greatest scores of the members of a traced set.

    The score of a tree is the sum, over the traced rows, of the number that belongs to the row
    and the label that the tree gives it.

    Parameters
    ----------
    counted : Counted
        From `RashomonSearch.trace`.
    scores : sequence of ndarray of int64, shape (n_rows, n_classes)
        Several scores; a least one is the greatest of the negated numbers.
    control : Control

    Returns
    -------
    list of GreatestScores, one for each score; None where a limit ended it
    status : str

    Raises
    ------
    ValueError
        Where sums of scores could pass 2^59.
    """
    out = []
    for score in scores:
        found = native.Ranges(counted._trees)
        complete, stop, raised = found.find(
            _by_label(counted, score), **_limits(control), stop_after=_polls(control)
        )
        _raise(raised)
        if not complete:
            return None, _STATUS[stop]
        out.append(GreatestScores(counted, found))
    return out, "optimal"


def nearest_score(
    counted: Counted, score: np.ndarray, control: Control, *, goal: int, steps: int
) -> tuple[tuple[int, int, np.ndarray] | None, Status]:
    """The member of a traced set whose score is nearest to 0.

    Parameters
    ----------
    counted : Counted
        From `RashomonSearch.trace`; it has a member.
    score : ndarray of int64, shape (n_rows, n_classes)
        As for `greatest_scores`.
    control : Control
    goal : int
        A score from -goal to goal is near enough.
    steps : int
        The search ends when it has opened so many parts of trees.

    Returns
    -------
    tuple of int, int, ndarray
        The score that was found, a bound (every member's score is at least so far from 0), and
        the member's nodes; None where a limit ended the search before there was a bound.
    status : str
    """
    parts = counted.parts
    complete, found, bound, nodes, stop, raised = counted._trees.nearest(
        _by_label(counted, score),
        [int(part in parts) for part in range(max(parts, default=0) + 1)],
        goal=goal,
        steps=steps,
        **_limits(control),
        stop_after=_polls(control),
    )
    _raise(raised)
    if not complete:
        return None, _STATUS[stop]
    return (found, bound, np.array(nodes, dtype=np.int32).reshape(-1, 4)), _STATUS[stop]


def _by_label(counted: Counted, score: np.ndarray) -> np.ndarray:
    """Scores by label, then by row as the native set has them."""
    if sum(int(row) for row in np.abs(score).max(axis=1, initial=0).tolist()) >= _MOST_SCORE:
        raise ValueError("the scores of all rows add up to 2^59 or more: give smaller numbers")
    assert counted.order is not None
    return np.ascontiguousarray(score[np.argsort(counted.order)].T, dtype=np.int64).ravel()
