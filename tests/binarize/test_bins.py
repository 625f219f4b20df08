"""Binned tables: codes follow the values, bins share the weight, other rows find their codes."""

import numpy as np
import pandas as pd
import pytest

from treeml._core.validation import as_table, conform
from treeml.binarize import cuts
from treeml.binarize.bins import BinnedTable


def column(values, **fit):
    (one,) = BinnedTable.fit(as_table(np.asarray(values, dtype=float)[:, None]), **fit).columns
    return one


def check_numbers(one, values, most):
    """Codes ascend with the values, lower and upper are those of the training rows."""
    missing = np.isnan(values)
    n_values = len(one.lower)
    assert one.n_codes == n_values + missing.any()
    assert n_values <= most
    assert one.codes.dtype == (np.uint8 if one.n_codes <= 256 else np.uint16)
    assert one.has_missing == missing.any()
    assert (one.codes[missing] == n_values).all()
    codes, known = one.codes[~missing], values[~missing]
    assert (np.bincount(codes, minlength=n_values) > 0).all()
    least, most_of = np.full(n_values, np.inf), np.full(n_values, -np.inf)
    np.minimum.at(least, codes, known)
    np.maximum.at(most_of, codes, known)
    np.testing.assert_array_equal(one.lower, least)
    np.testing.assert_array_equal(one.upper, most_of)
    assert (one.upper[:-1] < one.lower[1:]).all()


def shapes():
    rng = np.random.default_rng(0)
    return {
        "continuous": lambda n: rng.normal(size=n),
        "whole": lambda n: rng.integers(-300, 300, n).astype(float),
        "few": lambda n: rng.integers(0, 7, n) / 7,
        "sorted": lambda n: np.arange(n) * 0.1,
        "mostly zero": lambda n: np.where(rng.random(n) < 0.97, -0.0, rng.normal(size=n)),
        "heavy tails": lambda n: rng.standard_cauchy(n),
        "neighbours": lambda n: 1 + rng.integers(0, 5000, n) * 2.0**-52,
    }


@pytest.mark.parametrize("max_bins", [2, 8, 255, 256, 300, None])
@pytest.mark.parametrize("shape", shapes())
@pytest.mark.parametrize("n", [50, 5000, 200_000])
def test_numbers(shape, n, max_bins):
    values = shapes()[shape](n)
    for share in (0, 0.1):
        values[np.random.default_rng(1).random(n) < share] = np.nan
        one = column(values, max_bins=max_bins)
        most = 65_535 if max_bins is None else max_bins
        distinct = np.unique(values[~np.isnan(values)])
        check_numbers(one, values, most)
        if len(distinct) <= most and not (len(distinct) == 256 == most and one.has_missing):
            np.testing.assert_array_equal(one.lower, distinct)
            assert one.n_codes == len(distinct) + one.has_missing


@pytest.mark.parametrize("max_bins", [2, 5, 64, 256])
@pytest.mark.parametrize("shape", shapes())
def test_small_columns_are_cut_as_the_binarizer_cuts(shape, max_bins):
    values = shapes()[shape](3000)
    for weights in (None, np.random.default_rng(2).integers(1, 9, 3000).astype(float)):
        distinct, totals = cuts.distinct_values(values, weights)
        one = column(values, max_bins=max_bins, sample_weight=weights)
        bins = max_bins - (max_bins == 256 and len(distinct) > 256)
        ends = cuts.quantile_boundaries(totals, bins)
        np.testing.assert_array_equal(one.upper[:-1], distinct[ends])


@pytest.mark.parametrize("weighted", [False, True])
def test_bins_of_long_columns_share_the_weight(weighted):
    rng = np.random.default_rng(3)
    values = rng.normal(size=300_000)
    weights = rng.exponential(size=len(values)) if weighted else np.ones(len(values))
    one = column(values, max_bins=100, sample_weight=weights if weighted else None)
    share = np.bincount(one.codes, weights) / weights.sum() * 100
    assert len(share) == 100
    assert np.abs(share - 1).max() <= 0.25 + 1e-3
    assert np.abs(np.cumsum(share) - np.arange(1, 101)).max() <= 0.125 + 1e-3


def test_bins_beside_a_heavy_value_are_fine():
    rng = np.random.default_rng(4)
    values = np.where(rng.random(400_000) < 0.99, 0.0, rng.normal(size=400_000))
    one = column(values, max_bins=256)
    check_numbers(one, values, 255)
    assert one.n_codes == 255
    others = np.delete(np.bincount(one.codes), one.codes[values == 0][0])
    assert others.max() <= 4 * others.mean()


def test_heavy_values_of_several_sizes_by_weight():
    rng = np.random.default_rng(10)
    values = rng.normal(size=150_000)
    weights = rng.random(len(values))
    for k, weight in enumerate((1e9, 1e7, 1e7)):
        values[1000 * k : 1000 * (k + 1)], weights[1000 * k : 1000 * (k + 1)] = k, weight
    values[-1000:] = np.nan
    one = column(values, max_bins=64, sample_weight=weights)
    check_numbers(one, values, 64)
    alone = [one.codes[1000 * k] for k in range(3)]
    share = np.delete(np.bincount(one.codes, weights), [*alone, 64])
    assert share.max() <= 4 * share.mean()


def test_bytes_are_enough_for_256():
    rng = np.random.default_rng(5)
    whole = rng.integers(0, 256, 4000).astype(float)
    assert column(whole, max_bins=256).n_codes == 256
    whole[:9] = np.nan
    one = column(whole, max_bins=256)
    assert (one.n_codes, one.codes.dtype) == (256, np.uint8)
    check_numbers(one, whole, 255)


def test_most_codes():
    values = np.random.default_rng(6).permutation(70_000) * 1.5
    one = column(values)
    assert len(one.lower) == 65_535
    check_numbers(one, values, 65_535)
    values[:1000] = np.nan
    one = column(values)
    check_numbers(one, values, 65_535)
    assert one.codes.dtype == np.uint16
    for max_bins in (1, 65_536):
        with pytest.raises(ValueError, match="max_bins"):
            column(values, max_bins=max_bins)


@pytest.mark.parametrize("max_bins", [4, 256, None])
def test_encode_gives_back_the_codes_and_finds_gaps(max_bins):
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "real": np.where(rng.random(3000) < 0.1, np.nan, rng.normal(size=3000)),
            "whole": rng.integers(0, 90, 3000) * 10,
            "binary": rng.integers(0, 2, 3000),
            "job": rng.choice(["clerk", "smith", "cook"], 3000),
        }
    )
    table = as_table(frame)
    binned = BinnedTable.fit(table, max_bins=max_bins)
    for one, codes in zip(binned.columns, binned.encode(table, n_threads=3), strict=True):
        np.testing.assert_array_equal(codes, one.codes)
        assert codes.dtype == one.codes.dtype
    real, whole, *_ = binned.columns
    for one in (real, whole):
        low, high = one.upper[:-1], one.lower[1:]
        at = cuts.between(low, high, one.whole)
        other = pd.concat([frame[:1]] * len(at), ignore_index=True)
        name = frame.columns[one.index]
        for values, code in ((at, 0), (np.nextafter(at, np.inf), 1), (low, 0), (high, 1)):
            other[name] = values
            codes = binned.encode(conform(as_table(other), binned.types))[one.index]
            np.testing.assert_array_equal(codes, np.arange(len(at)) + code)


def test_encode_what_was_not_there_at_fit():
    frame = pd.DataFrame(
        {
            "n": np.arange(256.0),
            "bit": [0.0, 1.0] * 128,
            "c": ["a", "b"] * 128,
            "m": ["a", None] * 128,
            "r": np.r_[np.nan, np.arange(255.0)],
        }
    )
    binned = BinnedTable.fit(as_table(frame))
    assert [c.n_codes for c in binned.columns] == [256, 2, 2, 2, 256]
    other = pd.DataFrame(
        {
            "n": [np.nan, -5, 1e9, 3.2],
            "bit": [np.nan, 0, 1, 1],
            "c": ["new", None, "a", "b"],
            "m": ["new", None, "a", "a"],
            "r": [np.nan, -1, 300, 7],
        }
    )
    codes = binned.encode(conform(as_table(other), binned.types))
    assert [c.tolist() for c in codes] == [
        [256, 0, 255, 4],
        [2, 0, 1, 1],
        [2, 2, 0, 1],
        [1, 1, 0, 0],
        [255, 0, 254, 7],
    ]
    assert [c.dtype for c in codes] == [np.uint16, *[np.uint8] * 4]
    assert all(not len(c) for c in binned.encode(as_table(other).take(slice(0, 0))))


def test_between_is_what_thresholds_are_made_of():
    for distinct in (np.arange(20.0), np.array([-2.5, -1, 0.1, 0.11, 3, 1e9])):
        whole = bool((distinct % 1 == 0).all())
        at = cuts.between(distinct[:-1], distinct[1:], whole)
        np.testing.assert_array_equal(at, cuts.thresholds(distinct, np.arange(len(distinct) - 1)))
        assert ((distinct[:-1] <= at) & (at < distinct[1:])).all()
    assert cuts.between(np.empty(0), np.empty(0), False).shape == (0,)


def test_levels():
    sizes = pd.Categorical(["M", "S", "L", "M"] * 50, ["XS", "S", "M", "L"], ordered=True)
    frame = pd.DataFrame(
        {
            "size": sizes,
            "yes": [True, False, None, True] * 50,
            "rare": ["a"] * 197 + ["d", "c", "b"],
            "only": ["x", None] * 100,
        }
    )
    size, yes, rare, only = BinnedTable.fit(as_table(frame), max_bins=2).columns
    assert (size.levels, size.ordered, size.n_codes) == (("XS", "S", "M", "L"), True, 4)
    assert size.codes[:4].tolist() == [2, 1, 3, 2]
    assert (yes.levels, yes.ordered, yes.n_codes) == ((False, True), False, 3)
    assert yes.codes[:4].tolist() == [1, 0, 2, 1]
    assert (rare.levels, rare.n_codes) == (("a", "b", "c", "d"), 4)
    assert (only.levels, only.codes[:2].tolist()) == (("x",), [0, 1])
    assert {c.kind for c in (size, yes, rare, only)} == {"level"}
    assert all(not len(c.lower) and not len(c.upper) for c in (size, yes, rare, only))


def test_which_columns_are_used():
    n = 300
    rng = np.random.default_rng(8)
    words = ["this is a text of many words number " + str(k) for k in range(n)]
    frame = pd.DataFrame(
        {
            "constant": np.ones(n),
            "same": ["x"] * n,
            "nothing": np.full(n, np.nan),
            "sometimes": np.where(rng.random(n) < 0.5, 4.0, np.nan),
            "day": pd.date_range("2020-01-01", periods=n),
            "iso": [f"2020-01-{k % 28 + 1:02}" for k in range(n)],
            "key": [f"k{k}" for k in range(n)],
            "words": words,
            "row": rng.permutation(n),
            "value": rng.normal(size=n),
        }
    )
    binned = BinnedTable.fit(as_table(frame))
    assert [frame.columns[c.index] for c in binned.columns] == ["sometimes", "row", "value"]
    assert {f.column: f.kind for f in binned.findings} == {
        "constant": "constant",
        "same": "constant",
        "nothing": "all missing",
        "day": "date",
        "iso": "date",
        "key": "identifier",
        "words": "free text",
        "row": "identifier",
    }
    assert binned.columns[0].n_codes == 2
    assert [t.missing for t in binned.types] == [name in ("nothing", "sometimes") for name in frame]
    repeated = BinnedTable.fit(as_table(frame), sample_weight=np.full(n, 2.0))
    assert {f.column for f in binned.findings} - {f.column for f in repeated.findings} == {
        "key",
        "row",
    }


def test_too_many_levels():
    frame = pd.DataFrame({"c": [f"k{k // 2}" for k in range(2 * 65_535)]})
    binned = BinnedTable.fit(as_table(frame))
    assert not binned.columns
    assert "65,534 levels" in binned.findings[0].text
    (one,) = BinnedTable.fit(as_table(frame[2:])).columns
    assert (one.n_codes, one.codes.dtype) == (65_534, np.uint16)


def test_kinds_and_whole():
    values = np.array([[0, 1.5, 2, 2.0**52], [1, 2, 3, 1], [1, 7, 4, 2], [0, 1, 9, 3]])
    binned = BinnedTable.fit(as_table(values))
    assert [t.kind for t in binned.types] == ["zero_one", "number", "number", "number"]
    assert [c.whole for c in binned.columns] == [True, False, True, False]
    (bit,) = binned.encode(as_table(values).take([0]))[:1]
    assert bit.tolist() == [0]


def test_any_number_of_threads_and_repeats():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(100_000, 7))
    X[:, 3] = np.round(X[:, 3], 1)
    one = BinnedTable.fit(as_table(X), max_bins=50)
    many = BinnedTable.fit(as_table(X), max_bins=50, n_threads=4)
    for a, b in zip(one.columns, many.columns, strict=True):
        np.testing.assert_array_equal(a.codes, b.codes)
        np.testing.assert_array_equal(a.lower, b.lower)
    small, weights = X[:400], rng.integers(1, 4, 400)
    by_weight = BinnedTable.fit(as_table(small), max_bins=9, sample_weight=weights.astype(float))
    repeated = BinnedTable.fit(as_table(np.repeat(small, weights, axis=0)), max_bins=9)
    for a, b in zip(by_weight.columns, repeated.columns, strict=True):
        np.testing.assert_array_equal(np.repeat(a.codes, weights), b.codes)


def test_no_rows_and_no_columns():
    nothing = BinnedTable.fit(as_table(np.ones((3, 1))))
    assert nothing.columns == ()
    assert nothing.encode(as_table(np.ones((2, 1)))) == ()
