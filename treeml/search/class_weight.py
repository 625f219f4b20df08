"""Weights of the classes as integers, which is what a search adds up."""

from __future__ import annotations

import math

import numpy as np

from treeml._core.exact import integer_weights

__all__ = ["integer_class_weights"]


def integer_class_weights(
    per_class: np.ndarray, class_weight: np.ndarray | str | None
) -> tuple[np.ndarray, float]:
    """Integer weight of each class, and how many of them make a weight of 1."""
    n_classes = len(per_class)
    if class_weight is None:
        return np.ones(n_classes, dtype=np.int64), 1.0
    if not isinstance(class_weight, str):
        exact = integer_weights(np.asarray(class_weight, dtype=np.float64), row="class")
        return exact.values, exact.scale
    present = per_class > 0
    common = math.lcm(*(int(n) for n in per_class[present]))
    divisor = math.gcd(*(common // int(n) for n in per_class[present]))
    weights = np.zeros(n_classes, dtype=np.int64)
    if common // divisor * n_classes < 2**32:
        weights[present] = [common // int(n) // divisor for n in per_class[present]]
        factor = common / divisor * int(present.sum()) / int(per_class.sum())
        return weights, factor
    real = np.zeros(n_classes)
    real[present] = per_class.sum() / (present.sum() * per_class[present])
    factor = 2.0**16
    weights[present] = np.maximum(1, np.rint(real[present] * factor))
    return weights, factor
