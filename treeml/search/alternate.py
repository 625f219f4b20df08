"""Alternating optimisation of a tree: one question at a time, all others fixed.

With the rest of the tree fixed, a node's question only matters for the rows that its two subtrees
treat differently, and what it costs to send each of them the wrong way is known. So the best
question of a node is a split of these rows by cost, which the split finder looks for over all
columns at full resolution. Leaves are then fitted anew. Neither step can raise the objective.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import numpy as np

from treeml._core.control import Control
from treeml._core.table import Table
from treeml._ext import split as native
from treeml.binarize.bins import BinnedTable
from treeml.binarize.split_columns import split_columns, split_predicates
from treeml.ir import Predicate, RegressionTree, Tree
from treeml.search.greedy import ClassTarget, NumberTarget, node_counts, node_values
from treeml.search.prune import subtree

__all__ = ["alternate"]

_COST = 3  # criterion of the split finder
_LEAST_GAIN = 1e-12
_COST_BITS = 50

SomeTree = TypeVar("SomeTree", Tree, RegressionTree)


def alternate(
    tree: SomeTree,
    table: Table,
    binned: BinnedTable,
    target: ClassTarget | NumberTarget,
    *,
    n_rounds: int,
    regularization: float = 0.0,
    min_samples_leaf: int = 1,
    control: Control | None = None,
) -> tuple[SomeTree, list[float]]:
    """Improve the questions and leaves of a tree, whose shape may only shrink.

    The objective is the weighted share of misclassified rows, or the mean squared error, plus
    ``regularization`` for every leaf. It never rises.

    Parameters
    ----------
    tree : Tree or RegressionTree
        Grown on the rows of the table, with the columns of ``binned``.
    table : Table
    binned : BinnedTable
        The same rows as codes: which thresholds are looked at.
    target : ClassTarget or NumberTarget
        Of these rows; for numbers the criterion must be "squared_error".
    n_rounds : int
        Most passes over the nodes; they end when one changes nothing.
    regularization : float, default=0.0
    min_samples_leaf : int, default=1
        Fewest rows of a leaf.
    control : Control, default=None

    Returns
    -------
    tree : Tree or RegressionTree
    objectives : list of float
        Before, and after each pass.

    References
    ----------
    M. Carreira-Perpinan, P. Tavallali, "Alternating Optimization of Decision Trees, with
    Application to Learning Sparse Oblique Trees", NeurIPS 2018.
    """
    work = _Alternation(
        tree, table, binned, target, regularization, min_samples_leaf, control or Control()
    )
    objectives = [work.objective()]
    for _ in range(n_rounds):
        work.sweep()
        objectives.append(work.objective())
        if not objectives[-1] < objectives[-2] - _LEAST_GAIN:
            break
    return work.finished(tree), objectives


class _Alternation:
    """The tree while it changes: questions by node, the leaf of every row, what leaves predict."""

    def __init__(
        self,
        tree: Tree | RegressionTree,
        table: Table,
        binned: BinnedTable,
        target: ClassTarget | NumberTarget,
        regularization: float,
        min_samples_leaf: int,
        control: Control,
    ) -> None:
        self.table, self.binned, self.target = table, binned, target
        self.regularization, self.min_samples_leaf = regularization, min_samples_leaf
        self.total = target.total
        self.columns: native.SplitColumns = split_columns(binned, n_threads=control.n_threads)
        self.yes, self.no = tree.if_true.copy(), tree.if_false.copy()
        self.question: dict[int, Predicate] = {
            int(node): tree.predicates[tree.predicate[node]]
            for node in np.flatnonzero(tree.predicate >= 0)
        }
        self.answers: dict[Predicate, np.ndarray] = {}
        self.depth = tree.node_depth
        self.leaf = np.zeros(table.n_rows, dtype=np.int32)
        self.leaf = self.route(0, np.arange(table.n_rows))
        self.refit()

    def answer(self, question: Predicate) -> np.ndarray:
        if question not in self.answers:
            self.answers[question] = question.holds(self.table)
        return self.answers[question]

    def route(self, node: int, rows: np.ndarray) -> np.ndarray:
        """Leaf below a node of every one of these rows."""
        out = np.empty(len(rows), dtype=np.int32)
        stack = [(node, np.arange(len(rows)))]
        while stack:
            at, here = stack.pop()
            if at not in self.question:
                out[here] = at
                continue
            holds = self.answer(self.question[at])[rows[here]]
            stack += [(int(self.yes[at]), here[holds]), (int(self.no[at]), here[~holds])]
        return out

    def refit(self) -> None:
        """What every leaf predicts, from its rows; a leaf without rows keeps what it has."""
        n_nodes = len(self.yes)
        if isinstance(self.target, ClassTarget):
            n_classes = len(self.target.classes)
            cells = self.leaf.astype(np.int64) * n_classes + self.target.codes
            counts = np.bincount(cells, self.target.weights, minlength=n_nodes * n_classes)
            self.prediction = (counts.reshape(-1, n_classes) * self.target.class_weight).argmax(1)
            return
        flat = np.full(n_nodes, -1, dtype=np.int32)
        self.prediction, _, _ = node_values(self.target, self.leaf, flat, flat)

    def loss(self, rows: np.ndarray | slice, leaf: np.ndarray) -> np.ndarray:
        """Weighted loss of rows that end in these leaves."""
        predicted = self.prediction[leaf]
        if isinstance(self.target, ClassTarget):
            codes = self.target.codes[rows]
            out = np.where(predicted == codes, 0.0, self.target.class_weight[codes])
        else:
            out = (self.target.values[rows] - predicted) ** 2
        return out if self.target.weights is None else out * self.target.weights[rows]

    def objective(self) -> float:
        loss = float(self.loss(slice(None), self.leaf).sum()) / self.total
        return loss + self.regularization * (len(self.question) + 1)

    def sweep(self) -> None:
        """Every node once, the deepest first."""
        for node in sorted(self.question, key=lambda at: (-self.depth[at], at)):
            if node in self.question:
                self.improve(node)

    def improve(self, node: int) -> None:
        """The best question for a node, or one of its subtrees in its place."""
        below = self.below(node)
        rows = np.flatnonzero(np.isin(self.leaf, below))
        if not len(rows):
            return
        sides = [self.route(int(child), rows) for child in (self.yes[node], self.no[node])]
        costs = [self.loss(rows, side) for side in sides]
        holds = self.answer(self.question[node])[rows]
        current = float(np.where(holds, *costs).sum())
        question = self.best_question(rows, costs[0] - costs[1])
        if question is not None:
            holds = self.answer(question)[rows]
            leaf = np.where(holds, *sides)
            if float(np.where(holds, *costs).sum()) < current - _LEAST_GAIN * self.total and (
                self.enough(below, leaf)
            ):
                self.question[node] = question
                self.leaf[rows] = leaf
                self.refit()
                current = float(self.loss(rows, leaf).sum())
        self.shrink(node, rows, sides, current)

    def below(self, node: int) -> list[int]:
        """Leaves below a node."""
        leaves, stack = [], [node]
        while stack:
            at = stack.pop()
            if at in self.question:
                stack += [int(self.yes[at]), int(self.no[at])]
            else:
                leaves.append(at)
        return leaves

    def enough(self, leaves: list[int], leaf: np.ndarray) -> bool:
        """Whether every leaf keeps enough rows."""
        counts = np.bincount(leaf, minlength=len(self.yes))[leaves]
        return bool((counts >= self.min_samples_leaf).all())

    def best_question(self, rows: np.ndarray, difference: np.ndarray) -> Predicate | None:
        """The split of least cost, given what yes costs more than no for every row."""
        care = np.flatnonzero(difference)
        if not len(care):
            return None
        size = float(np.abs(difference).sum())
        shift = _COST_BITS - int(np.frexp(size)[1])
        whole = np.zeros(self.table.n_rows, dtype=np.int64)
        whole[rows[care]] = np.rint(np.ldexp(difference[care], shift))
        nodes, _, raised = self.columns.grow(
            criterion=_COST,
            a=whole,
            rows=rows[care].astype(np.uint32),
            max_depth=1,
            max_leaves=0,
            rows_to_split=2,
            rows_in_leaf=1,
        )
        if raised:
            raise raised[0]
        if nodes["column"][0] < 0:
            return None
        (question,), _ = split_predicates(self.binned, nodes)
        return self.turned(question, rows[care], difference[care])

    def turned(
        self, question: Predicate, rows: np.ndarray, difference: np.ndarray
    ) -> Predicate | None:
        """The question so that yes is right for the rows that it holds for, if it can be asked."""
        holds = self.answer(question)[rows]
        if difference[holds].sum() <= difference[~holds].sum():
            return question
        column = question.term.column
        opposite: dict[str, Any] = {"<=": ">", ">": "<="}
        if column.missing or question.test not in opposite:
            return None  # missing and unseen values would change sides
        return dataclasses.replace(question, test=opposite[question.test])

    def shrink(self, node: int, rows: np.ndarray, sides: list[np.ndarray], current: float) -> None:
        """Put a subtree in the node's place where the leaves saved are worth more than it costs."""
        n_leaves = len(self.below(node))
        for child, side in zip((self.yes[node], self.no[node]), sides, strict=True):
            saved = n_leaves - len(self.below(int(child)))
            more = float(self.loss(rows, side).sum()) - current
            if more / self.total <= self.regularization * saved + _LEAST_GAIN:
                self.replace(node, int(child))
                self.leaf[rows] = self.route(node, rows)
                self.refit()
                return

    def replace(self, node: int, child: int) -> None:
        """The child's question and children at the node."""
        self.question.pop(node)
        if child in self.question:
            self.question[node] = self.question.pop(child)
            self.yes[node], self.no[node] = self.yes[child], self.no[child]
        else:
            self.prediction[node] = self.prediction[child]

    def finished(self, tree: SomeTree) -> SomeTree:
        """The tree of the IR with what it has become."""
        distinct = tuple(dict.fromkeys(self.question[node] for node in sorted(self.question)))
        place = {question: at for at, question in enumerate(distinct)}
        predicate = np.full(tree.n_nodes, -1, dtype=np.int32)
        for node, question in self.question.items():
            predicate[node] = place[question]
        changed = dataclasses.replace(
            tree, predicates=distinct, predicate=predicate, if_true=self.yes, if_false=self.no
        )
        changed = subtree(changed, np.flatnonzero(predicate < 0))
        leaf = changed.apply(self.table)
        if isinstance(self.target, ClassTarget):
            counts, label = node_counts(self.target, leaf, changed.if_true, changed.if_false)
            return dataclasses.replace(changed, counts=counts, label=label)
        value, rows, error = node_values(self.target, leaf, changed.if_true, changed.if_false)
        return dataclasses.replace(changed, value=value, rows=rows, error=error)
