"""Who answers for a row, as data: a tree, or linear scores of which the greatest wins."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.ir.linear_map import LinearMap
from treeml.ir.nodes import TreeNodes

__all__ = ["LinearRouter", "Router", "RoutingTree", "first_greatest"]


def first_greatest(scores: np.ndarray) -> np.ndarray:
    """Which score of a row is the greatest, the first of several; 0 where any of them is NaN.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_rows, n_scores)

    Returns
    -------
    ndarray of int32, shape (n_rows,)
    """
    found = scores.argmax(axis=1).astype(np.int32)
    return np.where(np.isnan(scores).any(axis=1), np.int32(0), found)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RoutingTree(TreeNodes):
    """A tree whose leaves name experts; node 0 is the root, nodes are in depth-first order.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on.
    predicates : tuple of Predicate
        The distinct questions of the inner nodes, over columns or linear forms.
    predicate : ndarray of int32, shape (n_nodes,)
        Index into ``predicates``; -1 at a leaf.
    if_true, if_false : ndarray of int32, shape (n_nodes,)
        Child for the answers yes and no; -1 at a leaf.
    expert : ndarray of int32, shape (n_nodes,)
        The expert that answers at a leaf; at inner nodes any, such as the one of most rows.
    rows : ndarray of float64, shape (n_nodes,)
        Training rows (sample weight where given) that reach the node; all 0 where the tree was
        made without rows.

    Raises
    ------
    ValueError
        Where the arrays do not hold one entry for every node.
    """

    kind: ClassVar[str] = "routing_tree"

    expert: np.ndarray
    rows: np.ndarray

    def __post_init__(self) -> None:
        if self.expert.shape != (self.n_nodes,) or self.rows.shape != (self.n_nodes,):
            raise ValueError("expert and rows must hold one entry for every node")
        if (self.expert[self.leaves] < 0).any() or not np.isfinite(self.rows).all():
            raise ValueError("every leaf has an expert, 0 or greater, and a finite number of rows")

    @property
    def n_experts(self) -> int:
        """One more than the greatest expert of a leaf."""
        return int(self.expert[self.leaves].max()) + 1

    def route(self, table: Table) -> np.ndarray:
        """Expert of every row, shape (n_rows,), int32."""
        return self.expert[self.apply(table)]

    def _payload(self) -> dict[str, Any]:
        return {"expert": self.expert.tolist(), "rows": self.rows.tolist()}

    @classmethod
    def _read_payload(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "expert": np.asarray(data["expert"], dtype=np.int32),
            "rows": np.asarray(data["rows"], dtype=np.float64),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class LinearRouter:
    """Linear scores, one an expert: the greatest wins, the first of several.

    A row with a NaN score, as a missing value in a column that is read gives, goes to the first
    expert.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on.
    scores : LinearMap
        An output for every expert.

    Raises
    ------
    ValueError
        Where the scores do not fit the columns.
    """

    kind: ClassVar[str] = "linear_router"

    columns: tuple[ColumnType, ...]
    scores: LinearMap

    def __post_init__(self) -> None:
        self.scores.require_numbers(self.columns)

    @property
    def n_experts(self) -> int:
        return self.scores.n_outputs

    def route(self, table: Table) -> np.ndarray:
        """Expert of every row, shape (n_rows,), int32."""
        return first_greatest(self.scores.values(table))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        columns = [column.to_dict() for column in self.columns]
        return {"kind": self.kind, "columns": columns, **self.scores.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LinearRouter:
        """Inverse of `to_dict`."""
        columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
        return cls(columns, LinearMap.from_dict(data))


Router = RoutingTree | LinearRouter
