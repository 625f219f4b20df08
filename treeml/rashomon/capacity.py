"""Capacity of a channel, in bits: how far the distributions that its inputs give spread."""

from __future__ import annotations

import numpy as np

__all__ = ["channel_capacity", "two_input_capacity"]

_TOLERANCE = 1e-6  # bits
_MOST_ROUNDS, _STEPS = 2000, 50


def two_input_capacity(a: float, b: float) -> float:
    """Capacity in bits of two inputs that give the second of two outputs with probability a, b.

    The output of the best input has the same divergence from both: its log odds are the slope of
    the entropy between a and b.
    """
    if a == b:
        return 0.0
    slope = (_entropy(b) - _entropy(a)) / (b - a)  # log2 of (1 - q) / q
    return min(1.0, max(0.0, a * slope - _entropy(a) + float(np.logaddexp2(0.0, -slope))))


def _entropy(p: float) -> float:
    return -sum(x * float(np.log2(x)) for x in (p, 1 - p) if x > 0)


def channel_capacity(points: np.ndarray) -> float:
    """Capacity in bits of a channel, shape (n_inputs, n_outputs), within 1e-6.

    Alternating maximization [1]_ [2]_ over a few inputs, to which the one that is farthest from
    their output is added until no input is farther than the capacity of the few: then it is that of
    all (Kuhn-Tucker conditions).

    References
    ----------
    .. [1] S. Arimoto, "An algorithm for computing the capacity of arbitrary discrete memoryless
       channels", IEEE Trans. Information Theory 18, 1972.
    .. [2] R. Blahut, "Computation of channel capacity and rate-distortion functions", IEEE Trans.
       Information Theory 18, 1972.
    """
    active = sorted({int(place) for place in points.argmax(axis=0)})
    weight = np.full(len(active), 1 / len(active))
    lower = 0.0
    for _ in range(_MOST_ROUNDS):
        for _ in range(_STEPS):
            apart = _divergence(points[active], weight @ points[active])
            lower = float(np.log2(weight @ np.exp2(apart)))
            if apart.max() - lower < _TOLERANCE / 4:
                break
            weight = weight * np.exp2(apart - apart.max())
            weight /= weight.sum()
        apart = _divergence(points, weight @ points[active])
        farthest = int(apart.argmax())
        if apart[farthest] - lower < _TOLERANCE:
            break
        if farthest not in active:
            active.append(farthest)
            weight = np.append(weight * (1 - 1 / len(active)), 1 / len(active))
    return max(0.0, lower)


def _divergence(points: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Of every point from a distribution, in bits; infinite where that excludes an outcome."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(points > 0, points * np.log2(points / of), 0.0)
    return terms.sum(axis=1)
