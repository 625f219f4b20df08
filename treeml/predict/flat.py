"""Trees as flat arrays of intervals, and tables as the columns of doubles that they ask of.

Linear forms are further columns behind those of the table, made in native code.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from treeml._core.table import Column, ColumnType, Table
from treeml.ir import LinearForm, LinearMap, Predicate, TreeNodes

_NODE = np.dtype(
    [("low", "f8"), ("high", "f8"), ("column", "i4"), ("no", "i4"), ("yes", "i4"), ("set", "i4")]
)
_UNSEEN = -1.0

__all__ = ["FlatSums", "FlatTrees"]


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """A column that some node asks of: where its numbers stand and the codes of its levels."""

    position: int
    codes: dict[object, float]

    def numbers(self, column: Column) -> np.ndarray:
        """The column as doubles: numbers as they are, levels as codes; NaN where missing."""
        if column.values.dtype != object:
            return np.asarray(column.values, dtype=np.float64)
        codes = self.codes | {None: math.nan}
        found = map(codes.get, column.values.tolist(), itertools.repeat(_UNSEEN))
        return np.fromiter(found, np.float64, len(column.values))


Products = Sequence[tuple[int, float]]


class FlatSums:
    """Sums of a start and weighted columns, one behind the other, as native code reads them.

    Parameters
    ----------
    sums : iterable of (float, sequence of (int, float))
        Start, and column and weight of each product in the order of the sum.
    position : dict of int -> int
        Where each column stands among those that native code gets.
    """

    def __init__(self, sums: Iterable[tuple[float, Products]], position: dict[int, int]) -> None:
        parts = list(sums)
        sizes = [len(products) for _, products in parts]
        every = [product for _, products in parts for product in products]
        self.start = np.array([start for start, _ in parts], dtype=np.float64)
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        self.column = np.array([position[j] for j, _ in every], dtype=np.int32)
        self.weight = np.array([weight for _, weight in every], dtype=np.float64)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.start, self.first, self.column, self.weight


class FlatTrees:
    """Trees over the same columns in the form that the native prediction reads.

    Every question becomes an interval of one column, ends included: that of the numbers for
    which the answer is yes, or of the codes of its levels. Where these are no interval, a set of
    bits says which ones within it. "Is missing" is the interval of all numbers with yes and no
    exchanged. A missing value is NaN and lies in no interval, nor does an unseen level, -1.

    Parameters
    ----------
    trees : sequence of TreeNodes
        Their forms become columns behind those of the table.
    scores : LinearMap or None, default=None
        Further sums, the last columns.
    read : sequence of int, default=()
        Columns that are needed besides those that trees and scores ask of.
    """

    def __init__(
        self,
        trees: Sequence[TreeNodes],
        scores: LinearMap | None = None,
        read: Sequence[int] = (),
    ) -> None:
        linear = [] if scores is None else scores.read.tolist()
        self._asked = _asked(trees, [*linear, *read])
        self.position = {index: asked.position for index, asked in self._asked.items()}
        forms = _forms(trees)
        self._place = {form: len(self._asked) + k for k, form in enumerate(forms)}
        sums: list[tuple[float, Products]] = [(0.0, _products(form)) for form in forms]
        if scores is not None:
            starts = scores.intercept.tolist()
            sums += [(starts[k], scores.products(k)) for k in range(scores.n_outputs)]
        self.sums = FlatSums(sums, self.position)
        self._words: list[np.ndarray] = []
        self._intervals: dict[Predicate, tuple[float, float, int, bool, int]] = {}
        sizes = [tree.n_nodes for tree in trees]
        self.root = (np.cumsum(sizes) - sizes).astype(np.int32)
        parts = [self._nodes(tree, root) for tree, root in zip(trees, self.root, strict=True)]
        self.nodes = np.concatenate(parts) if parts else np.empty(0, dtype=_NODE)
        self.sets = np.array([(part["set"] >= 0).any() for part in parts], dtype=np.uint8)
        self.words = np.concatenate([np.empty(0, np.uint64), *self._words])

    def columns(self, table: Table) -> list[np.ndarray]:
        """The columns of a table that are asked of, in their order, as doubles."""
        return [asked.numbers(table.columns[index]) for index, asked in self._asked.items()]

    def _nodes(self, tree: TreeNodes, root: int) -> np.ndarray:
        nodes = np.zeros(tree.n_nodes, dtype=_NODE)
        nodes["yes"] = nodes["no"] = np.arange(tree.n_nodes) + root
        nodes["set"] = -1
        inner = np.flatnonzero(tree.predicate >= 0)
        if not inner.size:
            return nodes
        low, high, column, missing, words = (
            np.array(part)[tree.predicate[inner]]
            for part in zip(*map(self._interval, tree.predicates), strict=True)
        )
        yes, no = tree.if_true[inner] + root, tree.if_false[inner] + root
        nodes["low"][inner], nodes["high"][inner] = low, high
        nodes["column"][inner], nodes["set"][inner] = column, words
        nodes["yes"][inner] = np.where(missing, no, yes)
        nodes["no"][inner] = np.where(missing, yes, no)
        return nodes

    def _interval(self, predicate: Predicate) -> tuple[float, float, int, bool, int]:
        """Low, high, position of the column, whether yes and no are exchanged, place of the set."""
        known = self._intervals.get(predicate)
        if known is None:
            known = self._intervals[predicate] = self._new_interval(predicate)
        return known

    def _new_interval(self, predicate: Predicate) -> tuple[float, float, int, bool, int]:
        at, value = self._column(predicate), predicate.value
        if predicate.test == "is missing":
            return -math.inf, math.inf, at, True, -1
        if predicate.test == "<=":
            return -math.inf, value, at, False, -1
        if predicate.test == ">":
            above = math.nan if value == math.inf else math.nextafter(value, math.inf)
            return above, math.inf, at, False, -1
        known = self._asked[predicate.term.index].codes
        codes = sorted({int(known[level]) for level in value})
        if not codes:
            return math.nan, math.nan, at, False, -1
        low, high = codes[0], codes[-1]
        if high - low + 1 == len(codes):
            return low, high, at, False, -1
        return low, high, at, False, self._add_set(codes)

    def _column(self, predicate: Predicate) -> int:
        """Where the column, or the sum, that the question is about stands."""
        term = predicate.term
        return self._place[term] if isinstance(term, LinearForm) else self.position[term.index]

    def _add_set(self, codes: list[int]) -> int:
        """Words with the bits of the codes; returns where they stand among all words."""
        bits = np.zeros(-(-(codes[-1] + 1) // 64) * 64, dtype=np.uint8)
        bits[codes] = 1
        at = sum(map(len, self._words))
        self._words.append(np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64))
        return at


def _forms(trees: Sequence[TreeNodes]) -> list[LinearForm]:
    """The distinct linear forms that the trees ask of, in order of first appearance."""
    terms = (predicate.term for tree in trees for predicate in tree.predicates)
    return list(dict.fromkeys(term for term in terms if isinstance(term, LinearForm)))


def _products(form: LinearForm) -> list[tuple[int, float]]:
    """Column and weight of every product."""
    return [(term.index, weight) for term, weight in zip(form.terms, form.weights, strict=True)]


def _asked(trees: Sequence[TreeNodes], read: Sequence[int]) -> dict[int, _Asked]:
    """The columns that are asked of or read, by their index in the table, ascending."""
    levels: dict[int, dict[object, None]] = {index: {} for index in read}
    columns: dict[int, ColumnType] = {}
    for tree in trees:
        for predicate in tree.predicates:
            for term in predicate.term.parts:
                columns[term.index] = term.column
                found = levels.setdefault(term.index, {})
                if predicate.test == "in":
                    found.update(dict.fromkeys(predicate.value))
    return {
        index: _Asked(position, _codes(columns[index], found) if index in columns else {})
        for position, (index, found) in enumerate(sorted(levels.items()))
    }


def _codes(column: ColumnType, levels: dict[object, None]) -> dict[object, float]:
    """A code for each level: neighbours of an ordered category get neighbouring ones."""
    in_order = [level for level in column.levels if level in levels]
    rest = [level for level in levels if level not in column.levels]
    return {level: float(code) for code, level in enumerate([*in_order, *rest])}
