"""Names, literals and questions as SQL syntax trees, for expressions over every kind of model."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from treeml.export.python_syntax import scalar
from treeml.ir.predicate import LinearForm, Predicate, Term

if TYPE_CHECKING:
    from sqlglot import exp

MOST_LOGIT = 700.0  # a double holds exp(709) and exp(-708)

__all__ = [
    "MOST_LOGIT", "bracketed", "conditions", "constant", "counted", "first_greatest", "greatest",
    "identifier", "least", "linear_sum", "logistic", "number", "quotient",
]  # fmt: skip

# How a float column that stores NaN compares. Elsewhere NaN cannot be stored or is not portable.
_NAN_IS_GREATEST = frozenset(
    {"databricks", "duckdb", "materialize", "postgres", "redshift", "risingwave"}
    | {"snowflake", "spark", "spark2"}
)
_NAN_IS_UNEQUAL = frozenset({"athena", "bigquery", "clickhouse", "presto", "trino"})

_NO_BOOLEAN_LITERAL = frozenset({"fabric", "oracle", "sqlite", "tsql"})
_UNICODE_PREFIX = frozenset({"fabric", "tsql"})

_DAY = 86_400_000_000  # microseconds
_EPOCH = datetime.datetime(1970, 1, 1)


def conditions(predicate: Predicate, dialect: str, nan_values: bool) -> list[exp.Expr]:
    """Conditions, all of which are true exactly where the answer is yes."""
    from sqlglot import exp

    if isinstance(predicate.term, LinearForm):
        return [_of_form(predicate, predicate.term, dialect, nan_values)]
    kind = predicate.term.column.kind
    nan_values &= predicate.term.column.numeric

    def column() -> exp.Expr:
        return exp.Column(this=identifier(predicate.term.name))

    if predicate.test == "is missing":
        null = exp.Is(this=column(), expression=exp.Null())
        if nan_values and dialect in _NAN_IS_GREATEST:
            return [exp.or_(null, exp.EQ(this=column(), expression=_nan()), copy=False)]
        if nan_values and dialect in _NAN_IS_UNEQUAL:
            return [exp.or_(null, exp.NEQ(this=column(), expression=column()), copy=False)]
        return [null]
    if predicate.test == "in":
        levels = [constant(level, dialect) for level in predicate.value]
        if len(levels) == 1:
            return [exp.EQ(this=column(), expression=levels[0])]
        return [exp.In(this=column(), expressions=levels)]
    left, threshold = column(), float(predicate.value)
    right = number(threshold)
    if kind == "date" and dialect == "sqlite":
        epoch = exp.Literal(this="2440587.5", is_string=False)
        left = exp.Sub(this=exp.func("JULIANDAY", left, copy=False), expression=epoch)
    elif kind == "date":
        right = _date(threshold)
    if predicate.test == "<=":
        return [exp.LTE(this=left, expression=right)]
    greater = exp.GT(this=left, expression=right)
    if nan_values and dialect in _NAN_IS_GREATEST:
        return [greater, exp.NEQ(this=column(), expression=_nan())]
    return [greater]


def counted(term: Term, points: int, dialect: str, nan_values: bool) -> exp.Expr:
    """The value of a number column as a double, times points; 0 where it is missing."""
    from sqlglot import exp

    def column() -> exp.Expr:
        return exp.Column(this=identifier(term.name))

    value = exp.Mul(this=constant(points, dialect), expression=exp.cast(column(), "double"))
    nothing = constant(0, dialect)
    if nan_values and dialect in _NAN_IS_GREATEST:
        known = exp.NEQ(this=column(), expression=_nan())
    elif nan_values and dialect in _NAN_IS_UNEQUAL:
        known = exp.EQ(this=column(), expression=column())
    else:
        return exp.Coalesce(this=value, expressions=[nothing])
    return exp.Case(ifs=[exp.If(this=known, true=value)], default=nothing)


def linear_sum(
    start: float | None,
    products: Iterable[tuple[Term, float]],
    dialect: str,
    nan_values: bool,
) -> exp.Expr:
    """A start and columns as doubles times weights, added in their order; NULL for NaN.

    Where the start is None there is at least one product.
    """
    from sqlglot import exp

    total = None if start is None else constant(float(start), dialect)
    for term, weight in products:
        column = exp.cast(exp.Column(this=identifier(term.name)), "double")
        size = weight if total is None else abs(weight)
        product = exp.Mul(this=constant(float(size), dialect), expression=column)
        if total is None:
            total = product
        elif weight < 0:
            total = exp.Sub(this=total, expression=product)
        else:
            total = exp.Add(this=total, expression=product)
    assert total is not None
    if nan_values and dialect in _NAN_IS_GREATEST and not isinstance(total, (exp.Literal, exp.Neg)):
        return exp.Nullif(this=total, expression=_nan())
    return total


def _of_form(predicate: Predicate, form: LinearForm, dialect: str, nan_values: bool) -> exp.Expr:
    """The question of a linear form."""
    from sqlglot import exp

    def total(nan_values: bool = nan_values) -> exp.Expr:
        return linear_sum(None, zip(form.terms, form.weights, strict=True), dialect, nan_values)

    if predicate.test == "is missing":
        null = exp.Is(this=bracketed(total()), expression=exp.Null())
        if nan_values and dialect in _NAN_IS_UNEQUAL:
            unequal = exp.NEQ(this=bracketed(total()), expression=bracketed(total()))
            return exp.or_(null, unequal, copy=False)
        return null
    right = number(float(predicate.value))
    if predicate.test == "<=":  # no NaN is below a number
        return exp.LTE(this=total(False), expression=right)
    return exp.GT(this=total(), expression=right)


def first_greatest(names: Sequence[exp.Expr], values: Sequence[exp.Expr]) -> exp.Expr:
    """The value that stands for the greatest name, the first of several and where one is NULL."""
    from sqlglot import exp

    every = range(len(names))
    lines = []
    for k in every[1:]:
        kinds = [exp.GT if j < k else exp.GTE for j in every]
        tests = [
            kinds[j](this=names[k].copy(), expression=names[j].copy()) for j in every if j != k
        ]
        lines.append(exp.If(this=exp.and_(*tests, copy=False), true=values[k]))
    return exp.Case(ifs=lines, default=values[0]) if lines else values[0]


def logistic(logit: exp.Expr, dialect: str, second: bool, may_overflow: bool) -> exp.Expr:
    """1 / (1 + EXP(-logit)) for the second class, 1 / (1 + EXP(logit)) for the first one."""
    from sqlglot import exp

    if may_overflow:  # cut off; it is never NULL
        low, high = (constant(limit, dialect) for limit in (-MOST_LOGIT, MOST_LOGIT))
        logit = least([greatest([logit, low], dialect), high], dialect)
    power = exp.func("EXP", exp.Neg(this=bracketed(logit)) if second else logit, copy=False)
    one = constant(1.0, dialect)
    return quotient(one, bracketed(exp.Add(this=one.copy(), expression=power)))


def greatest(values: list[exp.Expr], dialect: str) -> exp.Expr:
    """The greatest of at least two values."""
    from sqlglot import exp

    name = "MAX" if dialect == "sqlite" else "GREATEST"
    return exp.Anonymous(this=name, expressions=values)


def least(values: list[exp.Expr], dialect: str) -> exp.Expr:
    """The least of at least two values."""
    from sqlglot import exp

    return exp.Anonymous(this="MIN" if dialect == "sqlite" else "LEAST", expressions=values)


def quotient(above: exp.Expr, below: exp.Expr) -> exp.Expr:
    """A quotient of doubles: no dialect has to change its type or look for a division by 0."""
    from sqlglot import exp

    return exp.Div(this=above, expression=below, typed=True, safe=False)


def bracketed(expression: exp.Expr) -> exp.Expr:
    """The expression in brackets."""
    from sqlglot import exp

    return exp.Paren(this=expression)


def identifier(name: str) -> exp.Identifier:
    """A name in quotes."""
    from sqlglot import exp

    return exp.Identifier(this=name, quoted=True)


def _nan() -> exp.Expr:
    from sqlglot import exp

    return exp.cast(exp.Literal.string("NaN"), "double")


def constant(value: Any, dialect: str) -> exp.Expr:
    """A class, level or probability as a literal of its type."""
    from sqlglot import exp

    plain = scalar(value)
    if isinstance(plain, str):
        unicode = dialect in _UNICODE_PREFIX and not plain.isascii()
        return exp.National(this=plain) if unicode else exp.Literal.string(plain)
    if isinstance(plain, bool):
        if dialect in _NO_BOOLEAN_LITERAL:
            return exp.Literal(this=str(int(plain)), is_string=False)
        return exp.Boolean(this=plain)
    if isinstance(plain, int):
        return _signed(str(abs(plain)), plain < 0)
    digits = _digits(abs(plain))
    return _signed(digits if "e" in digits else f"{digits}E0", plain < 0)


def number(threshold: float) -> exp.Expr:
    """A threshold as a decimal that reads back as the same float64 in a comparison."""
    size = abs(threshold)
    digits = _digits(size)
    exact = size < 1e15 and float(np.float32(size)) == size and Fraction(digits) == Fraction(size)
    if not exact and "e" not in digits:
        digits += "E0"
    return _signed(digits, threshold < 0)


def _digits(size: float) -> str:
    """The shortest decimal that even a reader with a small error takes for this float64.

    The shortest one that Python reads back may lie all but in the middle between two floats,
    where a reader that rounds twice (SQLite before 3.43) takes the wrong one. So it must lie
    within 0.49, not 0.5, units in the last place.
    """
    text, slack = repr(size), Fraction(math.ulp(size)) * Fraction(49, 100)
    for digits in (16, 17, 18):
        if abs(Fraction(text) - Fraction(size)) <= slack:
            break
        text = f"{size:.{digits}g}"
    return text.removesuffix(".0")


def _signed(digits: str, negative: bool) -> exp.Expr:
    from sqlglot import exp

    literal = exp.Literal(this=digits.upper(), is_string=False)
    return exp.Neg(this=literal) if negative else literal


def _date(days: float) -> exp.Expr:
    """The last moment that is at most ``days`` since 1970: a DATE where that is midnight."""
    from sqlglot import exp

    moment = round(Fraction(days) * _DAY)
    if moment / _DAY > days:
        moment -= 1
    day, rest = divmod(moment, _DAY)
    if not rest:
        text = (_EPOCH + datetime.timedelta(days=day)).date().isoformat()
        return exp.cast(exp.Literal.string(text), "date")
    text = (_EPOCH + datetime.timedelta(microseconds=moment)).isoformat(sep=" ")
    return exp.cast(exp.Literal.string(text), "timestamp")
