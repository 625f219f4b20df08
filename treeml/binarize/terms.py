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
    findings : tuple of Finding
        What stands out in the columns.
    """

    terms: tuple[Predicate | LinearTerm, ...]
    matrix: np.ndarray
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of_predicates(cls, binarizer: Binarizer, table: Table) -> CardTerms:
        """All predicates of a fitted binarizer."""
        codes = binarizer.encode(table)
        matrix = np.empty((table.n_rows, len(binarizer.intervals_)))
        for j, (place, low, high) in enumerate(binarizer.intervals_.tolist()):
            matrix[:, j] = (codes[place] >= low) & (codes[place] <= high)
        return cls(binarizer.predicates_, matrix, binarizer.findings_)

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
        numeric = [j for j, column in enumerate(table.columns) if column.type.numeric]
        others = [j for j in range(len(table.columns)) if j not in set(numeric)]
        part = Table(tuple(table.columns[j] for j in others), table.n_rows, table.named)
        levels = cast(Binarizer, Binarizer()).fit_table(part, codes, sample_weight)
        coded = cls.of_predicates(levels, part)
        terms: list[Predicate | LinearTerm] = []
        values: list[np.ndarray] = []
        for j, column in enumerate(table.columns):
            term = Term(j, column.type)
            if not column.type.numeric:
                for at, predicate in enumerate(coded.terms):
                    assert isinstance(predicate, Predicate)
                    if others[predicate.term.index] == j:
                        terms.append(dataclasses.replace(predicate, term=term))
                        values.append(coded.matrix[:, at])
                continue
            known = column.values[~column.missing]
            if known.size and known.min() < known.max():
                terms.append(LinearTerm(term))
                values.append(terms[-1].values(table))
            if column.missing.any():
                terms.append(Predicate(term, "is missing"))
                values.append(column.missing.astype(np.float64))
        matrix = np.column_stack(values) if values else np.empty((table.n_rows, 0))
        return cls(tuple(terms), matrix, coded.findings)
