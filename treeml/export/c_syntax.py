"""Names, literals, questions and sums as C, for functions over every kind of model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from treeml._core.table import ColumnType
from treeml.export.outcome import one_line
from treeml.export.python_syntax import scalar
from treeml.ir import LinearForm, Predicate, TreeNodes
from treeml.ir.predicate import Term

RESERVED = frozenset(
    {
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "bool",
        "true",
        "false",
        "class",
        "new",
        "delete",
        "template",
        "this",
        "main",
        "exp",
        "fabs",
        "isnan",
        "strcmp",
        "NAN",
        "INFINITY",
        "row",
        "out",
        "column",
        "text",
        "score",
        "route",
        "logit",
        "odds",
        "total",
        "greatest",
        "shares",
        "k",
    }
)
_INDENT = "    "

Codes = Mapping[int, Mapping[Any, int]]

__all__ = [
    "RESERVED", "Codes", "comment", "condition", "early_returns", "level_codes", "linear_sum",
    "number", "string", "variable_names",
]  # fmt: skip


def number(value: float) -> str:
    """A double that compilers read back as the same one."""
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(float(value))


def string(text: str) -> str:
    """A string literal in UTF-8; whatever is no plain character is written in octal."""
    plain = {*range(32, 127)} - {ord(sign) for sign in '"\\?'}
    parts = (chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(parts)}"'


def comment(text: str) -> str:
    """The text as one line that ends no comment."""
    return one_line(text).replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")


def variable_names(terms: Iterable[Term], reserved: Iterable[str]) -> dict[int, str]:
    """A local variable for each column: its name where that is one in C, else ``x<position>``."""
    taken, names = {*RESERVED, *reserved}, {}
    for term in terms:
        name = term.name
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in taken:
            name = f"x{term.index}"
        while name in taken:
            name += "_"
        names[term.index] = name
        taken.add(name)
    return names


def level_codes(columns: Sequence[ColumnType], predicates: Iterable[Predicate]) -> Codes:
    """The number that stands for each level of each category that is asked of.

    An ordered category's levels come first, in their order; others as questions name them.
    """
    codes: dict[int, dict[Any, int]] = {}
    for predicate in predicates:
        column = predicate.term.column
        if predicate.test == "in" and column.kind == "category":
            known = codes.setdefault(predicate.term.index, {})
            for level in (*columns[predicate.term.index].levels, *predicate.value):
                known.setdefault(scalar(level), len(known))
    return codes


def linear_sum(
    start: float | None, products: Iterable[tuple[int, float]], names: Mapping[int, str]
) -> str:
    """A start and products of columns and weights, added from left to right."""
    total = "" if start is None else number(start)
    for j, weight in products:
        if not total:
            total = f"{number(weight)} * {names[j]}"
        else:
            total += f" {'-' if weight < 0 else '+'} {number(abs(weight))} * {names[j]}"
    return total or "0.0"


def condition(predicate: Predicate, names: Mapping[int, str], codes: Codes) -> str:
    """The question as an expression that is true exactly where the answer is yes."""
    term = predicate.term
    if isinstance(term, LinearForm):
        weights = zip(term.terms, term.weights, strict=True)
        value = linear_sum(None, [(part.index, weight) for part, weight in weights], names)
        if predicate.test == "is missing":
            return f"isnan({value})"
        return f"{value} {predicate.test} {number(predicate.value)}"
    value = names[term.index]
    if predicate.test == "is missing":
        return f"isnan({value})"
    if predicate.test in ("<=", ">"):
        return f"{value} {predicate.test} {number(predicate.value)}"
    if term.column.kind == "boolean":
        wanted = sorted({int(level) for level in predicate.value})
    else:
        known = codes[term.index]
        wanted = sorted({known[scalar(level)] for level in predicate.value})
    return _among(value, wanted)


def _among(value: str, wanted: list[int]) -> str:
    """Whether a code is one of some, by their ranges."""
    if not wanted:
        return "0"
    starts = [i for i, code in enumerate(wanted) if i == 0 or code != wanted[i - 1] + 1]
    parts = []
    for begin, end in zip(starts, [*starts[1:], len(wanted)], strict=True):
        low, high = wanted[begin], wanted[end - 1]
        within = f"{value} >= {number(low)} && {value} <= {number(high)}"
        parts.append(f"{value} == {number(low)}" if low == high else f"({within})")
    return parts[0] if len(parts) == 1 else f"({' || '.join(parts)})"


def early_returns(
    tree: TreeNodes, names: Mapping[int, str], codes: Codes, outcomes: Sequence[str]
) -> list[str]:
    """Lines that ask and return: the branch that nests less stands inside the ``if``.

    Parameters
    ----------
    tree : TreeNodes
        The model.
    names, codes : mapping
        Variables of columns, numbers of levels.
    outcomes : sequence of str
        What each node returns if it is a leaf.
    """
    nesting = np.zeros(tree.n_nodes, dtype=np.int64)
    last_first: dict[int, list[Any]] = {}
    for node in reversed(range(tree.n_nodes)):
        if tree.predicate[node] < 0:
            last_first[node] = [f"return {outcomes[node]};"]
            continue
        yes, no = int(tree.if_true[node]), int(tree.if_false[node])
        inside, after = (yes, no) if nesting[yes] <= nesting[no] else (no, yes)
        nesting[node] = max(nesting[inside] + 1, nesting[after])
        test = condition(tree.predicates[tree.predicate[node]], names, codes)
        lines = last_first.pop(after)
        lines.append((f"!({test})" if inside == no else test, last_first.pop(inside)))
        last_first[node] = lines
    return _written(last_first[0], 1)


def _written(last_first: list[Any], depth: int) -> list[str]:
    out = []
    for line in reversed(last_first):
        if isinstance(line, str):
            out.append(_INDENT * depth + line)
            continue
        test, inside = line
        out.append(f"{_INDENT * depth}if ({test}) {{")
        out += [*_written(inside, depth + 1), f"{_INDENT * depth}}}"]
    return out
