"""Greedy trees as estimators: scikit-learn's parameters mean what they mean there."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import treeml
from treeml import GreedyTreeClassifier, GreedyTreeRegressor
from treeml.datasets import load_german_credit


@pytest.fixture(scope="module")
def german():
    return load_german_credit()


def table_with_everything(n=300, seed=0):
    """Numbers with gaps, levels, booleans, an ordered category, 0/1, and a target of them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.integers(18, 80, n)),
            "job": pd.Series(rng.choice(["clerk", "nurse", "pilot", "cook"], n)).where(
                rng.random(n) > 0.1
            ),
            "member": rng.random(n) < 0.5,
            "size": pd.Categorical(
                rng.choice(["S", "M", "L"], n), categories=["S", "M", "L"], ordered=True
            ),
            "paid": rng.integers(0, 2, n),
        }
    )
    score = X["age"].fillna(70) / 40 + X["job"].isin(["nurse", "cook"]) + X["paid"]
    return X, score + rng.normal(0, 0.3, n)


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_the_pruning_path_is_that_of_scikit_learn(load, criterion):
    X, y = load(return_X_y=True)
    X = X.astype(np.float32).astype(np.float64)
    size = {"criterion": criterion, "max_depth": 3, "min_samples_leaf": 5}
    ours = GreedyTreeClassifier(**size).cost_complexity_pruning_path(X, y)
    theirs = DecisionTreeClassifier(**size, random_state=0).cost_complexity_pruning_path(X, y)
    assert np.allclose(ours.ccp_alphas, theirs.ccp_alphas)
    assert np.allclose(ours.impurities, theirs.impurities)
    assert ours.n_leaves[-1] == 1
    for alpha, n_leaves in zip(ours.ccp_alphas, ours.n_leaves, strict=True):
        assert GreedyTreeClassifier(ccp_alpha=alpha + 1e-12, **size).fit(X, y).n_leaves_ == n_leaves


def test_the_pruning_path_of_a_regression_tree():
    X, y = load_diabetes(return_X_y=True)
    X = X.astype(np.float32).astype(np.float64)
    ours = GreedyTreeRegressor(max_leaf_nodes=30).cost_complexity_pruning_path(X, y)
    theirs = DecisionTreeRegressor(max_leaf_nodes=30, random_state=0)
    theirs = theirs.cost_complexity_pruning_path(X, y)
    assert np.allclose(ours.ccp_alphas, theirs.ccp_alphas)
    assert np.allclose(ours.impurities, theirs.impurities)


def test_importances_are_those_of_scikit_learn():
    X, y = load_diabetes(return_X_y=True)
    X = X.astype(np.float32).astype(np.float64)
    ours = GreedyTreeRegressor(max_depth=3).fit(X, y)
    theirs = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, y)
    assert np.allclose(ours.feature_importances_, theirs.feature_importances_)
    assert np.allclose(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.2])
def test_limits_on_weight(german, limit):
    X, y = german
    weight = np.random.default_rng(0).exponential(size=len(y))
    model = GreedyTreeClassifier(min_weight_fraction_leaf=limit, max_leaf_nodes=20)
    model.fit(X, y, sample_weight=weight)
    shares = np.bincount(model.apply(X), weight)[model.tree_.leaves] / weight.sum()
    assert shares.min() >= limit - 1e-12


def test_any_number_of_threads_gives_the_same_tree(german):
    X, y = german
    trees = [GreedyTreeClassifier(n_jobs=n).fit(X, y).tree_ for n in (1, 2, 3)]
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
def test_mixed_columns_and_missing_values(criterion, tmp_path):
    X, y = table_with_everything()
    y = np.maximum(y, 0) if criterion == "poisson" else y
    model = GreedyTreeRegressor(criterion=criterion, min_samples_leaf=10).fit(X, y)
    assert model.score(X, y) > 0.7
    scope: dict = {}
    exec(model.to_python(), scope)
    rows = X.astype(object).where(X.notna(), None).to_dict("records")
    assert [scope["predict"](row) for row in rows] == model.predict(X).tolist()
    model.save(tmp_path / "model.json")
    again = treeml.load(tmp_path / "model.json")
    assert (again.predict(X) == model.predict(X)).all()
    assert again.get_params() == model.get_params()


def test_a_classifier_is_saved_and_read(tmp_path):
    X, y = table_with_everything()
    labels = np.where(y > np.median(y), "high", "low")
    model = GreedyTreeClassifier(max_leaf_nodes=7, class_weight="balanced").fit(X, labels)
    model.save(tmp_path / "model.json")
    again = treeml.load(tmp_path / "model.json")
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert again.to_sql() == model.to_sql()


@pytest.mark.parametrize("seed", range(6))
def test_alternation_never_raises_the_error(seed):
    rng = np.random.default_rng(seed)
    X, score = table_with_everything(seed=seed)
    weight = rng.integers(0, 4, len(X))
    leaf = int(rng.integers(1, 12))
    if seed % 2:
        y = score
        kind: type = GreedyTreeRegressor
    else:
        y = np.digitize(score, np.quantile(score, [0.3, 0.6]))
        kind = GreedyTreeClassifier
    plain = kind(max_depth=3, min_samples_leaf=leaf).fit(X, y, sample_weight=weight)
    better = kind(max_depth=3, min_samples_leaf=leaf, n_alternations=10)
    better.fit(X, y, sample_weight=weight)
    objectives = better.objectives_
    assert all(a >= b - 1e-12 for a, b in pairwise(objectives))
    wrong = [(m.predict(X) - y) ** 2 if seed % 2 else m.predict(X) != y for m in (plain, better)]
    errors = [np.average(w, weights=weight) for w in wrong]
    assert np.isclose(errors[0], objectives[0])
    assert np.isclose(errors[1], objectives[-1])
    rows = np.bincount(better.apply(X)[weight > 0], minlength=better.tree_.n_nodes)
    assert rows[better.tree_.leaves].min() >= min(leaf, (weight > 0).sum())
    assert better.tree_.depth <= 3


def test_alternation_finds_what_greedy_growth_misses():
    rng = np.random.default_rng(0)
    X = rng.random((400, 3))
    y = (X[:, 0] > 0.5) ^ (X[:, 1] > 0.5)
    errors = [
        1 - GreedyTreeClassifier(max_depth=2, n_alternations=n).fit(X, y).score(X, y)
        for n in (0, 20)
    ]
    assert errors[1] < errors[0]


def test_what_cannot_be_asked_for(german):
    X, y = german
    with pytest.raises(ValueError, match="no column is called 'salary'"):
        GreedyTreeClassifier(monotonic_cst={"salary": 1}).fit(X, y)
    with pytest.raises(ValueError, match="have no order"):
        GreedyTreeClassifier(monotonic_cst={"purpose": 1}).fit(X, y)
    with pytest.raises(ValueError, match="needs two classes, y has 3"):
        GreedyTreeClassifier(monotonic_cst={"age_in_years": 1}).fit(X, np.arange(len(y)) % 3)
    with pytest.raises(ValueError, match="row 1 has -1"):
        GreedyTreeRegressor(criterion="poisson").fit([[1.0], [2.0]], [1, -1])
    with pytest.raises(ValueError, match="names the class 'ugly'"):
        GreedyTreeClassifier(class_weight={"ugly": 2}).fit(X, y)
    with pytest.raises(ValueError, match="must be 0 with monotonic_cst"):
        GreedyTreeClassifier(monotonic_cst={"age_in_years": 1}, n_alternations=2).fit(X, y)
