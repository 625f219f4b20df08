"""The tree of actions as data: what to do with a row, and what every action costs there."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from treeml._core.table import Table
from treeml.ir.nodes import TreeNodes

__all__ = ["ActionTree"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ActionTree(TreeNodes):
    """A tree that chooses an action; node 0 is the root, nodes are in depth-first order, yes first.

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
    costs : ndarray of float64, shape (n_nodes, n_actions)
        Sum of the (weighted) costs of each action over the training rows of the node.
    rows : ndarray of float64, shape (n_nodes,)
        Training rows (sample weight where given) that reach the node.
    label : ndarray of int32, shape (n_nodes,)
        Action chosen at the node, as an index into ``actions``.
    actions : ndarray, shape (n_actions,)
        Names or numbers of the actions.
    rewards : bool, default=False
        Whether it was fitted to rewards, which are costs below 0: texts then speak of rewards.

    Raises
    ------
    ValueError
        Where the arrays do not hold a finite cost of every action for every node.
    """

    kind: ClassVar[str] = "action_tree"

    costs: np.ndarray
    rows: np.ndarray
    label: np.ndarray
    actions: np.ndarray
    rewards: bool = False

    def __post_init__(self) -> None:
        if self.costs.shape != (self.n_nodes, len(self.actions)):
            raise ValueError("costs must hold one number for every node and action")
        if self.rows.shape != (self.n_nodes,) or self.label.shape != (self.n_nodes,):
            raise ValueError("rows and label must hold one number for every node")
        if not np.isfinite(self.costs).all() or not np.isfinite(self.rows).all():
            raise ValueError("costs and rows must be finite")

    @property
    def classes(self) -> np.ndarray:
        """The actions, under the name that exports ask for."""
        return self.actions

    @property
    def mean_costs(self) -> np.ndarray:
        """Mean cost of every action over the rows of each node; 0 where there are none."""
        return self.costs / np.where(self.rows > 0, self.rows, 1.0)[:, None]

    def worth(self, node: int) -> tuple[str, float]:
        """What the action chosen at the node brings on average, and the word for it."""
        mean = float(self.mean_costs[node, self.label[node]])
        return ("mean reward", 0.0 - mean) if self.rewards else ("mean cost", mean)

    def predict(self, table: Table) -> np.ndarray:
        """Action of every row, shape (n_rows,)."""
        return self.actions[self.label[self.apply(table)]]

    def _payload(self) -> dict[str, Any]:
        return {
            "costs": self.costs.tolist(),
            "rows": self.rows.tolist(),
            "label": self.label.tolist(),
            "actions": self.actions.tolist(),
            "action_dtype": "object" if self.actions.dtype == object else self.actions.dtype.str,
            "rewards": self.rewards,
        }

    @classmethod
    def _read_payload(cls, data: dict[str, Any]) -> dict[str, Any]:
        actions = np.asarray(data["actions"], dtype=np.dtype(data["action_dtype"]))
        return {
            "costs": np.asarray(data["costs"], dtype=np.float64).reshape(-1, len(actions)),
            "rows": np.asarray(data["rows"], dtype=np.float64),
            "label": np.asarray(data["label"], dtype=np.int32),
            "actions": actions,
            "rewards": bool(data["rewards"]),
        }
