"""Cuts of a numeric column: where they go and which readable number stands for each.

Everything is computed from the distinct values and their total weights, so that a weight of 2
and a row that occurs twice are the same thing.
"""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np

__all__ = ["between", "distinct_values", "entropy_boundaries", "quantile_boundaries", "thresholds"]

_POWERS_OF_TEN = np.array([float(10**k) for k in range(23)])  # exact
_MANY = 1000  # values for which a pass over them costs more than a call


def distinct_values(
    values: np.ndarray, weights: np.ndarray | None, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values in ascending order with their weight, by class where asked.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows,)
        Without missing values.
    weights : ndarray of float64, shape (n_rows,), or None
        None stands for a weight of 1 each.
    classes : ndarray of int, shape (n_rows,), default=None
        Class of every row.

    Returns
    -------
    distinct : ndarray of float64, shape (n_distinct,)
    totals : ndarray of float64, shape (n_distinct,) or (n_distinct, n_classes)
    """
    if classes is None and weights is None:
        distinct, totals = np.unique(values, return_counts=True)
        return distinct, totals.astype(np.float64)
    distinct, at = np.unique(values, return_inverse=True)
    if classes is None:
        return distinct, np.bincount(at, weights, minlength=len(distinct))
    n_classes = int(classes.max()) + 1 if len(classes) else 1
    cells = np.bincount(at * n_classes + classes, weights, minlength=len(distinct) * n_classes)
    return distinct, cells.reshape(-1, n_classes).astype(np.float64)


def quantile_boundaries(totals: np.ndarray, max_bins: int | None) -> np.ndarray:
    """Boundaries that split the weight into nearly equal bins.

    The boundaries nearest to the weights k / max_bins; where heavy values leave some of them
    unused, the heaviest bins that can be split are halved until there are ``max_bins``.

    Parameters
    ----------
    totals : ndarray, shape (n_distinct,)
        Weight of every distinct value.
    max_bins : int or None
        Most bins; None puts a boundary between any two neighbours.

    Returns
    -------
    ndarray of int, shape (n_cuts,)
        Ascending; ``i`` stands for the gap between the distinct values i and i + 1.
    """
    if max_bins is None or len(totals) <= max_bins:
        return np.arange(max(len(totals) - 1, 0))
    below = np.concatenate([[0.0], np.cumsum(totals)])  # weight before each distinct value
    inner = below[1:-1]
    targets = below[-1] * np.arange(1, max_bins) / max_bins
    found = {_nearest(inner, target, 0, len(inner)) for target in targets}
    while len(found) < max_bins - 1:
        edges = [0, *(i + 1 for i in sorted(found)), len(totals)]
        spans = [(a, b) for a, b in pairwise(edges) if b - a > 1]
        a, b = max(spans, key=lambda span: below[span[1]] - below[span[0]])
        found.add(_nearest(inner, (below[a] + below[b]) / 2, a, b - 1))
    return np.array(sorted(found), dtype=np.intp)


def entropy_boundaries(counts: np.ndarray, max_bins: int | None) -> np.ndarray:
    """Boundaries that tell the classes apart, each worth its description length.

    A bin is split where the class entropy falls most, as long as the gain pays for the split by
    the criterion of Fayyad and Irani, "Multi-interval discretization of continuous-valued
    attributes for classification learning" (IJCAI 1993, section 3); the most useful splits come
    first. Weights count as repeated rows.

    Parameters
    ----------
    counts : ndarray, shape (n_distinct, n_classes)
        Weight of every distinct value by class.
    max_bins : int or None
        Most bins.

    Returns
    -------
    ndarray of int, shape (n_cuts,)
        As for `quantile_boundaries`.
    """
    sums = np.vstack([np.zeros(counts.shape[1]), np.cumsum(counts, axis=0)])
    found: list[int] = []
    open_bins: list[tuple[float, int, int, int]] = []

    def offer(a: int, b: int) -> None:
        split = _best_split(sums, a, b)
        if split is not None:
            heapq.heappush(open_bins, (-split[0], a, b, split[1]))

    offer(0, len(counts))
    while open_bins and (max_bins is None or len(found) < max_bins - 1):
        _, a, b, at = heapq.heappop(open_bins)
        found.append(at)
        offer(a, at + 1)
        offer(at + 1, b)
    return np.array(sorted(found), dtype=np.intp)


def thresholds(distinct: np.ndarray, boundaries: np.ndarray) -> np.ndarray:
    """A readable number t for each boundary, with distinct[i] <= t < distinct[i + 1].

    Whole-number columns get the whole number at or below the midpoint; others the shortest
    decimal within the middle half of the gap, or the lower value where there is none.

    Parameters
    ----------
    distinct : ndarray of float64, shape (n_distinct,)
        Ascending.
    boundaries : ndarray of int, shape (n_cuts,)

    Returns
    -------
    ndarray of float64, shape (n_cuts,)
    """
    small = len(distinct) > 0 and np.abs(distinct).max() < 2.0**52
    whole = bool(small and (distinct == np.rint(distinct)).all())
    return between(distinct[boundaries], distinct[boundaries + 1], whole)


def between(lo: np.ndarray, hi: np.ndarray, whole: bool) -> np.ndarray:
    """A readable number t for each pair of neighbouring values, with lo <= t < hi.

    Parameters
    ----------
    lo, hi : ndarray of float64, shape (n_pairs,)
        Finite, with lo < hi.
    whole : bool
        Whether the column holds only whole numbers below 2**52 in size: it gets the whole number
        at or below the midpoint. Otherwise t is the shortest decimal within the middle half of
        the gap, or the lower value where there is none.

    Returns
    -------
    ndarray of float64, shape (n_pairs,)
    """
    if whole:
        return np.floor((lo + hi) / 2) + 0.0
    left, right = 0.75 * lo + 0.25 * hi, 0.25 * lo + 0.75 * hi
    out = np.where((left <= 0) & (right >= 0), 0.0, lo)
    todo = np.flatnonzero((left > 0) | (right < 0))
    middle = lo / 2 + hi / 2
    digits = 1
    while todo.size and digits < 18:
        step = 1 if todo.size > _MANY else min(6, 18 - digits)
        short = _rounded(middle[todo, None], np.arange(digits, digits + step))
        fits = (left[todo, None] <= short) & (short <= right[todo, None])
        found, first = fits.any(axis=1), fits.argmax(axis=1)
        out[todo[found]] = short[found, first[found]]
        todo = todo[~found]
        digits += step
    return np.where((lo <= out) & (out < hi), out, lo) + 0.0


def _nearest(inner: np.ndarray, target: float, start: int, stop: int) -> int:
    """The boundary of ``inner[start:stop]`` nearest to a weight, the lower one in a tie."""
    at = start + int(np.searchsorted(inner[start:stop], target))
    if at == stop or (at > start and target - inner[at - 1] <= inner[at] - target):
        return at - 1
    return at


def _best_split(sums: np.ndarray, a: int, b: int) -> tuple[float, int] | None:
    """Gain in bits and boundary of the best split of the values a to b - 1, if it pays."""
    whole = sums[b] - sums[a]
    weight = whole.sum()
    if b - a < 2 or weight < 2:
        return None
    left = sums[a + 1 : b] - sums[a]
    right = sums[b] - sums[a + 1 : b]
    gains = _bits(whole[None]) - _bits(left) - _bits(right)
    at = int(gains.argmax())
    here = [_bits_each(part) for part in (whole, left[at], right[at])]
    k = (whole > 0).sum()
    price = np.log2(weight - 1) + np.log2(3.0**k - 2) - (here[0] - here[1] - here[2])
    return (float(gains[at]), a + at) if gains[at] > price else None


def _bits(counts: np.ndarray) -> np.ndarray:
    """Entropy times weight of every row of counts, in bits."""
    total = counts.sum(axis=1)
    return _x_log_x(total) - _x_log_x(counts).sum(axis=1)


def _bits_each(counts: np.ndarray) -> float:
    """Number of classes present times the entropy of a row."""
    return float((counts > 0).sum() * _bits(counts[None])[0] / counts.sum())


def _x_log_x(x: np.ndarray) -> np.ndarray:
    return x * np.log2(np.where(x > 0, x, 1.0))


def _rounded(values: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Each value, shape (n, 1), at each number of significant digits, as the nearest float."""
    with np.errstate(over="ignore"):
        power = digits - 1 - np.floor(np.log10(np.abs(values))).astype(int)
        exact = (np.abs(power) <= 22) & (digits <= 15)
        scale = _POWERS_OF_TEN[np.minimum(np.abs(power), 22)]
        up = np.rint(values * scale) / scale
        down = np.rint(values / scale) * scale
    out = np.where(power >= 0, up, down)
    for i, j in np.argwhere(~exact):
        out[i, j] = float(f"{values[i, 0]:.{digits[j] - 1}e}")
    return out
