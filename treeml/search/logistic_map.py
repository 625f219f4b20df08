"""Penalised logistic regression of a few rows, by Newton's method."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax, softmax

__all__ = ["class_proba", "log_loss_of", "logistic_derivatives", "logistic_map"]

_MOST_STEPS = 50
_SHORTEST = 1e-4  # share of a Newton step below which none is taken
_TOLERANCE = 1e-9  # relative decrease of the loss that ends the steps


def class_proba(score: np.ndarray) -> np.ndarray:
    """Probabilities of scores: one column, the log odds of two classes, or one for each class."""
    if score.shape[1] == 1:
        return np.column_stack([expit(-score[:, 0]), expit(score[:, 0])])
    return softmax(score, axis=1)


def log_loss_of(score: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Loss of every row in nats, shape (n_rows,)."""
    if score.shape[1] == 1:
        return np.logaddexp(0.0, np.where(codes == 1, -score[:, 0], score[:, 0]))
    return -log_softmax(score, axis=1)[np.arange(len(codes)), codes]


def logistic_map(
    rows: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray,
    offset: np.ndarray,
    penalty: np.ndarray,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Coefficients of least penalised log loss, added to given scores.

    Minimises ``sum weight loss(offset + rows @ coef) + sum penalty coef**2 / 2``; with two classes
    there is one column of scores, with more one a class.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_inputs)
        With a column of ones, where there is to be a constant.
    codes : ndarray of int, shape (n_rows,)
    weight : ndarray of float64, shape (n_rows,)
    offset : ndarray of float64, shape (n_rows, n_scores)
    penalty : ndarray of float64, shape (n_inputs,)
        Positive, but for a constant.
    start : ndarray of float64, shape (n_inputs, n_scores), default=None

    Returns
    -------
    ndarray of float64, shape (n_inputs, n_scores)
    """
    n_inputs, n_scores = rows.shape[1], offset.shape[1]
    hits = _indicators(codes, n_scores)
    coef = np.zeros((n_inputs, n_scores)) if start is None else start.copy()

    def loss(coef: np.ndarray) -> float:
        fit = float(weight @ log_loss_of(offset + rows @ coef, codes))
        return fit + 0.5 * float((penalty[:, None] * coef**2).sum())

    value = loss(coef)
    for _ in range(_MOST_STEPS):
        gradient, hessian = logistic_derivatives(rows, hits, weight, offset + rows @ coef)
        gradient += penalty[:, None] * coef
        diagonal = np.tile(penalty, n_scores) + 1e-10 * (1 + weight.sum())
        hessian[np.diag_indices(len(hessian))] += diagonal
        step = np.linalg.solve(hessian, gradient.T.ravel()).reshape(n_scores, n_inputs).T
        size, lower = 1.0, loss(coef - step)
        while not lower < value and size > _SHORTEST:
            size /= 2
            lower = loss(coef - size * step)
        if not lower < value:
            break
        coef, before, value = coef - size * step, value, lower
        if before - value <= _TOLERANCE * (abs(value) + 1e-12):
            break
    return coef


def _indicators(codes: np.ndarray, n_scores: int) -> np.ndarray:
    """1 where a score is that of the row's class."""
    if n_scores == 1:
        return codes[:, None].astype(np.float64)
    return (codes[:, None] == np.arange(n_scores)).astype(np.float64)


def logistic_derivatives(
    rows: np.ndarray, hits: np.ndarray, weight: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (n_inputs, n_scores) and Hessian of the loss, scores outermost.

    ``hits`` are the shares of the classes that each row has; with one score that of the second.
    """
    proba = class_proba(score)[:, 1:] if score.shape[1] == 1 else class_proba(score)
    gradient = rows.T @ (weight[:, None] * (proba - hits))
    n_inputs, n_scores = gradient.shape
    hessian = np.empty((n_scores * n_inputs, n_scores * n_inputs))
    for k in range(n_scores):
        for j in range(k + 1):
            curve = weight * proba[:, k] * ((j == k) - proba[:, j])
            block = (rows * curve[:, None]).T @ rows
            at, other = (
                slice(k * n_inputs, (k + 1) * n_inputs),
                slice(j * n_inputs, (j + 1) * n_inputs),
            )
            hessian[at, other] = block
            hessian[other, at] = block
    return gradient, hessian
