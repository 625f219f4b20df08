"""From the questions of a tree to the rows in its leaves, with the sums that scores are made of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

__all__ = ["Cell", "LeafCells", "Questions"]

Questions = tuple[int, Any, Any] | None
"""A tree without values: (predicate, subtree for yes, subtree for no), None at a leaf."""

_CACHED_BYTES = 2**27
_LARGEST = 2**64


@dataclasses.dataclass(slots=True, eq=False)
class Cell:
    """The rows that give certain answers to certain questions.

    Parameters
    ----------
    path : frozenset of int
        ``2 * predicate + answer`` of every question on the way.
    rows : ndarray of int, shape (n_rows,)
        Positions of stored rows, ascending.
    sums : ndarray of float64, shape (n_statistics,)
        Sum of the statistics of these rows.
    size : int
        Rows of the table behind the stored rows.
    mark : int
        Sum of random numbers of the rows: cells of equal rows have equal marks.
    value : object, default=None
        What a score wants to remember of the cell.
    """

    path: frozenset[int]
    rows: np.ndarray
    sums: np.ndarray
    size: int
    mark: int
    value: Any = None


class LeafCells:
    """Sends rows down trees; cells that several trees share are made once.

    Parameters
    ----------
    answers : ndarray of bool, shape (n_predicates, n_rows)
        Of the stored rows.
    statistics : ndarray of float64, shape (n_statistics, n_rows)
        What is summed over the rows of a cell.
    size : ndarray of int, shape (n_rows,)
        Rows of the table behind every stored row.
    min_samples_leaf : int
    """

    def __init__(
        self, answers: np.ndarray, statistics: np.ndarray, size: np.ndarray, min_samples_leaf: int
    ) -> None:
        self.answers = answers
        self.statistics = np.ascontiguousarray(statistics, dtype=np.float64)
        self.size = size
        self.min_samples_leaf = min_samples_leaf
        marks = np.random.default_rng(0).integers(0, _LARGEST, len(size), dtype=np.uint64)
        self._marks = marks
        self._plain = bool((size == 1).all())
        self.root = self._cell(frozenset(), np.arange(len(size)))
        self._cells: dict[frozenset[int], Cell] = {}
        self._bytes = 0

    def leaves(self, tree: Questions) -> tuple[Questions, list[Cell]]:
        """The tree without splits that leave a side too few rows, and its leaves, yes first.

        In place of such a split stands the subtree of the larger side.
        """
        cells: list[Cell] = []
        return self._grow(tree, self.root, cells), cells

    def split(self, cell: Cell, predicate: int) -> tuple[Cell, Cell]:
        """The cells of those who answer yes and no."""
        path, key = cell.path, 2 * predicate
        yes = self._cells.get(path | {key + 1})
        no = self._cells.get(path | {key})
        if yes is None or no is None:
            if self._bytes > _CACHED_BYTES:
                self._cells.clear()
                self._bytes = 0
            answer = self.answers[predicate][cell.rows]
            yes = self._cell(path | {key + 1}, cell.rows[answer])
            no = self._cell(path | {key}, cell.rows[~answer])
            self._cells[yes.path], self._cells[no.path] = yes, no
            self._bytes += cell.rows.nbytes + 1024
        return yes, no

    def _cell(self, path: frozenset[int], rows: np.ndarray) -> Cell:
        mark = int(self._marks[rows].sum())
        size = len(rows) if self._plain else int(self.size[rows].sum())
        return Cell(path, rows, self.statistics.take(rows, axis=1).sum(axis=1), size, mark)

    def _grow(self, tree: Questions, cell: Cell, cells: list[Cell]) -> Questions:
        if tree is None:
            cells.append(cell)
            return None
        predicate, if_yes, if_no = tree
        yes, no = self.split(cell, predicate)
        if min(yes.size, no.size) < max(1, self.min_samples_leaf):
            return self._grow(if_yes if yes.size > no.size else if_no, cell, cells)
        return predicate, self._grow(if_yes, yes, cells), self._grow(if_no, no, cells)
