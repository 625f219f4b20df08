"""The classification tree as data."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from treeml._core.table import Table
from treeml.ir.nodes import TreeNodes

__all__ = ["Tree"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tree(TreeNodes):
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

    kind: ClassVar[str] = "tree"

    counts: np.ndarray
    label: np.ndarray
    classes: np.ndarray
    class_weight: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Training rows (sample weight where given) of every node, shape (n_nodes,), float64."""
        return self.counts.sum(axis=1)

    @property
    def node_proba(self) -> np.ndarray:
        """Class probabilities of every node, shape (n_nodes, n_classes).

        A tree that was made without rows is sure of its labels.
        """
        weighted = self.counts * self.class_weight
        nothing = weighted.sum(axis=1) == 0  # only classes of weight 0, or no rows
        weighted[nothing] = self.counts[nothing]
        if not self.counts[0].any():  # made without rows
            weighted = np.eye(len(self.classes))[self.label]
        weighted[weighted.sum(axis=1) == 0] = 1.0
        return weighted / weighted.sum(axis=1, keepdims=True)

    def predict(self, table: Table) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self.classes[self.label[self.apply(table)]]

    def predict_proba(self, table: Table) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes)."""
        return self.node_proba[self.apply(table)]

    def _payload(self) -> dict[str, Any]:
        return {
            "counts": self.counts.tolist()
            if self.counts.any()
            else None,  # None: made without rows
            "label": self.label.tolist(),
            "classes": self.classes.tolist(),
            "class_dtype": "object" if self.classes.dtype == object else self.classes.dtype.str,
            "class_weight": self.class_weight.tolist(),
        }

    @classmethod
    def _read_payload(cls, data: dict[str, Any]) -> dict[str, Any]:
        classes = np.asarray(data["classes"], dtype=np.dtype(data["class_dtype"]))
        label = np.asarray(data["label"], dtype=np.int32)
        if data["counts"] is None:
            counts = np.broadcast_to(0.0, (len(label), len(classes)))
        else:
            counts = np.asarray(data["counts"], dtype=np.float64).reshape(-1, len(classes))
        return {
            "counts": counts,
            "label": label,
            "classes": classes,
            "class_weight": np.asarray(data["class_weight"], dtype=np.float64),
        }
