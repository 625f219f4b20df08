"""A model as one stand-alone Python function, built as a syntax tree and then written out."""

from __future__ import annotations

import ast
import builtins
import keyword
import unicodedata
from collections.abc import Iterable

from treeml._core.version import __version__
from treeml.export import card_python, ensemble_python, routed_python, tree_python, vote_python
from treeml.export.outcome import classes_of, require_classes
from treeml.export.python_syntax import ADD_UP, scalar
from treeml.ir import Model, RoutedModel, Scorecard, TreeEnsemble, TreeVote
from treeml.ir.predicate import Term

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


def python(model: Model, function: str = "predict", *, proba: bool = False) -> str:
    """Source of a function that predicts one row; it needs the standard library only.

    Numbers are compared as float64, as in the model's ``predict``. Dates may be given as days
    since 1970 or as ``date`` and ``datetime`` objects; times with a zone count in UTC, as at fit.

    A tree becomes early returns: at each question the branch that nests less stands inside the
    ``if`` and returns; the other one follows it, unindented. The nesting is so at most log2 of
    the number of leaves, whatever the depth of the tree, and a prediction still asks only the
    questions of its path. An ensemble has one such function a tree within its own and adds up
    their values in order, as `TreeEnsemble.score` does; a scorecard adds up its points in the
    order of its terms, as `Scorecard.score` does. A routed model returns the sum of its expert; of
    several numbers, a tuple.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, ActionTree, TreeEnsemble, Scorecard or RoutedModel
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
        Where ``function`` is not a name, or a class or level is not a str, int, float or bool, or
        ``proba`` is asked of a model that predicts numbers or of a scorecard without a scale.
    """
    if not function.isidentifier() or keyword.iskeyword(function):
        raise ValueError(f"function={function!r} is not a Python name")
    if proba:
        require_classes(model)
    asked, reserved = _asked(model)
    used = sorted(asked, key=lambda term: term.index)
    names = _variable_names(used, {function, *reserved})
    body: list[ast.stmt] = [
        ast.Expr(ast.Constant(_DOCSTRING.format(what=_what(model, proba), version=__version__)))
    ]
    if any(term.column.kind == "date" for term in used):
        body += ast.parse(_DAYS).body
    body += [ast.Assign([ast.Name(names[term.index], ast.Store())], _read(term)) for term in used]
    statements = _statements(model, names, proba)
    if any(isinstance(n, ast.Name) and n.id == "add_up" for s in statements for n in ast.walk(s)):
        body += ast.parse(ADD_UP).body
    body += statements
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("row")], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    definition = ast.FunctionDef(function, arguments, body, decorator_list=[])
    module = ast.fix_missing_locations(ast.Module([definition], type_ignores=[]))
    return ast.unparse(module) + "\n"


def _asked(model: Model) -> tuple[set[Term], Iterable[str]]:
    """What the model asks about, and the names that its statements use."""
    if isinstance(model, Scorecard):
        return card_python.terms(model), card_python.LOCAL_NAMES
    if isinstance(model, TreeVote):
        return vote_python.terms(model), vote_python.local_names(model)
    if isinstance(model, TreeEnsemble):
        return ensemble_python.terms(model), {"add_up", *ensemble_python.local_names(model)}
    if isinstance(model, RoutedModel):
        return routed_python.terms(model), routed_python.LOCAL_NAMES
    return tree_python.terms(model), ("add_up",)


def _statements(model: Model, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    if isinstance(model, Scorecard):
        return card_python.statements(model, names, proba)
    if isinstance(model, TreeVote):
        return vote_python.statements(model, names, proba)
    if isinstance(model, TreeEnsemble):
        return ensemble_python.statements(model, names, proba)
    if isinstance(model, RoutedModel):
        return routed_python.statements(model, names, proba)
    return tree_python.statements(model, names, proba)


def _what(model: Model, proba: bool) -> str:
    if proba:
        return "Class probabilities"
    return "Predicted class" if classes_of(model) is not None else "Predicted value"


def _variable_names(terms: list[Term], reserved: Iterable[str]) -> dict[int, str]:
    """A local variable for each column: its name where that is one, ``x<position>`` elsewhere."""
    taken = {*dir(builtins), "row", "days", *reserved}
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
