"""Tables as typed columns: the one form in which every stage reads raw data.

A frame (pandas, polars, anything narwhals reads), a NumPy array or a list of rows becomes a
`Table` of `Column` objects; everything after that is typed arrays and needs no further check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

Kind = Literal["number", "zero_one", "category", "boolean", "date"]

__all__ = ["Column", "ColumnType", "Kind", "Table", "TableError"]


class TableError(ValueError):
    """A table that cannot be used; the message names the column or row and the remedy."""


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds: its name, kind, unit and, where they have an order, its levels.

    Parameters
    ----------
    name : str
        Name in the table; ``x0``, ``x1``, ... where the table has none.
    kind : {"number", "zero_one", "category", "boolean", "date"}
        ``zero_one`` is a number column whose values are 0 and 1 only.
    levels : tuple, default=()
        The levels of an ordered category, lowest first; empty otherwise.
    unit : str, default=""
        Shown behind numbers in rules.
    missing : bool, default=False
        Whether the column had missing values when the model was fitted.
    coded : bool, default=False
        Whether a category's levels are numbers.
    """

    name: str
    kind: Kind
    levels: tuple[Any, ...] = ()
    unit: str = ""
    missing: bool = False
    coded: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind in ("number", "zero_one")

    def to_dict(self) -> dict[str, Any]:
        """JSON form; defaults are left out."""
        out: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.levels:
            out["levels"] = list(self.levels)
        if self.unit:
            out["unit"] = self.unit
        if self.missing:
            out["missing"] = True
        if self.coded:
            out["coded"] = True
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ColumnType:
        """Inverse of `to_dict`."""
        return cls(
            name=data["name"],
            kind=data["kind"],
            levels=tuple(data.get("levels", ())),
            unit=data.get("unit", ""),
            missing=data.get("missing", False),
            coded=data.get("coded", False),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    ``values`` is float64 with NaN where missing (number, zero_one, date: days since 1970), or an
    object array of str / int / bool with None where missing (category, boolean).
    """

    type: ColumnType
    values: np.ndarray

    @property
    def missing(self) -> np.ndarray:
        """Boolean array: where the value is missing."""
        if self.values.dtype == object:
            return np.equal(self.values, None).astype(bool)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return np.isnan(self.values)


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Typed columns of equal length. ``named`` is False where the names were made up here."""

    columns: tuple[Column, ...]
    n_rows: int
    named: bool = True

    @property
    def types(self) -> tuple[ColumnType, ...]:
        return tuple(column.type for column in self.columns)

    def take(self, rows: np.ndarray | Sequence[int] | slice) -> Table:
        """The table of the given rows (indices, mask or slice)."""
        columns = tuple(Column(c.type, c.values[rows]) for c in self.columns)
        n_rows = len(columns[0].values) if columns else int(np.arange(self.n_rows)[rows].size)
        return Table(columns, n_rows, self.named)
