"""ReLU networks as trees of their units' signs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from treeml.routing.oblique import Leaf, Node, Split
from treeml.routing.proofs import HalfSpace
from treeml.routing.regions import Cut, Region, RegionLimit, Space

__all__ = ["Affine", "NetworkTree", "without_idle_units"]

_DEEPEST = 250  # questions: Python's own stack ends further down

Layer = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True)
class Affine:
    """``x @ weights + intercept``, told from others by its numbers."""

    weights: np.ndarray
    intercept: np.ndarray

    @property
    def rounded(self) -> bytes:
        """The map to nine digits of its greatest number."""
        numbers = np.append(self.weights.ravel(), self.intercept)
        scale = 2.0 ** np.floor(np.log2(np.abs(numbers).max() or 1.0))
        return np.append(np.round(numbers / scale, 9) + 0.0, scale).tobytes()

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Affine)
            and np.array_equal(self.weights, other.weights)
            and np.array_equal(self.intercept, other.intercept)
        )

    def __hash__(self) -> int:  # 0.0 and -0.0 are equal
        return hash(((self.weights + 0.0).tobytes(), (self.intercept + 0.0).tobytes()))


class _Exactly:
    """What goes into the units of a layer, as fractions that are made when asked for.

    Parameters
    ----------
    layer : (ndarray, ndarray)
        Weights and biases.
    before : _Exactly or None
        What goes into the layer before; None for the first one.
    active : ndarray of bool
        Which units of the layer before are positive.
    """

    def __init__(self, layer: Layer, before: _Exactly | None, active: np.ndarray) -> None:
        self._layer, self._before, self._active = layer, before, active
        self._units: dict[int, HalfSpace] = {}

    def positive(self, unit: int) -> HalfSpace:
        """Where what goes into a unit is at least 0."""
        weights, intercept = self._unit(unit)
        return [-weight for weight in weights], intercept

    def _unit(self, unit: int) -> HalfSpace:
        """Weights and intercept of a unit's input."""
        if unit not in self._units:
            weights, bias = self._layer
            column = list(map(Fraction, weights[:, unit].tolist()))
            self._units[unit] = column, Fraction(float(bias[unit]))
            if self._before is not None:
                self._units[unit] = self._composed(column, Fraction(float(bias[unit])))
        return self._units[unit]

    def _composed(self, column: list[Fraction], total: Fraction) -> HalfSpace:
        assert self._before is not None
        out: list[Fraction] | None = None
        for k in np.flatnonzero(self._active).tolist():
            weights, intercept = self._before._unit(k)
            scaled = [column[k] * weight for weight in weights]
            out = scaled if out is None else [a + b for a, b in zip(out, scaled, strict=True)]
            total += column[k] * intercept
        if out is None:  # no unit is positive: a constant
            first = self
            while first._before is not None:
                first = first._before
            out = [Fraction()] * len(first._layer[0])
        return out, total


def without_idle_units(layers: Sequence[Layer]) -> list[Layer]:
    """The same function without hidden units that no later layer listens to."""
    out = list(layers)
    for at in range(len(out) - 2, -1, -1):
        heard = out[at + 1][0].any(axis=1)
        out[at] = out[at][0][:, heard], out[at][1][heard]
        out[at + 1] = out[at + 1][0][heard], out[at + 1][1]
    return out


class NetworkTree:
    """A network of ReLU layers and a linear last one as a tree with linear leaves.

    Layer by layer the tree asks whether units are positive, as [1]_ does, but only those that can
    be both where it asks: linear programs decide. Of them it asks about the unit that parts the
    known points of the region most evenly. With all units decided the network is one linear map.

    Parameters
    ----------
    layers : sequence of (ndarray, ndarray)
        Weights, shape (n_inputs, n_units), and biases, shape (n_units,), of every layer.
    space : Space
        The box of the points.
    max_leaves : int
        Where to stop.

    Attributes
    ----------
    n_leaves : int
        Leaves found.

    References
    ----------
    .. [1] C. Aytekin, "Neural Networks are Decision Trees", arXiv 2210.05189 (2022), section 2.
    """

    def __init__(self, layers: Sequence[Layer], space: Space, max_leaves: int) -> None:
        self._layers, self._space = without_idle_units(layers), space
        self._max_leaves = max_leaves
        self._pieces: set[bytes] = set()
        self.n_leaves = 0

    @property
    def n_pieces(self) -> int:
        """Linear maps met that differ by more than rounding; no exact tree has fewer leaves."""
        return max(1, len(self._pieces))

    def tree(self) -> Node:
        """The tree; its leaves name an `Affine`.

        Raises
        ------
        RegionLimit
            Where there are more leaves than were to be counted, or time is over.
        """
        weights, bias = self._layers[0]
        exactly = _Exactly(self._layers[0], None, np.empty(0, dtype=bool))
        return self._layer(0, self._space.whole, Affine(weights, bias), exactly, 0)

    def _layer(
        self, at: int, region: Region, before: Affine, exactly: _Exactly, depth: int
    ) -> Node:
        """The tree from a layer on, given what goes into its units."""
        if at == len(self._layers) - 1:
            self.n_leaves += 1
            self._pieces.add(before.rounded)
            if self.n_leaves > self._max_leaves:
                raise RegionLimit("max_regions was reached")
            return Leaf(before)
        unknown = np.full(len(before.intercept), -1, dtype=np.int8)
        return self._units(at, region, before, exactly, unknown, depth)

    def _units(
        self,
        at: int,
        region: Region,
        before: Affine,
        exactly: _Exactly,
        sign: np.ndarray,
        depth: int,
    ) -> Node:
        """The tree from a layer on; ``sign`` has 1 and 0 for units that are known, else -1."""
        if depth > _DEEPEST:
            raise RegionLimit(f"the tree is more than {_DEEPEST} questions deep")
        sign = sign.copy()
        best: tuple[float, int, Region, Region] | None = None
        for unit in np.flatnonzero(sign < 0).tolist():
            cut = _positive(before, exactly, unit)
            yes, no = region.cut(cut), region.cut(cut.other)
            if yes is None or no is None:
                sign[unit] = yes is not None or (no is None and region.side(cut) > 0.5)
                continue
            lopsided = abs(region.side(cut) - 0.5)
            if best is None or lopsided < best[0]:
                best = lopsided, unit, yes, no
        if best is None:
            weights, bias = self._layers[at + 1]
            active = sign == 1
            after = Affine(
                before.weights[:, active] @ weights[active],
                before.intercept[active] @ weights[active] + bias,
            )
            next_one = _Exactly(self._layers[at + 1], exactly, active)
            return self._layer(at + 1, region, after, next_one, depth)
        _, unit, yes, no = best
        children = []
        for answer, part in ((1, yes), (0, no)):
            decided = sign.copy()
            decided[unit] = answer
            children.append(self._units(at, part, before, exactly, decided, depth + 1))
        cut = _positive(before, exactly, unit)
        return Split(-cut.weights, -cut.bound, *children)


def _positive(before: Affine, exactly: _Exactly, unit: int) -> Cut:
    """Where what goes into a unit is above 0."""
    exact = functools.partial(exactly.positive, unit)
    return Cut(-before.weights[:, unit], float(before.intercept[unit]), True, exact)
