"""A table as trees with linear leaves read it: numbers to multiply, columns to ask about."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.binarize.bins import BinnedTable
from treeml.binarize.cuts import between
from treeml.binarize.findings import Finding
from treeml.ir import Predicate, Term

__all__ = ["LeafColumns", "SplitColumn"]

MOST_SINGLE_LEVELS = 10  # with more levels a category gets no question for each of them
_SMALLEST_SPREAD = 1e-10  # standard deviations below this share of the size are rounding


@dataclasses.dataclass(frozen=True, slots=True)
class SplitColumn:
    """What a question ``value <= threshold`` is about.

    Parameters
    ----------
    index : int
        Column of the table.
    kind : {"number", "flag", "ordered", "levels", "level"}
        A number; 0 where a 0/1 column or a boolean is 1 or true and 1 elsewhere; the position of
        an ordered category's level; that of a level in the order of the target (`LeafColumns`);
        0 for one level and 1 for the others.
    levels : tuple
        By code; for "level" the one.
    whole : bool, default=False
        Numbers: whether all are whole.
    """

    index: int
    kind: Literal["number", "flag", "ordered", "levels", "level"]
    levels: tuple[Any, ...] = ()
    whole: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LeafColumns:
    """Columns of a table for trees with linear leaves.

    Numbers and 0/1 columns without missing values enter the maps of the leaves, and all columns
    the questions. Dates, and what `BinnedTable` leaves out, enter neither.

    Parameters
    ----------
    types : tuple of ColumnType
        Of the whole table; ``missing`` speaks of the rows at fit.
    findings : tuple of Finding
    linear : ndarray of int, shape (n_inputs,)
        Columns of the table that the maps multiply: those that vary and are nowhere missing.
    mean, scale : ndarray of float64, shape (n_inputs,)
        Weighted mean and standard deviation of their values.
    design : ndarray of float64, shape (n_rows, n_inputs)
        ``(value - mean) / scale``.
    splits : tuple of SplitColumn
    values : ndarray of float64, shape (n_splits, n_rows)
        What questions compare, infinite where missing; for "levels" the code.
    """

    types: tuple[ColumnType, ...]
    findings: tuple[Finding, ...]
    linear: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    design: np.ndarray
    splits: tuple[SplitColumn, ...]
    values: np.ndarray

    @classmethod
    def fit(cls, table: Table, sample_weight: np.ndarray | None = None) -> LeafColumns:
        """Choose and read the columns.

        Parameters
        ----------
        table : Table
        sample_weight : ndarray of float64, shape (n_rows,), default=None
            All positive.
        """
        binned = BinnedTable.fit(table, max_bins=255, sample_weight=sample_weight)
        weight = np.ones(table.n_rows) if sample_weight is None else sample_weight
        linear, means, scales, design = [], [], [], []
        splits: list[SplitColumn] = []
        values: list[np.ndarray] = []
        for column in binned.columns:
            cells = table.columns[column.index].values
            kind = binned.types[column.index].kind
            if column.kind == "number":
                spread = None if column.has_missing else _spread(cells, weight)
                if spread is not None:
                    linear.append(column.index)
                    means.append(spread[0])
                    scales.append(spread[1])
                    design.append((cells - spread[0]) / spread[1])
                flag = kind == "zero_one"
                splits.append(
                    SplitColumn(column.index, "flag" if flag else "number", (), column.whole)
                )
                asked = 1 - cells if flag else cells
                values.append(np.where(np.isnan(cells), np.inf, asked))
                continue
            codes = column.codes.astype(np.float64)
            codes[column.codes >= len(column.levels)] = np.inf
            for split, asked in _level_splits(column.index, kind, column, codes):
                splits.append(split)
                values.append(asked)
        n = table.n_rows
        return cls(
            types=binned.types,
            findings=binned.findings,
            linear=np.array(linear, dtype=np.intp),
            mean=np.array(means),
            scale=np.array(scales),
            design=np.ascontiguousarray(np.column_stack(design)) if design else np.empty((n, 0)),
            splits=tuple(splits),
            values=np.vstack(values) if values else np.empty((0, n)),
        )

    def level_orders(
        self, rows: np.ndarray, residual: np.ndarray, weight: np.ndarray, l2: float
    ) -> dict[int, np.ndarray]:
        """For every split column of kind "levels" the place of each level in the order of a target.

        Levels are ordered by the mean of the target, shrunk as a leaf's constant is; of several
        targets the direction in which these means differ most counts. For constant leaves and
        squared error the best binary split of the levels is one of this order (W. Fisher, "On
        grouping for maximum homogeneity", 1958); for linear leaves it is a heuristic.

        Parameters
        ----------
        rows : ndarray of int
            The rows that count.
        residual : ndarray of float64, shape (n_rows_that_count, n_targets)
        weight : ndarray of float64, shape (n_rows_that_count,)
        l2 : float
        """
        orders: dict[int, np.ndarray] = {}
        for j, split in enumerate(self.splits):
            if split.kind != "levels":
                continue
            codes = self.values[j, rows]
            known = np.isfinite(codes)
            at, n = codes[known].astype(np.intp), len(split.levels)
            heavy = np.bincount(at, weight[known], minlength=n) + max(l2, 1e-9)
            sums = [
                np.bincount(at, weight[known] * column[known], minlength=n) for column in residual.T
            ]
            means = np.column_stack(sums) / heavy[:, None]
            score = means[:, 0]
            if means.shape[1] > 1:
                score = means @ np.linalg.svd(means, full_matrices=False)[2][0]
            place = np.empty(n)
            place[np.lexsort((np.arange(n), score))] = np.arange(n)
            orders[j] = place
        return orders

    def ordered_values(self, orders: dict[int, np.ndarray], rows: np.ndarray) -> np.ndarray:
        """``values`` of some rows, levels by their place in an order."""
        out = self.values[:, rows]
        for j, place in orders.items():
            known = np.isfinite(out[j])
            out[j, known] = place[out[j, known].astype(np.intp)]
        return out

    def question(
        self, split: int, threshold: float, orders: dict[int, np.ndarray], values: np.ndarray
    ) -> tuple[Predicate, bool]:
        """The predicate of a node, and whether yes means "at most the threshold".

        Parameters
        ----------
        split : int
        threshold : float
        orders : dict
            As `level_orders` gave them.
        values : ndarray of float64
            Ordered values of the node's rows in that column; some on either side.
        """
        column = self.splits[split]
        term = Term(column.index, self.types[column.index])
        low, high = values[values <= threshold].max(), values[values > threshold].min()
        if np.isinf(high):
            return Predicate(term, "is missing"), False
        if column.kind == "number":
            cut = between(np.array([low]), np.array([high]), column.whole)
            return Predicate(term, "<=", float(cut[0])), True
        if column.kind == "flag":
            if term.column.kind == "zero_one":
                return Predicate(term, ">", 0.5), True
            return Predicate(term, "in", (True,)), True
        if column.kind == "level":
            return Predicate(term, "in", column.levels), True
        place = orders[split] if column.kind == "levels" else np.arange(len(column.levels))
        chosen = np.flatnonzero(place <= threshold).tolist()
        return Predicate(term, "in", tuple(column.levels[k] for k in chosen)), True


def _spread(cells: np.ndarray, weight: np.ndarray) -> tuple[float, float] | None:
    """Weighted mean and standard deviation; None where the values do not vary."""
    total = weight.sum()
    size = float(np.abs(cells).max()) or 1.0
    parts = cells / size  # squares of large numbers would overflow
    mean = float(weight @ parts / total)
    scale = float(np.sqrt(weight @ (parts - mean) ** 2 / total))
    return (mean * size, scale * size) if scale > _SMALLEST_SPREAD else None


def _level_splits(
    index: int, kind: str, column: Any, codes: np.ndarray
) -> Sequence[tuple[SplitColumn, np.ndarray]]:
    """Split columns of a category or a boolean, with what they compare."""
    levels = column.levels
    if kind == "boolean":
        return [(SplitColumn(index, "flag", levels), np.where(np.isinf(codes), codes, 1 - codes))]
    if column.ordered:
        return [(SplitColumn(index, "ordered", levels), codes)]
    out = [(SplitColumn(index, "levels", levels), codes)]
    if 2 < len(levels) <= MOST_SINGLE_LEVELS:
        out += [
            (SplitColumn(index, "level", (level,)), (codes != k).astype(np.float64))
            for k, level in enumerate(levels)
        ]
    return out
