"""Trees whose values add up to a score, as data."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.ir.links import logistic_proba, softmax_proba
from treeml.ir.predicate import Predicate
from treeml.ir.regression_tree import RegressionTree

Link = Literal["identity", "log", "logistic", "softmax"]

LINKS: tuple[Link, ...] = ("identity", "log", "logistic", "softmax")

__all__ = ["LINKS", "Link", "TreeEnsemble"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TreeEnsemble:
    """Regression trees that add up, as boosting and forests make them.

    The score of an output is its base plus the values of its trees, added in the order of the
    trees; so every path (native, exports) gives the same floats. What is predicted follows from
    the score by the link:

    - ``identity``: the score; ``log``: its exponential;
    - ``logistic``: the second class where the score is above 0, with probability
      ``1 / (1 + exp(-score))``;
    - ``softmax``: the class with the greatest score, the first of several; probabilities are
      proportional to ``exp(score)``.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on, those of every tree.
    trees : tuple of RegressionTree
        The trees, possibly none.
    output : ndarray of int32, shape (n_trees,)
        The output that each tree adds to.
    base : ndarray of float64, shape (n_outputs,)
        Where each score starts.
    link : {"identity", "log", "logistic", "softmax"}
        From score to prediction. All but softmax have one output; softmax has one per class.
    classes : ndarray or None, shape (n_classes,)
        The class labels; None for regression.

    Raises
    ------
    ValueError
        Where these do not fit each other.
    """

    kind: ClassVar[str] = "tree_ensemble"

    columns: tuple[ColumnType, ...]
    trees: tuple[RegressionTree, ...]
    output: np.ndarray
    base: np.ndarray
    link: Link
    classes: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise ValueError(f"link {self.link!r} is not one of {', '.join(LINKS)}")
        labels = self.link in ("logistic", "softmax")
        if labels != (self.classes is not None):
            raise ValueError(f"link {self.link!r} {'needs' if labels else 'has no'} classes")
        if self.link == "logistic" and self.n_classes != 2:
            raise ValueError(f"link 'logistic' has two classes, not {self.n_classes}")
        expected = self.n_classes if self.link == "softmax" else 1
        if self.base.shape != (expected,) or not np.isfinite(self.base).all():
            raise ValueError(f"base must hold {expected} finite number(s) for link {self.link!r}")
        if self.output.shape != (self.n_trees,) or not np.isin(self.output, range(expected)).all():
            raise ValueError(f"output must hold one of {expected} outputs for every tree")
        if any(tree.columns != self.columns for tree in self.trees):
            raise ValueError("the trees of an ensemble share its columns")

    @property
    def n_trees(self) -> int:
        return len(self.trees)

    @property
    def n_outputs(self) -> int:
        return len(self.base)

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def n_leaves(self) -> int:
        """Leaves of all trees together."""
        return sum(tree.n_leaves for tree in self.trees)

    @property
    def depth(self) -> int:
        """Depth of the deepest tree."""
        return max((tree.depth for tree in self.trees), default=0)

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """The distinct questions of all trees, in order of first appearance."""
        return tuple(dict.fromkeys(p for tree in self.trees for p in tree.predicates))

    def required_classes(self) -> np.ndarray:
        """The classes, for what needs probabilities.

        Raises
        ------
        ValueError
            For a regression ensemble.
        """
        if self.classes is None:
            raise ValueError(
                f"an ensemble with link {self.link!r} predicts numbers: it has no probabilities"
            )
        return self.classes

    def score(self, table: Table) -> np.ndarray:
        """Sums of base and tree values, shape (n_rows, n_outputs), float64, tree by tree."""
        total = np.tile(self.base, (table.n_rows, 1))
        for tree, output in zip(self.trees, self.output.tolist(), strict=True):
            total[:, output] += tree.predict(table)
        return total

    def predict(self, table: Table) -> np.ndarray:
        """Class label or number of every row, shape (n_rows,)."""
        return self.predict_of(self.score(table))

    def predict_proba(self, table: Table) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes).

        Raises
        ------
        ValueError
            For a regression ensemble.
        """
        self.required_classes()
        return self.proba_of(self.score(table))

    def predict_of(self, score: np.ndarray) -> np.ndarray:
        """What scores mean: class labels or numbers, shape (n_rows,).

        Parameters
        ----------
        score : ndarray of float64, shape (n_rows, n_outputs)
            From `score` or a faster path.
        """
        if self.classes is None:
            with np.errstate(over="ignore"):  # infinite is what it is
                return np.exp(score[:, 0]) if self.link == "log" else score[:, 0]
        if self.link == "logistic":
            return self.classes[(score[:, 0] > 0).astype(np.intp)]
        return self.classes[score.argmax(axis=1)]

    def proba_of(self, score: np.ndarray) -> np.ndarray:
        """Class probabilities of scores, shape (n_rows, n_classes).

        Parameters
        ----------
        score : ndarray of float64, shape (n_rows, n_outputs)
            From `score` or a faster path.

        Raises
        ------
        ValueError
            For a regression ensemble.
        """
        self.required_classes()
        if self.link == "logistic":
            return logistic_proba(score[:, 0])
        return softmax_proba(score)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; trees name their predicates by position in one shared table."""
        shared = self.predicates
        at = {predicate: j for j, predicate in enumerate(shared)}
        classes = self.classes
        return {
            "kind": self.kind,
            "columns": [column.to_dict() for column in self.columns],
            "predicates": [predicate.to_dict() for predicate in shared],
            "trees": [
                {"predicates": [at[p] for p in tree.predicates], **tree.node_arrays()}
                for tree in self.trees
            ],
            "output": self.output.tolist(),
            "base": self.base.tolist(),
            "link": self.link,
            "classes": None if classes is None else classes.tolist(),
            "class_dtype": None
            if classes is None
            else ("object" if classes.dtype == object else classes.dtype.str),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TreeEnsemble:
        """Inverse of `to_dict`."""
        columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
        shared = [Predicate.from_dict(p, columns) for p in data["predicates"]]
        labels = data["classes"] is not None
        return cls(
            columns=columns,
            trees=tuple(
                RegressionTree.from_arrays(columns, [shared[j] for j in tree["predicates"]], tree)
                for tree in data["trees"]
            ),
            output=np.asarray(data["output"], dtype=np.int32),
            base=np.asarray(data["base"], dtype=np.float64),
            link=data["link"],
            classes=np.asarray(data["classes"], np.dtype(data["class_dtype"])) if labels else None,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeEnsemble) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.trees, self.output.tobytes(), self.base.tobytes(), self.link))
