"""Boosted trees as estimators."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.metrics import log_loss

import treeml
from tests.estimators.test_greedy import table_with_everything
from treeml import BoostedTreesClassifier, BoostedTreesRegressor


def test_rounds_lower_the_loss():
    X, y = load_breast_cancer(return_X_y=True)
    model = BoostedTreesClassifier(n_estimators=30).fit(X, y)
    assert (np.diff(model.train_loss_) < 0).all()
    before = BoostedTreesClassifier(n_estimators=29).fit(X, y)
    assert np.isclose(log_loss(y, before.predict_proba(X)), model.train_loss_[-1])


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_any_number_of_threads_gives_the_same_model(load):
    X, y = load(return_X_y=True)
    one, three = (BoostedTreesClassifier(n_estimators=8, n_jobs=n).fit(X, y) for n in (1, 3))
    assert one.ensemble_ == three.ensemble_
    assert np.allclose(one.predict_proba(X).sum(axis=1), 1)


def test_it_stops_at_the_lowest_validation_loss():
    X, y = load_diabetes(return_X_y=True)
    settings = {"learning_rate": 0.3, "validation_fraction": 0.3, "random_state": 0}
    model = BoostedTreesRegressor(n_estimators=300, n_iter_no_change=5, **settings).fit(X, y)
    best = int(np.argmin(model.validation_loss_))
    assert model.n_estimators_ == best == len(model.trees_)
    assert len(model.validation_loss_) == best + 6
    fewer = BoostedTreesRegressor(n_estimators=best, n_iter_no_change=best + 1, **settings)
    assert fewer.fit(X, y).ensemble_ == model.ensemble_


def test_a_time_limit_keeps_the_trees_so_far():
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(treeml.SearchLimitWarning, match="time_limit=0.0 .* 0 rounds are kept"):
        model = BoostedTreesRegressor(time_limit=0.0).fit(X, y)
    assert model.status_ == "time_limit"
    assert not model.trees_
    assert np.allclose(model.predict(X), y.mean())


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_mixed_columns_are_exported_as_they_predict(loss, tmp_path):
    X, y = table_with_everything()
    y = np.maximum(y, 0)
    model = BoostedTreesRegressor(loss=loss, n_estimators=12, max_depth=3).fit(X, y)
    assert model.score(X, y) > 0.7
    scope: dict = {}
    exec(model.to_python(), scope)
    rows = X.astype(object).where(X.notna(), None).to_dict("records")
    told = np.array([scope["predict"](row) for row in rows])
    assert np.allclose(told, model.predict(X), rtol=1e-15)
    model.save(tmp_path / "model.json")
    assert (treeml.load(tmp_path / "model.json").predict(X) == model.predict(X)).all()


def test_predictions_follow_a_monotone_column():
    X, y = table_with_everything(seed=3)
    model = BoostedTreesRegressor(monotonic_cst={"age": -1}, n_estimators=20).fit(X, y)
    sweep = X.loc[X.index.repeat(40)].reset_index(drop=True)
    sweep["age"] = np.tile(np.linspace(18, 80, 40), len(X))
    curves = model.predict(sweep).reshape(len(X), 40)
    assert (np.diff(curves, axis=1) <= 1e-12).all()


def test_scores_and_probabilities_agree():
    X, y = load_wine(return_X_y=True)
    model = BoostedTreesClassifier(n_estimators=5).fit(X, y)
    assert model.decision_function(X).shape == (len(y), 3)
    assert (model.predict(X) == model.classes_[model.predict_proba(X).argmax(axis=1)]).all()
    two = BoostedTreesClassifier(n_estimators=5).fit(X, y == 1)
    assert ((two.decision_function(X) > 0) == two.predict(X)).all()
