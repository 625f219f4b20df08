"""Scores on rows that the models have not seen, with the intervals that those rows allow."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from treeml._core.table import TableError

__all__ = [
    "Estimate",
    "FoldScores",
    "area_under_curve",
    "bootstrap",
    "class_weights",
    "interval",
    "mixture",
    "recalls",
    "score_name",
    "wilson",
]

_Z95 = 1.959963984540054


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A score with its 95% interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def text(self) -> str:
        """For reading: ``72.4 % (66.5 to 77.6)``."""
        if math.isnan(self.value):
            return "-"
        value = f"{100 * self.value:.1f} %"
        return value if math.isnan(self.low) else f"{value} ({self.range()})"

    def range(self) -> str:
        """The interval alone: ``66.5 to 77.6``."""
        return f"{100 * self.low:.1f} to {100 * self.high:.1f}"


class FoldScores:
    """The mean of scores on folds, and its standard error; for dataclasses with ``folds``."""

    __slots__ = ()
    folds: list[float]

    @property
    def mean(self) -> float:
        return float(np.mean(self.folds)) if self.folds else math.nan

    @property
    def error(self) -> float:
        """Standard error of the mean over folds."""
        if len(self.folds) < 2:
            return math.nan
        return float(np.std(self.folds, ddof=1) / math.sqrt(len(self.folds)))


def score_name(class_weight: object) -> str:
    """The score by which models are chosen and compared, given the class weights."""
    if class_weight is None:
        return "accuracy"
    return "balanced accuracy" if class_weight == "balanced" else "weighted accuracy"


def class_weights(class_weight: object, classes: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Weight of each class: 1, inverse to its rows ("balanced"), or as a mapping says.

    Raises
    ------
    TableError
        Where it is neither None, "balanced" nor a mapping of all classes to positive numbers.
    """
    counts = np.bincount(codes, minlength=len(classes))
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return len(codes) / (len(classes) * np.maximum(counts, 1))
    if not isinstance(class_weight, dict):
        raise TableError('class_weight must be None, "balanced" or a dict of class to weight')
    unknown = [label for label in class_weight if label not in set(classes.tolist())]
    if unknown:
        raise TableError(f"class_weight names {unknown[0]!r}, which is not a class of the target")
    weights = np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
    if not np.all(np.isfinite(weights) & (weights > 0)):
        raise TableError("class_weight must hold positive numbers")
    return weights


def mixture(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of each class in a score: the score is this times the share recognised of each."""
    mass = np.bincount(codes, minlength=len(weights)) * weights
    return mass / mass.sum()


def wilson(right: int, total: int) -> Estimate:
    """Accuracy with the interval of Wilson (1927), which holds for few rows and near 0 and 1."""
    share = right / total
    z2 = _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = share * (1 - share) / total + z2 / (4 * total**2)
    half = _Z95 / (1 + z2 / total) * math.sqrt(spread)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def recalls(codes: np.ndarray, right: np.ndarray, rows: np.ndarray, n_classes: int) -> np.ndarray:
    """Share of each class that is recognised, for each resample.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Class of each row.
    right : ndarray of bool, shape (n_rows,)
        Whether the model is right about it.
    rows : ndarray of int, shape (n_resamples, n_rows)
        The rows of each resample.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of float64, shape (n_resamples, n_classes)
        0 where a resample has no row of the class.
    """
    out = np.zeros((len(rows), n_classes))
    for at, resample in enumerate(rows):
        here = codes[resample]
        total = np.bincount(here, minlength=n_classes)
        hits = np.bincount(here, right[resample], minlength=n_classes)
        out[at] = hits / np.maximum(total, 1)
    return out


def area_under_curve(positive: np.ndarray, chance: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Probability that a positive row gets the higher chance than a negative one, ties half.

    Parameters
    ----------
    positive : ndarray of bool, shape (n_rows,)
        Whether the row has the positive class.
    chance : ndarray of float, shape (n_rows,)
        Predicted probability of the positive class.
    rows : ndarray of int, shape (n_resamples, n_rows)
        The rows of each resample.

    Returns
    -------
    ndarray of float64, shape (n_resamples,)
        NaN where a resample has one class only.
    """
    levels, level = np.unique(chance, return_inverse=True)
    out = np.full(len(rows), np.nan)
    for at, resample in enumerate(rows):
        ups = np.bincount(level[resample], positive[resample], minlength=len(levels))
        downs = np.bincount(level[resample], ~positive[resample], minlength=len(levels))
        pairs = ups.sum() * downs.sum()
        if pairs:
            out[at] = (ups * (np.cumsum(downs) - 0.5 * downs)).sum() / pairs
    return out


def bootstrap(codes: np.ndarray, n_resamples: int, random_state: int) -> np.ndarray:
    """Resamples of the rows within each class, shape (n_resamples, n_rows)."""
    rng = np.random.default_rng(random_state)
    out = np.empty((n_resamples, len(codes)), dtype=np.intp)
    for which in np.unique(codes):
        at = np.flatnonzero(codes == which)
        out[:, at] = rng.choice(at, (n_resamples, len(at)))
    return out


def interval(value: float, resampled: np.ndarray) -> Estimate:
    """A score with the middle 95% of its resampled values."""
    resampled = resampled[~np.isnan(resampled)]
    if not len(resampled) or math.isnan(value):
        return Estimate(float(value))
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Estimate(float(value), float(low), float(high))
