"""Members of a set of score cards as flat arrays, and what is summed and counted over them.

Members that use the same terms are looked at together: on those terms rows have few different
values, however many rows there are.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

__all__ = ["CardMembers"]

_AT_ONCE = 1 << 22  # members x patterns


@dataclasses.dataclass(frozen=True, eq=False)
class CardMembers:
    """Score cards over the columns of a matrix of term values.

    Parameters
    ----------
    terms : ndarray of int32, shape (n_members, most_terms)
        The columns that have points, ascending, then -1.
    points : ndarray of int32, shape (n_members, most_terms)
        0 where there is no term.
    intercepts, scales, objectives : ndarray of float64, shape (n_members,)
    """

    terms: np.ndarray
    points: np.ndarray
    intercepts: np.ndarray
    scales: np.ndarray
    objectives: np.ndarray

    def __len__(self) -> int:
        return len(self.objectives)

    @property
    def n_used(self) -> np.ndarray:
        """Number of terms of each member, shape (n_members,)."""
        return np.count_nonzero(self.points, axis=1)

    def take(self, which: np.ndarray) -> CardMembers:
        """Some of the members, by place or mask."""
        parts = (getattr(self, field.name)[which] for field in dataclasses.fields(self))
        return CardMembers(*parts)

    def used(self, columns: frozenset[int]) -> np.ndarray:
        """Whether each member uses any of the columns, shape (n_members,)."""
        supports, order, ends = self._by_support
        out = np.empty(len(self), dtype=bool)
        uses = np.isin(supports, sorted(columns)).any(axis=1)
        out[order] = np.repeat(uses, np.diff(ends, prepend=0))
        return out

    def dense(self, n_columns: int) -> np.ndarray:
        """Points of every column, shape (n_members, n_columns), int32."""
        out = np.zeros((len(self), n_columns), dtype=np.int32)
        member, place = np.nonzero(self.terms >= 0)
        out[member, self.terms[member, place]] = self.points[member, place]
        return out

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Member, column and points of everything that is not 0."""
        member, place = np.nonzero(self.terms >= 0)
        return member, self.terms[member, place], self.points[member, place]

    # Over rows

    def votes(self, values: np.ndarray) -> np.ndarray:
        """How many members predict the second class for each row, shape (n_rows,), int64."""
        out = np.zeros(len(values), dtype=np.int64)
        for _, pattern_of, decisions in self._decisions(values):
            out += (decisions > 0).sum(axis=0)[pattern_of]
        return out

    def log_odds_range(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest log odds of each row over the members, shape (n_rows,) each."""
        low, high = np.full(len(values), np.inf), np.full(len(values), -np.inf)
        for members, pattern_of, decisions in self._decisions(values):
            decisions /= self.scales[members, None]
            low = np.minimum(low, decisions.min(axis=0)[pattern_of])
            high = np.maximum(high, decisions.max(axis=0)[pattern_of])
        return low, high

    def score_sums(self, values: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Of each member, the sum over rows of the score of the label that it gives.

        Parameters
        ----------
        values : ndarray of float64, shape (n_rows, n_columns)
        scores : ndarray of int64, shape (n_rows, 2)

        Returns
        -------
        ndarray of int64, shape (n_members,)
        """
        out = np.full(len(self), scores[:, 0].sum(), dtype=np.int64)
        more = scores[:, 1] - scores[:, 0]
        for members, pattern_of, decisions in self._decisions(values):
            sums = np.zeros(decisions.shape[1], dtype=np.int64)
            np.add.at(sums, pattern_of, more)
            out[members] += (decisions > 0) @ sums
        return out

    def labels(self, place: int, values: np.ndarray) -> np.ndarray:
        """Whether the member at a place predicts the second class, shape (n_rows,)."""
        one = self.take(np.array([place]))
        return one.votes(values) == 1

    def _decisions(self, values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Members with equal terms, the pattern of each row, and decisions (members x patterns).

        A decision is what `Scorecard.decision` says, bit for bit.
        """
        if not len(self):
            return
        supports, order, ends = self._by_support
        for support, end, begin in zip(supports, ends, [0, *ends[:-1]], strict=True):
            columns = support[support >= 0]
            patterns, pattern_of = _patterns(values[:, columns])
            step = max(1, _AT_ONCE // max(1, len(patterns)))
            for start in range(begin, end, step):
                members = order[start : min(end, start + step)]
                scores = np.zeros((len(members), len(patterns)))
                for t in range(len(columns)):
                    scores += self.points[members, t, None].astype(np.float64) * patterns[:, t]
                yield members, pattern_of, self.intercepts[members, None] + scores

    @functools.cached_property
    def _by_support(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The different sets of terms, the members in their order, and where each set ends."""
        width, base = self.terms.shape[1], int(self.terms.max(initial=-1)) + 2
        if base**width < 2**63:
            key = np.zeros(len(self), dtype=np.int64)
            for t in range(width):
                key = key * base + self.terms[:, t] + 1
            _, first, numbers = np.unique(key, return_index=True, return_counts=True)
            return self.terms[first], np.argsort(key, kind="stable"), np.cumsum(numbers)
        supports, group = np.unique(self.terms, axis=0, return_inverse=True)
        numbers = np.bincount(group.ravel(), minlength=len(supports))
        return supports, np.argsort(group.ravel(), kind="stable"), np.cumsum(numbers)


def _patterns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows of a few columns, and which of them each row is."""
    n_columns = values.shape[1]
    if n_columns == 0:
        return np.zeros((1, 0)), np.zeros(len(values), dtype=np.intp)
    if n_columns <= 16 and ((values == 0) | (values == 1)).all():
        codes = (values @ (1 << np.arange(n_columns))).astype(np.intp)
        place = np.full(1 << n_columns, -1, dtype=np.intp)
        there = np.flatnonzero(np.bincount(codes, minlength=1 << n_columns))
        place[there] = np.arange(len(there))
        bits = (there[:, None] >> np.arange(n_columns)) & 1
        return bits.astype(np.float64), place[codes]
    patterns, pattern_of = np.unique(values, axis=0, return_inverse=True)
    return patterns, pattern_of.ravel()
