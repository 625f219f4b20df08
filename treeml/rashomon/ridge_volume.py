"""The Rashomon set of a ridge regression, whose volume has a closed form."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from sklearn.utils import check_X_y

__all__ = ["RidgeVolume", "ridge_volume"]


@dataclasses.dataclass(frozen=True, slots=True)
class RidgeVolume:
    """The Rashomon set of a ridge regression: an ellipsoid around its solution.

    Parameters
    ----------
    log_volume : float
        Natural logarithm of the volume; -inf where theta is 0.
    coef : ndarray, shape (n_features,)
        The solution, the centre.
    loss : float
        Loss of the solution.
    semi_axes : ndarray, shape (n_features,)
        Half the lengths of the axes, the longest first.
    """

    log_volume: float
    coef: np.ndarray
    loss: float
    semi_axes: np.ndarray


def ridge_volume(X: Any, y: Any, *, theta: float, alpha: float) -> RidgeVolume:
    """Volume of all coefficients whose ridge loss is within ``theta`` of the least.

    The loss is ||X w - y||^2 + alpha ||w||^2, a sum and not a mean, without an intercept. The set
    is {w : (w - w*)' (X'X + alpha I) (w - w*) <= theta}, with the volume
    (pi theta)^(p / 2) / Gamma(p / 2 + 1) x the product of (s_i^2 + alpha)^(-1 / 2) over the p
    columns, s_i the singular values of X (0 past its rank) [1]_.

    Parameters
    ----------
    X : array, shape (n_rows, n_features)
    y : array, shape (n_rows,)
    theta : float
        Absolute, in units of the loss.
    alpha : float
        Penalty; 0 only where the columns of X are independent.

    Returns
    -------
    RidgeVolume

    Raises
    ------
    ValueError
        For input that is not finite, a negative theta or alpha, an infinite volume.

    References
    ----------
    .. [1] L. Semenova, C. Rudin, R. Parr, "On the Existence of Simpler Machine Learning Models",
       FAccT 2022, arXiv 1908.01755.
    """
    X, y = check_X_y(X, y, y_numeric=True)
    X, y = X.astype(np.float64), y.astype(np.float64)
    for name, value in (("theta", theta), ("alpha", alpha)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}={value}: give a number, 0 or above")
    p = X.shape[1]
    left, singular, right = np.linalg.svd(X, full_matrices=False)
    singular[singular <= singular.max() * max(X.shape) * np.finfo(float).eps] = 0.0
    squares = np.zeros(p)
    squares[: len(singular)] = singular**2
    if alpha == 0 and not squares.all():
        raise ValueError(
            "alpha=0 and the columns of X are dependent: the volume is infinite; give an alpha "
            "above 0"
        )
    stretch = squares + alpha
    coef = right.T @ (singular / stretch[: len(singular)] * (left.T @ y))
    loss = float(((X @ coef - y) ** 2).sum() + alpha * (coef**2).sum())
    log_theta = math.log(theta) if theta else -math.inf
    log_volume = p / 2 * (math.log(math.pi) + log_theta) - math.lgamma(p / 2 + 1)
    axes = np.sqrt(theta / stretch)[::-1]
    return RidgeVolume(float(log_volume - np.log(stretch).sum() / 2), coef, loss, axes)
