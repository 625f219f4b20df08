"""The linear model of all rows: its penalty by leaving rows out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from treeml.search.ridge import ridge_by_loo

GRID = 10.0 ** np.arange(-3, 6.5, 0.5)


def left_out(design: np.ndarray, y: np.ndarray, weight: np.ndarray, l2: float) -> float:
    """Squared error of fits without one row, or without the whole of a row of weight below 1."""
    total = 0.0
    for row in range(len(y)):
        less = weight.copy()
        less[row] = max(0.0, weight[row] - 1.0)
        mean, centre = np.average(y, weights=less), np.average(design, axis=0, weights=less)
        x = design - centre
        gram = (x * less[:, None]).T @ x + l2 * np.eye(x.shape[1])
        slope = np.linalg.solve(gram, (x * less[:, None]).T @ (y - mean))
        total += weight[row] * (y[row] - mean - (design[row] - centre) @ slope) ** 2
    return total


@pytest.mark.parametrize("seed", range(12))
def test_the_penalty_is_that_of_fits_without_each_row(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(6, 30)), int(rng.integers(1, 9))
    design = rng.standard_t(2, size=(n, d))
    y = design @ rng.normal(size=d) + rng.normal(size=n) * 3
    weight = rng.choice([0.3, 1.0, 1.5, 3.0], n) if seed % 2 else np.ones(n)
    scores = [left_out(design, y, weight, l2) for l2 in GRID]
    fit = ridge_by_loo(design, y[:, None], weight)
    assert left_out(design, y, weight, fit.l2) == pytest.approx(min(scores), rel=1e-6)
    if not seed % 2:
        known = RidgeCV(GRID).fit(design, y)
        assert fit.l2 == pytest.approx(known.alpha_)
        assert np.allclose(fit.coef[:-1, 0], known.coef_)
        assert fit.coef[-1, 0] == pytest.approx(known.intercept_)


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    design, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    weight = rng.integers(1, 4, 40)
    often = np.repeat(np.arange(40), weight)
    one = ridge_by_loo(design, y, weight.astype(float))
    other = ridge_by_loo(design[often], y[often], np.ones(len(often)))
    assert one.l2 == other.l2
    assert np.allclose(one.coef, other.coef)


def test_a_target_without_noise_or_without_variance():
    rng = np.random.default_rng(0)
    design = rng.normal(size=(30, 3))
    exact = ridge_by_loo(design, design @ np.ones((3, 1)), np.ones(30))
    assert exact.l2 == GRID[0]
    still = ridge_by_loo(design, np.full((30, 1), 4.0), np.ones(30))
    assert np.allclose(still.coef[:, 0], [0, 0, 0, 4])
    wide = ridge_by_loo(rng.normal(size=(4, 9)), rng.normal(size=(4, 1)), np.ones(4))
    assert np.isfinite(wide.coef).all()
    single = ridge_by_loo(design[:1], np.ones((1, 1)), np.ones(1))
    assert np.allclose(single.coef[:, 0], [0, 0, 0, 1])
