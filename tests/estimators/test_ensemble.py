"""The estimators of fewest cuts: parameters, weights, limits, JSON, exports and the certificate."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from treeml import Binarizer, OptimalTreeClassifier, OptimalTreeEnsembleClassifier
from treeml import SearchLimitWarning as Limit
from treeml._core.validation import as_table
from treeml.certificate import verify
from treeml.estimators.load import loads

BITS = np.array(list(itertools.product([0, 1], repeat=3)))
MAJORITY = np.where(BITS.sum(axis=1) > 1, "many", "few")


def table(seed: int = 0, n: int = 30) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 70, n).astype(float),
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.integers(10, 99, n)),
            "job": rng.choice(["clerk", "cook", "judge"], n),
        }
    )
    wealthy = frame["income"].fillna(0) > 50
    y = np.where(wealthy & (frame["age"] > 35) | (frame["job"] == "judge"), "yes", "no")
    return frame, y


def rows(frame: pd.DataFrame) -> list[dict]:
    return [{k: v for k, v in row.items() if v == v} for row in frame.to_dict("records")]


def test_majority_of_three_bits():
    alone = OptimalTreeClassifier(criterion="size").fit(BITS, MAJORITY)
    three = OptimalTreeEnsembleClassifier().fit(BITS, MAJORITY)
    assert (alone.n_cuts_, alone.n_leaves_, alone.objective_) == (5, 6, 5)
    assert (three.n_cuts_, three.objective_, three.lower_bound_) == (3, 3, 3)
    assert [tree.n_leaves for tree in three.trees_] == [2, 2, 2]
    for model in (alone, three):
        assert model.status_ == "optimal"
        assert model.errors_ == 0
        assert model.predict(BITS).tolist() == MAJORITY.tolist()
    votes = BITS.sum(axis=1)
    assert np.array_equal(three.predict_proba(BITS), np.c_[3 - votes, votes] / 3)


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_tables_exports_json_and_pickle(n_estimators):
    frame, y = table()
    model = OptimalTreeEnsembleClassifier(n_estimators=n_estimators).fit(frame, y)
    assert model.status_ == "optimal"
    predicted = model.predict(frame)
    assert predicted.tolist() == y.tolist()
    space: dict = {}
    exec(model.to_python(), space)
    assert [space["predict"](row) for row in rows(frame)] == predicted.tolist()
    assert model.to_sql(table="people").count("CASE") >= 2
    assert len(model.rules()) == model.n_leaves_
    again = loads(model.to_json())
    restored = pickle.loads(pickle.dumps(model))
    for copy in (again, restored):
        assert type(copy) is type(model)
        assert copy.predict(frame).tolist() == predicted.tolist()
        assert copy.certificate_ == model.certificate_
        assert copy.n_cuts_ == model.n_cuts_
        assert copy.to_json() == model.to_json()
    leaves = model.apply(frame)
    assert leaves.shape == (len(frame), n_estimators)
    indicator, ends = model.decision_path(frame)
    assert indicator.shape == (len(frame), ends[-1])
    assert indicator[0, leaves[0, 0]] == 1
    assert "<svg" in model.plot().svg


def test_weights_are_repeats_and_zeros_leave():
    rng = np.random.default_rng(3)
    X, y = np.unique(rng.integers(0, 4, (14, 2)), axis=0), None
    y = rng.integers(0, 2, len(X))
    weight = rng.integers(0, 3, len(X))
    kept = np.repeat(np.arange(len(X)), weight)
    for options in ({"error_budget": 2}, {"regularization": 0.05}):
        weighted = OptimalTreeEnsembleClassifier(**options).fit(X, y, sample_weight=weight)
        repeated = OptimalTreeEnsembleClassifier(**options).fit(X[kept], y[kept])
        assert weighted.objective_ == repeated.objective_
        assert weighted.errors_ == repeated.errors_
        assert weighted.certificate_.data_hash == repeated.certificate_.data_hash


def test_contradictions_are_not_counted_against_the_budget():
    X, y = [[0], [0], [0], [1]], ["a", "a", "b", "b"]
    model = OptimalTreeClassifier(criterion="size").fit(X, y)
    assert (model.n_cuts_, model.errors_) == (1, 1)
    assert "1 of which no model avoids" in model.certificate_.statement
    assert OptimalTreeClassifier(criterion="size", error_budget=1).fit(X, y).n_cuts_ == 0


def test_class_weights_weigh_errors():
    X, y = np.arange(10)[:, None], np.array([0] * 8 + [1] + [0])
    light = OptimalTreeClassifier(criterion="size", error_budget=0.5, class_weight={1: 0.5})
    heavy = OptimalTreeClassifier(criterion="size", error_budget=0.5)
    assert light.fit(X, y).n_cuts_ == 0
    assert heavy.fit(X, y).n_cuts_ == 2
    assert verify(json.loads(light.to_json()), as_table(X), y).ok
    assert OptimalTreeClassifier(criterion="size", class_weight="balanced").fit(X, y).n_cuts_ == 2


@pytest.mark.parametrize(
    "options",
    [
        {"n_estimators": 1},
        {"n_estimators": 1, "error_budget": 2},
        {"n_estimators": 1, "regularization": 0.1},
        {"n_estimators": 3},
        {"n_estimators": 3, "error_budget": 1},
        {"n_estimators": 3, "criterion": "max_size"},
        {"n_estimators": 3, "regularization": 0.1},
        {"n_estimators": 5},
    ],
)
def test_the_checker_derives_everything_again(options):
    model = OptimalTreeEnsembleClassifier(**options).fit(BITS[:7], MAJORITY[:7])
    document = json.loads(model.to_json())
    given = as_table(BITS[:7])
    found = verify(document, given, MAJORITY[:7])
    assert found.ok, str(found)
    assert found.objective == pytest.approx(model.objective_)
    assert found.bound_checked
    for name, value in (
        ("lower_bound", document["certificate"]["objective"] + 1),
        ("n_cuts", 9),
        ("errors", 3.0),
        ("data_hash", "0"),
        ("status", "time_limit"),
    ):
        false = json.loads(model.to_json())
        false["certificate"][name] = value
        assert not verify(false, given, MAJORITY[:7]).ok, name
    if model.regularization is None:
        false = json.loads(model.to_json())
        false["certificate"]["error_budget"] = 5.0  # fewer cuts are enough for these
        assert not verify(false, given, MAJORITY[:7]).ok
    assert not verify(document, given, np.roll(MAJORITY[:7], 1)).ok
    unproved = verify(document, given, MAJORITY[:7], work_budget=1)
    assert unproved.ok
    assert unproved.lines[-1].startswith("objective re-derived, bound not re-proved")


def test_the_checker_of_a_tree_of_fewest_cuts():
    model = OptimalTreeClassifier(criterion="size").fit(BITS, MAJORITY)
    document = json.loads(model.to_json())
    found = verify(document, as_table(BITS), MAJORITY)
    assert found.ok
    assert found.bound_checked
    document["certificate"]["error_budget"] = 1.0
    found = verify(document, as_table(BITS), MAJORITY)
    assert [line for line in found.lines if line.startswith("DIFFERS")] == [
        "DIFFERS: the bound 5 is too high: the naive program finds something better"
    ]


def test_limits_keep_the_best_and_its_bound():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 9, (40, 5)), rng.integers(0, 2, 40)
    model = OptimalTreeEnsembleClassifier()._set_stop(3)
    with pytest.warns(Limit, match="before the proof was complete"):
        model.fit(X, y)
    assert model.status_ == "time_limit"
    assert 0 < model.lower_bound_ < model.objective_ == model.n_cuts_
    assert model.predict(X).tolist() == y.tolist()
    assert model.certificate_.statement.startswith("Not proven optimal (the time limit was")
    assert verify(json.loads(model.to_json()), as_table(X), y).ok


def test_parameters_that_do_not_fit():
    def refused(match, model):
        with pytest.raises(ValueError, match=match):
            model.fit(BITS, MAJORITY)

    refused("n_estimators=2 is even", OptimalTreeEnsembleClassifier(n_estimators=2))
    refused("give one of them", OptimalTreeEnsembleClassifier(error_budget=1, regularization=0.1))
    refused("give max_cuts too", OptimalTreeEnsembleClassifier(regularization=0))
    refused("max_cuts=2 is too few: at least 3 cuts", OptimalTreeEnsembleClassifier(max_cuts=2))
    refused("max_depth=2 has no part", OptimalTreeClassifier(criterion="size", max_depth=2))
    refused('error_budget is for criterion="size"', OptimalTreeClassifier(error_budget=1))
    refused("max_cuts=4 is too few", OptimalTreeClassifier(criterion="size", max_leaf_nodes=5))


def test_least_errors_of_few_cuts():
    model = OptimalTreeEnsembleClassifier(n_estimators=1, regularization=0, max_cuts=1)
    model.fit(BITS, MAJORITY)
    assert (model.n_cuts_, model.errors_, model.objective_) == (1, 2, 0.25)
    assert model.status_ == "optimal"
    assert "with at most 1 cut" in model.certificate_.statement


def test_more_than_512_rows():
    rng = np.random.default_rng(1)
    X = np.unique(rng.integers(0, 40, (900, 2)), axis=0)
    y = (X[:, 0] > 11) & (X[:, 1] > 25)
    for n_estimators in (1, 3):
        model = OptimalTreeEnsembleClassifier(n_estimators=n_estimators).fit(X, y)
        assert (model.n_cuts_, model.status_) == (2, "optimal")
        assert (model.predict(X) == y).all()


def test_other_predicates_and_several_classes():
    frame, _ = table(2, 24)
    y = frame["job"].to_numpy()
    model = OptimalTreeEnsembleClassifier(binarizer=Binarizer(max_bins=3)).fit(frame, y)
    assert (model.n_cuts_, model.errors_) == (3, 0)  # two constant trees cannot do for three
    assert OptimalTreeClassifier(criterion="size").fit(frame, y).n_cuts_ == 2


@pytest.mark.parametrize(
    "model", [OptimalTreeEnsembleClassifier(), OptimalTreeClassifier(criterion="size")]
)
def test_far_too_large_tables_are_refused_before_they_are_packed(model):
    X = np.random.default_rng(0).random((20_000, 2))
    with pytest.raises(ValueError, match=r"20,000 rows and 39,998 predicates are too many"):
        model.fit(X, X[:, 0] > 0.5)
