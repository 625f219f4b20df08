"""Best subsets: against every subset, and as an estimator."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer

from treeml import SearchLimitWarning, SparseLogisticRegression


def least_loss(X, y, weight):
    """Of a logistic regression without penalty."""
    sign = 2 * y - 1

    def loss(beta):
        margin = sign * (X @ beta[1:] + beta[0])
        slope = -sign / (1 + np.exp(margin)) * weight
        value = weight @ np.logaddexp(0, -margin)
        return value, np.concatenate([[slope.sum()], X.T @ slope])

    found = minimize(loss, np.zeros(X.shape[1] + 1), jac=True, method="BFGS", tol=1e-10)
    return found.fun / weight.sum()


@pytest.mark.parametrize("seed", range(20))
def test_no_subset_is_better(seed):
    rng = np.random.default_rng(seed)
    n, d, k = 60, int(rng.integers(2, 7)), int(rng.integers(1, 4))
    X = rng.normal(size=(n, d)).round(1)
    if seed % 2:
        X[:, 0] = X[:, 0] > 0
    y = (X @ rng.normal(size=d) + 2 * rng.normal(size=n) > 0).astype(int)
    weight = rng.choice([1.0, 2.0, 0.3], n) if seed % 3 else np.ones(n)
    best = min(
        least_loss(X[:, list(which)], y, weight)
        for size in range(min(k, d) + 1)
        for which in itertools.combinations(range(d), size)
    )
    model = SparseLogisticRegression(max_features=k).fit(X, y, weight)
    assert model.status_ == "optimal"
    assert model.objective_ == pytest.approx(best, rel=1e-6)
    assert model.lower_bound_ <= best * (1 + 1e-9)
    assert len(model.support_) <= k
    proba = model.predict_proba(X)[np.arange(n), y]
    assert -(weight @ np.log(proba)) / weight.sum() == pytest.approx(model.objective_, rel=1e-9)


def test_loss_falls_with_more_coefficients():
    X, y = load_breast_cancer(return_X_y=True)
    losses = [SparseLogisticRegression(max_features=k).fit(X, y).objective_ for k in (0, 1, 2)]
    assert losses[0] > losses[1] > losses[2]


def test_separable_rows_get_steep_but_finite_coefficients():
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1]
    model = SparseLogisticRegression(max_features=1, max_logit=30).fit(X, y)
    assert np.abs(model.coef_).max() * 3 <= 30 * (1 + 1e-9)
    assert model.objective_ < 1e-2
    assert (model.predict(X) == y).all()


def test_a_limit_gives_the_best_so_far_with_its_bound():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(SearchLimitWarning, match="time_limit=0"):
        model = SparseLogisticRegression(max_features=8, time_limit=0).fit(X, y)
    assert model.lower_bound_ <= model.objective_
    assert model.status_ == "time_limit"


def test_errors_say_what_is_wrong():
    X = np.eye(4)
    with pytest.raises(ValueError, match="only one class"):
        SparseLogisticRegression().fit(X, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="3 classes"):
        SparseLogisticRegression().fit(X, [0, 1, 2, 0])
    with pytest.raises(ValueError, match="NaN"):
        SparseLogisticRegression().fit(np.full((4, 2), np.nan), [0, 1, 0, 1])
