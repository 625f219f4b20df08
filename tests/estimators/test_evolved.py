"""Evolved trees as estimators: seeds, weights, metrics of users, proofs, exports."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.oracle.brute_force import optimal_cost, tree_faults
from treeml import Binarizer, SearchLimitWarning, ir
from treeml.datasets import load_german_credit
from treeml.estimators import evolved
from treeml.estimators.evolved import EvolvedTreeClassifier
from treeml.estimators.evolved_regressor import EvolvedTreeRegressor
from treeml.search.leaf_scores import CLASS_METRICS, VALUE_METRICS
from treeml.search.proposers import CallableProposer, GeneticProposer, ReplayProposer

SMALL = {"population_size": 10, "n_generations": 4, "min_samples_leaf": 3, "time_limit": None}


TINY = {"population_size": 4, "n_generations": 1, "min_samples_leaf": 1}
PLAIN = SMALL | {"soft_labels": 0.0}


def expected_failures(estimator):
    """One check has class weights of 1000 and .0001, on which an AUC does not depend."""
    if getattr(estimator, "scoring", None) != "roc_auc":
        return {}
    return {"check_class_weight_classifiers": "corners without the heavy class keep their label"}


@parametrize_with_checks(
    [
        EvolvedTreeClassifier(soft_labels=0.0, **TINY),
        EvolvedTreeClassifier(
            scoring="accuracy",
            regularization=0.01,
            class_weight="balanced",
            binarizer=Binarizer(max_bins=4),
            **TINY,
        ),
        EvolvedTreeRegressor(**TINY),
        EvolvedTreeRegressor(scoring="absolute_error", **TINY),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimator_check(estimator, check):
    check(estimator)


def table(seed=0, n_rows=150):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_rows)
    X = pd.DataFrame(
        {
            "age": (40 + 8 * y + 12 * rng.normal(size=n_rows)).round(),
            "income": np.where(rng.random(n_rows) < 0.1, np.nan, rng.gamma(2.0, 1e3, n_rows)),
            "job": np.array(["clerk", "cook", "none"])[rng.integers(0, 3, n_rows)],
            "smoker": rng.integers(0, 2, n_rows),
        }
    )
    return X, np.array(["no", "yes"])[y]


@pytest.mark.parametrize("scoring", sorted(CLASS_METRICS))
def test_score_is_that_of_the_predictions(scoring):
    for seed in range(2):
        X, y = table(seed)
        model = EvolvedTreeClassifier(scoring=scoring, random_state=seed, **PLAIN).fit(X, y)
        again = EvolvedTreeClassifier(scoring=scoring, random_state=seed, **PLAIN).fit(X, y)
        assert model.tree_ == again.tree_
        proba, label = model.predict_proba(X), model.predict(X)
        yes = y == "yes"
        expected = {
            "accuracy": metrics.accuracy_score(y, label),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, label),
            "f1": metrics.f1_score(yes, label == "yes"),
            "log_loss": -metrics.log_loss(y, proba),
            "roc_auc": metrics.roc_auc_score(yes, proba[:, 1]),
            "average_precision": metrics.average_precision_score(yes, proba[:, 1]),
        }[scoring]
        assert model.score_ == pytest.approx(expected)
        assert model.objective_ >= max(model.seed_scores_.values())
        assert model.n_leaves_ == model.tree_.n_leaves <= 8
        assert model.tree_.depth <= 4
        assert model.tree_.counts[model.tree_.leaves].sum(axis=1).min() >= 3
        assert (model.gap_ is None) == (scoring != "accuracy")
        assert "gap" in model.proof_


def test_never_below_scikit_learn_over_the_same_questions():
    for seed in range(5):
        X, y = table(seed)
        binarizer = Binarizer(max_bins=16)
        answers = binarizer.fit(X, y).transform(X)
        cart = DecisionTreeClassifier(max_leaf_nodes=6, min_samples_leaf=3, random_state=0)
        theirs = cart.fit(answers, y).predict_proba(answers)[:, 1]
        model = EvolvedTreeClassifier(
            max_depth=None, max_leaf_nodes=6, binarizer=binarizer, **PLAIN
        ).fit(X, y)
        assert model.score_ >= metrics.roc_auc_score(y, theirs) - 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_gap_to_the_optimum_against_brute_force(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (30, 5))
    y = (X[:, 0] ^ X[:, 1]) ^ (rng.random(30) < 0.25)
    weight = rng.integers(1, 4, 30) if seed % 2 else np.ones(30, dtype=int)
    depth, leaves, least = 2 + seed % 2, 4 + seed % 3, 1
    cost = optimal_cost(
        X.tolist(), y.astype(int).tolist(), weight.tolist(), 2, depth, 0, 1, least, [1, 1], leaves
    )
    best = 1 - cost / weight.sum()
    options = {"scoring": "accuracy", "max_depth": depth, "max_leaf_nodes": leaves}
    options |= PLAIN | {"min_samples_leaf": least}
    model = EvolvedTreeClassifier(**options).fit(X, y, weight)
    assert model.score_ == pytest.approx(best, abs=1e-12)
    assert model.gap_ == pytest.approx(0, abs=1e-9)
    assert model.status_ == "optimal"
    assert not tree_faults(model.tree_, X.tolist(), weight.tolist(), depth, least, leaves)
    monkeypatch.setattr(evolved, "_PROOF_POLLS", 0)  # the bound stays below the optimum
    model = EvolvedTreeClassifier(**options).fit(X, y, weight)
    assert model.score_ <= best + 1e-12
    true_gap = (best - model.score_) / max(1 - model.score_, 1e-9)
    assert model.gap_ >= true_gap - 1e-9


def profit(y_true, prediction, sample_weight=None):
    """A good customer who is taken brings 1, a bad one costs 3: nothing that adds up by class."""
    weight = np.ones(len(y_true)) if sample_weight is None else sample_weight
    taken = prediction > 0.6
    return float((weight * taken * np.where(y_true == "yes", 1.0, -3.0)).sum() / weight.sum())


def test_metrics_of_users():
    X, y = table()
    model = EvolvedTreeClassifier(scoring=profit, **PLAIN).fit(X, y)
    assert model.score_ == pytest.approx(profit(y, model.predict_proba(X)[:, 1]))
    assert model.gap_ is None
    assert "profit" in model.proof_
    weight = np.random.default_rng(0).integers(1, 4, len(y))
    for weights, by_class in itertools.product((None, weight), (None, {"yes": 2.0, "no": 1.0})):
        options = PLAIN | {"class_weight": by_class}
        named = EvolvedTreeClassifier(scoring="roc_auc", **options).fit(X, y, weights)
        mine = EvolvedTreeClassifier(scoring=metrics.roc_auc_score, **options).fit(X, y, weights)
        assert mine.score_ == pytest.approx(named.score_)
    labels = EvolvedTreeClassifier(
        scoring=metrics.balanced_accuracy_score, response_method="predict", **PLAIN
    ).fit(X, y)
    assert labels.score_ == pytest.approx(metrics.balanced_accuracy_score(y, labels.predict(X)))


def test_several_classes_and_folds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
    model = EvolvedTreeClassifier(**PLAIN).fit(X, y)
    expected = metrics.roc_auc_score(y, model.predict_proba(X), multi_class="ovr")
    assert model.score_ == pytest.approx(expected)

    def entropy(y_true, prediction):
        assert prediction.shape == (len(y_true), 3)
        return -metrics.log_loss(y_true, prediction, labels=[0, 1, 2])

    mine = EvolvedTreeClassifier(scoring=entropy, n_folds=3, **PLAIN).fit(X, y)
    named = EvolvedTreeClassifier(scoring="log_loss", n_folds=3, **PLAIN).fit(X, y)
    assert mine.score_ == pytest.approx(named.score_)
    folded = EvolvedTreeClassifier(scoring="accuracy", n_folds=4, **PLAIN).fit(X, y)
    assert folded.gap_ is None
    assert "folds" in folded.proof_


def test_soft_labels_choose_the_tree_and_true_ones_its_values():
    X, y = table()
    model = EvolvedTreeClassifier(soft_labels=0.6, **SMALL).fit(X, y)
    assert model.tree_ == EvolvedTreeClassifier(soft_labels=0.6, **SMALL).fit(X, y).tree_
    assert model.tree_.counts[0].tolist() == [(y == "no").sum(), (y == "yes").sum()]
    leaf = model.apply(X)
    share = [(y[leaf == at] == "yes").mean() for at in leaf]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], share)
    with pytest.raises(ValueError, match="score by name"):
        EvolvedTreeClassifier(soft_labels=0.6, scoring=profit).fit(X, y)
    constant = EvolvedTreeClassifier(soft_labels=0.6, **SMALL).fit(np.ones((20, 2)), [0, 1] * 10)
    assert constant.n_leaves_ == 1


def test_weights_are_repeats():
    X, y = table()
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    options = PLAIN | {"min_samples_leaf": 1}
    weighted = EvolvedTreeClassifier(**options).fit(X, y, weight)
    repeated = EvolvedTreeClassifier(**options).fit(X.loc[X.index.repeat(weight)], y.repeat(weight))
    assert weighted.tree_ == repeated.tree_


def test_the_smallest_trees():
    X, y = table()
    for limits in ({"max_depth": 0}, {"max_leaf_nodes": 1}, {"min_samples_leaf": 150}):
        assert EvolvedTreeClassifier(**(SMALL | limits)).fit(X, y).n_leaves_ == 1
    for limits in ({"max_depth": 1}, {"max_leaf_nodes": 2}, {"min_samples_leaf": 60}):
        assert EvolvedTreeClassifier(**(SMALL | limits)).fit(X, y).n_leaves_ == 2
    deep = {"max_depth": None, "max_leaf_nodes": None, "regularization": 0.01}
    model = EvolvedTreeClassifier(**(SMALL | deep)).fit(X, y)
    assert model.objective_ == pytest.approx(model.score_ - 0.01 * model.n_leaves_)


def test_no_question_and_one_class():
    for model in (EvolvedTreeClassifier(**PLAIN), EvolvedTreeClassifier(scoring="f1", **PLAIN)):
        constant = model.fit(np.ones((20, 2)), [0, 1] * 10)
        assert constant.n_leaves_ == 1
        assert (
            EvolvedTreeClassifier(**PLAIN).fit(np.eye(20), ["a"] * 20).predict(np.eye(20)).tolist()
            == ["a"] * 20
        )
    assert EvolvedTreeRegressor(**SMALL).fit(np.ones((20, 2)), np.arange(20)).n_leaves_ == 1


@pytest.mark.parametrize("scoring", VALUE_METRICS)
@pytest.mark.parametrize("weighted", [False, True])
def test_regression_scores_are_those_of_the_predictions(scoring, weighted):
    rng = np.random.default_rng(0)
    X, _ = table()
    y = X["age"].to_numpy() * (X["job"] == "cook") + rng.normal(1e4, 1.0, len(X))
    weight = rng.integers(1, 4, len(y)) if weighted else None
    model = EvolvedTreeRegressor(scoring=scoring, **SMALL).fit(X, y, weight)
    one = {
        "r2": metrics.r2_score,
        "squared_error": lambda *a, **k: -metrics.mean_squared_error(*a, **k),
        "absolute_error": lambda *a, **k: -metrics.mean_absolute_error(*a, **k),
    }[scoring]
    assert model.score_ == pytest.approx(one(y, model.predict(X), sample_weight=weight))
    assert model.objective_ >= max(model.seed_scores_.values())
    assert model.gap_ is None
    assert model.tree_.criterion in ("squared_error", "absolute_error")
    if scoring == "r2":
        mine = EvolvedTreeRegressor(scoring=metrics.r2_score, **SMALL).fit(X, y, weight)
        assert mine.score_ == pytest.approx(model.score_)
        folded = EvolvedTreeRegressor(n_folds=3, **SMALL).fit(X, y, weight)
        assert folded.score_ < model.score_ + 0.1


def test_a_recorded_run_is_replayed_offline(tmp_path):
    X, y = table()
    genetic = GeneticProposer()
    told = []

    def fn(parents, task, k, rng):
        told.append(json.dumps(task.to_dict()))
        return [*genetic.propose(parents, task, k, rng), {"if": "age"}]

    path = tmp_path / "proposals.jsonl"
    model = EvolvedTreeClassifier(proposer=CallableProposer(fn), record=path, **PLAIN).fit(X, y)
    assert model.rejections_["not a tree"] == SMALL["n_generations"]
    assert json.loads(told[0])["classes"] == ["no", "yes"]
    for source in (path, model.proposals_):
        replayed = EvolvedTreeClassifier(
            proposer=ReplayProposer(source), random_state=5, **(PLAIN | {"population_size": 10})
        )
        seeded = replayed.set_params(random_state=0).fit(X, y)
        assert seeded.tree_ == model.tree_
        assert seeded.fit(X, y).tree_ == model.tree_  # a replay starts again
    recorded = EvolvedTreeClassifier(record=path, **PLAIN).fit(X, y)
    assert recorded.proposals_ is None
    again = EvolvedTreeClassifier(proposer=ReplayProposer(path), **PLAIN).fit(X, y)
    assert again.tree_ == recorded.tree_
    assert recorded.origin_.split(":")[0] in ("seed", "genetic")
    assert all(entry.origin for entry in recorded.origins_)


def test_limits_warn_and_keep_the_best(capsys):
    X, y = table()
    whole = EvolvedTreeClassifier(**PLAIN).fit(X, y)
    with pytest.warns(SearchLimitWarning, match="generation 1 of 4"):
        cut = EvolvedTreeClassifier(**PLAIN)._set_stop(5).fit(X, y)
    assert max(cut.seed_scores_.values()) <= cut.score_ <= whole.score_
    assert cut.status_ == "time_limit"

    def fn(*_):
        raise KeyboardInterrupt

    model = EvolvedTreeClassifier(proposer=CallableProposer(fn), verbose=1, **PLAIN)
    with pytest.warns(SearchLimitWarning, match="interrupted"):
        model.fit(X, y)
    assert model.predict(X).shape == y.shape
    assert "generation    0" in capsys.readouterr().err


def test_exports():
    X, y = load_german_credit()
    model = EvolvedTreeClassifier(max_leaf_nodes=5, population_size=10, n_generations=2).fit(X, y)
    assert len(model.rules()) == model.n_leaves_
    assert "if " in model.to_text()
    assert "CASE" in model.to_sql()
    assert "def " in model.to_python()
    assert "<svg" in model.plot()._repr_html_()
    tree, extra = ir.load(model.to_json())
    assert tree == model.tree_
    restored = EvolvedTreeClassifier._restored(tree, extra)
    assert restored.score_ == model.score_
    np.testing.assert_array_equal(restored.predict(X), model.predict(X))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    values = EvolvedTreeRegressor(population_size=10, n_generations=2).fit(X, np.arange(1000.0))
    assert "rows" in values.to_text()
    restored = EvolvedTreeRegressor._restored(*ir.load(values.to_json()))
    np.testing.assert_array_equal(restored.predict(X), values.predict(X))
