"""Guessed cuts: those that a small boosted model finds most useful."""

from __future__ import annotations

import numpy as np

from treeml._core.table import Table
from treeml.binarize.bins import BinnedTable
from treeml.binarize.cuts import between
from treeml.binarize.split_columns import split_columns

__all__ = ["guessed_cuts"]

_BINS = 256
_ROUNDS = 10
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
    _, trees, _, _, _, raised, _ = split_columns(binned).boost(
        loss=2 if n_classes == 2 else 3,
        y=y_codes.astype(np.float64),
        weights=sample_weight,
        n_classes=n_classes,
        rounds=_ROUNDS,
        learning_rate=_RATE,
        l2=_L2,
        least_hessian=_LEAST_HESSIAN,
        max_depth=_DEPTH,
        max_leaves=0,
        patience=0,
    )
    if raised:
        raise raised[0]
    asked = [np.flatnonzero(nodes["column"] >= 0) for _, nodes in trees]
    column, code, gain = (
        np.concatenate([nodes[name][at] for (_, nodes), at in zip(trees, asked, strict=True)])
        for name in ("column", "code", "gain")
    )
    budget = None if max_bins is None else (max_bins - 1) * _n_numbers(binned)
    return _thresholds(binned, *_best(column, code, gain, binned, budget))


def _thresholds(binned: BinnedTable, column: np.ndarray, code: np.ndarray) -> dict[int, np.ndarray]:
    """The number after each code, by position of the column in the table."""
    cuts = np.full(len(code), 0.5)  # that of 0/1 columns
    used = np.unique(column).tolist()
    numbers = [binned.columns[j] for j in used]
    for whole in (True, False):
        same = [
            (column == j, c)
            for j, c in zip(used, numbers, strict=True)
            if c.whole == whole and binned.types[c.index].kind != "zero_one"
        ]
        if same:
            at = np.concatenate([np.flatnonzero(mask) for mask, _ in same])
            upper = np.concatenate([c.upper[code[mask]] for mask, c in same])
            lower = np.concatenate([c.lower[code[mask] + 1] for mask, c in same])
            cuts[at] = between(upper, lower, whole)
    return {c.index: cuts[column == j] for j, c in zip(used, numbers, strict=True)}


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
    key = column[cuts].astype(np.int64) << 32 | code[cuts]
    distinct, at = np.unique(key, return_inverse=True)
    order = np.argsort(-np.bincount(at, gain[cuts], minlength=len(distinct)), kind="stable")
    if budget is not None:
        order = order[: max(budget, _LEAST_BUDGET)]
    kept = np.sort(distinct[order])
    return kept >> 32, kept & 0xFFFFFFFF
