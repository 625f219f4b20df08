"""Random trees and tables of every column kind, with the values at which exports go wrong."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from treeml._core.table import Column, ColumnType, Table
from treeml.ir import (
    LinearForm,
    LinearMap,
    LinearRouter,
    Predicate,
    RegressionTree,
    RoutedModel,
    RoutingTree,
    Term,
    Tree,
    TreeEnsemble,
)

NAMES = [
    "age", "größe", "def", "it's", 'say "hi"', "two words", "line\nbreak", "x1", "row", "%s",
    "`tick`", "back\\slash", "[box]", "a,b", "semi;colon --", "float", "predict", "_", "ﬁ",
    "__debug__",
]  # fmt: skip
LEVELS = ["a", "b c", "it's", 'q"q', "é", "", "back\\slash", "two\nlines", "NULL", "{x}", "A"]
CLASSES = [
    np.array(["bad", "good"]),
    np.array(["it's", 'a "b"', "é\n"]),
    np.array([0, 1]),
    np.array([-3, 7, 2**40]),
    np.array([False, True]),
    np.array([-1.5, 0.1, 1e-7]),
    np.array(["no", 'y"es'], dtype=object),
]
WEIGHTS = [0.5, -2.0, 1.0, -1.0, 0.1, 1 / 3, 12345.678, -3.0]
ANCHORS = [0.1, 3.0, -2.0, 0.7]  # values of columns for which forms equal their threshold
THRESHOLDS = [41.0, 0.5, -0.1, 1e-7, 0.1 + 0.2, 123456789.123456789, -1e300, 5e-324, 2.0**53]


@dataclasses.dataclass(frozen=True)
class Case:
    """A tree or ensemble, a table that it may be applied to, and its rows as dicts."""

    tree: Tree | RegressionTree | TreeEnsemble | RoutedModel
    table: Table

    @property
    def rows(self) -> list[dict]:
        """Rows as a caller has them: None where missing, plain Python values elsewhere."""
        columns = [
            [None if m else v for v, m in zip(c.values.tolist(), c.missing, strict=True)]
            for c in self.table.columns
        ]
        names = [c.type.name for c in self.table.columns]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def random_case(
    rng: np.random.Generator, *, n_rows: int = 60, max_depth: int = 5, dates: bool = True
) -> Case:
    """A random tree over 2 to 6 columns and rows around each of its thresholds."""
    types = random_types(rng, dates=dates)
    tree = random_tree(rng, types, max_depth=max_depth)
    return Case(tree, random_table(rng, tree, n_rows))


def random_types(
    rng: np.random.Generator, *, dates: bool = True, names: Sequence[str] = NAMES
) -> tuple[ColumnType, ...]:
    kinds = ["number", "number", "zero_one", "strings", "integers", "ordered", "boolean"]
    kinds += ["date"] if dates else []
    types = []
    for name in rng.permutation(list(names))[: rng.integers(2, 7)]:
        kind = str(rng.choice(kinds))
        levels = ()
        if kind == "ordered":
            levels = (5, 3, 9, 1) if rng.random() < 0.3 else ("low", "mid", "high", "top")
        kind = "category" if kind in ("strings", "integers", "ordered") else kind
        unit = "years" if kind == "number" and rng.random() < 0.3 else ""
        missing = bool(rng.random() < 0.5)
        types.append(ColumnType(str(name), kind, levels, unit, missing))  # pyright: ignore[reportArgumentType]
    return tuple(types)


def random_tree(
    rng: np.random.Generator,
    types: tuple[ColumnType, ...],
    *,
    max_depth: int = 5,
    linear: bool = True,
) -> Tree:
    """A tree whose paths may ask about a column again and again, some of them in vain."""
    predicates, rows = random_shape(rng, random_pool(rng, types, linear=linear), max_depth)
    return build(types, predicates, rows, CLASSES[rng.integers(len(CLASSES))], rng)


def random_pool(
    rng: np.random.Generator, types: tuple[ColumnType, ...], *, linear: bool = True
) -> list[Predicate]:
    """Questions about every column and, where there are numbers, about linear forms of them."""
    pools = [random_predicates(rng, Term(i, column)) for i, column in enumerate(types)]
    numeric = [i for i, column in enumerate(types) if column.numeric]
    if linear and numeric:
        pools += [random_form_predicates(rng, types, numeric) for _ in range(3)]
    return [p for some in pools for p in some]


def random_form_predicates(
    rng: np.random.Generator, types: tuple[ColumnType, ...], numeric: list[int]
) -> list[Predicate]:
    """Questions about one form, with what it equals at some anchors as threshold."""
    chosen = sorted(rng.choice(numeric, size=min(len(numeric), rng.integers(1, 4)), replace=False))
    terms = tuple(Term(int(i), types[i]) for i in chosen)
    form = LinearForm(terms, tuple(rng.choice(WEIGHTS, size=len(terms)).tolist()))
    at = anchored(form, rng.choice(ANCHORS, size=(3, len(terms))))
    tests = ["<=", ">", "<="]
    questions = [Predicate(form, t, v) for t, v in zip(tests, at, strict=True)]  # pyright: ignore[reportArgumentType]
    missing = [Predicate(form, "is missing")] if form.column.missing else []
    return [*questions, *missing]


def anchored(form: LinearForm, anchors: np.ndarray) -> list[float]:
    """The form for rows of values of its columns, added up one by one."""
    out = []
    for row in anchors.tolist():
        total = 0.0
        for weight, value in zip(form.weights, row, strict=True):
            total += weight * value
        out.append(total)
    return out


def random_map(
    rng: np.random.Generator, types: tuple[ColumnType, ...], n_outputs: int, *, whole: bool = False
) -> LinearMap:
    """Sparse coefficients of the number columns; small whole ones where ties are wanted."""
    numeric = np.array([column.numeric for column in types])
    size = (n_outputs, len(types))
    coef = rng.integers(-1, 2, size=size).astype(float) if whole else rng.normal(size=size)
    coef *= numeric & (rng.random(size) < 0.7)
    intercept = rng.integers(-1, 2, size=n_outputs) if whole else rng.normal(size=n_outputs)
    return LinearMap(coef, intercept.astype(float))


def random_routed(
    rng: np.random.Generator, types: tuple[ColumnType, ...], link: str, *, max_depth: int = 4
) -> RoutedModel:
    """Up to five experts behind a tree or linear scores; half of them with a range."""
    fitting = [c for c in CLASSES if link == "softmax" or len(c) == 2]
    classes = fitting[rng.integers(len(fitting))] if link in ("logistic", "softmax") else None
    n_outputs = 1 if link == "logistic" else int(rng.integers(1, 3))
    n_outputs = n_outputs if classes is None or link == "logistic" else len(classes)
    n_experts = int(rng.integers(1, 6))
    experts = tuple(
        random_map(rng, types, n_outputs, whole=bool(rng.random() < 0.5)) for _ in range(n_experts)
    )
    if rng.random() < 0.5:
        router = LinearRouter(types, random_map(rng, types, n_experts, whole=rng.random() < 0.7))
    else:
        predicates, rows = random_shape(rng, random_pool(rng, types), max_depth)
        arrays = np.array(rows, dtype=np.int32).reshape(-1, 3)
        columns = (arrays[:, j].copy() for j in range(3))
        weight = rng.integers(1, 50, size=len(rows)) * float(rng.random() < 0.7)
        expert = rng.integers(n_experts, size=len(rows)).astype(np.int32)
        router = RoutingTree(types, predicates, *columns, expert, weight)
    clip = None
    if rng.random() < 0.5:
        clip = np.sort(rng.normal(size=(n_experts, n_outputs, 2)), axis=2)
        clip[..., 0][rng.random(clip.shape[:2]) < 0.4] = -math.inf
        clip[..., 1][rng.random(clip.shape[:2]) < 0.4] = math.inf
    return RoutedModel(types, router, experts, link, classes, clip)  # pyright: ignore[reportArgumentType]


def random_routed_case(rng: np.random.Generator, link: str, *, n_rows: int = 60) -> Case:
    """A routed model and rows with ties of its scores."""
    types = random_types(rng)
    model = random_routed(rng, types, link)
    return Case(model, random_table(rng, model, n_rows))


def random_shape(
    rng: np.random.Generator, pool: list[Predicate], max_depth: int
) -> tuple[tuple[Predicate, ...], list[list[int]]]:
    """Distinct questions and rows of predicate, if_true, if_false."""
    rows: list[list[int]] = []
    chosen: dict[Predicate, int] = {}

    def grow(depth: int) -> int:
        node = len(rows)
        rows.append([-1, -1, -1])
        if depth < max_depth and rng.random() < (0.9 if depth < 2 else 0.7):
            question = pool[rng.integers(len(pool))]
            rows[node][0] = chosen.setdefault(question, len(chosen))
            rows[node][1] = grow(depth + 1)
            rows[node][2] = grow(depth + 1)
        return node

    grow(0)
    return tuple(chosen), rows


def random_regression_tree(
    rng: np.random.Generator,
    types: tuple[ColumnType, ...],
    pool: list[Predicate],
    *,
    max_depth: int = 5,
    values: Sequence[float] = (),
) -> RegressionTree:
    """A tree that predicts numbers: any, huge and tiny ones among them, or some of ``values``."""
    predicates, rows = random_shape(rng, pool, max_depth)
    arrays = np.array(rows, dtype=np.int32).reshape(-1, 3)
    n = len(rows)
    value = rng.choice(values, size=n) if values else rng.normal(size=n)
    if not values:
        value *= 10.0 ** rng.integers(-8, 9)
    weight = rng.integers(1, 50, size=n).astype(np.float64)
    for node in reversed(range(n)):
        if arrays[node, 0] >= 0:
            weight[node] = weight[arrays[node, 1]] + weight[arrays[node, 2]]
    criterion = str(rng.choice(["squared_error", "absolute_error", "poisson"]))
    columns = (arrays[:, j].copy() for j in range(3))
    return RegressionTree(types, predicates, *columns, value, weight, rng.random(n), criterion)


def random_ensemble(
    rng: np.random.Generator, types: tuple[ColumnType, ...], link: str, *, max_depth: int = 4
) -> TreeEnsemble:
    """Up to seven trees; half of the ensembles add quarters, so that scores tie."""
    pool = random_pool(rng, types)
    quarters = (-0.5, -0.25, 0.25, 0.5) if rng.random() < 0.5 or link == "log" else ()
    fitting = [c for c in CLASSES if link == "softmax" or len(c) == 2]
    classes = fitting[rng.integers(len(fitting))] if link in ("logistic", "softmax") else None
    n_outputs = len(classes) if link == "softmax" and classes is not None else 1
    trees = tuple(
        random_regression_tree(rng, types, pool, max_depth=max_depth, values=quarters)
        for _ in range(rng.integers(0, 8))
    )
    output = rng.integers(n_outputs, size=len(trees)).astype(np.int32)
    base = rng.choice([0.0, 0.25, -0.5] if quarters else rng.normal(size=3), size=n_outputs)
    return TreeEnsemble(types, trees, output, base, link, classes)  # pyright: ignore[reportArgumentType]


def random_number_case(rng: np.random.Generator, kind: str, *, n_rows: int = 60) -> Case:
    """A regression tree, or an ensemble with the link ``kind``, and rows around its thresholds."""
    types = random_types(rng)
    if kind == "tree":
        model = random_regression_tree(rng, types, random_pool(rng, types))
    else:
        model = random_ensemble(rng, types, kind)
    return Case(model, random_table(rng, model, n_rows))


def chain(types: tuple[ColumnType, ...], questions: list[Predicate], side: str) -> Tree:
    """A tree as deep as there are questions; ``side`` ("yes", "no", "both") is where it goes on."""
    distinct = list(dict.fromkeys(questions))
    rows: list[list[int]] = []

    def grow(depth: int) -> int:
        node = len(rows)
        rows.append([-1, -1, -1])
        if depth < len(questions):
            on_yes = side == "yes" or (side == "both" and depth % 2 == 0)
            rows[node][0] = distinct.index(questions[depth])
            rows[node][1] = grow(depth + 1 if on_yes else len(questions))
            rows[node][2] = grow(len(questions) if on_yes else depth + 1)
        return node

    grow(0)
    return build(types, tuple(distinct), rows, CLASSES[0], np.random.default_rng(0))


def build(
    types: tuple[ColumnType, ...],
    predicates: tuple[Predicate, ...],
    rows: list[list[int]],
    classes: np.ndarray,
    rng: np.random.Generator,
) -> Tree:
    """A tree from rows of predicate, if_true, if_false; random counts that add up."""
    arrays = np.array(rows, dtype=np.int32).reshape(-1, 3)
    counts = rng.integers(0, 50, size=(len(rows), len(classes))).astype(np.float64)
    counts[:, 0] += 1
    for node in reversed(range(len(rows))):
        if arrays[node, 0] >= 0:
            counts[node] = counts[arrays[node, 1]] + counts[arrays[node, 2]]
    weight = rng.choice([1.0, 0.3, 2.5], size=len(classes))
    label = np.argmax(counts * weight, axis=1).astype(np.int32)
    children = (arrays[:, 1].copy(), arrays[:, 2].copy())
    return Tree(types, predicates, arrays[:, 0].copy(), *children, counts, label, classes, weight)


def random_predicates(rng: np.random.Generator, term: Term) -> list[Predicate]:
    """Some questions about one column, `is missing` among them where training had missing."""
    column = term.column
    out = [Predicate(term, "is missing")] if column.missing else []
    if column.kind == "zero_one":
        return [*out, Predicate(term, ">", 0.5)]
    if column.kind == "boolean":
        return [*out, Predicate(term, "in", (bool(rng.random() < 0.5),))]
    if column.kind == "date":
        days = rng.integers(-1000, 20000, size=3) + rng.choice([0.0, 0.5], size=3)
        return [*out, *(Predicate(term, "<=", float(day)) for day in days)]
    if column.kind == "number":
        drawn = [*rng.permutation(THRESHOLDS)[:2], *(rng.normal(size=2) * 10.0 ** rng.integers(9))]
        tests = ["<=", "<=", "<=", ">"]
        return out + [Predicate(term, t, float(v)) for t, v in zip(tests, drawn, strict=True)]  # pyright: ignore[reportArgumentType]
    if column.levels:
        return out + [Predicate(term, "in", column.levels[:k]) for k in (1, 2, 3)]
    levels = list(range(8)) if rng.random() < 0.4 else LEVELS
    order = [levels[i] for i in rng.permutation(len(levels))]
    groups = [tuple(order[:1]), tuple(order[1:2]), tuple(order[:4])]
    rare = Predicate(term, "in", tuple(order[4:7]), label="rare levels")
    return [*out, *(Predicate(term, "in", group) for group in groups), rare]


def random_table(
    rng: np.random.Generator,
    tree: Tree | RegressionTree | TreeEnsemble | RoutedModel,
    n_rows: int,
) -> Table:
    """Rows with the tree's thresholds, their neighbours, huge, missing and unseen values."""
    columns = []
    for i, column in enumerate(tree.columns):
        asked = [p for p in tree.predicates if p.term.index == i]
        missing = rng.random(n_rows) < 0.2
        pool = _values(column, asked)
        drawn = [pool[k] for k in rng.integers(len(pool), size=n_rows)]
        if column.kind in ("category", "boolean"):
            values = np.empty(n_rows, dtype=object)
            values[:] = drawn
            values[missing] = None
        else:
            values = np.array(drawn, dtype=np.float64)
            values[missing] = math.nan
        columns.append(Column(column, values))
    for predicate in tree.predicates:
        if isinstance(predicate.term, LinearForm) and n_rows:
            _meet(rng, predicate, columns, n_rows)
    return Table(tuple(columns), n_rows)


def _meet(
    rng: np.random.Generator, predicate: Predicate, columns: list[Column], n_rows: int
) -> None:
    """Some rows where a linear form equals its threshold."""
    form = predicate.term
    assert isinstance(form, LinearForm)
    anchors = np.array(list(itertools.product(ANCHORS, repeat=len(form.terms))))
    equal = anchors[np.array(anchored(form, anchors)) == predicate.value]
    for row in equal[: 3 if predicate.test != "is missing" else 0]:
        at = rng.integers(n_rows)
        for term, value in zip(form.terms, row, strict=True):
            columns[term.index].values[at] = value


def _values(column: ColumnType, asked: list[Predicate]) -> list:
    thresholds = [p.value for p in asked if p.test in ("<=", ">")]
    if column.kind == "date":
        return [0.0, -400.0, 12345.0, *(math.floor(t) + d for t in thresholds for d in (-1, 0, 1))]
    if column.kind == "boolean":
        return [True, False]
    if column.kind in ("number", "zero_one"):
        near = [float(np.nextafter(t, side)) for t in thresholds for side in (-np.inf, np.inf)]
        extreme = [0.0, 1.0, *ANCHORS, -1e308, 1e308, math.inf, -math.inf]
        return [v for v in [*thresholds, *near] for _ in range(2)] + extreme
    levels = [v for p in asked if p.test == "in" for v in p.value] + list(column.levels)
    unseen = 99 if levels and isinstance(levels[0], int) else "never seen"
    return [*levels, unseen]
