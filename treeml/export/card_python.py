"""A scorecard as Python statements that add up its points."""

from __future__ import annotations

import ast

from treeml.export.python_syntax import question, scalar
from treeml.ir.predicate import LinearTerm, Predicate, Term
from treeml.ir.scorecard import Scorecard

LOCAL_NAMES = ("math", "score", "logit", "odds")

__all__ = ["LOCAL_NAMES", "statements", "terms"]

# the exponential of what is at most 0 cannot overflow
_PROBABILITIES = """
import math
logit = (score {sign} {intercept!r}) / {scale!r}
odds = math.exp(-abs(logit))
return {{
    {low!r}: (odds if logit > 0 else 1.0) / (1.0 + odds),
    {high!r}: (1.0 if logit > 0 else odds) / (1.0 + odds),
}}
"""


def terms(card: Scorecard) -> set[Term]:
    """What the card gives points for."""
    return {term.term for term in card.terms}


def statements(card: Scorecard, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    """One addition a term, in their order, and a return."""
    body = ast.parse("score = 0.0").body
    for term, points in zip(card.terms, card.points.tolist(), strict=True):
        body.append(_addition(term, points, names[term.term.index]))
    low, high = (scalar(name) for name in card.classes)
    if not proba:
        end = f"return {high!r} if score > {card.threshold!r} else {low!r}"
    else:
        end = _PROBABILITIES.format(
            sign="-" if card.intercept < 0 else "+",
            intercept=abs(float(card.intercept)),
            scale=card.required_scale(),
            low=low,
            high=high,
        )
    return body + ast.parse(end).body


def _addition(term: Predicate | LinearTerm, points: int, name: str) -> ast.stmt:
    value = ast.Name(name, ast.Load())
    amount: ast.expr = ast.Constant(abs(points))
    if isinstance(term, LinearTerm):
        test: ast.expr = ast.Compare(value, [ast.Eq()], [value])  # not NaN
        amount = ast.BinOp(amount, ast.Mult(), value)
    else:
        test = question(term, name)
    operator = ast.Sub() if points < 0 else ast.Add()
    return ast.If(test, [ast.AugAssign(ast.Name("score", ast.Store()), operator, amount)], [])
