"""Constraints on a scorecard, over its terms by position: what a search and its oracle obey."""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["CardConstraints"]

Terms = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CardConstraints:
    """What the points of a scorecard may be. A term is used where its points are not 0.

    Parameters
    ----------
    low, high : ndarray of int64, shape (n_terms,)
        Least and most points of a term that is used; 0 (not used) is always within. So (1, 5)
        allows 0, 1, ..., 5, and (0, 0) forbids the term.
    required : tuple of tuple of int
        Of each of these sets of terms at least one is used.
    limits : tuple of (items, most)
        An item is a set of terms, used where one of its terms is: at most ``most`` of ``items``
        are used. Questions are items of all terms of a raw column.
    implications : tuple of (terms, terms)
        Where one of the first is used, one of the second is.
    order : tuple of (int, int)
        (a, b): ``points[a] <= points[b]``, used or not.
    """

    low: np.ndarray
    high: np.ndarray
    required: tuple[Terms, ...] = ()
    limits: tuple[tuple[tuple[Terms, ...], int], ...] = ()
    implications: tuple[tuple[Terms, Terms], ...] = ()
    order: tuple[tuple[int, int], ...] = ()

    @classmethod
    def box(cls, n_terms: int, low: int = -5, high: int = 5) -> CardConstraints:
        """The same range for every term and nothing else."""
        return cls(np.full(n_terms, low, dtype=np.int64), np.full(n_terms, high, dtype=np.int64))

    def admits(self, points: np.ndarray) -> bool:
        """Whether a card obeys all of them."""
        used = points != 0

        def any_of(terms: Terms) -> bool:
            return any(used[j] for j in terms)

        return (
            bool(np.all(~used | ((points >= self.low) & (points <= self.high))))
            and all(any_of(terms) for terms in self.required)
            and all(sum(map(any_of, items)) <= most for items, most in self.limits)
            and all(not any_of(a) or any_of(b) for a, b in self.implications)
            and all(points[a] <= points[b] for a, b in self.order)
        )
