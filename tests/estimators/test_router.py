from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

import treeml
from treeml import RouterTree
from treeml._core.validation import as_table
from treeml.certificate import verify


@pytest.fixture
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = np.where(X[:, 0] > 0, 3 * X[:, 1], -2 * X[:, 2]) + rng.normal(0, 0.1, 300)
    low = X[:, 0] <= 0
    experts = [LinearRegression().fit(X[rows], y[rows]) for rows in (low, ~low)]
    return X, y, experts


@pytest.fixture
def classes():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 2))
    y = np.where(X[:, 0] > 0, X[:, 1] > 0, X[:, 1] < 0).astype(int)
    sides = (X[:, 0] <= 0, X[:, 0] > 0)
    return X, y, [LogisticRegression().fit(X[rows], y[rows]) for rows in sides]


def test_never_worse_than_the_best_expert(regression):
    X, y, experts = regression
    rng = np.random.default_rng(2)
    for seed in range(20):
        arrays = [rng.normal(size=len(y)) for _ in range(int(rng.integers(1, 5)))]
        weight = rng.random(len(y)) if seed % 2 else None
        model = RouterTree(
            [*experts, *arrays],
            loss=["squared_error", "absolute_error"][seed % 2],
            max_depth=int(rng.integers(0, 4)),
            regularization=float(rng.choice([0, 0.1])),
            min_samples_leaf=int(rng.choice([1, 30])),
        ).fit(X, y, weight)
        least = model.expert_losses_.min()
        assert model.loss_ <= least * (1 + 1e-12)
        assert model.oracle_loss_ <= model.loss_ * (1 + 1e-12)
        assert model.regret_ <= model.best_regret_ + 1e-12
        assert model.advantage_ == pytest.approx(least - model.loss_, abs=1e-12)


def test_predictions_have_the_stated_loss(regression):
    X, y, experts = regression
    model = RouterTree([("low", experts[0]), ("high", experts[1])], max_depth=2).fit(X, y)
    assert np.mean((model.predict(X) - y) ** 2) == pytest.approx(model.loss_, rel=1e-12)
    assert model.tree_.actions.tolist() == ["low", "high"]
    answers = np.stack([expert.predict(X) for expert in experts], axis=1)
    assert np.array_equal(answers[np.arange(len(y)), model.route(X)], model.predict(X))
    assert model.loss_ < 0.1 * model.expert_losses_.min()
    report = model.report()
    assert "low: mean loss" in report
    assert "(best single)" in report
    assert "regret" in report


def test_arrays_stand_for_models(regression):
    X, y, experts = regression
    answers = [expert.predict(X) for expert in experts]
    by_models = RouterTree(experts, max_depth=2).fit(X, y)
    by_arrays = RouterTree(answers, max_depth=2).fit(X, y)
    assert by_arrays.tree_ == by_models.tree_
    assert np.array_equal(by_arrays.predict(X, predictions=answers), by_models.predict(X))
    with pytest.raises(ValueError, match="array of predictions"):
        by_arrays.predict(X)
    with pytest.raises(ValueError, match="1 predictions for 2 experts"):
        by_arrays.predict(X, predictions=answers[:1])


@pytest.mark.parametrize("loss", ["auto", "misclassification", "log_loss"])
def test_classifiers(classes, loss):
    X, y, experts = classes
    model = RouterTree(experts, loss=loss, max_depth=1).fit(X, y)
    where = model.route(X)
    if loss == "log_loss":
        proba = np.stack([e.predict_proba(X)[np.arange(len(y)), y] for e in experts], axis=1)
        assert model.loss_ == pytest.approx(
            np.mean(-np.log(proba[np.arange(len(y)), where])), rel=1e-12
        )
    else:
        assert model.loss_ == pytest.approx(np.mean(model.predict(X) != y), rel=1e-12)
    assert model.loss_ < model.expert_losses_.min()


def test_log_loss_of_arrays_and_strange_classes(classes):
    X, y, experts = classes
    proba = [expert.predict_proba(X) for expert in experts]
    by_models = RouterTree(experts, loss="log_loss").fit(X, y)
    assert RouterTree(proba, loss="log_loss").fit(X, y).tree_ == by_models.tree_
    second = [p[:, 1] for p in proba]
    assert RouterTree(second, loss="log_loss").fit(X, y).loss_ == pytest.approx(by_models.loss_)
    words = np.array(["no", "yes", "unknown"])
    y3 = y.copy()
    y3[0] = 2  # no expert knows this class: the greatest loss there is
    named = [LogisticRegression().fit(X, words[y]) for _ in range(2)]
    model = RouterTree(named, loss="log_loss").fit(X, words[y3])
    assert np.isfinite(model.loss_)
    assert model.loss_ > -np.log(1e-15) / len(y)


def test_a_loss_of_ones_own(regression):
    X, y, experts = regression
    model = RouterTree(experts, loss=lambda y, p: np.abs(y - p) ** 3, max_depth=1).fit(X, y)
    assert model.loss_ == pytest.approx(np.mean(np.abs(model.predict(X) - y) ** 3))
    with pytest.raises(ValueError, match="one value a row"):
        RouterTree(experts, loss=lambda y, p: 1.0).fit(X, y)
    with pytest.raises(ValueError, match="'expert 0', row 0: the loss is nan"):
        RouterTree(experts, loss=lambda y, p: y * np.nan).fit(X, y)


def test_frames_json_and_certificate(regression, tmp_path):
    X, y, _ = regression
    X = pd.DataFrame(X, columns=["a", "b", "c"])
    experts = [("b", LinearRegression().fit(X, y)), ("c", LinearRegression().fit(X[::2], y[::2]))]
    model = RouterTree(experts, max_depth=2).fit(X, y)
    model.save(tmp_path / "router.json")
    read = treeml.load(tmp_path / "router.json")
    assert isinstance(read, RouterTree)
    assert np.array_equal(read.route(X), model.route(X))
    losses = np.stack([(expert.predict(X) - y) ** 2 for _, expert in experts], axis=1)
    found = verify(model.to_json(), as_table(X), losses)
    assert found.ok, str(found)
    assert found.bound_checked, str(found)
    assert "THEN 'b'" in model.to_sql()


def test_frozen_experts_survive_a_clone(regression):
    X, y, experts = regression
    router = RouterTree([FrozenEstimator(expert) for expert in experts], max_depth=1)
    plain = RouterTree(experts, max_depth=1).fit(X, y)
    assert np.array_equal(clone(router).fit(X, y).predict(X), plain.predict(X))


@pytest.mark.parametrize(
    ("experts", "y", "words"),
    [
        (None, [0.0, 1.0, 2.0], "no experts"),
        ([[0.0, 1.0]], [0.0, 1.0, 2.0], "predicts 2 rows"),
        ([np.zeros((3, 2))], [0.0, 1.0, 2.0], "shape"),
        ([["a", "b", "c"]], [0.0, 1.0, 2.0], "must be numbers"),
        ([("a", np.zeros(3)), ("a", np.zeros(3))], [0.0, 1.0, 2.0], "same name"),
        ([np.zeros(3)], [[0.0], [1.0], [2.0]], "one value for each row"),
    ],
)
def test_bad_experts_are_named(experts, y, words):
    with pytest.raises(ValueError, match=words):
        RouterTree(experts, loss="squared_error").fit(np.eye(3), y)
