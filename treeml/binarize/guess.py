"""Guessed cuts: those that a small boosted model finds most useful."""

from __future__ import annotations

import itertools

import numpy as np

from treeml._core.table import Table
from treeml.binarize.bins import BinnedTable
from treeml.binarize.cuts import between
from treeml.binarize.split_columns import split_columns

__all__ = ["guessed_cuts"]

_BINS = 128
_ROUNDS = 8
_DEPTH = 4
_RATE = 0.3
_L2 = 1.0
_LEAST_HESSIAN = 1e-3
_LEAST_BUDGET = 40


def guessed_cuts(
    table: Table,
    y_codes: np.ndarray,
    sample_weight: np.ndarray | None,
    max_bins: int | None,
) -> dict[int, np.ndarray]:
    """Cuts of the numeric columns, where boosted trees of the classes split with most gain.

    Parameters
    ----------
    table : Table
        Rows of positive weight.
    y_codes : ndarray of int, shape (n_rows,)
        Class of every row, from 0.
    sample_weight : ndarray of float64, shape (n_rows,), or None
    max_bins : int or None
        At most ``max_bins - 1`` cuts a numeric column on average, and 40 where that is less;
        columns that matter get more of them. None: all cuts of the model.

    Returns
    -------
    dict of int to ndarray of float64
        Ascending cuts by position of the column; columns without a cut are not in it.

    References
    ----------
    H. McTavish et al., "Fast Sparse Decision Tree Optimization via Reference Ensembles",
    AAAI 2022, section 4.1, guess thresholds by a boosted model; there they are dropped one by
    one as long as the model's accuracy holds, here they are ranked by their gain.
    """
    binned = BinnedTable.fit(table, max_bins=_BINS, sample_weight=sample_weight)
    n_classes = int(y_codes.max()) + 1 if len(y_codes) else 0
    if n_classes < 2 or not binned.columns:
        return {}
    column, code, gain, raised = split_columns(binned).boosted_splits(
        loss=2 if n_classes == 2 else 3,
        y=y_codes.astype(np.float64),
        weights=sample_weight,
        n_classes=n_classes,
        rounds=_ROUNDS,
        learning_rate=_RATE,
        l2=_L2,
        least_hessian=_LEAST_HESSIAN,
        max_depth=_DEPTH,
    )
    if raised:
        raise raised[0]
    budget = None if max_bins is None else (max_bins - 1) * _n_numbers(binned)
    return _thresholds(binned, *_best(column, code, gain, binned, budget))


def _thresholds(binned: BinnedTable, column: np.ndarray, code: np.ndarray) -> dict[int, np.ndarray]:
    """The number after each code, by position of the column in the table; columns ascend."""
    ends = [0, *(np.flatnonzero(column[1:] != column[:-1]) + 1).tolist(), len(column)]
    parts = [
        (binned.columns[column[first]], slice(first, last))
        for first, last in itertools.pairwise(ends)
        if first < last
    ]
    cuts = np.full(len(code), 0.5)  # that of 0/1 columns
    for whole in (True, False):
        same = [
            (c, part)
            for c, part in parts
            if c.whole == whole and binned.types[c.index].kind != "zero_one"
        ]
        if not same:
            continue
        upper = [c.upper[code[part]] for c, part in same]
        lower = [c.lower[code[part] + 1] for c, part in same]
        chosen = between(np.concatenate(upper), np.concatenate(lower), whole)
        at = 0
        for _, part in same:
            n = part.stop - part.start
            cuts[part] = chosen[at : at + n]
            at += n
    return {c.index: cuts[part] for c, part in parts}


def _n_numbers(binned: BinnedTable) -> int:
    return sum(column.kind == "number" for column in binned.columns)


def _best(
    column: np.ndarray,
    code: np.ndarray,
    gain: np.ndarray,
    binned: BinnedTable,
    budget: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Column and code after which to cut, ascending: those of most gain in all trees."""
    last = np.array([c.n_values - 1 if c.kind == "number" else -1 for c in binned.columns])
    cuts = code < last[column]  # levels, and "is missing", are no cuts
    key = column[cuts] << 32 | code[cuts]
    distinct, at = np.unique(key, return_inverse=True)
    order = np.argsort(-np.bincount(at, gain[cuts], minlength=len(distinct)), kind="stable")
    if budget is not None:
        order = order[: max(budget, _LEAST_BUDGET)]
    kept = np.sort(distinct[order])
    return kept >> 32, kept & 0xFFFFFFFF
