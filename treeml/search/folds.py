"""Folds of a cross-validation that keep equal rows together."""

from __future__ import annotations

import numpy as np

__all__ = ["equal_row_folds", "row_hash"]


def equal_row_folds(
    columns: np.ndarray, n_folds: int, strata: np.ndarray | None = None, deal: int = 0
) -> np.ndarray:
    """Fold of every row, shape (n_rows,); equal rows share one, so that weights equal repeats.

    Distinct rows are dealt out in the order of a hash of their values, class by class where
    ``strata`` are given: the same folds for any order of rows.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_columns, n_rows)
        What makes rows equal, the target among them.
    n_folds : int
    strata : ndarray of int, shape (n_rows,), default=None
        Class of each row.
    deal : int, default=0
        Another number, other folds.
    """
    if deal:
        columns = np.vstack([columns, np.full(columns.shape[1], float(deal))])
    key = row_hash(columns)
    out = np.zeros(len(key), dtype=np.intp)
    start = 0
    for stratum in [None] if strata is None else np.unique(strata).tolist():
        rows = np.arange(len(key)) if stratum is None else np.flatnonzero(strata == stratum)
        distinct, at = np.unique(key[rows], return_inverse=True)
        out[rows] = (at + start) % n_folds
        start += len(distinct)
    return out


def row_hash(columns: np.ndarray) -> np.ndarray:
    """A number of 64 bits for every row, the same for equal rows; ``columns`` as above."""
    key = np.zeros(columns.shape[1], dtype=np.uint64)
    for column in columns:
        bits = np.ascontiguousarray(column + 0.0).view(np.uint64)
        key = _mixed(key * np.uint64(31) + bits)
    return key


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, figure 17)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
