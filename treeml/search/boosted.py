"""Boosted trees: the native rounds in, an ensemble of the IR out."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml._core.control import Control, Status
from treeml.binarize.bins import BinnedTable
from treeml.binarize.split_columns import split_columns, split_predicates
from treeml.ir import RegressionTree, TreeEnsemble

__all__ = ["BoostResult", "BoostingLimits", "boosted_trees"]

Loss = Literal["squared_error", "poisson", "logistic", "softmax"]

_LOSSES: tuple[Loss, ...] = ("squared_error", "poisson", "logistic", "softmax")
_LINKS = {"squared_error": "identity", "poisson": "log", "logistic": "logistic"}
_NO_LIMIT = 2**31 - 1
_STATUS: tuple[Status, ...] = ("optimal", "time_limit", "memory_limit", "interrupted")


@dataclasses.dataclass(frozen=True, slots=True)
class BoostingLimits:
    """How many trees of which size, and how careful.

    Parameters
    ----------
    n_estimators : int
        Rounds; each grows one tree, or one a class with more than two classes.
    learning_rate : float
    max_depth : int or None
    max_leaf_nodes : int or None
        None: trees grow depth first; otherwise best first.
    l2_regularization : float
        Added to the hessian of every leaf.
    min_child_weight : float
        Least sum of hessians in a leaf.
    n_iter_no_change : int or None
        Rounds without a lower loss on the validation rows after which to stop.
    """

    n_estimators: int = 100
    learning_rate: float = 0.1
    max_depth: int | None = 6
    max_leaf_nodes: int | None = None
    l2_regularization: float = 1.0
    min_child_weight: float = 1.0
    n_iter_no_change: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BoostResult:
    """What the rounds did.

    Parameters
    ----------
    n_rounds : int
        Rounds whose trees are kept: those up to the lowest validation loss, where there is one.
    train_loss : ndarray of float64
        Mean loss of the training rows before each round.
    validation_loss : ndarray of float64
        Mean loss of the validation rows after 0, 1, ... rounds; empty without such rows.
    status : {"optimal", "time_limit", "interrupted"}
        "optimal" where no limit ended the rounds.
    """

    n_rounds: int
    train_loss: np.ndarray
    validation_loss: np.ndarray
    status: Status


def boosted_trees(
    binned: BinnedTable,
    y: np.ndarray,
    loss: Loss,
    limits: BoostingLimits,
    *,
    classes: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    validation: np.ndarray | None = None,
    monotone: np.ndarray | None = None,
    control: Control | None = None,
) -> tuple[TreeEnsemble, BoostResult]:
    """Second-order boosting of regression trees.

    Parameters
    ----------
    binned : BinnedTable
    y : ndarray of float64, shape (n_rows,)
        Numbers, or codes of classes.
    loss : {"squared_error", "poisson", "logistic", "softmax"}
    limits : BoostingLimits
    classes : ndarray, shape (n_classes,), default=None
        The labels, for logistic and softmax loss.
    sample_weight : ndarray of float64, shape (n_rows,), default=None
        All positive.
    validation : ndarray of bool, shape (n_rows,), default=None
        Rows that are not learned from but tell when to stop.
    monotone : ndarray of int, shape (n_table_columns,), default=None
    control : Control, default=None

    References
    ----------
    T. Chen, C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016, sections 2-3.
    """
    control = control or Control()
    columns = split_columns(binned, monotone=monotone, n_threads=control.n_threads)
    base, grown, train_loss, validation_loss, stop, raised, _ = columns.boost(
        loss=_LOSSES.index(loss),
        y=np.ascontiguousarray(y, dtype=np.float64),
        weights=sample_weight,
        validation=None if validation is None else validation.astype(np.uint8),
        n_classes=len(classes) if classes is not None else 1,
        rounds=limits.n_estimators,
        learning_rate=limits.learning_rate,
        l2=limits.l2_regularization,
        least_hessian=limits.min_child_weight,
        max_depth=_NO_LIMIT if limits.max_depth is None else min(limits.max_depth, _NO_LIMIT),
        max_leaves=limits.max_leaf_nodes or 0,
        patience=limits.n_iter_no_change or 0,
        time_limit=-1.0 if control.time_limit is None else control.time_limit,
        stop_after=-1 if control.stop_after is None else control.stop_after,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    ensemble = TreeEnsemble(
        columns=binned.types,
        trees=tuple(_tree(binned, nodes) for _, nodes in grown),
        output=np.array([output for output, _ in grown], dtype=np.int32),
        base=base,
        link=_LINKS.get(loss, "softmax"),  # pyright: ignore[reportArgumentType]
        classes=classes,
    )
    n_rounds = len(grown) // len(base)
    return ensemble, BoostResult(n_rounds, train_loss, validation_loss, _STATUS[stop])


def _tree(binned: BinnedTable, nodes: dict[str, Any]) -> RegressionTree:
    predicates, which = split_predicates(binned, nodes)
    return RegressionTree(
        columns=binned.types,
        predicates=predicates,
        predicate=which,
        if_true=nodes["if_true"],
        if_false=nodes["if_false"],
        value=nodes["value"],
        rows=nodes["rows"].astype(np.float64),
        error=np.zeros(len(which)),
        criterion="squared_error",
    )
