"""Binned tables: every column as small ordered integers, what split finders read."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml._core.table import Column, ColumnType, Kind, Table
from treeml._ext import binning
from treeml.binarize.cuts import between
from treeml.binarize.findings import Finding, number_finding, plain_finding, text_finding
from treeml.binarize.levels import level_totals

__all__ = ["BinnedColumn", "BinnedTable"]

_MOST_CODES = 65_535  # of the values of a number; the missing code comes on top
_MOST_LEVELS = 65_534
_NONE = np.empty(0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BinnedColumn:
    """The codes of one usable column.

    Parameters
    ----------
    index : int
        Position in the table.
    kind : {"number", "level"}
    codes : ndarray of uint8 or uint16, shape (n_rows,)
        uint8 where ``n_codes`` is at most 256. Codes of numbers ascend with the values.
    n_codes : int
        The missing code included.
    has_missing : bool
        Whether code ``n_codes - 1`` stands for missing.
    lower, upper : ndarray of float64, shape (n_values,)
        Numbers: smallest and largest training value of each code; empty for levels.
    levels : tuple
        Levels: the level of each code, in their order; empty for numbers.
    ordered : bool
        Whether the codes have an order, as those of numbers and of ordered categories.
    whole : bool, default=False
        Numbers: whether all values are whole and below 2**52 in size, as `cuts.between` asks.
    """

    index: int
    kind: Literal["number", "level"]
    codes: np.ndarray
    n_codes: int
    has_missing: bool
    lower: np.ndarray
    upper: np.ndarray
    levels: tuple[Any, ...]
    ordered: bool
    whole: bool = False

    @property
    def n_values(self) -> int:
        """Number of codes without the missing one."""
        return self.n_codes - self.has_missing


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BinnedTable:
    """A table as codes, column by column.

    Parameters
    ----------
    types : tuple of ColumnType
        Of the whole table; ``missing`` and the kind ``zero_one`` speak of the rows at fit.
    columns : tuple of BinnedColumn
        The usable ones. Columns with one value and nothing missing, dates, columns without any
        value, categories that are identifiers, dates or free text, and those of more than 65,534
        levels give none.
    n_rows : int
    findings : tuple of Finding
        Columns that look unfit for learning, and why.
    """

    types: tuple[ColumnType, ...]
    columns: tuple[BinnedColumn, ...]
    n_rows: int
    findings: tuple[Finding, ...]

    @classmethod
    def fit(
        cls,
        table: Table,
        *,
        max_bins: int | None = None,
        sample_weight: np.ndarray | None = None,
        n_threads: int = 1,
    ) -> BinnedTable:
        """Choose the codes of every column, and code the rows.

        A number with at most ``max_bins`` distinct values has one code for each of them. Others
        are cut where `cuts.quantile_boundaries` would, from ranks that are wrong by at most an
        eighth of a bin. Categories keep all their levels.

        Parameters
        ----------
        table : Table
        max_bins : int or None, default=None
            Most codes of the values of a number, from 2 to 65,535, which None stands for. With
            256, quantile bins and columns with missing values have at most 255, so that a code is
            left for missing values, here or in `encode`, and a byte is enough.
        sample_weight : ndarray of float64, shape (n_rows,), default=None
            All positive. Quantile bins share the weight evenly.
        n_threads : int, default=1
            Columns are shared among threads; the result does not depend on their number.
        """
        most = _MOST_CODES if max_bins is None else max_bins
        if not 2 <= most <= _MOST_CODES:
            raise ValueError(f"max_bins must lie between 2 and 65,535, got {max_bins}")
        weights = sample_weight
        if weights is not None:
            weights = np.ascontiguousarray(weights, dtype=np.float64)
        numbers = [np.ascontiguousarray(c.values) for c in table.columns if c.type.numeric]
        found = iter(binning.bin_numbers(numbers, weights, most, n_threads))
        planned = [
            _number_column(index, column, weights, *next(found))
            if column.type.numeric
            else _level_column(index, column, weights)
            for index, column in enumerate(table.columns)
        ]
        return cls(
            types=tuple(type_ for type_, _, _ in planned),
            columns=tuple(binned for _, binned, _ in planned if binned is not None),
            n_rows=table.n_rows,
            findings=tuple(finding for _, _, finding in planned if finding is not None),
        )

    def encode(self, table: Table, n_threads: int = 1) -> tuple[np.ndarray, ...]:
        """Codes of other rows.

        Parameters
        ----------
        table : Table
            Read with ``like=binned.types``.
        n_threads : int, default=1

        Returns
        -------
        tuple of ndarray of uint8 or uint16, each of shape (n_rows,)
            One for each of ``columns``. A number between two codes gets that of its side of the
            readable number between them. Missing values and unseen levels have the missing code
            or, where there is none, the code ``n_codes``, for which an array is uint16 where
            ``n_codes`` is 256 and nothing was missing at fit.
        """
        out = [np.empty(table.n_rows, dtype=_dtype(c.n_values + 1)) for c in self.columns]
        numbers = []
        for column, codes in zip(self.columns, out, strict=True):
            values = table.columns[column.index].values
            if column.kind == "number":
                numbers.append((np.ascontiguousarray(values), column, codes))
            else:
                code = {level: i for i, level in enumerate(column.levels)}
                unseen = len(code)
                codes[:] = [code.get(cell, unseen) for cell in values.tolist()]
        binning.encode_numbers(
            [values for values, _, _ in numbers],
            [self._thresholds(column) for _, column, _ in numbers],
            [column.n_values for _, column, _ in numbers],
            [codes for _, _, codes in numbers],
            n_threads,
        )
        return tuple(out)

    def _thresholds(self, column: BinnedColumn) -> np.ndarray:
        """The number between each two codes of a numeric column."""
        if self.types[column.index].kind == "zero_one":
            return np.full(column.n_values - 1, 0.5)
        return between(column.upper[:-1], column.lower[1:], column.whole)


_Planned = tuple[ColumnType, BinnedColumn | None, Finding | None]


def _number_column(
    index: int,
    column: Column,
    weights: np.ndarray | None,
    codes: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    profile: dict[str, Any],
) -> _Planned:
    name, n_missing = column.type.name, profile["n_missing"]
    missing = n_missing > 0
    if n_missing == len(codes):
        return _type(column, missing), None, plain_finding(name, "all missing")
    kind = "zero_one" if profile["zero_one"] else column.type.kind
    type_ = _type(column, missing, kind)
    if len(lower) == 1 and not missing:
        return type_, None, plain_finding(name, "constant")
    finding = None
    if profile["numbered"] and not missing and kind != "zero_one":
        finding = number_finding(name, column.values, _n_rows(weights, len(codes)))
    n_codes = len(lower) + missing
    codes = codes.astype(_dtype(n_codes), copy=False)
    binned = BinnedColumn(
        index, "number", codes, n_codes, missing, lower, upper, (), True, profile["whole"]
    )
    return type_, binned, finding


def _level_column(index: int, column: Column, weights: np.ndarray | None) -> _Planned:
    name, absent = column.type.name, column.missing
    missing = bool(absent.any())
    type_ = _type(column, missing)
    if absent.all():
        return type_, None, plain_finding(name, "all missing")
    if column.type.kind == "date":
        return type_, None, plain_finding(name, "date")
    found, _, at = level_totals(column.values, None)
    if len(found) == 1 and not missing:
        return type_, None, plain_finding(name, "constant")
    levels = (False, True) if column.type.kind == "boolean" else column.type.levels
    if not levels:
        levels = tuple(found)
        known = None if weights is None else weights[~absent]
        n_known = _n_rows(known, len(absent) - int(absent.sum()))
        finding = text_finding(name, found, n_known) if len(found) > 1 else None
        if finding is not None:
            return type_, None, finding
    if len(levels) > _MOST_LEVELS:
        text = f"has more than {_MOST_LEVELS:,} levels; it gives no predicate, group them"
        return type_, None, dataclasses.replace(plain_finding(name, "identifier"), text=text)
    n_codes = len(levels) + missing
    place = {level: i for i, level in enumerate(levels)}
    codes = np.array([*(place[level] for level in found), len(levels)])[at].astype(_dtype(n_codes))
    ordered = bool(column.type.levels)
    binned = BinnedColumn(index, "level", codes, n_codes, missing, _NONE, _NONE, levels, ordered)
    return type_, binned, None


def _type(column: Column, missing: bool, kind: Kind | None = None) -> ColumnType:
    return dataclasses.replace(column.type, missing=missing, kind=kind or column.type.kind)


def _dtype(n_codes: int) -> type[np.unsignedinteger]:
    return np.uint8 if n_codes <= 256 else np.uint16


def _n_rows(weights: np.ndarray | None, n_rows: int) -> float:
    """Number of rows, counting whole weights as repeated rows."""
    if weights is None or not (weights % 1 == 0).all():
        return n_rows
    return float(weights.sum())
