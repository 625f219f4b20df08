"""The native fast path over the models as data; their own methods are the reference.

Results equal those of `treeml.ir` bit for bit.
"""

from __future__ import annotations

import numpy as np

from treeml._core.table import Table
from treeml._ext import predict as native
from treeml.ir import RegressionTree, Tree, TreeEnsemble, TreeNodes
from treeml.predict.flat import FlatTrees

__all__ = ["apply", "predict", "predict_proba", "score"]


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


def score(ensemble: TreeEnsemble, table: Table, *, n_threads: int = 1) -> np.ndarray:
    """Base plus the values of the trees, as `TreeEnsemble.score` has it.

    Parameters
    ----------
    ensemble : TreeEnsemble
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows; the result does not depend on it.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_outputs)
        What `TreeEnsemble.predict_of` and `TreeEnsemble.proba_of` take.
    """
    total = np.tile(ensemble.base, (table.n_rows, 1))
    if ensemble.trees:
        value = np.concatenate([tree.value for tree in ensemble.trees], dtype=np.float64)
        output = ensemble.output.astype(np.int32)
        _rows(FlatTrees(ensemble.trees), table).add(value, output, total, n_threads)
    return total


def predict(
    model: Tree | RegressionTree | TreeEnsemble, table: Table, *, n_threads: int = 1
) -> np.ndarray:
    """Class label or number of every row, as the model's own ``predict`` has it.

    Parameters
    ----------
    model : Tree, RegressionTree or TreeEnsemble
        The model.
    table : Table
        Rows with the columns that the model was fitted on.
    n_threads : int, default=1
        Threads that share the rows.

    Returns
    -------
    ndarray, shape (n_rows,)
    """
    if isinstance(model, TreeEnsemble):
        return model.predict_of(score(model, table, n_threads=n_threads))
    leaf = apply(model, table, n_threads=n_threads)
    return model.classes[model.label[leaf]] if isinstance(model, Tree) else model.value[leaf]


def predict_proba(model: Tree | TreeEnsemble, table: Table, *, n_threads: int = 1) -> np.ndarray:
    """Class probabilities of every row, as the model's own ``predict_proba`` has it.

    Parameters
    ----------
    model : Tree or TreeEnsemble
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
        For an ensemble that predicts numbers.
    """
    if isinstance(model, TreeEnsemble):
        model.required_classes()
        return model.proba_of(score(model, table, n_threads=n_threads))
    return model.node_proba[apply(model, table, n_threads=n_threads)]


def _rows(trees: FlatTrees, table: Table) -> native.Rows:
    columns = trees.columns(table)
    return native.Rows(trees.nodes, trees.words, trees.root, trees.sets, columns, table.n_rows)
