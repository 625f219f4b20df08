"""All nearly optimal score cards of a table as one object: listed, ordered, filtered, compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from sklearn.utils import check_random_state

from treeml._core.control import Status
from treeml._core.table import ColumnType, Table
from treeml._core.validation import as_table
from treeml.ir import LinearTerm, Predicate, Scorecard
from treeml.rashomon.card_members import CardMembers
from treeml.search.card_sets import EDGE

__all__ = ["Criterion", "ScorecardSet", "TrainingRows"]

Criterion = Literal["log_loss", "misclassification"]
Term = Predicate | LinearTerm

_NOISE = 1e-13  # of objectives, absolute


class TrainingRows:
    """The distinct rows of term values, with the sample weight of each class.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_terms)
    counts : ndarray of float64, shape (n_rows, 2)
    """

    def __init__(self, values: np.ndarray, counts: np.ndarray) -> None:
        self.values = values
        self.counts = counts

    @classmethod
    def merged(
        cls, values: np.ndarray, codes: np.ndarray, weights: np.ndarray | None
    ) -> TrainingRows:
        """Equal rows as one."""
        distinct, row_of = np.unique(values, axis=0, return_inverse=True)
        counts = np.zeros((len(distinct), 2))
        np.add.at(counts, (row_of.ravel(), codes), 1.0 if weights is None else weights)
        return cls(distinct, counts)


class ScorecardSet:
    """All score cards whose objective is within a bound, in the order of their objective.

    With ``criterion="log_loss"`` a card is a vector of integer points, at most ``max_features`` of
    them not 0; its objective is the mean logistic loss with the best intercept and, where it is
    free, the best scale. With a free scale multiples of points are the same card and stand here
    once, with the smallest points in the range; and points whose best scale is infinite are left
    out: they give every row the base rate, as the card without points does.

    With ``criterion="misclassification"`` a card is a vector of points and a threshold half-way
    between two adjacent scores of training rows; its objective is the weighted share of wrong
    labels plus ``regularization`` x terms. Multiples of points are one card, and cards that label
    all training rows alike are left out, but for the two without points. So are, with
    ``drop_trivial``, cards that label the training rows as they would without one of their terms.

    Members are held as arrays; each is made a `Scorecard`, with its lookup table, when it is asked
    for. All figures are exact over the members. Where ``complete`` is False a limit ended the
    search: then the set holds what was found, and only of cards below ``proven_bound`` none is
    missing. ``set_.filter(bound=set_.proven_bound)`` is a smaller set that is complete.

    Attributes
    ----------
    criterion : {"log_loss", "misclassification"}
    count : int
        Number of members.
    objective : float
        Least objective: proven where ``complete``, else of the cards found.
    bound : float
        Members have an objective of at most this (of a logistic loss, up to one part in 10^9).
    proven_bound : float
        No card with an objective below this is missing.
    complete : bool
        Whether all cards up to ``bound`` are here.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    terms : tuple of Predicate or LinearTerm
        What could have points.
    objectives, intercepts : ndarray of float64, shape (count,)
    columns : tuple of ColumnType
    classes : ndarray, shape (2,)
    members : CardMembers
        All cards as arrays.
    rows : TrainingRows
        The distinct training rows, for the tables of the cards.

    References
    ----------
    L. Semenova, C. Rudin, R. Parr, "On the existence of simpler machine learning models", FAccT
    2022; J. Liu et al., "FasterRisk", NeurIPS 2022, whose pool of cards is heuristic.
    """

    def __init__(
        self,
        members: CardMembers,
        *,
        criterion: Criterion,
        terms: tuple[Term, ...],
        columns: tuple[ColumnType, ...],
        classes: np.ndarray,
        rows: TrainingRows,
        objective: float,
        bound: float,
        proven_bound: float,
        free_scale: bool = True,
        drop_trivial: bool = False,
        complete: bool = True,
        status: Status = "optimal",
    ) -> None:
        self.members = members
        self.criterion: Criterion = criterion
        self.terms = terms
        self.columns = columns
        self.classes = classes
        self.rows = rows
        self.objective = objective
        self.bound = bound
        self.proven_bound = proven_bound
        self.free_scale = free_scale
        self.drop_trivial = drop_trivial
        self.complete = complete
        self.status: Status = status

    # Size

    @property
    def count(self) -> int:
        return len(self.members)

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def objectives(self) -> np.ndarray:
        return self.members.objectives

    @property
    def intercepts(self) -> np.ndarray:
        return self.members.intercepts

    def __repr__(self) -> str:
        limit = "" if self.complete else f", ended by {self.status}"
        return f"ScorecardSet({self.count} cards up to an objective of {self.bound:.6g}{limit})"

    def counts(self, epsilons: Iterable[float]) -> list[int]:
        """Number of members within each (1 + epsilon) times the least objective.

        Raises
        ------
        ValueError
            Where an epsilon is past the bound of the set.
        """
        return [int(self._within(self._bound_of(epsilon)).sum()) for epsilon in epsilons]

    # Histograms

    def by_objective(self, n_bins: int = 10) -> dict[float, int]:
        """Number of members by objective.

        Every objective that occurs where labels are counted; of a logistic loss, ``n_bins`` equal
        ranges from the least one to the bound, by their upper ends.
        """
        if self.criterion == "misclassification":
            values, numbers = np.unique(self.objectives, return_counts=True)
            return dict(zip(values.tolist(), numbers.tolist(), strict=True))
        ends = np.linspace(self.objective, self.bound, n_bins + 1)[1:]
        if ends[-1] <= self.objective:
            return {self.bound: self.count} if self else {}
        place = np.minimum(np.searchsorted(ends, self.objectives), n_bins - 1)
        numbers = np.bincount(place, minlength=n_bins)
        return dict(zip(ends.tolist(), numbers.tolist(), strict=True))

    def by_n_terms(self) -> dict[int, int]:
        """Number of members with every number of terms that occurs."""
        numbers = np.bincount(self.members.n_used)
        return {n: int(number) for n, number in enumerate(numbers.tolist()) if number}

    def by_term(self) -> dict[str, int]:
        """Number of members that use each term."""
        _, column, _ = self.members.entries()
        numbers = np.bincount(column, minlength=len(self.terms)).tolist()
        return {term.text(): number for term, number in zip(self.terms, numbers, strict=True)}

    def by_feature(self) -> dict[str, int]:
        """Number of members that use each column of the table that has terms."""
        asked: dict[str, set[int]] = {}
        for j, term in enumerate(self.terms):
            asked.setdefault(term.term.name, set()).add(j)
        return {
            name: int(self.members.used(frozenset(which)).sum()) for name, which in asked.items()
        }

    # Members

    @overload
    def __getitem__(self, index: int) -> Scorecard: ...
    @overload
    def __getitem__(self, index: slice) -> list[Scorecard]: ...
    def __getitem__(self, index: int | slice) -> Scorecard | list[Scorecard]:
        if isinstance(index, slice):
            return [self._card(i) for i in range(*index.indices(self.count))]
        if not -self.count <= index < self.count:
            raise IndexError(f"the set has {self.count} members, none at {index}")
        return self._card(index % self.count)

    def __iter__(self) -> Iterator[Scorecard]:
        return (self._card(i) for i in range(self.count))

    @property
    def best(self) -> Scorecard:
        """A card of the least objective; of several the one of fewest terms and points."""
        return self[0]

    @property
    def points(self) -> np.ndarray:
        """Points of every term, shape (count, n_terms), int32."""
        return self.members.dense(len(self.terms))

    def objective_of(self, index: int) -> float:
        """Objective of the member at a place."""
        return float(self.objectives[index])

    def sample(self, n_samples: int, *, random_state: Any = None) -> list[Scorecard]:
        """Members drawn uniformly, with replacement."""
        if not self:
            raise ValueError("the set is empty: there is nothing to draw from")
        drawn = check_random_state(random_state).randint(self.count, size=n_samples)
        return [self._card(i) for i in drawn.tolist()]

    def rank(self, card: Scorecard) -> int | None:
        """The place of a card among the members; None where it is none.

        A risk score is found by its points (or a multiple of them, with a free scale), whatever its
        intercept; a card of labels by its points and by how it labels the training rows.
        """
        place = {term: j for j, term in enumerate(self.terms)}
        if any(term not in place for term in card.terms):
            return None
        wanted = np.zeros(len(self.terms), dtype=np.int64)
        for term, points in zip(card.terms, card.points.tolist(), strict=True):
            wanted[place[term]] += points
        used = np.flatnonzero(wanted)
        if len(used) > self.members.terms.shape[1]:
            return None
        same = (self.members.n_used == len(used)) & (
            self.members.terms[:, : len(used)] == used
        ).all(axis=1)
        given = wanted[used]
        for i in np.flatnonzero(same).tolist():
            here = self.members.points[i, : len(used)]
            if not self._alike(here, given):
                continue
            if self.criterion == "log_loss":
                return i
            scores = self.rows.values @ wanted
            if np.array_equal(
                card.intercept + scores > 0, self.members.labels(i, self.rows.values)
            ):
                return i
        return None

    def __contains__(self, card: object) -> bool:
        return isinstance(card, Scorecard) and self.rank(card) is not None

    def simplest(self) -> dict[int, tuple[float, Scorecard]]:
        """For every number of terms, fewest first: the least objective and a card that has it."""
        n_used = self.members.n_used
        first = [int(np.flatnonzero(n_used == n)[0]) for n in np.unique(n_used).tolist()]
        return {int(n_used[i]): (self.objective_of(i), self._card(i)) for i in first}

    # Parts of the set

    def filter(
        self,
        *,
        must_use: Iterable[Any] = (),
        must_not_use: Iterable[Any] = (),
        max_features: int | None = None,
        epsilon: float | None = None,
        bound: float | None = None,
    ) -> ScorecardSet:
        """The members that meet conditions, as a set.

        Parameters
        ----------
        must_use : sequence of str, int, Predicate or LinearTerm
            Columns of the table (name or position) or single terms: a member uses each of them.
        must_not_use : sequence of str, int, Predicate or LinearTerm
            A member uses none of them.
        max_features : int, default=None
            Most terms.
        epsilon : float, default=None
            Within (1 + epsilon) times the least objective of the whole set.
        bound : float, default=None
            An objective of at most this.

        Returns
        -------
        ScorecardSet
            ``complete`` where this set is, or where it is known that none is missing.

        Raises
        ------
        ValueError
            For an unknown column or term, or a bound past that of the set.
        """
        least = self.bound if bound is None else bound
        if epsilon is not None:
            least = min(least, self._bound_of(epsilon))
        kept = self._within(least)
        for what in must_use:
            kept &= self.members.used(self._columns_of(what))
        for what in must_not_use:
            kept &= ~self.members.used(self._columns_of(what))
        if max_features is not None:
            kept &= self.members.n_used <= max_features
        return ScorecardSet(
            self.members.take(kept),
            criterion=self.criterion,
            terms=self.terms,
            columns=self.columns,
            classes=self.classes,
            rows=self.rows,
            objective=self.objective,
            bound=least,
            proven_bound=min(least, self.proven_bound),
            free_scale=self.free_scale,
            drop_trivial=self.drop_trivial,
            complete=self.complete or least <= self.proven_bound,
            status=self.status,
        )

    # Rows

    def answers(self, X: Any) -> np.ndarray:
        """Values of the terms that members use, shape (n_rows, n_terms), 0 for all others."""
        table = X if isinstance(X, Table) else as_table(X, like=self.columns)
        out = np.zeros((table.n_rows, len(self.terms)))
        for j in np.unique(self.members.terms[self.members.terms >= 0]).tolist():
            term = self.terms[j]
            out[:, j] = term.values(table) if isinstance(term, LinearTerm) else term.holds(table)
        return out

    def votes(self, X: Any) -> np.ndarray:
        """How many members give each row each class, shape (n_rows, 2), object (integers)."""
        yes = self.members.votes(self.answers(X))
        return np.column_stack([self.count - yes, yes]).astype(object)

    def vote_shares(self, X: Any) -> np.ndarray:
        """`votes` divided by ``count``, shape (n_rows, 2)."""
        if not self:
            raise ValueError("the set is empty: there is nobody to vote")
        return (self.votes(X) / self.count).astype(np.float64)

    # Files

    def to_json(self, *, members: int = 100) -> str:
        """Size, histogram, ranges of points and the first members, for other programs."""
        from treeml.rashomon.card_file import describe

        return describe(self, members)

    def report(
        self,
        path: str | Path,
        X: Any = None,
        y: Any = None,
        *,
        members: int = 200,
        random_state: Any = 0,
    ) -> None:
        """Write one html page that explains the set; parameters as of `RashomonSet.report`."""
        from treeml.rashomon.card_report import card_report_html

        html = card_report_html(self, X, y, members=members, random_state=random_state)
        Path(path).write_text(html, encoding="utf-8")

    def save(self, path: str | Path) -> None:
        """Write the set to a file, with the distinct training rows; `load` reads it."""
        from treeml.rashomon.card_file import write

        Path(path).write_text(write(self), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> ScorecardSet:
        """Read a set that `save` wrote.

        Raises
        ------
        ValueError
            Where the file holds no set of this release or an older one.
        """
        from treeml.rashomon.card_file import read

        return read(Path(path).read_text(encoding="utf-8"))

    # How

    def _card(self, index: int) -> Scorecard:
        used = self.members.terms[index]
        used = used[used >= 0]
        points = self.members.points[index, : len(used)].astype(np.int64)
        risks = self.criterion == "log_loss"
        card = Scorecard(
            columns=self.columns,
            terms=tuple(self.terms[j] for j in used.tolist()),
            points=points,
            intercept=float(self.members.intercepts[index]),
            scale=float(self.members.scales[index]) if risks else None,
            classes=self.classes,
        )
        scores = np.zeros(len(self.rows.values))
        for j, w in zip(used.tolist(), points.tolist(), strict=True):
            scores += float(w) * self.rows.values[:, j]
        codes = np.repeat([0, 1], len(scores))
        weights = self.rows.counts.T.ravel()
        return card.with_counts(np.tile(scores, 2), codes, weights)

    def _alike(self, a: np.ndarray, b: np.ndarray) -> bool:
        if self.criterion == "misclassification" or self.free_scale:
            a, b = (x // max(1, math.gcd(*x.tolist())) for x in (a, b))
        return np.array_equal(a, b)

    def _bound_of(self, epsilon: float) -> float:
        exact = Fraction(repr(float(self.objective))) * (1 + Fraction(repr(float(epsilon))))
        if exact > Fraction(self.bound) * (1 + Fraction(1, 10**9)):
            raise ValueError(
                f"epsilon={epsilon:g} is past the bound of the set, {self.bound:.6g}: "
                "fit with a larger epsilon"
            )
        return float(exact)

    def _within(self, bound: float) -> np.ndarray:
        """Which members have an objective of at most a bound."""
        if bound > self.bound * (1 + EDGE) + _NOISE:
            raise ValueError(
                f"a bound of {bound:.6g} is past that of the set, {self.bound:.6g}: fit with a "
                "larger epsilon"
            )
        edge = EDGE if self.criterion == "log_loss" else 1e-12
        return self.objectives <= bound * (1 + edge) + _NOISE

    def _columns_of(self, what: Any) -> frozenset[int]:
        """Terms that ask about a column of the table, or are a term."""
        if isinstance(what, Predicate | LinearTerm):
            if what not in self.terms:
                raise ValueError(f"the set has no term {what.text()!r}")
            return frozenset(j for j, term in enumerate(self.terms) if term == what)
        names = [column.name for column in self.columns]
        if isinstance(what, str):
            if what not in names:
                raise ValueError(f"no column is called {what!r}; there are {', '.join(names)}")
            what = names.index(what)
        if not 0 <= int(what) < len(names):
            raise ValueError(f"there is no column {what}; the table has {len(names)}")
        return frozenset(j for j, t in enumerate(self.terms) if t.term.index == int(what))
