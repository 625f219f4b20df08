"""Exact trees of networks and routers, against the models themselves and brute force."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from treeml import export, predict
from treeml._core.table import ColumnType
from treeml._core.validation import as_table
from treeml.ir import LinearMap, LinearRouter, RoutedModel, Tree, load
from treeml.routing import exact_tree

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "40"))
quick_fit = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def forward(layers, x):
    for weights, bias in layers[:-1]:
        x = np.maximum(x @ weights + bias, 0)
    weights, bias = layers[-1]
    return x @ weights + bias


def random_layers(rng, sizes, whole=False):
    """Random weights, some of them 0; small whole ones where boundaries are to be met exactly."""
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        draw = (lambda size: rng.integers(-2, 3, size=size)) if whole else rng.normal
        weights, bias = draw(size=(n_in, n_out)), draw(size=n_out)
        if rng.random() < 0.3:
            weights = weights * (rng.random(weights.shape) < 0.6)
        layers.append((weights.astype(float), bias.astype(float)))
    return layers


def on_boundaries(rng, layers, x):
    """Points moved to where a unit of the first layer is 0, and to both sides of it."""
    weights, bias = layers[0]
    unit = rng.integers(weights.shape[1], size=len(x))
    normal = weights.T[unit]
    square = (normal**2).sum(axis=1)
    square[square == 0] = 1.0
    step = ((x * normal).sum(axis=1) + bias[unit]) / square
    moved = x - step[:, None] * normal
    return np.vstack([moved, np.nextafter(moved, np.inf), np.nextafter(moved, -np.inf)])


def assert_equal(got, expected):
    scale = 1 + np.abs(expected).max()
    assert np.abs(got.reshape(expected.shape) - expected).max() <= 1e-12 * scale


def test_networks():
    rng = np.random.default_rng(0)
    for case in range(CASES):
        d, n_outputs = int(rng.integers(1, 5)), int(rng.integers(1, 3))
        hidden = [int(rng.integers(1, 7))] if case % 2 else rng.integers(1, 5, size=2).tolist()
        layers = random_layers(rng, [d, *hidden, n_outputs], whole=case % 3 == 0)
        bounds = [None, (-3, 3), (0, 2), (-math.inf, 1)][case % 4]
        told = exact_tree(layers, bounds, max_leaf_nodes=2000)
        x = rng.normal(size=(500, d)) * 2
        if case % 3 == 0:
            x[:200] = rng.integers(-3, 4, size=(200, d))
        x = np.vstack([x, on_boundaries(rng, layers, x)])
        if bounds is not None:
            x = np.clip(x, *bounds)
        assert_equal(told.predict(x), forward(layers, x))
        assert told.n_pieces <= told.n_leaves == told.model.n_leaves
        assert f"{told.n_leaves} lea" in told.statement()


@pytest.mark.parametrize(("units", "d"), [(3, 2), (5, 2), (6, 3), (8, 1), (4, 6)])
def test_regions_in_general_position(units, d):
    """Hyperplanes in general position make as many regions as Schläfli's sum says."""
    layers = random_layers(np.random.default_rng(units), [d, units, 1])
    layers = [(np.where(w == 0, 1.0, w), b) for w, b in layers]
    told = exact_tree(layers, max_leaf_nodes=1000)
    assert told.n_leaves == sum(math.comb(units, i) for i in range(d + 1))
    assert told.n_pieces == told.n_leaves


def test_patterns_against_enumeration():
    """Every pattern of signs, each with a linear program of its own."""
    rng = np.random.default_rng(1)
    for _ in range(CASES // 4):
        d, units = int(rng.integers(1, 4)), int(rng.integers(1, 6))
        (weights, bias), last = random_layers(rng, [d, units, 1])
        last = (np.where(last[0] == 0, 1.0, last[0]), last[1])
        weights = np.where(weights == 0, 0.5, weights)
        found = 0
        for signs in itertools.product([-1, 1], repeat=units):
            side = np.array(signs, dtype=float)
            rows = np.column_stack([-(weights * side).T, np.ones(units)])
            box = [(-1, 1)] * d
            solved = linprog([*[0] * d, -1], A_ub=rows, b_ub=bias * side, bounds=[*box, (None, 1)])
            found += -solved.fun > 1e-7
        assert exact_tree([(weights, bias), last], (-1, 1)).n_leaves == found


def pieces_on_a_line(layers, low, high):
    """Breakpoints and slopes of a network with one input, in fractions."""
    points = [Fraction(low), Fraction(high)]
    exact = [
        ([[Fraction(v) for v in row] for row in w.tolist()], [Fraction(v) for v in b.tolist()])
        for w, b in layers
    ]

    def maps(x, n_layers):
        """Slope and intercept of what goes into the units of a layer, around x."""
        lines = [(Fraction(1), Fraction(0))]
        for at, (weights, bias) in enumerate(exact[: n_layers + 1]):
            if at:
                lines = [(a, c) if a * x + c > 0 else (Fraction(0), Fraction(0)) for a, c in lines]
            lines = [
                (
                    sum((a * weights[i][u] for i, (a, _) in enumerate(lines)), Fraction(0)),
                    sum((c * weights[i][u] for i, (_, c) in enumerate(lines)), bias[u]),
                )
                for u in range(len(bias))
            ]
        return lines

    for at in range(len(layers) - 1):
        cuts = set(points)
        for left, right in itertools.pairwise(points):
            for slope, intercept in maps((left + right) / 2, at):
                if slope and left < -intercept / slope < right:
                    cuts.add(-intercept / slope)
        points = sorted(cuts)
    return [maps((a + b) / 2, len(layers) - 1) for a, b in itertools.pairwise(points)]


def test_pieces_on_a_line():
    rng = np.random.default_rng(2)
    for case in range(CASES):
        layers = random_layers(rng, [1, *rng.integers(1, 5, size=1 + case % 3).tolist(), 1], True)
        intervals = pieces_on_a_line(layers, -3, 3)
        told = exact_tree(layers, (-3, 3), max_leaf_nodes=1000)
        pieces = {tuple(piece) for piece in map(tuple, intervals)}
        assert told.n_pieces == len(pieces)
        assert len(pieces) <= told.n_leaves <= len(intervals)


def test_zero_weights_dead_and_equal_units():
    weights = np.array([[1.0, 0.0, 1.0, -1.0, 2.0, 0.0], [1.0, 0.0, 1.0, -1.0, 2.0, 0.0]])
    bias = np.array([0.0, 1.0, 0.0, 0.0, 0.0, -1.0])
    layers = [(weights, bias), (np.ones((6, 1)), np.zeros(1))]
    told = exact_tree(layers)  # all units part the plane by x0 + x1 = 0, or not at all
    assert told.n_leaves == 2
    x = np.random.default_rng(0).normal(size=(100, 2))
    assert_equal(told.predict(x), forward(layers, x))
    deaf = [(weights, bias), (np.zeros((6, 1)), np.ones(1))]
    assert exact_tree(deaf).n_leaves == 1
    assert exact_tree(deaf).predict(x).tolist() == [1.0] * 100
    # what the second layer never lets through does not matter
    closed = [layers[0], (-np.ones((6, 1)), np.full(1, -1.0)), (np.ones((1, 1)), np.zeros(1))]
    assert exact_tree(closed).n_leaves == 1
    assert exact_tree([(np.ones((2, 1)), np.zeros(1))]).n_leaves == 1  # no hidden layer


def test_units_that_are_all_but_zero():
    """What training leaves of a unit that is never active: weights near 1e-140."""
    rng = np.random.default_rng(13)
    (weights, bias), last = random_layers(rng, [3, 3, 1])
    bias = np.where(bias == 0, 1.0, bias)
    weights[:, 1] *= 1e-140
    told = exact_tree([(weights, bias), last], (-1, 1))
    assert told.n_leaves <= 4
    x = rng.uniform(-1, 1, size=(500, 3))
    assert_equal(told.predict(x), forward([(weights, bias), last], x))
    exact_tree([(weights, bias), last])  # without bounds there are rows far enough away


def routed(rng, n_experts, d, whole=False):
    columns = tuple(ColumnType(f"c{j}", "number") for j in range(d))
    if whole:
        coef, intercept = rng.integers(-2, 3, (n_experts, d)), rng.integers(-2, 3, n_experts)
    else:
        coef, intercept = rng.normal(size=(n_experts, d)), rng.normal(size=n_experts) / 3
    router = LinearRouter(columns, LinearMap(coef.astype(float), intercept.astype(float)))
    experts = tuple(
        LinearMap(rng.normal(size=(1, d)), rng.normal(size=1)) for _ in range(n_experts)
    )
    return RoutedModel(columns, router, experts)


def test_routers():
    rng = np.random.default_rng(3)
    for case in range(CASES):
        whole = case % 2 == 0
        n_experts, d = int(rng.integers(1, 7)), int(rng.integers(1, 5))
        model = routed(rng, n_experts, d, whole)
        bounds = [None, (-3, 3), (0, 2)][case % 3]
        told = exact_tree(model, bounds, max_leaf_nodes=1000)
        x = rng.integers(-3, 4, size=(500, d)) if whole else rng.normal(size=(500, d)) * 2
        x = x if bounds is None else np.clip(x, *bounds)
        table = as_table(x, like=model.columns)
        expert, route = predict.route(told.model, table), predict.route(model, table)
        scores = model.router.scores.values(table)
        greatest = scores.max(axis=1)
        # a score that is the greatest only where it ties with others has no leaf of its own
        assert np.array_equal(scores[np.arange(len(x)), expert], greatest)
        only = (scores == greatest[:, None]).sum(axis=1) <= 1
        same = expert == route
        assert same[only].all()
        assert np.array_equal(told.predict(x)[same], predict.predict(model, table)[same])
        assert told.n_pieces <= told.n_leaves
        assert told.model.experts == model.experts
        assert told.model.router.depth <= n_experts - 1


def test_eight_experts():
    rng = np.random.default_rng(4)
    for d in (2, 4, 8):
        model = routed(rng, 8, d)
        told = exact_tree(model, (-2, 2))
        x = rng.uniform(-2, 2, size=(20_000, d))
        table = as_table(x, like=model.columns)
        assert np.array_equal(predict.route(told.model, table), predict.route(model, table))
        assert np.array_equal(told.predict(x), predict.predict(model, table))


@pytest.mark.parametrize("units", range(3, 9))
def test_one_hidden_layer(units):
    rng = np.random.default_rng(units)
    layers = random_layers(rng, [4, units, 1])
    told = exact_tree(layers, (-1, 1), max_leaf_nodes=2**units)
    x = rng.uniform(-1, 1, size=(20_000, 4))
    assert_equal(told.predict(x), forward(layers, x))


def test_equal_and_beaten_experts():
    rng = np.random.default_rng(5)
    model = routed(rng, 4, 2)
    scores = model.router.scores
    coef, intercept = scores.coef.copy(), scores.intercept.copy()
    coef[3], intercept[3] = coef[1], intercept[1]  # never before its twin
    coef[2], intercept[2] = coef[0], intercept[0] - 1
    router = LinearRouter(model.columns, LinearMap(coef, intercept))
    told = exact_tree(dataclasses.replace(model, router=router))
    assert told.model.used_experts == (0, 1)
    assert told.n_leaves == told.n_pieces == 2
    flat = LinearRouter(model.columns, LinearMap(np.zeros((3, 2)), np.array([1.0, 2, 2])))
    told = exact_tree(dataclasses.replace(model, router=flat))
    assert (told.n_leaves, told.model.used_experts) == (1, (1,))


def test_bounds_leave_out_what_no_row_reaches():
    model = routed(np.random.default_rng(6), 6, 3)
    wide = exact_tree(model).n_leaves
    narrow = exact_tree(model, (5, 5.1)).n_leaves
    assert narrow < wide
    point = exact_tree(model, (1, 1))  # every column is a constant
    assert point.n_leaves == 1
    table = as_table(np.ones((1, 3)), like=model.columns)
    assert point.model.route(table) == model.route(table)
    line = exact_tree(model, [(-9, 9), (1, 1), (0.5, 0.5)], max_leaf_nodes=10)
    x = np.column_stack([np.linspace(-9, 9, 999), np.ones(999), np.full(999, 0.5)])
    table = as_table(x, like=model.columns)
    assert np.array_equal(line.model.route(table), model.route(table))
    assert line.n_leaves <= 6


def test_ratio_of_scales_does_not_matter():
    """Columns of very different size, with bounds."""
    rng = np.random.default_rng(7)
    model = routed(rng, 5, 3)
    size = np.array([1e-6, 1.0, 1e6])
    router = LinearRouter(
        model.columns, LinearMap(model.router.scores.coef / size, model.router.scores.intercept)
    )
    scaled = dataclasses.replace(model, router=router)
    ends = np.column_stack([-2 * size, 2 * size])
    assert exact_tree(scaled, ends).n_leaves == exact_tree(model, (-2, 2)).n_leaves
    x = rng.uniform(-2, 2, size=(5000, 3)) * size
    table = as_table(x, like=model.columns)
    assert np.array_equal(exact_tree(scaled, ends).model.route(table), scaled.route(table))


@quick_fit
def test_perceptrons():
    X, y = load_iris(return_X_y=True, as_frame=True)
    bounds = np.column_stack([X.min(), X.max()])
    rng = np.random.default_rng(8)
    rows = pd.DataFrame(rng.uniform(*bounds.T, size=(3000, 4)), columns=X.columns)
    regressor = MLPRegressor(hidden_layer_sizes=(6,), max_iter=300, random_state=0).fit(X, y)
    told = exact_tree(regressor, bounds)
    assert_equal(told.predict(rows), regressor.predict(rows))
    assert "sepal length (cm)" in export.text(told.model)
    several = MLPRegressor(hidden_layer_sizes=(3, 3), max_iter=100, random_state=0).fit(
        X, np.column_stack([y, -y])
    )
    assert_equal(exact_tree(several, bounds).predict(rows), several.predict(rows))
    for target in (y, y > 0, np.array(["a", "b", "c"])[y]):
        model = MLPClassifier(hidden_layer_sizes=(5,), max_iter=300, random_state=0).fit(X, target)
        told = exact_tree(model, bounds)
        assert np.array_equal(told.predict(rows), model.predict(rows))
        table = as_table(rows, like=told.model.columns)
        shares = predict.predict_proba(told.model, table)
        assert np.allclose(shares, model.predict_proba(rows), rtol=0, atol=1e-12)
        assert load(export.json(told.model))[0] == told.model
    linear = MLPRegressor(
        hidden_layer_sizes=(4,), activation="identity", max_iter=50, random_state=0
    ).fit(X, y)
    assert exact_tree(linear).n_leaves == 1
    assert_equal(exact_tree(linear).predict(rows), linear.predict(rows))


@quick_fit
def test_pipelines():
    X, y = load_iris(return_X_y=True)
    rows = np.random.default_rng(9).uniform(X.min(axis=0), X.max(axis=0), size=(2000, 4))
    for scaler in (StandardScaler(), MinMaxScaler(), StandardScaler(with_mean=False)):
        model = make_pipeline(
            scaler, MLPRegressor(hidden_layer_sizes=(5,), max_iter=200, random_state=0)
        ).fit(X, y)
        assert_equal(exact_tree(model, (0, 8)).predict(rows), model.predict(rows))
    model = make_pipeline("passthrough", StandardScaler(), LogisticRegression()).fit(X, y)
    assert np.array_equal(exact_tree(model).predict(rows), model.predict(rows))


def test_linear_classifiers():
    X, y = load_iris(return_X_y=True)
    rows = np.random.default_rng(10).uniform(0, 8, size=(2000, 4))
    for target in (y, y > 1, np.array(["a", "b", "c"])[y]):
        for model in (LogisticRegression(max_iter=1000), SGDClassifier(random_state=0)):
            model.fit(X, target)
            told = exact_tree(model)
            assert isinstance(told.model, Tree)
            assert np.array_equal(told.predict(rows), model.predict(rows))
            assert set(told.predict(X)) <= set(model.classes_.tolist())
    told = exact_tree(LogisticRegression(max_iter=1000).fit(X, y), (0, 8), X=X)
    assert told.model.counts[0].sum() == 150
    assert told.model.counts[0].tolist() == np.bincount(told.predict(X)).tolist()
    assert "rows" not in export.text(exact_tree(LogisticRegression().fit(X, y > 0)).model)
    scores = LinearRouter(told.model.columns, LinearMap(np.eye(4), np.zeros(4)))
    assert np.array_equal(exact_tree(scores).predict(rows), rows.argmax(axis=1))


def test_rows_are_counted():
    model = routed(np.random.default_rng(11), 3, 2)
    x = np.random.default_rng(12).normal(size=(50, 2))
    told = exact_tree(model, X=x)
    leaves, counts = np.unique(told.apply(x), return_counts=True)
    assert told.model.router.rows[leaves].tolist() == counts.tolist()
    assert told.model.router.rows[0] == 50


def test_refusals_say_how_many_leaves(monkeypatch):
    layers = random_layers(np.random.default_rng(4), [6, 4, 1])
    layers = [(np.where(w == 0, 1.0, w), b) for w, b in layers]
    with pytest.raises(ValueError, match=r"needs 16 leaves here \(any one at least 16\)"):
        exact_tree(layers, max_leaf_nodes=15)
    assert exact_tree(layers, max_leaf_nodes=16).n_leaves == 16
    with pytest.raises(ValueError, match=r"needs at least 11 leaves here \(max_regions was reach"):
        exact_tree(layers, max_leaf_nodes=5, max_regions=10)
    with pytest.raises(ValueError, match=r"time_limit was reached after \d+ regions"):
        exact_tree(routed(np.random.default_rng(0), 6, 3), time_limit=-1.0)
    model = routed(np.random.default_rng(0), 6, 3)
    n_leaves = exact_tree(model).n_leaves
    with pytest.raises(ValueError, match=f"needs {n_leaves} leaves here"):
        exact_tree(model, max_leaf_nodes=n_leaves - 1)
    monkeypatch.setattr("treeml.routing.networks._DEEPEST", 2)
    with pytest.raises(ValueError, match=r"at least 1 leaves here .*2 questions deep"):
        exact_tree(layers)


@quick_fit
def test_bad_input():
    X, y = load_iris(return_X_y=True)
    good = random_layers(np.random.default_rng(0), [2, 3, 1])
    weights, bias = good[0]
    nan = weights.copy()
    nan[1, 2] = math.nan
    bad = [
        ([(nan, bias), good[1]], r"weights of layer 0 must be finite: at \(1, 2\) is nan"),
        ([(weights, bias + np.inf), good[1]], r"bias of layer 0 must be finite: at \(0,\) is inf"),
        ([(weights, bias[:2]), good[1]], r"weights of shape \(2, 3\) and a bias of shape \(2,\)"),
        ([good[0], good[0]], "layer 0 has 3 units, but layer 1 takes 2"),
        ([good[0], weights[0]], "layer 1 is no pair"),
        ([], "at least one layer"),
        (SVC(kernel="linear").fit(X, y), "SVC compares classes in pairs"),
        (LinearRegression().fit(X, y), "LinearRegression is no ReLU network"),
        (DecisionTreeClassifier().fit(X, y), "DecisionTreeClassifier is no ReLU network"),
        (
            MLPRegressor(hidden_layer_sizes=(2,), activation="tanh", max_iter=5).fit(X, y),
            "'tanh' is not piecewise",
        ),
        (
            MLPClassifier(hidden_layer_sizes=(2,), max_iter=5).fit(
                X, np.column_stack([y > 0, y > 1])
            ),
            "several labels at once",
        ),
        (
            make_pipeline(QuantileTransformer(n_quantiles=9), LogisticRegression()).fit(X, y),
            "step QuantileTransformer of the pipeline",
        ),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression()).fit(X, y), "MinMaxScaler"),
        (exact_tree(routed(np.random.default_rng(0), 2, 2)).model, "is a tree already"),
    ]
    for model, message in bad:
        with pytest.raises(ValueError, match=message):
            exact_tree(model)
    with pytest.raises(NotFittedError):
        exact_tree(MLPRegressor())
    for bounds, message in [
        ((1, 0), "bounds of column 'x0' are no range: 1.0 to 0.0"),
        ([(0, 1), (0, math.nan)], "column 'x1' are no range: 0.0 to nan"),
        ([(0, 1)] * 3, r"shape \(2, 2\), not \(3, 2\)"),
        ((math.inf, math.inf), "no range"),
    ]:
        with pytest.raises(ValueError, match=message):
            exact_tree(good, bounds)
    with pytest.raises(ValueError, match="at least 1"):
        exact_tree(good, max_leaf_nodes=0)
    with pytest.raises(ValueError, match="X has 3 features"):
        exact_tree(good).predict(np.zeros((1, 3)))
