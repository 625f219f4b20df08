"""A model as one SQL expression or query, in any dialect that sqlglot writes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from treeml.export import card_sql, ensemble_sql, routed_sql, tree_sql, vote_sql
from treeml.export.outcome import require_classes
from treeml.export.sql_syntax import identifier
from treeml.ir import Model, RoutedModel, Scorecard, TreeEnsemble, TreeVote

if TYPE_CHECKING:
    from sqlglot import Generator, exp

__all__ = ["sql"]

_STAR_STANDS_ALONE = frozenset({"oracle"})


def sql(
    model: Model,
    dialect: str = "duckdb",
    table: str | None = None,
    *,
    column_alias: str = "prediction",
    proba: bool = False,
    nan_values: bool = True,
) -> str:
    """The prediction as an expression, or as a query that adds it to a table.

    A tree is a CASE, a flat list that is read from the top: one WHEN a leaf, with the questions
    that its path answers *yes*. Questions answered *no* need no condition, because the rows that
    answer yes to them have been taken by an earlier line. So nothing is negated, and NULL, which
    makes no condition true, falls to the line that it belongs to, as a missing value does in
    `Tree.predict`. Nor is anything nested, however deep the tree (T-SQL allows ten levels).

    A scorecard is a sum, one CASE a term in the order of its terms, that is compared with the
    threshold. Its probabilities use EXP (in SQLite: where it was built with the mathematical
    functions), of a number that LEAST and GREATEST keep from overflow and underflow where points
    and scale alone do not (in T-SQL: since SQL Server 2022).

    An ensemble is a sum, one CASE a tree in their order (in brackets by the hundred, where they
    are more), compared with 0 for two classes. For more classes a scalar subquery gives the sums
    names and takes the greatest. A database that adds decimals or in another order may differ in
    the last digits.

    A routed model is the CASE of its tree with the sum of an expert at each leaf; linear scores of
    a router get their names in a scalar subquery. A model of several numbers gives a column each.

    Thresholds are decimals that every reader turns into the same float64: plain (``41.5``) where
    they are exact in binary, elsewhere with an exponent (``0.1E0``), which databases read as a
    double, whereas ``0.1`` is a DECIMAL. Dates are compared with DATE or TIMESTAMP values.

    A float column may store NaN, which is greater than every number in DuckDB, PostgreSQL,
    Snowflake and Spark. There, ``>`` carries the condition ``<> CAST('NaN' AS DOUBLE)``; ``<=``
    needs none. Strings compare as the collation of the database says; it must be case-sensitive.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, ActionTree, TreeEnsemble, Scorecard or RoutedModel
        The model.
    dialect : str, default="duckdb"
        Any dialect of sqlglot, such as "sqlite", "postgres", "bigquery", "snowflake" or "tsql".
    table : str or None, default=None
        Name of a table, with or without its schema ("main.customers"). None gives the expression
        alone. Names are always quoted.
    column_alias : str, default="prediction"
        Name of the new column; with ``proba`` followed by ``_<class>``, of a model of several
        numbers by ``_<position>``.
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
        Where the dialect is unknown, the table is not a name, a class or level cannot be
        written, or ``proba`` is asked of a model that predicts numbers or of a scorecard without
        a scale.
    """
    import sqlglot
    from sqlglot import exp

    known = sorted(d.value for d in sqlglot.Dialects if d.value)
    if dialect not in known:
        raise ValueError(f"dialect {dialect!r} is not one of {', '.join(known)}")
    classes = require_classes(model).tolist() if proba else []
    values = _values(model, dialect, proba=proba, nan_values=nan_values)
    if table is None and len(values) == 1 and not proba:
        return _written(values[0], dialect)
    several = classes if proba else range(len(values))
    names = [f"{column_alias}_{c}" for c in several] if proba or len(values) > 1 else [column_alias]
    columns = [
        exp.alias_(value, identifier(name), copy=False)
        for value, name in zip(values, names, strict=True)
    ]
    if table is None:
        return ",\n".join(_written(column, dialect) for column in columns)
    source, star = _source(table, dialect)
    query = exp.select(star, *columns, copy=False).from_(source, copy=False)
    return _written(query, dialect)


def _values(model: Model, dialect: str, *, proba: bool, nan_values: bool) -> list[exp.Expr]:
    if isinstance(model, Scorecard):
        return card_sql.columns(model, dialect, proba=proba, nan_values=nan_values)
    if isinstance(model, TreeVote):
        return vote_sql.columns(model, dialect, proba=proba, nan_values=nan_values)
    if isinstance(model, TreeEnsemble):
        return ensemble_sql.columns(model, dialect, proba=proba, nan_values=nan_values)
    if isinstance(model, RoutedModel):
        return routed_sql.columns(model, dialect, proba=proba, nan_values=nan_values)
    return tree_sql.columns(model, dialect, proba=proba, nan_values=nan_values)


def _written(expression: exp.Expr, dialect: str) -> str:
    return _generator(dialect)(dialect=dialect, pretty=True).generate(expression)


@functools.cache
def _generator(dialect: str) -> type[Generator]:
    """The generator of a dialect, except that each term of a score has a line of its own."""
    from sqlglot import Dialect, exp

    plain: type[Generator] = Dialect.get_or_raise(dialect).generator_class

    class Lines(plain):
        def add_sql(self, expression: exp.Add) -> str:
            if not isinstance(expression.expression, (exp.Case, exp.Coalesce)):
                return plain.add_sql(self, expression)
            left, right = self.sql(expression, "this"), self.sql(expression, "expression")
            return f"{left}{self.sep('')}+ {right}"

    return Lines


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
    for part in source.find_all(exp.Identifier):
        part.set("quoted", True)
    if dialect not in _STAR_STANDS_ALONE:
        return source, exp.Star()
    return exp.alias_(source, identifier("t"), table=True), exp.Column(
        this=exp.Star(), table=identifier("t")
    )
