"""Small networks and linear routers as trees, exactly, or a refusal with its number."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np

from treeml import predict
from treeml._core.table import Table
from treeml._core.validation import as_table
from treeml.ir import LinearMap, RoutedModel, RoutingTree, Tree
from treeml.routing.networks import Affine, NetworkTree
from treeml.routing.oblique import Node, counted, merged, routing_tree
from treeml.routing.regions import RegionLimit, Space
from treeml.routing.sources import Network, Scores, read_bounds, read_model
from treeml.routing.tournament import Tournament

__all__ = ["ExactTree", "exact_tree", "with_rows"]


@dataclasses.dataclass(frozen=True, slots=True)
class ExactTree:
    """A tree that equals another model everywhere within bounds.

    Parameters
    ----------
    model : RoutedModel or Tree
        The tree: with linear leaves for a network or a routed model, with classes at its leaves
        for a linear classifier or a router alone.
    n_leaves : int
    n_pieces : int
        Different linear maps or winners at the leaves: no exact tree has fewer leaves.
    n_programs : int
        Linear programs that were solved.
    n_unproven : int
        Parts that were left out because a linear program said so, without a proof in exact
        arithmetic; 0 means that the whole tree is proven.
    low, high : ndarray of float64, shape (n_columns,)
        Ends of the box within which the two are equal.
    """

    model: RoutedModel | Tree
    n_leaves: int
    n_pieces: int
    n_programs: int
    n_unproven: int
    low: np.ndarray
    high: np.ndarray

    def predict(self, X: Any) -> np.ndarray:
        """Class, number or numbers of every row."""
        return predict.predict(self.model, self._table(X))

    def apply(self, X: Any) -> np.ndarray:
        """Leaf of every row, shape (n_rows,), int32 node indices."""
        tree = self.model.router if isinstance(self.model, RoutedModel) else self.model
        assert not isinstance(tree, RoutedModel)
        return predict.apply(tree, self._table(X))  # pyright: ignore[reportArgumentType]

    def statement(self) -> str:
        """What holds, in words."""
        bounded = np.isfinite(self.low).any() or np.isfinite(self.high).any()
        where = "for all rows within the bounds" if bounded else "for all rows"
        leaves = "1 leaf" if self.n_leaves == 1 else f"{self.n_leaves} leaves"
        fewest = (
            "no exact tree has fewer"
            if self.n_leaves == self.n_pieces
            else f"an exact tree has at least {self.n_pieces}"
        )
        left_out = (
            "what was left out has no inside, proven in exact arithmetic"
            if not self.n_unproven
            else f"{self.n_unproven} parts were left out on the word of a linear program, whose "
            "tolerance is 1e-10, the rest have no inside, proven in exact arithmetic"
        )
        return (
            f"The tree has {leaves} ({fewest}) and says the same as the model {where} without "
            "missing values, but for rounding and for rows on which three or more scores tie; "
            f"{left_out}."
        )

    def _table(self, X: Any) -> Table:
        return as_table(X, like=self.model.columns)


def exact_tree(
    model: Any,
    bounds: Any = None,
    max_leaf_nodes: int = 256,
    *,
    X: Any = None,
    max_regions: int = 4096,
    time_limit: float | None = 60.0,
) -> ExactTree:
    r"""A small ReLU network, or the greatest of linear functions, as an equal oblique tree.

    The questions of a network's tree are whether units are positive ([1]_, section 2), those of a
    router's whether one score is greater than another. A question is asked only where a linear
    program finds rows for both answers, and is left out where both are followed by the same. That
    an answer has no rows is proven in exact arithmetic from the program's multipliers.

    Parameters
    ----------
    model : estimator, RoutedModel, LinearRouter or list of (weights, bias)
        A fitted `MLPRegressor` or `MLPClassifier` with ``activation="relu"``; a fitted classifier
        that takes the greatest of linear functions, such as a multi-class `LogisticRegression`; one
        of these in a `Pipeline` behind a `StandardScaler` or `MinMaxScaler`; a model with a linear
        router; or layers, with weights of shape (n_inputs, n_units) and ReLU between them.
    bounds : None, (low, high) or array-like of shape (n_columns, 2), default=None
        Least and greatest value of the columns, infinite where there is none: one pair for all, or
        one each. Narrow bounds make small trees. Outside them the tree is no longer equal.
    max_leaf_nodes : int, default=256
        The most leaves.
    X : DataFrame or array, shape (n_rows, n_columns), default=None
        Rows to count at the nodes, for reading; they change nothing else.
    max_regions : int, default=4096
        How many leaves are counted before the refusal gives a lower bound only.
    time_limit : float or None, default=60
        Seconds after which it does so too.

    Returns
    -------
    ExactTree

    Raises
    ------
    ValueError
        Where the tree needs more than ``max_leaf_nodes`` leaves: the message says how many, or
        how many at least; where the model cannot be told as a tree; where numbers are not finite
        or do not fit each other.

    References
    ----------
    .. [1] C. Aytekin, "Neural Networks are Decision Trees", arXiv 2210.05189 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from treeml import export
    >>> from treeml.routing import exact_tree
    >>> layers = [(np.array([[1.0], [-1.0]]), np.zeros(1)), (np.array([[2.0]]), np.ones(1))]
    >>> print(export.text(exact_tree(layers, bounds=(0, 1)).model).split("\n\n")[0])
    if x0 - x1 > 0:
        1 + 2 x0 - 2 x1 (expert 0)
    else (x0 - x1 <= 0):
        1 (expert 1)
    """
    if max_leaf_nodes < 1 or max_regions < 1:
        raise ValueError("max_leaf_nodes and max_regions must be at least 1")
    source = read_model(model)
    columns = source.columns if isinstance(source, Network) else source.router.columns
    low, high = read_bounds(bounds, columns)
    end = math.inf if time_limit is None else time.perf_counter() + time_limit
    space = Space(low, high, lambda: time.perf_counter() > end)
    limit = max(max_leaf_nodes, max_regions)
    builder: NetworkTree | Tournament
    if isinstance(source, Network):
        builder = NetworkTree(source.layers, space, limit)
    else:
        builder = Tournament(source.router.scores, space, limit)
    try:
        node = merged(builder.tree())
    except RegionLimit as limited:
        raise ValueError(_at_least(builder, str(limited), max_leaf_nodes)) from None
    n_leaves = counted(node)
    if n_leaves > max_leaf_nodes:
        raise ValueError(
            f"an exact tree needs {n_leaves} leaves here (any one at least {builder.n_pieces}), "
            f"more than max_leaf_nodes={max_leaf_nodes}: allow as many, or narrow the bounds"
        )
    told = _network(source, node) if isinstance(source, Network) else _scores(source, node)
    if X is not None:
        told = with_rows(told, as_table(X, like=columns))
    return ExactTree(
        told, n_leaves, builder.n_pieces, space.n_programs, space.n_unproven, low, high
    )


def _at_least(builder: NetworkTree | Tournament, why: str, max_leaf_nodes: int) -> str:
    """The refusal where regions were not counted to their end."""
    return (
        f"an exact tree needs at least {builder.n_pieces} leaves here ({why} after "
        f"{builder.n_leaves} regions; max_leaf_nodes={max_leaf_nodes}): allow more and give it "
        "more time, narrow the bounds, or use a smaller model"
    )


def _network(source: Network, node: Node) -> RoutedModel:
    """Leaves with the linear maps of a network; equal ones are one expert."""
    experts: dict[object, int] = {}

    def number(name: object) -> int:
        return experts.setdefault(name, len(experts))

    router = routing_tree(node, source.columns, number)
    maps = [LinearMap(a.weights.T, a.intercept) for a in experts if isinstance(a, Affine)]
    return RoutedModel(source.columns, router, tuple(maps), source.link, source.classes)


def _scores(source: Scores, node: Node) -> RoutedModel | Tree:
    """Leaves with the experts behind linear scores, or with the classes that win."""

    def number(name: object) -> int:
        assert isinstance(name, int)
        return name

    router = routing_tree(node, source.router.columns, number)
    if source.model is not None:
        return dataclasses.replace(source.model, router=router)
    assert source.classes is not None
    n_classes = len(source.classes)
    nodes = (router.predicate, router.if_true, router.if_false)
    counts, one = np.zeros((router.n_nodes, n_classes)), np.ones(n_classes)
    return Tree(
        router.columns, router.predicates, *nodes, counts, router.expert, source.classes, one
    )


def with_rows(
    model: RoutedModel | Tree, table: Table, weight: np.ndarray | None = None
) -> RoutedModel | Tree:
    """The model with the rows of a table counted at its nodes; by predicted class in a `Tree`.

    Parameters
    ----------
    model : RoutedModel or Tree
    table : Table
    weight : ndarray of float64, shape (n_rows,), default=None
        What each row counts; None: 1.
    """
    if isinstance(model, Tree):
        counts = np.zeros_like(model.counts)
        leaf = predict.apply(model, table)
        np.add.at(counts, (leaf, model.label[leaf]), 1.0 if weight is None else weight)
        return dataclasses.replace(model, counts=_summed(model, counts))
    router = model.router
    assert isinstance(router, RoutingTree)
    leaf = predict.apply(router, table)
    rows = np.bincount(leaf, weight, minlength=router.n_nodes).astype(np.float64)
    return dataclasses.replace(
        model, router=dataclasses.replace(router, rows=_summed(router, rows))
    )


def _summed(tree: RoutingTree | Tree, counts: np.ndarray) -> np.ndarray:
    """Counts of the leaves, added up on the way to the root."""
    for node in reversed(range(tree.n_nodes)):
        if tree.predicate[node] >= 0:
            counts[node] = counts[tree.if_true[node]] + counts[tree.if_false[node]]
    return counts
