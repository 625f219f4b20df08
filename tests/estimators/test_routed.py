"""Routed models read from files."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import treeml
from treeml._core.table import ColumnType
from treeml.estimators.routed import RoutedPredictor
from treeml.ir import LinearMap, LinearRouter, RoutedModel

COLUMNS = (ColumnType("age", "number"), ColumnType("income", "number"))
X = np.array([[1.0, 1.0], [1.0, 2.0], [5.0, -2.0]])


def model(**options):
    router = LinearRouter(COLUMNS, LinearMap(np.eye(2), np.zeros(2)))
    experts = tuple(LinearMap(np.full((1, 2), k), np.ones(1)) for k in (1.0, -1.0))
    return RoutedModel(COLUMNS, router, experts, **options)


def test_load_gives_back_what_predicts(tmp_path):
    saved = RoutedPredictor(model())
    saved.save(tmp_path / "model.json")
    loaded = treeml.load(tmp_path / "model.json")
    assert loaded.model == saved.model
    assert loaded.predict(X).tolist() == [3.0, -2.0, 4.0]
    assert loaded.route(X).tolist() == [0, 1, 0]
    assert loaded.n_features_in_ == 2
    assert "route score age" in loaded.to_text()
    assert "def predict(row)" in loaded.to_python()
    assert loaded.to_sql(table="t").endswith('FROM "t"')
    assert len(loaded.rules()) == 2
    assert clone(loaded).predict(X).tolist() == [3.0, -2.0, 4.0]
    assert not hasattr(loaded, "classes_")
    with pytest.raises(ValueError, match="no probabilities"):
        loaded.predict_proba(X)


def test_classes():
    loaded = RoutedPredictor(model(link="logistic", classes=np.array(["n", "y"])))
    assert loaded.classes_.tolist() == ["n", "y"]
    assert loaded.predict(X).tolist() == ["y", "n", "y"]
    assert np.allclose(loaded.predict_proba(X).sum(axis=1), 1)


def test_other_columns_are_refused():
    with pytest.raises(ValueError, match="X has 3 features, but the model was fitted with 2"):
        RoutedPredictor(model()).predict(np.ones((2, 3)))
