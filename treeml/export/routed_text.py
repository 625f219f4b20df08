"""A routed model in words: which expert answers where, and what each says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from treeml.export.outcome import meaning, one_line, rows_text, value_text
from treeml.export.rules import conditions
from treeml.ir import LinearMap, LinearRouter, RoutedModel
from treeml.ir.predicate import sum_text

__all__ = ["expert_text", "lines", "rule_columns", "sentences"]

_MISSING = (
    'A missing value answers no to every question except "is missing".',
    "A missing value in a column that a score reads sends the row to expert 0.",
    "Where the expert reads a missing value, ",
)


def expert_text(model: RoutedModel, which: int) -> str:
    """What an expert says, such as ``3 + 0.5 age - 2 income, at least 0``."""
    expert = model.experts[which]
    outputs = [
        f"{_sum(model, expert, k)}{_range(*model.limits(which, k))}" for k in range(model.n_outputs)
    ]
    if model.link == "logistic":
        return f"score {outputs[0]}"
    if model.link == "softmax":
        names = [one_line(str(name)) for name in model.required_classes()]
        return "; ".join(f"score of {n}: {o}" for n, o in zip(names, outputs, strict=True))
    if len(outputs) == 1:
        return outputs[0]
    return "; ".join(f"number {k}: {output}" for k, output in enumerate(outputs))


def lines(model: RoutedModel) -> list[str]:
    """The model for reading: questions with the experts at their ends, or scores and experts."""
    out = [meaning(model), ""] if model.classes is not None else []
    if isinstance(model.router, LinearRouter):
        if len(model.used_experts) == 1:
            return [*out, f"always: {expert_text(model, 0)}", *_missing(model)]
        out.append("The expert with the greatest route score answers, the first of several.")
        for which in model.used_experts:
            out += [
                f"expert {which}:",
                f"    route score {_route(model, which)}",
                f"    says {expert_text(model, which)}",
            ]
        return [*out, *_missing(model)]
    tree = model.router
    stack: list[tuple[int, int, str]] = [(0, 0, "")]
    while stack:
        node, depth, heading = stack.pop()
        if heading:
            out.append("    " * (depth - 1) + heading)
        which = int(tree.predicate[node])
        if which < 0:
            always = "always: " if tree.n_nodes == 1 else ""
            out.append("    " * depth + always + _leaf(model, node))
            continue
        question = tree.predicates[which]
        no, yes = one_line(question.complement_text()), one_line(question.text())
        stack.append((int(tree.if_false[node]), depth + 1, f"else ({no}):"))
        stack.append((int(tree.if_true[node]), depth + 1, f"if {yes}:"))
    return [*out, *_missing(model)]


def sentences(model: RoutedModel) -> list[str]:
    """One sentence a leaf, or an expert with a score; for classes one on what scores mean."""
    end = [] if model.classes is None else [meaning(model)]
    if isinstance(model.router, LinearRouter):
        return [
            f"If {_winner(model, which)}, then {expert_text(model, which)}."
            for which in model.used_experts
        ] + end
    out = []
    for leaf, path in model.router.paths():
        words = " and ".join(conditions(path))
        out.append(f"{f'If {words}, then' if words else 'Always'} {_leaf(model, leaf)}.")
    return out + end


def rule_columns(model: RoutedModel) -> dict[str, Any]:
    """Columns of a data frame: one row a leaf, or an expert with a score."""
    used = list(model.used_experts)
    if isinstance(model.router, LinearRouter):
        return {
            "rule": [_winner(model, which) for which in used],
            "expert": used,
            "says": [expert_text(model, which) for which in used],
        }
    tree = model.router
    texts = {leaf: " and ".join(conditions(path)) or "always" for leaf, path in tree.paths()}
    leaves = tree.leaves
    rows = tree.rows[leaves]
    return {
        "rule": [texts[leaf] for leaf in leaves.tolist()],
        "expert": tree.expert[leaves],
        "says": [expert_text(model, which) for which in tree.expert[leaves].tolist()],
        "rows": rows.astype(np.int64) if np.all(rows == np.floor(rows)) else rows,
        "depth": tree.node_depth[leaves],
        "leaf": leaves,
    }


def _leaf(model: RoutedModel, node: int) -> str:
    """What the expert of a leaf says, which one it is, and of how many rows, where known."""
    tree = model.router
    assert not isinstance(tree, LinearRouter)
    which = int(tree.expert[node])
    rows = f", {rows_text(float(tree.rows[node]))}" if tree.rows[0] > 0 else ""
    return f"{expert_text(model, which)} (expert {which}{rows})"


def _winner(model: RoutedModel, which: int) -> str:
    if len(model.used_experts) == 1:
        return "always"
    return f"{_route(model, which)} is the greatest route score"


def _route(model: RoutedModel, which: int) -> str:
    assert isinstance(model.router, LinearRouter)
    return _sum(model, model.router.scores, which)


def _sum(model: RoutedModel, of: LinearMap, output: int) -> str:
    products = of.products(output)
    names = [one_line(model.columns[j].name) for j, _ in products]
    return sum_text([weight for _, weight in products], names, float(of.intercept[output]))


def _range(low: float, high: float) -> str:
    parts = [f"at least {value_text(low)}"] if math.isfinite(low) else []
    parts += [f"at most {value_text(high)}"] if math.isfinite(high) else []
    return f", {' and '.join(parts)}" if parts else ""


def _missing(model: RoutedModel) -> list[str]:
    """What missing values do, where it matters."""
    tree, router, expert = _MISSING
    out = []
    if isinstance(model.router, LinearRouter):
        out += [router] if model.router.scores.read.size else []
    elif model.router.n_nodes > 1:
        out.append(tree)
    if any(model.experts[which].read.size for which in model.used_experts):
        first = None if model.classes is None else one_line(str(model.classes[0]))
        out.append(expert + ("there is no number." if first is None else f"{first} is predicted."))
    return ["", *out] if out else []
