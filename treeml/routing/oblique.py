"""Trees with questions about linear forms, grown as nested nodes and then laid out as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from treeml._core.table import ColumnType
from treeml.ir import LinearForm, Predicate, RoutingTree

__all__ = ["Leaf", "Node", "Split", "counted", "merged", "routing_tree"]


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """An end of a tree; ``expert`` is any hashable name of what it says."""

    expert: object


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The question ``weights @ x > threshold`` with what follows either answer."""

    weights: np.ndarray
    threshold: float
    yes: Node
    no: Node


Node = Leaf | Split


def counted(node: Node) -> int:
    """Number of leaves."""
    return 1 if isinstance(node, Leaf) else counted(node.yes) + counted(node.no)


def merged(node: Node) -> Node:
    """The tree without questions whose answers are followed by the same."""
    return _merged(node)[0]


def _merged(node: Node) -> tuple[Node, object]:
    """The tree, and what tells it from others."""
    if isinstance(node, Leaf):
        return node, node.expert
    yes, of_yes = _merged(node.yes)
    no, of_no = _merged(node.no)
    if of_yes == of_no:
        return yes, of_yes
    name = (node.weights.tobytes(), node.threshold, of_yes, of_no)
    return Split(node.weights, node.threshold, yes, no), name


def routing_tree(
    node: Node, columns: tuple[ColumnType, ...], expert_of: Callable[[object], int]
) -> RoutingTree:
    """The tree as arrays, without rows.

    Parameters
    ----------
    node : Node
        The root.
    columns : tuple of ColumnType
        As many as there are weights.
    expert_of : callable
        The number of the expert that a leaf names.
    """
    chosen: dict[Predicate, int] = {}
    rows: list[list[int]] = []

    def add(node: Node) -> int:
        at = len(rows)
        rows.append([-1, -1, -1, 0])
        if isinstance(node, Leaf):
            rows[at][3] = expert_of(node.expert)
            return at
        question = Predicate(LinearForm.of(node.weights, columns), ">", node.threshold + 0.0)
        rows[at][0] = chosen.setdefault(question, len(chosen))
        rows[at][1] = add(node.yes)
        rows[at][2] = add(node.no)
        rows[at][3] = rows[rows[at][1]][3]
        return at

    add(node)
    arrays = np.array(rows, dtype=np.int32)
    predicate, if_true, if_false, expert = (arrays[:, k].copy() for k in range(4))
    none = np.zeros(len(rows))
    return RoutingTree(columns, tuple(chosen), predicate, if_true, if_false, expert, none)
