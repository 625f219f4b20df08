"""How large a Rashomon set is beside all the models it is chosen from."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from treeml._core.control import Control
from treeml._core.exact import as_decimal
from treeml.binarize.dataset import BinaryDataset
from treeml.rashomon.hypothesis_space import ManyPatternsError, Space, hypothesis_space
from treeml.rashomon.set import RashomonSet
from treeml.search.rashomon import Constraint, RashomonSearch

__all__ = [
    "CurvePoint",
    "PatternRatio",
    "RashomonCurve",
    "RatioResult",
    "pattern_ratio",
    "rashomon_curve",
    "rashomon_ratio",
]

_MOST_ALLOWED = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class RatioResult:
    """Share of the trees of a definition that are members of the set; exact.

    Parameters
    ----------
    count, space : int
        Number of members, and of all trees.
    theorem : str
        What was counted.
    """

    count: int
    space: int
    theorem: str

    @property
    def ratio(self) -> Fraction:
        return Fraction(self.count, self.space)

    @property
    def log10(self) -> float:
        """Decimal logarithm of the ratio; -inf where the set is empty."""
        return _log10(self.count, self.space)


def rashomon_ratio(
    members: RashomonSet, *, space: int | None = None, time_limit: float | None = 60.0
) -> RatioResult:
    """The Rashomon ratio of a set of trees, with every tree of its definition equally likely.

    Parameters
    ----------
    members : RashomonSet
    space : int, default=None
        Number of all trees, where it is known; else `hypothesis_space` counts them.
    time_limit : float or None, default=60.0
        Seconds of that count.

    Returns
    -------
    RatioResult

    Raises
    ------
    TimeoutError
        Where the time limit ends the count.

    References
    ----------
    L. Semenova, C. Rudin, R. Parr, "On the Existence of Simpler Machine Learning Models", FAccT
    2022, arXiv 1908.01755.
    """
    if space is None:
        space = hypothesis_space(members, time_limit=time_limit)
    search, chosen = members._search, Space.of(members)
    leaf = "any class" if search.any_label else "the class of largest weight"
    trivial = ", no split into two leaves of one class" if search.drop_trivial else ""
    theorem = (
        f"Of the {space} trees of depth {chosen.max_depth} or less over {chosen.X.shape[1]} "
        f"predicates, with {search.min_samples_leaf} training row(s) or more in every leaf, {leaf} "
        f"at a leaf{trivial}, {members.count} have an objective of {members.bound:.10g} or less "
        f"(errors / {search.total} + {search.regularization:.6g} x leaves)"
    )
    if members._constraint.required or members._constraint.max_leaf_nodes is not None:
        theorem += " and meet the other conditions of the filter"
    return RatioResult(members.count, space, theorem + ".")


@dataclasses.dataclass(frozen=True, slots=True)
class CurvePoint:
    """The trees of one depth or less.

    Parameters
    ----------
    max_depth : int
    risk : float
        Least risk of these trees.
    count, space : int
        How many have a risk of at most ``theta`` more, and how many there are.
    """

    max_depth: int
    risk: float
    count: int
    space: int

    @property
    def log10_ratio(self) -> float:
        return _log10(self.count, self.space)


@dataclasses.dataclass(frozen=True, slots=True)
class RashomonCurve:
    """Least risk and Rashomon ratio, depth by depth.

    Parameters
    ----------
    points : tuple of CurvePoint
    theta : float
    risk : {"error", "objective"}
    ended_by : str or None
        The limit that ended the curve before its last depth.
    """

    points: tuple[CurvePoint, ...]
    theta: float
    risk: str
    ended_by: str | None = None

    @property
    def elbow(self) -> int | None:
        """The depth at the corner of the curve; None for fewer than three points.

        Over the depths of the curve, let u be the least risk and v the logarithm of the ratio,
        each brought to 0 .. 1 by its least and largest value. The corner is where v - u is
        largest, the smaller depth of equals: one level deeper the logarithm has lost a larger
        part of its whole fall than the risk of its own, and up to here it was the other way
        round. Where the risk never falls it is the first depth.
        """
        if len(self.points) < 3:
            return None
        u = _scaled([point.risk for point in self.points])
        v = _scaled([point.log10_ratio for point in self.points])
        gain = np.round(v - u, 12)
        return self.points[int(np.argmax(gain))].max_depth

    @property
    def text(self) -> str:
        """The curve in lines."""
        lines = [f"depth  least {self.risk:<9}  log10 ratio (theta = {self.theta:g})"]
        for point in self.points:
            here = "  <- elbow" if point.max_depth == self.elbow else ""
            lines.append(
                f"{point.max_depth:5d}  {point.risk:<15.6g}  {point.log10_ratio:.3f}{here}"
            )
        if self.ended_by:
            lines.append(f"{self.ended_by} ended the curve: deeper trees were not counted")
        return "\n".join(lines)


def rashomon_curve(
    members: RashomonSet,
    *,
    max_depths: Sequence[int] = (1, 2, 3, 4),
    theta: float = 0.02,
    risk: Literal["error", "objective"] = "error",
    time_limit: float | None = 60.0,
) -> RashomonCurve:
    """The Rashomon curve: how the ratio falls while deeper trees lower the risk.

    For every depth d, of all trees of depth d or less the least risk and the share of those whose
    risk is at most ``theta`` more, as in [1]_ (its curve is Gamma-shaped on many
    tables, and the model class at the corner a good choice). Both are exact.

    The risk is the share of (weighted) errors, without a cost of leaves, or the objective of the
    set. Sets need a cost of leaves; for errors the least there is, one error, is taken: trees with
    at most E errors are among those whose errors and leaves sum to E + 2^d or less, which are
    counted by cost and number of leaves, and cost less leaves is the number of errors.

    Parameters
    ----------
    members : RashomonSet
        Gives rows, predicates and the definition of a tree; its depth and bound do not matter.
    max_depths : sequence of int
        Increasing.
    theta : float, default=0.02
        Absolute, the decimal as it is written.
    risk : {"error", "objective"}, default="error"
    time_limit : float or None, default=60.0
        Seconds of each of the two counts of each depth. Where one is ended, the curve ends.

    Returns
    -------
    RashomonCurve

    Raises
    ------
    ValueError
        For depths that do not increase, a negative theta, another risk, weights on too fine a
        grid.

    References
    ----------
    .. [1] L. Semenova, C. Rudin, "A Study in Rashomon Curves and Volumes", arXiv 1908.01755v1,
       2019; in FAccT 2022 as "On the Existence of Simpler Machine Learning Models", with R. Parr.
    """
    depths = [int(depth) for depth in max_depths]
    if not depths or depths[0] < 0 or depths != sorted(set(depths)):
        raise ValueError(f"max_depths={list(max_depths)}: give increasing depths, 0 or above")
    if not (math.isfinite(theta) and theta >= 0):
        raise ValueError(f"theta={theta}: give a number, 0 or above")
    if risk not in ("error", "objective"):
        raise ValueError(f"risk={risk!r}: give 'error' or 'objective'")
    control = Control(time_limit=time_limit, memory_limit=members._control.memory_limit)
    points = []
    for depth in depths:
        found = _near_best(members, depth, theta, risk, control)
        if isinstance(found, str):
            return RashomonCurve(tuple(points), theta, risk, found)
        try:
            space = hypothesis_space(members, max_depth=depth, time_limit=time_limit)
        except TimeoutError:
            return RashomonCurve(tuple(points), theta, risk, "time_limit")
        points.append(CurvePoint(depth, found[0], found[1], space))
    return RashomonCurve(tuple(points), theta, risk)


def _near_best(
    members: RashomonSet, depth: int, theta: float, risk: str, control: Control
) -> tuple[float, int] | str:
    """Least risk of trees of a depth and the number near it, or the limit that ended the count."""
    search = _search_of(members)
    search.max_depth = depth
    if risk == "error":
        search.leaf_cost = 1
    allowed = _floor(theta, search.total)
    if allowed > _MOST_ALLOWED:
        raise ValueError(
            f"theta={theta:g} is {allowed} units of the weights' common grid, more than "
            f"{_MOST_ALLOWED}: give a smaller theta or a resolution"
        )
    cost, _, nodes, status = search.find_optimum(control)
    if search.optimum is None:
        return status
    budget, constraint = cost + allowed, Constraint()
    if risk == "error":
        most = min(2 ** min(depth, 30), search.dataset.n_rows)  # leaves of a tree
        budget += most - (len(nodes) + 1) // 2
        constraint = Constraint(max_leaf_nodes=most, by_leaves=True)
    counted, status = search.count(budget, control, constraint)
    if counted is None:
        return status
    numbers = [
        (cost - (counted.leaves(part) if risk == "error" else 0), number)
        for cost, part, number in counted.levels()
    ]
    least = min(loss for loss, _ in numbers)
    return least / search.total, sum(n for loss, n in numbers if loss <= least + allowed)


def _search_of(members: RashomonSet) -> RashomonSearch:
    """A search of its own over the columns that a set may use."""
    search = copy.copy(members._search)
    search._native = search.optimum = None
    excluded = members._constraint.excluded
    if excluded:
        data = search.dataset
        kept = [j for j in range(data.n_columns) if j not in excluded]
        matrix = data.matrix()[:, kept]
        search.dataset = BinaryDataset.from_counts(matrix, data.statistics)
    return search


@dataclasses.dataclass(frozen=True, slots=True)
class PatternRatio:
    """Distinct predictions on the training rows: those of the set, and those of all trees.

    Parameters
    ----------
    count, space : int
    count_is_exact, space_is_exact : bool
        Where it is False, the number is a lower bound.
    """

    count: int
    space: int
    count_is_exact: bool
    space_is_exact: bool

    @property
    def ratio(self) -> Fraction:
        """Exact where both numbers are; an upper bound where only ``count`` is."""
        return Fraction(self.count, self.space)

    @property
    def text(self) -> str:
        """Both numbers in words."""
        members, trees = (
            f"{number}" if exact else f"at least {number}"
            for number, exact in (
                (self.count, self.count_is_exact),
                (self.space, self.space_is_exact),
            )
        )
        return f"{members} patterns of members, {trees} of all trees"


def pattern_ratio(
    members: RashomonSet, *, most: int = 100_000, time_limit: float | None = 60.0
) -> PatternRatio:
    """Share of the distinct predictions of all trees that members of the set give.

    The pattern of a tree is its labels on the (distinct) training rows: trees that differ only
    where no row tells them apart count once [1]_. All patterns are made from the leaves up, with
    the fewest leaves that give each; those with an objective within the bound are the set's.
    Where they are more than ``most``, or half the time is over, their number is a lower bound and
    the set's patterns are read off its members, the first ``most`` of them.

    Parameters
    ----------
    members : RashomonSet
    most : int, default=100000
    time_limit : float or None, default=60.0
        Seconds.

    Returns
    -------
    PatternRatio

    Raises
    ------
    ValueError
        For a set filtered by ``must_use`` or ``max_leaf_nodes``.

    References
    ----------
    .. [1] L. Semenova, H. Chen, R. Parr, C. Rudin, "A Path to Simpler Models Starts With Noise",
       NeurIPS 2023, arXiv 2310.19726.
    """
    Space.refuse_conditions(members)
    search, trees = members._search, Space.of(members)
    half = None if time_limit is None else time_limit / 2
    try:
        found = trees.patterns(search.leaf_cost, most, half)
    except ManyPatternsError as stop:
        end = math.inf if half is None else time.perf_counter() + half
        rows = search.dataset.matrix()[search.dataset.statistics[-1] > 0].astype(bool)
        seen: set[bytes] = set()
        listed = 0
        while listed < min(members.count, most) and time.perf_counter() < end:
            seen.add(_pattern(members, listed, rows))
            listed += 1
        return PatternRatio(len(seen), max(stop.found, len(seen)), listed == members.count, False)
    near = sum(
        errors + search.leaf_cost * leaves <= members._budget for leaves, errors in found.values()
    )
    return PatternRatio(near, len(found), True, True)


def _pattern(members: RashomonSet, place: int, rows: np.ndarray) -> bytes:
    """Labels that a member gives the rows."""
    nodes = members._counted().select(*members._place(place))
    at = np.zeros(len(rows), dtype=np.intp)
    while (inner := np.flatnonzero(nodes[at, 0] >= 0)).size:
        column, yes, no = nodes[at[inner], :3].T
        at[inner] = np.where(rows[inner, column], yes, no)
    return nodes[at, 3].tobytes()


def _scaled(values: list[float]) -> np.ndarray:
    """Values from 0 to 1; all 0 where they are equal."""
    out = np.array(values) - min(values)
    return out / out.max() if out.max() > 0 else out


def _log10(count: int, space: int) -> float:
    """log10(count / space) for integers of any size."""
    return math.log10(count) - math.log10(space) if count else -math.inf


def _floor(x: float, total: int) -> int:
    """The floor of the exact product with a decimal as it is written."""
    above, below = as_decimal(x)
    return total * above // below
