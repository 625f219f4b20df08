"""Tables at predict time, targets and weights."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import DataConversionWarning

from treeml._core.table import ColumnType, TableError
from treeml._core.validation import (
    as_table,
    check_monotonic,
    check_numbers,
    check_target,
    check_weights,
)


@pytest.fixture
def fitted():
    frame = pd.DataFrame(
        {
            "age": [30, 41, None],
            "member": [0, 1, 1],
            "job": ["a", "b", "a"],
            "vip": [True, False, True],
            "size": pd.Categorical(["S", "L", "S"], categories=["S", "M", "L"], ordered=True),
            "since": pd.to_datetime(["2020-01-01", "2020-01-02", None]),
        }
    )
    return frame, as_table(frame).types


def changed(frame, **columns):
    return frame.assign(**columns)


def test_types_are_those_at_fit(fitted):
    frame, types = fitted
    table = as_table(frame.iloc[:1], like=types)
    assert table.types == types
    later = as_table(changed(frame, member=[2.0, 1, 1]).iloc[:1], like=types)
    assert later.types == types
    assert later.columns[1].values.tolist() == [2.0]


def test_columns_go_by_name(fitted):
    frame, types = fitted
    table = as_table(frame[frame.columns[::-1]], like=types)
    assert table.types == types
    assert table.columns[2].values.tolist() == ["a", "b", "a"]


def test_missing_and_extra_columns(fitted):
    frame, types = fitted
    with pytest.raises(TableError, match="missing: 'job'; not there at fit: 'trade', 'x'"):
        as_table(frame.rename(columns={"job": "trade"}).assign(x=1), like=types)
    with pytest.raises(TableError, match="X has 2 features, but the model was fitted with 6"):
        as_table(np.ones((1, 2)), like=types)


def test_names_do_not_matter_where_there_were_none():
    types = as_table(np.array([[1.0, 2.0]])).types
    assert as_table(pd.DataFrame({"a": [3], "b": [4]}), like=types).types == types


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("age", [True, False, True], [1.0, 0.0, 1.0]),
        ("age", pd.Series([None, None, None], dtype=str), [None, None, None]),
        ("vip", [1, 0, 1], [True, False, True]),
        ("vip", [1.0, None, 0.0], [True, None, False]),
        ("vip", [None, None, None], [None, None, None]),
        ("job", [None, None, None], [None, None, None]),
        ("job", pd.Categorical(["b", "z", None]), ["b", "z", None]),
        ("size", ["M", "XL", None], ["M", "XL", None]),
    ],
)
def test_other_dtypes_with_the_same_meaning(fitted, column, values, expected):
    frame, types = fitted
    table = as_table(changed(frame, **{column: values}), like=types)
    got = table.columns[list(frame.columns).index(column)]
    assert [None if v != v else v for v in got.values.tolist()] == expected
    assert table.types == types


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("age", ["1", "old", "3"], "column 'age', row 1: 'old': the column held numbers at fit"),
        ("age", pd.to_datetime(["2020-01-01"] * 3), "row 0: 2020-01-01.* holds dates now"),
        ("job", [np.nan, 3, 4], "column 'job', row 1: 3: the column held categories at fit and"),
        ("job", [True, False, True], "holds booleans now"),
        ("vip", [0, 1, 2], "column 'vip', row 2: 2: the column held booleans"),
        ("vip", ["yes", "no", "no"], "row 0: 'yes': the column held booleans at fit and holds te"),
        ("since", [1, 2, 3], "the column held dates at fit and holds numbers now"),
    ],
)
def test_another_kind_of_value(fitted, column, values, message):
    frame, types = fitted
    with pytest.raises(TableError, match=message):
        as_table(changed(frame, **{column: values}), like=types)


def test_whole_numbers_as_levels():
    frame = pd.DataFrame({"a": pd.Categorical([1, 3], categories=[1, 2, 3], ordered=True)})
    types = as_table(frame).types
    assert as_table(pd.DataFrame({"a": [3.0]}), like=types).columns[0].values.tolist() == [3]
    chosen = as_table(pd.DataFrame({"a": [1, 3]}), categorical_features=["a"]).types
    later = as_table(pd.DataFrame({"a": [3.0, None]}), like=chosen, categorical_features=["a"])
    assert later.columns[0].values.tolist() == [3, None]


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        (["b", "a"], np.array(["a", "b"]), [1, 0]),
        (np.array(["b", "a"], dtype=object), np.array(["a", "b"], dtype=object), [1, 0]),
        ([3, 1, 3], np.array([1, 3]), [1, 0, 1]),
        (np.array([3, 1], dtype=np.int8), np.array([1, 3], dtype=np.int8), [1, 0]),
        (np.array([3, 1], dtype=object), np.array([1, 3]), [1, 0]),
        ([True, False], np.array([False, True]), [1, 0]),
        (np.array([True, False], dtype=object), np.array([False, True]), [1, 0]),
        ([2.0, 1.0], np.array([1.0, 2.0]), [1, 0]),
        (["a", "a"], np.array(["a"]), [0, 0]),
        (pd.Series(["b", "a"]), np.array(["a", "b"], dtype=object), [1, 0]),
        (pd.Series(pd.Categorical(["b", "a"])), np.array(["a", "b"], dtype=object), [1, 0]),
        (pd.Series([2, 1], dtype="Int64"), np.array([1, 2]), [1, 0]),
        (pd.Series([True, False], dtype="boolean"), np.array([False, True]), [1, 0]),
        (pl.Series([2, 1]), np.array([1, 2]), [1, 0]),
        (pl.Series(["b", "a"]).to_arrow(), np.array(["a", "b"], dtype=object), [1, 0]),
    ],
)
def test_targets(y, classes, codes):
    got_classes, got_codes = check_target(y)
    assert got_classes.dtype == classes.dtype
    assert got_classes.tolist() == classes.tolist()
    assert got_codes.tolist() == codes
    assert got_codes.dtype == np.int32


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([1, 0, None], "missing in row 2"),
        (["a", None, float("nan")], "missing in rows 1, 2"),
        (pd.Series(["a", None]), "missing in row 1"),
        (pl.Series([None, 1] * 6), "missing in rows 0, 2, 4, 6, 8 and 1 more"),
        ([1.0, np.inf], "Input y contains infinity"),
        ([0.5, 1.2], "Unknown label type: continuous.*Cut the target into classes"),
        (["a", 1], "y mixes 'int', 'str'"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "Unknown label type: datetime64"),
        (np.ones((2, 2)), "y should be a 1d array"),
    ],
)
def test_unusable_targets(y, message):
    with pytest.raises(ValueError, match=message):
        check_target(y)


def test_target_of_another_length():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[3, 2\]"):
        check_target([0, 1], 3)


def test_target_as_a_column():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert check_target(np.array([[1], [2]]))[1].tolist() == [0, 1]


def test_weights():
    assert check_weights(None, 3) is None
    assert check_weights([1, 0, 2], 3).tolist() == [1.0, 0.0, 2.0]
    assert check_weights(pd.Series([1, 2]), 2).dtype == np.float64
    assert check_weights(2, 2).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1], "sample_weight, row 1: -1.0"),
        ([np.nan, 1], "sample_weight, row 0: nan"),
        ([1, np.inf], "row 1: inf"),
        ([0, 0], "all sample weights are zero"),
        ([1, 2, 3], r"sample_weight.shape == \(3,\), expected \(2,\)"),
        (np.ones((2, 2)), "1D array or scalar"),
    ],
)
def test_unusable_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 2)


@pytest.mark.parametrize(
    ("y", "told"),
    [
        ([1.0, "x"], "row 1: .*'x'"),
        ([1.0, None], "NaN. See row 1"),
        ([1.0, np.inf], "infinity. See row 1"),
        (None, "y is None"),
    ],
)
def test_numbers_to_predict(y, told):
    with pytest.raises(ValueError, match=told):
        check_numbers(y, 2)


def test_monotone_columns_by_name_or_position():
    columns = (ColumnType("a", "number"), ColumnType("b", "category"))
    assert check_monotonic({"a": -1}, columns).tolist() == [-1, 0]
    assert check_monotonic([0, 0], columns) is None
    for wrong, told in (({"c": 1}, "'c'"), ([1], "2 columns"), ([2, 0], "'a'"), ([0, 1], "order")):
        with pytest.raises(ValueError, match=told):
            check_monotonic(wrong, columns)
