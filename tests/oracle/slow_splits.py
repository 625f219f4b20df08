"""Splits by trying all of them: what the native split finder is compared with.

Written without sight of the native code, for tables of some hundreds or thousands of rows.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import expit

__all__ = ["Candidates", "Levels", "NodeCost", "candidates", "table_levels"]

MOST_LEVELS = 10  # of a category in a node, where all subsets are tried
LEAST_HESSIAN = 1e-16  # of a row, before its weight
MOST_CLASSES = 32  # with which categories are asked for the best split


@dataclasses.dataclass
class Levels:
    """A column as the place of every row's value among all values of the table; -1: missing."""

    index: int
    at: np.ndarray
    ordered: bool

    @property
    def has_missing(self) -> bool:
        return bool((self.at < 0).any())


def table_levels(binned: Any, table: Any, *, narrowed: bool = False) -> list[Levels]:
    """The columns that are of use, from the table itself; from the codes where it is narrowed."""
    out = []
    for column in binned.columns:
        values = table.columns[column.index].values
        levels = table.types[column.index].levels
        if narrowed and column.kind == "number":
            at = column.codes.astype(int)
            at[column.has_missing & (at == column.n_codes - 1)] = -1
        elif values.dtype == object:
            kinds = levels or sorted({v for v in values if v is not None})
            at = np.array([-1 if v is None else kinds.index(v) for v in values.tolist()])
        else:
            known = ~np.isnan(values)
            at = np.full(len(values), -1)
            at[known] = np.unique(values[known], return_inverse=True)[1]
        ordered = column.kind == "number" or bool(levels) or len(set(at.tolist()) - {-1}) <= 2
        out.append(Levels(column.index, at, ordered))
    return out


@dataclasses.dataclass
class NodeCost:
    """Weighted impurity of row sets: what a split lowers.

    ``y`` holds classes for gini and entropy (``n_classes`` above 0), numbers otherwise; ``w`` is
    the weight of every row, class weight included.
    """

    criterion: str
    y: np.ndarray
    w: np.ndarray
    n_classes: int = 0

    def statistics(self, rows: np.ndarray) -> np.ndarray:
        """What is added up, one row of it for each of these: weights by class, or (w, w y)."""
        w, y = self.w[rows], self.y[rows]
        if self.n_classes:
            return w[:, None] * (y[:, None] == np.arange(self.n_classes))
        if self.criterion == "squared_error":
            y = y - np.average(y, weights=w)
        return np.stack([w, w * y], axis=1)

    def weights_of_sums(self, s: np.ndarray) -> np.ndarray:
        return s.sum(axis=1) if self.n_classes else s[:, 0]

    def of_sums(self, s: np.ndarray) -> np.ndarray:
        """Cost of sums of `statistics`; of numbers without the part that no split changes."""
        whole = self.weights_of_sums(s)
        safe = np.where(whole > 0, whole, 1.0)
        if self.criterion == "gini":
            return whole - (s**2).sum(axis=1) / safe
        if self.n_classes:
            return -(s * np.log2(np.where(s > 0, s / safe[:, None], 1.0))).sum(axis=1)
        if self.criterion == "squared_error":
            return -(s[:, 1] ** 2) / safe
        return -s[:, 1] * np.log(np.where(s[:, 1] > 0, s[:, 1] / safe, 1.0))

    def value(self, rows: np.ndarray) -> float:
        """Prediction: share of the second class, mean, or lower weighted median."""
        y, w = self.y[rows], self.w[rows]
        if self.criterion != "absolute_error":
            return float(np.average(y, weights=w))
        order = np.argsort(y, kind="stable")
        below = np.cumsum(w[order])
        return float(y[order][np.searchsorted(below, below[-1] / 2)])

    def values_of_sums(self, s: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Predictions of sums of `statistics` of some of ``rows``."""
        if self.n_classes:
            return s[:, min(1, s.shape[1] - 1)] / np.maximum(s.sum(axis=1), 1e-300)
        shift = self.value(rows) if self.criterion == "squared_error" else 0.0
        return s[:, 1] / np.maximum(s[:, 0], 1e-300) + shift

    def cost(self, rows: np.ndarray) -> float:
        """The whole cost of a row set."""
        y, w = self.y[rows], self.w[rows]
        if self.n_classes:
            return float(self.of_sums(self.statistics(rows).sum(axis=0)[None])[0])
        if self.criterion == "absolute_error":
            return float(w @ np.abs(y - self.value(rows)))
        if self.criterion == "squared_error":
            return float(w @ (y - np.average(y, weights=w)) ** 2)
        mean = np.average(y, weights=w)
        ratio = np.where(y > 0, y, 1.0) / (mean if mean > 0 else 1.0)
        return float(w @ np.where(y > 0, y * np.log(ratio), 0.0))

    def gain(self, rows: np.ndarray, yes: np.ndarray) -> float:
        """What a split of the rows by ``yes`` lowers the cost by."""
        return self.cost(rows) - self.cost(rows[yes]) - self.cost(rows[~yes])

    def pure(self, rows: np.ndarray) -> bool:
        return bool((self.y[rows] == self.y[rows[0]]).all())


@dataclasses.dataclass
class Candidates:
    """Ways to split a node by one column.

    ``values`` are the predictions of both sides, that of the larger column values second; missing
    values, where they stand against the rest, count as the largest, as in scikit-learn.
    """

    gain: np.ndarray
    values: np.ndarray

    def those(self, which: np.ndarray) -> Candidates:
        return Candidates(self.gain[which], self.values[which])


def candidates(
    column: Levels,
    rows: np.ndarray,
    cost: NodeCost,
    *,
    min_samples_leaf: int = 1,
    min_weight: float = 0.0,
    free: bool = True,
) -> Candidates:
    """Gain and predictions of every valid split of a node by a column.

    Of a category these are all subsets of at most `MOST_LEVELS` levels. They are the cuts of the
    levels in the order of their means for the absolute error and, if there are more levels or
    the splits are not ``free`` (some are not allowed, so that the best may be out of order), for
    two classes or numbers; for more levels and several classes, or very many classes, there are
    none.
    """
    here, at = np.unique(column.at[rows], return_inverse=True)
    missing = bool(here[0] < 0)
    k = len(here) - missing
    halves = None if column.ordered else _halves(k, at - missing, rows, cost, free)
    if cost.criterion == "absolute_error":
        halves = np.tri(k)[: max(k - 1, 0)] if halves is None else halves
        return _by_rows(halves, missing, at, rows, cost, min_samples_leaf, min_weight)
    stats = np.hstack([cost.statistics(rows), np.ones((len(rows), 1))])
    levels = np.stack([np.bincount(at, s, minlength=len(here)) for s in stats.T], axis=1)
    known = levels[int(missing) :]
    part = np.cumsum(known, axis=0)[: max(k - 1, 0)] if halves is None else halves @ known
    if missing:
        part = np.vstack([part, part + levels[0], levels[1:].sum(axis=0)[None]])
    rest = levels.sum(axis=0) - part
    valid = np.minimum(part[:, -1], rest[:, -1]) >= max(min_samples_leaf, 1)
    if cost.criterion == "poisson":
        least = 1e-12 * levels[:, 1].sum()
        valid &= (part[:, 1] > least) & (rest[:, 1] > least)
    part, rest = part[valid, :-1], rest[valid, :-1]
    valid = np.minimum(cost.weights_of_sums(part), cost.weights_of_sums(rest)) >= min_weight
    part, rest = part[valid], rest[valid]
    whole = cost.of_sums(levels[:, :-1].sum(axis=0)[None])
    values = np.stack([cost.values_of_sums(s, rows) for s in (part, rest)], axis=1)
    gain = whole - cost.of_sums(part) - cost.of_sums(rest)
    return Candidates(gain, values)


def _halves(k: int, at: np.ndarray, rows: np.ndarray, cost: NodeCost, free: bool) -> np.ndarray:
    """Subsets of the k levels of a category; -1 in ``at`` is missing."""
    several = cost.n_classes > 2
    if cost.n_classes > MOST_CLASSES:
        return np.zeros((0, k))
    if cost.criterion == "poisson":  # both sides must have a positive sum
        free = free and bool((np.bincount(at - at.min(), cost.y[rows]) > 0).all())
    if k <= MOST_LEVELS and (free or several) and cost.criterion != "absolute_error":
        number = np.arange(1, 2 ** max(k - 1, 0))
        return (number[:, None] >> np.arange(k) & 1).astype(float)
    if several or k < 2:
        return np.zeros((0, k))
    known = at >= 0
    w = np.bincount(at[known], cost.w[rows][known], minlength=k)
    mean = np.bincount(at[known], (cost.w * cost.y)[rows][known], minlength=k) / w
    rank = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    apart = np.diff(np.sort(mean)) > 1e-9 * np.abs(mean).max()  # ties: the order is not ours
    return (rank[None, :] <= np.arange(k - 1)[:, None])[apart].astype(float)


def _by_rows(
    halves: np.ndarray, missing: bool, at: np.ndarray, rows: np.ndarray, cost: NodeCost,
    least: int, min_weight: float,
) -> Candidates:  # fmt: skip
    """Medians are not sums: every side is priced by itself."""
    if missing:
        zero, one = np.zeros((len(halves), 1)), np.ones((len(halves), 1))
        known = np.ones((1, halves.shape[1] + 1))
        known[0, 0] = 0
        halves = np.vstack([np.hstack([zero, halves]), np.hstack([one, halves]), known])
    found = []
    whole = cost.cost(rows)
    for half in halves:
        left = half[at] > 0
        if min(left.sum(), (~left).sum()) >= max(least, 1):
            a, b = rows[left], rows[~left]
            if min(cost.w[a].sum(), cost.w[b].sum()) < min_weight:
                continue
            found.append((whole - cost.cost(a) - cost.cost(b), cost.value(a), cost.value(b)))
    table = np.array(found, dtype=float).reshape(-1, 3)
    return Candidates(table[:, 0], table[:, 1:])


@dataclasses.dataclass
class Boosting:
    """Losses with their first and second derivatives, as XGBoost has them.

    ``loss`` is 0 for squared error, 1 Poisson, 2 logistic, 3 softmax.
    """

    loss: int
    y: np.ndarray
    w: np.ndarray
    n_outputs: int
    train: np.ndarray

    def base(self) -> np.ndarray:
        """Scores before the first tree, from the training rows."""
        y, w = self.y[self.train], self.w[self.train]
        mean = np.average(y, weights=w)
        if self.loss == 0:
            return np.array([mean])
        if self.loss == 1:
            return np.array([np.log(mean)])
        if self.loss == 2:
            return np.array([np.log(mean / (1 - mean))])
        shares = np.bincount(y.astype(int), w, minlength=self.n_outputs) / w.sum()
        return np.log(shares)

    def derivatives(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the loss of every row by its scores, shape (n_rows, n_outputs)."""
        y, w = self.y[:, None], self.w[:, None]
        if self.loss == 0:
            return w * (score - y), w * np.ones_like(score)
        if self.loss == 1:
            return w * (np.exp(score) - y), w * np.exp(score)
        if self.loss == 2:
            p = expit(score)
            return w * (p - y), w * np.maximum(p * (1 - p), LEAST_HESSIAN)
        p = _softmax(score)
        hessian = np.maximum(2 * p * (1 - p), LEAST_HESSIAN)
        return w * (p - (y == np.arange(self.n_outputs))), w * hessian

    def mean_loss(self, score: np.ndarray, rows: np.ndarray) -> float:
        """What is reported of some rows after a round."""
        y, s = self.y[rows], score[rows]
        if self.loss == 0:
            each = (y - s[:, 0]) ** 2
        elif self.loss == 1:
            mean = np.exp(s[:, 0])
            each = mean - y * s[:, 0]
        elif self.loss == 2:
            each = np.logaddexp(0, s[:, 0]) - y * s[:, 0]
        else:
            own = _softmax(s)[np.arange(len(y)), y.astype(int)]
            each = -np.log(np.maximum(own, 1e-300))
        return float(np.average(each, weights=self.w[rows]))


@dataclasses.dataclass
class Gradients:
    """First and second derivatives of all rows, as one tree has them, and what holds for it."""

    g: np.ndarray
    h: np.ndarray
    l2: float
    least_hessian: float

    def value(self, g: Any, h: Any, low: float = -np.inf, high: float = np.inf) -> Any:
        """Best step of rows with these sums, within bounds."""
        return np.clip(-g / np.maximum(h + self.l2, 1e-300), low, high)

    def score(self, g: Any, h: Any, low: float, high: float) -> Any:
        """Twice what the best step lowers the second-order loss by."""
        v = self.value(g, h, low, high)
        return -(2 * g * v + (h + self.l2) * v**2)

    def gain(self, rows: np.ndarray, yes: np.ndarray, low: float, high: float) -> float:
        parts = [rows[yes], rows[~yes], rows]
        a, b, whole = (self.score(self.g[r].sum(), self.h[r].sum(), low, high) for r in parts)
        return float(a + b - whole)

    def candidates(
        self, column: Levels, rows: np.ndarray, low: float, high: float, sign: int
    ) -> np.ndarray:
        """Gains of all splits allowed; categories are cut in the order of their steps."""
        here, at = np.unique(column.at[rows], return_inverse=True)
        missing = int(here[0] < 0)
        sums = [np.bincount(at, s[rows], minlength=len(here)) for s in (self.g, self.h)]
        levels = np.stack([*sums, np.bincount(at, minlength=len(here))], axis=1)
        known = levels[missing:]
        apart = np.ones(max(len(known) - 1, 0), dtype=bool)
        if not column.ordered:
            step = self.value(known[:, 0], known[:, 1])
            order = np.argsort(step, kind="stable")
            known = known[order]
            apart = np.diff(step[order]) > 1e-6 * np.abs(step).max(initial=1e-300)
        part = np.cumsum(known, axis=0)[:-1][apart]
        if missing:
            part = np.vstack([part, part + levels[0], known.sum(axis=0)[None]])
        rest = levels.sum(axis=0) - part
        fits = np.minimum(part[:, 1], rest[:, 1]) >= self.least_hessian * (1 + 1e-6)
        fits &= np.minimum(part[:, 2], rest[:, 2]) >= 1
        if sign:
            a, b = (self.value(s[:, 0], s[:, 1], low, high) for s in (part, rest))
            fits &= sign * (b - a) > 1e-6 * np.abs(b)
        whole = levels.sum(axis=0)
        gain = sum(self.score(s[:, 0], s[:, 1], low, high) for s in (part, rest))
        return (gain - self.score(whole[0], whole[1], low, high))[fits]


def _softmax(score: np.ndarray) -> np.ndarray:
    powers = np.exp(score - score.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
