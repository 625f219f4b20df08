"""A scorecard as a sum of CASE expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from treeml.export.sql_syntax import (
    MOST_LOGIT,
    bracketed,
    conditions,
    constant,
    counted,
    logistic,
    number,
    quotient,
)
from treeml.ir.predicate import LinearTerm
from treeml.ir.scorecard import Scorecard

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["columns"]


def columns(card: Scorecard, dialect: str, *, proba: bool, nan_values: bool) -> list[exp.Expr]:
    """The predicted class, or the probability of every class."""
    from sqlglot import exp

    score = _score(card, dialect, nan_values)
    if proba:
        return [_probability(card, score, dialect, second) for second in (False, True)]
    low, high = (constant(name, dialect) for name in card.classes)
    if score is None:
        return [high if card.threshold < 0 else low]
    above = exp.GT(this=bracketed(score), expression=number(card.threshold))
    return [exp.Case(ifs=[exp.If(this=above, true=high)], default=low)]


def _score(card: Scorecard, dialect: str, nan_values: bool) -> exp.Expr | None:
    """The sum from the first term to the last; None for a card without terms."""
    from sqlglot import exp

    total = None
    for term, points in zip(card.terms, card.points.tolist(), strict=True):
        if isinstance(term, LinearTerm):
            value = counted(term.term, points, dialect, nan_values)
        else:
            tests = conditions(term, dialect, nan_values)
            yes = exp.If(this=exp.and_(*tests, copy=False), true=constant(points, dialect))
            value = exp.Case(ifs=[yes], default=constant(0, dialect))
        total = value if total is None else exp.Add(this=total, expression=value)
    return total


def _probability(card: Scorecard, score: exp.Expr | None, dialect: str, second: bool) -> exp.Expr:
    """1 / (1 + EXP(-logit)) for the second class, 1 / (1 + EXP(logit)) for the first one."""
    from sqlglot import exp

    scale = card.required_scale()
    if score is None:
        logit = card.intercept / scale
        return constant(float(expit(logit if second else -logit)), dialect)
    decision = exp.Sub if card.intercept < 0 else exp.Add
    points = decision(
        this=exp.cast(bracketed(score.copy()), "double"),
        expression=constant(abs(float(card.intercept)), dialect),
    )
    logit = quotient(bracketed(points), constant(scale, dialect))
    return logistic(logit, dialect, second, _may_overflow(card))


def _may_overflow(card: Scorecard) -> bool:
    if any(isinstance(term, LinearTerm) for term in card.terms):
        return True
    most = float(np.abs(card.points).sum()) + abs(card.intercept)
    return most / card.required_scale() > MOST_LOGIT
