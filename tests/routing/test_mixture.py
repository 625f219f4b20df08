"""Parts of mixtures against slow or numerical references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax, softmax

from treeml.routing.gate import fit_gate, pruned_gate, sparsemax
from treeml.routing.gradient import expected_loss, gradient_steps
from treeml.routing.mixture import MixtureSettings, fit_mixture
from treeml.search.leaf_tasks import LogLoss, SquaredError, add_map
from treeml.search.logistic_map import logistic_map


def two_lines(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.where(X[:, 0] + X[:, 1] > 0, X[:, 2], -X[:, 2]) + 0.05 * rng.normal(size=n)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    rng = np.random.default_rng(0)
    for scores in rng.normal(size=(50, 4)) * 2:
        best, nearest = np.inf, scores
        for size in range(1, 5):  # the projection for every support, by its definition
            for support in itertools.combinations(range(4), size):
                at = list(support)
                point = np.zeros(4)
                point[at] = scores[at] - (scores[at].sum() - 1) / size
                distance = ((point - scores) ** 2).sum()
                if (point >= 0).all() and distance < best:
                    best, nearest = distance, point
        assert sparsemax(scores[None])[0] == pytest.approx(nearest)


@pytest.mark.parametrize("n_columns", [3, 80])
def test_steps_of_the_gate_lower_its_loss_to_the_optimum(n_columns):
    rng = np.random.default_rng(1)
    inputs = np.column_stack([rng.normal(size=(200, n_columns)), np.ones(200)])
    shares = softmax(rng.normal(size=(200, 5)), axis=1)
    weight = rng.uniform(0.5, 2, 200)
    gate = np.zeros((n_columns + 1, 5))
    losses = []
    for _ in range(40):
        losses.append(-(weight @ (shares * log_softmax(inputs @ gate, axis=1)).sum(axis=1)))
        gate = fit_gate(inputs, shares, weight, gate, 0.01)
    assert all(a >= b - 1e-3 for a, b in itertools.pairwise(losses))
    slope = inputs.T @ (weight[:, None] * (softmax(inputs @ gate, axis=1) - shares))
    assert np.abs(slope[:-1] + 0.01 * gate[:-1]).max() < (1e-3 if n_columns == 3 else 0.5)


def test_a_pruned_gate_keeps_the_columns_that_matter():
    rng = np.random.default_rng(2)
    inputs = np.column_stack([rng.normal(size=(500, 6)), np.ones(500)])
    shares = np.zeros((500, 2))
    shares[np.arange(500), (inputs[:, 4] > 0.3).astype(int)] = 1
    gate = fit_gate(inputs, shares, np.ones(500), np.zeros((7, 2)), 0.1, 10)
    found = pruned_gate(inputs, shares, np.ones(500), gate, 0.1, 1)
    assert np.flatnonzero(found[:-1].any(axis=1)).tolist() == [4]


@pytest.mark.parametrize("gate", ["softmax", "sparsemax"])
@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_the_gradient_is_that_of_the_expected_loss(gate, n_classes):
    rng = np.random.default_rng(3)
    inputs = np.column_stack([rng.normal(size=(40, 2)), np.ones(40)])
    weight = rng.uniform(0.5, 2, 40)
    target, codes = rng.normal(size=40), rng.integers(0, max(n_classes, 1), 40)
    task = LogLoss(codes, n_classes, weight) if n_classes else SquaredError(target, weight)
    rows = np.arange(40)
    root = rng.normal(size=(3, task.n_scores))
    shapes = ((3, 3, task.n_scores), (3, 3))
    settings = MixtureSettings(gate=gate, balance=0.3)
    value = expected_loss(inputs, task, rows, root, shapes, 0.7, settings)
    flat = rng.normal(size=9 * task.n_scores + 9)
    numeric = approx_fprime(flat, lambda at: value(at)[0], 1e-7)
    assert value(flat)[1] == pytest.approx(numeric, rel=1e-3, abs=1e-5)


def test_gradient_steps_never_raise_the_expected_loss():
    X, y = two_lines()
    task, rows = SquaredError(y, np.ones(300)), np.arange(300)
    inputs = np.column_stack([X, np.ones(300)])
    root, rng = task.root(X, rows), np.random.default_rng(0)
    experts, gate = root + rng.normal(size=(2, 4, 1)), rng.normal(size=(4, 2))
    settings = MixtureSettings()
    value = expected_loss(inputs, task, rows, root, (experts.shape, gate.shape), 1.0, settings)
    after = gradient_steps(inputs, task, rows, root, experts, gate, 1.0, settings)
    before = value(np.concatenate([experts.ravel(), gate.ravel()]))[0]
    assert value(np.concatenate([part.ravel() for part in after]))[0] < before


@pytest.mark.parametrize("fit", ["em", "kplane", "gradient"])
def test_two_lines_are_found_and_the_cost_is_that_of_the_routed_experts(fit):
    X, y = two_lines()
    task, rows = SquaredError(y, np.ones(300)), np.arange(300)
    found = fit_mixture(
        X,
        task,
        rows,
        2,
        1.0,
        MixtureSettings(fit=fit),
        starts=[(X[:, 0] > 0).astype(int)],
        rng=np.random.RandomState(0),
    )
    missed = ((y - found.score(X)[:, 0]) ** 2).sum()
    price = ((found.experts - task.root(X, rows)) ** 2).sum()
    assert found.cost == pytest.approx(missed + price)
    assert missed / ((y - y.mean()) ** 2).sum() < (0.3 if fit == "kplane" else 0.05)


def test_logistic_maps_are_stationary():
    rng = np.random.default_rng(5)
    rows = np.column_stack([rng.normal(size=(80, 3)), np.ones(80)])
    for n_classes in (2, 4):
        codes, weight = rng.integers(0, n_classes, 80), rng.uniform(0.5, 2, 80)
        n_scores = 1 if n_classes == 2 else n_classes
        offset, penalty = rng.normal(size=(80, n_scores)), np.array([1.0, 2.0, 0.5, 0.1])
        coef = logistic_map(rows, codes, weight, offset, penalty)
        task = LogLoss(codes, n_classes, weight)

        def value(
            flat,
            task=task,
            weight=weight,
            offset=offset,
            rows=rows,
            shape=coef.shape,
            penalty=penalty,
        ):
            at = flat.reshape(shape)
            loss = weight @ task.losses(offset + rows @ at, np.arange(80))
            return loss + 0.5 * (penalty[:, None] * at**2).sum()

        assert np.abs(approx_fprime(coef.ravel(), value, 1e-7)).max() < 1e-3
        assert add_map(rows[:, :-1], coef).shape == (80, n_scores)
