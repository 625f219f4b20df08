"""An ensemble as a sum of CASE expressions, one a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from treeml.export import tree_sql
from treeml.export.sql_syntax import (
    MOST_LOGIT,
    bracketed,
    constant,
    greatest,
    identifier,
    logistic,
    number,
    quotient,
)
from treeml.ir import TreeEnsemble

if TYPE_CHECKING:
    from sqlglot import exp

_NEEDS_A_TABLE = frozenset({"oracle"})
_MOST_TERMS = 100  # of one sum: databases limit how deep an expression may be

__all__ = ["columns"]


def columns(
    ensemble: TreeEnsemble, dialect: str, *, proba: bool, nan_values: bool
) -> list[exp.Expr]:
    """The predicted class or number, or the probability of every class."""
    from sqlglot import exp

    scores = [_score(ensemble, k, dialect, nan_values) for k in range(ensemble.n_outputs)]
    if ensemble.classes is None:
        return [exp.func("EXP", scores[0], copy=False) if ensemble.link == "log" else scores[0]]
    if ensemble.link == "softmax":
        return _softmax(ensemble.classes, scores, dialect, proba)
    if proba:
        wide = _most(ensemble) > MOST_LOGIT
        return [logistic(scores[0].copy(), dialect, second, wide) for second in (False, True)]
    low, high = (constant(name, dialect) for name in ensemble.classes)
    above = exp.GT(this=bracketed(scores[0]), expression=number(0.0))
    return [exp.Case(ifs=[exp.If(this=above, true=high)], default=low)]


def _score(ensemble: TreeEnsemble, output: int, dialect: str, nan_values: bool) -> exp.Expr:
    """Base plus values, from the first tree of an output to the last."""
    base = float(ensemble.base[output])
    terms = [constant(base, dialect)] if base else []
    for i in np.flatnonzero(ensemble.output == output):
        tree = ensemble.trees[i]
        terms.append(tree_sql.compact_case(tree, tree.value, dialect, nan_values))
    return _sum(terms or [constant(base, dialect)])


def _sum(terms: list[exp.Expr]) -> exp.Expr:
    """The terms from left to right; sums of sums where they are many."""
    from sqlglot import exp

    while len(terms) > _MOST_TERMS:
        parts = [terms[i : i + _MOST_TERMS] for i in range(0, len(terms), _MOST_TERMS)]
        terms = [bracketed(_sum(part)) for part in parts]
    total = terms[0]
    for term in terms[1:]:
        total = exp.Add(this=total, expression=term)
    return total


def _softmax(
    classes: np.ndarray, scores: list[exp.Expr], dialect: str, proba: bool
) -> list[exp.Expr]:
    """A scalar subquery that names the scores, so that each is written, and computed, once."""
    from sqlglot import exp

    if len(scores) == 1:
        return [constant(1.0 if proba else classes[0], dialect)]

    def score(k: int) -> exp.Expr:
        return exp.Column(this=identifier(f"score_{k}"), table=identifier("scores"))

    def subquery(value: exp.Expr) -> exp.Expr:
        named = [
            exp.alias_(term.copy(), identifier(f"score_{k}"), copy=False)
            for k, term in enumerate(scores)
        ]
        inner = exp.select(*named, copy=False)
        if dialect in _NEEDS_A_TABLE:
            inner = inner.from_("dual", copy=False)
        source = inner.subquery(identifier("scores"), copy=False)
        return exp.select(value, copy=False).from_(source, copy=False).subquery(copy=False)

    def odds(k: int) -> exp.Expr:
        below = exp.Sub(this=score(k), expression=greatest(list(map(score, every)), dialect))
        kept = greatest([below, constant(-MOST_LOGIT, dialect)], dialect)
        return exp.func("EXP", kept, copy=False)

    every = range(len(scores))
    if proba:
        total = [bracketed(_sum(list(map(odds, every)))) for _ in every]
        return [subquery(quotient(odds(k), total[k])) for k in every]
    lines = []
    for k in every[:-1]:
        tests = [exp.GTE(this=score(k), expression=score(j)) for j in every[k + 1 :]]
        lines.append(exp.If(this=exp.and_(*tests, copy=False), true=constant(classes[k], dialect)))
    return [subquery(exp.Case(ifs=lines, default=constant(classes[-1], dialect)))]


def _most(ensemble: TreeEnsemble) -> float:
    """What no absolute value of a score exceeds."""
    values = [float(np.abs(tree.value).max()) for tree in ensemble.trees]
    return float(np.abs(ensemble.base).max()) + sum(values)
