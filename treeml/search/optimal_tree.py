"""Provably optimal classification trees: exact integers in, the native search, figures out."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import numpy as np

from treeml._core.control import Control, Status
from treeml._core.exact import integer_weights
from treeml._ext import optimal_tree as native
from treeml.binarize.dataset import BinaryDataset
from treeml.search.result import SearchResult

__all__ = ["optimal_tree"]

_STATUS: tuple[Status, ...] = ("optimal", "time_limit", "interrupted")
_NO_LIMIT = 2**31 - 1
_EXACT_COST = 2**53


def optimal_tree(
    dataset: BinaryDataset,
    *,
    max_depth: int | None,
    regularization: float = 0.0,
    min_samples_leaf: int = 1,
    class_weight: np.ndarray | str | None = None,
    control: Control | None = None,
) -> SearchResult:
    """The tree of least weighted misclassification plus a cost per leaf, with a proof.

    Minimises errors / total + regularization x leaves over all trees of depth ``max_depth`` or
    less over the dataset's predicates, where a row that is misclassified errs by its weight
    times that of its class. Costs are integers: unit x errors + leaf cost x leaves, with a unit
    that is a power of two, so nothing is rounded but the leaf cost, to one part in 2^52 of all.

    Parameters
    ----------
    dataset : BinaryDataset
        With class counts (`BinaryDataset.with_classes`).
    max_depth : int or None
        0 is a single leaf; None: no limit.
    regularization : float, default=0.0
        Cost of a leaf in units of the total.
    min_samples_leaf : int, default=1
        Fewest rows of positive weight in a leaf.
    class_weight : ndarray of shape (n_classes,), "balanced" or None, default=None
        Weight of each class in the objective. "balanced": total weight over (number of classes
        times weight of the class).
    control : Control, default=None
        Time limit; Ctrl-C ends the search too, with the best tree so far.

    Returns
    -------
    SearchResult
    """
    control = control or Control()
    start = time.perf_counter()
    counts = dataset.statistics[:-1]
    per_class = counts.sum(axis=1)
    weights, factor = _class_weights(per_class, class_weight)
    total = sum(int(w) * int(n) for w, n in zip(weights, per_class, strict=True))
    if total <= 0:
        raise ValueError("all rows have weight 0; give at least one row a positive weight")
    unit = 1
    if regularization > 0:
        unit = 2 ** max(0, _EXACT_COST.bit_length() - 1 - total.bit_length())
    leaf_cost = round(Fraction(regularization) * unit * total)
    cost, lower, stop, nodes, counters, raised = native.optimal_tree(
        dataset.columns,
        dataset.n_rows,
        np.ascontiguousarray(dataset.statistics),
        weights,
        unit=unit,
        leaf_cost=leaf_cost,
        min_samples_leaf=min(min_samples_leaf, _NO_LIMIT),
        max_depth=_NO_LIMIT if max_depth is None else min(max_depth, _NO_LIMIT),
        time_limit=-1.0 if control.time_limit is None else control.time_limit,
        stop_after=-1 if control.stop_after is None else control.stop_after,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    n_leaves = sum(column < 0 for column, _, _ in nodes)
    objective = (cost - leaf_cost * n_leaves) // unit / total + regularization * n_leaves
    proven = lower == cost
    return SearchResult(
        objective=objective,
        lower_bound=objective if proven else min(objective, lower / (unit * total)),
        status="optimal" if proven else _STATUS[stop],
        nodes=np.array(nodes, dtype=np.int32).reshape(-1, 3),
        total=total / (factor * dataset.scale),
        class_weight=weights / factor,
        seconds=time.perf_counter() - start,
        counters=counters,
    )


def _class_weights(
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
