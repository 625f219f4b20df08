"""Provably cheapest trees of actions: per-row costs as exact integers, the native search."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Collection
from fractions import Fraction

import numpy as np

from treeml._core.control import Control
from treeml.binarize.dataset import BinaryDataset
from treeml.search.optimal_tree import NO_LIMIT, SearchProblem, run_search
from treeml.search.result import SearchResult

__all__ = ["CostGrid", "cost_grid", "cost_sums", "cost_tree"]

_EXACT_BITS = 20  # fractions of up to 2^-20 are kept exactly
_TOTAL_BITS = 50  # otherwise the sum over all rows gets this many bits
_FINEST = 960  # a grid of 2^-960: the total in its units is still a float
_EXACT_COST = 2**53


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CostGrid:
    """Weighted costs as integers.

    Parameters
    ----------
    values : ndarray of int64, shape (n_rows, n_actions)
        ``values / scale`` are the weighted and shifted costs, up to ``rounding``.
    scale : float
    rounding : float
        The most that rounding changes the sum of costs of any choice of actions.
    text : str
        How they became integers, in words.
    """

    values: np.ndarray
    scale: float
    rounding: float
    text: str


def cost_grid(
    costs: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    repeats: np.ndarray | None = None,
) -> CostGrid:
    """Bring costs times weights to the coarsest integer grid that holds them.

    Integers are divided by their greatest common divisor; multiples of 2^-20 are made integers
    exactly; others are multiplied by a power of two, so that the sum of the greatest costs of all
    rows has 49 or 50 bits, and rounded (costs below 2^-960 to 0).

    Parameters
    ----------
    costs : ndarray of float64, shape (n_rows, n_actions)
        Non-negative.
    weights : ndarray of float64, shape (n_rows,), default=None
        Non-negative; None is 1 for every row.
    repeats : ndarray of float64, shape (n_rows,), default=None
        How often each row counts in the sum of all; the values are those of one.

    Raises
    ------
    ValueError
        Where the sum of the costs is too large for a float.
    """
    with np.errstate(over="ignore"):
        weighted = costs if weights is None else costs * weights[:, None]
        times = 1.0 if repeats is None else repeats
        most = float((weighted.max(axis=1) * times).sum())
    if not math.isfinite(most):
        raise ValueError("the costs of all rows add up to infinity; divide them by a number")
    for bits in (0, _EXACT_BITS):
        if most * 2.0**bits >= 2.0**_TOTAL_BITS:
            break
        scaled = np.ldexp(weighted, bits)
        if np.array_equal(scaled, np.rint(scaled)):
            values = scaled.astype(np.int64)
            divisor = int(np.gcd.reduce(values, axis=None)) or 1
            scale = 2.0**bits / divisor
            text = "costs are integers, as they are"
            if scale != 1:
                text = f"costs are exact multiples of {1 / scale:.12g}"
            return CostGrid(values // divisor, scale, 0.0, text)
    shift = min(_TOTAL_BITS - 1 - math.frexp(most)[1], _FINEST)
    values = np.rint(np.ldexp(weighted, shift)).astype(np.int64)
    off = np.abs(np.ldexp(values.astype(np.float64), -shift) - weighted)
    rounding = float((off.max(axis=1) * times).sum())
    text = f"costs are rounded to multiples of 2^-{shift}, {rounding:.2g} in the sum of all"
    return CostGrid(values, math.ldexp(1.0, shift), rounding, text)


def cost_sums(dataset: BinaryDataset, values: np.ndarray) -> np.ndarray:
    """Sums over the rows behind every stored row, shape (n_stored, n_actions), exact."""
    assert dataset.row_of is not None
    order = np.argsort(dataset.row_of, kind="stable")
    starts = np.searchsorted(dataset.row_of[order], np.arange(dataset.n_rows))
    return np.add.reduceat(values[order], starts, axis=0)


def cost_tree(
    dataset: BinaryDataset,
    sums: np.ndarray,
    *,
    scale: float,
    total: float,
    max_depth: int | None,
    max_leaf_nodes: int | None = None,
    regularization: float = 0.0,
    min_samples_leaf: int = 1,
    control: Control | None = None,
    resume: SearchResult | None = None,
    keep: bool = False,
    without: Collection[str] = (),
) -> SearchResult:
    """The tree with an action in every leaf that costs least, with a proof.

    Minimises (sum of the costs of the actions that rows get) / total + regularization x leaves
    over all trees of depth ``max_depth`` or less over the dataset's predicates. A row costs at
    least what its best action costs, wherever it ends; of two sets of rows that differ a little
    one is bounded by the other, less the greatest regret of the rows between them. With these two
    for equivalent points and similarity, the search is that of `treeml.search.optimal_tree`.

    Parameters
    ----------
    dataset : BinaryDataset
        Its last statistic is the number of rows of positive weight.
    sums : ndarray of int64, shape (n_stored, n_actions)
        Cost of every action in every stored row, times ``scale``: `cost_sums` of a `CostGrid`.
    scale : float
        Integer costs that make a cost of 1.
    total : float
        Sum of the weights of all rows.
    max_depth, max_leaf_nodes, regularization, min_samples_leaf, control, resume, keep, without
        As in `treeml.search.optimal_tree`; regularization is in units of costs.

    Returns
    -------
    SearchResult

    References
    ----------
    J. van der Linden et al., "Necessary and Sufficient Conditions for Optimal Decision Trees using
    Dynamic Programming", NeurIPS 2023, section 5 (instance costs). The pair sums over families of
    nested columns are ours (``cost_kernels.hpp``).
    """
    control = control or Control()
    start = time.perf_counter()
    whole = max(1, int(sums.max(axis=1).sum()))
    if whole >= 2 ** (_TOTAL_BITS + 1):
        raise ValueError("the costs of all rows together do not fit 51 bits")
    unit = 1
    if regularization > 0:
        unit = 2 ** max(0, _EXACT_COST.bit_length() - 1 - whole.bit_length())
    leaf_cost = round(Fraction(regularization) * Fraction(total) * Fraction(scale) * unit)
    leaf_cost = min(leaf_cost, _EXACT_COST)  # more than all rows can cost
    statistics = np.vstack([sums.T, dataset.statistics[-1:]])
    problem = SearchProblem(
        dataset.columns,
        dataset.n_rows,
        np.ascontiguousarray(statistics, dtype=np.int64),
        np.ones(sums.shape[1], dtype=np.int64),
        unit,
        leaf_cost,
        min(min_samples_leaf, NO_LIMIT),
        control.n_threads,
        tuple(without),
        costs=True,
    )
    return run_search(
        problem,
        control,
        max_depth=max_depth,
        max_leaf_nodes=max_leaf_nodes,
        regularization=regularization,
        totals=(total * scale, total),
        class_weight=np.ones(sums.shape[1]),
        handle=resume.handle if resume is not None else None,
        keep=keep,
        start=start,
    )
