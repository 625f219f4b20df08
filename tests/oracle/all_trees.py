"""Every tree of a small problem, listed one by one: what a Rashomon set is compared with.

A tree is a label (a leaf) or a triple (column, tree where it is 1, tree where it is 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

Tree: TypeAlias = "int | tuple[int, Tree, Tree]"


def all_trees(
    X: np.ndarray,
    counts: np.ndarray,
    *,
    max_depth: int,
    leaf_cost: int,
    budget: int,
    any_label: bool = True,
    drop_trivial: bool = False,
    min_samples_leaf: int = 1,
) -> Iterator[tuple[int, Tree]]:
    """All (cost, tree) with a cost of ``budget`` or less.

    X is (n_rows, n_columns) of 0/1, counts (n_classes + 1, n_rows): the weight of each class in
    every row, then how many rows it stands for; rows that stand for none are not there.
    """
    here = counts[-1] > 0
    return _below(
        X[here],
        counts[:, here],
        max_depth,
        leaf_cost,
        budget,
        any_label,
        drop_trivial,
        min_samples_leaf,
    )


def _below(
    X: np.ndarray,
    counts: np.ndarray,
    depth: int,
    leaf_cost: int,
    budget: int,
    any_label: bool,
    drop_trivial: bool,
    least: int,
) -> Iterator[tuple[int, Tree]]:
    weights = counts[:-1].sum(axis=1)
    labels = range(len(weights)) if any_label else [int(np.argmax(weights))]
    for label in labels:
        cost = int(weights.sum() - weights[label]) + leaf_cost
        if cost <= budget:
            yield cost, label
    if depth == 0:
        return
    for column in range(X.shape[1]):
        yes = X[:, column] == 1
        if counts[-1, yes].sum() < least or counts[-1, ~yes].sum() < least:
            continue
        rest = (depth - 1, leaf_cost, budget - leaf_cost, any_label, drop_trivial, least)
        no_trees = list(_below(X[~yes], counts[:, ~yes], *rest))
        for cost1, tree1 in _below(X[yes], counts[:, yes], *rest):
            for cost0, tree0 in no_trees:
                if cost1 + cost0 > budget:
                    continue
                if drop_trivial and isinstance(tree1, int) and tree1 == tree0:
                    continue
                yield cost1 + cost0, (column, tree1, tree0)


def answer(tree: Tree, row: np.ndarray) -> int:
    """The label that a tree gives a row."""
    while not isinstance(tree, int):
        column, yes, no = tree
        tree = yes if row[column] == 1 else no
    return tree


def columns_of(tree: Tree) -> set[int]:
    """The columns that a tree uses."""
    if isinstance(tree, int):
        return set()
    column, yes, no = tree
    return {column} | columns_of(yes) | columns_of(no)


def n_leaves(tree: Tree) -> int:
    """How many leaves a tree has."""
    return 1 if isinstance(tree, int) else n_leaves(tree[1]) + n_leaves(tree[2])


def depth_of(tree: Tree) -> int:
    """Edges on the longest path."""
    return 0 if isinstance(tree, int) else 1 + max(depth_of(tree[1]), depth_of(tree[2]))
