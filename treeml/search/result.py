"""What a search gives back."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml._core.control import Status

__all__ = ["SearchResult", "relative_gap"]


def relative_gap(objective: float, lower_bound: float) -> float:
    """(objective - lower_bound) / objective; the difference itself for objectives below 1e-6."""
    difference = max(0.0, objective - lower_bound)
    return difference / objective if objective >= 1e-6 else difference


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """A tree over the columns of a dataset, and what is proven about it.

    Parameters
    ----------
    objective : float
        Cost of the tree divided by the total, plus regularization times leaves.
    lower_bound : float
        No tree of the searched kind has a smaller objective.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
        "optimal" only where the bound meets the objective.
    nodes : ndarray of int32, shape (n_nodes, 3)
        Column (-1: leaf), child for yes and for no; depth first, yes first.
    total : float
        What the errors are divided by: the sum of row weight times class weight.
    class_weight : ndarray of float64, shape (n_classes,)
    seconds : float
        Wall time of the search.
    counters : dict of str to int
        What the search did: pair_counts, subproblems, cache_hits, bound_skips, ...
    history : ndarray of float64, shape (n_steps, 3)
        What was known when: seconds, objective, lower bound.
    handle : object
        With it `optimal_tree(..., resume=result)` goes on where this search ended; None where
        it was not asked for.
    """

    objective: float
    lower_bound: float
    status: Status
    nodes: np.ndarray
    total: float
    class_weight: np.ndarray
    seconds: float
    counters: dict[str, int]
    history: np.ndarray
    handle: object = None

    @property
    def gap(self) -> float:
        """See `relative_gap`."""
        return relative_gap(self.objective, self.lower_bound)

    @property
    def n_leaves(self) -> int:
        return int((self.nodes[:, 0] < 0).sum())
