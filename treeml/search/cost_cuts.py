"""The cheapest tree over a grid of cuts, warm-started and improved off the grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from treeml._core.control import Control, Status
from treeml.binarize.dataset import BinaryDataset
from treeml.search.cost_growth import (
    CostNode,
    CostRows,
    class_impurity,
    grow_costs,
    improved,
    simplified,
    square_impurity,
    tree_cost,
)
from treeml.search.cost_tree import cost_grid, cost_sums, cost_tree
from treeml.search.result import SearchResult

__all__ = ["CutSearch", "cheapest_tree"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CutSearch:
    """The cheapest tree found, and what is proven.

    Parameters
    ----------
    root : CostNode
    cost : float
        Of all rows together.
    grid : SearchResult
        Of the search over the grid; its objective is a mean over rows.
    n_cuts : int
        Of the grid.
    all_cuts : bool
        Whether these are all that part the rows.
    depth : int
        Largest depth of the search over the grid.
    rounding : float
        The most that rounding costs to whole numbers changes the cost of a tree there.
    status : {"optimal", "time_limit", "interrupted"}
        What ended growth, search or moves before their end; "optimal": nothing did.
    """

    root: CostNode
    cost: float
    grid: SearchResult
    n_cuts: int
    all_cuts: bool
    depth: int
    rounding: float
    status: Status = "optimal"


def cheapest_tree(
    rows: CostRows,
    labels: list[np.ndarray],
    max_leaf_nodes: int,
    *,
    max_depth: int,
    max_cuts: int,
) -> CutSearch:
    """Trees grown in several ways and the optimum over a grid, all improved: the cheapest.

    Trees are grown best first by cost, by the Gini impurity of labels, as they are and with the
    regret of the second best action as weight, and by the squared error of all costs: with leaves
    that take their cheapest action the trees of CART for labels and for costs, so the result is no
    worse than these. The grid has quantiles of every column and all cuts of these trees and of
    what they are improved to, so that its optimum, of those of its depth, is no worse either.

    Parameters
    ----------
    rows : CostRows
    labels : list of ndarray of int, shape (n_rows,)
        The cheapest action of every row; other labels to grow trees by.
    max_leaf_nodes : int
    max_depth : int
        Of the search over the grid.
    max_cuts : int
        Most quantiles of a column.

    Notes
    -----
    Once the clock of the rows is over, or after Ctrl-C, nothing further is begun: the cheapest
    tree so far is kept, a single leaf if need be.
    """
    trees, clock = [CostNode()], rows.clock
    try:
        for tree in _starts(rows, labels, max_leaf_nodes):
            trees += [tree, improved(simplified(tree, rows), rows, max_leaf_nodes)]
    except KeyboardInterrupt as error:
        clock.interrupt(error)
    cuts = _cuts(rows, trees, max_cuts)
    depth = min(max_depth, max_leaf_nodes - 1)
    result, rounding, tree = _grid_optimum(rows, cuts, max_leaf_nodes, depth, clock.left)
    if result.status == "interrupted":
        clock.status = "interrupted"
    elif result.status != "optimal" and clock.status == "interrupted":
        result = dataclasses.replace(result, status="interrupted")
    trees += [tree, improved(simplified(tree, rows), rows, max_leaf_nodes)]
    trees = [simplified(tree, rows) for tree in trees]
    costs = [(tree_cost(tree, rows), tree.n_leaves) for tree in trees]
    best = min(range(len(trees)), key=costs.__getitem__)
    n_cuts = sum(len(c) for c in cuts)
    ascending = np.sort(rows.values, axis=1)
    whole = n_cuts == int((ascending[:, :-1] < ascending[:, 1:]).sum())
    status = result.status if result.status != "optimal" else clock.status
    return CutSearch(trees[best], costs[best][0], result, n_cuts, whole, depth, rounding, status)


def _starts(rows: CostRows, labels: list[np.ndarray], max_leaf_nodes: int) -> Iterator[CostNode]:
    """Trees grown by costs, labels, weighted labels and the squared error of costs."""
    costs, weight = rows.costs, rows.weight[:, None]
    n_actions = costs.shape[1]
    yield grow_costs(rows, max_leaf_nodes)
    if n_actions == 1:
        return
    two = np.partition(costs, 1, axis=1)
    regret = two[:, 1] - two[:, 0]
    for k, label in enumerate(labels):
        if any(np.array_equal(label, earlier) for earlier in labels[:k]):
            continue
        hot = np.eye(n_actions)[label]
        for classes in (hot * weight, hot * regret[:, None]):
            yield grow_costs(rows, max_leaf_nodes, classes, class_impurity)
    centred = costs - weight * (costs.sum(axis=0) / rows.total)
    numbers = np.column_stack([centred, weight])
    yield grow_costs(rows, max_leaf_nodes, numbers, square_impurity)


def _cuts(rows: CostRows, trees: list[CostNode], most: int) -> list[np.ndarray]:
    """Cuts of every split column, ascending: quantiles, and those of some trees."""
    used: list[set[float]] = [set() for _ in rows.values]
    for tree in trees:
        for node in tree.inner():
            used[node.split].add(node.cut)
    out = []
    for values, order, known in zip(rows.values, rows.order, used, strict=True):
        ascending = values[order]
        places = np.flatnonzero(ascending[:-1] < ascending[1:])
        if len(places) > most:
            wanted = np.arange(1, most + 1) * (rows.total / (most + 1))
            below = np.cumsum(rows.weight[order])[places]
            places = places[np.minimum(np.searchsorted(below, wanted), len(places) - 1)]
        out.append(np.union1d(ascending[places], sorted(known)))
    return out


def _grid_optimum(
    rows: CostRows, cuts: list[np.ndarray], max_leaf_nodes: int, depth: int, control: Control
) -> tuple[SearchResult, float, CostNode]:
    """The search of `cost_tree` over these cuts, its rounding, and its tree."""
    codes = [
        np.searchsorted(c, v, side="left").astype(np.uint32)
        for c, v in zip(cuts, rows.values, strict=True)
    ]
    asked = [(j, k) for j, c in enumerate(cuts) for k in range(len(c))]
    intervals = np.array([(j, 0, k) for j, k in asked], dtype=np.int32).reshape(-1, 3)
    dataset = BinaryDataset.from_codes(codes, intervals, (), rows.n_rows)
    grid = cost_grid(rows.costs)
    result = cost_tree(
        dataset,
        cost_sums(dataset, grid.values),
        scale=grid.scale,
        total=rows.total,
        max_depth=depth,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=rows.min_samples_leaf,
        control=control,
    )

    def node(at: int) -> CostNode:
        column, yes, no = result.nodes[at].tolist()
        if column < 0:
            return CostNode()
        split, k = asked[column]
        return CostNode(0, split, float(cuts[split][k]), node(yes), node(no))

    return result, grid.rounding, node(0)
