"""Certificates of costs: what is stated is found again, what is tampered with is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import treeml
from treeml import OptimalTreeClassifier, PolicyTreeClassifier
from treeml._core.validation import as_table
from treeml.certificate import CostCertificate, hash_costs, verify
from treeml.estimators.load import loads


@pytest.fixture(scope="module")
def policy():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (60, 5)).astype(np.uint8)
    costs = rng.normal(1, 1, (60, 3))
    weight = rng.integers(0, 4, 60).astype(float)
    model = PolicyTreeClassifier(max_depth=2, regularization=0.01).fit(X, costs, weight)
    return model.to_json(), as_table(X), costs, weight


def checked(document, policy):
    _, table, costs, weight = policy
    return verify(document, table, costs, sample_weight=weight)


def test_what_is_stated_is_found_again(policy):
    found = checked(policy[0], policy)
    assert found.ok, str(found)
    assert found.bound_checked, str(found)
    certificate = loads(policy[0]).certificate_
    assert CostCertificate.from_dict(json.loads(certificate.to_json())) == certificate
    assert found.objective == pytest.approx(certificate.objective, abs=1e-12)


@pytest.mark.parametrize(
    ("where", "entry", "change", "words"),
    [
        ("certificate", "objective", lambda x: x * 0.99, "the objective is"),
        ("certificate", "lower_bound", lambda x: x * 0.9, 'status is "optimal"'),
        ("certificate", "gap", lambda x: 0.5, "the gap"),
        ("certificate", "n_rows", lambda x: x + 1, "number of rows"),
        ("certificate", "total", lambda x: x + 1, "total weight"),
        ("certificate", "shift", lambda x: x + 1, "taken from the mean"),
        ("certificate", "actions", lambda x: x[::-1], "actions"),
        ("certificate", "max_depth", lambda x: 1, "allowed are depth 1"),
        ("certificate", "max_leaf_nodes", lambda x: 2, "2 leaves"),
        ("certificate", "min_samples_leaf", lambda x: 50, "asks for 50"),
        ("certificate", "data_hash", lambda x: "0" * 64, "data hash"),
        ("certificate", "statement", lambda x: "Not proven optimal", "statement"),
        ("certificate", "predicates", lambda x: [], "not a candidate"),
        ("certificate", "columns", lambda x: x[1:], "columns of the certificate"),
        ("model", "costs", lambda x: [[0.0] * 3] * len(x), "the tree states"),
        ("model", "label", lambda x: [(k + 1) % 3 for k in x], "action of least cost"),
        ("model", "if_true", lambda x: [0] * len(x), "malformed"),
    ],
)
def test_what_is_tampered_with_is_refused(policy, where, entry, change, words):
    document = json.loads(policy[0])
    document[where][entry] = change(document[where][entry])
    found = checked(document, policy)
    assert not found.ok
    assert any(line.startswith("DIFFERS") and words in line for line in found.lines), str(found)


def test_a_bound_above_the_optimum_is_refused(policy):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, (60, 5)).astype(np.uint8)
    costs = rng.random((60, 3))
    poor = PolicyTreeClassifier(max_depth=0).fit(X, costs)
    document = json.loads(poor.to_json())
    document["certificate"]["max_depth"] = 2
    found = verify(document, as_table(X), costs)
    assert not found.ok
    assert "is too high" in str(found)


def test_other_costs_are_refused(policy):
    document, table, costs, weight = policy
    other = costs.copy()
    other[np.flatnonzero(weight)[0], 0] += 1
    assert not verify(document, table, other, sample_weight=weight).ok
    with pytest.raises(ValueError, match="shape"):
        verify(document, table, costs[:, 0], sample_weight=weight)


def test_the_hash_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    answers, costs = rng.random((50, 4)) < 0.5, rng.normal(size=(50, 2))
    weight, order = rng.random(50), rng.permutation(50)
    plain = hash_costs(answers, costs, weight)
    assert hash_costs(answers[order], costs[order], weight[order]) == plain
    assert hash_costs(answers, -costs, weight) != plain


@pytest.mark.parametrize("seed", range(30))
def test_cost_matrices_are_proved_again(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    X, y = rng.integers(0, 2, (n, 5)).astype(np.uint8), rng.integers(0, 3, n)
    K = len(np.unique(y))
    matrix = rng.integers(-2, 6, (K, K)).astype(float) if seed % 2 else rng.random((K, K))
    weight = rng.integers(1, 4, n) if seed % 3 == 0 else None
    model = OptimalTreeClassifier(
        max_depth=int(rng.integers(0, 3)),
        criterion="cost",
        cost_matrix=matrix,
        class_weight="balanced" if seed % 5 == 0 else None,
        regularization=0.05 * (seed % 2),
    ).fit(X, y, weight)
    found = verify(model.to_json(), as_table(X), y, sample_weight=weight)
    assert found.ok, (seed, str(found))
    assert found.bound_checked, (seed, str(found))
    read = loads(model.to_json())
    assert np.array_equal(read.predict(X), model.predict(X))
    assert np.array_equal(read.cost_matrix, matrix)


def test_errors_are_a_cost_matrix():
    rng = np.random.default_rng(3)
    X, y = rng.integers(0, 2, (200, 8)).astype(np.uint8), rng.integers(0, 3, 200)
    plain = OptimalTreeClassifier(max_depth=3, class_weight={0: 2.5}).fit(X, y)
    costs = OptimalTreeClassifier(
        max_depth=3, class_weight={0: 2.5}, criterion="cost", cost_matrix=1 - np.eye(3)
    ).fit(X, y)
    assert costs.objective_ == pytest.approx(plain.objective_, abs=1e-12)
    assert "cost matrix" in costs.certificate_.statement
    assert "costs" in costs.certificate_.text()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"criterion": "cost"}, "needs cost_matrix"),
        ({"cost_matrix": [[0, 1], [1, 0]]}, 'criterion="cost"'),
        ({"criterion": "cost", "cost_matrix": [[0, 1]]}, "shape"),
        ({"criterion": "cost", "cost_matrix": [[0, np.nan], [1, 0]]}, "row 0, column 1"),
    ],
)
def test_cost_matrices_that_do_not_fit_are_named(parameters, words):
    with pytest.raises(ValueError, match=words):
        treeml.OptimalTreeClassifier(**parameters).fit(np.eye(4), [0, 1, 0, 1])
