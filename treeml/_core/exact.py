"""Real weights as integers on one grid, so that a search adds them up without rounding."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

import numpy as np

__all__ = ["IntegerWeights", "as_decimal", "integer_weights", "rounded_product"]

_EXACT_BITS = 20  # fractions of up to 2^-20 are kept exactly
_TOTAL_BITS = 31  # otherwise the sum gets this many bits
_FINE_BITS = 44  # or this many, where the weights would keep less than 10 bits each


def rounded_product(x: float, n: int) -> int:
    """X * n to the nearest integer, halves up, without rounding in between."""
    numerator, denominator = float(x).as_integer_ratio()
    return (2 * numerator * n + denominator) // (2 * denominator)


def as_decimal(x: float) -> tuple[int, int]:
    """Numerator and denominator of the shortest decimal that reads back as x."""
    return Decimal(repr(float(x))).as_integer_ratio()


@dataclasses.dataclass(frozen=True, slots=True)
class IntegerWeights:
    """``values / scale`` are the weights, up to ``rounding`` in the sum of all of them."""

    values: np.ndarray
    scale: float
    rounding: float
    text: str


def integer_weights(weights: np.ndarray, *, row: str = "row") -> IntegerWeights:
    """Bring non-negative weights to the coarsest integer grid that holds them.

    Integers are divided by their greatest common divisor; multiples of 2^-20 are made integers
    exactly; other weights are multiplied by a power of two and rounded.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        Not all of them 0.
    row : str
        What a weight belongs to, for the error.

    Raises
    ------
    ValueError
        Where a positive weight would be rounded to 0.
    """
    total = float(weights.sum())
    for bits in (0, _EXACT_BITS):
        scaled = np.ldexp(weights, bits)
        if total * 2.0**bits < 2.0**50 and np.array_equal(scaled, np.rint(scaled)):
            values = scaled.astype(np.int64)
            divisor = int(np.gcd.reduce(values))
            scale = 2.0**bits / divisor
            text = "weights are integers, as they are"
            if scale != 1:
                text = f"weights are exact multiples of {1 / scale:.12g}"
            return IntegerWeights(values // divisor, scale, 0.0, text)
    mean = total / max(1, np.count_nonzero(weights))
    shift = _TOTAL_BITS - 1 - math.frexp(total)[1]
    if mean * 2.0**shift < 2.0**10:
        shift = _FINE_BITS - 1 - math.frexp(total)[1]
    values = np.rint(np.ldexp(weights, shift)).astype(np.int64)
    lost = np.flatnonzero((values == 0) & (weights > 0))
    if lost.size:
        raise ValueError(
            f"{row} {lost[0]}: weight {weights[lost[0]]:.6g} is too small beside the total of "
            f"{total:.6g} to be kept; set it to 0 or raise it"
        )
    rounding = float(np.abs(np.ldexp(values.astype(np.float64), -shift) - weights).sum())
    text = f"weights are rounded to multiples of 2^-{shift}, {rounding:.2g} in the sum of all"
    return IntegerWeights(values, 2.0**shift, rounding, text)
