"""Reading: every cell of a frame or an array becomes a float, a level or a missing value."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import fractions
from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from treeml._core.table import Column, ColumnType, Kind, Table, TableError

__all__ = [
    "BOOL",
    "DAY",
    "REAL",
    "absent_cells",
    "number_level",
    "quoted",
    "read_array",
    "read_frame",
]

DAY = 86_400_000_000  # microseconds
REAL = (int, float, np.integer, np.floating, decimal.Decimal, fractions.Fraction)
BOOL = (bool, np.bool_)
_DATE = (datetime.date, np.datetime64)
_ABSENT = ("NoneType", "NAType", "NaTType")


def read_frame(frame: nw.DataFrame[Any], categorical_features: Any) -> Table:
    """A frame, column by column; names that are not strings count as no names."""
    names = list(frame.columns)
    if not names:
        raise TableError("X has no columns: 0 feature(s) while a minimum of 1 is required.")
    if not len(frame):
        raise TableError("X has no rows: 0 sample(s) while a minimum of 1 is required.")
    named = all(isinstance(name, str) for name in names)
    shown = names if named else [f"x{j}" for j in range(len(names))]
    chosen = _chosen(categorical_features, shown, named)
    series = (frame[:, j] for j in range(len(names)))
    columns = tuple(
        _read_series(n, s, as_level) for n, s, as_level in zip(shown, series, chosen, strict=True)
    )
    return Table(columns, len(frame), named)


def _read_series(name: str, series: nw.Series[Any], as_level: bool) -> Column:
    dtype = series.dtype
    if isinstance(dtype, (nw.Date, nw.Datetime)) and not as_level:
        return _dates(name, series.to_numpy())
    if isinstance(dtype, nw.Duration):
        return _read_vector(name, series.to_numpy(), as_level)
    if dtype.is_numeric() and not as_level:
        return _numbers(name, series.cast(nw.Float64).to_numpy())
    plain = (nw.Boolean, nw.String, nw.Categorical, nw.Enum)
    if not isinstance(dtype, plain) and not dtype.is_numeric():
        return _read_vector(name, series.to_numpy(), as_level)
    cells = np.fromiter(series.to_list(), dtype=object, count=len(series))
    if isinstance(dtype, nw.Boolean) or dtype.is_numeric():
        return _objects(name, cells, as_level)
    ordered = tuple(dtype.categories) if isinstance(dtype, nw.Enum) else ()
    cells[series.is_null().to_numpy()] = None
    return _levels(name, cells, ordered)


def read_array(X: Any, categorical_features: Any) -> Table:
    """An array or nested lists, through scikit-learn's own check of their form."""
    matrix = X
    if not (type(X) is np.ndarray and X.ndim == 2 and X.size and X.dtype.kind in "iuf"):
        matrix = check_array(
            X,
            dtype=None,  # pyright: ignore[reportArgumentType]
            ensure_all_finite=False,
            input_name="X",
        )
    if matrix.dtype.kind in "US" and isinstance(X, (list, tuple)):
        matrix = np.array(X, dtype=object)  # numbers among strings stay numbers
    n_rows, n_columns = matrix.shape
    names = [f"x{j}" for j in range(n_columns)]
    chosen = _chosen(categorical_features, names, False)
    if matrix.dtype.kind in "iuf":
        exact = matrix
        matrix = np.asarray(matrix, dtype=np.float64, order="F")
        with np.errstate(over="ignore", invalid="ignore"):
            infinite = not np.isfinite(matrix.sum()) and np.isinf(matrix).any()
        if infinite:
            row, column = (int(at[0]) for at in np.nonzero(np.isinf(matrix)))
            raise _infinity(names[column], row)
        columns = tuple(
            _read_vector(n, exact[:, j], True) if chosen[j] else _finite(n, matrix[:, j])
            for j, n in enumerate(names)
        )
    else:
        columns = tuple(_read_vector(n, matrix[:, j], chosen[j]) for j, n in enumerate(names))
    return Table(columns, n_rows, named=False)


def _read_vector(name: str, values: np.ndarray, as_level: bool) -> Column:
    """One column of an array, by its dtype."""
    kind = values.dtype.kind
    if kind == "c":
        raise TableError(f"Complex data not supported: column {name!r}")
    if kind == "M" and not as_level:
        return _dates(name, values)
    if kind in "iuf" and not as_level:
        return _numbers(name, values.astype(np.float64))
    if kind == "m":
        spans = values.astype("timedelta64[us]")
        days = np.where(np.isnat(spans), np.nan, spans.astype(np.int64) / DAY)
        return _finite(name, days, unit="days")
    if kind == "M":
        days, never = values.astype("datetime64[D]"), np.isnat(values)
        cells = (days if (never | (days == values)).all() else values).astype(str).astype(object)
        cells[never] = None
        return _objects(name, cells, as_level)
    if kind in "SV":
        values = values.astype(str)
    return _objects(name, values.astype(object), as_level)


def _objects(name: str, cells: np.ndarray, as_level: bool) -> Column:
    """Cells of any Python type: numbers, booleans or dates where all are, else categories."""
    absent = absent_cells(cells)
    cells = cells.copy()
    cells[absent] = None
    types = {type(v) for v in cells[~absent].tolist()}
    if any(issubclass(t, (complex, np.complexfloating)) for t in types):
        raise TableError(f"Complex data not supported: column {name!r}")
    if types and all(issubclass(t, BOOL) for t in types):
        out = np.fromiter((None if v is None else bool(v) for v in cells), object, len(cells))
        return _column(name, "boolean", out)
    real = all(issubclass(t, REAL) and not issubclass(t, BOOL) for t in types)
    if real and not as_level:
        return _numbers(name, np.where(absent, np.nan, cells).astype(np.float64))
    if types and all(issubclass(t, _DATE) for t in types) and not as_level:
        return _dates(name, np.array([_utc(v) for v in cells], dtype="datetime64[us]"))
    return _levels(name, cells)


def _levels(name: str, cells: np.ndarray, ordered: tuple[Any, ...] = ()) -> Column:
    """A category: levels are all numbers (whole ones as int) or all strings."""
    types = {type(v) for v in (*ordered, *cells.tolist())} - {type(None)}
    if types and all(issubclass(t, BOOL) for t in types):
        return _column(name, "boolean", cells)
    if types == {str}:
        return _column(name, "category", cells, levels=ordered)
    real = all(issubclass(t, REAL) and not issubclass(t, BOOL) for t in types)
    level = number_level if real else str
    out = np.fromiter((None if v is None else level(v) for v in cells), object, len(cells))
    column = _column(name, "category", out, levels=tuple(level(v) for v in ordered))
    return Column(dataclasses.replace(column.type, coded=real), out)


def _dates(name: str, values: np.ndarray) -> Column:
    stamps = values.astype("datetime64[us]")
    days = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / DAY)
    return _column(name, "date", days)


def _numbers(name: str, values: np.ndarray) -> Column:
    infinite = np.isinf(values)
    if infinite.any():
        raise _infinity(name, int(infinite.argmax()))
    return _finite(name, values)


def _finite(name: str, values: np.ndarray, unit: str = "") -> Column:
    kind: Kind = "zero_one" if _is_zero_one(values[:64]) and _is_zero_one(values) else "number"
    if kind == "zero_one" and np.isnan(values).all():
        kind = "number"
    return _column(name, kind, values, unit=unit)


def _is_zero_one(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == 1) | np.isnan(values)).all())


def _column(
    name: str, kind: Kind, values: np.ndarray, *, levels: tuple[Any, ...] = (), unit: str = ""
) -> Column:
    column = Column(ColumnType(name, kind, levels, unit), values)
    if not column.missing.any():
        return column
    return Column(ColumnType(name, kind, levels, unit, missing=True), values)


# Cells


def absent_cells(cells: np.ndarray) -> np.ndarray:
    """Where an object array has None, NaN, NaT or pandas' NA."""
    types = {type(v): None for v in cells.tolist()}
    nothing = {t for t in types if t.__name__ in _ABSENT}
    maybe = {t for t in types if issubclass(t, (float, np.inexact, decimal.Decimal, np.datetime64))}
    if not nothing and not maybe:
        return np.zeros(len(cells), dtype=bool)
    found = (type(v) in nothing or (type(v) in maybe and bool(v != v)) for v in cells)
    return np.fromiter(found, bool, len(cells))


def number_level(value: Any) -> int | float:
    """A number as the level of a category: whole ones as int."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int):
        return value
    value = float(value)
    return int(value) if value.is_integer() else value


def _utc(value: Any) -> Any:
    """A date without its time zone, in UTC."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


# Requests and words


def _chosen(categorical_features: Any, names: Sequence[str], named: bool) -> list[bool]:
    """Which columns are categories by request, as a list of bool."""
    if categorical_features is None or isinstance(categorical_features, str):
        if categorical_features not in (None, "from_dtype"):
            raise ValueError(
                f"categorical_features is {categorical_features!r}; give 'from_dtype' or a list "
                "of column names or positions"
            )
        return [False] * len(names)
    wanted = np.asarray(categorical_features).tolist()
    if not isinstance(wanted, list):
        raise ValueError("categorical_features must be a list of names, positions or booleans")
    if wanted and all(isinstance(w, bool) for w in wanted):
        if len(wanted) != len(names):
            raise ValueError(
                f"categorical_features as a mask has {len(wanted)} entries for {len(names)} columns"
            )
        return wanted
    known = {n: j for j, n in enumerate(names)} if named else {}
    if all(isinstance(w, str) for w in wanted):
        unknown = [w for w in wanted if w not in known]
        if unknown:
            why = "" if named else "; X has no column names, give positions"
            raise TableError(f"categorical_features: no column is called {quoted(unknown)}{why}")
        at = {known[w] for w in wanted}
    elif all(isinstance(w, int) for w in wanted):
        outside = [w for w in wanted if not -len(names) <= w < len(names)]
        if outside:
            raise TableError(
                f"categorical_features: position {outside[0]} is outside 0 .. {len(names) - 1}"
            )
        at = {w % len(names) for w in wanted}
    else:
        raise ValueError("categorical_features must be all names, all positions or all booleans")
    return [j in at for j in range(len(names))]


def _infinity(name: str, row: int) -> TableError:
    return TableError(
        f"Input X contains infinity: column {name!r}, row {row}: infinite value; replace it by a "
        "missing value or a large number"
    )


def quoted(names: Iterable[str]) -> str:
    """Names as they stand in a message."""
    return ", ".join(repr(n) for n in names)
