"""A routed model as SQL: a CASE over the router, with a sum for each expert."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from treeml.export import tree_sql
from treeml.export.sql_syntax import (
    MOST_LOGIT,
    bracketed,
    constant,
    first_greatest,
    greatest,
    identifier,
    linear_sum,
    logistic,
    number,
    quotient,
)
from treeml.ir import LinearMap, LinearRouter, RoutedModel
from treeml.ir.predicate import Term

if TYPE_CHECKING:
    from sqlglot import exp

_NEEDS_A_TABLE = frozenset({"oracle"})

__all__ = ["columns"]


def columns(model: RoutedModel, dialect: str, *, proba: bool, nan_values: bool) -> list[exp.Expr]:
    """The predicted class, the probability of every class, or every number."""
    from sqlglot import exp

    scores = [_score(model, k, dialect, nan_values) for k in range(model.n_outputs)]
    if model.classes is None:
        return scores
    labels = [constant(name, dialect) for name in model.classes]
    if model.link == "logistic" and not proba:
        above = exp.GT(this=bracketed(scores[0]), expression=number(0.0))
        return [exp.Case(ifs=[exp.If(this=above, true=labels[1])], default=labels[0])]

    def named(value: Callable[[list[exp.Expr]], exp.Expr]) -> exp.Expr:
        return _named(scores, _free("score", model), value, dialect)

    if not proba:
        return [named(lambda names: first_greatest(names, labels))]
    if model.link == "logistic":
        return [
            named(
                lambda names, second=second: _known(
                    names, logistic(names[0].copy(), dialect, second, True)
                )
            )
            for second in (False, True)
        ]
    return [
        named(lambda names, k=k: _known(names, _share(names, k, dialect)))
        for k in range(model.n_classes)
    ]


def _score(model: RoutedModel, output: int, dialect: str, nan_values: bool) -> exp.Expr:
    """An output of the expert that the router chooses."""

    def said(which: int) -> exp.Expr:
        total = _sum(model, model.experts[which], output, dialect, nan_values)
        return _within(total, *model.limits(which, output), dialect)

    router = model.router
    if not isinstance(router, LinearRouter):
        expert = router.expert
        return tree_sql.first_match(
            router, lambda leaf: said(int(expert[leaf])), dialect, nan_values
        )
    every = model.used_experts
    if len(every) == 1:
        return said(0)
    routes = [_sum(model, router.scores, k, dialect, nan_values) for k in every]
    name = _free("route", model)
    return _named(
        routes, name, lambda names: first_greatest(names, list(map(said, every))), dialect
    )


def _free(name: str, model: RoutedModel) -> str:
    """A prefix that no column has: within a query a column must not be taken for a score."""
    while any(column.name.lower().startswith(f"{name}_") for column in model.columns):
        name += "_"
    return name


def _sum(
    model: RoutedModel, of: LinearMap, output: int, dialect: str, nan_values: bool
) -> exp.Expr:
    products = [(Term(j, model.columns[j]), weight) for j, weight in of.products(output)]
    return linear_sum(float(of.intercept[output]), products, dialect, nan_values)


def _within(total: exp.Expr, low: float, high: float, dialect: str) -> exp.Expr:
    """A sum kept within a range; NULL stays NULL, which LEAST and GREATEST might pass over."""
    from sqlglot import exp

    lines = []
    for limit, below in ((low, True), (high, False)):
        if math.isfinite(limit):
            kind = exp.LT if below else exp.GT
            beyond = kind(this=bracketed(total.copy()), expression=number(limit))
            lines.append(exp.If(this=beyond, true=constant(limit, dialect)))
    return exp.Case(ifs=lines, default=total) if lines else total


def _named(
    values: list[exp.Expr],
    name: str,
    end: Callable[[list[exp.Expr]], exp.Expr],
    dialect: str,
) -> exp.Expr:
    """A scalar subquery that gives the values names, so that each is written, and made, once."""
    from sqlglot import exp

    inner = exp.select(
        *(
            exp.alias_(value.copy(), identifier(f"{name}_{k}"), copy=False)
            for k, value in enumerate(values)
        ),
        copy=False,
    )
    if dialect in _NEEDS_A_TABLE:
        inner = inner.from_("dual", copy=False)
    source = inner.subquery(identifier(f"{name}s"), copy=False)
    names: list[exp.Expr] = [
        exp.Column(this=identifier(f"{name}_{k}"), table=identifier(f"{name}s"))
        for k in range(len(values))
    ]
    return exp.select(end(names), copy=False).from_(source, copy=False).subquery(copy=False)


def _known(names: list[exp.Expr], value: exp.Expr) -> exp.Expr:
    """The value where no name is NULL; NULL elsewhere."""
    from sqlglot import exp

    known = [exp.EQ(this=name.copy(), expression=name.copy()) for name in names]
    return exp.Case(ifs=[exp.If(this=exp.and_(*known, copy=False), true=value)])


def _share(names: list[exp.Expr], which: int, dialect: str) -> exp.Expr:
    """exp(score) of a class by that of all, each taken below the greatest score."""
    from sqlglot import exp

    def odds(k: int) -> exp.Expr:
        if len(names) == 1:
            return constant(1.0, dialect)
        most = greatest([name.copy() for name in names], dialect)
        below = exp.Sub(this=names[k].copy(), expression=most)
        kept = greatest([below, constant(-MOST_LOGIT, dialect)], dialect)
        return exp.func("EXP", kept, copy=False)

    total = odds(0)
    for k in range(1, len(names)):
        total = exp.Add(this=total, expression=odds(k))
    return quotient(odds(which), bracketed(total))
