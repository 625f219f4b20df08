"""What a search for a scorecard gives back."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml._core.control import Status
from treeml.search.result import relative_gap

__all__ = ["CardResult"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CardResult:
    """A scorecard over the columns of a matrix, and what is proven about it.

    Parameters
    ----------
    points : ndarray of int64, shape (n_terms,)
        0 where a term is not used.
    intercept : float
        The card predicts 1 where ``intercept + x @ points > 0``.
    scale : float
        The log odds are ``(intercept + x @ points) / scale``; 1 for SLIM, which has none.
    objective : float
        What was minimised, of this card.
    lower_bound : float
        No card that is admitted has a smaller objective.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
        "optimal" only where the bound meets the objective.
    seconds : float
        Wall time of the search.
    counters : dict of str to int
        What the search did.
    history : ndarray of float64, shape (n_steps, 3)
        What was known when: seconds, objective, lower bound.
    tie : float, default=0.0
        Factor of ``sum(abs(points))`` in the objective, which breaks ties only.
    error : float, default=None
        Share of the weight that is misclassified, where that is what was minimised.
    """

    points: np.ndarray
    intercept: float
    scale: float
    objective: float
    lower_bound: float
    status: Status
    seconds: float
    counters: dict[str, int]
    history: np.ndarray
    tie: float = 0.0
    error: float | None = None

    @property
    def gap(self) -> float:
        """See `treeml.search.result.relative_gap`."""
        return relative_gap(self.objective, self.lower_bound)

    @property
    def n_features(self) -> int:
        """Terms that are used."""
        return int(np.count_nonzero(self.points))
