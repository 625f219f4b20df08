"""Convex regions of a box, cut by hyperplanes: which parts are there at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog

from treeml.routing.proofs import HalfSpace, has_no_inside, inner_point

__all__ = ["TOLERANCE", "Cut", "Region", "RegionLimit", "Space"]

TOLERANCE = 1e-9  # the radius, in a box scaled to [-1, 1], of a ball that floats can be sure of
_FEASIBLE = 1e-10  # the least that HiGHS allows
_WITNESSES = 2048
_CLEAR = 1e-12  # by more than this part rounding does not move a sum over the box


class RegionLimit(Exception):  # noqa: N818 - no error: it is caught and told with what was found
    """Regions were not followed any further; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """The points with ``weights @ x <= bound``; ``strict``: with ``<``.

    Strictness matters only where all weights are 0: a hyperplane has no inside.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_columns,)
    bound : float
    strict : bool, default=False
    exact : callable or None, default=None
        Gives weights and bound as fractions, where the floats are rounded.
    """

    weights: np.ndarray
    bound: float
    strict: bool = False
    exact: Callable[[], HalfSpace] | None = None

    @property
    def other(self) -> Cut:
        """The points on the other side."""
        return Cut(
            -self.weights,
            -self.bound,
            not self.strict,
            None if self.exact is None else self._other_fractions,
        )

    @property
    def fractions(self) -> HalfSpace:
        """Weights and bound, exactly."""
        if self.exact is not None:
            return self.exact()
        return list(map(Fraction, self.weights.tolist())), Fraction(self.bound)

    def _other_fractions(self) -> HalfSpace:
        weights, bound = self.fractions
        return [-weight for weight in weights], -bound


class Space:
    """A box, in which every bounded column is scaled to [-1, 1], and points to try first.

    Parameters
    ----------
    low, high : ndarray of float64, shape (n_columns,)
        Ends of the box, infinite where there are none. A column whose ends are equal is a
        constant.
    expired : callable or None, default=None
        Whether time is over; asked at every linear program.

    Attributes
    ----------
    n_programs : int
        Linear programs solved so far.
    n_proven, n_unproven : int
        Parts that a linear program called empty: proven in exact arithmetic, or not.
    """

    def __init__(
        self, low: np.ndarray, high: np.ndarray, expired: Callable[[], bool] | None = None
    ) -> None:
        self._expired = expired
        self._free = low < high
        self._constant = np.where(self._free, 0.0, low)
        low, high = low[self._free], high[self._free]
        self._box = _half_spaces(low, high)
        bounded = np.isfinite(low) & np.isfinite(high)
        self._middle, self._half = np.zeros(len(low)), np.ones(len(low))
        self._middle[bounded] = low[bounded] / 2 + high[bounded] / 2
        self._half[bounded] = high[bounded] / 2 - low[bounded] / 2
        self.low, self.high = np.where(bounded, -1.0, low), np.where(bounded, 1.0, high)
        self.n_programs = self.n_proven = self.n_unproven = 0
        sides = [(row, end) for row, end in zip(np.eye(len(low)), self.high, strict=True)]
        sides += [(-row, -end) for row, end in zip(np.eye(len(low)), self.low, strict=True)]
        kept = [(row, end) for row, end in sides if np.isfinite(end)]
        self._rows = np.array([row for row, _ in kept]).reshape(len(kept), len(low))
        self._ends = np.array([end for _, end in kept])

    @property
    def whole(self) -> Region:
        """The box itself."""
        n = len(self.low)
        return Region(self, (), np.empty((0, n)), np.empty(0), self._points())

    def scaled(self, cut: Cut) -> tuple[np.ndarray, float]:
        """Weights and bound of a cut for scaled points."""
        free = cut.weights[self._free]
        fixed = float(cut.weights @ self._constant) + float(free @ self._middle)
        return free * self._half, cut.bound - fixed

    def range(self, row: np.ndarray) -> tuple[float, float]:
        """Least and greatest value of a row over the box."""
        used = row != 0
        ends = row[used] * np.array([self.low[used], self.high[used]])
        return float(ends.min(axis=0).sum()), float(ends.max(axis=0).sum())

    def inside(
        self, cuts: tuple[Cut, ...], rows: np.ndarray, ends: np.ndarray
    ) -> np.ndarray | None:
        """Centres of balls of radius `TOLERANCE` within cuts, possibly none; None for no inside.

        A linear program looks for the greatest ball. Where that is too small to be sure of, exact
        arithmetic decides: it proves from the program's multipliers that there is no inside, or
        finds a point inside. Where it does neither the program is believed.

        Parameters
        ----------
        cuts : tuple of Cut
        rows, ends : ndarray of float64, shape (n_cuts, n_free) and (n_cuts,)
            The same for scaled points, rows of length 1.
        """
        if self._expired is not None and self._expired():
            raise RegionLimit("time_limit was reached")
        self.n_programs += 1
        n = len(self.low)
        rows = np.vstack([rows, self._rows])
        options: Any = {
            "primal_feasibility_tolerance": _FEASIBLE,
            "dual_feasibility_tolerance": _FEASIBLE,
        }
        solved = linprog(
            np.append(np.zeros(n), -1.0),
            A_ub=np.column_stack([rows, np.ones(len(rows))]),
            b_ub=np.append(ends, self._ends),
            bounds=[*((None, None) for _ in range(n)), (None, 1.0)],
            method="highs",
            options=options,
        )
        if solved.status != 0:  # what is not known to be empty is kept
            return np.empty((0, n))
        if solved.x[n] > TOLERANCE:
            return solved.x[None, :n]
        return self._decide(cuts, solved.x[:n], -solved.ineqlin.marginals)

    def _decide(
        self, cuts: tuple[Cut, ...], centre: np.ndarray, multipliers: np.ndarray
    ) -> np.ndarray | None:
        """`inside` for a ball that is too small for floats."""
        spaces = [*map(self._exactly, cuts), *self._box]
        used = np.flatnonzero(multipliers > _FEASIBLE)
        order = used[np.argsort(-multipliers[used], kind="stable")].tolist()
        if has_no_inside(spaces, order):
            self.n_proven += 1
            return None
        point = [
            Fraction(m) + Fraction(h) * Fraction(z)
            for m, h, z in zip(
                *map(np.ndarray.tolist, (self._middle, self._half, centre)), strict=True
            )
        ]
        if inner_point(spaces, order, point) is not None:
            return np.empty((0, len(centre)))
        self.n_unproven += 1
        return None

    def _exactly(self, cut: Cut) -> HalfSpace:
        """A cut over the free columns."""
        weights, bound = cut.fractions
        free, constant = self._free.tolist(), self._constant.tolist()
        for weight, is_free, value in zip(weights, free, constant, strict=True):
            if not is_free:
                bound -= weight * Fraction(value)
        return [weight for weight, is_free in zip(weights, free, strict=True) if is_free], bound

    def _points(self) -> np.ndarray:
        """Points of the box, the same ones every time."""
        rng = np.random.default_rng(0)
        shape = (_WITNESSES, len(self.low))
        points = rng.normal(size=shape) * 10.0 ** rng.uniform(-1, 1, size=(_WITNESSES, 1))
        bounded = np.isfinite(self.low) & np.isfinite(self.high)
        points[:, bounded] = rng.uniform(-1, 1, size=shape)[:, bounded]
        below, above = np.isfinite(self.low) & ~bounded, np.isfinite(self.high) & ~bounded
        points[:, below] = self.low[below] + np.abs(points[:, below])
        points[:, above] = self.high[above] - np.abs(points[:, above])
        inside = (points > self.low + TOLERANCE) & (points < self.high - TOLERANCE)
        return points[inside.all(axis=1)]


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """A convex part of a space that has an inside.

    Parameters
    ----------
    space : Space
    cuts : tuple of Cut
        What bounds it, besides the box.
    rows, ends : ndarray of float64, shape (n_cuts, n_free) and (n_cuts,)
        The same as points ``z`` with ``rows @ z <= ends``, scaled, each row of length 1.
    points : ndarray of float64, shape (n_points, n_free)
        Centres of balls of radius `TOLERANCE` within the region, as far as some are known.
    """

    space: Space
    cuts: tuple[Cut, ...]
    rows: np.ndarray
    ends: np.ndarray
    points: np.ndarray

    def cut(self, cut: Cut) -> Region | None:
        """What lies within a cut; None where it has no inside."""
        row, end = self.space.scaled(cut)
        length = float(np.linalg.norm(row))
        if length == 0:
            return self if end > 0 or (end == 0 and not cut.strict) else None
        row, end = row / length, end / length
        least, most = self.space.range(row)
        clear = _CLEAR * max(abs(least), abs(most), abs(end))
        if least > end + clear or most < end - clear:  # the whole box lies on one side
            return None if least > end else self
        points = self.points[self.points @ row <= end - TOLERANCE]
        cuts = (*self.cuts, cut)
        rows, ends = np.vstack([self.rows, row]), np.append(self.ends, end)
        if not len(points):
            found = self.space.inside(cuts, rows, ends)
            if found is None:
                return None
            points = found
        return Region(self.space, cuts, rows, ends, points)

    def side(self, cut: Cut) -> float:
        """How much of the known points lies within a cut, from 0 to 1; .5 where none is known."""
        if not len(self.points):
            return 0.5
        row, end = self.space.scaled(cut)
        return float((self.points @ row <= end).mean())


def _half_spaces(low: np.ndarray, high: np.ndarray) -> list[HalfSpace]:
    """The finite ends of a box, upper ones first, as `Space` has them in its program."""
    out = []
    for sign, ends in ((1, high), (-1, low)):
        for j, end in enumerate(ends.tolist()):
            if np.isfinite(end):
                weights = [Fraction(sign * (k == j)) for k in range(len(ends))]
                out.append((weights, sign * Fraction(end)))
    return out
