"""The naive program of the checker for trees that vote: tables over all sets of examples.

Written to be read. The cuts of a tree that is right on a set of examples are those of its best
question and its two sides; then trees join one after the other, and every example has so many
right votes, up to a majority.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["fewest_cuts", "least_objective", "work"]


def work(n_examples: int, n_trees: int) -> float:
    """Table entries that are looked at."""
    return n_trees * 2.0**n_examples * (n_trees // 2 + 2.0) ** n_examples


def _tree_cuts(answers: np.ndarray, codes: np.ndarray) -> list[float]:
    """For every set of examples, bit r for example r, the fewest cuts that are right on it."""
    n = len(codes)
    bits = 1 << np.arange(n)
    questions = {int(bits[column].sum()) for column in answers.T}
    of_class = [int(bits[codes == k].sum()) for k in np.unique(codes)]
    cuts = [0.0] * (1 << n)
    for examples in range(1, 1 << n):
        if any(examples & ~own == 0 for own in of_class):
            continue
        sides = ((examples & yes, examples & ~yes) for yes in questions)
        cuts[examples] = min(
            (cuts[yes] + cuts[no] + 1 for yes, no in sides if yes and no), default=math.inf
        )
    return cuts


def _table(
    answers: np.ndarray, codes: np.ndarray, weight: np.ndarray, n_trees: int, largest: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts and errors of every vector of right votes."""
    n, base = len(codes), n_trees // 2 + 2
    states = np.arange(base**n)
    votes = [states // base**r % base for r in range(n)]
    cuts = np.full(len(states), math.inf)
    cuts[0] = 0
    sizes = _tree_cuts(answers, codes)
    for _ in range(n_trees):
        more = np.full(len(states), math.inf)
        for examples, size in enumerate(sizes):
            if size < math.inf:
                steps = (
                    np.where(votes[r] < base - 1, base**r, 0) for r in range(n) if examples >> r & 1
                )
                to = states + sum(steps)
                np.minimum.at(more, to, np.maximum(cuts, size) if largest else cuts + size)
        cuts = more
    lost = [np.where(votes[r] < base - 1, weight[r], 0.0) for r in range(n)]
    return cuts, np.sum(lost, axis=0)


def fewest_cuts(
    answers: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray,
    n_trees: int,
    largest: bool,
    allowed: float,
) -> float:
    """Fewest cuts of ensembles whose errors weigh at most ``allowed``."""
    cuts, errors = _table(answers, codes, weight, n_trees, largest)
    return float(cuts[errors <= allowed].min(initial=math.inf))


def least_objective(
    answers: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray,
    n_trees: int,
    largest: bool,
    regularization: float,
    max_cuts: float,
) -> float:
    """Least errors / total plus ``regularization`` for every cut, with at most ``max_cuts``."""
    cuts, errors = _table(answers, codes, weight, n_trees, largest)
    few = cuts <= max_cuts
    return float((errors[few] / weight.sum() + regularization * cuts[few]).min())
