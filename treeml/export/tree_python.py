"""A tree as Python statements that return early."""

from __future__ import annotations

import ast

import numpy as np

from treeml.export.python_syntax import question, scalar
from treeml.ir.predicate import Term
from treeml.ir.tree import Tree

__all__ = ["statements", "terms"]


def terms(tree: Tree) -> set[Term]:
    """What some node asks about."""
    return {tree.predicates[i].term for i in np.unique(tree.predicate) if i >= 0}


def statements(tree: Tree, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    """Early returns, from the leaves up: children come after their parent in the arrays."""
    nesting = np.zeros(tree.n_nodes, dtype=np.int64)
    last_first: dict[int, list[ast.stmt]] = {}
    for node in reversed(range(tree.n_nodes)):
        if tree.predicate[node] < 0:
            last_first[node] = [ast.Return(_outcome(tree, node, proba))]
            continue
        yes, no = int(tree.if_true[node]), int(tree.if_false[node])
        inside, after = (yes, no) if nesting[yes] <= nesting[no] else (no, yes)
        nesting[node] = max(nesting[inside] + 1, nesting[after])
        predicate = tree.predicates[tree.predicate[node]]
        test = question(predicate, names[predicate.term.index])
        if inside == no:
            test = ast.UnaryOp(ast.Not(), test)
        statements = last_first.pop(after)
        statements.append(ast.If(test, last_first.pop(inside)[::-1], []))
        last_first[node] = statements
    return last_first[0][::-1]


def _outcome(tree: Tree, node: int, proba: bool) -> ast.expr:
    if not proba:
        return ast.Constant(scalar(tree.classes[tree.label[node]]))
    keys: list[ast.expr | None] = [ast.Constant(scalar(name)) for name in tree.classes]
    return ast.Dict(keys, [ast.Constant(scalar(share)) for share in tree.node_proba[node]])
