"""That a region has no inside, proven in exact arithmetic from a linear program's multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

HalfSpace = tuple[Sequence[Fraction], Fraction]

__all__ = ["HalfSpace", "has_no_inside", "inner_point", "lies_inside"]


def has_no_inside(spaces: Sequence[HalfSpace], order: Sequence[int]) -> bool:
    """Whether some of the half-spaces are proven to have no inner point in common.

    By Farkas' lemma that is so where weights above 0 exist under which the left sides of
    ``a_i @ x <= b_i`` add up to 0 and the right sides to no more than 0: inside, the sum would be
    below 0. The weights are found again, as fractions, from which of them a linear program had
    above 0; nothing rests on its numbers.

    Parameters
    ----------
    spaces : sequence of (sequence of Fraction, Fraction)
        ``a_i`` and ``b_i``.
    order : sequence of int
        Which of them have a weight, the greatest first.

    Returns
    -------
    bool
        False where these do not prove it.
    """
    found = _balanced(spaces, order)
    return found is not None and _sum(found[1], [b for _, b in found[0]]) <= 0


def inner_point(
    spaces: Sequence[HalfSpace], order: Sequence[int], near: Sequence[Fraction]
) -> Sequence[Fraction] | None:
    """A point that lies inside all half-spaces, as far as one is found.

    Where weights balance the left sides of some half-spaces and their right sides add up to more
    than 0, there is a point as far inside each of these; where it is not the only one, the
    coordinates that are free are those of ``near``. Else ``near`` itself is tried.

    Parameters
    ----------
    spaces, order
        As `has_no_inside` has them.
    near : sequence of Fraction
        A point that is nearly one.
    """
    found = _balanced(spaces, order)
    if found is not None:
        chosen, weights = found
        depth = _sum(weights, [b for _, b in chosen]) / sum(weights, Fraction())
        point = _solved([[*a, b - depth] for a, b in chosen], near)
        if lies_inside(spaces, point):
            return point
    return near if lies_inside(spaces, near) else None


def lies_inside(spaces: Sequence[HalfSpace], point: Sequence[Fraction]) -> bool:
    """Whether a point lies inside all of the half-spaces."""
    return all(_sum(a, point) < b for a, b in spaces)


def _balanced(
    spaces: Sequence[HalfSpace], order: Sequence[int]
) -> tuple[list[HalfSpace], list[Fraction]] | None:
    """Half-spaces and weights, none below 0 and some above, that add their left sides up to 0."""
    for n in range(len(order), 0, -1):  # more than a basis has no single solution
        chosen = [spaces[i] for i in order[:n]]
        weights = _null_vector([list(row) for row in zip(*(a for a, _ in chosen), strict=True)], n)
        if weights is None:
            continue
        if any(w < 0 for w in weights):
            weights = [-w for w in weights]
        if all(w >= 0 for w in weights):
            return chosen, weights
    return None


def _null_vector(rows: list[list[Fraction]], n: int) -> list[Fraction] | None:
    """The vector that all rows are orthogonal to, where there is one only, up to its length."""
    pivots = _reduce(rows, n)
    if len(pivots) != n - 1:
        return None
    free = next(k for k in range(n) if k not in pivots)
    out = [Fraction()] * n
    out[free] = Fraction(1)
    for row, column in zip(rows, pivots, strict=False):
        out[column] = -row[free]
    return out


def _solved(rows: list[list[Fraction]], near: Sequence[Fraction]) -> list[Fraction]:
    """A solution of equations that have one, each with its right side last."""
    out = list(near)
    pivots = _reduce(rows, len(near))
    free = [k for k in range(len(near)) if k not in pivots]
    for row, column in zip(rows, pivots, strict=False):
        out[column] = row[-1] - _sum([row[k] for k in free], [near[k] for k in free])
    return out


def _reduce(rows: list[list[Fraction]], n_columns: int) -> list[int]:
    """Gauss-Jordan elimination in place; the pivot columns of the first rows, in their order."""
    pivots: list[int] = []
    for column in range(n_columns):
        done = len(pivots)
        at = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if at is None:
            continue
        rows[done], rows[at] = rows[at], rows[done]
        inverse = 1 / rows[done][column]
        rows[done] = pivot = [value * inverse for value in rows[done]]
        for i, row in enumerate(rows):
            if i != done and row[column]:
                factor = row[column]
                rows[i] = [v - factor * p for v, p in zip(row, pivot, strict=True)]
        pivots.append(column)
    return pivots


def _sum(weights: Sequence[Fraction], values: Sequence[Fraction]) -> Fraction:
    return sum((w * v for w, v in zip(weights, values, strict=True)), Fraction())
