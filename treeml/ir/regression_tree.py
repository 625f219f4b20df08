"""The regression tree as data."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from treeml._core.table import Table
from treeml.ir.nodes import TreeNodes

__all__ = ["CRITERIA", "RegressionTree"]

CRITERIA = ("squared_error", "absolute_error", "poisson")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RegressionTree(TreeNodes):
    """A tree that predicts a number; node 0 is the root, nodes are in depth-first order, yes first.

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
    value : ndarray of float64, shape (n_nodes,)
        What the node predicts.
    rows : ndarray of float64, shape (n_nodes,)
        Training rows (sample weight where given) that reach the node.
    error : ndarray of float64, shape (n_nodes,)
        Mean training loss of the node's rows when its value is predicted.
    criterion : {"squared_error", "absolute_error", "poisson"}
        The loss that ``error`` is the mean of.

    Raises
    ------
    ValueError
        Where the arrays do not hold one finite number for every node, or the criterion is unknown.
    """

    kind: ClassVar[str] = "regression_tree"

    value: np.ndarray
    rows: np.ndarray
    error: np.ndarray
    criterion: str = "squared_error"

    def __post_init__(self) -> None:
        for name in ("value", "rows", "error"):
            array = getattr(self, name)
            if array.shape != (self.n_nodes,) or not np.isfinite(array).all():
                raise ValueError(f"{name} must hold one finite number for every node")
        if self.criterion not in CRITERIA:
            raise ValueError(f"criterion {self.criterion!r} is not one of {', '.join(CRITERIA)}")

    def predict(self, table: Table) -> np.ndarray:
        """Value of every row, shape (n_rows,), float64."""
        return self.value[self.apply(table)]

    def _payload(self) -> dict[str, Any]:
        return {
            "value": self.value.tolist(),
            "rows": self.rows.tolist(),
            "error": self.error.tolist(),
            "criterion": self.criterion,
        }

    @classmethod
    def _read_payload(cls, data: dict[str, Any]) -> dict[str, Any]:
        arrays = {k: np.asarray(data[k], dtype=np.float64) for k in ("value", "rows", "error")}
        return arrays | {"criterion": data["criterion"]}
