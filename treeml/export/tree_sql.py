"""A tree as one flat CASE expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from treeml.export.sql_syntax import conditions, constant
from treeml.ir import ActionTree, Predicate, RegressionTree, Tree, TreeNodes

if TYPE_CHECKING:
    from sqlglot import exp

_MOST_NESTED = 9  # T-SQL allows ten levels, one of which compares the score

__all__ = ["case", "columns", "compact_case", "first_match"]


def columns(
    tree: Tree | RegressionTree | ActionTree, dialect: str, *, proba: bool, nan_values: bool
) -> list[exp.Expr]:
    """The predicted class or number, or the probability of every class."""
    if isinstance(tree, RegressionTree):
        outcomes = [tree.value]
    elif isinstance(tree, ActionTree):
        outcomes = [tree.actions[tree.label]]
    else:
        outcomes = list(tree.node_proba.T) if proba else [tree.classes[tree.label]]
    return [case(tree, values, dialect, nan_values) for values in outcomes]


def case(tree: TreeNodes, values: np.ndarray, dialect: str, nan_values: bool) -> exp.Expr:
    """First match over the leaves in depth-first order, yes first, by their yes answers alone."""
    return first_match(tree, lambda leaf: constant(values[leaf], dialect), dialect, nan_values)


def first_match(
    tree: TreeNodes, value_of: Callable[[int], exp.Expr], dialect: str, nan_values: bool
) -> exp.Expr:
    """`case` with an expression of its own for every leaf."""
    from sqlglot import exp

    lines: list[exp.If] = []
    for leaf, path in tree.paths():
        value = value_of(leaf)
        questions = _tightest([predicate for predicate, answer in path if answer])
        if not questions:
            return exp.Case(ifs=lines, default=value) if lines else value
        tests = [test for p in questions for test in conditions(p, dialect, nan_values)]
        lines.append(exp.If(this=exp.and_(*tests, copy=False), true=value))
    raise AssertionError("the last leaf of a tree answers no to every question")


def compact_case(tree: TreeNodes, values: np.ndarray, dialect: str, nan_values: bool) -> exp.Expr:
    """A CASE that asks each question once: what follows a *yes* is a CASE within, *no* goes on.

    That is a fraction of the text of `case`, whose lines repeat the questions of their path.
    Where it would nest more than databases allow, it is that flat one.
    """
    from sqlglot import exp

    def closed(lines: list[exp.If], default: exp.Expr) -> exp.Expr:
        return exp.Case(ifs=lines[::-1], default=default) if lines else default

    nesting = np.zeros(tree.n_nodes, dtype=np.int64)
    last_first: dict[int, tuple[list[exp.If], exp.Expr]] = {}
    for node in reversed(range(tree.n_nodes)):
        if tree.predicate[node] < 0:
            last_first[node] = [], constant(values[node], dialect)
            continue
        yes, no = int(tree.if_true[node]), int(tree.if_false[node])
        nesting[node] = max(nesting[yes] + 1, nesting[no])
        if nesting[node] > _MOST_NESTED:
            return case(tree, values, dialect, nan_values)
        tests = conditions(tree.predicates[tree.predicate[node]], dialect, nan_values)
        lines, default = last_first.pop(no)
        inside = closed(*last_first.pop(yes))
        lines.append(exp.If(this=exp.and_(*tests, copy=False), true=inside))
        last_first[node] = lines, default
    return closed(*last_first[0])


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
