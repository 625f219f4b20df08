"""Linear-leaf trees as estimators: what they predict, refuse, keep and export."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris

from treeml import LinearTreeClassifier, LinearTreeRegressor, SearchLimitWarning, ir
from treeml._core.validation import as_table
from treeml.estimators.load import loads


def regimes(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four linear regimes behind two questions, the first of which gains nothing alone."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 5))
    sign = np.where((X[:, 0] > 0.1) ^ (X[:, 1] > -0.2), 3.0, -3.0)
    return X, sign * X[:, 2] + X[:, 3] + 0.1 * rng.normal(size=n)


def mixed(n: int = 300, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.uniform(18, 80, n).round()),
            "town": rng.choice(["A", "B", "C", "D"], n),
            "grade": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"], ordered=True
            ),
            "member": rng.random(n) < 0.5,
            "flag": rng.integers(0, 2, n),
        }
    )
    slope = frame.town.map({"A": 2.0, "B": -2.0, "C": 2.0, "D": 0.0}).to_numpy()
    y = slope * frame["size"].to_numpy() + np.where(frame.age.isna(), 4.0, 0.0) + frame.flag
    return frame, y.to_numpy() + 0.1 * rng.normal(size=n)


def test_regimes_that_one_split_does_not_show_are_found():
    X, y = regimes()
    model = LinearTreeRegressor().fit(X[:400], y[:400])
    assert model.n_leaves_ == 4
    assert model.score(X[400:], y[400:]) > 0.98
    greedy = LinearTreeRegressor(solver="greedy", max_leaf_nodes=4).fit(X[:400], y[:400])
    assert greedy.score(X[400:], y[400:]) < model.score(X[400:], y[400:]) - 0.03


def test_one_leaf_is_the_linear_model_and_is_chosen_for_linear_data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 4))
    y = X @ [1.0, -2.0, 0.0, 3.0] + 5 + rng.normal(size=300)
    model = LinearTreeRegressor().fit(X, y)
    assert model.n_leaves_ == 1
    coef = model.model_.experts[0].coef[0]
    assert np.abs(coef - [1.0, -2.0, 0.0, 3.0]).max() < 0.2


@pytest.mark.parametrize("solver", ["greedy", "polish", "regrow", "exact"])
def test_training_loss_falls_with_leaves(solver):
    X, y = load_diabetes(return_X_y=True)
    made = [
        LinearTreeRegressor(max_leaf_nodes=k, l2=1.0, solver=solver).fit(X, y) for k in (1, 2, 3, 4)
    ]
    objectives = [model.objective_ for model in made]
    assert all(a >= b for a, b in itertools.pairwise(objectives))
    assert objectives[0] <= 1
    if solver != "exact":
        return
    for model in made[1:]:
        assert model.gap_ == 0
        certificate = model.certificate_
        assert "grid of" in certificate.statement
        assert certificate.statement.startswith("Optimal in penalised squared error")
        assert certificate.lower_bound == pytest.approx(model.objective_)


def test_searches_are_no_worse_than_growth_and_the_exact_one_is_the_best_of_its_grid():
    X, y = regimes(300)
    loss = {
        solver: LinearTreeRegressor(
            max_leaf_nodes=4, max_depth=2, l2=1.0, solver=solver, max_cuts=8
        )
        .fit(X, y)
        .objective_
        for solver in ("greedy", "polish", "regrow", "exact")
    }
    assert loss["polish"] <= loss["greedy"]
    assert loss["regrow"] <= loss["polish"] * (1 + 1e-9)
    assert loss["exact"] < loss["greedy"]


def test_a_raw_table_with_categories_and_missing_values():
    X, y = mixed()
    model = LinearTreeRegressor(max_leaf_nodes=6).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.9
    text = model.to_text()
    assert "town in {" in text
    assert "age" not in {X.columns[j] for expert in model.model_.experts for j in expert.read}
    assert np.allclose(
        model.predict(X), model.model_.predict(as_table(X, like=model.model_.columns))
    )
    unseen = X[:3].assign(town=["Z", None, "A"])
    assert np.isfinite(model.predict(unseen)).all()


def test_a_value_that_leaves_multiply_must_be_there():
    X, y = mixed()
    model = LinearTreeRegressor(max_leaf_nodes=3).fit(X, y)
    broken = X.copy()
    broken.loc[4, "size"] = np.nan
    with pytest.raises(ValueError, match="column 'size', row 4: the value is missing"):
        model.predict(broken)


def test_constant_collinear_and_few_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 20))
    X[:, 3] = 7.0
    X[:, 5] = 2 * X[:, 4] + 1
    y = X[:, 0] + X[:, 4]
    model = LinearTreeRegressor(max_leaf_nodes=3, l2=0.1).fit(X, y)
    coef = np.array([expert.coef[0] for expert in model.model_.experts])
    assert np.isfinite(model.predict(X)).all()
    assert not coef[:, 3].any()
    nothing = LinearTreeRegressor().fit(np.ones((10, 2)), np.arange(10.0))
    assert nothing.predict([[1, 1]]) == pytest.approx([4.5])


def test_weights_equal_repeats():
    rng = np.random.default_rng(3)
    X, y = regimes(120)
    weight = rng.integers(0, 4, 120)
    weighted = LinearTreeRegressor(max_leaf_nodes=4).fit(X, y, sample_weight=weight)
    repeated = LinearTreeRegressor(max_leaf_nodes=4).fit(
        np.repeat(X, weight, 0), np.repeat(y, weight)
    )
    assert weighted.l2_ == repeated.l2_
    assert weighted.predict(X) == pytest.approx(repeated.predict(X), rel=1e-6)


def test_predictions_stay_near_the_training_range_of_their_leaf():
    X, y = regimes()
    model = LinearTreeRegressor(max_leaf_nodes=4, clip_margin=0.0).fit(X, y)
    far = model.predict(X * 100)
    assert far.min() >= y.min()
    assert far.max() <= y.max()
    assert LinearTreeRegressor(max_leaf_nodes=4, clip_margin=None).fit(X, y).model_.clip is None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes(n_classes):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (700, 4))
    score = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1]) * 4 + 0.3 * rng.normal(size=700)
    y = np.digitize(score, [0.0] if n_classes == 2 else [-1.0, 1.0])
    names = np.array(["no", "perhaps", "yes"])[y]
    model = LinearTreeClassifier().fit(X[:500], names[:500])
    assert model.n_leaves_ >= 2
    assert model.score(X[500:], names[500:]) > 0.85
    proba = model.predict_proba(X)
    assert proba.sum(axis=1) == pytest.approx(1)
    assert (model.classes_[proba.argmax(axis=1)] == model.predict(X)).all()
    assert model.model_.link == ("logistic" if n_classes == 2 else "softmax")


def test_class_weights_are_row_weights():
    X, y = load_iris(return_X_y=True)
    y = (y == 1).astype(int)
    rows = np.where(y == 1, 3.0, 1.0)
    one = LinearTreeClassifier(max_leaf_nodes=2, l2=1.0, class_weight={1: 3.0}).fit(X, y)
    other = LinearTreeClassifier(max_leaf_nodes=2, l2=1.0).fit(X, y, sample_weight=rows)
    assert one.predict_proba(X) == pytest.approx(other.predict_proba(X))
    with pytest.raises(ValueError, match="class_weight of 0 is 0"):
        LinearTreeClassifier(class_weight={0: 0.0}).fit(X, y)


@pytest.mark.parametrize("kind", [LinearTreeRegressor, LinearTreeClassifier])
@pytest.mark.parametrize("solver", ["polish", "exact"])
def test_json_and_pickle_give_the_model_back(kind, solver):
    X, y = mixed()
    if kind is LinearTreeClassifier:
        y = np.where(y > np.median(y), "high", "low")
    model = kind(max_leaf_nodes=3, l2=1.0, solver=solver).fit(X, y)
    for back in (loads(model.to_json()), pickle.loads(pickle.dumps(model))):
        assert type(back) is kind
        assert (back.predict(X) == model.predict(X)).all()
        assert back.objective_ == model.objective_
        assert back.model_ == model.model_
        assert back.n_leaves_ == model.n_leaves_
    if solver == "exact":
        assert loads(model.to_json()).certificate_ == model.certificate_
    else:
        with pytest.raises(AttributeError, match='solver="polish" proves nothing'):
            _ = model.certificate_


def test_python_says_what_predict_says():
    X, y = regimes(200)
    model = LinearTreeRegressor(max_leaf_nodes=3, l2=1.0).fit(X, y)
    space: dict = {}
    exec(model.to_python(), space)
    names = [column.name for column in model.model_.columns]
    got = [space["predict"](dict(zip(names, row, strict=True))) for row in X[:20].tolist()]
    assert got == model.predict(X[:20]).tolist()
    assert isinstance(model.model_, ir.RoutedModel)


def test_a_time_limit_keeps_the_best_and_warns():
    X, y = regimes(400)
    with pytest.warns(SearchLimitWarning, match="time_limit=0"):
        model = LinearTreeRegressor(max_leaf_nodes=4, l2=1.0, time_limit=0).fit(X, y)
    assert model.status_ == "time_limit"
    assert np.isfinite(model.predict(X)).all()
    with pytest.warns(SearchLimitWarning, match="rest on the folds that were completed"):
        chosen = LinearTreeRegressor(time_limit=0).fit(X, y)
    assert chosen.n_leaves_ == 1
    assert chosen.status_ == "time_limit"
    with pytest.warns(SearchLimitWarning, match="gap"):
        exact = LinearTreeRegressor(l2=1.0, solver="exact", max_leaf_nodes=4, time_limit=0).fit(
            X, y
        )
    assert exact.lower_bound_ <= exact.objective_
    assert "before the proof was complete" in exact.certificate_.statement


def test_what_cannot_be_asked_for():
    X, y = regimes(50)
    with pytest.raises(ValueError, match="max_depth of at most 3, not 4"):
        LinearTreeRegressor(solver="exact", max_depth=4).fit(X, y)
    with pytest.raises(AttributeError):
        _ = LinearTreeRegressor().fit(X, y).predict_proba
