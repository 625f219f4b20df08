"""Trees that vote as Python: a function for each tree within the function, answers counted."""

from __future__ import annotations

import ast

from treeml.export import tree_python
from treeml.export.python_syntax import scalar
from treeml.ir import TreeVote
from treeml.ir.predicate import Term

__all__ = ["local_names", "statements", "terms"]


def terms(vote: TreeVote) -> set[Term]:
    """What some tree asks about."""
    return {term for tree in vote.trees for term in tree_python.terms(tree)}


def local_names(vote: TreeVote) -> set[str]:
    """Names that the function uses besides those of columns."""
    return {_name(i) for i in range(vote.n_trees)} | {"votes", "name"}


def statements(vote: TreeVote, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    """The trees, the list of their answers, and a return."""
    body: list[ast.stmt] = []
    for i, tree in enumerate(vote.trees):
        arguments = ast.arguments(
            posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        inside = tree_python.statements(tree, names, False)
        body.append(ast.FunctionDef(_name(i), arguments, inside, decorator_list=[]))
    classes = tuple(scalar(name) for name in vote.classes)
    answers = ", ".join(f"{_name(i)}()" for i in range(vote.n_trees))
    result = f"max({classes!r}, key=votes.count)"
    if proba:
        result = f"{{name: votes.count(name) / {vote.n_trees} for name in {classes!r}}}"
    return body + ast.parse(f"votes = [{answers}]\nreturn {result}").body


def _name(which: int) -> str:
    return f"tree_{which + 1}"
