"""The one door for X, y and weights: what comes through is typed and needs no further check."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from treeml._core.reading import (
    BOOL,
    DAY,
    REAL,
    absent_cells,
    number_level,
    quoted,
    read_array,
    read_frame,
)
from treeml._core.table import Column, ColumnType, Kind, Table, TableError

__all__ = [
    "as_table",
    "check_monotonic",
    "check_numbers",
    "check_squares",
    "check_target",
    "check_weights",
    "conform",
    "estimator_table",
]

_MOST_SQUARED = 1e150  # the squares of as many numbers as fit into memory add up to a float


def as_table(
    X: Any,
    *,
    like: tuple[ColumnType, ...] | None = None,
    categorical_features: Any = "from_dtype",
) -> Table:
    """Typed columns of any table.

    Parameters
    ----------
    X : DataFrame, pyarrow.Table, ndarray or list of lists, shape (n_rows, n_columns)
        Frames are those of pandas, polars and whatever else narwhals reads eagerly.
    like : tuple of ColumnType, default=None
        The columns at fit; ``X`` must have the same ones, and the result has their types.
    categorical_features : "from_dtype", or sequence of str, int or bool, default="from_dtype"
        Names, positions or a mask of columns to take as categories even where they hold numbers.

    Returns
    -------
    Table
        Numbers and dates as float64 with NaN, categories and booleans as objects with None.

    Raises
    ------
    TableError
        Naming the column, row and value that cannot be used, and what to do.
    """
    try:
        frame = X if isinstance(X, np.ndarray) else nw.from_native(X, pass_through=True)
        if isinstance(frame, nw.LazyFrame):
            raise TableError("X is a lazy frame; call its collect() (or fetch its rows) first")
        if isinstance(frame, nw.DataFrame):
            table = read_frame(frame, categorical_features)
        else:
            table = read_array(X, categorical_features)
    except DuplicateError as error:
        names = [str(n) for n in getattr(X, "column_names", getattr(X, "columns", ()))]
        twice = sorted({n for n in names if names.count(n) > 1})
        raise TableError(f"column names occur twice: {quoted(twice)}; rename them") from error
    return table if like is None else conform(table, like)


def estimator_table(
    estimator: Any,
    X: Any,
    *,
    like: tuple[ColumnType, ...] | None = None,
    categorical_features: Any = "from_dtype",
) -> Table:
    """`as_table` for an estimator: also keeps ``n_features_in_`` and ``feature_names_in_``.

    At fit (``like=None``) these attributes are set; later they are compared, and a mismatch is
    reported in scikit-learn's words.
    """
    table = as_table(X, categorical_features=categorical_features)
    if like is None and isinstance(X, np.ndarray):  # no names to look for
        estimator.n_features_in_ = len(table.columns)
        vars(estimator).pop("feature_names_in_", None)
    else:
        validate_data(estimator, X, reset=like is None, skip_check_array=True)
    return table if like is None else conform(table, like)


def conform(table: Table, like: tuple[ColumnType, ...]) -> Table:
    """The table with the columns of ``like``: same names, order and types.

    Raises
    ------
    TableError
        Where columns are missing or extra, or hold another kind of value.
    """
    columns = table.columns
    wanted, have = [c.name for c in like], [c.type.name for c in columns]
    made_up = wanted == [f"x{j}" for j in range(len(like))]
    if table.named and wanted != have and (set(wanted) == set(have) or not made_up):
        missing = [n for n in wanted if n not in set(have)]
        extra = [n for n in have if n not in set(wanted)]
        if missing or extra:
            parts = [f"missing: {quoted(missing)}"] if missing else []
            parts += [f"not there at fit: {quoted(extra)}"] if extra else []
            raise TableError(f"the columns differ from those at fit ({'; '.join(parts)})")
        at = {n: j for j, n in enumerate(have)}
        columns = tuple(columns[at[n]] for n in wanted)
    if len(columns) != len(like):
        raise TableError(
            f"X has {len(columns)} features, but the model was fitted with {len(like)}"
        )
    same = (_conform_column(c, t) for c, t in zip(columns, like, strict=True))
    return Table(tuple(same), table.n_rows, table.named)


def check_target(y: Any, n_rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Classes of a classification target and the class of every row.

    Parameters
    ----------
    y : array-like, shape (n_rows,)
        Class labels: strings, whole numbers or booleans.
    n_rows : int, default=None
        Number of rows of X, where that is to be compared.

    Returns
    -------
    classes : ndarray, shape (n_classes,)
        Sorted labels, with the dtype of ``y``.
    codes : ndarray of int32, shape (n_rows,)
        Position of every label in ``classes``.

    Raises
    ------
    ValueError
        Where y is None, has missing values, is continuous, or is not as long as X.
    """
    if y is None:
        raise ValueError("This model requires y to be passed, but the target y is None")
    plain = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biufU"
    values = y if plain else column_or_1d(_plain_series(y), warn=True)
    if values.dtype.kind == "U" and isinstance(y, (list, tuple)):
        cells = np.array(y, dtype=object).reshape(-1)  # NumPy writes None as text
        values = values if all(type(v) is str for v in cells.tolist()) else cells
    if values.dtype.kind not in "biufUO":
        raise ValueError(f"Unknown label type: {values.dtype}; turn the labels into strings")
    if n_rows is not None and len(values) != n_rows:
        check_consistent_length(range(n_rows), values)
    absent = absent_cells(values) if values.dtype == object else values != values
    if absent.any():
        raise ValueError(
            f"Input y contains NaN. The target is missing in {_rows(np.flatnonzero(absent))}; "
            "leave these rows out"
        )
    if values.dtype.kind == "f" and np.isinf(values).any():
        rows = _rows(np.flatnonzero(np.isinf(values)))
        raise ValueError(
            f"Input y contains infinity or a value too large for dtype('float64'). See {rows}"
        )
    values = _plain_labels(values)
    if values.dtype.kind in "iu" and values.size:
        small = _count_labels(values)
        if small is not None:
            return small
    if values.dtype == object:
        classes = np.array(sorted(set(values.tolist())), dtype=object)
        code = {label: k for k, label in enumerate(classes)}
        return classes, np.fromiter((code[v] for v in values), np.int32, len(values))
    try:
        check_classification_targets(values)
    except ValueError as error:
        raise ValueError(
            f"{error} Cut the target into classes first, for example with pandas.cut"
        ) from error
    classes, codes = np.unique(values, return_inverse=True)
    return classes, codes.astype(np.int32)


def check_numbers(y: Any, n_rows: int) -> np.ndarray:
    """The target of a regression as float64, shape (n_rows,).

    Raises
    ------
    ValueError
        Where y is None, is not as long as X, or holds what is no finite number, naming the row.
    """
    if y is None:
        raise ValueError("This model requires y to be passed, but the target y is None")
    values = column_or_1d(_plain_series(y), warn=True)
    if values.dtype.kind in "c":
        raise ValueError("Complex data not supported: the target y")
    if values.dtype == object:
        values = np.where(absent_cells(values), np.nan, values)
    check_consistent_length(range(n_rows), values)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        row = next(row for row, value in enumerate(values.tolist()) if not _is_number(value))
        raise ValueError(f"the target y, row {row}: {values[row]!r} is no number") from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        what = "NaN" if np.isnan(numbers[bad]).any() else "infinity"
        raise ValueError(f"Input y contains {what}. See {_rows(bad)}; leave these rows out")
    return numbers


def check_squares(numbers: np.ndarray) -> np.ndarray:
    """Numbers whose squares can be added up.

    Raises
    ------
    ValueError
        Naming the row of the greatest where they cannot.
    """
    row = int(np.abs(numbers).argmax())
    if abs(float(numbers[row])) > _MOST_SQUARED:
        raise ValueError(
            f"the target y, row {row}: {numbers[row]} is too large for squared errors; divide the "
            "target by a number"
        )
    return numbers


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def check_monotonic(cst: Any, columns: tuple[ColumnType, ...]) -> np.ndarray | None:
    """1, -1 or 0 for every column: whether the prediction may only rise or fall with it.

    Parameters
    ----------
    cst : mapping of str to {-1, 0, 1}, array-like of shape (n_columns,), or None
        A mapping names columns; those that it leaves out have no constraint.
    columns : tuple of ColumnType

    Raises
    ------
    ValueError
        Where it names no column, holds other values, or constrains a column without order.
    """
    if cst is None:
        return None
    names = [column.name for column in columns]
    if isinstance(cst, Mapping):
        unknown = [name for name in cst if name not in names]
        if unknown:
            raise ValueError(f"monotonic_cst: no column is called {unknown[0]!r}")
        cst = [cst.get(name, 0) for name in names]
    signs = np.asarray(cst)
    if signs.shape != (len(columns),):
        raise ValueError(
            f"monotonic_cst has shape {signs.shape}, but X has {len(columns)} columns; give one "
            "of -1, 0, 1 for each, or a dict by name"
        )
    if not np.isin(signs, (-1, 0, 1)).all():
        wrong = names[int(np.flatnonzero(~np.isin(signs, (-1, 0, 1)))[0])]
        raise ValueError(f"monotonic_cst of column {wrong!r} must be -1, 0 or 1")
    for column, sign in zip(columns, signs.tolist(), strict=True):
        if sign and column.kind == "category" and not column.levels:
            raise ValueError(
                f"monotonic_cst: the levels of {column.name!r} have no order; make it an ordered "
                "category"
            )
    return signs.astype(np.int64) if signs.any() else None


def _count_labels(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Classes and codes of whole numbers in a narrow range, without sorting."""
    least, most = int(values.min()), int(values.max())
    if not -(2**30) < least <= most < 2**30 or most - least > 1000:
        return None
    if (least, most) == (0, 1):
        return np.array([0, 1], dtype=values.dtype), values.astype(np.int32)
    offsets = values.astype(np.int32) - least
    present = np.bincount(offsets) > 0
    place = np.cumsum(present, dtype=np.int32) - 1
    return (np.flatnonzero(present) + least).astype(values.dtype), place[offsets]


def check_weights(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """Row weights as float64, shape (n_rows,); None stays None, a number goes to every row.

    Raises
    ------
    ValueError
        Where a weight is negative, infinite or missing (naming the row), or all are zero.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, numbers.Number):
        sample_weight = np.full(n_rows, sample_weight)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got an array of shape {weights.shape}"
        )
    if len(weights) != n_rows:
        raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!")
    bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if bad.size:
        raise ValueError(
            f"sample_weight, row {bad[0]}: {weights[bad[0]]} is not a weight; "
            "weights are finite numbers, 0 or above"
        )
    if not weights.any():
        raise ValueError("all sample weights are zero: Sample weights must contain a positive one")
    return weights


def _plain_series(y: Any) -> Any:
    """Whole numbers and booleans of a frame library as a NumPy array; the rest as it is."""
    if isinstance(y, np.ndarray):
        return y
    series = nw.from_native(y, series_only=True, pass_through=True)
    if not isinstance(series, nw.Series) or series.is_null().any():
        return y
    if series.dtype == nw.Boolean:
        return series.to_numpy().astype(bool)
    return series.to_numpy() if series.dtype.is_integer() else y


def _plain_labels(values: np.ndarray) -> np.ndarray:
    """Labels of one type; an object array of numbers or booleans becomes an array of them."""
    if values.dtype != object:
        return values
    types = {type(v) for v in values.tolist()}
    if all(issubclass(t, str) for t in types):
        return values
    if all(issubclass(t, BOOL) for t in types):
        return values.astype(bool)
    if all(issubclass(t, (int, np.integer)) for t in types) or all(
        issubclass(t, REAL) and not issubclass(t, BOOL) for t in types
    ):
        return np.array(values.tolist())
    kinds = quoted(sorted(t.__name__ for t in types))
    raise ValueError(f"Unknown label type: y mixes {kinds}; turn the labels into strings")


# Comparing with the columns at fit


def _conform_column(column: Column, like: ColumnType) -> Column:
    """The column with the type it had at fit."""
    kind, values = column.type.kind, column.values
    if kind == like.kind or (column.type.numeric and like.numeric):
        return Column(like, values)
    absent = column.missing
    objects = like.kind in ("category", "boolean")
    if absent.all():
        empty = np.full(len(values), None if objects else np.nan, object if objects else float)
        return Column(like, empty)
    if like.numeric and kind == "boolean":
        return Column(like, np.where(absent, np.nan, values).astype(np.float64))
    if like.kind == "boolean" and kind == "zero_one":
        cells = (None if v != v else v == 1 for v in values.tolist())
        return Column(like, np.fromiter(cells, object, len(values)))
    if like.coded and column.type.numeric:
        cells = (None if v != v else number_level(v) for v in values.tolist())
        return Column(like, np.fromiter(cells, object, len(values)))
    row = _offending(values, absent, like)
    was = {"number": "numbers", "zero_one": "numbers", "date": "dates", "boolean": "booleans"}
    now = {**was, "category": "text"}[kind]
    raise TableError(
        f"column {like.name!r}, row {row}: {_cell(values[row], kind)}: the column held "
        f"{was.get(like.kind, 'categories')} at fit and holds {now} now; convert it as at fit"
    )


def _offending(values: np.ndarray, absent: np.ndarray, like: ColumnType) -> int:
    """Row of the first value that does not fit."""
    known = np.flatnonzero(~absent)
    for row in known.tolist() if like.numeric and values.dtype == object else ():
        try:
            float(values[row])
        except ValueError:
            return row
    if like.kind == "boolean" and values.dtype != object:
        known = np.flatnonzero(~absent & (values != 0) & (values != 1))
    return int(known[0])


def _cell(value: Any, kind: Kind) -> str:
    if kind == "date":
        return str(np.datetime64(round(value * DAY), "us"))
    return repr(value) if isinstance(value, (str, bool)) else f"{value:g}"


def _rows(rows: np.ndarray) -> str:
    few = ", ".join(str(r) for r in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {few}{more}"
