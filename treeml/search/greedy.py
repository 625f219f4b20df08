"""Greedy trees: targets as whole numbers in, the native growth, a tree of the IR out."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml._core.control import Control, Status
from treeml.binarize.bins import BinnedTable
from treeml.binarize.split_columns import split_columns, split_predicates
from treeml.ir import RegressionTree, Tree

__all__ = [
    "ClassTarget",
    "GreedyResult",
    "GrowthLimits",
    "NumberTarget",
    "grow_classification_tree",
    "grow_regression_tree",
    "node_counts",
    "node_values",
]

_NO_LIMIT = 2**31 - 1
_EXACT_BITS = 52  # sums of so many bits are exact as doubles
_MANY_CLASSES = 32  # from here on rows are counted one by one
_STATUS: tuple[Status, ...] = ("optimal", "time_limit", "memory_limit", "interrupted")

ClassCriterion = Literal["gini", "entropy", "log_loss"]
NumberCriterion = Literal["squared_error", "absolute_error", "poisson"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ClassTarget:
    """Classes of the rows.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_rows,)
    classes : ndarray, shape (n_classes,)
    weights : ndarray of float64, shape (n_rows,), or None
        All positive; None: every row counts 1.
    class_weight : ndarray of float64, shape (n_classes,)
    criterion : {"gini", "entropy", "log_loss"}
    """

    codes: np.ndarray
    classes: np.ndarray
    weights: np.ndarray | None
    class_weight: np.ndarray
    criterion: str = "gini"

    @property
    def total(self) -> float:
        """Sum of weight times class weight."""
        per_class = np.bincount(self.codes, self.weights, minlength=len(self.classes))
        return float(per_class @ self.class_weight)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NumberTarget:
    """Numbers to predict.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,), or None
        All positive; None: every row counts 1.
    criterion : {"squared_error", "absolute_error", "poisson"}
    """

    values: np.ndarray
    weights: np.ndarray | None
    criterion: str = "squared_error"

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(len(self.values) if self.weights is None else self.weights.sum())


@dataclasses.dataclass(frozen=True, slots=True)
class GrowthLimits:
    """How far a tree grows; the names and meanings are scikit-learn's."""

    max_depth: int | None = None
    max_leaf_nodes: int | None = None
    min_samples_split: int = 2
    min_samples_leaf: int = 1
    min_weight_fraction_leaf: float = 0.0
    min_impurity_decrease: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GreedyResult:
    """A grown tree: ``status`` is "optimal" where no limit ended the growth.

    ``leaf`` is the leaf of every training row, ``nodes`` the arrays of the split finder.
    """

    nodes: dict[str, Any]
    leaf: np.ndarray
    status: Status


def grow_classification_tree(
    binned: BinnedTable,
    target: ClassTarget,
    limits: GrowthLimits,
    *,
    monotone: np.ndarray | None = None,
    control: Control | None = None,
) -> tuple[Tree, GreedyResult]:
    """A greedy tree of the classes.

    Gini and entropy of two classes are sums over the codes of a column, those of up to 32 classes
    are counts by class; with more classes the rows are taken one by one in the order of the
    column, at a cost that does not depend on the number of classes.

    Parameters
    ----------
    binned : BinnedTable
    target : ClassTarget
    limits : GrowthLimits
    monotone : ndarray of int, shape (n_table_columns,), default=None
        Of the probability of the second of two classes.
    control : Control, default=None
    """
    n_classes = len(target.classes)
    entropy = target.criterion != "gini"
    unit, weights = _grid(target.weights)
    by_class = target.class_weight * unit
    request: dict[str, Any] = {"criterion": 2 if entropy else 0}
    scale = 1 / np.log(2) if entropy else 1.0
    if n_classes <= 2:
        scale *= 1 if entropy else 2
        second = target.codes.astype(np.int64)
        first = by_class[0] if n_classes else 1.0
        last = by_class[-1]
        request |= {
            "a": second if weights is None else second * weights,
            "b": weights,
            "unit_a": last,
            "unit_b": first,
            "tilt": last - first,
        }
    else:
        request |= {
            "y": target.codes.astype(np.int32),
            "b": weights,
            "class_unit": by_class.tolist(),
            "by_row": n_classes > _MANY_CLASSES,
        }
    result = _grow(binned, request, limits, scale, target.total, monotone, control)
    return class_tree(binned, target, result), result


def class_tree(binned: BinnedTable, target: ClassTarget, result: GreedyResult) -> Tree:
    """The IR of grown nodes, with the class counts of every node."""
    if_true, if_false = result.nodes["if_true"], result.nodes["if_false"]
    counts, label = node_counts(target, result.leaf, if_true, if_false)
    predicates, which = split_predicates(binned, result.nodes)
    return Tree(
        columns=binned.types,
        predicates=predicates,
        predicate=which,
        if_true=if_true,
        if_false=if_false,
        counts=counts,
        label=label,
        classes=target.classes,
        class_weight=target.class_weight,
    )


def grow_regression_tree(
    binned: BinnedTable,
    target: NumberTarget,
    limits: GrowthLimits,
    *,
    monotone: np.ndarray | None = None,
    control: Control | None = None,
) -> tuple[RegressionTree, GreedyResult]:
    """A greedy tree of numbers; parameters as those of `grow_classification_tree`."""
    unit, weights = _grid(target.weights)
    values = target.values
    if target.criterion == "absolute_error":
        request: dict[str, Any] = {
            "criterion": 0,
            "target": np.ascontiguousarray(values),
            "weights": target.weights,
            "by_row": True,
        }
    else:
        if target.criterion == "squared_error":  # gains do not depend on where 0 is
            values = values - np.average(values, weights=target.weights)
        mass = values if target.weights is None else values * target.weights
        unit_a, a = _whole(mass)
        request = {
            "criterion": 1 if target.criterion == "poisson" else 0,
            "a": a,
            "b": weights,
            "unit_a": unit_a,
            "unit_b": unit,
        }
    result = _grow(binned, request, limits, 1.0, target.total, monotone, control)
    return number_tree(binned, target, result), result


def number_tree(binned: BinnedTable, target: NumberTarget, result: GreedyResult) -> RegressionTree:
    """The IR of grown nodes, with value, rows and error of every node."""
    nodes = result.nodes
    value, rows, error = node_values(target, result.leaf, nodes["if_true"], nodes["if_false"])
    predicates, which = split_predicates(binned, nodes)
    return RegressionTree(
        columns=binned.types,
        predicates=predicates,
        predicate=which,
        if_true=nodes["if_true"],
        if_false=nodes["if_false"],
        value=value,
        rows=rows,
        error=error,
        criterion=target.criterion,
    )


def node_counts(
    target: ClassTarget, leaf: np.ndarray, if_true: np.ndarray, if_false: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of every class in every node, and its heaviest class, given the leaf of every row."""
    n_classes, n_nodes = len(target.classes), len(if_true)
    cells = leaf.astype(np.int64) * n_classes + target.codes
    counts = np.bincount(cells, target.weights, minlength=n_nodes * n_classes)
    counts = counts.reshape(n_nodes, n_classes).astype(np.float64)
    add_up(counts, if_true, if_false)
    return counts, (counts * target.class_weight).argmax(axis=1).astype(np.int32)


def node_values(
    target: NumberTarget, leaf: np.ndarray, if_true: np.ndarray, if_false: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best value, weight and mean loss of every node, given the leaf of every row.

    The loss is that of the target's criterion: squares, absolute values, half Poisson deviances.
    """
    n_nodes = len(if_true)
    rows = np.bincount(leaf, target.weights, minlength=n_nodes).astype(np.float64)
    add_up(rows, if_true, if_false)
    if target.criterion == "absolute_error":
        return _medians(target, leaf, if_true, if_false, rows)
    centre = 0.0
    if target.criterion == "squared_error":
        centre = float(np.average(target.values, weights=target.weights))
    y = target.values - centre
    wy = y if target.weights is None else y * target.weights
    sums = np.bincount(leaf, wy, minlength=n_nodes)
    add_up(sums, if_true, if_false)
    filled = np.maximum(rows, np.finfo(float).tiny)
    mean = sums / filled
    if target.criterion == "squared_error":
        losses = np.bincount(leaf, (y - mean[leaf]) * (wy - mean[leaf] * _of(target)), n_nodes)
        add_up_spread(losses, rows, mean, if_true, if_false)
        return mean + centre, rows, losses / filled
    plain = np.zeros(len(y))
    np.multiply(wy, np.log(np.where(y > 0, y, 1.0)), out=plain)
    logs = np.bincount(leaf, plain, minlength=n_nodes)
    add_up(logs, if_true, if_false)
    expected = sums * np.log(np.where(mean > 0, mean, 1.0))
    return mean, rows, np.maximum(logs - expected, 0) / filled


def add_up(sums: np.ndarray, if_true: np.ndarray, if_false: np.ndarray) -> None:
    """Sums of the leaves to those of all nodes, in place; children come after their parent."""
    for node in np.flatnonzero(if_true >= 0)[::-1].tolist():
        sums[node] = sums[if_true[node]] + sums[if_false[node]]


def add_up_spread(
    spread: np.ndarray,
    rows: np.ndarray,
    mean: np.ndarray,
    if_true: np.ndarray,
    if_false: np.ndarray,
) -> None:
    """Sums of squares about the mean, from the leaves to all nodes, without cancellation."""
    for node in np.flatnonzero(if_true >= 0)[::-1].tolist():
        yes, no = if_true[node], if_false[node]
        apart = rows[yes] * rows[no] / rows[node] * (mean[yes] - mean[no]) ** 2
        spread[node] = spread[yes] + spread[no] + apart


def _of(target: NumberTarget) -> np.ndarray | float:
    return 1.0 if target.weights is None else target.weights


def _medians(
    target: NumberTarget,
    leaf: np.ndarray,
    if_true: np.ndarray,
    if_false: np.ndarray,
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower weighted medians: the rows of a node stand together once sorted by leaf."""
    order = np.argsort(leaf, kind="stable")
    n_nodes = len(if_true)
    ends = np.searchsorted(leaf[order], np.arange(n_nodes + 1))
    last = np.arange(n_nodes)  # last node of the subtree
    for node in np.flatnonzero(if_true >= 0)[::-1].tolist():
        last[node] = last[if_false[node]]
    value, error = np.zeros(n_nodes), np.zeros(n_nodes)
    for node in range(n_nodes):
        here = order[ends[node] : ends[last[node] + 1]]
        if not len(here):
            continue
        y = target.values[here]
        by_value = np.argsort(y, kind="stable")
        w = np.ones(len(y)) if target.weights is None else target.weights[here]
        half = np.cumsum(w[by_value])
        value[node] = y[by_value[np.searchsorted(half, half[-1] / 2)]]
        error[node] = float(np.abs(y - value[node]) @ w) / rows[node]
    return value, rows, error


def _grow(
    binned: BinnedTable,
    request: dict[str, Any],
    limits: GrowthLimits,
    scale: float,
    total: float,
    monotone: np.ndarray | None,
    control: Control | None,
) -> GreedyResult:
    control = control or Control()
    columns = split_columns(
        binned,
        monotone=monotone,
        n_threads=control.n_threads,
        by_row=not request.get("by_row", False),
    )
    least = (limits.min_impurity_decrease - 1e-12) * total / scale
    nodes, stop, raised = columns.grow(
        **request,
        max_depth=_NO_LIMIT if limits.max_depth is None else min(limits.max_depth, _NO_LIMIT),
        max_leaves=limits.max_leaf_nodes or 0,
        rows_to_split=limits.min_samples_split,
        rows_in_leaf=limits.min_samples_leaf,
        weight_in_leaf=limits.min_weight_fraction_leaf * total,
        least_gain=least,
        time_limit=-1.0 if control.time_limit is None else control.time_limit,
        stop_after=-1 if control.stop_after is None else control.stop_after,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    return GreedyResult(nodes, nodes.pop("leaf"), _STATUS[stop])


def _grid(weights: np.ndarray | None) -> tuple[float, np.ndarray | None]:
    """Weights as whole numbers, and the weight of one; equal weights need none."""
    if weights is None:
        return 1.0, None
    if (weights == weights[0]).all():
        return float(weights[0]), None
    unit, whole = _whole(weights)
    return unit, np.maximum(whole, 1)


def _whole(values: np.ndarray) -> tuple[float, np.ndarray]:
    """Values on the finest grid of a power of two whose sums are exact, and its step."""
    size = float(np.abs(values).sum())
    shift = _EXACT_BITS - int(np.frexp(size)[1]) if size > 0 else 0
    shift = min(shift, 1000)
    return float(np.ldexp(1.0, -shift)), np.rint(np.ldexp(values, shift)).astype(np.int64)
