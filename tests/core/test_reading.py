"""Frames, arrays and lists become typed columns."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from treeml._core.table import TableError
from treeml._core.validation import as_table

DAY_ONE = 18262.0  # 2020-01-01


def one(values, **options):
    """The only column of a pandas frame."""
    return as_table(pd.DataFrame({"a": values}), **options).columns[0]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2, 3], "number", [1.0, 2.0, 3.0]),
        ([0, 1, 0], "zero_one", [0.0, 1.0, 0.0]),
        ([0.0, None, 0.0], "zero_one", [0.0, None, 0.0]),
        ([None, float("nan")], "number", [None, None]),
        (pd.array([3, None], dtype="Int64"), "number", [3.0, None]),
        (pd.array([1.5, None], dtype="Float64"), "number", [1.5, None]),
        ([decimal.Decimal("1.5"), None], "number", [1.5, None]),
        ([True, False], "boolean", [True, False]),
        (pd.array([True, None], dtype="boolean"), "boolean", [True, None]),
        (pd.Series([True, None], dtype=object), "boolean", [True, None]),
        (["b", None], "category", ["b", None]),
        (pd.Series([1, "a", pd.NA, 2.5], dtype=object), "category", ["1", "a", None, "2.5"]),
        (pd.Series([1, pd.NA, 2.5], dtype=object), "number", [1.0, None, 2.5]),
        (pd.Series([[1], {2: 3}], dtype=object), "category", ["[1]", "{2: 3}"]),
        (pd.Categorical([7, None, 5]), "category", [7, None, 5]),
        (pd.to_datetime(["2020-01-01 12:00", None]), "date", [DAY_ONE + 0.5, None]),
        (pd.to_datetime(["2020-01-01"], utc=True), "date", [DAY_ONE]),
        (pd.Series([datetime.date(2020, 1, 1), None], dtype=object), "date", [DAY_ONE, None]),
        (pd.to_timedelta([36, None], unit="h"), "number", [1.5, None]),
    ],
)
def test_pandas_columns(values, kind, expected):
    column = one(values)
    assert column.type.kind == kind
    assert [None if v != v else v for v in column.values.tolist()] == expected
    assert column.type.missing == (None in expected)
    assert column.values.dtype == (object if kind in ("category", "boolean") else np.float64)


def test_ordered_levels():
    sizes = ["S", "M", "L"]
    ordered = pd.Categorical(["L", None, "S"], categories=sizes, ordered=True)
    assert one(ordered).type.levels == ("S", "M", "L")
    assert one(pd.Categorical(["L", "S"], categories=sizes)).type.levels == ()
    grades = pd.Categorical([3, 1, None], categories=[1, 2, 3], ordered=True)
    assert one(grades).type.levels == (1, 2, 3)
    assert all(type(v) is int for v in one(grades).type.levels)
    frame = pl.DataFrame({"a": pl.Series(["L", None], dtype=pl.Enum(sizes))})
    column = as_table(frame).columns[0]
    assert column.type.levels == ("S", "M", "L")
    assert column.values.tolist() == ["L", None]


def polars_frame():
    return pl.DataFrame(
        {
            "i": [1, None, 3],
            "b": [True, None, False],
            "s": ["a", None, "b"],
            "c": pl.Series(["a", None, "b"], dtype=pl.Categorical),
            "d": [datetime.date(2020, 1, 1), None, datetime.date(1960, 1, 1)],
            "n": [None, None, None],
            "m": [decimal.Decimal("1.5"), None, decimal.Decimal(2)],
        }
    )


@pytest.mark.parametrize("convert", [lambda f: f, lambda f: f.to_arrow()], ids=["polars", "arrow"])
def test_other_frames(convert):
    table = as_table(convert(polars_frame()))
    kinds = ["number", "boolean", "category", "category", "date", "number", "number"]
    assert [c.type.kind for c in table.columns] == kinds
    assert table.named
    assert table.n_rows == 3
    assert [c.type.name for c in table.columns] == list("ibscdnm")
    assert all(c.missing[1] for c in table.columns)
    assert table.columns[4].values[[0, 2]].tolist() == [DAY_ONE, -3653.0]


def test_arrays_have_no_names():
    table = as_table(np.array([[1, 0.5], [0, np.nan]]))
    assert not table.named
    assert [c.type.name for c in table.columns] == ["x0", "x1"]
    assert [c.type.kind for c in table.columns] == ["zero_one", "number"]
    assert not as_table(pd.DataFrame([[1, 2], [3, 4]])).named


def test_numbers_of_an_array_are_not_copied_twice():
    matrix = np.asfortranarray(np.arange(12.0).reshape(4, 3))
    table = as_table(matrix)
    assert all(np.shares_memory(c.values, matrix) for c in table.columns)
    bases = {id(c.values.base) for c in as_table(np.arange(12).reshape(4, 3)).columns}
    assert len(bases) == 1


def test_lists_keep_numbers_among_strings():
    table = as_table([[1, "a", None], [2.5, "b", True]])
    assert [c.type.kind for c in table.columns] == ["number", "category", "boolean"]
    assert as_table(np.array([["1", "a"]])).columns[0].values.tolist() == ["1"]


def test_categorical_features():
    matrix = np.array([[1, 2**60 + 1], [2, 2**60]])
    column = as_table(matrix, categorical_features=[-1]).columns[1]
    assert column.type.kind == "category"
    assert column.values.tolist() == [2**60 + 1, 2**60]  # float64 would merge them
    frame = pd.DataFrame({"a": [1.0, None], "b": [0.5, 1]})
    table = as_table(frame, categorical_features=["a", "b"])
    assert table.columns[0].values.tolist() == [1, None]
    assert table.columns[1].values.tolist() == [0.5, 1]
    masked = as_table(frame, categorical_features=[True, False])
    assert [c.type.kind for c in masked.columns] == ["category", "number"]
    dates = one(pd.to_datetime(["2020-01-01", None]), categorical_features=["a"])
    assert dates.values.tolist() == ["2020-01-01", None]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["b"], "no column is called 'b'"),
        ([3], "position 3 is outside 0 .. 0"),
        ([True, False], "2 entries for 1 columns"),
        ("all", "give 'from_dtype' or a list"),
        ([1.5], "all names, all positions or all booleans"),
    ],
)
def test_wrong_categorical_features(wanted, message):
    with pytest.raises(ValueError, match=message):
        one([1, 2], categorical_features=wanted)


def test_names_need_a_frame():
    with pytest.raises(TableError, match="X has no column names, give positions"):
        as_table(np.ones((2, 1)), categorical_features=["x0"])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"income": [1, 2, 3, np.inf]}), "column 'income', row 3: infinite value"),
        (pd.DataFrame({"a": pd.Series([1, -np.inf], dtype=object)}), "column 'a', row 1: inf"),
        (np.array([[1.0, np.inf]]), "Input X contains infinity: column 'x1', row 0"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column names occur twice: 'a'"),
        (pd.DataFrame({"a": []}), "X has no rows"),
        (pd.DataFrame(index=[0]), "X has no columns"),
        (pl.DataFrame({"a": [1]}).lazy(), "lazy frame"),
        (pd.DataFrame({"a": [1j]}), "Complex data not supported"),
    ],
)
def test_unusable_tables(X, message):
    with pytest.raises(TableError, match=message):
        as_table(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1, 2], "Expected 2D array, got 1D array"),
        (pd.Series([1, 2]), "Expected a 2-dimensional container"),
        (np.zeros((2, 2, 2)), "dim 3"),
        (np.zeros((0, 2)), "0 sample"),
        (np.array([[1j]]), "Complex data not supported"),
        (None, "Expected 2D array"),
    ],
)
def test_messages_of_scikit_learn(X, message):
    with pytest.raises(ValueError, match=message):
        as_table(X)
