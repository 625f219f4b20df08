"""What the search for a card of least 0-1 loss is given: whole numbers, and their figures."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np

from treeml._core.exact import integer_weights
from treeml.search.card_constraints import CardConstraints
from treeml.search.class_weight import integer_class_weights

__all__ = ["SlimProblem", "on_a_grid"]

_COST_BITS = 61  # of all costs
_WEIGHT_BITS = 50  # of all errors
_VALUE_BITS = 42  # of a value on the grid


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SlimProblem:
    """A problem in whole numbers.

    A card costs step x (unit x errors + per_term x terms) + sum of absolute points, with step above
    twice the largest such sum, so that it only breaks ties. Nothing is rounded but what a term
    costs, to one part in 2^52 or so, and weights that are on no grid.
    """

    X: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    integers: np.ndarray  # the weights
    rounding: float  # of the weights, as a share of their sum
    class_weight: tuple[float, float]
    class_integers: tuple[int, int]
    max_features: int
    constraints: CardConstraints
    regularization: float
    max_fpr: float | None
    min_tpr: float | None
    step: int
    unit: int
    per_term: int
    total: int

    @classmethod
    def make(
        cls,
        X: np.ndarray,
        codes: np.ndarray,
        weight: np.ndarray,
        max_features: int,
        constraints: CardConstraints,
        regularization: float,
        class_weight: tuple[float, float],
        max_fpr: float | None,
        min_tpr: float | None,
    ) -> SlimProblem:
        classes, _ = integer_class_weights(np.ones(2), np.asarray(class_weight, np.float64))
        largest = max(1, int(classes.max()))
        integers, rounding = _whole_weights(weight, _WEIGHT_BITS - largest.bit_length())
        total = sum(int(classes[c]) * int(integers[codes == c].sum()) for c in (0, 1))
        if total <= 0:
            raise ValueError("all rows have weight 0; give at least one row a positive weight")
        max_features = min(max_features, X.shape[1])
        sizes = np.sort(np.maximum(np.abs(constraints.low), np.abs(constraints.high)))[::-1]
        most = int(sizes[:max_features].sum())
        step = 2 ** (2 * most).bit_length()  # a power of two above 2 x the largest sum
        unit = 1
        if regularization > 0:
            spare = _COST_BITS - total.bit_length() - step.bit_length()
            spare -= math.ceil(math.log2(1 + regularization * max_features))
            unit = 2 ** min(spare, max(0, 53 - total.bit_length()))
        return cls(
            X, codes, weight, integers, rounding, class_weight, (int(classes[0]), int(classes[1])),
            max_features, constraints, regularization, max_fpr, min_tpr,
            step, unit, round(Fraction(regularization) * unit * total), total,
        )  # fmt: skip

    @property
    def scale(self) -> int:
        """Cost of an objective of 1."""
        return self.step * self.unit * self.total

    def costs(self, one: int) -> tuple[int, int, int, int, int, int, int, int]:
        negatives, positives = (int(self.integers[self.codes == c].sum()) for c in (0, 1))
        most_false = least_true = -1
        if self.max_fpr is not None and negatives:
            most_false = math.floor(Fraction(self.max_fpr) * negatives)
            most_false += (most_false + 1) / negatives <= self.max_fpr
        if self.min_tpr is not None and positives:
            least_true = math.ceil(Fraction(self.min_tpr) * positives)
            least_true -= least_true > 0 and (least_true - 1) / positives >= self.min_tpr
        return (
            self.step, self.unit, self.per_term, *self.class_integers,
            min(most_false, negatives), least_true, one,
        )  # fmt: skip

    def error(self, points: np.ndarray, intercept: float) -> float:
        """Share of the weight that the card gets wrong."""
        wrong = (intercept + self.X @ points > 0) != (self.codes == 1)
        of_row = self.weight * np.where(self.codes == 1, self.class_weight[1], self.class_weight[0])
        return float(of_row[wrong].sum() / of_row.sum())

    def objective(self, points: np.ndarray, error: float) -> float:
        used, size = int(np.count_nonzero(points)), int(np.abs(points).sum())
        return error + self.regularization * used + size / self.scale

    def bound(self, lower: int) -> float:
        """The objective that a cost stands for, less what rounding may have added."""
        lost = 2 * self.rounding + (2.0**-50 * self.max_features if self.regularization else 0.0)
        return max(0.0, lower / self.scale - lost)


def _whole_weights(weight: np.ndarray, bits: int) -> tuple[np.ndarray, float]:
    """Weights as whole numbers whose sum has that many bits, and what rounding did to the sum."""
    total = float(weight.sum())
    if total <= 0:
        return np.zeros(len(weight), dtype=np.int64), 0.0
    exact = integer_weights(weight)
    if exact.rounding == 0 and int(exact.values.sum()).bit_length() < bits:
        return exact.values, 0.0
    shift = bits - 1 - math.frexp(total)[1]
    values = np.rint(np.ldexp(weight, shift)).astype(np.int64)
    values[(values == 0) & (weight > 0)] = 1
    lost = np.abs(np.ldexp(values.astype(np.float64), -shift) - weight).sum()
    return values, float(lost) / total


def on_a_grid(X: np.ndarray) -> tuple[np.ndarray, int | float]:
    """X in whole numbers, 0/1 columns as they are, and how many steps of the grid are 1."""
    many = ~np.all((X == 0) | (X == 1), axis=0)
    values = X[:, many]
    largest = float(np.abs(values).max(initial=0.0))
    room = 2.0**_VALUE_BITS
    grids = [2.0**bits for bits in range(31)] + [10.0**digits for digits in range(1, 13)]

    def holds(some: np.ndarray) -> bool:
        near = 0.0 if math.frexp(grid)[0] == 0.5 else 1e-15 * largest * grid
        scaled = some * grid
        return bool(np.all(np.abs(scaled - np.rint(scaled)) <= near))

    for grid in grids:
        if largest * grid < room and holds(values[:100]) and holds(values):
            break
    else:
        grid = 2.0 ** (_VALUE_BITS - math.frexp(largest)[1])
    out = X.copy()
    out[:, many] = np.rint(values * grid)
    return np.ascontiguousarray(out), grid
