"""From scores to classes and probabilities."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

__all__ = ["logistic_proba", "softmax_proba"]


def logistic_proba(score: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from the score of the second one, shape (n_rows, 2)."""
    return np.column_stack([expit(-score), expit(score)])


def softmax_proba(score: np.ndarray) -> np.ndarray:
    """Probabilities proportional to ``exp(score)``, shape (n_rows, n_classes)."""
    odds = np.exp(score - score.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
