"""The decision tree as data: arrays of nodes over a table of distinct predicates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.ir.predicate import Predicate

__all__ = ["Tree"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A classification tree; node 0 is the root, nodes are in depth-first order, yes first.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on.
    predicates : tuple of Predicate
        The distinct questions of the inner nodes.
    predicate : ndarray of int32, shape (n_nodes,)
        Index into ``predicates``; -1 at a leaf.
    if_true, if_false : ndarray of int32, shape (n_nodes,)
        Child for the answers yes and no; -1 at a leaf.
    counts : ndarray of float64, shape (n_nodes, n_classes)
        Training rows of each class (sample weights where given) that reach the node.
    label : ndarray of int32, shape (n_nodes,)
        Class predicted at the node, as an index into ``classes``.
    classes : ndarray, shape (n_classes,)
        The class labels.
    class_weight : ndarray of float64, shape (n_classes,)
        Weight of each class in the objective; probabilities are those of the weighted counts.
    """

    columns: tuple[ColumnType, ...]
    predicates: tuple[Predicate, ...]
    predicate: np.ndarray
    if_true: np.ndarray
    if_false: np.ndarray
    counts: np.ndarray
    label: np.ndarray
    classes: np.ndarray
    class_weight: np.ndarray

    @property
    def n_nodes(self) -> int:
        return len(self.predicate)

    @property
    def n_leaves(self) -> int:
        return int((self.predicate < 0).sum())

    @property
    def leaves(self) -> np.ndarray:
        """Indices of the leaves, in depth-first order."""
        return np.flatnonzero(self.predicate < 0)

    @property
    def node_depth(self) -> np.ndarray:
        """Depth of every node; the root has 0."""
        depth = np.zeros(self.n_nodes, dtype=np.int32)
        for node in range(self.n_nodes):
            if self.predicate[node] >= 0:
                depth[self.if_true[node]] = depth[self.if_false[node]] = depth[node] + 1
        return depth

    @property
    def depth(self) -> int:
        return int(self.node_depth.max())

    @property
    def node_proba(self) -> np.ndarray:
        """Class probabilities of every node, shape (n_nodes, n_classes)."""
        weighted = self.counts * self.class_weight
        nothing = weighted.sum(axis=1) == 0  # only classes of weight 0, or no rows
        weighted[nothing] = self.counts[nothing]
        weighted[weighted.sum(axis=1) == 0] = 1.0
        return weighted / weighted.sum(axis=1, keepdims=True)

    def apply(self, table: Table) -> np.ndarray:
        """Leaf of every row, shape (n_rows,), int32 node indices."""
        node = np.zeros(table.n_rows, dtype=np.int32)
        answers = [predicate.holds(table) for predicate in self.predicates]
        inner = np.arange(table.n_rows) if self.predicate[0] >= 0 else np.empty(0, dtype=np.intp)
        while inner.size:
            here = node[inner]
            yes = np.empty(inner.size, dtype=bool)
            for which in np.unique(self.predicate[here]):
                at = self.predicate[here] == which
                yes[at] = answers[which][inner[at]]
            node[inner] = np.where(yes, self.if_true[here], self.if_false[here])
            inner = inner[self.predicate[node[inner]] >= 0]
        return node

    def predict(self, table: Table) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self.classes[self.label[self.apply(table)]]

    def predict_proba(self, table: Table) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes)."""
        return self.node_proba[self.apply(table)]

    def paths(self) -> Iterator[tuple[int, list[tuple[Predicate, bool]]]]:
        """Every leaf with the questions on the way to it and their answers."""
        stack: list[tuple[int, list[tuple[Predicate, bool]]]] = [(0, [])]
        while stack:
            node, path = stack.pop()
            if self.predicate[node] < 0:
                yield node, path
                continue
            question = self.predicates[self.predicate[node]]
            stack.append((int(self.if_false[node]), [*path, (question, False)]))
            stack.append((int(self.if_true[node]), [*path, (question, True)]))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "kind": "tree",
            "columns": [column.to_dict() for column in self.columns],
            "predicates": [predicate.to_dict() for predicate in self.predicates],
            "predicate": self.predicate.tolist(),
            "if_true": self.if_true.tolist(),
            "if_false": self.if_false.tolist(),
            "counts": self.counts.tolist(),
            "label": self.label.tolist(),
            "classes": self.classes.tolist(),
            "class_dtype": "object" if self.classes.dtype == object else self.classes.dtype.str,
            "class_weight": self.class_weight.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Tree:
        """Inverse of `to_dict`."""
        columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
        n_classes = len(data["classes"])
        return cls(
            columns=columns,
            predicates=tuple(Predicate.from_dict(p, columns) for p in data["predicates"]),
            predicate=np.asarray(data["predicate"], dtype=np.int32),
            if_true=np.asarray(data["if_true"], dtype=np.int32),
            if_false=np.asarray(data["if_false"], dtype=np.int32),
            counts=np.asarray(data["counts"], dtype=np.float64).reshape(-1, n_classes),
            label=np.asarray(data["label"], dtype=np.int32),
            classes=np.asarray(data["classes"], dtype=np.dtype(data["class_dtype"])),
            class_weight=np.asarray(data["class_weight"], dtype=np.float64),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.predicates, self.predicate.tobytes(), self.if_true.tobytes()))
