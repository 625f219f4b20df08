"""What a search reads: predicates, packed columns over distinct rows, additive statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from treeml._core.exact import IntegerWeights, integer_weights
from treeml._ext import packing
from treeml.ir.predicate import Predicate

__all__ = ["BinaryDataset"]

_PACKABLE = (np.uint8, np.int32, np.int64, np.float32, np.float64)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BinaryDataset:
    """Distinct rows of 0/1 columns with statistics that add up.

    Rows that answer every predicate alike are stored once, in an order that depends on their
    content only.

    Parameters
    ----------
    predicates : sequence of Predicate
        The question of every column. Constant, equal and complementary columns stay.
    columns : ndarray of uint64, shape (n_columns, n_words)
        Row r is bit ``r % 64`` of word ``r // 64``.
    n_rows : int
        Number of stored rows.
    row_of : ndarray of int32, shape (n_table_rows,), or None
        Stored row of every row of the table; None after `from_counts`.
    statistics : ndarray of int64, shape (n_statistics, n_rows)
        Sums over the rows behind every stored row. For classification: the weight of each
        class in units of ``1 / scale``, then the number of rows of positive weight.
    weights : IntegerWeights or None
        How row weights became integers; None where every row counts 1.
    intervals : ndarray of int32, shape (n_columns, 3), or None
        Ordered groups: predicate j is true where the code of column ``intervals[j, 0]`` lies
        between ``intervals[j, 1]`` and ``intervals[j, 2]``; nested thresholds share a column.
    """

    predicates: Sequence[Predicate]
    columns: np.ndarray
    n_rows: int
    row_of: np.ndarray | None
    statistics: np.ndarray
    weights: IntegerWeights | None = None
    intervals: np.ndarray | None = None

    @property
    def n_columns(self) -> int:
        return len(self.columns)

    @property
    def scale(self) -> float:
        """Statistics per unit of weight."""
        return 1.0 if self.weights is None else self.weights.scale

    @classmethod
    def from_zero_one(
        cls, matrix: np.ndarray, predicates: Sequence[Predicate] = ()
    ) -> BinaryDataset | None:
        """Pack a matrix, shape (n_rows, n_columns); None where it holds more than 0 and 1."""
        if matrix.dtype == np.bool_:
            matrix = matrix.view(np.uint8)
        if matrix.dtype not in _PACKABLE:
            return None
        rows = packing.pack_zero_one(np.ascontiguousarray(matrix))
        if rows is None:
            return None
        return cls._from_rows(rows, matrix.shape[1], predicates, None)

    @classmethod
    def from_codes(
        cls,
        codes: Sequence[np.ndarray],
        intervals: np.ndarray,
        predicates: Sequence[Predicate],
        n_rows: int,
    ) -> BinaryDataset:
        """Pack code columns (uint16 or uint32); one predicate is one interval of codes."""
        intervals = np.ascontiguousarray(intervals, dtype=np.int32)
        n_columns = len(intervals)
        rows = np.zeros((n_rows, max(1, (n_columns + 63) // 64)), dtype=np.uint64)
        ends = np.flatnonzero(np.diff(intervals[:, 0])) + 1 if n_columns else np.empty(0, int)
        for first, last in zip([0, *ends], [*ends, n_columns], strict=True):
            if last > first:
                column = np.ascontiguousarray(codes[intervals[first, 0]])
                packing.pack_code_column(column, intervals, int(first), int(last), rows)
        return cls._from_rows(rows, n_columns, predicates, intervals)

    @classmethod
    def from_counts(
        cls,
        matrix: np.ndarray,
        statistics: np.ndarray,
        predicates: Sequence[Predicate] = (),
    ) -> BinaryDataset:
        """Rows with their sums, as from a GROUP BY; equal rows are added up.

        Parameters
        ----------
        matrix : ndarray of 0 and 1, shape (n_rows, n_columns)
        statistics : ndarray of int64, shape (n_statistics, n_rows)
        """
        packed = cls.from_zero_one(np.asarray(matrix), predicates)
        if packed is None or packed.row_of is None:
            raise ValueError("the matrix of from_counts must hold 0 and 1 only")
        sums = np.zeros((len(statistics), packed.n_rows), dtype=np.int64)
        for total, values in zip(sums, np.asarray(statistics, dtype=np.int64), strict=True):
            np.add.at(total, packed.row_of, values)
        return dataclasses.replace(packed, statistics=sums, row_of=None)

    def merge(self, other: BinaryDataset) -> BinaryDataset:
        """Both datasets as one: counts of equal rows add up. The predicates must be the same."""
        if tuple(self.predicates) != tuple(other.predicates) or self.n_columns != other.n_columns:
            raise ValueError("datasets over different predicates cannot be merged")
        if len(self.statistics) != len(other.statistics) or self.scale != other.scale:
            raise ValueError("datasets with different statistics or weight grids cannot be merged")
        return BinaryDataset.from_counts(
            np.vstack([self.matrix(), other.matrix()]),
            np.hstack([self.statistics, other.statistics]),
            self.predicates,
        )

    def with_classes(
        self, codes: np.ndarray, n_classes: int, sample_weight: np.ndarray | None = None
    ) -> BinaryDataset:
        """The same columns with the counts of these classes, shape (n_table_rows,) each."""
        if self.row_of is None:
            raise ValueError("a dataset made from counts has no rows to give classes to")
        cells = codes.astype(np.int64) * self.n_rows + self.row_of
        statistics = np.empty((n_classes + 1, self.n_rows), dtype=np.int64)
        weights = None
        if sample_weight is None:
            statistics[:-1] = self._sums(cells, n_classes)
            statistics[-1] = statistics[:-1].sum(axis=0)
        else:
            weights = integer_weights(sample_weight)
            statistics[:-1] = self._sums(cells, n_classes, weights.values)
            statistics[-1] = np.bincount(self.row_of[sample_weight > 0], minlength=self.n_rows)
        return BinaryDataset(
            self.predicates,
            self.columns,
            self.n_rows,
            self.row_of,
            statistics,
            weights,
            self.intervals,
        )

    def with_statistics(self, statistics: np.ndarray) -> BinaryDataset:
        """The same columns with other sums, shape (n_statistics, n_rows)."""
        return dataclasses.replace(self, statistics=np.asarray(statistics, dtype=np.int64))

    def column(self, j: int) -> np.ndarray:
        """Answers of the stored rows to predicate j, shape (n_rows,), bool."""
        return self.answers([j])[0]

    def answers(self, which: Sequence[int]) -> np.ndarray:
        """Answers of the stored rows to these predicates, shape (n_asked, n_rows), bool."""
        words = self.columns[np.asarray(which, dtype=np.intp)].view(np.uint8)
        bits = np.unpackbits(words, axis=1, bitorder="little", count=self.n_rows)
        return bits.view(bool)

    def matrix(self) -> np.ndarray:
        """Answers of the stored rows to all predicates, shape (n_rows, n_columns), uint8."""
        bits = np.unpackbits(
            self.columns.view(np.uint8), axis=1, bitorder="little", count=self.n_rows
        )
        return np.ascontiguousarray(bits.T)

    @classmethod
    def _from_rows(
        cls,
        rows: np.ndarray,
        n_columns: int,
        predicates: Sequence[Predicate],
        intervals: np.ndarray | None,
    ) -> BinaryDataset:
        columns, n_rows, row_of = packing.merge(rows, n_columns)
        ones = np.bincount(row_of, minlength=n_rows).astype(np.int64)[None, :]
        return cls(predicates, columns, n_rows, row_of, ones, None, intervals)

    def _sums(
        self, cells: np.ndarray, n_classes: int, weights: np.ndarray | None = None
    ) -> np.ndarray:
        size = n_classes * self.n_rows  # float sums of integers below 2^53 are exact
        return np.bincount(cells, weights, minlength=size).reshape(n_classes, self.n_rows)
