"""Nodes of a search become a tree of the IR, with the training rows that reach each node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from treeml._core.table import ColumnType
from treeml.binarize.dataset import BinaryDataset
from treeml.ir import Predicate, Tree

__all__ = ["build_tree", "class_counts"]


def class_counts(
    dataset: BinaryDataset, codes: np.ndarray, n_classes: int, weights: np.ndarray | None
) -> np.ndarray:
    """Weight of each class in every stored row, shape (n_rows, n_classes), float64."""
    assert dataset.row_of is not None
    cells = dataset.row_of.astype(np.int64) * n_classes + codes
    counts = np.bincount(cells, weights, minlength=dataset.n_rows * n_classes)
    return counts.reshape(-1, n_classes).astype(np.float64)


def build_tree(
    nodes: np.ndarray,
    dataset: BinaryDataset,
    counts: np.ndarray,
    *,
    columns: tuple[ColumnType, ...],
    predicate: Callable[[int], Predicate],
    classes: np.ndarray,
    class_weight: np.ndarray,
    labels: np.ndarray | None = None,
) -> Tree:
    """The IR of a tree over the columns of a dataset.

    Parameters
    ----------
    nodes : ndarray of int32, shape (n_nodes, 3)
        Column (-1: leaf), child for yes and for no; depth first, yes first.
    dataset : BinaryDataset
    counts : ndarray, shape (n_rows, n_classes)
        Of the stored rows: `class_counts`.
    columns : tuple of ColumnType
        Of the table.
    predicate : callable
        The question of a column of the dataset.
    classes : ndarray, shape (n_classes,)
    class_weight : ndarray of float64, shape (n_classes,)
    labels : ndarray of int, shape (n_nodes,), default=None
        Class that each leaf predicts; None: the one of largest weighted count.
    """
    used = sorted(set(nodes[:, 0].tolist()) - {-1})
    place = {column: at for at, column in enumerate(used)} | {-1: -1}
    answers = dataset.answers(used)
    leaf = np.empty(dataset.n_rows, dtype=np.int32)
    here = {0: np.arange(dataset.n_rows)}
    for node, (column, if_true, if_false) in enumerate(nodes.tolist()):
        rows = here.pop(node)
        if column >= 0:
            yes = answers[place[column]][rows]
            here[if_true], here[if_false] = rows[yes], rows[~yes]
        else:
            leaf[rows] = node
    sums = np.zeros((len(nodes), len(classes)))
    for k in range(len(classes)):
        sums[:, k] = np.bincount(leaf, counts[:, k], minlength=len(nodes))
    for node in range(len(nodes) - 1, -1, -1):
        if nodes[node, 0] >= 0:
            sums[node] = sums[nodes[node, 1]] + sums[nodes[node, 2]]
    label = (sums * class_weight).argmax(axis=1).astype(np.int32)
    if labels is not None:
        label = np.where(nodes[:, 0] < 0, labels, label).astype(np.int32)
    return Tree(
        columns=columns,
        predicates=tuple(predicate(j) for j in used),
        predicate=np.array([place[column] for column in nodes[:, 0].tolist()], dtype=np.int32),
        if_true=np.ascontiguousarray(nodes[:, 1]),
        if_false=np.ascontiguousarray(nodes[:, 2]),
        counts=sums,
        label=label,
        classes=classes,
        class_weight=np.asarray(class_weight, dtype=np.float64),
    )
