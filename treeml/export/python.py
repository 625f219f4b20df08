"""A tree as one stand-alone Python function, built as a syntax tree and then written out."""

from __future__ import annotations

import ast
import builtins
import keyword
import unicodedata
from typing import Any

import numpy as np

from treeml._core.version import __version__
from treeml.ir.predicate import Predicate, Term
from treeml.ir.tree import Tree

__all__ = ["python", "scalar"]

_DOCSTRING = """{what} of one row, a mapping of column name to value.

    A missing value (None, NaN or an absent key), or a level not seen in training, answers no to
    every question except "is missing". Written by treeml {version}.
    """

_DAYS = """
def days(value):
    import datetime
    if value is None or value != value:
        return float("nan")
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return (value - datetime.datetime(1970, 1, 1)) / datetime.timedelta(1)
    if isinstance(value, datetime.date):
        return float((value - datetime.date(1970, 1, 1)).days)
    return float(value)
"""


def python(tree: Tree, function: str = "predict", *, proba: bool = False) -> str:
    """Source of a function that predicts one row; it needs the standard library only.

    Numbers are compared as float64, as in `Tree.predict`. Dates may be given as days since 1970
    or as ``date`` and ``datetime`` objects; times with a zone count in UTC, as at fit.

    At each question the branch that nests less stands inside the ``if`` and returns; the other
    one follows it, unindented. The nesting is so at most log2 of the number of leaves, whatever
    the depth of the tree, and a prediction still asks only the questions of its path.

    Parameters
    ----------
    tree : Tree
        The model.
    function : str, default="predict"
        Name of the function.
    proba : bool, default=False
        Return a dict of class -> probability instead of the class.

    Returns
    -------
    str
        Source text of one ``def``.

    Raises
    ------
    ValueError
        Where ``function`` is not a name, or a class or level is not a str, int, float or bool.
    """
    if not function.isidentifier() or keyword.iskeyword(function):
        raise ValueError(f"function={function!r} is not a Python name")
    used = sorted({p.term for p in _asked(tree)}, key=lambda term: term.index)
    names = _variable_names(used, function)
    what = "Class probabilities" if proba else "Predicted class"
    body: list[ast.stmt] = [
        ast.Expr(ast.Constant(_DOCSTRING.format(what=what, version=__version__)))
    ]
    if any(term.column.kind == "date" for term in used):
        body += ast.parse(_DAYS).body
    body += [ast.Assign([ast.Name(names[term.index], ast.Store())], _read(term)) for term in used]
    body += _statements(tree, names, proba)
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("row")], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    definition = ast.FunctionDef(function, arguments, body, decorator_list=[])
    module = ast.fix_missing_locations(ast.Module([definition], type_ignores=[]))
    return ast.unparse(module) + "\n"


def scalar(value: Any) -> str | int | float | bool:
    """A class or level as a plain Python value, so that it can be written as a literal."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, str):
        return str(plain)
    if isinstance(plain, (bool, int)) or (isinstance(plain, float) and np.isfinite(plain)):
        return plain
    raise ValueError(
        f"class or level {value!r} of type {type(value).__name__} cannot be written; "
        "use str, int, finite float or bool"
    )


def _asked(tree: Tree) -> list[Predicate]:
    """The predicates that some node asks."""
    return [tree.predicates[i] for i in np.unique(tree.predicate) if i >= 0]


def _variable_names(terms: list[Term], function: str) -> dict[int, str]:
    """A local variable for each column: its name where that is one, ``x<position>`` elsewhere."""
    taken = {*dir(builtins), "row", "days", function}
    names = {}
    for term in terms:
        name = unicodedata.normalize("NFKC", term.name)
        usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
        if not usable or name in taken or name != term.name:
            name = f"x{term.index}"
        while name in taken:
            name += "_"
        names[term.index] = name
        taken.add(name)
    return names


def _read(term: Term) -> ast.expr:
    """The value of a column: a float with NaN where missing, or the object itself."""
    key = ast.Constant(term.name)
    row = ast.Name("row", ast.Load())
    get = ast.Call(ast.Attribute(row, "get", ast.Load()), [key], [])
    if term.column.kind == "date":
        return ast.Call(ast.Name("days", ast.Load()), [get], [])
    if not term.column.numeric:
        return get
    missing = ast.Compare(get, [ast.Is()], [ast.Constant(None)])
    known = ast.Subscript(row, key, ast.Load())
    value = ast.IfExp(missing, ast.Constant("nan"), known)
    return ast.Call(ast.Name("float", ast.Load()), [value], [])


def _statements(tree: Tree, names: dict[int, str], proba: bool) -> list[ast.stmt]:
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
        test = _test(predicate, names[predicate.term.index])
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


def _test(predicate: Predicate, name: str) -> ast.expr:
    """The question as an expression that is true exactly where the answer is yes."""
    value = ast.Name(name, ast.Load())
    if predicate.test == "is missing":
        unequal = ast.Compare(value, [ast.NotEq()], [value])
        if predicate.term.column.kind in ("category", "boolean"):
            return ast.BoolOp(
                ast.Or(), [ast.Compare(value, [ast.Is()], [ast.Constant(None)]), unequal]
            )
        return unequal
    if predicate.test == "in":
        levels: list[ast.expr] = [ast.Constant(scalar(level)) for level in predicate.value]
        if len(levels) == 1:
            return ast.Compare(value, [ast.Eq()], levels)
        return ast.Compare(value, [ast.In()], [ast.Tuple(levels, ast.Load())])
    operator = ast.LtE() if predicate.test == "<=" else ast.Gt()
    return ast.Compare(value, [operator], [ast.Constant(float(predicate.value))])
