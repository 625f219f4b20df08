"""How many experts a mixture has, and at what price they differ: by cross-validation."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import numpy as np

from treeml._core.control import Control
from treeml.binarize.leaf_columns import LeafColumns
from treeml.routing.mixture import Mixture, MixtureSettings, fit_mixture
from treeml.search.leaf_tasks import LeafTask, add_map
from treeml.search.linear_leaves import SizeScores
from treeml.search.linear_tree import LeafPenalty, LinearGrowth, LinearRows, grow_linear_trees

__all__ = ["choose_mixture", "fit_on_rows"]

_PATIENCE = 2  # sizes without a lower error after which no larger one is tried
_ROUNDS = 20  # of a fit in the folds
_LEAST_SHARE = 0.01  # of the weight, in a leaf of the tree that a mixture starts from


def fit_on_rows(
    columns: LeafColumns,
    task: LeafTask,
    rows: np.ndarray,
    n_experts: int,
    l2: float,
    settings: MixtureSettings,
    rng: np.random.RandomState,
    control: Control | None = None,
) -> Mixture:
    """A mixture of some rows, one of whose starts is a tree with as many linear leaves.

    Parameters
    ----------
    columns : LeafColumns
        All of whose split columns are numbers.
    task : LeafTask
    rows : ndarray of int
    n_experts : int
    l2 : float
    settings : MixtureSettings
    rng : RandomState
    control : Control, default=None
    """
    design, begin = columns.design[rows], time.perf_counter()
    control = control or Control()
    starts = []
    if n_experts > 1 and design.shape[1]:
        target, weight = task.working(add_map(design, task.root(design, rows)), rows)
        values, mass = columns.values[:, rows], task.weight[rows]
        problem = LinearRows(design, target, values, weight, mass)
        penalty = LeafPenalty(l2, l2, 1, _LEAST_SHARE * float(mass.sum()))
        growth = LinearGrowth(max_leaf_nodes=n_experts)
        tree = grow_linear_trees(problem, penalty, growth, control=control).trees[-1]
        start = np.zeros(len(rows), dtype=np.intp)
        members = tree.members(values)
        for place, leaf in enumerate(np.flatnonzero(tree.feature < 0).tolist()):
            start[members[leaf]] = place
        starts.append(start)
    return fit_mixture(
        design,
        task,
        rows,
        n_experts,
        l2,
        settings,
        starts=starts,
        rng=rng,
        control=control.after(begin),
    )


def choose_mixture(
    columns: LeafColumns,
    task: LeafTask,
    fold: np.ndarray,
    sizes: Sequence[int],
    penalties: Sequence[float],
    settings: MixtureSettings,
    control: Control | None = None,
) -> tuple[int, float, SizeScores]:
    """Number of experts by the one-standard-error rule, then their penalty.

    Sizes are compared at the middle penalty until two in a row bring nothing, penalties at the
    size that is chosen; in the folds there is the tree start alone, and fewer rounds.

    Parameters
    ----------
    columns : LeafColumns
    task : LeafTask
    fold : ndarray of int, shape (n_rows,)
    sizes : sequence of int
        1, 2, ... or a single one.
    penalties : sequence of float
    settings : MixtureSettings
    control : Control, default=None
    """
    control = control or Control()
    begin = time.perf_counter()
    rounds = min(settings.n_iterations, _ROUNDS)
    quick = dataclasses.replace(settings, n_restarts=0, n_iterations=rounds)
    n_folds = int(fold.max()) + 1
    losses = np.full((len(penalties), max(sizes), len(fold)), np.inf)
    scores = SizeScores(tuple(penalties), losses[None], task.weight, fold[None])
    middle = (len(penalties) - 1) // 2

    def measure(p: int, size: int) -> None:
        for k in range(n_folds):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            rng, left = np.random.RandomState(0), control.after(begin)
            most = min(size, len(np.unique(np.round(columns.design[train], 8), axis=0)))
            model = fit_on_rows(columns, task, train, most, penalties[p], quick, rng, left)
            losses[p, size - 1, test] = task.losses(model.score(columns.design[test]), test)

    means: list[float] = []
    for size in sizes:
        measure(middle, size)
        means.append(float(scores.errors[middle, size - 1].mean()))
        if control.after(begin).time_limit == 0:
            break
        if len(means) > _PATIENCE and min(means) < min(means[-_PATIENCE:]):
            break
    size = sizes[0]
    if len(sizes) > 1:
        alone = dataclasses.replace(
            scores, penalties=(penalties[middle],), losses=losses[None, [middle]]
        )
        size = alone.one_standard_error()[0]
    for p in range(len(penalties)):
        if p != middle and size > 1 and control.after(begin).time_limit != 0:
            measure(p, size)
    return size, scores.of_size(size)[1], scores
