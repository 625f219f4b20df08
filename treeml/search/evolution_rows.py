"""What an evolution reads of a table: stored rows with answers, codes, folds and statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import softmax

from treeml._core.exact import integer_weights
from treeml._core.table import ColumnType
from treeml._ext import split as native
from treeml.binarize.dataset import BinaryDataset
from treeml.ir import Predicate, RegressionTree
from treeml.search.leaf_scores import ValueScore

__all__ = ["EvolutionRows", "smooth_shares", "value_tree"]

_CAUTIOUS: dict[str, Any] = {
    "rounds": 50,
    "learning_rate": 0.1,
    "max_depth": 2,
    "l2": 5.0,
    "least_hessian": 3.0,
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EvolutionRows:
    """Stored rows, equal ones once, and the folds of the table's rows.

    Parameters
    ----------
    dataset : BinaryDataset
    row_of : ndarray of int, shape (n_table_rows,)
        Stored row of every row of the table.
    answers : ndarray of bool, shape (n_predicates, n_rows)
    codes : ndarray of int, shape (n_rows, n_code_columns)
    intervals : ndarray of int32, shape (n_predicates, 3)
    size : ndarray of int, shape (n_rows,)
        Rows of the table behind each stored row.
    fold : ndarray of int, shape (n_table_rows,)
    n_folds : int
    """

    dataset: BinaryDataset
    row_of: np.ndarray
    answers: np.ndarray
    codes: np.ndarray
    intervals: np.ndarray
    size: np.ndarray
    fold: np.ndarray
    n_folds: int

    @classmethod
    def make(
        cls,
        dataset: BinaryDataset,
        code_columns: list[np.ndarray],
        order: np.ndarray,
        n_folds: int,
        rng: np.random.Generator,
        *,
        merge: bool = True,
    ) -> EvolutionRows:
        """Read a dataset.

        Parameters
        ----------
        dataset : BinaryDataset
            Made from these code columns.
        code_columns : list of ndarray, each of shape (n_table_rows,)
        order : ndarray, shape (n_table_rows,)
            Class or value of the rows; folds are alike in it.
        n_folds : int
        rng : Generator
        merge : bool, default=True
            Whether equal rows are stored once.
        """
        assert dataset.row_of is not None
        assert dataset.intervals is not None
        n_table = len(dataset.row_of)
        answers = dataset.matrix().T.astype(bool)
        row_of = dataset.row_of.astype(np.int64)
        if not merge:
            answers, row_of = answers[:, row_of], np.arange(n_table)
        n_rows = answers.shape[1]
        first = np.zeros(n_rows, dtype=np.int64)
        first[row_of[::-1]] = np.arange(n_table)[::-1]
        codes = np.zeros((n_rows, len(code_columns)), dtype=np.int64)
        for place, column in enumerate(code_columns):
            codes[:, place] = column[first]
        fold = np.zeros(n_table, dtype=np.int64)
        if n_folds > 1:
            shuffled = rng.permutation(n_table)
            shuffled = shuffled[np.argsort(order[shuffled], kind="stable")]
            fold[shuffled] = np.arange(n_table) % n_folds
        return cls(
            dataset=dataset,
            row_of=row_of,
            answers=np.ascontiguousarray(answers),
            codes=codes,
            intervals=dataset.intervals,
            size=np.bincount(row_of, minlength=n_rows),
            fold=fold,
            n_folds=n_folds,
        )

    @property
    def n_rows(self) -> int:
        return self.answers.shape[1]

    def class_sums(
        self, codes: np.ndarray, n_classes: int, weights: np.ndarray | None
    ) -> np.ndarray:
        """Weight of each fold and class in every stored row, (n_folds * n_classes, n_rows)."""
        n_sums = self.n_folds * n_classes
        cells = (self.fold * n_classes + codes) * self.n_rows + self.row_of
        if weights is None:
            sums = np.bincount(cells, minlength=n_sums * self.n_rows).astype(np.float64)
        else:  # sums of integers are exact in any order
            exact = integer_weights(weights)
            sums = np.bincount(cells, exact.values, n_sums * self.n_rows) / exact.scale
        return sums.reshape(n_sums, self.n_rows)

    def share_sums(self, shares: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """`class_sums` of rows that belong to several classes; shares (n_table_rows, n_classes)."""
        weighted = shares if weights is None else shares * weights[:, None]
        cells = self.fold * np.int64(self.n_rows) + self.row_of
        size = self.n_folds * self.n_rows
        sums = [np.bincount(cells, share, size) for share in weighted.T]
        folded = np.stack(sums).reshape(-1, self.n_folds, self.n_rows)
        return folded.transpose(1, 0, 2).reshape(-1, self.n_rows)


def value_tree(
    nodes: np.ndarray,
    rows: EvolutionRows,
    score: ValueScore,
    *,
    columns: tuple[ColumnType, ...],
    predicate: Callable[[int], Predicate],
) -> RegressionTree:
    """The IR of a regression tree whose nodes predict as the score does."""
    n_rows = len(rows.row_of)
    members = [np.arange(n_rows)] * len(nodes)
    value, weight, error = np.empty((3, len(nodes)))
    for node, (column, if_yes, if_no) in enumerate(nodes.tolist()):
        here = members[node]
        value[node], weight[node], error[node] = score.node(here)
        if column >= 0:
            answer = rows.answers[column][rows.row_of[here]]
            members[if_yes], members[if_no] = here[answer], here[~answer]
    used = sorted({int(column) for column in nodes[:, 0] if column >= 0})
    place = {column: at for at, column in enumerate(used)} | {-1: -1}
    return RegressionTree(
        columns=columns,
        predicates=tuple(predicate(j) for j in used),
        predicate=np.array([place[column] for column in nodes[:, 0].tolist()], dtype=np.int32),
        if_true=np.ascontiguousarray(nodes[:, 1]),
        if_false=np.ascontiguousarray(nodes[:, 2]),
        value=value,
        rows=weight,
        error=error,
        criterion="absolute_error" if score.metric == "absolute_error" else "squared_error",
    )


def smooth_shares(
    code_columns: list[np.ndarray],
    codes: np.ndarray,
    n_classes: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Class probabilities of each row by a cautious boosted model of the classes.

    Parameters
    ----------
    code_columns : list of ndarray, each of shape (n_table_rows,)
        Codes below 65,536.
    codes : ndarray of int, shape (n_table_rows,)
        Classes.
    n_classes : int
    weights : ndarray of float64, shape (n_table_rows,), or None

    Returns
    -------
    ndarray of float64, shape (n_table_rows, n_classes)
        The row's own class where there is nothing to learn.
    """
    if n_classes < 2 or not code_columns:
        return np.eye(n_classes)[codes]
    n_columns = len(code_columns)
    columns = native.SplitColumns(
        [np.ascontiguousarray(column, dtype=np.uint16) for column in code_columns],
        [int(column.max()) + 1 for column in code_columns],
        [False] * n_columns,
        [False] * n_columns,
        [False] * n_columns,
        [0] * n_columns,
        n_rows=len(codes),
    )
    *_, raised, scores = columns.boost(
        loss=2 if n_classes == 2 else 3,
        y=codes.astype(np.float64),
        weights=weights,
        n_classes=n_classes,
        max_leaves=0,
        patience=0,
        **_CAUTIOUS,
    )
    if raised:
        raise raised[0]
    both = np.vstack([np.zeros(len(codes)), scores]) if n_classes == 2 else scores
    return softmax(both, axis=0).T
