"""A tree as one flat CASE expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from treeml.export.sql_syntax import conditions, constant
from treeml.ir.predicate import Predicate
from treeml.ir.tree import Tree

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["columns"]


def columns(tree: Tree, dialect: str, *, proba: bool, nan_values: bool) -> list[exp.Expr]:
    """The predicted class, or the probability of every class."""
    outcomes = list(tree.node_proba.T) if proba else [tree.classes[tree.label]]
    return [_case(tree, values, dialect, nan_values) for values in outcomes]


def _case(tree: Tree, values: np.ndarray, dialect: str, nan_values: bool) -> exp.Expr:
    """First match over the leaves in depth-first order, yes first, by their yes answers alone."""
    from sqlglot import exp

    lines: list[exp.If] = []
    for leaf, path in tree.paths():
        value = constant(values[leaf], dialect)
        questions = _tightest([predicate for predicate, answer in path if answer])
        if not questions:
            return exp.Case(ifs=lines, default=value) if lines else value
        tests = [test for p in questions for test in conditions(p, dialect, nan_values)]
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
