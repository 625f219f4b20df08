"""Leaves of a router's tree with maps of their own."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml import predict
from treeml._core.table import Table
from treeml.binarize.leaf_columns import LeafColumns
from treeml.ir import LinearMap, RoutedModel, RoutingTree
from treeml.routing.expert_costs import ExpertCosts, Loss, row_losses
from treeml.search.leaf_model import raw_map
from treeml.search.logistic_map import logistic_map
from treeml.search.ridge import leaf_map

__all__ = ["refitted"]


def refitted(
    model: RoutedModel,
    table: Table,
    columns: LeafColumns,
    costs: ExpertCosts,
    loss: Loss,
    l2: float,
) -> tuple[RoutedModel, dict[int, int]]:
    """The model with a map of its own in each leaf whose training loss falls by it.

    A map starts from the leaf's expert: the difference from it is a penalised fit of what the
    expert leaves of the goal, with squared error, or log loss for the target of classes.

    Parameters
    ----------
    model : RoutedModel
        With a tree as router.
    table : Table
        The training rows.
    columns : LeafColumns
        Of these rows.
    costs : ExpertCosts
    loss : {"action", "routing", "target", "q"}
        Losses other than "target" are told by the squared difference from the teacher here.
    l2 : float
        Penalty of the squared difference from the expert, for columns of standard deviation 1.

    Returns
    -------
    RoutedModel
    dict of int to int
        For every new expert that of which it was made.
    """
    router = model.router
    assert isinstance(router, RoutingTree)
    leaf_of = predict.apply(router, table)
    experts, origin = list(model.experts), {}
    expert_of = router.expert.copy()
    for leaf in router.leaves.tolist():
        rows, old = np.flatnonzero(leaf_of == leaf), int(router.expert[leaf])
        if not rows.size:
            continue
        score, goal = costs.scores[old, rows], costs.goal[rows]
        weight = costs.weight[rows]
        change = _change(model, columns.design[rows], score, goal, weight, loss, l2)
        added = raw_map(change, columns)
        new = LinearMap(experts[old].coef + added.coef, experts[old].intercept + added.intercept)
        ends = np.full(rows.size, old, dtype=np.int32)
        now = model.clipped(new.values(table, rows), ends)
        if weight @ (row_losses(model, score, goal, loss) - row_losses(model, now, goal, loss)) > 0:
            origin[len(experts)] = old
            expert_of[leaf] = len(experts)
            experts.append(new)
    clip = model.clip
    if clip is not None:
        clip = np.concatenate([clip, clip[list(origin.values())]])
    tree = dataclasses.replace(router, expert=expert_of)
    return dataclasses.replace(model, router=tree, experts=tuple(experts), clip=clip), origin


def _change(
    model: RoutedModel,
    design: np.ndarray,
    score: np.ndarray,
    goal: np.ndarray,
    weight: np.ndarray,
    loss: Loss,
    l2: float,
) -> np.ndarray:
    """What is added to an expert's map, shape (n_inputs + 1, n_outputs)."""
    if loss != "target" or model.classes is None:
        return leaf_map(design, goal - score, weight, l2, l2)
    n_outputs = score.shape[1]
    two = n_outputs == 2  # the second score less the first is what counts
    ones = np.column_stack([design, np.ones(len(design))])
    given = score[:, 1:] - score[:, :1] if two else score
    found = logistic_map(ones, goal, weight, given, np.full(ones.shape[1], l2))
    if not two:
        return found
    return np.column_stack([np.zeros(ones.shape[1]), found[:, 0]])
