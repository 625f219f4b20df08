import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import treeml
from treeml import Binarizer, OptimalTreeClassifier, SearchLimitWarning
from treeml.datasets import load_german_credit


@pytest.fixture(scope="module")
def german():
    return load_german_credit()


@pytest.fixture(scope="module")
def model(german):
    return OptimalTreeClassifier(max_depth=3, regularization=0.005).fit(*german)


def test_useful_and_proven(model, german):
    X, y = german
    assert model.status_ == "optimal"
    assert model.gap_ == 0
    assert model.n_leaves_ > 2
    errors = (model.predict(X) != y).mean()
    assert errors + 0.005 * model.n_leaves_ == pytest.approx(model.objective_, abs=1e-12)
    assert np.array_equal(model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X))


def test_paths_lead_to_leaves(model, german):
    X, _ = german
    path = model.decision_path(X)
    leaf = model.apply(X)
    assert path.shape == (len(X), model.tree_.n_nodes)
    assert np.asarray(path[np.arange(len(X)), leaf]).all()
    depth = model.tree_.node_depth[leaf]
    assert np.array_equal(np.asarray(path.sum(axis=1)).ravel(), depth + 1)


def test_saved_model_predicts_alike(model, german, tmp_path):
    X, _ = german
    model.save(tmp_path / "m.json")
    again = treeml.load(tmp_path / "m.json")
    assert np.array_equal(again.predict(X), model.predict(X))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.certificate_ == model.certificate_
    assert again.to_json() == model.to_json()
    assert clone(again).get_params()["max_depth"] == 3


def test_pickle_leaves_the_data_behind(model, german):
    X, y = german
    fresh = OptimalTreeClassifier(max_depth=2).fit(X, y)
    text = pickle.dumps(fresh)
    assert len(text) < 60_000
    assert pickle.loads(text).certificate_.data_hash == fresh.certificate_.data_hash


def test_class_weight_moves_the_errors(german):
    X, y = german
    costly = OptimalTreeClassifier(max_depth=2, class_weight={"bad": 5, "good": 1}).fit(X, y)
    plain = OptimalTreeClassifier(max_depth=2).fit(X, y)
    missed = [(m.predict(X[y == "bad"]) == "good").sum() for m in (costly, plain)]
    assert missed[0] < missed[1]
    balanced = OptimalTreeClassifier(max_depth=2, class_weight="balanced").fit(X, y)
    assert balanced.tree_.class_weight == pytest.approx([1000 / 600, 1000 / 1400])
    with pytest.raises(ValueError, match="'ugly'"):
        OptimalTreeClassifier(class_weight={"ugly": 2}).fit(X, y)


def test_limit_warns_and_keeps_the_best(german):
    X, y = german
    stopped = OptimalTreeClassifier(max_depth=4, regularization=0.0)._set_stop(3)
    with pytest.warns(SearchLimitWarning, match="gap of"):
        stopped.fit(X, y)
    assert stopped.status_ == "time_limit"
    assert 0 <= stopped.lower_bound_ <= stopped.objective_ < 0.3
    assert "Not proven optimal" in stopped.certificate_.statement


def test_numbers_as_categories_survive_saving(tmp_path):
    X = np.array([[3, 1.5], [7, 2.5], [3, 0.5], [9, 1.0]] * 10)
    y = (X[:, 0] == 3).astype(int)
    model = OptimalTreeClassifier(binarizer=Binarizer(categorical_features=[0])).fit(X, y)
    assert np.array_equal(model.predict(X), y)
    model.save(tmp_path / "m.json")
    assert np.array_equal(treeml.load(tmp_path / "m.json").predict(X), y)


def test_missing_values_and_unseen_levels():
    X = pd.DataFrame({"a": [1.0, np.nan, 3.0, np.nan] * 6, "b": ["x", "y", None, "x"] * 6})
    y = X["a"].isna().to_numpy()
    model = OptimalTreeClassifier().fit(X, y)
    assert np.array_equal(model.predict(X), y)
    new = pd.DataFrame({"a": [np.nan, 2.0], "b": ["never seen", None]})
    assert model.predict(new).tolist() == [True, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X.drop(columns="purpose"), "purpose"),
        (lambda X: X.assign(duration_in_month="long"), "'duration_in_month', row 0"),
        (lambda X: X.assign(credit_amount=np.inf), "'credit_amount', row 0"),
    ],
)
def test_other_tables_at_predict(model, german, change, words):
    with pytest.raises(ValueError, match=words):
        model.predict(change(german[0]))


def test_pictures(model, tmp_path):
    model.plot().save(tmp_path / "tree.svg")
    assert "duration_in_month" in (tmp_path / "tree.svg").read_text()
    assert "<svg" in model._repr_mimebundle_()["text/html"]


def test_zero_one_matrix_is_taken_as_it_is():
    X = np.array([[0, 1, 1], [1, 1, 0], [0, 1, 0], [1, 1, 1]])
    model = OptimalTreeClassifier(regularization=0).fit(X, X[:, 0])
    assert [p.text() for p in model.binarizer_.predicates_] == ["x0 = 1", "x1 = 1", "x2 = 1"]
    assert model.status_ == "optimal"
    assert np.array_equal(model.predict(X), X[:, 0])
