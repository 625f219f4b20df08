"""Mixtures as estimators: what they find, refuse, keep and become."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from tests.routing.test_mixture import two_lines
from treeml import SearchLimitWarning, SMOSEClassifier, SMOSERegressor
from treeml.estimators.load import loads
from treeml.ir import LinearRouter
from treeml.routing import exact_tree


def test_experts_are_chosen_by_cross_validation():
    X, y = two_lines(300)
    model = SMOSERegressor(n_restarts=0, expert_l2=1.0, random_state=0).fit(X[:200], y[:200])
    assert model.n_experts_ >= 2
    assert model.score(X[200:], y[200:]) > 0.9
    assert model.usage_.sum() == pytest.approx(1)
    flat = SMOSERegressor(n_restarts=0, expert_l2=10.0).fit(
        X, X @ [1.0, 2.0, 3.0] + np.sin(50 * X[:, 0])
    )
    assert flat.n_experts_ == 1


def test_the_first_greatest_score_answers_alone():
    X, y = two_lines()
    model = SMOSERegressor(n_experts=3, expert_l2=1.0, random_state=0).fit(X, y)
    which = (X @ model.router_coef_.T + model.router_intercept_).argmax(axis=1)
    assert (model.route(X) == which).all()
    said = np.column_stack([X @ expert.coef[0] + expert.intercept[0] for expert in model.experts_])
    assert model.predict(X) == pytest.approx(said[np.arange(len(X)), which])
    assert isinstance(model.model_.router, LinearRouter)


def test_the_exact_tree_of_a_mixture_is_the_mixture():
    X, y = two_lines()
    model = SMOSERegressor(n_experts=3, expert_l2=1.0, random_state=0).fit(X, y)
    tree = exact_tree(model.model_)
    rows = np.random.default_rng(0).normal(size=(2000, 3)) * 2
    assert np.abs(tree.predict(rows) - model.predict(rows)).max() <= 1e-12


def test_router_and_experts_of_few_columns():
    X, y = two_lines(500)
    model = SMOSERegressor(
        n_experts=2, expert_l2=1.0, router_max_features=2, expert_max_features=1, random_state=0
    ).fit(X, y)
    assert np.flatnonzero(model.router_coef_.any(axis=0)).tolist() == [0, 1]
    assert all(np.count_nonzero(expert.coef) == 1 for expert in model.experts_)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("fit_by", ["em", "gradient"])
def test_balance_evens_out_the_use_of_experts(fit_by):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = np.where(X[:, 0] > 1.5, 5 * X[:, 1], X[:, 1])
    plain, even = (
        SMOSERegressor(
            n_experts=2, expert_l2=1.0, balance=b, fit_by=fit_by, n_restarts=0, random_state=0
        ).fit(X, y)
        for b in (0.0, 5.0)
    )
    assert even.usage_.min() > plain.usage_.min()


def test_a_sparsemax_gate_needs_the_gradient():
    X, y = two_lines()
    with pytest.raises(ValueError, match='gate="sparsemax" needs fit_by="gradient"'):
        SMOSERegressor(gate="sparsemax").fit(X, y)
    model = SMOSERegressor(
        n_experts=2, expert_l2=1.0, gate="sparsemax", fit_by="gradient", random_state=0
    ).fit(X, y)
    assert model.score(X, y) > 0.9


def test_more_experts_than_rows_and_constant_columns():
    X, y = two_lines(4)
    with pytest.raises(ValueError, match="9 experts need as many different rows, but there are 4"):
        SMOSERegressor(n_experts=9, expert_l2=1.0).fit(X, y)
    model = SMOSERegressor(n_experts=3).fit(np.ones((8, 2)), np.arange(8.0))
    assert model.n_experts_ == 1
    assert model.predict([[1, 1]]) == pytest.approx([3.5])
    with pytest.raises(ValueError, match="contains NaN"):
        SMOSERegressor().fit([[np.nan], [1.0]], [0.0, 1.0])


def test_weights_equal_repeats():
    X, y = two_lines(80)
    weight = np.random.default_rng(0).integers(0, 3, 80)
    asked = {"n_experts": 2, "expert_l2": 1.0, "random_state": 0}
    one = SMOSERegressor(**asked).fit(X, y, sample_weight=weight)
    other = SMOSERegressor(**asked).fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    assert one.predict(X) == pytest.approx(other.predict(X), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes(n_classes):
    X, y = two_lines(250)
    codes = np.digitize(y, [0.0] if n_classes == 2 else [-0.5, 0.5])
    names = np.array(["a", "b", "c"])[codes]
    model = SMOSEClassifier(n_experts=2, expert_l2=0.25, n_restarts=0).fit(X, names)
    assert model.score(X, names) > 0.9
    proba = model.predict_proba(X)
    assert proba.sum(axis=1) == pytest.approx(1)
    assert (model.classes_[proba.argmax(axis=1)] == model.predict(X)).all()


@pytest.mark.parametrize("kind", [SMOSERegressor, SMOSEClassifier])
def test_json_and_pickle_give_the_model_back(kind):
    X, y = two_lines(100)
    y = y if kind is SMOSERegressor else np.where(y > 0, "up", "down")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = kind(n_experts=2, expert_l2=1.0, random_state=0).fit(frame, y)
    assert model.model_.columns[0].name == "a"
    for back in (loads(model.to_json()), pickle.loads(pickle.dumps(model))):
        assert type(back) is kind
        assert (back.predict(frame) == model.predict(frame)).all()
        assert back.n_experts_ == model.n_experts_
        assert back.usage_.tolist() == model.usage_.tolist()


def test_a_time_limit_tries_fewer_starts_and_warns():
    X, y = two_lines(100)
    with pytest.warns(SearchLimitWarning, match="time_limit=0"):
        model = SMOSERegressor(n_experts=2, expert_l2=1.0, time_limit=0).fit(X, y)
    assert model.status_ == "time_limit"
    assert np.isfinite(model.predict(X)).all()
