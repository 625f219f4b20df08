"""Code columns: one ordered integer per row stands for all predicates of a column.

A predicate holds exactly where ``lo <= code <= hi``. Unseen levels and missing values have the
codes above all levels, so that they lie in no interval but that of ``is missing``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from treeml._core.table import Column
from treeml.ir import Predicate, Term

__all__ = ["Interval", "LevelCode", "NumberCode"]

Interval = tuple[int, int]


def _dtype(n_codes: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if n_codes <= 2**16 else np.uint32


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NumberCode:
    """Code of a numeric column: the number of cuts below the value; missing gets the top code.

    Parameters
    ----------
    cuts : ndarray of float64, shape (n_cuts,)
        Ascending.
    above : bool
        Whether the predicates ask ``> cut`` (0/1 columns) instead of ``<= cut``.
    missing : bool
        Whether there is a predicate ``is missing``.
    """

    cuts: np.ndarray
    above: bool
    missing: bool

    @property
    def n_codes(self) -> int:
        return len(self.cuts) + 2

    def predicates(self, term: Term) -> list[tuple[Predicate, Interval]]:
        """The predicates with their code intervals."""
        k = len(self.cuts)
        test = ">" if self.above else "<="
        out = [
            (Predicate(term, test, float(cut)), (j + 1, k) if self.above else (0, j))
            for j, cut in enumerate(self.cuts)
        ]
        if self.missing:
            out.append((Predicate(term, "is missing"), (k + 1, k + 1)))
        return out

    def encode(self, column: Column) -> np.ndarray:
        """Code of every row, shape (n_rows,), uint16 or uint32."""
        codes = np.searchsorted(self.cuts, column.values, side="left").astype(_dtype(self.n_codes))
        codes[np.isnan(column.values)] = len(self.cuts) + 1
        return codes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LevelCode:
    """Code of a category: the position of its level; then unseen, then missing.

    Parameters
    ----------
    order : tuple
        Levels in the order of their codes.
    groups : tuple of (int, int, str)
        First and last code and the label of every predicate.
    missing : bool
        Whether there is a predicate ``is missing``.
    """

    order: tuple[Any, ...]
    groups: tuple[tuple[int, int, str], ...]
    missing: bool

    @property
    def n_codes(self) -> int:
        return len(self.order) + 2

    def predicates(self, term: Term) -> list[tuple[Predicate, Interval]]:
        """The predicates with their code intervals."""
        out = [
            (Predicate(term, "in", self.order[lo : hi + 1], label), (lo, hi))
            for lo, hi, label in self.groups
        ]
        if self.missing:
            top = len(self.order) + 1
            out.append((Predicate(term, "is missing"), (top, top)))
        return out

    def encode(self, column: Column) -> np.ndarray:
        """Code of every row, shape (n_rows,), uint16 or uint32."""
        unseen = len(self.order)
        code: dict[Any, int] = {level: i for i, level in enumerate(self.order)}
        code[None] = unseen + 1
        cells = column.values.tolist()
        return np.fromiter(
            (code.get(cell, unseen) for cell in cells), _dtype(self.n_codes), len(cells)
        )
