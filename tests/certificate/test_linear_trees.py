"""Certificates of trees with linear leaves: the objective is derived again, tampering is seen."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from treeml import LinearTreeClassifier, LinearTreeRegressor, SearchLimitWarning
from treeml._core.validation import as_table
from treeml.certificate import LinearTreeCertificate, verify
from treeml.estimators.load import loads


def mixed(rng, n):
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n) * 1e3,
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.integers(18, 80, n)),
            "town": rng.choice(["A", "B", "C", "D"], n),
            "member": rng.random(n) < 0.5,
            "flag": rng.integers(0, 2, n),
            "same": 1.0,
        }
    )
    slope = frame.town.map({"A": 2.0, "B": -2.0, "C": 2.0, "D": 0.0}).to_numpy()
    y = slope * frame["size"].to_numpy() / 1e3 + np.where(frame.age.isna(), 4.0, 0.0) + frame.flag
    return frame, y.to_numpy() + 0.3 * rng.normal(size=n)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X, y = mixed(rng, 90)
    weight = rng.integers(0, 4, 90).astype(float)
    model = LinearTreeRegressor(solver="exact", max_leaf_nodes=4, max_cuts=5, l2=1.0)
    return model.fit(X, y, weight).to_json(), as_table(X), y, weight


def checked(document, fitted):
    _, table, y, weight = fitted
    return verify(document, table, y, sample_weight=weight)


def test_what_is_stated_is_found_again(fitted):
    found = checked(fitted[0], fitted)
    assert found.ok, str(found)
    assert found.bound_checked, str(found)
    assert "the leaves' maps are those of least cost" in found.lines
    certificate = loads(fitted[0]).certificate_
    assert LinearTreeCertificate.from_dict(certificate.to_dict()) == certificate
    assert found.objective == pytest.approx(certificate.objective, rel=1e-9)


def shifted(values):
    return [[x + 0.1 * (x != 0) for x in row] for row in values]


@pytest.mark.parametrize(
    ("where", "entry", "change", "words"),
    [
        ("certificate", "objective", lambda x: x * 0.99, "the objective is"),
        ("certificate", "lower_bound", lambda x: x * 0.9, "the gap"),
        ("certificate", "lower_bound", lambda x: x * 1.1, "lies above"),
        ("certificate", "gap", lambda x: 0.5, "the gap"),
        ("certificate", "n_rows", lambda x: x + 1, "number of rows"),
        ("certificate", "total", lambda x: x * 1.01, "squared error to divide by"),
        ("certificate", "l2", lambda x: x * 2, "the objective is"),
        ("certificate", "max_depth", lambda x: 1, "allowed are depth 1"),
        ("certificate", "max_leaf_nodes", lambda x: 2, "2 leaves"),
        ("certificate", "min_samples_leaf", lambda x: 50, "asks for 50"),
        ("certificate", "min_weight_leaf", lambda x: 70.0, "too little weight"),
        ("certificate", "statement", lambda x: "Within 1 %", "statement"),
        ("certificate", "predicates", lambda x: x[:1], "no cut of the grid"),
        ("certificate", "inputs", lambda x: x[1:], "the leaves multiply"),
        ("certificate", "inputs", lambda x: [*x, "same"], "'same' has gaps or does not vary"),
        ("certificate", "inputs", lambda x: None, "cannot be read"),
        (
            "certificate",
            "common",
            lambda x: x | {"coef": shifted(x["coef"])},
            "not the best one for its penalty",
        ),
        ("certificate", "common", lambda x: x | {"l2": x["l2"] + 300}, "not the best one"),
        ("model", "experts", lambda x: [x[0]] * len(x), "away from its map"),
        ("router", "rows", lambda x: [r + 1 for r in x], "rows of the nodes"),
    ],
)
def test_what_is_tampered_with_is_refused(fitted, where, entry, change, words):
    document = json.loads(fitted[0])
    part = document["model"]["router"] if where == "router" else document[where]
    part[entry] = change(part[entry])
    found = checked(document, fitted)
    assert not found.ok
    assert any(line.startswith("DIFFERS") and words in line for line in found.lines), str(found)


def test_other_data_are_refused(fitted):
    document, table, y, weight = fitted
    assert not verify(document, table, y + np.arange(90), sample_weight=weight).ok
    assert not verify(document, table, y).ok
    assert "DIFFERS" in str(verify(document, table, np.full(90, "a"), sample_weight=weight))


def test_a_bound_above_the_optimum_is_refused():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    X[:, 1] = X[:, 1] > 0
    y += np.where(X[:, 1] > 0, 3 * X[:, 0], -3 * X[:, 0])
    model = LinearTreeRegressor(solver="exact", max_leaf_nodes=2, max_depth=1, max_cuts=3, l2=1.0)
    document = json.loads(model.fit(X, y).to_json())
    assert verify(document, as_table(X), y).ok
    single = LinearTreeRegressor(max_leaf_nodes=1, l2=1.0).fit(X, y)
    document["model"] = json.loads(single.to_json())["model"]
    known = document["certificate"]
    known["objective"] = known["lower_bound"] = 1.0
    found = verify(document, as_table(X), y)
    assert any("is too high" in line or "the objective is" in line for line in found.lines)
    assert not found.ok


@pytest.mark.parametrize("seed", range(8))
def test_random_fits_are_derived_again(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 70))
    X, y = mixed(rng, n)
    weight = rng.integers(1, 4, n) if seed % 3 == 0 else None
    options = {"solver": "exact", "max_leaf_nodes": int(rng.integers(2, 5)), "max_cuts": 4}
    options |= {"max_depth": 1 + seed % 2, "l2": float(rng.choice([0.1, 1.0, 10.0]))}
    if seed < 4:
        model = LinearTreeRegressor(**options, min_samples_leaf=1 + seed).fit(X, y, weight)
    else:
        y = np.digitize(y, [0.0] if seed % 2 else [-0.7, 1.0])
        balanced = "balanced" if seed > 5 else None
        model = LinearTreeClassifier(**options, class_weight=balanced).fit(X, y, weight)
    found = verify(model.to_json(), as_table(X), y, sample_weight=weight)
    assert found.ok, (seed, str(found))
    assert found.bound_checked, (seed, str(found))
    assert found.objective == pytest.approx(model.objective_, rel=1e-7)


def test_it_says_what_is_not_proved_again():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 3))
    y = np.abs(X[:, 0]) + X[:, 1] * X[:, 2]
    model = LinearTreeRegressor(solver="exact", max_leaf_nodes=4, l2=1.0).fit(X, y)
    found = verify(model.to_json(), as_table(X), y, work_budget=1e4)
    assert found.ok
    assert not found.bound_checked
    assert "bound not re-proved" in found.lines[-1]
    assert any("how the penalty was chosen is not derived again" in line for line in found.lines)
    with pytest.warns(SearchLimitWarning):
        model = LinearTreeRegressor(solver="exact", max_leaf_nodes=4, l2=1.0, time_limit=0).fit(
            X, y
        )
    assert verify(model.to_json(), as_table(X), y).ok
    plain = LinearTreeRegressor(max_leaf_nodes=2, l2=1.0).fit(X, y)
    with pytest.raises(ValueError, match="nothing to check"):
        verify(plain.to_json(), as_table(X), y)
    chosen = LinearTreeRegressor(solver="exact").fit(X, X[:, 0] + 0.1 * rng.normal(size=80))
    with pytest.raises(AttributeError, match="no tree to prove anything about"):
        _ = chosen.certificate_
