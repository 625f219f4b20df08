"""Which tree: optimal ones of several sizes, and the simplest that cross-validation supports."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from treeml.estimators.tree import OptimalTreeClassifier
from treeml.ir.tree import Tree
from treeml.study.peers import Folds, fold_score
from treeml.study.scores import FoldScores

__all__ = [
    "REGULARIZATIONS",
    "Budget",
    "Candidate",
    "choose",
    "fit_quietly",
    "grow",
    "score_on_folds",
]

# From "a leaf must win 2 % of the rows" down to "0.2 %": on most tables from one leaf to a dozen.
REGULARIZATIONS = (0.02, 0.014, 0.01, 0.007, 0.005, 0.0035, 0.002)


@dataclasses.dataclass(slots=True)
class Candidate(FoldScores):
    """An optimal tree of the training part and the scores of its settings on the folds."""

    max_depth: int
    regularization: float
    estimator: Any
    folds: list[float] = dataclasses.field(default_factory=list)
    open_folds: int = 0

    @property
    def tree(self) -> Tree:
        return self.estimator.tree_

    @property
    def leaves(self) -> int:
        return self.tree.n_leaves

    @property
    def proven(self) -> bool:
        return self.estimator.status_ == "optimal"

    def to_dict(self) -> dict[str, Any]:
        """Flat, for a frame."""
        return {
            "leaves": self.leaves,
            "max_depth": self.max_depth,
            "regularization": self.regularization,
            "objective": self.estimator.objective_,
            "lower_bound": self.estimator.lower_bound_,
            "gap": self.estimator.gap_,
            "status": self.estimator.status_,
            "cv_mean": self.mean,
            "cv_error": self.error,
            "unproven_folds": self.open_folds,
        }


class Budget:
    """Seconds that all searches of a study share; easy ones leave their part to hard ones."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - self._clock())

    def part(self, searches: int) -> float:
        """Limit of the next search where so many are still to come."""
        return max(0.05, min(self.left, 4 * self.left / max(searches, 1)))


def fit_quietly(estimator: Any, X: Any, y: np.ndarray) -> Any:
    """Fit; what a limit or a column gives cause to say is said in the report, not as warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


def grow(
    X: Any,
    y: np.ndarray,
    *,
    max_depth: int,
    regularizations: Iterable[float],
    class_weight: Any,
    budget: Budget,
) -> tuple[list[Candidate], bool]:
    """Optimal trees of the training part for every depth and regularization.

    Returns
    -------
    candidates : list of Candidate
        Distinct trees; of equal ones, that of the largest depth and regularization, whose
        theorem says most.
    interrupted : bool
        Whether a search was interrupted; the candidates so far are returned.
    """
    grid = [
        (depth, regularization)
        for depth in range(1, max_depth + 1)
        for regularization in sorted(regularizations, reverse=True)
    ]
    found: list[Candidate] = []
    for at, (depth, regularization) in enumerate(grid):
        estimator = OptimalTreeClassifier(
            max_depth=depth,
            regularization=regularization,
            class_weight=class_weight,
            time_limit=budget.part(2 * (len(grid) - at)),
        )
        candidate = Candidate(depth, regularization, fit_quietly(estimator, X, y))
        found.append(candidate)
        if estimator.status_ == "interrupted":
            return _distinct(found), True
        if not budget.left:
            break
    return _distinct(found), False


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    kept: list[Candidate] = []
    strength = sorted(candidates, key=lambda c: (c.proven, c.max_depth, c.regularization))
    for candidate in reversed(strength):
        if all(candidate.tree != other.tree for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda c: (c.leaves, c.max_depth, -c.regularization))


def score_on_folds(
    candidates: Sequence[Candidate],
    take: Callable[[np.ndarray], Any],
    y: np.ndarray,
    codes: np.ndarray,
    folds: Folds,
    *,
    class_weight: Any,
    weights: np.ndarray,
    budget: Budget,
) -> bool:
    """Score the settings of every candidate on the folds; questions are made anew in each.

    Parameters
    ----------
    candidates : sequence of Candidate
        Their ``folds`` are filled in place.
    take : callable
        Gives the raw rows of the training part by their positions.
    y, codes : ndarray, shape (n_rows,)
        Labels of the training part, and as positions in the classes.
    folds : sequence of pairs of ndarray
        Rows to fit on and rows held out.
    class_weight : None, "balanced" or dict
        Passed to the estimator.
    weights : ndarray, shape (n_classes,)
        Weights of the classes in the score.
    budget : Budget
        Shared seconds.

    Returns
    -------
    bool
        Whether a search was interrupted; then the scores of the running fold are dropped.
    """
    to_come = len(folds) * len(candidates)
    for fit_rows, held_out in folds:
        inside, outside = take(fit_rows), take(held_out)
        scores, still_open = [], []
        for candidate in candidates:
            estimator = OptimalTreeClassifier(
                max_depth=candidate.max_depth,
                regularization=candidate.regularization,
                class_weight=class_weight,
                time_limit=budget.part(to_come),
            )
            fit_quietly(estimator, inside, y[fit_rows])
            to_come -= 1
            if estimator.status_ == "interrupted":
                return True
            labels = estimator.predict(outside)
            predicted = np.where(labels == y[held_out], codes[held_out], -1)
            scores.append(fold_score(codes[held_out], predicted, weights))
            still_open.append(estimator.status_ != "optimal")
        for candidate, score, is_open in zip(candidates, scores, still_open, strict=True):
            candidate.folds.append(score)
            candidate.open_folds += is_open
    return False


def choose(candidates: Sequence[Candidate]) -> tuple[Candidate, Candidate, float]:
    """The one-standard-error rule: the fewest leaves within one error of the best mean.

    Proven trees come first: one that is not proven is chosen only where none is.

    Returns
    -------
    chosen : Candidate
        The simplest one within the threshold; of equal size, the one with the better mean.
    best : Candidate
        The one with the best mean.
    threshold : float
        Best mean less its standard error; NaN without fold scores.
    """
    pool = [c for c in candidates if c.proven] or list(candidates)
    if any(not c.folds for c in pool):
        best = min(pool, key=lambda c: c.estimator.objective_)
        return best, best, math.nan
    best = max(pool, key=lambda c: (c.mean, -c.leaves))
    error = 0.0 if math.isnan(best.error) else best.error
    threshold = best.mean - error
    near = [c for c in pool if c.mean >= threshold - 1e-12]
    return min(near, key=lambda c: (c.leaves, -c.mean)), best, threshold
