"""A tree as Python statements that return early."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from treeml.export.python_syntax import question, scalar
from treeml.ir import ActionTree, RegressionTree, Tree, TreeNodes
from treeml.ir.predicate import Term

__all__ = ["early_returns", "statements", "terms"]


def terms(tree: TreeNodes) -> set[Term]:
    """What some node asks about."""
    asked = (tree.predicates[i].term for i in np.unique(tree.predicate) if i >= 0)
    return {part for term in asked for part in term.parts}


def statements(
    tree: Tree | RegressionTree | ActionTree, names: dict[int, str], proba: bool
) -> list[ast.stmt]:
    """Early returns of classes, numbers or probabilities."""
    if isinstance(tree, RegressionTree):
        return early_returns(tree, names, [ast.Constant(value) for value in tree.value.tolist()])
    if not proba or isinstance(tree, ActionTree):  # `require_classes` has refused the latter
        labels = [scalar(name) for name in tree.classes]
        return early_returns(tree, names, [ast.Constant(labels[k]) for k in tree.label])
    return early_returns(tree, names, [_shares(tree, row) for row in tree.node_proba.tolist()])


def early_returns(
    tree: TreeNodes, names: dict[int, str], outcomes: Sequence[ast.expr]
) -> list[ast.stmt]:
    """Questions and returns, from the leaves up: children come after their parent in the arrays.

    Parameters
    ----------
    tree : TreeNodes
        The model.
    names : dict of int -> str
        The variable that holds each column.
    outcomes : sequence of ast.expr
        What each node returns if it is a leaf.
    """
    nesting = np.zeros(tree.n_nodes, dtype=np.int64)
    last_first: dict[int, list[ast.stmt]] = {}
    for node in reversed(range(tree.n_nodes)):
        if tree.predicate[node] < 0:
            last_first[node] = [ast.Return(outcomes[node])]
            continue
        yes, no = int(tree.if_true[node]), int(tree.if_false[node])
        inside, after = (yes, no) if nesting[yes] <= nesting[no] else (no, yes)
        nesting[node] = max(nesting[inside] + 1, nesting[after])
        predicate = tree.predicates[tree.predicate[node]]
        test = question(predicate, names)
        if inside == no:
            test = ast.UnaryOp(ast.Not(), test)
        statements = last_first.pop(after)
        statements.append(ast.If(test, last_first.pop(inside)[::-1], []))
        last_first[node] = statements
    return last_first[0][::-1]


def _shares(tree: Tree, shares: list[float]) -> ast.expr:
    """A dict of class -> probability."""
    classes: list[ast.expr | None] = [ast.Constant(scalar(name)) for name in tree.classes]
    return ast.Dict(classes, [ast.Constant(share) for share in shares])
