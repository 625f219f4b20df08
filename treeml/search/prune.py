"""Minimal cost-complexity pruning of a tree of the IR."""

from __future__ import annotations

import dataclasses
import heapq
from typing import TypeVar

import numpy as np

from treeml.ir import RegressionTree, Tree

__all__ = ["node_impurity", "prune", "pruning_path"]

SomeTree = TypeVar("SomeTree", Tree, RegressionTree)


def node_impurity(tree: Tree | RegressionTree, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """Impurity of every node, and its weight; each of shape (n_nodes,).

    Parameters
    ----------
    tree : Tree or RegressionTree
    criterion : str
        "gini", or "entropy" or "log_loss" (in bits), for classes; for numbers the mean loss that
        the tree keeps.
    """
    if isinstance(tree, RegressionTree):
        return tree.error, tree.rows
    counts = tree.counts * tree.class_weight
    weight = counts.sum(axis=1)
    shares = counts / np.where(weight > 0, weight, 1)[:, None]
    if criterion == "gini":
        return 1 - (shares**2).sum(axis=1), weight
    return -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1), weight


def pruning_path(
    tree: Tree | RegressionTree, criterion: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The steps of weakest-link pruning down to the root.

    Returns
    -------
    alphas : ndarray of float64, shape (n_subtrees,)
        Ascending from 0.
    impurities : ndarray of float64, shape (n_subtrees,)
        Sum over the leaves of impurity times share of the weight.
    n_leaves : ndarray of int, shape (n_subtrees,)

    References
    ----------
    L. Breiman et al., "Classification and Regression Trees", 1984, chapter 3.
    """
    links = _Links(tree, criterion)
    alphas, impurities, leaves = [0.0], [links.impurity[0]], [links.n_leaves[0]]
    while (weakest := links.weakest()) is not None:
        alpha, node = weakest
        links.cut(node)
        if alpha <= alphas[-1] + 1e-15:  # several links are equally weak
            impurities[-1], leaves[-1] = links.impurity[0], links.n_leaves[0]
        else:
            alphas.append(alpha)
            impurities.append(links.impurity[0])
            leaves.append(links.n_leaves[0])
    return np.array(alphas), np.array(impurities), np.array(leaves)


def prune(tree: SomeTree, alpha: float, criterion: str) -> SomeTree:
    """The subtree of least impurity plus ``alpha`` a leaf, the smallest of several."""
    links = _Links(tree, criterion)
    while (weakest := links.weakest()) is not None and weakest[0] <= alpha:
        links.cut(weakest[1])
    return subtree(tree, np.flatnonzero(links.is_leaf))


def subtree(tree: SomeTree, leaves: np.ndarray) -> SomeTree:
    """The tree with these nodes as leaves; what lies below them, and unused questions, go."""
    if_true, if_false, predicate = tree.if_true.copy(), tree.if_false.copy(), tree.predicate.copy()
    if_true[leaves] = if_false[leaves] = predicate[leaves] = -1
    kept: list[int] = []
    stack = [0]
    while stack:
        node = stack.pop()
        kept.append(node)
        if predicate[node] >= 0:
            stack += [int(if_false[node]), int(if_true[node])]
    place = np.full(tree.n_nodes + 1, -1, dtype=np.int32)  # the last one is for -1
    place[kept] = np.arange(len(kept))
    used = np.unique(predicate[kept])
    used = used[used >= 0]
    which = np.full(len(tree.predicates) + 1, -1, dtype=np.int32)
    which[used] = np.arange(len(used))
    arrays = {
        field.name: getattr(tree, field.name)[kept]
        for field in dataclasses.fields(tree)
        if field.name in ("counts", "label", "value", "rows", "error")
    }
    return dataclasses.replace(
        tree,
        predicates=tuple(tree.predicates[at] for at in used.tolist()),
        predicate=which[predicate[kept]],
        if_true=place[if_true[kept]],
        if_false=place[if_false[kept]],
        **arrays,
    )


class _Links:
    """Every inner node with what cutting it would cost per leaf, weakest first."""

    def __init__(self, tree: Tree | RegressionTree, criterion: str) -> None:
        impurity, weight = node_impurity(tree, criterion)
        self._alone = impurity * weight / (weight[0] or 1.0)  # of each node as a leaf
        self._if_true, self._if_false = tree.if_true.tolist(), tree.if_false.tolist()
        self.is_leaf = tree.predicate < 0
        self.impurity = self._alone.copy()  # of the leaves below
        self.n_leaves = np.ones(tree.n_nodes, dtype=np.int64)
        self._parent = np.full(tree.n_nodes, -1)
        for node in np.flatnonzero(~self.is_leaf)[::-1].tolist():
            yes, no = self._if_true[node], self._if_false[node]
            self._parent[yes] = self._parent[no] = node
            self.impurity[node] = self.impurity[yes] + self.impurity[no]
            self.n_leaves[node] = self.n_leaves[yes] + self.n_leaves[no]
        self._gone = np.zeros(tree.n_nodes, dtype=bool)
        inner: list[int] = np.flatnonzero(~self.is_leaf).tolist()
        self._heap = [(self._strength(node), node) for node in inner]
        heapq.heapify(self._heap)

    def _strength(self, node: int) -> float:
        return float((self._alone[node] - self.impurity[node]) / (self.n_leaves[node] - 1))

    def weakest(self) -> tuple[float, int] | None:
        """Cost per leaf, and node; None once only the root is left."""
        while self._heap:
            strength, node = self._heap[0]
            if self._gone[node] or self.is_leaf[node]:
                heapq.heappop(self._heap)
            elif strength != (now := self._strength(node)):
                heapq.heapreplace(self._heap, (now, node))
            else:
                return max(strength, 0.0), node
        return None

    def cut(self, node: int) -> None:
        """Make a leaf of a node."""
        more = self._alone[node] - self.impurity[node]
        fewer = self.n_leaves[node] - 1
        self.is_leaf[node] = True
        below = [self._if_true[node], self._if_false[node]]
        while below:
            child = below.pop()
            self._gone[child] = True
            if not self.is_leaf[child]:
                below += [self._if_true[child], self._if_false[child]]
        while node >= 0:
            self.impurity[node] += more
            self.n_leaves[node] -= fewer
            if self._parent[node] >= 0 and not self.is_leaf[node]:
                heapq.heappush(self._heap, (self._strength(node), node))
            node = int(self._parent[node])
        if not self.is_leaf[0]:
            heapq.heappush(self._heap, (self._strength(0), 0))
