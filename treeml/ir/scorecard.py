"""The scorecard as data: points for terms, added up and compared with a threshold."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from scipy.special import expit

from treeml._core.table import Column, ColumnType, Table
from treeml.ir.predicate import LinearTerm, Predicate, Term

__all__ = ["ScoreRow", "Scorecard", "count_scores"]

MOST_SCORES, MOST_RANGES = 200, 20


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreRow:
    """One line of the table from score to risk.

    Parameters
    ----------
    low, high : float
        The score, twice; or a range of scores above ``low`` and up to ``high``, infinite at the
        ends of the line.
    risk_low, risk_high : float
        Risk at both; NaN for a card that gives labels only.
    counts : tuple of float
        Weight of each class among the training rows with these scores; 0 where there are none.
    """

    low: float
    high: float
    risk_low: float
    risk_high: float
    counts: tuple[float, float]

    @property
    def single(self) -> bool:
        return self.low == self.high


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Scorecard:
    """Integer points for terms; more points speak for the second class.

    The score of a row is the sum of its points, ``decision = intercept + score``, and the second
    class is predicted where the decision is above 0. Its risk is
    ``1 / (1 + exp(-decision / scale))``.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on.
    terms : tuple of Predicate or LinearTerm
        The terms that are used, possibly none. A predicate counts 1 where it holds and 0
        elsewhere, a linear term counts its value.
    points : ndarray of int64, shape (n_terms,)
        Points of each term, none of them 0.
    intercept : float
        In points: what the score has to make up for.
    scale : float or None
        Points per unit of log odds, above 0; None for a card that gives labels only.
    classes : ndarray, shape (2,)
        The class labels.
    score_values : ndarray of float64, shape (n_scores,)
        The distinct scores of the training rows, ascending; or, where there are more than 200 of
        them, the upper ends of at most 20 ranges with about as many rows each. May be empty.
    score_counts : ndarray of float64, shape (n_scores, 2)
        Training rows of each class (sample weights where given) at these scores.
    binned : bool, default=False
        Whether ``score_values`` are the ends of ranges.

    Raises
    ------
    ValueError
        Where points are 0 or do not fit the terms, or numbers are not finite.
    """

    columns: tuple[ColumnType, ...]
    terms: tuple[Predicate | LinearTerm, ...]
    points: np.ndarray
    intercept: float
    scale: float | None
    classes: np.ndarray
    score_values: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    score_counts: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 2)))
    binned: bool = False

    def __post_init__(self) -> None:
        if self.points.shape != (len(self.terms),) or not self.points.all():
            raise ValueError("points must hold one integer, not 0, for every term")
        if len(self.classes) != 2:
            raise ValueError(f"a scorecard has two classes, not {len(self.classes)}")
        if not math.isfinite(self.intercept):
            raise ValueError(f"intercept must be finite, not {self.intercept}")
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be above 0 and finite, or None, not {self.scale}")
        if self.score_counts.shape != (len(self.score_values), 2):
            raise ValueError("score_counts must hold two numbers for each of score_values")

    @property
    def n_terms(self) -> int:
        return len(self.terms)

    @property
    def threshold(self) -> float:
        """The second class is predicted where the score is above this."""
        return 0.0 - float(self.intercept)

    def required_scale(self) -> float:
        """The scale, for what needs probabilities.

        Raises
        ------
        ValueError
            Where the card has none and so gives labels only.
        """
        if self.scale is None:
            raise ValueError("this scorecard gives labels only: it has no scale for probabilities")
        return float(self.scale)

    def score(self, table: Table) -> np.ndarray:
        """Points of every row, shape (n_rows,), float64, added from the first term to the last."""
        total = np.zeros(table.n_rows)
        with np.errstate(over="ignore", invalid="ignore"):
            for term, points in zip(self.terms, self.points.tolist(), strict=True):
                total += float(points) * _values(term, table)
        return total

    def decision(self, table: Table) -> np.ndarray:
        """Score plus intercept of every row, shape (n_rows,), float64."""
        return self.intercept + self.score(table)

    def predict(self, table: Table) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self.classes[(self.decision(table) > 0).astype(np.intp)]

    def predict_proba(self, table: Table) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, 2).

        Raises
        ------
        ValueError
            Where the card has no scale and so gives labels only.
        """
        logit = self.decision(table) / self.required_scale()
        return np.column_stack([expit(-logit), expit(logit)])

    def risk(self, score: float | np.ndarray) -> np.ndarray:
        """Probability of the second class at a score, of the shape of ``score``.

        Raises
        ------
        ValueError
            Where the card has no scale and so gives labels only.
        """
        return expit((self.intercept + np.asarray(score, dtype=np.float64)) / self.required_scale())

    def by_column(self) -> dict[Term, list[int]]:
        """Positions of the terms over each raw column, in order of first appearance."""
        groups: dict[Term, list[int]] = {}
        for j, term in enumerate(self.terms):
            groups.setdefault(term.term, []).append(j)
        return groups

    def column_scores(self) -> list[set[int]] | None:
        """What each raw column that is used can add, in the order of `by_column`.

        None where a number enters by its value: it can add anything. A missing value is reckoned
        with where training had one.
        """
        linear = (term for term in self.terms if isinstance(term, LinearTerm))
        if any(term.term.column.kind == "number" for term in linear):
            return None
        return [self._column_scores(which) for which in self.by_column().values()]

    def possible_scores(self) -> np.ndarray | None:
        """All scores that rows can have, ascending; None where there are more than 200 or any."""
        by_column = self.column_scores()
        if by_column is None:
            return None
        sums = {0}
        for some in by_column:
            sums = {a + b for a in sums for b in some}
            if len(sums) > MOST_SCORES:
                return None
        return np.array(sorted(sums), dtype=np.float64)

    def lookup(self) -> list[ScoreRow]:
        """The table from score to risk, ascending, with the training rows at each score.

        Returns
        -------
        list of ScoreRow
            A line for every possible score, or, where those are too many, for every score of the
            training rows. Ranges where these too are more than 200 (``binned``); empty where
            nothing is known.
        """
        counts = [(float(a), float(b)) for a, b in self.score_counts]
        possible = self.possible_scores()
        if possible is None and self.binned:
            highs = [*self.score_values[:-1].tolist(), math.inf]
            lows = [-math.inf, *highs[:-1]]
            return [self._row(*line) for line in zip(lows, highs, counts, strict=True)]
        seen = {} if self.binned else dict(zip(self.score_values.tolist(), counts, strict=True))
        scores = np.union1d(np.array(list(seen)), [] if possible is None else possible).tolist()
        return [self._row(score, score, seen.get(score, (0.0, 0.0))) for score in scores]

    def with_counts(
        self, scores: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None
    ) -> Scorecard:
        """The same card with the training table of `count_scores`."""
        values, counts, binned = count_scores(scores, codes, weights)
        return dataclasses.replace(self, score_values=values, score_counts=counts, binned=binned)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "kind": "scorecard",
            "columns": [column.to_dict() for column in self.columns],
            "terms": [term.to_dict() for term in self.terms],
            "points": self.points.tolist(),
            "intercept": float(self.intercept),
            "scale": None if self.scale is None else float(self.scale),
            "classes": self.classes.tolist(),
            "class_dtype": "object" if self.classes.dtype == object else self.classes.dtype.str,
            "score_values": self.score_values.tolist(),
            "score_counts": self.score_counts.tolist(),
            "binned": self.binned,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Scorecard:
        """Inverse of `to_dict`."""
        columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
        return cls(
            columns=columns,
            terms=tuple(
                (Predicate if "test" in term else LinearTerm).from_dict(term, columns)
                for term in data["terms"]
            ),
            points=np.asarray(data["points"], dtype=np.int64),
            intercept=data["intercept"],
            scale=data["scale"],
            classes=np.asarray(data["classes"], dtype=np.dtype(data["class_dtype"])),
            score_values=np.asarray(data["score_values"], dtype=np.float64),
            score_counts=np.asarray(data["score_counts"], dtype=np.float64).reshape(-1, 2),
            binned=data["binned"],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scorecard) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.terms, self.points.tobytes(), self.intercept, self.scale))

    def _row(self, low: float, high: float, counts: tuple[float, float]) -> ScoreRow:
        if self.scale is None:
            return ScoreRow(low, high, math.nan, math.nan, counts)
        return ScoreRow(low, high, float(self.risk(low)), float(self.risk(high)), counts)

    def _column_scores(self, which: list[int]) -> set[int]:
        """Sums of points that the terms ``which`` of one column can have together."""
        terms = [self.terms[j] for j in which]
        column = terms[0].term.column
        values = _probes(column, [term for term in terms if isinstance(term, Predicate)])
        table = Table((Column(column, values),), len(values))
        sums = np.zeros(len(values), dtype=np.int64)
        for j, term in zip(which, terms, strict=True):
            here = dataclasses.replace(term, term=Term(0, column))
            sums += self.points[j] * _values(here, table).astype(np.int64)
        return set(sums.tolist())


def count_scores(
    scores: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Training rows of each class by score.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_rows,)
        Of the training rows.
    codes : ndarray of int, shape (n_rows,)
        0 or 1: their class.
    weights : ndarray or None, shape (n_rows,)
        Their weights; None for 1 each. Rows of weight 0 do not count.

    Returns
    -------
    values, counts, binned
        ``score_values``, ``score_counts`` and ``binned`` of a `Scorecard`: every distinct score,
        or the ends of at most 20 ranges where there are more than 200.
    """
    weight = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = weight > 0
    values, at = np.unique(scores[kept], return_inverse=True)
    binned = len(values) > MOST_SCORES
    counts = np.zeros((len(values), 2))
    np.add.at(counts, (at, codes[kept]), weight[kept])
    if not binned:
        return values, counts, False
    before = np.cumsum(counts.sum(axis=1)) - counts.sum(axis=1)
    group = np.minimum(MOST_RANGES * before // counts.sum(), MOST_RANGES - 1).astype(np.intp)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(values)) - 1
    return values[ends], np.add.reduceat(counts, starts, axis=0), True


def _values(term: Predicate | LinearTerm, table: Table) -> np.ndarray:
    """What the term counts in every row, before its points."""
    return term.values(table) if isinstance(term, LinearTerm) else term.holds(table)


def _probes(column: ColumnType, predicates: list[Predicate]) -> np.ndarray:
    """Values of a column among which every combination of answers that it can give appears."""
    missing = column.missing or any(p.test == "is missing" for p in predicates)
    if column.kind in ("category", "boolean"):
        levels = {v for p in predicates if p.test == "in" for v in p.value} | set(column.levels)
        other = [] if column.levels else [object()]
        probes = [True, False] if column.kind == "boolean" else [*levels, *other]
        values = np.empty(len(probes) + missing, dtype=object)  # None where missing
        values[: len(probes)] = probes
        return values
    if column.kind == "zero_one":
        probes = [0.0, 1.0]
    else:
        cuts = [float(p.value) for p in predicates if p.test != "is missing"]
        probes = [0.0, *cuts, *np.nextafter(cuts, math.inf).tolist()]
    return np.array([*probes, math.nan] if missing else probes)
