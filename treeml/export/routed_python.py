"""A routed model as Python: the router's questions or scores, and a sum for each expert."""

from __future__ import annotations

import ast
import math

import numpy as np

from treeml.export import tree_python
from treeml.export.python_syntax import linear_sum, logistic, scalar
from treeml.ir import LinearRouter, RoutedModel
from treeml.ir.predicate import Term

_WITHIN = """
def within(value, low, high):
    return low if value < low else high if value > high else value
"""
_WINNER = """
routes = {routes}
known = all(route == route for route in routes)
expert = routes.index(max(routes)) if known else 0
"""
_CLASS = """
known = all(score == score for score in scores)
return {names!r}[scores.index(max(scores)) if known else 0]
"""
_ODDS = """
import math
greatest = max(scores)
odds = [math.exp(score - greatest) for score in scores]
total = sum(odds)
return {{name: share / total for name, share in zip({names!r}, odds)}}
"""
LOCAL_NAMES = (
    "add_up", "expert", "greatest", "known", "logit", "math", "odds", "outputs", "routes", "score",
    "scores", "total", "within",
)  # fmt: skip

__all__ = ["LOCAL_NAMES", "statements", "terms"]


def terms(model: RoutedModel) -> set[Term]:
    """What router and experts read."""
    return set(model.read)


def statements(model: RoutedModel, names: dict[int, str], proba: bool) -> list[ast.stmt]:
    """Routing with a return of the expert's sums; classes follow from these."""
    body = ast.parse(_WITHIN).body if model.clip is not None else []
    routed = _routed(model, names)
    if model.classes is None:
        return body + routed
    arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    body.append(ast.FunctionDef("outputs", arguments, routed, decorator_list=[]))
    return body + _end(model, proba)


def _end(model: RoutedModel, proba: bool) -> list[ast.stmt]:
    """From scores to what is returned."""
    labels = [scalar(name) for name in model.required_classes()]
    if model.link == "logistic":
        score = ast.parse("score = outputs()").body
        if proba:
            return score + logistic("score", model.required_classes())
        low, high = labels
        return score + ast.parse(f"return {high!r} if score > 0.0 else {low!r}").body
    end = _ODDS if proba else _CLASS
    single = "(outputs(),)" if model.n_outputs == 1 else "outputs()"
    return ast.parse(f"scores = {single}" + end.format(names=tuple(labels))).body


def _routed(model: RoutedModel, names: dict[int, str]) -> list[ast.stmt]:
    """Statements that return what the expert of the row says."""
    if not isinstance(model.router, LinearRouter):
        tree = model.router
        said = {which: _said(model, which, names) for which in model.used_experts}
        leaf = tree.predicate < 0
        outcomes = [
            said[which] if at_leaf else ast.Constant(None)
            for which, at_leaf in zip(tree.expert.tolist(), leaf.tolist(), strict=True)
        ]
        return tree_python.early_returns(tree, names, outcomes)
    *others, last = model.used_experts
    if not others:
        return [ast.Return(_said(model, last, names))]
    scores = model.router.scores
    routes = [
        linear_sum(float(scores.intercept[k]), scores.products(k), names)
        for k in range(scores.n_outputs)
    ]
    written = ast.unparse(ast.fix_missing_locations(ast.Tuple(routes, ast.Load())))
    body = ast.parse(_WINNER.format(routes=written)).body
    for which in others:
        test = ast.Compare(ast.Name("expert", ast.Load()), [ast.Eq()], [ast.Constant(which)])
        body.append(ast.If(test, [ast.Return(_said(model, which, names))], []))
    return [*body, ast.Return(_said(model, last, names))]


def _said(model: RoutedModel, which: int, names: dict[int, str]) -> ast.expr:
    """The outputs of an expert: an expression, or a tuple of several."""
    expert = model.experts[which]
    outputs = []
    for k in range(model.n_outputs):
        total = linear_sum(float(expert.intercept[k]), expert.products(k), names)
        low, high = model.limits(which, k)
        if np.isfinite(low) or np.isfinite(high):
            total = ast.Call(ast.Name("within", ast.Load()), [total, _bound(low), _bound(high)], [])
        outputs.append(total)
    return outputs[0] if len(outputs) == 1 else ast.Tuple(outputs, ast.Load())


def _bound(value: float) -> ast.expr:
    """A number that may be infinite."""
    if math.isfinite(value):
        return ast.Constant(value)
    return ast.parse(f"float({str(value)!r})", mode="eval").body
