"""Ridge regression by leaving rows out: the linear model that local ones start from."""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["RidgeFit", "leaf_map", "ridge_by_loo"]

_PENALTIES = 10.0 ** np.arange(-3, 6.5, 0.5)
_LEAST_LEFT = 1e-9  # of a row's own share in its fit, where it is all but fitted exactly


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RidgeFit:
    """A linear map of standardised columns.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_inputs + 1, n_targets)
        The constant last.
    l2 : float
        The penalty of the squared coefficients, not of the constant.
    """

    coef: np.ndarray
    l2: float

    def predict(self, design: np.ndarray) -> np.ndarray:
        """Shape (n_rows, n_targets)."""
        return design @ self.coef[:-1] + self.coef[-1]


def ridge_by_loo(design: np.ndarray, target: np.ndarray, weight: np.ndarray) -> RidgeFit:
    """The ridge fit whose penalty has the least squared error when rows are left out one by one.

    A penalty is 10 to some power from -3 to 6, in units of row weight; of equals the greatest. A
    weight counts as so many rows: what is left out is one of them, or all of a row that weighs
    less than 1. Unlike generalised cross-validation this sees that rows with unusual values pull
    the fit to themselves.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_inputs)
        Columns on one scale.
    target : ndarray of float64, shape (n_rows, n_targets)
    weight : ndarray of float64, shape (n_rows,)

    References
    ----------
    D. Allen, "The relationship between variable selection and data augmentation and a method for
    prediction", Technometrics 16 (1974), section 4: the fit without a row from its leverage.
    """
    total, one = weight.sum(), np.minimum(weight, 1.0)
    center, mean = weight @ design / total, weight @ target / total
    x, y = design - center, target - mean
    values, vectors = np.linalg.eigh((x * weight[:, None]).T @ x)
    values = np.maximum(values, 0.0)
    turned = x @ vectors
    cross = turned.T @ (y * weight[:, None])
    best = (np.inf, _PENALTIES[-1])
    for l2 in _PENALTIES[::-1]:
        left = 1.0 - one * (1.0 / total + turned**2 @ (1.0 / (values + l2)))
        error = y - turned @ (cross / (values + l2)[:, None])
        without = (error / np.maximum(left, _LEAST_LEFT)[:, None]) ** 2
        score = float(weight @ without.sum(axis=1))
        if score < best[0] * (1 - 1e-12):
            best = (score, l2)
    slope = vectors @ (cross / (values + best[1])[:, None])
    return RidgeFit(np.vstack([slope, mean - center @ slope]), float(best[1]))


def leaf_map(
    design: np.ndarray, residual: np.ndarray, weight: np.ndarray, l2: float, l2_constant: float
) -> np.ndarray:
    """Coefficients of the ridge fit of a leaf, the constant last; shape (n_inputs + 1, n_targets).

    Unlike `ridge_by_loo` the constant is penalised too. Dependent columns share what they explain.
    """
    rows = np.column_stack([design, np.ones(len(design))])
    gram = (rows * weight[:, None]).T @ rows
    gram[np.diag_indices(len(gram))] += np.append(np.full(design.shape[1], l2), l2_constant)
    cross = (rows * weight[:, None]).T @ residual
    try:
        return np.linalg.solve(gram, cross)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(gram, cross, rcond=None)[0]
