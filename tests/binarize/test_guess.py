"""Cuts that a boosted reference model guesses."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from treeml import Binarizer, OptimalTreeClassifier
from treeml.datasets import load_german_credit


def test_planted_cuts_are_found():
    rng = np.random.default_rng(0)
    X = rng.random((2000, 6))
    y = ((X[:, 1] > 0.31) & (X[:, 4] <= 0.72)) ^ (rng.random(2000) < 0.05)
    binarizer = Binarizer(method="guess", max_bins=3).fit(X, y)
    cuts = {}
    for predicate in binarizer.predicates_:
        cuts.setdefault(predicate.term.index, []).append(predicate.value)
    assert min(abs(np.array(cuts[1]) - 0.31)) < 0.01
    assert min(abs(np.array(cuts[4]) - 0.72)) < 0.01


def test_a_guess_beats_as_many_quantiles_and_the_certificate_says_so():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    objectives = {}
    for method in ("guess", "quantile"):
        binarizer = Binarizer(method=method, max_bins=3)
        model = OptimalTreeClassifier(max_depth=3, binarizer=binarizer).fit(X, y)
        assert model.status_ == "optimal"
        objectives[method] = model.objective_
        told = " ".join(model.certificate_.text().replace("│", " ").split())
        assert ("boosted reference model" in told) == (method == "guess")
    assert objectives["guess"] < objectives["quantile"]


def test_it_needs_the_classes():
    X, y = load_german_credit()
    with pytest.raises(ValueError, match=r'method="guess".*requires y'):
        Binarizer(method="guess").fit(X)
    weight = np.ones(len(y))
    weight[::2] = 0
    kept = Binarizer(method="guess").fit(X[1::2], y[1::2])
    assert Binarizer(method="guess").fit(X, y, weight).predicates_ == kept.predicates_


def test_levels_and_missing_values_get_their_predicates():
    rng = np.random.default_rng(1)
    values = rng.random(500)
    X = np.column_stack([np.where(rng.random(500) < 0.1, np.nan, values), np.zeros(500)])
    binarizer = Binarizer(method="guess").fit(X, values > 0.5)
    assert binarizer.predicates_[-1].test == "is missing"
    assert {predicate.term.index for predicate in binarizer.predicates_} == {0}
