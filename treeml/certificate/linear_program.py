"""The naive search for the cheapest tree with linear leaves: every leaf of every tree is fitted."""

from __future__ import annotations

import numpy as np

__all__ = ["LeafCosts", "LeastCost"]

_A_FIT = 160.0  # evaluations that a small fit counts as
_A_NUMBER = 1 / 250  # and each number that a larger one reads


class LeafCosts:
    """What leaves cost: penalised least squares, fitted anew.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_inputs + 1)
        Standardised columns behind a column of ones.
    residual : ndarray of float64, shape (n_rows, n_targets)
    weight : ndarray of float64, shape (n_rows,)
    l2 : float
        Penalty of all squared coefficients, that of the ones too.
    """

    def __init__(
        self, design: np.ndarray, residual: np.ndarray, weight: np.ndarray, l2: float
    ) -> None:
        self.design, self.residual, self.weight, self.l2 = design, residual, weight, l2
        self.total = float((weight[:, None] * residual**2).sum())

    def fitted(self, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """The least cost of a leaf with these rows, and its map, (n_inputs + 1, n_targets)."""
        heavy = np.sqrt(self.weight[rows])[:, None]
        design, residual = self.design[rows] * heavy, self.residual[rows] * heavy
        gram = design.T @ design
        gram[np.diag_indices(len(gram))] += self.l2
        coef = np.linalg.solve(gram, design.T @ residual)
        left = float(((residual - design @ coef) ** 2).sum())
        return left + self.l2 * float((coef**2).sum()), coef


class LeastCost:
    """All trees of some depth over some questions.

    Parameters
    ----------
    costs : LeafCosts
    answers : list of ndarray of bool, each of shape (n_rows,)
        Of the questions.
    weight : ndarray of float64, shape (n_rows,)
        That limits on leaves go by.
    min_rows : int
    min_weight : float
        Limits on leaves, but for a tree of one.

    Attributes
    ----------
    solved : int
        Leaves fitted so far.
    """

    def __init__(
        self,
        costs: LeafCosts,
        answers: list[np.ndarray],
        weight: np.ndarray,
        min_rows: int,
        min_weight: float,
    ) -> None:
        self.costs, self.answers, self.weight = costs, answers, weight
        self.min_rows, self.min_weight = min_rows, min_weight * (1 - 1e-9)
        self.solved = 0

    def work(self, max_depth: int) -> float:
        """About how many evaluations the search takes."""
        fits = sum((2.0 * max(1, len(self.answers))) ** depth for depth in range(max_depth + 1))
        n_rows, n_inputs = self.costs.design.shape
        return fits * (_A_FIT + _A_NUMBER * n_rows * n_inputs**2)

    def least(self, max_depth: int, max_leaf_nodes: int) -> float:
        """Cost of the cheapest tree."""
        rows = np.arange(len(self.weight))
        return float(self._by_size(rows, max_depth, max_leaf_nodes).min())

    def _by_size(self, rows: np.ndarray, depth: int, leaves: int) -> np.ndarray:
        """Least cost with at most 1, 2, ... leaves."""
        leaves = min(leaves, 2**depth)
        self.solved += 1
        out = np.full(leaves, self.costs.fitted(rows)[0])
        if leaves == 1:
            return out
        for answer in self.answers:
            sides = rows[answer[rows]], rows[~answer[rows]]
            if not all(map(self._allowed, sides)):
                continue
            yes, no = (self._by_size(side, depth - 1, leaves - 1) for side in sides)
            for size in range(2, leaves + 1):
                for first in range(1, size):
                    second = size - first
                    cost = yes[min(first, len(yes)) - 1] + no[min(second, len(no)) - 1]
                    out[size - 1 :] = np.minimum(out[size - 1 :], cost)
        return out

    def _allowed(self, rows: np.ndarray) -> bool:
        return rows.size >= max(1, self.min_rows) and self.weight[rows].sum() >= self.min_weight
