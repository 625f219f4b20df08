"""Random scorecards over the columns of `random_trees`, with rows at all their thresholds."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
from random_trees import CLASSES, Case, random_predicates, random_table, random_types

from treeml._core.table import Column, Table
from treeml.ir import LinearTerm, Predicate, Scorecard, Term

VALUES = [0.0, -1.0, 2.0, 3.0, 0.1, 0.25, -7.3, 1e3, 12345.678, 1e-7]


@dataclasses.dataclass(frozen=True)
class CardCase:
    """A scorecard, a table that it may be applied to, and the table's rows as dicts."""

    card: Scorecard
    table: Table

    @property
    def rows(self) -> list[dict]:
        return Case(self.card, self.table).rows  # pyright: ignore[reportArgumentType]

    @property
    def predicates(self) -> list[Predicate]:
        return [term for term in self.card.terms if isinstance(term, Predicate)]


def random_case(
    rng: np.random.Generator, *, n_rows: int = 60, linear: float = 0.3, **types
) -> CardCase:
    """Up to 8 terms; the training table is that of the rows. Some scores lie on the threshold."""
    columns = random_types(rng, **types)
    pool: list[Predicate | LinearTerm] = []
    for i, column in enumerate(columns):
        pool += random_predicates(rng, Term(i, column))
        if column.numeric and rng.random() < linear:
            pool.append(LinearTerm(Term(i, column)))
    chosen = rng.permutation(len(pool))[: rng.integers(0, 9)]
    terms = tuple(pool[k] for k in chosen)
    most = int(rng.choice([2, 5, 1000]))
    points = rng.integers(1, most + 1, size=len(terms)) * rng.choice([-1, 1], size=len(terms))
    classes = [c for c in CLASSES if len(c) == 2]
    card = Scorecard(
        columns=columns,
        terms=terms,
        points=points.astype(np.int64),
        intercept=0.0,
        scale=float(rng.choice([1.0, 1.37, 0.01, 1e-5, 40.0])),
        classes=classes[rng.integers(len(classes))],
    )
    table = _table(rng, card, n_rows)
    score = card.score(table)
    at = -float(rng.choice(score))
    intercept = [at, at, at + 0.5, float(rng.normal()), 0.0][rng.integers(5)]
    card = dataclasses.replace(card, intercept=intercept)
    codes = rng.integers(0, 2, size=n_rows)
    weights = None if rng.random() < 0.5 else rng.choice([0.5, 1.0, 2.0], size=n_rows)
    return CardCase(card.with_counts(score, codes, weights), table)


def _table(rng: np.random.Generator, card: Scorecard, n_rows: int) -> Table:
    """Rows as for trees, but moderate where a number enters by its value."""
    asked = [term for term in card.terms if isinstance(term, Predicate)]
    table = random_table(rng, SimpleNamespace(columns=card.columns, predicates=asked), n_rows)  # pyright: ignore[reportArgumentType]
    columns = list(table.columns)
    for term in card.terms:
        if isinstance(term, LinearTerm):
            old = columns[term.term.index]
            known = [p.value for p in asked if p.term == term.term and p.test in ("<=", ">")]
            known = [v for v in known if abs(v) < 1e9]
            values = rng.choice([*VALUES, *known], size=n_rows)
            if old.type.kind == "zero_one":
                values = rng.integers(0, 2, size=n_rows).astype(np.float64)
            values[old.missing] = math.nan
            columns[term.term.index] = Column(old.type, values)
    return Table(tuple(columns), n_rows)
