"""Fitted linear leaves as a routed model: questions on the raw table, maps of raw numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from treeml.binarize.leaf_columns import LeafColumns
from treeml.ir import LinearMap, Predicate, RoutedModel, RoutingTree
from treeml.search.linear_leaves import LinearLeaves

__all__ = ["leaf_model", "questions_of", "raw_map"]


def leaf_model(
    leaves: LinearLeaves,
    columns: LeafColumns,
    weight: np.ndarray,
    *,
    link: Literal["identity", "logistic", "softmax"],
    classes: np.ndarray | None = None,
) -> RoutedModel:
    """The model as data; expert k answers in the k-th leaf from the yes side.

    Parameters
    ----------
    leaves : LinearLeaves
        Fitted on all rows of the columns.
    columns : LeafColumns
    weight : ndarray of float64, shape (n_rows,)
        Of the training rows.
    link : {"identity", "logistic", "softmax"}
    classes : ndarray, default=None
    """
    tree = leaves.tree
    values = columns.ordered_values(leaves.orders, np.arange(columns.values.shape[1]))
    members = tree.members(values)
    nodes: list[tuple[Predicate | None, int, int, float, int]] = []
    experts: list[LinearMap] = []
    clip: list[tuple[float, float]] = []

    def visit(v: int) -> int:
        at, rows = len(nodes), float(weight[members[v]].sum())
        nodes.append((None, -1, -1, rows, len(experts)))
        if tree.feature[v] < 0:
            experts.append(raw_map(leaves.maps[v], columns))
            clip.append((-np.inf, np.inf) if leaves.clip is None else leaves.clip[v])
            return at
        split, threshold = int(tree.feature[v]), float(tree.threshold[v])
        here = values[split, members[v]]
        question, below = columns.question(split, threshold, leaves.orders, here)
        yes, no = (tree.yes[v], tree.no[v]) if below else (tree.no[v], tree.yes[v])
        first = visit(int(yes))
        nodes[at] = (question, first, visit(int(no)), rows, nodes[at][4])
        return at

    visit(0)
    asked = list(dict.fromkeys(node[0] for node in nodes if node[0] is not None))
    place: dict[Any, int] = {question: k for k, question in enumerate(asked)}
    router = RoutingTree(
        columns=columns.types,
        predicates=tuple(asked),
        predicate=np.array([place.get(node[0], -1) for node in nodes], dtype=np.int32),
        if_true=np.array([node[1] for node in nodes], dtype=np.int32),
        if_false=np.array([node[2] for node in nodes], dtype=np.int32),
        expert=np.array([node[4] for node in nodes], dtype=np.int32),
        rows=np.array([node[3] for node in nodes]),
    )
    ranges = np.array(clip)[:, None, :] if leaves.clip is not None else None
    return RoutedModel(columns.types, router, tuple(experts), link, classes, ranges)


def questions_of(
    columns: LeafColumns, orders: dict[int, np.ndarray], cuts: Sequence[np.ndarray]
) -> list[Predicate]:
    """The questions that cuts stand for, each once.

    Parameters
    ----------
    columns : LeafColumns
    orders : dict of int to ndarray
        See `LeafColumns.level_orders`.
    cuts : sequence of ndarray of float64
        Of every split column.
    """
    values = columns.ordered_values(orders, np.arange(columns.values.shape[1]))
    out: dict[Predicate, None] = {}
    for split, column in enumerate(cuts):
        here = values[split]
        for cut in column.tolist():
            if here.min() <= cut < here.max():
                out[columns.question(split, cut, orders, here)[0]] = None
    return list(out)


def raw_map(coef: np.ndarray, columns: LeafColumns) -> LinearMap:
    """A map of standardised columns, the constant last, as one of the table's columns."""
    slope = coef[:-1] / columns.scale[:, None]
    whole = np.zeros((coef.shape[1], len(columns.types)))
    whole[:, columns.linear] = slope.T
    return LinearMap(whole, coef[-1] - columns.mean @ slope)
