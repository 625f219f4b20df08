"""A scorecard as Python statements that add up its points."""

from __future__ import annotations

import ast

from treeml.export.python_syntax import logistic, question, scalar
from treeml.ir.predicate import LinearTerm, Predicate, Term
from treeml.ir.scorecard import Scorecard

LOCAL_NAMES = ("math", "score", "logit", "odds")

__all__ = ["LOCAL_NAMES", "statements", "terms"]


def terms(card: Scorecard) -> set[Term]:
    """What the card gives points for."""
    return {term.term for term in card.terms}


def statements(card: Scorecard, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    """One addition a term, in their order, and a return."""
    body = ast.parse("score = 0.0").body
    for term, points in zip(card.terms, card.points.tolist(), strict=True):
        body.append(_addition(term, points, names))
    if proba:
        sign, intercept = "-" if card.intercept < 0 else "+", abs(float(card.intercept))
        logit = f"(score {sign} {intercept!r}) / {card.required_scale()!r}"
        return body + logistic(logit, card.classes)
    low, high = (scalar(name) for name in card.classes)
    end = f"return {high!r} if score > {card.threshold!r} else {low!r}"
    return body + ast.parse(end).body


def _addition(term: Predicate | LinearTerm, points: int, names: dict[int, str]) -> ast.stmt:
    amount: ast.expr = ast.Constant(abs(points))
    if isinstance(term, LinearTerm):
        value = ast.Name(names[term.term.index], ast.Load())
        test: ast.expr = ast.Compare(value, [ast.Eq()], [value])  # not NaN
        amount = ast.BinOp(amount, ast.Mult(), value)
    else:
        test = question(term, names)
    operator = ast.Sub() if points < 0 else ast.Add()
    return ast.If(test, [ast.AugAssign(ast.Name("score", ast.Store()), operator, amount)], [])
