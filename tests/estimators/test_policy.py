from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import treeml
from treeml import Binarizer, PolicyTreeClassifier, SearchLimitWarning
from treeml._core.validation import as_table
from treeml.certificate import verify


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 300),
            "job": rng.choice(["cook", "nurse", "pilot"], 300),
            "income": np.where(rng.random(300) < 0.1, np.nan, rng.normal(3, 1, 300)),
        }
    )
    costs = rng.normal(2, 1, (300, 3))
    costs[X["age"] > 50, 0] -= 1
    costs[X["job"] == "cook", 2] -= 1
    return X, pd.DataFrame(costs, columns=["call", "write", "wait"])


def test_a_frame_of_costs_names_the_actions(data):
    X, costs = data
    model = PolicyTreeClassifier(max_depth=2).fit(X, costs)
    assert model.classes_.tolist() == ["call", "write", "wait"]
    chosen = model.predict(X)
    at = [costs.columns.get_loc(action) for action in chosen]
    mean = costs.to_numpy()[np.arange(len(X)), at].mean()
    assert mean == pytest.approx(model.mean_cost_, rel=1e-12)
    assert model.score(X, costs) == pytest.approx(-mean, rel=1e-12)
    alone = costs.mean().min()
    assert model.mean_cost_ < alone
    assert "mean cost" in model.to_text()
    assert "call" in model.to_sql()


def test_rewards_are_costs_below_zero(data):
    X, costs = data
    by_cost = PolicyTreeClassifier(max_depth=3).fit(X, costs)
    by_reward = PolicyTreeClassifier(max_depth=3, rewards=True).fit(X, -costs)
    assert np.array_equal(by_cost.predict(X), by_reward.predict(X))
    assert by_reward.mean_reward_ == pytest.approx(-by_cost.mean_cost_, rel=1e-12)
    assert by_reward.score(X, -costs) == pytest.approx(by_reward.mean_reward_, rel=1e-12)
    assert by_reward.gap_ == 0
    assert by_reward.objective_ >= 0
    assert "mean reward" in by_reward.to_text()
    assert not hasattr(by_reward, "mean_cost_")


def test_shifts_of_a_row_change_nothing(data):
    X, costs = data
    shift = np.random.default_rng(1).normal(0, 50, len(X))
    plain = PolicyTreeClassifier(max_depth=2).fit(X, costs)
    moved = PolicyTreeClassifier(max_depth=2).fit(X, costs.add(shift, axis=0))
    assert np.array_equal(plain.predict(X), moved.predict(X))


def test_one_column_is_the_right_action(data):
    X, costs = data
    best = costs.to_numpy().argmin(axis=1)
    labels = np.array(["call", "write", "wait"])[best]
    model = PolicyTreeClassifier(max_depth=2).fit(X, labels)
    wrong = treeml.OptimalTreeClassifier(max_depth=2, regularization=0).fit(X, labels)
    assert model.objective_ == pytest.approx(wrong.objective_, abs=1e-12)
    assert model.score(X, labels) == pytest.approx(1 - model.objective_, abs=1e-12)


def test_json_pickle_and_certificate(data, tmp_path):
    X, costs = data
    model = PolicyTreeClassifier(max_depth=2, regularization=0.01, max_leaf_nodes=3).fit(X, costs)
    model.save(tmp_path / "policy.json")
    read = treeml.load(tmp_path / "policy.json")
    kept = pickle.loads(pickle.dumps(model))
    for other in (read, kept):
        assert np.array_equal(other.predict(X), model.predict(X))
        assert other.certificate_ == model.certificate_
        assert other.objective_ == model.objective_
    assert read.get_params()["max_leaf_nodes"] == 3
    assert read.tree_ == model.tree_
    found = verify(model.to_json(), as_table(X), costs.to_numpy())
    assert found.ok, str(found)
    assert found.bound_checked, str(found)
    assert "3 actions" in model.certificate_.statement
    assert "Certificate of optimality" in model.certificate_.text()


def test_limits_warn_and_keep_a_bound(data):
    X, costs = data
    model = PolicyTreeClassifier(max_depth=4, binarizer=Binarizer(max_bins=20))
    with pytest.warns(SearchLimitWarning):
        model._set_stop(3).fit(X, costs)
    assert model.status_ == "time_limit"
    assert 0 <= model.lower_bound_ < model.objective_
    assert "Not proven optimal" in model.certificate_.statement
    with pytest.warns(SearchLimitWarning):
        model = PolicyTreeClassifier(max_depth=5, memory_limit=0).fit(X, costs)
    assert model.status_ == "memory_limit"


def test_rows_without_weight_have_no_say(data):
    X, costs = data
    weight = np.ones(len(X))
    weight[::3] = 0
    strange = costs.copy()
    strange.iloc[::3] = 1e6
    kept = weight > 0
    with_them = PolicyTreeClassifier(max_depth=2).fit(X, strange, weight)
    without = PolicyTreeClassifier(max_depth=2).fit(X[kept], costs[kept])
    assert with_them.objective_ == without.objective_
    assert with_them.tree_.predicates == without.tree_.predicates


def test_a_constant_table_is_one_leaf():
    costs = np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 1.0]])
    model = PolicyTreeClassifier().fit(np.ones((3, 2)), costs)
    assert model.n_leaves_ == 1
    assert model.predict([[1, 1]])[0] == 1
    assert model.status_ == "optimal"


@pytest.mark.parametrize("factor", [1e-280, 1e-30, 1e30, 1e290])
def test_the_unit_of_costs_does_not_matter(data, factor):
    X, costs = data
    plain = PolicyTreeClassifier(max_depth=2).fit(X, costs)
    scaled = PolicyTreeClassifier(max_depth=2).fit(X, costs * factor)
    assert np.array_equal(scaled.predict(X), plain.predict(X))
    assert scaled.objective_ == pytest.approx(plain.objective_ * factor, rel=1e-9, abs=0)


def test_costs_that_do_not_fit_together_are_refused():
    X = np.eye(3)
    with pytest.raises(ValueError, match="infinity"):
        PolicyTreeClassifier().fit(X, np.full((3, 2), 1e308))


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ([[1.0, 2.0], [3.0, np.nan], [1.0, 1.0]], "row 1, action 1"),
        ([[1.0, 2.0], [3.0, np.inf], [1.0, 1.0]], "row 1, action 1"),
        ([[1.0, 2.0], [3.0, 1.0]], "2 rows"),
        ([["a", "b"]] * 3, "must be numbers"),
        (np.ones((3, 2, 2)), "their shape is"),
    ],
)
def test_bad_costs_are_named(costs, words):
    with pytest.raises(ValueError, match=words):
        PolicyTreeClassifier().fit(np.eye(3), costs)


def test_other_actions_at_score_are_refused(data):
    X, costs = data
    model = PolicyTreeClassifier(max_depth=1).fit(X, costs)
    with pytest.raises(ValueError, match="2 actions, the tree 3"):
        model.score(X, costs.iloc[:, :2])
