"""The native fast path over the models as data; their own methods are the reference.

Results equal those of `treeml.ir` bit for bit.
"""

from __future__ import annotations

import numpy as np

from treeml._core.table import Table
from treeml._ext import predict as native
from treeml.ir import (
    ActionTree,
    LinearRouter,
    RegressionTree,
    RoutedModel,
    Tree,
    TreeEnsemble,
    TreeNodes,
    TreeVote,
)
from treeml.predict.flat import FlatSums, FlatTrees

__all__ = ["apply", "predict", "predict_proba", "route", "score"]


def apply(tree: TreeNodes, table: Table, *, n_threads: int = 1) -> np.ndarray:
    """Leaf of every row, as `TreeNodes.apply` has it.

    Parameters
    ----------
    tree : Tree or RegressionTree
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows.

    Returns
    -------
    ndarray of int32, shape (n_rows,)
        Node indices.
    """
    return _rows(FlatTrees([tree]), table).apply(n_threads)


def route(model: RoutedModel, table: Table, *, n_threads: int = 1) -> np.ndarray:
    """Expert of every row, as `RoutedModel.route` has it.

    Parameters
    ----------
    model : RoutedModel
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows.

    Returns
    -------
    ndarray of int32, shape (n_rows,)
    """
    return _route(model, _rows(_router(model), table), n_threads)


def score(model: TreeEnsemble | RoutedModel, table: Table, *, n_threads: int = 1) -> np.ndarray:
    """The sums that predictions follow from, as the model's own ``score`` has them.

    Parameters
    ----------
    model : TreeEnsemble or RoutedModel
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows; the result does not depend on it.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_outputs)
        What the model's ``predict_of`` and ``proba_of`` take.
    """
    if isinstance(model, RoutedModel):
        return _routed_score(model, table, n_threads)
    total = np.tile(model.base, (table.n_rows, 1))
    if model.trees:
        value = np.concatenate([tree.value for tree in model.trees], dtype=np.float64)
        output = model.output.astype(np.int32)
        _rows(FlatTrees(model.trees), table).add(value, output, total, n_threads)
    return total


def predict(
    model: Tree | RegressionTree | TreeVote | ActionTree | TreeEnsemble | RoutedModel,
    table: Table,
    *,
    n_threads: int = 1,
) -> np.ndarray:
    """Class label, action or number of every row, as the model's own ``predict`` has it.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, ActionTree, TreeEnsemble or RoutedModel
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows.

    Returns
    -------
    ndarray, shape (n_rows,)
        Of a routed model with several numbers: shape (n_rows, n_outputs).
    """
    if isinstance(model, TreeVote):
        model = model.as_scores()
    if isinstance(model, (TreeEnsemble, RoutedModel)):
        return model.predict_of(score(model, table, n_threads=n_threads))
    leaf = apply(model, table, n_threads=n_threads)
    return (
        model.value[leaf] if isinstance(model, RegressionTree) else model.classes[model.label[leaf]]
    )


def predict_proba(
    model: Tree | TreeEnsemble | TreeVote | RoutedModel, table: Table, *, n_threads: int = 1
) -> np.ndarray:
    """Class probabilities of every row, as the model's own ``predict_proba`` has it.

    Parameters
    ----------
    model : Tree, TreeEnsemble, TreeVote or RoutedModel
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_classes)

    Raises
    ------
    ValueError
        For a model that predicts numbers.
    """
    if isinstance(model, TreeVote):
        leaves = [apply(tree, table, n_threads=n_threads) for tree in model.trees]
        labels = [tree.label[leaf] for tree, leaf in zip(model.trees, leaves, strict=True)]
        return model.votes_of(labels) / model.n_trees
    if isinstance(model, (TreeEnsemble, RoutedModel)):
        model.required_classes()
        return model.proba_of(score(model, table, n_threads=n_threads))
    return model.node_proba[apply(model, table, n_threads=n_threads)]


def _routed_score(model: RoutedModel, table: Table, n_threads: int) -> np.ndarray:
    flat = _router(model)
    rows = _rows(flat, table)
    expert = _route(model, rows, n_threads)
    used = set(model.used_experts)  # only their columns are at hand
    outputs = [
        (float(one.intercept[k]), one.products(k) if which in used else ())
        for which, one in enumerate(model.experts)
        for k in range(model.n_outputs)
    ]
    sums = FlatSums(outputs, flat.position)
    out = np.empty((table.n_rows, model.n_outputs))
    rows.outputs(sums.arrays, expert, out, n_threads)
    return model.clipped(out, expert)


def _route(model: RoutedModel, rows: native.Rows, n_threads: int) -> np.ndarray:
    if isinstance(model.router, LinearRouter):
        return rows.greatest(n_threads)
    return model.router.expert[rows.apply(n_threads)]


def _router(model: RoutedModel) -> FlatTrees:
    """The router, with all columns that experts read too."""
    read = [term.index for term in model.read]
    if isinstance(model.router, LinearRouter):
        return FlatTrees([], model.router.scores, read)
    return FlatTrees([model.router], None, read)


def _rows(trees: FlatTrees, table: Table) -> native.Rows:
    return native.Rows(
        trees.nodes,
        trees.words,
        trees.root,
        trees.sets,
        trees.columns(table),
        table.n_rows,
        trees.sums.arrays,
    )
