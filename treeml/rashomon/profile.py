"""What the members of a Rashomon set agree on: columns, rows, sizes, and a few that differ."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction
from typing import Any

import numpy as np

from treeml._core.table import Table
from treeml._core.validation import as_table
from treeml.ir import Scorecard, Tree
from treeml.rashomon.scorecard_set import ScorecardSet
from treeml.rashomon.set import RashomonSet

__all__ = [
    "FeatureUse",
    "RowAgreement",
    "feature_use",
    "row_agreement",
    "short_list",
]

_DRAWN = 200  # members that rule out pairs before any is counted


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureUse:
    """Which columns of the table nearly optimal models need.

    Parameters
    ----------
    counts : dict of str to int
        Members that use each column at least once.
    total : int
        All members.
    substitutes : tuple of (str, str)
        Pairs of columns of which every member uses at least one, though none of the two is used
        by all: either can stand in for the other.
    """

    counts: dict[str, int]
    total: int
    substitutes: tuple[tuple[str, str], ...]

    @property
    def must(self) -> tuple[str, ...]:
        """Columns that every member uses."""
        return tuple(name for name, count in self.counts.items() if count == self.total)

    @property
    def never(self) -> tuple[str, ...]:
        """Columns that no member uses."""
        return tuple(name for name, count in self.counts.items() if not count)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the members that use each column."""
        return {name: float(Fraction(count, self.total)) for name, count in self.counts.items()}


def feature_use(set_: RashomonSet | ScorecardSet, *, most_pairs: int = 200) -> FeatureUse:
    """Count the members that use each column, and find pairs that stand in for each other.

    All numbers are exact counts of the set, not of a sample.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
        Not empty.
    most_pairs : int, default=200
        Pairs of columns that are looked at, those of the most used columns first; every pair is
        one count of the set.

    Raises
    ------
    ValueError
        Where the set is empty, or the limits of its fit end a count.
    """
    total = _members(set_)
    counts = set_.by_feature()
    some = [name for name, count in counts.items() if 0 < count < total]
    some.sort(key=lambda name: -counts[name])
    drawn = [
        {asked.term.name for asked in (m.predicates if isinstance(m, Tree) else m.terms)}
        for m in set_.sample(_DRAWN, random_state=0)
    ]
    pairs = sorted(
        (
            pair
            for pair in itertools.combinations(some, 2)
            if counts[pair[0]] + counts[pair[1]] >= total
            and not any(used.isdisjoint(pair) for used in drawn)  # else there is one without both
        ),
        key=lambda pair: -(counts[pair[0]] + counts[pair[1]]),
    )
    substitutes = tuple(
        pair for pair in pairs[:most_pairs] if not set_.filter(must_not_use=list(pair)).count
    )
    return FeatureUse(counts, total, substitutes)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RowAgreement:
    """How far nearly optimal models agree on each row; exact over all members.

    Parameters
    ----------
    classes : ndarray, shape (n_classes,)
    shares : ndarray of float64, shape (n_rows, n_classes)
        Share of the members that give the row each class.
    possible : ndarray of bool, shape (n_rows, n_classes)
        Whether any member gives the row the class.
    label : ndarray of int, shape (n_rows,)
        Class that the best member gives, as an index into ``classes``.
    consistency : ndarray of float64, shape (n_rows,)
        Probability that two different members, drawn uniformly, give the row the same class; 1
        where the set has one member.
    """

    classes: np.ndarray
    shares: np.ndarray
    possible: np.ndarray
    label: np.ndarray
    consistency: np.ndarray

    @property
    def n_possible(self) -> np.ndarray:
        """Number of classes that members give each row, shape (n_rows,).

        This is the Rashomon capacity of labels (Hsu and Calmon, NeurIPS 2022), from 1 to the
        number of classes.
        """
        return self.possible.sum(axis=1)

    @property
    def contested(self) -> np.ndarray:
        """Whether some member contradicts the best one, shape (n_rows,), bool."""
        return self.n_possible > 1

    @property
    def ambiguity(self) -> float:
        """Share of rows on which some member contradicts the best one.

        Marx, Calmon and Ustun, "Predictive multiplicity in classification", ICML 2020.
        """
        return float(self.contested.mean()) if len(self.contested) else 0.0

    def most_contested(self, n_rows: int = 10) -> np.ndarray:
        """Positions of the rows with the least consistency, least first."""
        order = np.argsort(self.consistency, kind="stable")[:n_rows]
        return order[self.contested[order]]


def row_agreement(set_: RashomonSet | ScorecardSet, X: Any) -> RowAgreement:
    """Which classes the members give to each row, and how many of them.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table
        Rows of any kind, seen in training or not.
    """
    total = _members(set_)
    table = X if isinstance(X, Table) else as_table(X, like=set_.columns)
    votes = set_.votes(table)
    pairs = total * (total - 1)
    same: dict[tuple[int, ...], float] = {}
    for row in {tuple(row) for row in votes.tolist()}:
        alike = sum(number * (number - 1) for number in row)
        same[row] = float(Fraction(alike, pairs)) if pairs else 1.0
    best = set_.best
    names = {value: k for k, value in enumerate(set_.classes.tolist())}
    return RowAgreement(
        classes=set_.classes,
        shares=set_.vote_shares(table),
        possible=votes > 0,
        label=np.array([names[value] for value in best.predict(table).tolist()], dtype=np.intp),
        consistency=np.array([same[tuple(row)] for row in votes.tolist()]),
    )


def short_list(
    set_: RashomonSet | ScorecardSet,
    X: Any,
    n_members: int = 5,
    *,
    n_drawn: int = 500,
    random_state: Any = 0,
) -> list[Tree | Scorecard]:
    """A few members that differ: the best one, then each time the one farthest from all chosen.

    Farthest by the share of rows with another class, among members drawn uniformly (greedy
    k-centre; Gonzalez, 1985): a short list to show, not a proof that nothing differs more.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table
        Rows to compare the members on.
    n_members : int, default=5
        Most members; fewer where all that were drawn predict as one of them.
    n_drawn : int, default=500
    random_state : int, RandomState or None, default=0
    """
    total = _members(set_)
    table = X if isinstance(X, Table) else as_table(X, like=set_.columns)
    if total <= n_drawn:
        drawn = list(set_)
    else:
        drawn = [set_.best, *set_.sample(n_drawn - 1, random_state=random_state)]
    labels = np.array([tree.predict(table) for tree in drawn])
    chosen = [0]
    apart = (labels != labels[0]).mean(axis=1)
    while len(chosen) < n_members and apart.max() > 0:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, (labels != labels[chosen[-1]]).mean(axis=1))
    return [drawn[place] for place in chosen]


def _members(set_: RashomonSet | ScorecardSet) -> int:
    if not set_.count:
        raise ValueError("the set is empty: there is nothing to say about its members")
    return set_.count
