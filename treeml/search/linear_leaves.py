"""Trees with linear leaves from a table: growth, size by cross-validation, leaves."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from treeml._core.control import Control, Status
from treeml.binarize.leaf_columns import LeafColumns
from treeml.search.folds import equal_row_folds
from treeml.search.leaf_tasks import LeafTask, SquaredError, add_map
from treeml.search.linear_tree import (
    ExactLinearTree,
    LeafPenalty,
    LinearGrowth,
    LinearRows,
    SplitTree,
    exact_linear_tree,
    grow_linear_trees,
)

__all__ = [
    "PENALTIES",
    "GrownLeaves",
    "LeafSettings",
    "LinearLeaves",
    "SizeScores",
    "fit_linear_leaves",
    "folds_of",
    "repeated_folds",
    "size_scores",
]

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Candidates for the penalty of a leaf's difference from the model of all rows, squared error;
those of the log loss, whose curvature is a quarter, are a quarter of these."""

_LINEAR_ERRORS = 2.0  # standard errors that a tree must gain over the linear model
FEW_ROWS = 1500  # up to so many distinct rows five folds dealt three times, above three dealt once
_DEALS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class LeafSettings:
    """How trees with linear leaves are made, but for their size and penalty.

    Parameters
    ----------
    growth : LinearGrowth
        Its ``max_leaf_nodes`` is the most that is tried.
    exact_depth : int or None, default=None
        Depth of the exact search that stands in for growth.
    min_samples_leaf : int, default=1
    min_weight_fraction_leaf : float, default=0.01
    clip_margin : float or None, default=0.05
        Numbers: share of the target's range by which a leaf may predict beyond its training rows.
    """

    growth: LinearGrowth
    exact_depth: int | None = None
    min_samples_leaf: int = 1
    min_weight_fraction_leaf: float = 0.01
    clip_margin: float | None = 0.05


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LinearLeaves:
    """A fitted tree with a linear map of the standardised columns in every leaf.

    Parameters
    ----------
    tree : SplitTree
    orders : dict of int to ndarray
        Order of the levels of split columns; see `LeafColumns.level_orders`.
    maps : dict of int to ndarray of float64, each of shape (n_inputs + 1, n_scores)
        By leaf; the constant last. What all rows have in common is part of every map.
    clip : dict of int to tuple of float, or None
        Least and greatest score by leaf.
    """

    tree: SplitTree
    orders: dict[int, np.ndarray]
    maps: dict[int, np.ndarray]
    clip: dict[int, tuple[float, float]] | None

    def score(self, columns: LeafColumns, rows: np.ndarray) -> np.ndarray:
        """Scores of rows of the table that the columns were fitted on, (n_rows, n_scores)."""
        members = self.tree.members(columns.ordered_values(self.orders, rows))
        design = columns.design[rows]
        out = np.empty((len(rows), next(iter(self.maps.values())).shape[1]))
        for leaf, coef in self.maps.items():
            at = members[leaf]
            out[at] = add_map(design[at], coef)
            if self.clip is not None:
                out[at] = np.clip(out[at], *self.clip[leaf])
        return out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GrownLeaves:
    """Fitted trees of rising size, and what a limit or a proof says about them.

    Parameters
    ----------
    models : tuple of LinearLeaves
    total : float
        Weighted sum of squares of the least squares problem that was grown on, without any map.
    status : str
        As in `LinearTreePath`, or of the exact search.
    exact : ExactLinearTree, default=None
    """

    models: tuple[LinearLeaves, ...]
    total: float
    status: Status
    exact: ExactLinearTree | None = None


def fit_linear_leaves(
    columns: LeafColumns,
    task: LeafTask,
    rows: np.ndarray,
    l2: float,
    settings: LeafSettings,
    control: Control | None = None,
) -> GrownLeaves:
    """Trees of rising size on some rows, with their leaves.

    The linear model of all rows is fitted first; a leaf's map differs from it at the price of
    ``l2`` for every squared difference of a coefficient, the constant among them: with a large
    ``l2`` every tree is the linear model.

    Parameters
    ----------
    columns : LeafColumns
    task : LeafTask
    rows : ndarray of int
        The rows to fit on.
    l2 : float
    settings : LeafSettings
    control : Control, default=None
    """
    design, mass = columns.design[rows], task.weight[rows]
    root = task.root(design, rows)
    score = add_map(design, root)
    target, weight = task.working(score, rows)
    orders = columns.level_orders(rows, target, weight, l2)
    problem = LinearRows(design, target, columns.ordered_values(orders, rows), weight, mass)
    least = settings.min_weight_fraction_leaf * float(mass.sum())
    penalty = LeafPenalty(l2, l2, settings.min_samples_leaf, least)
    exact = None
    if settings.exact_depth is None:
        path = grow_linear_trees(problem, penalty, settings.growth, control=control)
        trees, status = path.trees, path.status
    else:
        exact = exact_linear_tree(
            problem,
            penalty,
            max_depth=settings.exact_depth,
            max_leaf_nodes=settings.growth.max_leaf_nodes,
            max_cuts=settings.growth.max_cuts,
            control=control,
        )
        trees, status = (exact.tree,), exact.status
    known: dict[bytes, np.ndarray] = {}  # trees of a path share most of their leaves
    models = []
    for tree in trees:
        maps = {0: root}
        members = tree.members(problem.values)
        if tree.n_leaves > 1:
            maps = {}
            for leaf in np.flatnonzero(tree.feature < 0).tolist():
                at = members[leaf]
                key = at.tobytes()
                if key not in known:
                    known[key] = root + task.leaf(design[at], rows[at], score[at], l2)
                maps[leaf] = known[key]
        clip = _ranges(tree, members, task, rows, settings.clip_margin)
        models.append(LinearLeaves(tree, orders, maps, clip))
    total = float((weight[:, None] * target**2).sum())
    return GrownLeaves(tuple(models), total, status, exact)


def _ranges(
    tree: SplitTree,
    members: list[np.ndarray],
    task: LeafTask,
    rows: np.ndarray,
    margin: float | None,
) -> dict[int, tuple[float, float]] | None:
    """Range of the numbers that each leaf may predict; None for classes and the linear model."""
    if margin is None or tree.n_leaves == 1 or not isinstance(task, SquaredError):
        return None
    y = task.target[rows]
    slack = margin * float(np.ptp(y))
    return {
        leaf: (float(y[members[leaf]].min()) - slack, float(y[members[leaf]].max()) + slack)
        for leaf in np.flatnonzero(tree.feature < 0).tolist()
    }


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SizeScores:
    """Losses of a cross-validation by size and penalty.

    Parameters
    ----------
    penalties : tuple of float
    losses : ndarray of float64, shape (n_deals, n_penalties, n_sizes, n_rows)
        Of every row by a model that has not seen it: trees with 1, 2, ... leaves; where growth
        ended earlier, the largest tree. Infinite where a size or penalty was not tried.
    weight : ndarray of float64, shape (n_rows,)
    fold : ndarray of int, shape (n_deals, n_rows)
        Of every row, in each of the ways in which rows were dealt to folds; -1 where the row's
        fold was not completed, as may be in a single deal only.
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
        What kept it from completing all folds, if anything did.
    """

    penalties: tuple[float, ...]
    losses: np.ndarray
    weight: np.ndarray
    fold: np.ndarray
    status: Status = "optimal"

    @property
    def n_folds(self) -> int:
        """Folds that were completed; fewer than two say nothing about the error's error."""
        return int(self.fold.max()) + 1

    @property
    def errors(self) -> np.ndarray:
        """Mean loss, shape (n_penalties, n_sizes, n_deals * n_folds)."""
        parts = [np.empty((*self.losses.shape[1:3], 0))]
        for losses, fold in zip(self.losses, self.fold, strict=True):
            for k in range(self.n_folds):
                rows = fold == k
                mean = losses[:, :, rows] @ self.weight[rows] / self.weight[rows].sum()
                parts.append(mean[:, :, None])
        return np.concatenate(parts, axis=2)

    def of_size(self, size: int) -> tuple[int, float]:
        """A size with its best penalty."""
        mean = self.errors[:, size - 1].mean(axis=1)
        return size, self.penalties[int(mean.argmin())]

    def one_standard_error(self) -> tuple[int, float]:
        """The smallest size whose loss is within a standard error of the least one.

        The standard error is that of the differences fold by fold, which the folds' own difficulty
        does not enter. The linear model gives way only to a gain of two standard errors, those of
        the folds and those of the rows: the least of many noisy losses is too low. A row counts by
        its mean over the deals, so that what hangs on how rows were dealt averages out.
        """
        best = self.errors.mean(axis=2).min(axis=0)
        size = int(best.argmin()) + 1
        if size == 1:
            return self.of_size(1)
        gain, by_fold, by_row = self._gain(1, size)
        if gain <= _LINEAR_ERRORS * max(by_fold, by_row):
            return self.of_size(1)
        for smaller in range(2, size):
            gain, by_fold, _ = self._gain(smaller, size)
            if gain <= by_fold:
                return self.of_size(smaller)
        return self.of_size(size)

    def to_dict(self) -> dict[str, Any]:
        """JSON form of the errors."""
        return {"penalties": list(self.penalties), "errors": self.errors.tolist()}

    def _gain(self, size: int, other: int) -> tuple[float, float, float]:
        """How much less another size loses, with its standard errors by fold and by row."""
        errors = self.errors
        first, second = (
            (self.penalties.index(l2), n - 1) for n, l2 in map(self.of_size, (size, other))
        )
        by_fold = (errors[first] - errors[second]).reshape(len(self.fold), -1)
        known = (self.fold >= 0).all(axis=0)
        losses, weight = self.losses[..., known], self.weight[known]
        by_row = (losses[:, *first] - losses[:, *second]).mean(axis=0)
        total = weight.sum()
        spread = weight @ (by_row - weight @ by_row / total) ** 2 / total
        fold_error = (by_fold.std(axis=1, ddof=1) / np.sqrt(by_fold.shape[1])).mean()
        return float(by_fold.mean()), float(fold_error), float(np.sqrt(spread / total))


def size_scores(
    columns: LeafColumns,
    task: LeafTask,
    folds: np.ndarray,
    penalties: Sequence[float],
    settings: LeafSettings,
    control: Control | None = None,
) -> SizeScores:
    """Cross-validated loss of every size and penalty, the linear model (one leaf) among them.

    Parameters
    ----------
    columns : LeafColumns
    task : LeafTask
    folds : ndarray of int, shape (n_deals, n_rows)
        From `repeated_folds`.
    penalties : sequence of float
    settings : LeafSettings
    control : Control, default=None
        Its time is that of all fits together; where it ends, so does the cross-validation. Deals
        that were not completed are left out, but for the first.
    """
    control, begin = control or Control(), time.perf_counter()
    shape = len(penalties), settings.growth.max_leaf_nodes, folds.shape[1]
    losses = np.full((len(folds), *shape), np.inf)
    for deal, fold in enumerate(folds):
        for k in range(int(fold.max()) + 1):
            left = control.after(begin)
            status = _fold_losses(columns, task, fold == k, penalties, settings, left, losses[deal])
            if status != "optimal":
                done = folds[:deal] if deal else np.where(fold < k, fold, -1)[None]
                kept = losses[: len(done)]
                return SizeScores(tuple(penalties), kept, task.weight, done, status)
    return SizeScores(tuple(penalties), losses, task.weight, folds)


def _fold_losses(
    columns: LeafColumns,
    task: LeafTask,
    tested: np.ndarray,
    penalties: Sequence[float],
    settings: LeafSettings,
    control: Control,
    out: np.ndarray,
) -> Status:
    """Write the losses of the rows of a fold by models of the others; what ended it."""
    train, test, begin = np.flatnonzero(~tested), np.flatnonzero(tested), time.perf_counter()
    for p, l2 in enumerate(penalties):
        for one in _settings_by_size(settings):
            grown = fit_linear_leaves(columns, task, train, l2, one, control.after(begin))
            if grown.status != "optimal":
                return grown.status
            for model in grown.models:
                first = min(model.tree.n_leaves, one.growth.max_leaf_nodes)
                loss = task.losses(model.score(columns, test), test)
                out[p, first - 1 :, test] = loss[:, None]
    return "optimal"


def _settings_by_size(settings: LeafSettings) -> list[LeafSettings]:
    """Those of one growth, or of an exact search for every number of leaves."""
    if settings.exact_depth is None:
        return [settings]
    return [
        dataclasses.replace(
            settings,
            growth=dataclasses.replace(settings.growth, max_leaf_nodes=n),
            exact_depth=settings.exact_depth if n > 1 else None,
        )
        for n in range(1, settings.growth.max_leaf_nodes + 1)
    ]


def folds_of(columns: LeafColumns, task: LeafTask) -> np.ndarray:
    """Fold of every row: five folds, three for many distinct rows, fewer where rows are few."""
    return _dealt(columns, task, 1)[0]


def repeated_folds(columns: LeafColumns, task: LeafTask) -> np.ndarray:
    """Folds of rows dealt several times where distinct rows are few, shape (n_deals, n_rows)."""
    return _dealt(columns, task, _DEALS)


def _dealt(columns: LeafColumns, task: LeafTask, most: int) -> np.ndarray:
    keys = np.vstack([columns.values, task.keys])
    distinct = int(equal_row_folds(keys, keys.shape[1]).max()) + 1
    n_folds = max(1, min(5 if distinct <= FEW_ROWS else 3, distinct))
    n_deals = most if n_folds < distinct <= FEW_ROWS else 1
    deals = [equal_row_folds(keys, n_folds, task.strata, deal) for deal in range(n_deals)]
    return np.stack(deals)
