"""Costs of confusing classes as costs of rows, which is what the search for costs reads."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml._core.control import Control
from treeml.binarize.dataset import BinaryDataset
from treeml.certificate.costs import shifted_costs
from treeml.search.class_weight import integer_class_weights
from treeml.search.cost_tree import cost_grid, cost_tree
from treeml.search.result import SearchResult

__all__ = ["MatrixSearch", "cost_matrix_tree"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MatrixSearch:
    """What was found, and how the costs became integers.

    Parameters
    ----------
    result : SearchResult
    text : str
        How the costs became integers, in words.
    rounding : float
        The most that this can change the objective of any tree.
    """

    result: SearchResult
    text: str
    rounding: float


def cost_matrix_tree(
    dataset: BinaryDataset,
    cost_matrix: np.ndarray,
    *,
    class_weight: np.ndarray | str | None = None,
    control: Control | None = None,
    **limits: object,
) -> MatrixSearch:
    """The classification tree of least mean cost plus a cost per leaf, with a proof.

    Parameters
    ----------
    dataset : BinaryDataset
        With class counts (`BinaryDataset.with_classes`).
    cost_matrix : ndarray of float64, shape (n_classes, n_classes)
        Cost of predicting class j (column) for a row of class i. A class with a negative cost has
        all its costs counted from its least one.
    class_weight : ndarray of shape (n_classes,), "balanced" or None, default=None
        Weight of each class in the objective.
    control : Control, default=None
    **limits
        Of `treeml.search.cost_tree`: max_depth, regularization and so on.
    """
    counts = dataset.statistics[:-1]
    per_class = counts.sum(axis=1)
    weights, factor = integer_class_weights(per_class, class_weight)
    real = weights / factor
    above = cost_matrix - shifted_costs(cost_matrix)[:, None]
    grid = cost_grid(above, real, repeats=per_class.astype(np.float64))
    total = float(real @ per_class) / dataset.scale
    if total <= 0:
        raise ValueError("all rows have weight 0; give at least one row a positive weight")
    result = cost_tree(
        dataset,
        np.ascontiguousarray(counts.T @ grid.values),
        scale=grid.scale * dataset.scale,
        total=total,
        control=control,
        **limits,  # pyright: ignore[reportArgumentType]
    )
    rounding = grid.rounding / dataset.scale / total
    return MatrixSearch(dataclasses.replace(result, class_weight=real), grid.text, rounding)
