"""Ridge regression by generalised cross-validation: the linear model that local ones start from."""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["RidgeFit", "leaf_map", "ridge_by_gcv"]

_PENALTIES = 10.0 ** np.arange(-3, 6.5, 0.5)


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


def ridge_by_gcv(design: np.ndarray, target: np.ndarray, weight: np.ndarray) -> RidgeFit:
    """The ridge fit whose penalty has the least generalised cross-validation score.

    A penalty is 10 to some power from -3 to 6, in units of row weight. A weight counts as so many
    rows.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_inputs)
        Columns on one scale.
    target : ndarray of float64, shape (n_rows, n_targets)
    weight : ndarray of float64, shape (n_rows,)

    References
    ----------
    G. Golub, M. Heath, G. Wahba, "Generalized cross-validation as a method for choosing a good
    ridge parameter", Technometrics 21 (1979), equation 1.4.
    """
    total = weight.sum()
    center, mean = weight @ design / total, weight @ target / total
    x, y = design - center, target - mean
    values, vectors = np.linalg.eigh((x * weight[:, None]).T @ x)
    values = np.maximum(values, 0.0)
    cross = vectors.T @ ((x * weight[:, None]).T @ y)
    square = float((weight[:, None] * y**2).sum())
    best = (np.inf, _PENALTIES[-1])
    for l2 in _PENALTIES[::-1]:
        shrunk = values + l2
        explained = (cross**2 * ((values + 2 * l2) / shrunk**2)[:, None]).sum()
        left = total - 1 - (values / shrunk).sum()
        if left <= 0.5:
            continue
        score = max(square - float(explained), 0.0) / left**2
        if score < best[0] * (1 - 1e-12):
            best = (score, l2)
    slope = vectors @ (cross / (values + best[1])[:, None])
    return RidgeFit(np.vstack([slope, mean - center @ slope]), float(best[1]))


def leaf_map(
    design: np.ndarray, residual: np.ndarray, weight: np.ndarray, l2: float, l2_constant: float
) -> np.ndarray:
    """Coefficients of the ridge fit of a leaf, the constant last; shape (n_inputs + 1, n_targets).

    Unlike `ridge_by_gcv` the constant is penalised too. Dependent columns share what they explain.
    """
    rows = np.column_stack([design, np.ones(len(design))])
    gram = (rows * weight[:, None]).T @ rows
    gram[np.diag_indices(len(gram))] += np.append(np.full(design.shape[1], l2), l2_constant)
    cross = (rows * weight[:, None]).T @ residual
    try:
        return np.linalg.solve(gram, cross)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(gram, cross, rcond=None)[0]
