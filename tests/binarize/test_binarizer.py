"""The binarizer: its predicates, its code columns, and that the two agree."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from treeml._core.table import TableError
from treeml._core.validation import as_table
from treeml.binarize import Binarizer

METHODS = ["quantile", "midpoints", "entropy"]


def random_frame(rng, n_rows):
    """Every kind of column, with missing values and values at cuts."""
    missing = rng.random((n_rows, 4)) < 0.15
    frame = pd.DataFrame(
        {
            "whole": rng.integers(-20, 20, n_rows),
            "real": rng.normal(size=n_rows).round(2),
            "spike": np.where(rng.random(n_rows) < 0.7, 0, rng.exponential(size=n_rows)),
            "flag": rng.integers(0, 2, n_rows).astype(float),
            "yes": rng.random(n_rows) < 0.3,
            "two": rng.choice(["left", "right"], n_rows, p=[0.7, 0.3]),
            "many": rng.choice(list("abcdefghijklm"), n_rows, p=rng.dirichlet(np.ones(13))),
            "size": pd.Categorical(
                rng.choice(["S", "M", "XL"], n_rows), categories=["S", "M", "L", "XL"], ordered=True
            ),
            "code": rng.choice([10, 20, 30], n_rows),
        }
    )
    for j, name in enumerate(["real", "flag", "many", "size"]):
        frame.loc[missing[:, j], name] = None
    return frame


def other_rows(rng, frame, binarizer):
    """Rows at the cuts and beside them, unseen levels, missing values where there were none."""
    n_rows = 300
    cuts = [p.value for p in binarizer.predicates_ if p.test in ("<=", ">")]
    near = np.array([0.0, *cuts])
    near = np.concatenate([near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf)])
    other = frame.iloc[rng.integers(0, len(frame), n_rows)].reset_index(drop=True)
    for name in ("whole", "real", "spike", "flag"):
        other[name] = rng.choice([*near, np.nan, -1e300, 1e300, -0.0], n_rows)
    other["two"] = rng.choice(np.array(["left", "right", "up", None], dtype=object), n_rows)
    other["many"] = rng.choice(np.array([*"abcdefghijklm", "zz", None], dtype=object), n_rows)
    other["size"] = pd.Categorical(rng.choice(["S", "M", "L", "XL", "XXL"], n_rows))
    other["yes"] = pd.Series(rng.choice(np.array([True, False, None]), n_rows), dtype=object)
    other["code"] = rng.choice([10, 20, 40], n_rows)
    return other


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_transform_is_what_the_predicates_say(method, seed):
    rng = np.random.default_rng(seed)
    frame = random_frame(rng, 150)
    binarizer = Binarizer(
        method=method,
        max_bins=(8, 3, None, 2)[seed],
        max_levels=(10, 4, None, 2)[seed],
        min_frequency=(0.01, 0.1, 0, 0.05)[seed],
        categorical_features=["code"],
    ).fit(frame, frame["whole"] > frame["code"] - 20)
    for rows in (frame, other_rows(rng, frame, binarizer)):
        table = as_table(rows, like=binarizer.columns_, categorical_features=["code"])
        expected = np.column_stack([p.holds(table) for p in binarizer.predicates_])
        got = binarizer.transform(rows)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, expected)


def test_codes_and_intervals():
    frame = random_frame(np.random.default_rng(0), 200)
    binarizer = Binarizer().fit(frame)
    codes = binarizer.encode(as_table(frame, like=binarizer.columns_))
    assert len(codes) == len(binarizer.code_columns_) == len(binarizer.n_codes_)
    assert all(c.dtype == np.uint16 for c in codes)
    assert all(c.max() < n for c, n in zip(codes, binarizer.n_codes_, strict=True))
    places, lo, hi = binarizer.intervals_.T
    assert (lo <= hi).all()
    assert (hi < binarizer.n_codes_[places]).all()
    at = [p.term.index for p in binarizer.predicates_]
    assert at == sorted(at) == binarizer.code_columns_[places].tolist()


def test_many_cuts_need_wide_codes():
    binarizer = Binarizer(method="midpoints").fit(np.arange(70_000.0)[::-1].reshape(-1, 1) % 69_999)
    (codes,) = binarizer.encode(as_table(np.array([[69_998.0], [np.nan]])))
    assert codes.dtype == np.uint32
    assert codes.tolist() == [69_998, 69_999]


def texts(frame, **options):
    return Binarizer(**options).fit(frame).get_feature_names_out().tolist()


def test_texts():
    frame = pd.DataFrame(
        {
            "age": [18, 45, 46, None],
            "member": [0, 1, 1, 0],
            "vip": [True, False, True, None],
            "job": ["clerk", "cook", "clerk", "smith"],
            "sex": ["m", "f", "f", "f"],
            "size": pd.Categorical(["S", "L", "S", "M"], categories=["S", "M", "L"], ordered=True),
        }
    )
    assert texts(frame, units={"age": "years"}) == [
        "age <= 31 years",
        "age <= 45 years",
        "age is missing",
        "member = 1",
        "vip is true",
        "vip is missing",
        "job = clerk",
        "job = cook",
        "job = smith",
        "sex = m",
        "size is at most S",
        "size is at most M",
    ]


def test_two_levels_give_the_rarer_one():
    assert texts(pd.DataFrame({"a": ["x", "y", "y"]})) == ["a = x"]
    assert texts(pd.DataFrame({"a": ["y", "x", "y", "x"]})) == ["a = x"]
    assert texts(pd.DataFrame({"a": ["x", "y", "y", None]})) == ["a = x", "a is missing"]


def test_rare_levels():
    levels = ["a"] * 50 + ["b"] * 40 + ["c"] * 6 + ["d"] * 4
    frame = pd.DataFrame({"a": levels})
    assert texts(frame, min_frequency=0.05) == ["a = a", "a = b", "a = c", "a = d"]
    assert texts(frame, min_frequency=0.1) == ["a = a", "a = b", "a in rare levels {c, d}"]
    assert texts(frame, max_levels=3) == ["a = a", "a = b", "a in rare levels {c, d}"]
    assert texts(frame, max_levels=2) == ["a = a"]  # the other group is its complement


def test_ordered_levels_are_cut_where_training_had_some():
    sizes = ["XS", "S", "M", "L", "XL"]
    frame = pd.DataFrame({"a": pd.Categorical(["M", "S", "XL"], categories=sizes, ordered=True)})
    assert texts(frame) == ["a is at most S", "a is at most M"]
    binarizer = Binarizer().fit(frame)
    assert [p.value for p in binarizer.predicates_] == [("XS", "S"), ("XS", "S", "M")]
    assert binarizer.transform(pd.DataFrame({"a": ["XS", "L"]})).tolist() == [[1, 1], [0, 0]]


def test_nothing_varies_but_missing():
    frame = pd.DataFrame({"a": [1, None, 1], "b": ["x", None, "x"], "c": [0.0, 0.0, None]})
    assert texts(frame) == ["a is missing", "b is missing", "c is missing"]


def test_no_predicate_at_all():
    binarizer = Binarizer().fit(np.ones((5, 2)))
    assert binarizer.predicates_ == ()
    assert binarizer.transform(np.zeros((3, 2))).shape == (3, 0)
    assert binarizer.intervals_.shape == (0, 3)


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_repeated_rows(method):
    rng = np.random.default_rng(5)
    frame = random_frame(rng, 120)
    frame["name"] = [f"n{i}" for i in range(120)]
    y = rng.integers(0, 3, 120)
    weights = rng.integers(0, 4, 120)
    rows = np.repeat(np.arange(120), weights)
    rng.shuffle(rows)
    options = {"method": method, "max_bins": 5, "min_frequency": 0.05}
    with pytest.warns(UserWarning, match="'name'"):
        weighted = Binarizer(**options).fit(frame, y, sample_weight=weights)
    repeated = Binarizer(**options).fit_table(
        as_table(frame.drop(columns="name").iloc[rows]), y[rows]
    )
    assert weighted.predicates_ == repeated.predicates_
    assert weighted.columns_[:-1] == repeated.columns_


def test_rows_of_weight_zero_say_nothing():
    frame = pd.DataFrame({"a": [0, 1, 7, None], "b": ["x", "y", "z", None]})
    binarizer = Binarizer().fit(frame, sample_weight=[1, 2, 0, 0])
    assert binarizer.get_feature_names_out().tolist() == ["a = 1", "b = x"]
    assert [c.missing for c in binarizer.columns_] == [False, False]


def test_entropy_needs_classes():
    with pytest.raises(ValueError, match=r'method="entropy" chooses the cuts by the classes'):
        Binarizer(method="entropy").fit(np.ones((3, 1)))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        Binarizer(method="entropy").fit(np.ones((3, 1)), [0.1, 0.2, 0.3])


def test_other_methods_accept_any_target():
    X = np.arange(6.0).reshape(3, 2)
    for y in ([0.1, 0.2, 0.3], np.ones((3, 2)), ["a", None, "b"], [5, 6, 7]):
        assert len(Binarizer().fit(X, y).predicates_) == 4
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Binarizer().fit(X, [1, 0])


def test_entropy_cuts_where_the_class_changes():
    values = np.arange(200)
    binarizer = Binarizer(method="entropy").fit(values[::-1, None], values[::-1] >= 120)
    assert binarizer.get_feature_names_out().tolist() == ["x0 <= 119"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "kmeans"}, "'method' parameter"),
        ({"max_bins": 1}, "'max_bins' parameter"),
        ({"min_frequency": 1.0}, "'min_frequency' parameter"),
        ({"max_levels": 0}, "'max_levels' parameter"),
        ({"units": {"b": "m"}}, "units: no column is called 'b'"),
    ],
)
def test_wrong_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        Binarizer(**options).fit(pd.DataFrame({"a": [1, 2]}))


def test_wrong_tables_at_transform():
    binarizer = Binarizer().fit(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    with pytest.raises(TableError, match="column 'a', row 0: 'old'"):
        binarizer.transform(pd.DataFrame({"a": ["old"], "b": ["x"]}))
    with pytest.raises(ValueError, match="feature names should match"):
        binarizer.transform(pd.DataFrame({"a": [1], "c": ["x"]}))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_output_as_a_frame(library):
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=[7, 8, 9])
    out = Binarizer().set_output(transform=library).fit_transform(frame)
    assert isinstance(out, pd.DataFrame if library == "pandas" else pl.DataFrame)
    assert list(out.columns) == ["a <= 1", "a <= 2"]
    assert out["a <= 1"].to_list() == [1, 0, 0]


def test_pandas_polars_and_arrow_agree():
    frame = random_frame(np.random.default_rng(3), 100).drop(columns="size")
    expected = Binarizer().fit(frame)
    for other in (pl.from_pandas(frame), pl.from_pandas(frame).to_arrow()):
        binarizer = Binarizer().fit(other)
        assert binarizer.predicates_ == expected.predicates_
        assert binarizer.feature_names_in_.tolist() == frame.columns.tolist()
        np.testing.assert_array_equal(binarizer.transform(other), expected.transform(frame))


def test_row_order_does_not_matter():
    rng = np.random.default_rng(4)
    frame = random_frame(rng, 100)
    shuffled = frame.iloc[rng.permutation(100)]
    assert Binarizer().fit(shuffled).predicates_ == Binarizer().fit(frame).predicates_


def test_names_of_equal_text_differ():
    frame = pd.DataFrame({"a": ["b = c", "d", "e"], "a = b": ["c", "d", "e"]})
    names = texts(frame)
    assert len(set(names)) == len(names) == 6
    assert "a = b = c (column 1)" in names


def test_new_names_for_columns_without_names():
    binarizer = Binarizer().fit(np.array([[1.0], [2.0]]))
    assert binarizer.get_feature_names_out(["age"]).tolist() == ["age <= 1"]


def test_fitted_again_on_a_table_without_names():
    binarizer = Binarizer().fit(pd.DataFrame({"a": [1, 2]}))
    binarizer.fit_table(as_table(np.array([[1.0], [2.0]])))
    assert not hasattr(binarizer, "feature_names_in_")
    assert binarizer.n_features_in_ == 1


def test_pickle_and_clone():
    frame = random_frame(np.random.default_rng(0), 60)
    binarizer = Binarizer(max_bins=4, units={"whole": "m"}).fit(frame)
    again = pickle.loads(pickle.dumps(binarizer))
    np.testing.assert_array_equal(again.transform(frame), binarizer.transform(frame))
    assert again.predicates_ == binarizer.predicates_
    assert clone(binarizer).get_params() == binarizer.get_params()
