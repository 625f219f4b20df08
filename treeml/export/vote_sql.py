"""Trees that vote as a sum of CASE expressions, one a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from treeml.export import ensemble_sql, tree_sql
from treeml.export.sql_syntax import bracketed, number, quotient
from treeml.ir import TreeVote

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["columns"]


def columns(vote: TreeVote, dialect: str, *, proba: bool, nan_values: bool) -> list[exp.Expr]:
    """The predicted class, or the share of the votes for every class."""
    if not proba:
        return ensemble_sql.columns(vote.as_scores(), dialect, proba=False, nan_values=nan_values)
    return [
        quotient(bracketed(_votes(vote, k, dialect, nan_values)), number(float(vote.n_trees)))
        for k in range(len(vote.classes))
    ]


def _votes(vote: TreeVote, label: int, dialect: str, nan_values: bool) -> exp.Expr:
    """Number of trees that say a class, as a double."""
    from sqlglot import exp

    cases: list[exp.Expr] = [
        tree_sql.compact_case(tree, (tree.label == label).astype(np.float64), dialect, nan_values)
        for tree in vote.trees
    ]
    total = cases[0]
    for case in cases[1:]:
        total = exp.Add(this=total, expression=case)
    return total
