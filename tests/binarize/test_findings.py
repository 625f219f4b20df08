"""What is said about columns that look unfit for learning."""

import warnings

import numpy as np
import pandas as pd
import pytest

from treeml.binarize import Binarizer, TableWarning

N = 200


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def findings(frame, y=None, **options):
    """Kinds by column, and the columns with predicates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        binarizer = Binarizer(**options).fit(frame, y)
    kinds = {f.column: f.kind for f in binarizer.findings_}
    return kinds, {p.term.name for p in binarizer.predicates_}


def sentences(n):
    return [f"the caller number {i} asked about the bill of {i % 7} weeks" for i in range(n)]


@pytest.mark.parametrize(
    ("values", "kind", "has_predicates"),
    [
        ([f"id{i:04}" for i in range(N)], "identifier", False),
        (range(1000, 1000 + N), "identifier", True),
        (np.random.default_rng(1).permutation(N), "identifier", True),
        (np.arange(N) ** 2, "identifier", True),
        (sentences(N), "free text", False),
        (pd.date_range("2020-01-01", periods=N), "date", False),
        (pd.date_range("2020-01-01", periods=N).strftime("%Y-%m-%d"), "date", False),
        (pd.date_range("2020-01-01", periods=N).strftime("%Y-%m-%dT%H:%M:%SZ"), "date", False),
        ([3] * N, "constant", False),
        (["a"] * N, "constant", False),
        ([True] * N, "constant", False),
        ([None] * N, "all missing", False),
        ([f"z{i // 2}" for i in range(N)], None, True),
        (["a", "b"] * (N // 2), None, True),
        (np.random.default_rng(1).integers(0, 90, N), None, True),
        (np.random.default_rng(1).normal(size=N), None, True),
    ],
)
def test_kinds(values, kind, has_predicates):
    frame = pd.DataFrame({"it": values, "other": ["x", "y"] * (N // 2)})
    kinds, with_predicates = findings(frame)
    assert kinds == ({"it": kind} if kind else {})
    assert with_predicates == {"other"} | ({"it"} if has_predicates else set())


def test_only_rare_levels():
    kinds, with_predicates = findings(pd.DataFrame({"zip": [f"z{i // 2}" for i in range(400)]}))
    assert kinds == {"zip": "rare levels"}
    assert not with_predicates


def test_small_tables_are_not_judged():
    frame = pd.DataFrame({"a": [f"n{i}" for i in range(8)], "b": range(8)})
    assert findings(frame)[0] == {}


def test_columns_without_predicates_may_still_be_missing():
    names = [f"id{i}" if i % 9 else None for i in range(N)]
    with pytest.warns(TableWarning):
        binarizer = Binarizer().fit(pd.DataFrame({"id": names}))
    assert binarizer.get_feature_names_out().tolist() == ["id is missing"]


def test_warning_names_the_columns():
    frame = pd.DataFrame({"a": [1, 1], "when": pd.to_datetime(["2020-01-01", "2020-01-02"])})
    with pytest.warns(TableWarning, match="'a' has the same.*; column 'when' holds d"):
        Binarizer().fit(frame)


def test_no_warning_without_names():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        binarizer = Binarizer().fit(np.ones((5, 1)))
    assert binarizer.findings_[0].kind == "constant"


def test_a_number_that_gives_the_target_away(rng):
    y = rng.integers(0, 2, N)
    frame = pd.DataFrame({"paid": y * 3 + rng.random(N), "age": rng.normal(size=N)})
    assert findings(frame, y)[0] == {"paid": "leak"}
    assert findings(frame, y, method="midpoints")[0] == {"paid": "leak"}
    assert findings(frame, y, method="entropy")[0] == {"paid": "leak"}
    assert findings(frame)[0] == {}


def test_levels_that_give_the_target_away(rng):
    y = rng.choice(["a", "b", "c"], N)
    frame = pd.DataFrame({"grade": np.char.add("g", y), "k": rng.choice(list("xyz"), N)})
    assert findings(frame, y)[0] == {"grade": "leak"}
    assert findings(frame.assign(grade=pd.Series(y).map({"a": 1, "b": 2, "c": 3})), y)[0] == {
        "grade": "leak"
    }


def test_missing_values_that_give_the_target_away(rng):
    y = rng.integers(0, 2, N)
    frame = pd.DataFrame({"end": np.where(y == 1, rng.normal(size=N), np.nan)})
    assert findings(frame, y)[0] == {"end": "leak"}


def test_good_columns_are_not_leaks(rng):
    y = rng.integers(0, 2, N)
    noisy = np.where(rng.random(N) < 0.05, 1 - y, y)
    assert findings(pd.DataFrame({"a": noisy * 2 + rng.random(N)}), y)[0] == {}
    small = pd.DataFrame({"a": y[:60] * 3 + rng.random(60)})
    assert findings(small, y[:60])[0] == {}


def test_a_rare_class_is_not_given_away_by_a_wide_net(rng):
    y = np.zeros(20_000, dtype=int)
    y[:25] = 1
    frame = pd.DataFrame({"a": np.where((y == 1) | (rng.random(20_000) < 0.005), 1, 0)})
    assert findings(frame, y)[0] == {}
