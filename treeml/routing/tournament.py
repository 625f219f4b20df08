"""The greatest of linear scores as a tree of comparisons of two."""

from __future__ import annotations

import functools
import itertools
from fractions import Fraction

import numpy as np

from treeml.ir import LinearMap
from treeml.routing.oblique import Leaf, Node, Split
from treeml.routing.proofs import HalfSpace
from treeml.routing.regions import Cut, Region, RegionLimit, Space

_MOST_PAIRS = 40

__all__ = ["Tournament"]


class Tournament:
    """Which of several linear scores is the greatest, the first of equal ones, as a tree.

    Every question compares two scores that can both be the greatest where it is asked, and puts
    one of them out; so a path asks at most one question less than there are scores. A score is
    followed only into parts of the region where it is the greatest somewhere, which linear
    programs decide: with one score left there is a leaf. Of all pairs that one is asked about
    that leaves the fewest scores on its two sides together.

    Parameters
    ----------
    scores : LinearMap
        The scores.
    space : Space
        The box of the points.
    max_leaves : int
        Where to stop.

    Attributes
    ----------
    winners : set of int
        The scores that are known to be the greatest somewhere in the box; no exact tree has fewer
        leaves.
    n_leaves : int
        Leaves found.
    """

    def __init__(self, scores: LinearMap, space: Space, max_leaves: int) -> None:
        self._scores, self._space, self._max_leaves = scores, space, max_leaves
        self._exact = (
            [list(map(Fraction, row)) for row in scores.coef.tolist()],
            list(map(Fraction, scores.intercept.tolist())),
        )
        self.winners: set[int] = set()
        self.n_leaves = 0

    @property
    def n_pieces(self) -> int:
        """What no exact tree has fewer leaves than."""
        return max(1, len(self.winners))

    def tree(self) -> Node:
        """The tree; its leaves name a score by its number.

        Raises
        ------
        RegionLimit
            Where there are more leaves than were to be counted, or time is over.
        """
        cells = {}
        for k in range(self._scores.n_outputs):
            cell = self._cell(k, self._space.whole)
            if cell is not None:
                cells[k] = cell
                self.winners.add(k)
        return self._grow(cells, {})

    def _grow(self, cells: dict[int, Region], known: dict[tuple[int, int, int], bool]) -> Node:
        """A tree over the cells of the scores that are left.

        ``known`` says of score k and pair (i, j) where all of its cell lies: whether j is greater.
        """
        if len(cells) == 1:
            self.n_leaves += 1
            if self.n_leaves > self._max_leaves:
                raise RegionLimit("max_regions was reached")
            return Leaf(next(iter(cells)))
        known = dict(known)  # what holds in a region holds within it
        best: tuple[tuple[int, int], tuple[int, int], list[dict[int, Region]]] | None = None
        for pair in self._pairs(cells):
            sides = self._sides(cells, pair, known)
            cost = (len(sides[0]) + len(sides[1]), max(len(sides[0]), len(sides[1])))
            if best is None or cost < best[0]:
                best = cost, pair, sides
            if cost[0] == len(cells):
                break  # no cell is cut
        assert best is not None
        _, pair, (yes, no) = best
        cut = self._greater(*pair)
        return Split(-cut.weights, -cut.bound, self._grow(yes, known), self._grow(no, known))

    def _pairs(self, cells: dict[int, Region]) -> list[tuple[int, int]]:
        """The pairs to try: all, or those that part the middles of the cells most evenly."""
        pairs = list(itertools.combinations(cells, 2))
        if len(pairs) <= _MOST_PAIRS:
            return pairs

        def lopsided(pair: tuple[int, int]) -> float:
            cut = self._greater(*pair)
            return abs(sum(cell.side(cut) for cell in cells.values()) / len(cells) - 0.5)

        return sorted(pairs, key=lopsided)[:_MOST_PAIRS]

    def _sides(
        self,
        cells: dict[int, Region],
        pair: tuple[int, int],
        known: dict[tuple[int, int, int], bool],
    ) -> list[dict[int, Region]]:
        """The cells where the second score of the pair is greater, and those where it is not."""
        first, second = pair
        cut = self._greater(*pair)
        sides: list[dict[int, Region]] = [{}, {}]
        for k, cell in cells.items():
            if k in pair:
                sides[k == first][k] = cell
                continue
            if (place := known.get((k, first, second))) is not None:
                sides[not place][k] = cell
                continue
            yes, no = cell.cut(cut), cell.cut(cut.other)
            if yes is not None and no is not None:
                sides[0][k], sides[1][k] = yes, no
                continue
            greater = yes is not None or (no is None and cell.side(cut) > 0.5)
            known[k, first, second] = greater
            sides[not greater][k] = cell
        return sides

    def _cell(self, k: int, region: Region | None) -> Region | None:
        """Where a score is the greatest: above those before it, not below those after it."""
        for j in range(self._scores.n_outputs):
            if region is None:
                return None
            if j != k:
                region = region.cut(self._greater(j, k) if j < k else self._greater(k, j).other)
        return region

    def _greater(self, first: int, second: int) -> Cut:
        """Where the second score is greater than the first."""
        coef, intercept = self._scores.coef, self._scores.intercept
        bound = float(intercept[second] - intercept[first])
        exact = functools.partial(self._exactly, first, second)
        return Cut(np.asarray(coef[first] - coef[second]), bound, strict=True, exact=exact)

    def _exactly(self, first: int, second: int) -> HalfSpace:
        """`_greater` without the rounding of differences."""
        rows, intercept = self._exact
        weights = [a - b for a, b in zip(rows[first], rows[second], strict=True)]
        return weights, intercept[second] - intercept[first]
