"""Nodes of a search become a tree of the IR, with the training rows that reach each node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from treeml._core.table import ColumnType
from treeml.binarize.dataset import BinaryDataset
from treeml.ir import ActionTree, Predicate, Tree

__all__ = ["build_action_tree", "build_tree", "class_counts"]


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
    sums = _node_sums(nodes, dataset, counts)
    label = (sums * class_weight).argmax(axis=1).astype(np.int32)
    if labels is not None:
        label = np.where(nodes[:, 0] < 0, labels, label).astype(np.int32)
    return Tree(
        columns=columns,
        **_questions(nodes, predicate),
        counts=sums,
        label=label,
        classes=classes,
        class_weight=np.asarray(class_weight, dtype=np.float64),
    )


def build_action_tree(
    nodes: np.ndarray,
    dataset: BinaryDataset,
    costs: np.ndarray,
    weights: np.ndarray,
    *,
    columns: tuple[ColumnType, ...],
    predicate: Callable[[int], Predicate],
    actions: np.ndarray,
    rewards: bool = False,
) -> ActionTree:
    """The IR of a tree with the action of least cost in every node.

    Parameters
    ----------
    nodes, dataset, columns, predicate
        As in `build_tree`.
    costs : ndarray of float64, shape (n_rows, n_actions)
        Weighted costs of the stored rows.
    weights : ndarray of float64, shape (n_rows,)
        Of the stored rows.
    actions : ndarray, shape (n_actions,)
    rewards : bool, default=False
        Whether the costs are rewards below 0.
    """
    sums = _node_sums(nodes, dataset, np.column_stack([costs, weights]))
    return ActionTree(
        columns=columns,
        **_questions(nodes, predicate),
        costs=np.ascontiguousarray(sums[:, :-1]),
        rows=np.ascontiguousarray(sums[:, -1]),
        label=sums[:, :-1].argmin(axis=1).astype(np.int32),
        actions=actions,
        rewards=rewards,
    )


def _node_sums(nodes: np.ndarray, dataset: BinaryDataset, values: np.ndarray) -> np.ndarray:
    """Sums of the values of the stored rows that reach each node, shape (n_nodes, n_values)."""
    used = _used(nodes)
    place = {column: at for at, column in enumerate(used)}
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
    sums = np.zeros((len(nodes), values.shape[1]))
    for k in range(values.shape[1]):
        sums[:, k] = np.bincount(leaf, values[:, k], minlength=len(nodes))
    for node in range(len(nodes) - 1, -1, -1):
        if nodes[node, 0] >= 0:
            sums[node] = sums[nodes[node, 1]] + sums[nodes[node, 2]]
    return sums


def _questions(nodes: np.ndarray, predicate: Callable[[int], Predicate]) -> dict[str, Any]:
    """Predicates and branches of a tree, by the names of its fields."""
    used = _used(nodes)
    place = {column: at for at, column in enumerate(used)} | {-1: -1}
    return {
        "predicates": tuple(predicate(j) for j in used),
        "predicate": np.array([place[column] for column in nodes[:, 0].tolist()], dtype=np.int32),
        "if_true": np.ascontiguousarray(nodes[:, 1]),
        "if_false": np.ascontiguousarray(nodes[:, 2]),
    }


def _used(nodes: np.ndarray) -> list[int]:
    """Columns of the dataset that a tree asks for, ascending."""
    return sorted(set(nodes[:, 0].tolist()) - {-1})
