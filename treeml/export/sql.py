"""A tree as one SQL expression, in any dialect that sqlglot writes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from treeml.export.python import scalar
from treeml.ir.predicate import Predicate
from treeml.ir.tree import Tree

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["sql"]

# How a float column that stores NaN compares. Elsewhere NaN cannot be stored or is not portable.
_NAN_IS_GREATEST = frozenset(
    {"databricks", "duckdb", "materialize", "postgres", "redshift", "risingwave"}
    | {"snowflake", "spark", "spark2"}
)
_NAN_IS_UNEQUAL = frozenset({"athena", "bigquery", "clickhouse", "presto", "trino"})

_NO_BOOLEAN_LITERAL = frozenset({"fabric", "oracle", "sqlite", "tsql"})
_UNICODE_PREFIX = frozenset({"fabric", "tsql"})
_STAR_STANDS_ALONE = frozenset({"oracle"})

_DAY = 86_400_000_000  # microseconds
_EPOCH = datetime.datetime(1970, 1, 1)


def sql(
    tree: Tree,
    dialect: str = "duckdb",
    table: str | None = None,
    *,
    column_alias: str = "prediction",
    proba: bool = False,
    nan_values: bool = True,
) -> str:
    """The prediction as a CASE expression, or as a query that adds it to a table.

    The CASE is a flat list, read from the top: one WHEN a leaf, with the questions that its path
    answers *yes*. Questions answered *no* need no condition, because the rows that answer yes
    to them have been taken by an earlier line. So nothing is negated, and NULL, which makes no
    condition true, falls to the line that it belongs to, as a missing value does in
    `Tree.predict`. Nor is anything nested, however deep the tree (T-SQL allows ten levels).

    Thresholds are decimals that every reader turns into the same float64: plain (``41.5``) where
    they are exact in binary, elsewhere with an exponent (``0.1E0``), which databases read as a
    double, whereas ``0.1`` is a DECIMAL. Dates are compared with DATE or TIMESTAMP values.

    A float column may store NaN, which is greater than every number in DuckDB, PostgreSQL,
    Snowflake and Spark. There, ``>`` carries the condition ``<> CAST('NaN' AS DOUBLE)``; ``<=``
    needs none. Strings compare as the collation of the database says; it must be case-sensitive.

    Parameters
    ----------
    tree : Tree
        The model.
    dialect : str, default="duckdb"
        Any dialect of sqlglot, such as "sqlite", "postgres", "bigquery", "snowflake" or "tsql".
    table : str or None, default=None
        Name of a table, with or without its schema ("main.customers"). None gives the expression
        alone. Names are always quoted.
    column_alias : str, default="prediction"
        Name of the new column; with ``proba`` followed by ``_<class>``.
    proba : bool, default=False
        One column a class with its probability instead of the class; without ``table`` these are
        named expressions separated by commas.
    nan_values : bool, default=True
        Whether float columns may store NaN, which then counts as missing. False gives shorter
        text: a missing number is then expected to be NULL.

    Returns
    -------
    str
        SQL text without a closing semicolon.

    Raises
    ------
    ValueError
        Where the dialect is unknown, the table is not a name, or a class or level cannot be
        written.
    """
    import sqlglot
    from sqlglot import exp

    known = sorted(d.value for d in sqlglot.Dialects if d.value)
    if dialect not in known:
        raise ValueError(f"dialect {dialect!r} is not one of {', '.join(known)}")
    if not proba:
        results = {column_alias: tree.classes[tree.label]}
    else:
        shares = tree.node_proba
        results = {f"{column_alias}_{c}": shares[:, k] for k, c in enumerate(tree.classes.tolist())}
    cases = {n: _case(tree, values, dialect, nan_values) for n, values in results.items()}
    if table is None and not proba:
        return cases[column_alias].sql(dialect=dialect, pretty=True)
    columns = [exp.alias_(case, _identifier(name), copy=False) for name, case in cases.items()]
    if table is None:
        return ",\n".join(column.sql(dialect=dialect, pretty=True) for column in columns)
    source, star = _source(table, dialect)
    query = exp.select(star, *columns, copy=False).from_(source, copy=False)
    return query.sql(dialect=dialect, pretty=True)


def _case(tree: Tree, values: np.ndarray, dialect: str, nan_values: bool) -> exp.Expr:
    """First match over the leaves in depth-first order, yes first, by their yes answers alone."""
    from sqlglot import exp

    lines: list[exp.If] = []
    for leaf, path in tree.paths():
        value = _constant(values[leaf], dialect)
        questions = _tightest([predicate for predicate, answer in path if answer])
        if not questions:
            return exp.Case(ifs=lines, default=value) if lines else value
        tests = [test for p in questions for test in _tests(p, dialect, nan_values)]
        lines.append(exp.If(this=exp.and_(*tests, copy=False), true=value))
    raise AssertionError("the last leaf of a tree answers no to every question")


def _tightest(questions: Sequence[Predicate]) -> list[Predicate]:
    """The questions that no other one implies, in their order."""
    distinct = list(dict.fromkeys(questions))
    return [
        p
        for i, p in enumerate(distinct)
        if not any(
            q.implies(p) and (j < i or not p.implies(q)) for j, q in enumerate(distinct) if j != i
        )
    ]


def _tests(predicate: Predicate, dialect: str, nan_values: bool) -> list[exp.Expr]:
    """Conditions, all of which are true exactly where the answer is yes."""
    from sqlglot import exp

    kind = predicate.term.column.kind
    nan_values &= predicate.term.column.numeric

    def column() -> exp.Expr:
        return exp.Column(this=_identifier(predicate.term.name))

    if predicate.test == "is missing":
        null = exp.Is(this=column(), expression=exp.Null())
        if nan_values and dialect in _NAN_IS_GREATEST:
            return [exp.or_(null, exp.EQ(this=column(), expression=_nan()), copy=False)]
        if nan_values and dialect in _NAN_IS_UNEQUAL:
            return [exp.or_(null, exp.NEQ(this=column(), expression=column()), copy=False)]
        return [null]
    if predicate.test == "in":
        levels = [_constant(level, dialect) for level in predicate.value]
        if len(levels) == 1:
            return [exp.EQ(this=column(), expression=levels[0])]
        return [exp.In(this=column(), expressions=levels)]
    left, threshold = column(), float(predicate.value)
    right = _number(threshold)
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


def _identifier(name: str) -> exp.Identifier:
    from sqlglot import exp

    return exp.Identifier(this=name, quoted=True)


def _nan() -> exp.Expr:
    from sqlglot import exp

    return exp.cast(exp.Literal.string("NaN"), "double")


def _constant(value: Any, dialect: str) -> exp.Expr:
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


def _number(threshold: float) -> exp.Expr:
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


def _source(table: str, dialect: str) -> tuple[exp.Expr, exp.Expr]:
    """The table with all parts of its name quoted, and the star that takes all its columns."""
    from sqlglot import errors, exp

    try:
        source = exp.to_table(table, dialect=dialect)
    except errors.SqlglotError as error:
        raise ValueError(
            f"table={table!r} is not the name of a table; quote the parts of it that need it"
        ) from error
    if not source.name:
        raise ValueError(f"table={table!r} is not the name of a table")
    for identifier in source.find_all(exp.Identifier):
        identifier.set("quoted", True)
    if dialect not in _STAR_STANDS_ALONE:
        return source, exp.Star()
    return exp.alias_(source, _identifier("t"), table=True), exp.Column(
        this=exp.Star(), table=_identifier("t")
    )
