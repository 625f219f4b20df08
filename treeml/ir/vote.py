"""Classification trees that vote, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.ir.ensemble import TreeEnsemble
from treeml.ir.predicate import Predicate
from treeml.ir.regression_tree import RegressionTree
from treeml.ir.tree import Tree

__all__ = ["TreeVote"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TreeVote:
    """Trees of which each has one vote; the class with most votes is predicted.

    Of several classes with equally many votes it is the first one in ``classes``. With two
    classes and an odd number of trees that does not happen.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on, those of every tree.
    trees : tuple of Tree
        At least one; all with the same classes.

    Raises
    ------
    ValueError
        Where these do not fit each other.
    """

    kind: ClassVar[str] = "tree_vote"

    columns: tuple[ColumnType, ...]
    trees: tuple[Tree, ...]

    def __post_init__(self) -> None:
        if not self.trees:
            raise ValueError("a vote needs at least one tree")
        if any(tree.columns != self.columns for tree in self.trees):
            raise ValueError("the trees of a vote share its columns")
        if any(tree.classes.tolist() != self.classes.tolist() for tree in self.trees):
            raise ValueError("the trees of a vote share their classes")

    @property
    def classes(self) -> np.ndarray:
        """The class labels, shape (n_classes,)."""
        return self.trees[0].classes

    @property
    def n_trees(self) -> int:
        return len(self.trees)

    @property
    def n_cuts(self) -> int:
        """Questions of all trees together."""
        return self.n_leaves - self.n_trees

    @property
    def n_leaves(self) -> int:
        """Leaves of all trees together."""
        return sum(tree.n_leaves for tree in self.trees)

    @property
    def depth(self) -> int:
        """Depth of the deepest tree."""
        return max(tree.depth for tree in self.trees)

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """The distinct questions of all trees, in order of first appearance."""
        return tuple(dict.fromkeys(p for tree in self.trees for p in tree.predicates))

    def votes(self, table: Table) -> np.ndarray:
        """Votes of every row for every class, shape (n_rows, n_classes), int64."""
        return self.votes_of([tree.label[tree.apply(table)] for tree in self.trees])

    def votes_of(self, labels: Sequence[np.ndarray]) -> np.ndarray:
        """`votes` from what each tree says, one array of shape (n_rows,) a tree."""
        out = np.zeros((len(labels[0]), len(self.classes)), dtype=np.int64)
        for label in labels:
            out[np.arange(len(label)), label] += 1
        return out

    def predict(self, table: Table) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self.classes[self.votes(table).argmax(axis=1)]

    def predict_proba(self, table: Table) -> np.ndarray:
        """Share of the votes for every class, shape (n_rows, n_classes)."""
        return self.votes(table) / self.n_trees

    def as_scores(self) -> TreeEnsemble:
        """Trees that add up to a score with the same predictions.

        With two classes the score is the number of votes for the second one less half of the
        trees; otherwise every class has a score, its votes. Probabilities are not the same.
        """
        if len(self.classes) == 2:
            trees = [_values(tree, tree.label == 1) for tree in self.trees]
            output, base = [0] * len(trees), [-self.n_trees / 2]
        else:
            every = range(len(self.classes))
            trees = [_values(tree, tree.label == k) for tree in self.trees for k in every]
            output, base = [*every] * self.n_trees, [0.0] * len(every)
        return TreeEnsemble(
            columns=self.columns,
            trees=tuple(trees),
            output=np.array(output, dtype=np.int32),
            base=np.array(base),
            link="logistic" if len(self.classes) == 2 else "softmax",
            classes=self.classes,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form; trees name their predicates by position in one shared table."""
        shared = self.predicates
        at = {predicate: j for j, predicate in enumerate(shared)}
        return {
            "kind": self.kind,
            "columns": [column.to_dict() for column in self.columns],
            "predicates": [predicate.to_dict() for predicate in shared],
            "trees": [
                {"predicates": [at[p] for p in tree.predicates], **tree.node_arrays()}
                for tree in self.trees
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TreeVote:
        """Inverse of `to_dict`."""
        columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
        shared = [Predicate.from_dict(p, columns) for p in data["predicates"]]
        return cls(
            columns=columns,
            trees=tuple(
                Tree.from_arrays(columns, [shared[j] for j in tree["predicates"]], tree)
                for tree in data["trees"]
            ),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeVote) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.trees)


def _values(tree: Tree, value: np.ndarray) -> RegressionTree:
    """The same questions with a number at every node."""
    return RegressionTree(
        columns=tree.columns,
        predicates=tree.predicates,
        predicate=tree.predicate,
        if_true=tree.if_true,
        if_false=tree.if_false,
        value=value.astype(np.float64),
        rows=tree.rows,
        error=np.zeros(tree.n_nodes),
    )
