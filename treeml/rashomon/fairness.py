"""Differences of rates between two groups over all members of a Rashomon set.

The denominators of the rates are numbers of rows, the same for every member: the difference is a
sum over rows, as `treeml.rashomon.ranges` needs it.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from treeml.ir import Scorecard, Tree
from treeml.rashomon.ranges import (
    Range,
    check_members,
    exact_range,
    merged_rows,
    row_values,
)
from treeml.rashomon.scorecard_set import ScorecardSet
from treeml.rashomon.set import RashomonSet
from treeml.search.ranges import nearest_score

__all__ = ["LeastGap", "Metric", "fairness_range", "least_discriminatory"]

Metric = Literal["selection_rate", "tpr", "fpr"]


@dataclasses.dataclass(frozen=True, slots=True)
class LeastGap:
    """A member with a small difference of rates between two groups.

    Parameters
    ----------
    gap : Fraction
        Of the tree: rate of the second group less that of the first.
    bound : Fraction
        No member's gap is smaller in size.
    tree : Tree or Scorecard
    """

    gap: Fraction
    bound: Fraction
    tree: Tree | Scorecard

    @property
    def is_least(self) -> bool:
        """Whether it is proven that no member has a smaller gap."""
        return abs(self.gap) == self.bound


def fairness_range(
    set_: RashomonSet | ScorecardSet,
    X: Any,
    y: Any,
    groups: Any,
    metric: Metric = "selection_rate",
    *,
    positive: Any = None,
) -> Range:
    """Least and greatest difference of a rate between two groups, over all members.

    The difference is that of the second group, in the order of ``numpy.unique``, less that of the
    first.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
    X : table, shape (n_rows, n_columns), or Table
    y : array-like of shape (n_rows,) or None
        Not needed for selection rates.
    groups : array-like of shape (n_rows,)
        Two different values.
    metric : {"selection_rate", "tpr", "fpr"}
        Share of rows that are given the positive class: of all, of those that have it, of those
        that do not.
    positive : object, default=None
        The positive class; None: the last one of the set.

    Returns
    -------
    Range

    References
    ----------
    .. [1] A. Coston, A. Rambachan, A. Chouldechova, "Characterizing Fairness Over the Set of Good
       Models Under Selective Labels", ICML 2021.
    """
    answers = set_.answers(X)
    scores, scale = _gap_scores(set_, len(answers), y, groups, metric, positive)
    return exact_range(set_, answers, scores, scale)


def least_discriminatory(
    set_: RashomonSet | ScorecardSet,
    X: Any,
    y: Any,
    groups: Any,
    metric: Metric = "selection_rate",
    *,
    positive: Any = None,
    tolerance: float = 0.0,
    most_steps: int = 1000,
) -> LeastGap:
    """The member whose difference of a rate between two groups is smallest in size.

    The gaps of the members are not all numbers between the least and the greatest one: where that
    range holds 0, no member need be near 0. Members are pairs of trees on the sides of the root's
    split, so the scores of all trees below the root, of which there are about as many as the square
    root of the number of members, give the nearest pair [2]_. Where these are more than 30 million
    (or trivial splits are left out), a branch-and-bound search over partial trees goes on until all
    members that could be nearer are refuted, or one is near enough; else the result has the bound
    that was reached. Of score cards every member is looked at.

    Parameters
    ----------
    set_, X, y, groups, metric, positive
        As for `fairness_range`.
    tolerance : float, default=0.0
        A gap of this size is small enough.
    most_steps : int, default=1000
        Parts of trees that the branch-and-bound search may open.

    Returns
    -------
    LeastGap

    References
    ----------
    .. [1] E. Black, J. L. Koepke, P. T. Kim, S. Barocas, M. Hsu, "Less Discriminatory Algorithms",
       Washington University Law Review 101, 2024.
    .. [2] E. Horowitz, S. Sahni, "Computing Partitions with Applications to the Knapsack Problem",
       JACM 21, 1974.
    """
    check_members(set_)
    answers = set_.answers(X)
    scores, scale = _gap_scores(set_, len(answers), y, groups, metric, positive)
    if isinstance(set_, ScorecardSet):
        sums = set_.members.score_sums(answers, scores)
        place = int(np.abs(sums).argmin())
        least = Fraction(int(sums[place]), scale)
        return LeastGap(least, abs(least), set_[place])
    distinct, (merged,) = merged_rows(answers, [scores])
    counted, status = set_._search.trace(distinct, set_._budget, set_._control, set_._constraint)
    found = None
    if counted is not None:
        found, status = nearest_score(
            counted, merged, set_._control, goal=int(tolerance * scale), steps=most_steps
        )
    if found is None:
        raise ValueError(f"{status} ended the search for a gap; fit with larger limits")
    gap, bound, nodes = found
    tree = set_.build(nodes[:, :3], nodes[:, 3])
    return LeastGap(Fraction(gap, scale), Fraction(bound, scale), tree)


def _gap_scores(
    set_: RashomonSet | ScorecardSet, n_rows: int, y: Any, groups: Any, metric: str, positive: Any
) -> tuple[np.ndarray, int]:
    """What rows add to the difference of rates, and what the sum is to be divided by."""
    classes = set_.classes.tolist()
    chosen = classes[-1] if positive is None else positive
    if chosen not in classes:
        raise ValueError(f"positive={positive!r} is none of the classes {classes}")
    if metric not in ("selection_rate", "tpr", "fpr"):
        raise ValueError(f'metric={metric!r}: choose "selection_rate", "tpr" or "fpr"')
    member = row_values("groups", groups, n_rows)
    names = np.unique(member)
    if len(names) != 2:
        raise ValueError(f"groups: {len(names)} different values; a difference is between two")
    counted = np.ones(n_rows, dtype=bool)
    if metric != "selection_rate":
        counted = (row_values("y", y, n_rows) == chosen) == (metric == "tpr")
    sizes = [int((counted & (member == name)).sum()) for name in names]
    if not all(sizes):
        raise ValueError(f"{metric}: a group has no row that it is a share of")
    scores = np.zeros((n_rows, len(classes)), dtype=np.int64)
    signed = np.where(member == names[1], sizes[0], -sizes[1])
    scores[:, classes.index(chosen)] = signed * counted
    return scores, sizes[0] * sizes[1]
