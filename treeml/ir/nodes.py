"""What every decision tree shares: arrays of nodes over a table of distinct predicates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.ir.predicate import Predicate

__all__ = ["TreeNodes"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TreeNodes:
    """Questions and branches; node 0 is the root, nodes are in depth-first order, yes first.

    What a node says (classes, a value) is added by the kinds of tree that derive from it.

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
    """

    kind: ClassVar[str]

    columns: tuple[ColumnType, ...]
    predicates: tuple[Predicate, ...]
    predicate: np.ndarray
    if_true: np.ndarray
    if_false: np.ndarray

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

    def node_arrays(self) -> dict[str, Any]:
        """JSON form of the arrays, without columns and predicates."""
        return {
            "predicate": self.predicate.tolist(),
            "if_true": self.if_true.tolist(),
            "if_false": self.if_false.tolist(),
            **self._payload(),
        }

    @classmethod
    def from_arrays(
        cls,
        columns: Sequence[ColumnType],
        predicates: Sequence[Predicate],
        data: dict[str, Any],
    ) -> Self:
        """Inverse of `node_arrays`, given columns and predicates."""
        return cls(
            tuple(columns),
            tuple(predicates),
            *(np.asarray(data[k], dtype=np.int32) for k in ("predicate", "if_true", "if_false")),
            **cls._read_payload(data),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "kind": self.kind,
            "columns": [column.to_dict() for column in self.columns],
            "predicates": [predicate.to_dict() for predicate in self.predicates],
            **self.node_arrays(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
        predicates = tuple(Predicate.from_dict(p, columns) for p in data["predicates"])
        return cls.from_arrays(columns, predicates, data)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_dict() == other.to_dict()  # pyright: ignore[reportAttributeAccessIssue]

    def __hash__(self) -> int:
        return hash((self.predicates, self.predicate.tobytes(), self.if_true.tobytes()))

    def _payload(self) -> dict[str, Any]:
        """JSON form of what the nodes say."""
        raise NotImplementedError

    @classmethod
    def _read_payload(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The fields that `_payload` wrote, by name."""
        raise NotImplementedError
