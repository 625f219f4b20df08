"""Literals and questions as Python syntax trees, for functions over every kind of model."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import numpy as np

from treeml.ir.predicate import Predicate

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

__all__ = ["logistic", "question", "scalar"]


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


def question(predicate: Predicate, name: str) -> ast.expr:
    """The question as an expression that is true exactly where the answer is yes."""
    value = ast.Name(name, ast.Load())
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
