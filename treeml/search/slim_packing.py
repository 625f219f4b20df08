"""Rows that no card gets all right: a lower bound on 0-1 loss that no choice of terms escapes."""

from __future__ import annotations

import math
import time

import numpy as np
from scipy.optimize import linprog

from treeml.search.slim_problem import SlimProblem, on_a_grid

__all__ = ["packed_errors", "takes_long"]

_MOST_ROWS, _MOST_VALUES = 2000, 4_000_000
_FAST, _SLOW = (
    15e-9,
    3e-8,
)  # seconds: of a support of 0/1 terms; of a row of one whose points are tried


def takes_long(problem: SlimProblem, seconds: float) -> bool:
    """Whether a search of all supports is likely to need more than that."""
    usable = (problem.constraints.low < 0) | (problem.constraints.high > 0)
    yes_no = np.all((problem.X == 0) | (problem.X == 1), axis=0)[usable]
    few, many = int(yes_no.sum()), int((~yes_no).sum())
    low, high = problem.constraints.low[usable], problem.constraints.high[usable]
    ranges = np.sort((high - low).astype(np.float64))[::-1]
    need = 0.0
    for n in range(1, problem.max_features + 1):
        rows = _SLOW * len(problem.X) * float(np.prod(ranges[: min(n, 4)])) / 20
        need += math.comb(few, n) * _FAST + (math.comb(few + many, n) - math.comb(few, n)) * rows
    return need > seconds


def packed_errors(problem: SlimProblem, seconds: float) -> int:
    """Errors, beyond those between equal rows, that every card makes.

    Rows i of labels y_i = +-1 with weights l_i >= 0, sum of l_i y_i (x_i, 1) = 0 and l != 0 cannot
    all be classified by one linear rule (Farkas). Vertices of the set of such l have at most
    n_terms + 2 rows. One of the rows errs, so what the lightest weighs is certain; it is taken off
    all of them and the next l is looked for: a packing of infeasible subsystems. See
    J. Gleeson and J. Ryan, Identifying minimally infeasible subsystems of inequalities, ORSA
    Journal on Computing 2 (1990). Of many rows only some are looked at.

    A certificate is rounded. It counts where it still refutes: a card has an intercept with which
    scores on the grid are at least half a step away from 0, so that the sum of l_i y_i (x_i w + c)
    is at least 1/2; but it is at most the remainder of the sum times the largest points.

    Parameters
    ----------
    problem : SlimProblem
    seconds : float
        When to end.

    Returns
    -------
    int
        In integer weights times class weights.
    """
    began = time.perf_counter()
    if problem.X.size > _MOST_VALUES:
        return 0
    kept = problem.integers > 0
    matrix, grid = on_a_grid(problem.X[kept])
    yes_no = np.all((matrix == 0) | (matrix == 1), axis=0)
    matrix = np.where(yes_no, matrix * grid, matrix)
    usable = (problem.constraints.low < 0) | (problem.constraints.high > 0)
    rows, inverse = np.unique(matrix[:, usable], axis=0, return_inverse=True)
    per_class = [
        np.bincount(inverse.ravel(), problem.integers[kept] * (problem.codes[kept] == c), len(rows))
        for c in (0, 1)
    ]
    net = per_class[1] * problem.class_integers[1] - per_class[0] * problem.class_integers[0]
    unlike = net != 0  # equal rows of one weight decide nothing
    rows, net = rows[unlike], net[unlike]
    some = np.arange(0, len(rows), max(1, len(rows) // _MOST_ROWS))
    rows, net = rows[some], net[some]
    if not len(rows) or not rows.shape[1]:
        return 0
    largest = np.maximum(np.abs(problem.constraints.low), np.abs(problem.constraints.high))[usable]
    sizes = np.abs(rows).max(axis=0)
    reach = float(np.sort(largest * sizes)[::-1][: problem.max_features].sum())
    tilt = np.sign(net)[:, None] * np.hstack(
        [rows / np.maximum(sizes, 1e-300), np.ones((len(rows), 1))]
    )
    worst = np.append(largest * sizes, reach + 1)  # of each coordinate of the remainder
    left, packed = np.abs(net).astype(np.int64), 0
    while time.perf_counter() - began < seconds:
        free = np.flatnonzero(left)
        if len(free) < 2:
            break
        found = linprog(
            1 / left[free],
            A_eq=np.vstack([tilt[free].T, np.ones(len(free))]),
            b_eq=np.append(np.zeros(tilt.shape[1]), 1.0),
            method="highs-ds",
            options={"time_limit": max(0.01, seconds - (time.perf_counter() - began))},
        )
        if found.status != 0:
            break
        of_row = np.where(found.x > 1e-9, found.x, 0.0)
        remainder = np.abs(of_row @ tilt[free])
        if float(remainder @ worst) >= 0.25 * of_row.sum():
            break
        used = free[of_row > 0]
        least = int(left[used].min())
        packed += least
        left[used] -= least
    return packed
