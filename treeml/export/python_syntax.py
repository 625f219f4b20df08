"""Literals and questions as Python syntax trees, for functions over every kind of model."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from treeml.ir.predicate import LinearForm, Predicate

# the exponential of what is at most 0 cannot overflow
_LOGISTIC = """
import math
logit = {logit}
odds = math.exp(-abs(logit))
return {{
    {low!r}: (odds if logit > 0 else 1.0) / (1.0 + odds),
    {high!r}: (1.0 if logit > 0 else odds) / (1.0 + odds),
}}
"""

_MOST_WRITTEN = 40  # products of a sum: a syntax tree of more would nest too deep
ADD_UP = """
def add_up(total, *products):
    for weight, value in products:
        total += weight * value
    return total
"""

__all__ = ["ADD_UP", "linear_sum", "logistic", "question", "scalar"]


def scalar(value: Any) -> str | int | float | bool:
    """A class or level as a plain Python value, so that it can be written as a literal."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, str):
        return str(plain)
    if isinstance(plain, (bool, int)) or (isinstance(plain, float) and np.isfinite(plain)):
        return plain
    raise ValueError(
        f"class or level {value!r} of type {type(value).__name__} cannot be written; "
        "use str, int, finite float or bool"
    )


def linear_sum(
    start: float | None, products: Sequence[tuple[int, float]], names: Mapping[int, str]
) -> ast.expr:
    """A start and products of columns and weights, added in their order.

    A long sum is a call of the function that `ADD_UP` defines.
    """
    if len(products) > _MOST_WRITTEN:
        pairs: list[ast.expr] = [
            ast.Tuple([ast.Constant(weight), ast.Name(names[j], ast.Load())], ast.Load())
            for j, weight in products
        ]
        return ast.Call(ast.Name("add_up", ast.Load()), [ast.Constant(start or 0.0), *pairs], [])
    total: ast.expr | None = None if start is None and products else ast.Constant(start or 0.0)
    for j, weight in products:
        column = ast.Name(names[j], ast.Load())
        if total is None:
            total = ast.BinOp(ast.Constant(weight), ast.Mult(), column)
            continue
        product = ast.BinOp(ast.Constant(abs(weight)), ast.Mult(), column)
        total = ast.BinOp(total, ast.Sub() if weight < 0 else ast.Add(), product)
    assert total is not None
    return total


def question(predicate: Predicate, names: Mapping[int, str]) -> ast.expr:
    """The question as an expression that is true exactly where the answer is yes.

    Parameters
    ----------
    predicate : Predicate
        The question.
    names : mapping of int -> str
        The variable that holds each column.
    """
    term = predicate.term
    if isinstance(term, LinearForm):
        weights = zip(term.terms, term.weights, strict=True)
        value = linear_sum(None, [(part.index, weight) for part, weight in weights], names)
    else:
        value = ast.Name(names[term.index], ast.Load())
    if predicate.test == "is missing":
        unequal = ast.Compare(value, [ast.NotEq()], [value])
        if predicate.term.column.kind in ("category", "boolean"):
            return ast.BoolOp(
                ast.Or(), [ast.Compare(value, [ast.Is()], [ast.Constant(None)]), unequal]
            )
        return unequal
    if predicate.test == "in":
        levels: list[ast.expr] = [ast.Constant(scalar(level)) for level in predicate.value]
        if len(levels) == 1:
            return ast.Compare(value, [ast.Eq()], levels)
        return ast.Compare(value, [ast.In()], [ast.Tuple(levels, ast.Load())])
    operator = ast.LtE() if predicate.test == "<=" else ast.Gt()
    return ast.Compare(value, [operator], [ast.Constant(float(predicate.value))])


def logistic(logit: str, classes: Iterable[Any]) -> list[ast.stmt]:
    """Statements that return the probability of each of two classes; ``logit`` is Python."""
    low, high = (scalar(name) for name in classes)
    return ast.parse(_LOGISTIC.format(logit=logit, low=low, high=high)).body
