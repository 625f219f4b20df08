"""What the leaves of a tree with linear leaves are fitted to: squared error or log loss."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Protocol

import numpy as np

from treeml.search.logistic_map import class_proba, log_loss_of, logistic_map
from treeml.search.ridge import leaf_map, ridge_by_loo

__all__ = ["LeafTask", "LogLoss", "SquaredError", "add_map"]

_ROOT_CONSTANT = 1e-6  # penalty of the constant of all rows: a class that is always there ends
_ROOT_PENALTIES = tuple(10.0 ** (k / 2) for k in range(-2, 5))


def add_map(design: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Scores of a map whose constant is last, shape (n_rows, n_scores)."""
    return design @ coef[:-1] + coef[-1]


class LeafTask(Protocol):
    """A target with its loss; maps give scores, of which there are ``n_scores`` a row."""

    @property
    def weight(self) -> np.ndarray: ...

    @property
    def n_scores(self) -> int: ...

    @property
    def keys(self) -> np.ndarray:
        """The target as numbers, by which equal rows are found."""
        ...

    @property
    def strata(self) -> np.ndarray | None:
        """The class of every row."""
        ...

    def tuned(self, design: np.ndarray, folds: np.ndarray) -> LeafTask:
        """The task with what the model of all rows needs chosen by cross-validation.

        Parameters
        ----------
        design : ndarray of float64, shape (n_rows, n_inputs)
        folds : ndarray of int, shape (n_deals, n_rows)
        """
        ...

    def root(self, design: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The linear model of some rows: coefficients, the constant last."""
        ...

    def root_penalty(self, design: np.ndarray, rows: np.ndarray) -> float:
        """The penalty of that model."""
        ...

    def working(self, score: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Target and weight of the least squares problem that stands in for the loss."""
        ...

    def leaf(
        self, design: np.ndarray, rows: np.ndarray, score: np.ndarray, l2: float
    ) -> np.ndarray:
        """What a leaf adds to the map of all rows; ``design`` and ``score`` are of ``rows``."""
        ...

    def losses(self, score: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Loss of each row, without its weight."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SquaredError:
    """Numbers; leaves are ridge fits.

    Parameters
    ----------
    target, weight : ndarray of float64, shape (n_rows,)
    """

    target: np.ndarray
    weight: np.ndarray

    @property
    def n_scores(self) -> int:
        return 1

    @property
    def keys(self) -> np.ndarray:
        return self.target

    @property
    def strata(self) -> np.ndarray | None:
        return None

    def tuned(self, design: np.ndarray, folds: np.ndarray) -> SquaredError:
        return self

    def root(self, design: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return ridge_by_loo(design, self.target[rows, None], self.weight[rows]).coef

    def root_penalty(self, design: np.ndarray, rows: np.ndarray) -> float:
        return ridge_by_loo(design, self.target[rows, None], self.weight[rows]).l2

    def working(self, score: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.target[rows, None] - score, self.weight[rows]

    def leaf(
        self, design: np.ndarray, rows: np.ndarray, score: np.ndarray, l2: float
    ) -> np.ndarray:
        return leaf_map(design, self.target[rows, None] - score, self.weight[rows], l2, l2)

    def losses(self, score: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return (self.target[rows] - score[:, 0]) ** 2


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LogLoss:
    """Classes; leaves are penalised logistic fits.

    Growth minimises a quadratic bound of the loss around the model of all rows: its curvature is
    at most 1/4 for the log odds of two classes, and at most 1/2 for each of several scores, so a
    tree is at least as good in penalised log loss as growth takes it to be.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
    n_classes : int
    weight : ndarray of float64, shape (n_rows,)
    root_l2 : float, default=1.0
        Penalty of the squared coefficients of the model of all rows.

    References
    ----------
    D. Böhning, "Multinomial logistic regression algorithm", Annals of the Institute of
    Statistical Mathematics 44 (1992), section 2.
    """

    codes: np.ndarray
    n_classes: int
    weight: np.ndarray
    root_l2: float = 1.0

    @property
    def n_scores(self) -> int:
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def keys(self) -> np.ndarray:
        return self.codes.astype(np.float64)

    @property
    def strata(self) -> np.ndarray | None:
        return self.codes

    def tuned(self, design: np.ndarray, folds: np.ndarray) -> LogLoss:
        best = (np.inf, self)
        for l2 in _ROOT_PENALTIES[::-1]:
            task = dataclasses.replace(self, root_l2=l2)
            loss = 0.0
            for fold, k in itertools.product(folds, range(int(folds.max()) + 1)):
                train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
                score = add_map(design[test], task.root(design[train], train))
                loss += float(self.weight[test] @ self.losses(score, test))
            if loss < best[0] * (1 - 1e-9):
                best = (loss, task)
        return best[1]

    def root(self, design: np.ndarray, rows: np.ndarray) -> np.ndarray:
        zero = np.zeros((len(rows), self.n_scores))
        penalty = np.append(np.full(design.shape[1], self.root_l2), _ROOT_CONSTANT)
        return self._map(design, rows, zero, penalty)

    def root_penalty(self, design: np.ndarray, rows: np.ndarray) -> float:
        return self.root_l2

    def working(self, score: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        curvature = 0.25 if self.n_scores == 1 else 0.5
        proba = class_proba(score)
        hits = (self.codes[rows, None] == np.arange(self.n_classes)).astype(np.float64)
        missed = (hits - proba)[:, 1:] if self.n_scores == 1 else hits - proba
        return missed / curvature, curvature * self.weight[rows]

    def leaf(
        self, design: np.ndarray, rows: np.ndarray, score: np.ndarray, l2: float
    ) -> np.ndarray:
        return self._map(design, rows, score, np.full(design.shape[1] + 1, l2))

    def losses(self, score: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return log_loss_of(score, self.codes[rows])

    def _map(
        self, design: np.ndarray, rows: np.ndarray, score: np.ndarray, penalty: np.ndarray
    ) -> np.ndarray:
        ones = np.column_stack([design, np.ones(len(design))])
        return logistic_map(ones, self.codes[rows], self.weight[rows], score, penalty)
