"""Scores of a tree, made from the sums in its leaves; only a user's own metric sees rows.

The value of a leaf is always fitted to its training rows. With folds, a score is the mean over
the folds of the score on the fold's rows, where the leaves have the values of the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from treeml.search.leaf_cells import Cell

__all__ = ["CLASS_METRICS", "VALUE_METRICS", "ClassScore", "Response", "UserScore", "ValueScore"]

Response = Literal["predict", "predict_proba"]
_EPS = float(np.finfo(np.float64).eps)


def _ratio(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    return np.divide(above, below, out=np.full(below.shape, otherwise), where=below > 0)


# Metrics of classes: shares and weights of each class, (n_folds, n_leaves, n_classes), and the
# labels of the leaves, (n_folds, n_leaves), become scores, (n_folds,).


def _accuracy(proba: np.ndarray, label: np.ndarray, counts: np.ndarray) -> np.ndarray:
    hits = np.take_along_axis(counts, label[:, :, None], axis=2).sum(axis=(1, 2))
    return hits / counts.sum(axis=(1, 2))


def _hits(label: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each fold and class the weight that is right, predicted, and there."""
    named = label[:, :, None] == np.arange(counts.shape[2])
    right = np.where(named, counts, 0.0).sum(axis=1)
    predicted = np.where(named, counts.sum(axis=2, keepdims=True), 0.0).sum(axis=1)
    return right, predicted, counts.sum(axis=1)


def _balanced_accuracy(proba: np.ndarray, label: np.ndarray, counts: np.ndarray) -> np.ndarray:
    right, _, there = _hits(label, counts)
    return _ratio(right, there, 0.0).sum(axis=1) / (there > 0).sum(axis=1)


def _f1(proba: np.ndarray, label: np.ndarray, counts: np.ndarray) -> np.ndarray:
    right, predicted, there = _hits(label, counts)
    score = _ratio(2 * right, predicted + there, 0.0)
    return score.mean(axis=1) if score.shape[1] > 2 else score[:, -1]


def _log_loss(proba: np.ndarray, label: np.ndarray, counts: np.ndarray) -> np.ndarray:
    loss = -(counts * np.log(np.clip(proba, _EPS, 1.0 - _EPS))).sum(axis=(1, 2))
    return -loss / counts.sum(axis=(1, 2))


def _roc_auc(proba: np.ndarray, label: np.ndarray, counts: np.ndarray) -> np.ndarray:
    def one(k: int) -> np.ndarray:
        positive, negative, above, below = _ranked(proba, counts, k)
        difference = (negative * above - positive * below).sum(axis=1)  # right less wrong pairs
        return 0.5 + _ratio(difference, 2.0 * positive.sum(axis=1) * negative.sum(axis=1), 0.0)

    return _each_class(one, counts.shape[2])


def _average_precision(proba: np.ndarray, label: np.ndarray, counts: np.ndarray) -> np.ndarray:
    def one(k: int) -> np.ndarray:
        positive, _, above, below = _ranked(proba, counts, k)
        precision = _ratio(above, above + below, 0.0)
        return _ratio((positive * precision).sum(axis=1), positive.sum(axis=1), 0.0)

    return _each_class(one, counts.shape[2])


def _each_class(one: Callable[[int], np.ndarray], n_classes: int) -> np.ndarray:
    """Of the second of two classes, or the mean over all, each against the rest."""
    if n_classes <= 2:
        return one(n_classes - 1)
    return np.mean([one(k) for k in range(n_classes)], axis=0)


def _ranked(proba: np.ndarray, counts: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """Leaves by falling share of class k: weight of the class, of the others, and both summed.

    The sums of a leaf are those of all leaves with its share or a larger one.
    """
    order = np.argsort(-proba[:, :, k], axis=1, kind="stable")
    share = np.take_along_axis(proba[:, :, k], order, axis=1)
    positive = np.take_along_axis(counts[:, :, k], order, axis=1)
    negative = np.take_along_axis(counts.sum(axis=2), order, axis=1) - positive
    places = np.arange(share.shape[1])
    last = np.ones(share.shape, dtype=bool)  # of leaves with the same share
    last[:, :-1] = share[:, 1:] != share[:, :-1]
    end = np.where(last, places, len(places))[:, ::-1]
    end = np.minimum.accumulate(end, axis=1)[:, ::-1]
    above = np.take_along_axis(np.cumsum(positive, axis=1), end, axis=1)
    below = np.take_along_axis(np.cumsum(negative, axis=1), end, axis=1)
    return positive, negative, above, below


CLASS_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "log_loss": _log_loss,
    "roc_auc": _roc_auc,
}
VALUE_METRICS = ("absolute_error", "r2", "squared_error")


class ClassScore:
    """A metric of `CLASS_METRICS` from the class weights in the leaves.

    Parameters
    ----------
    metric : str
    class_weight : ndarray of float64, shape (n_classes,)
    n_folds : int
        The sums of a cell are (n_folds, n_classes) class weights; 1: score on the training rows.
    """

    def __init__(self, metric: str, class_weight: np.ndarray, n_folds: int) -> None:
        self.metric = CLASS_METRICS[metric]
        self.class_weight = class_weight
        self.n_folds = n_folds

    def __call__(self, cells: Sequence[Cell]) -> float:
        held = self._held(cells)
        proba, label = self.predictions(cells)
        return float(self.metric(proba, label, held * self.class_weight).mean())

    def predictions(self, cells: Sequence[Cell]) -> tuple[np.ndarray, np.ndarray]:
        """Class shares, (n_folds, n_leaves, n_classes), and labels, (n_folds, n_leaves)."""
        held = self._held(cells)
        counts = held if self.n_folds == 1 else held.sum(axis=0) - held
        weighted = counts * self.class_weight
        nothing = weighted.sum(axis=2) == 0  # only classes of weight 0, or no rows but the fold's
        if nothing.any():
            rest = np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
            empty = counts.sum(axis=2) == 0
            weighted[nothing] = counts[nothing]
            weighted[empty] = (rest * self.class_weight)[empty]
        return weighted / weighted.sum(axis=2, keepdims=True), weighted.argmax(axis=2)

    def _held(self, cells: Sequence[Cell]) -> np.ndarray:
        sums = np.array([cell.sums for cell in cells])
        return sums.reshape(len(cells), self.n_folds, -1).transpose(1, 0, 2)


class ValueScore:
    """R², squared or absolute error of a regression tree, larger is better.

    Parameters
    ----------
    metric : {"r2", "squared_error", "absolute_error"}
    y, weight : ndarray of float64, shape (n_rows,)
        Of the rows; for absolute errors no two of them are stored as one.
    fold : ndarray of int, shape (n_rows,)
    n_folds : int
        The sums of a cell are (n_folds, 3): weight, weight * d, weight * d**2 with d = y - mean.
    """

    def __init__(
        self, metric: str, y: np.ndarray, weight: np.ndarray, fold: np.ndarray, n_folds: int
    ) -> None:
        self.metric = metric
        self.n_folds = n_folds
        self.mean = float(np.average(y, weights=weight))
        self._y, self._weight, self._fold = y, weight, fold
        self._total = np.bincount(fold, weight, n_folds)
        d = y - self.mean
        first, second = np.bincount(fold, weight * d), np.bincount(fold, weight * d * d)
        self._spread = second - first**2 / self._total

    def statistics(self, row_of: np.ndarray, n_rows: int) -> np.ndarray:
        """What cells have to sum, shape (n_folds * 3, n_rows)."""
        d = self._y - self.mean
        cells = self._fold * np.int64(n_rows) + row_of
        powers = (self._weight, self._weight * d, self._weight * d * d)
        sums = [np.bincount(cells, power, self.n_folds * n_rows) for power in powers]
        return np.stack([s.reshape(self.n_folds, n_rows) for s in sums], axis=1).reshape(-1, n_rows)

    def __call__(self, cells: Sequence[Cell]) -> float:
        value = self.predictions(cells)
        if self.metric == "absolute_error":
            loss = sum(cell.value[1] for cell in cells)
            return float(-np.mean(loss / self._total))
        held = np.array([cell.sums for cell in cells]).reshape(len(cells), self.n_folds, 3)
        weight, first, second = held.transpose(2, 1, 0)
        d = value - self.mean
        loss = np.maximum(second - 2 * d * first + d * d * weight, 0.0).sum(axis=1)
        if self.metric == "squared_error":
            return float(-np.mean(loss / self._total))
        return float(np.mean(1.0 - _ratio(loss, self._spread, 0.0)))

    def predictions(self, cells: Sequence[Cell]) -> np.ndarray:
        """Value of each leaf, shape (n_folds, n_leaves)."""
        if self.metric == "absolute_error":
            for cell in cells:
                if cell.value is None:
                    cell.value = self._medians(cell.rows)
            return np.array([cell.value[0] for cell in cells]).T
        held = np.array([cell.sums for cell in cells]).reshape(len(cells), self.n_folds, 3)
        learn = held if self.n_folds == 1 else held.sum(axis=1, keepdims=True) - held
        return self.mean + _ratio(learn[:, :, 1], learn[:, :, 0], 0.0).T

    def node(self, rows: np.ndarray) -> tuple[float, float, float]:
        """Value, weight and mean loss of a node with these rows, fitted to all of them."""
        y, weight = self._y[rows], self._weight[rows]
        if self.metric == "absolute_error":
            order = np.argsort(y, kind="stable")
            value = _median(y[order], weight[order])
            loss = np.abs(y - value)
        else:
            value = self.mean + float(np.average(y - self.mean, weights=weight))
            loss = (y - value) ** 2
        return value, float(weight.sum()), float(np.average(loss, weights=weight))

    def _medians(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each fold the median that a leaf predicts, and the sum of its absolute errors."""
        order = rows[np.argsort(self._y[rows], kind="stable")]
        y, weight, fold = self._y[order], self._weight[order], self._fold[order]
        medians, losses = np.empty(self.n_folds), np.empty(self.n_folds)
        for f in range(self.n_folds):
            held = fold == f
            learn = held if self.n_folds == 1 else ~held
            medians[f] = _median(y[learn], weight[learn]) if learn.any() else self.mean
            losses[f] = (weight[held] * np.abs(y[held] - medians[f])).sum()
        return medians, losses


def _median(y: np.ndarray, weight: np.ndarray) -> float:
    """Weighted median of sorted values: the middle between the lower and the upper one."""
    above = np.cumsum(weight)
    half = above[-1] / 2
    low = int(np.searchsorted(above, half, side="left"))
    high = min(int(np.searchsorted(above, half, side="right")), len(y) - 1)
    return float(y[low] + y[high]) / 2


class UserScore:
    """A user's metric on arrays of all rows.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, prediction)``, or ``metric(y_true, prediction, sample_weight=...)`` where
        rows have weights; larger is better.
    values : ClassScore or ValueScore
        Knows what the leaves predict.
    y : ndarray, shape (n_rows,)
    weight : ndarray of float64, shape (n_rows,), or None
    row_of, fold : ndarray of int, shape (n_rows,)
        Stored row and fold of every row.
    classes : ndarray or None
        Labels; None for a regression.
    response_method : {"predict", "predict_proba"}
        Whether the metric gets labels, or the share of the second of two classes (else of all).
    """

    def __init__(
        self,
        metric: Callable[..., float],
        values: ClassScore | ValueScore,
        *,
        y: np.ndarray,
        weight: np.ndarray | None,
        row_of: np.ndarray,
        fold: np.ndarray,
        classes: np.ndarray | None,
        response_method: Response,
    ) -> None:
        self.metric, self.values = metric, values
        self._y, self._weight = y, weight
        self._row_of, self._fold = row_of, fold
        self._classes, self._response = classes, response_method

    def __call__(self, cells: Sequence[Cell]) -> float:
        leaf = np.empty(sum(len(cell.rows) for cell in cells), dtype=np.intp)
        for at, cell in enumerate(cells):
            leaf[cell.rows] = at
        predicted = self._of_leaves(cells)[self._fold, leaf[self._row_of]]
        if self.values.n_folds == 1:
            return self._score(slice(None), predicted)
        folds = range(self.values.n_folds)
        return float(np.mean([self._score(self._fold == f, predicted) for f in folds]))

    def _score(self, rows: Any, predicted: np.ndarray) -> float:
        if self._weight is None:
            return float(self.metric(self._y[rows], predicted[rows]))
        return float(self.metric(self._y[rows], predicted[rows], sample_weight=self._weight[rows]))

    def _of_leaves(self, cells: Sequence[Cell]) -> np.ndarray:
        """Prediction of every leaf, shape (n_folds, n_leaves) or (n_folds, n_leaves, n_classes)."""
        if isinstance(self.values, ValueScore):
            return self.values.predictions(cells)
        proba, label = self.values.predictions(cells)
        if self._response == "predict":
            assert self._classes is not None
            return self._classes[label]
        return proba[:, :, 1] if proba.shape[2] == 2 else proba
