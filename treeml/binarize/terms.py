"""The terms of a scorecard: numbers as they are, predicates for everything else."""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml._ext import packing
from treeml.binarize.binarizer import Binarizer
from treeml.binarize.findings import Finding
from treeml.ir import LinearTerm, Predicate, Term

__all__ = ["CardTerms"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CardTerms:
    """What a scorecard can give points for, and its value in every training row.

    Parameters
    ----------
    terms : tuple of Predicate or LinearTerm
    matrix : ndarray of float64, shape (n_rows, n_terms)
        A predicate is 1 where it holds; a missing number is 0.
    columns : tuple of ColumnType
        The columns of the table, as its rows have them.
    findings : tuple of Finding
        What stands out in the columns.
    """

    terms: tuple[Predicate | LinearTerm, ...]
    matrix: np.ndarray
    columns: tuple[ColumnType, ...]
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of_predicates(cls, binarizer: Binarizer, table: Table) -> CardTerms:
        """All predicates of a fitted binarizer."""
        which = np.arange(len(binarizer.intervals_))
        matrix = _answers(binarizer, table, which)
        return cls(binarizer.predicates_, matrix, binarizer.columns_, binarizer.findings_)

    @staticmethod
    def column_types(matrix: np.ndarray) -> tuple[ColumnType, ...] | None:
        """Columns of a matrix without names, shape (n_rows, n_columns).

        None where it holds what is no finite number of ordinary size.
        """
        zero_one = packing.zero_one_columns(matrix)
        if zero_one is None:
            return None
        return tuple(
            ColumnType(f"x{j}", "zero_one" if binary else "number")
            for j, binary in enumerate(zero_one.tolist())
        )

    @classmethod
    def of_columns(
        cls, table: Table, codes: np.ndarray, sample_weight: np.ndarray | None
    ) -> CardTerms:
        """Numbers by their value, where they vary; predicates of levels and "is missing"."""
        binarizer = cast(Binarizer, Binarizer()).fit_table(table, codes, sample_weight)
        columns = binarizer.columns_
        asked: dict[int, list[int]] = {}  # positions of the predicates of each column
        for at, predicate in enumerate(binarizer.predicates_):
            if not predicate.term.column.numeric or predicate.test == "is missing":
                asked.setdefault(predicate.term.index, []).append(at)
        which = np.array([at for some in asked.values() for at in some], dtype=np.intp)
        answers = iter(_answers(binarizer, table, which).T)
        terms: list[Predicate | LinearTerm] = []
        values: list[np.ndarray] = []
        for j, column in enumerate(columns):
            known = table.columns[j].values[~table.columns[j].missing] if column.numeric else ()
            if len(known) and np.min(known) < np.max(known):
                linear = LinearTerm(Term(j, column))
                terms.append(linear)
                values.append(linear.values(table))
            for at in asked.get(j, ()):
                terms.append(binarizer.predicates_[at])
                values.append(next(answers))
        matrix = np.column_stack(values) if values else np.empty((table.n_rows, 0))
        return cls(tuple(terms), matrix, columns, binarizer.findings_)


def _answers(binarizer: Binarizer, table: Table, which: np.ndarray) -> np.ndarray:
    """Whether the predicates at these positions hold, as numbers."""
    codes = binarizer.encode(table)
    matrix = np.empty((table.n_rows, len(which)))
    for j, (place, low, high) in enumerate(binarizer.intervals_[which].tolist()):
        matrix[:, j] = (codes[place] >= low) & (codes[place] <= high)
    return matrix
