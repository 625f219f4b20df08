"""What a router's tree may ask: columns of the table, and linear forms of few columns."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.binarize.cuts import between
from treeml.binarize.leaf_columns import LeafColumns, SplitColumn
from treeml.ir import LinearForm, LinearRouter, Predicate, RoutingTree
from treeml.search.cost_growth import CostNode, CostRows

__all__ = ["Questions", "asked_columns", "routing_tree_of", "sparse_forms"]

_MOST_PAIRS = 12
_DIGITS = 3  # of the weights of a form that was made sparse


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Split columns and, behind them, linear forms.

    Parameters
    ----------
    columns : LeafColumns
    orders : dict
        Places of levels: `LeafColumns.level_orders`.
    forms : tuple of LinearForm
    values : ndarray of float64, shape (n_splits + n_forms, n_rows)
        What questions ``value <= cut`` compare.
    """

    columns: LeafColumns
    orders: dict[int, np.ndarray]
    forms: tuple[LinearForm, ...]
    values: np.ndarray

    @classmethod
    def of(
        cls,
        columns: LeafColumns,
        table: Table,
        costs: np.ndarray,
        weight: np.ndarray,
        forms: tuple[LinearForm, ...] = (),
    ) -> Questions:
        """Levels of categories stand in the order of their costs."""
        rows = np.arange(table.n_rows)
        centred = costs - weight @ costs / weight.sum()
        orders = columns.level_orders(rows, centred, weight, 1.0)
        values = columns.ordered_values(orders, rows)
        summed = [form.values(table) for form in forms]
        whole = np.vstack([values, *(np.where(np.isnan(s), np.inf, s) for s in summed)])
        return cls(columns, orders, forms, np.ascontiguousarray(whole))

    def predicate(self, split: int, cut: float, rows: np.ndarray) -> tuple[Predicate, bool]:
        """The question of a node with these rows, and whether yes means "at most the cut"."""
        n_splits, values = len(self.columns.splits), self.values[split, rows]
        if split < n_splits:
            return self.columns.question(split, cut, self.orders, values)
        low, high = values[values <= cut].max(), values[values > cut].min()
        if np.isinf(high):
            return Predicate(self.forms[split - n_splits], "is missing"), False
        threshold = float(between(np.array([low]), np.array([high]), False)[0])
        return Predicate(self.forms[split - n_splits], "<=", threshold), True


def asked_columns(
    table: Table, like: tuple[ColumnType, ...], weight: np.ndarray | None = None
) -> LeafColumns:
    """Columns to ask about and to multiply, of the kinds that a teacher knows them by.

    Parameters
    ----------
    table : Table
    like : tuple of ColumnType
        The teacher's; what is said about missing values holds for the table too.
    weight : ndarray of float64, shape (n_rows,), default=None
        Positive; None: 1 each.
    """
    found = LeafColumns.fit(table, weight)
    types = tuple(
        dataclasses.replace(known, missing=known.missing or now.missing)
        for known, now in zip(like, found.types, strict=True)
    )
    splits, values = list(found.splits), found.values.copy()
    for j, split in enumerate(splits):
        if split.kind == "flag" and types[split.index].kind == "number":  # 0 and 1 by chance
            splits[j] = SplitColumn(split.index, "number", whole=False)
            values[j] = np.where(np.isinf(values[j]), np.inf, 1 - values[j])
    return dataclasses.replace(found, types=types, splits=tuple(splits), values=values)


def routing_tree_of(root: CostNode, rows: CostRows, questions: Questions) -> RoutingTree:
    """The tree as data, with the rows that reach each node."""
    members = rows.members(root)
    nodes: list[tuple[Predicate | None, int, int, int, float]] = []
    weight = rows.weight

    def visit(node: CostNode) -> int:
        at, here = len(nodes), members[id(node)]
        heavy = float(weight[here].sum())
        nodes.append((None, -1, -1, node.action, heavy))
        if node.split >= 0:
            question, below = questions.predicate(node.split, node.cut, here)
            yes, no = node.sides if below else node.sides[::-1]
            first = visit(yes)
            nodes[at] = (question, first, visit(no), node.action, heavy)
        return at

    visit(root)
    asked = list(dict.fromkeys(node[0] for node in nodes if node[0] is not None))
    place: dict[Predicate | None, int] = {question: k for k, question in enumerate(asked)}
    return RoutingTree(
        columns=questions.columns.types,
        predicates=tuple(asked),
        predicate=np.array([place.get(node[0], -1) for node in nodes], dtype=np.int32),
        if_true=np.array([node[1] for node in nodes], dtype=np.int32),
        if_false=np.array([node[2] for node in nodes], dtype=np.int32),
        expert=np.array([node[3] for node in nodes], dtype=np.int32),
        rows=np.array([node[4] for node in nodes], dtype=np.float64),
    )


def sparse_forms(
    router: LinearRouter, table: Table, columns: LeafColumns, weight: np.ndarray, max_columns: int
) -> tuple[LinearForm, ...]:
    """Linear forms of few columns near those that a router compares.

    Of every pair of scores that are often the two greatest, their difference is one form where it
    has few columns. Otherwise forms of 2 to ``max_columns`` columns stand for it: the columns that
    explain most of it over the rows where the pair counts, chosen one after the other, with
    weights by least squares; and its largest terms as they are. Weights are rounded to three
    digits and the largest one is 1 in size.

    Parameters
    ----------
    router : LinearRouter
    table : Table
    columns : LeafColumns
    weight : ndarray of float64, shape (n_rows,)
    max_columns : int
    """
    scores = router.scores.values(table)
    if scores.shape[1] < 2 or not len(columns.linear):
        return ()
    two = np.sort(np.argsort(-scores, axis=1, kind="stable")[:, :2], axis=1)
    pairs, which = np.unique(two, axis=0, return_inverse=True)
    which = which.ravel()
    counts = np.bincount(which, weight)
    forms: dict[LinearForm, None] = {}
    for at in np.argsort(-counts, kind="stable")[:_MOST_PAIRS].tolist():
        first, second = pairs[at].tolist()
        whole = router.scores.coef[second] - router.scores.coef[first]
        weights = whole[columns.linear] * columns.scale
        used = np.flatnonzero(weights)
        if 1 < used.size <= max_columns:
            forms[LinearForm.of(whole, columns.types)] = None
        elif used.size > max_columns:
            here = which == at
            for scaled in _sparse_weights(columns.design[here], weight[here], weights, max_columns):
                forms[_rounded(scaled, columns)] = None
    return tuple(forms)


def _sparse_weights(
    design: np.ndarray, rows: np.ndarray, weights: np.ndarray, most: int
) -> list[np.ndarray]:
    """Weights of standardised columns with few that are not 0; ``rows``: what each row weighs."""
    centred = (design - rows @ design / rows.sum()) * np.sqrt(rows)[:, None]
    target = centred @ weights
    size = np.sqrt((centred**2).sum(axis=0))
    chosen: list[int] = []
    out, left = [], target
    while len(chosen) < most:
        gain = np.abs(centred.T @ left) / np.where(size > 0, size, np.inf)
        gain[chosen] = -1.0
        if gain.max() <= 0:
            break
        chosen.append(int(gain.argmax()))
        coef = np.linalg.lstsq(centred[:, chosen], target, rcond=None)[0]
        left = target - centred[:, chosen] @ coef
        if len(chosen) > 1 and coef.all():
            some = np.zeros(len(weights))
            some[chosen] = coef
            out.append(some)
    largest = np.zeros(len(weights))
    top = np.argsort(-np.abs(weights), kind="stable")[:most]
    largest[top] = weights[top]
    return [*out, largest]


def _rounded(scaled: np.ndarray, columns: LeafColumns) -> LinearForm:
    """The form over the table's columns."""
    raw = scaled / columns.scale
    raw = raw / raw[np.abs(raw).argmax()]
    whole = np.zeros(len(columns.types))
    whole[columns.linear] = [float(f"{w:.{_DIGITS}g}") for w in raw.tolist()]
    return LinearForm.of(whole, columns.types)
