"""Binned columns as the native split finder takes them, and its answers as predicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from treeml._ext import split as native
from treeml.binarize.bins import BinnedColumn, BinnedTable
from treeml.binarize.cuts import between
from treeml.ir import Predicate, Term

__all__ = ["split_columns", "split_predicates"]


def split_columns(
    binned: BinnedTable,
    *,
    monotone: np.ndarray | None = None,
    n_threads: int = 1,
    by_row: bool = True,
) -> native.SplitColumns:
    """The columns of a table, ready to grow trees on.

    Parameters
    ----------
    binned : BinnedTable
    monotone : ndarray of int, shape (n_table_columns,), default=None
        1 where the prediction may only rise with a column of the table, -1 where only fall.
    n_threads : int, default=1
    by_row : bool, default=True
        Whether trees with histograms are to be grown; not so for the absolute error.
    """
    signs = np.zeros(len(binned.types), dtype=int) if monotone is None else monotone
    columns = binned.columns
    return native.SplitColumns(
        [column.codes for column in columns],
        [column.n_codes for column in columns],
        [column.has_missing for column in columns],
        [not column.ordered and len(column.levels) != 2 for column in columns],
        [_asks_above(binned, column) for column in columns],
        [int(signs[column.index]) for column in columns],
        n_rows=binned.n_rows,
        n_jobs=n_threads,
        by_row=by_row,
    )


def split_predicates(
    binned: BinnedTable, nodes: dict[str, Any]
) -> tuple[tuple[Predicate, ...], np.ndarray]:
    """The distinct questions of a grown tree, and which of them each node asks.

    Parameters
    ----------
    binned : BinnedTable
    nodes : dict of str to ndarray
        As `SplitColumns.grow` gives them.

    Returns
    -------
    predicates : tuple of Predicate
        In the order of the columns, thresholds ascending.
    which : ndarray of int32, shape (n_nodes,)
        -1 at a leaf.
    """
    which = np.full(len(nodes["column"]), -1, dtype=np.int32)
    predicates: list[Predicate] = []
    for j in np.unique(nodes["column"]):
        if j < 0:
            continue
        at = np.flatnonzero(nodes["column"] == j)
        column = binned.columns[j]
        term = Term(column.index, binned.types[column.index])
        asked = _questions(column, term, nodes, at)
        distinct = sorted(set(asked), key=_order)
        place = {question: len(predicates) + i for i, question in enumerate(distinct)}
        which[at] = [place[question] for question in asked]
        predicates += distinct
    return tuple(predicates), which


def _questions(
    column: BinnedColumn, term: Term, nodes: dict[str, Any], at: np.ndarray
) -> list[Predicate]:
    """The question of each of these nodes, all of one column."""
    code, following, yes_left = nodes["code"][at], nodes["next"][at], nodes["yes_left"][at]
    absent = column.has_missing & (following == column.n_values)
    if column.kind == "level":
        return [
            Predicate(term, "is missing")
            if gone
            else Predicate(term, "in", _levels(column, nodes["levels"].get(node), last, left))
            for node, last, left, gone in zip(
                at.tolist(), code.tolist(), yes_left.tolist(), absent.tolist(), strict=True
            )
        ]
    cut = np.zeros(len(at))
    known = ~absent
    if term.column.kind == "zero_one":
        cut[known] = 0.5
    else:
        lower, upper = column.lower[following[known]], column.upper[code[known]]
        cut[known] = between(upper, lower, column.whole)
    return [
        Predicate(term, "is missing") if gone else Predicate(term, "<=" if left else ">", value)
        for value, left, gone in zip(cut.tolist(), yes_left.tolist(), absent.tolist(), strict=True)
    ]


def _levels(
    column: BinnedColumn, left: Sequence[int] | None, last: int, yes_left: bool
) -> tuple[Any, ...]:
    """The levels for which the question is answered yes."""
    chosen = set(range(last + 1)) if left is None else set(np.asarray(left).tolist())
    if not yes_left:
        chosen = set(range(column.n_values)) - chosen
    return tuple(column.levels[code] for code in sorted(chosen))


def _asks_above(binned: BinnedTable, column: BinnedColumn) -> bool:
    """0/1 columns and booleans read best as "= 1" and "is true"."""
    return binned.types[column.index].kind in ("zero_one", "boolean")


def _order(question: Predicate) -> tuple[Any, ...]:
    tests = ("<=", ">", "in", "is missing")
    value = question.value if question.test in ("<=", ">") else 0.0
    levels = tuple(map(str, question.value)) if question.test == "in" else ()
    return (value, tests.index(question.test), levels)
