"""An ensemble as Python: a function for each tree within the function, whose values add up."""

from __future__ import annotations

import ast

from treeml.export import tree_python
from treeml.export.python_syntax import logistic, scalar
from treeml.ir import TreeEnsemble
from treeml.ir.predicate import Term

_LOG_OF_GREATEST = 709.782712893384  # of the double that is greatest

_ODDS = """
import math
greatest = max(scores)
odds = [math.exp(score - greatest) for score in scores]
total = sum(odds)
return {{name: share / total for name, share in zip({names!r}, odds)}}
"""

__all__ = ["local_names", "statements", "terms"]


def terms(ensemble: TreeEnsemble) -> set[Term]:
    """What some tree asks about."""
    return {term for tree in ensemble.trees for term in tree_python.terms(tree)}


def local_names(ensemble: TreeEnsemble) -> set[str]:
    """Names that the function uses besides those of columns."""
    trees = {_name(i) for i in range(ensemble.n_trees)}
    return trees | {
        "math",
        "score",
        "scores",
        "logit",
        "odds",
        "greatest",
        "total",
        "name",
        "share",
    }


def statements(ensemble: TreeEnsemble, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    """The trees, one addition a tree in their order, and a return."""
    body: list[ast.stmt] = [_function(ensemble, i, names) for i in range(ensemble.n_trees)]
    several = ensemble.n_outputs > 1 or ensemble.link == "softmax"
    base = ensemble.base.tolist()
    lines = [f"scores = {base!r}" if several else f"score = {base[0]!r}"]
    for i, output in enumerate(ensemble.output.tolist()):
        lines.append(f"{f'scores[{output}]' if several else 'score'} += {_name(i)}()")
    return body + ast.parse("\n".join(lines)).body + _end(ensemble, proba)


def _end(ensemble: TreeEnsemble, proba: bool) -> list[ast.stmt]:
    """From scores to what is returned."""
    if ensemble.classes is None:
        power = f"math.exp(score) if score <= {_LOG_OF_GREATEST} else math.inf"
        log = ensemble.link == "log"
        return ast.parse(f"import math\nreturn {power}" if log else "return score").body
    if ensemble.link == "logistic":
        if proba:
            return logistic("score", ensemble.classes)
        low, high = (scalar(name) for name in ensemble.classes)
        return ast.parse(f"return {high!r} if score > 0.0 else {low!r}").body
    classes = tuple(scalar(name) for name in ensemble.classes)
    if proba:
        return ast.parse(_ODDS.format(names=classes)).body
    return ast.parse(f"return {classes!r}[scores.index(max(scores))]").body


def _function(ensemble: TreeEnsemble, which: int, names: dict[int, str]) -> ast.FunctionDef:
    arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    body = tree_python.statements(ensemble.trees[which], names, False)
    return ast.FunctionDef(_name(which), arguments, body, decorator_list=[])


def _name(which: int) -> str:
    return f"tree_{which + 1}"
