"""Trees that an evolution starts from: greedy ones, those of scikit-learn, the optimal one."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from treeml.search.leaf_cells import Cell, LeafCells, Questions

__all__ = [
    "GreedyTrees",
    "class_seeds",
    "from_nodes",
    "scikit_learn_tree",
    "to_nodes",
    "value_seeds",
]

Impurity = Callable[[np.ndarray], np.ndarray]


def gini(sums: np.ndarray) -> np.ndarray:
    """Weight times Gini impurity, from the class weights in the last axis."""
    total = sums.sum(axis=-1)
    return total - (sums**2).sum(axis=-1) / np.where(total > 0, total, 1.0)


def entropy(sums: np.ndarray) -> np.ndarray:
    """Weight times entropy, from the class weights in the last axis."""
    share = sums / np.maximum(sums.sum(axis=-1, keepdims=True), 1e-300)
    return -(sums * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)


def squared_error(sums: np.ndarray) -> np.ndarray:
    """Sum of squared errors, from the sums of w, w * d and w * d**2 in the last axis."""
    weight, first, second = np.moveaxis(sums, -1, 0)
    return np.maximum(second - first**2 / np.where(weight > 0, weight, 1.0), 0.0)


@dataclasses.dataclass(slots=True)
class _Node:
    """A node of a greedy tree and the number of its split, 0 where it has none."""

    step: int = 0
    predicate: int = -1
    yes: _Node | None = None
    no: _Node | None = None

    def questions(self, n_splits: int) -> Questions:
        """The tree of the first splits."""
        if not 0 < self.step <= n_splits:
            return None
        assert self.yes is not None
        assert self.no is not None
        return self.predicate, self.yes.questions(n_splits), self.no.questions(n_splits)


class GreedyTrees:
    """Best-first greedy trees over the code columns of a table.

    Parameters
    ----------
    cells : LeafCells
    codes : ndarray of int, shape (n_rows, n_code_columns)
        Of the stored rows.
    intervals : ndarray of int, shape (n_predicates, 3)
        Code column, first and last code for which each predicate holds.
    max_depth, max_leaf_nodes : int
    """

    def __init__(
        self,
        cells: LeafCells,
        codes: np.ndarray,
        intervals: np.ndarray,
        *,
        max_depth: int,
        max_leaf_nodes: int,
    ) -> None:
        self.cells = cells
        self.max_depth, self.max_leaf_nodes = max_depth, max_leaf_nodes
        n_codes = codes.max(axis=0, initial=0).astype(np.int64) + 1
        start = np.concatenate([[0], np.cumsum(n_codes)])
        self.n_columns = codes.shape[1]
        self._codes = codes + start[:-1]
        self._n_codes = int(start[-1])
        column, low, high = intervals.T.astype(np.int64)
        self._low = start[column] + np.minimum(low, n_codes[column])
        self._high = start[column] + np.minimum(high + 1, n_codes[column])

    def grow(
        self,
        statistics: np.ndarray,
        impurity: Impurity,
        *,
        sizes: tuple[int, ...],
        min_samples_leaf: int = 1,
        columns: np.ndarray | None = None,
    ) -> list[Questions]:
        """Trees of so many leaves, each the beginning of the next.

        Parameters
        ----------
        statistics : ndarray of float64, shape (n_statistics, n_rows)
            What the impurity is made of.
        impurity : callable
        sizes : tuple of int
            Numbers of leaves.
        min_samples_leaf : int, default=1
        columns : ndarray of int, default=None
            Code columns that may be asked about; None: all.
        """
        codes = self._codes if columns is None else self._codes[:, columns]
        held = np.vstack([statistics, self.cells.size])
        least = max(1, min_samples_leaf, self.cells.min_samples_leaf)
        root, step = _Node(), 0
        waiting: list[tuple[float, int, _Node, Cell, int, int, np.ndarray]] = []

        def consider(node: _Node, cell: Cell, depth: int, above: np.ndarray) -> None:
            if depth < self.max_depth and len(self._low):
                total = held[:, cell.rows].sum(axis=1)
                gain, at = self._best(above, total, impurity, least)
                if gain > 0:
                    entry = (-gain, next(order), node, cell, depth, at, above)
                    heapq.heappush(waiting, entry)

        order = itertools.count()
        consider(root, self.cells.root, 0, self._above(codes, held, self.cells.root))
        while waiting and step + 1 < max(sizes):
            _, _, node, cell, depth, at, above = heapq.heappop(waiting)
            step += 1
            node.step, node.predicate, node.yes, node.no = step, at, _Node(), _Node()
            yes, no = self.cells.split(cell, at)
            fewer = self._above(codes, held, yes if yes.size < no.size else no)
            sides = (fewer, above - fewer) if yes.size < no.size else (above - fewer, fewer)
            consider(node.yes, yes, depth + 1, sides[0])
            consider(node.no, no, depth + 1, sides[1])
        return [root.questions(size - 1) for size in sizes]

    def _above(self, codes: np.ndarray, held: np.ndarray, cell: Cell) -> np.ndarray:
        """Sums of a cell's rows over all smaller codes, shape (n_statistics + 1, n_codes + 1)."""
        mine = codes[cell.rows]
        out = np.zeros((len(held), self._n_codes + 1))
        for sums, weights in zip(out, held[:, cell.rows], strict=True):
            repeated = np.repeat(weights, mine.shape[1])
            sums[1:] = np.cumsum(np.bincount(mine.ravel(), repeated, self._n_codes))
        return out

    def _best(
        self, above: np.ndarray, total: np.ndarray, impurity: Impurity, least: int
    ) -> tuple[float, int]:
        """Gain and position of the best split, the first of equals; (0, -1) where none gains."""
        yes = (above[:, self._high] - above[:, self._low]).T
        no = total - yes
        fits = (yes[:, -1] >= least) & (no[:, -1] >= least)
        if not fits.any():
            return 0.0, -1
        whole = float(impurity(total[:-1]))
        gain = whole - impurity(yes[:, :-1]) - impurity(no[:, :-1])
        gain[~fits] = -np.inf
        at = int(np.argmax(gain >= gain.max() - 1e-12 * whole))
        return (float(gain[at]), at) if gain[at] > 1e-12 * whole else (0.0, -1)


def scikit_learn_tree(
    answers: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    *,
    classes: bool,
    max_depth: int,
    max_leaf_nodes: int,
    min_samples_leaf: int,
) -> Questions:
    """The tree of scikit-learn's CART over the same questions.

    Parameters
    ----------
    answers : ndarray of bool, shape (n_predicates, n_rows)
    target, weight : ndarray, shape (n_rows,)
    classes : bool
        Whether the target holds classes.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if not len(answers) or max_leaf_nodes < 2 or max_depth < 1:
        return None
    kind: Any = DecisionTreeClassifier if classes else DecisionTreeRegressor
    limits = {"max_depth": max_depth, "max_leaf_nodes": max_leaf_nodes, "random_state": 0}
    model = kind(min_samples_leaf=min_samples_leaf, **limits)
    tree = model.fit(answers.T.astype(np.float32), target, sample_weight=weight).tree_

    def questions(node: int) -> Questions:
        if tree.children_left[node] < 0:
            return None
        yes, no = questions(tree.children_right[node]), questions(tree.children_left[node])
        return int(tree.feature[node]), yes, no

    return questions(0)


def from_nodes(nodes: np.ndarray, node: int = 0) -> Questions:
    """Questions of the nodes of a `SearchResult`."""
    column, if_yes, if_no = nodes[node].tolist()
    if column < 0:
        return None
    return column, from_nodes(nodes, if_yes), from_nodes(nodes, if_no)


def to_nodes(tree: Questions) -> np.ndarray:
    """Nodes as in a `SearchResult`, int32, depth first, yes first."""
    nodes: list[list[int]] = []

    def add(tree: Questions) -> int:
        at = len(nodes)
        nodes.append([-1, -1, -1])
        if tree is not None:
            nodes[at] = [tree[0], add(tree[1]), add(tree[2])]
        return at

    add(tree)
    return np.array(nodes, dtype=np.int32).reshape(-1, 3)


def class_seeds(
    greedy: GreedyTrees,
    sums: np.ndarray,
    class_weight: np.ndarray,
    *,
    n_random: int,
    rng: np.random.Generator,
) -> list[tuple[str, Questions]]:
    """Named classification trees; ``sums`` are class weights, shape (n_classes, n_rows)."""
    weighted = sums * class_weight[:, None]
    balanced = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-300)
    kinds = [
        ("gini", weighted, gini),
        ("entropy", weighted, entropy),
        ("balanced gini", balanced, gini),
        ("balanced entropy", balanced, entropy),
    ]
    seeds = _greedy_seeds(greedy, kinds, n_random, rng)
    row, label = np.nonzero(sums.T)
    weight = weighted.T[row, label]
    used = weight > 0
    tree = _cart(greedy, row[used], label[used], weight[used], classes=True)
    return [("seed: scikit-learn CART", tree), *seeds]


def value_seeds(
    greedy: GreedyTrees, sums: np.ndarray, *, n_random: int, rng: np.random.Generator
) -> list[tuple[str, Questions]]:
    """Named regression trees; ``sums`` are those of w, w * d and w * d**2, shape (3, n_rows)."""
    seeds = _greedy_seeds(greedy, [("squared error", sums, squared_error)], n_random, rng)
    row = np.arange(sums.shape[1])
    tree = _cart(greedy, row, sums[1] / sums[0], sums[0], classes=False)
    return [("seed: scikit-learn CART", tree), *seeds]


def _greedy_seeds(
    greedy: GreedyTrees,
    kinds: list[tuple[str, np.ndarray, Impurity]],
    n_random: int,
    rng: np.random.Generator,
) -> list[tuple[str, Questions]]:
    """Greedy trees of three sizes and two sizes of leaves, and some on random rows and columns."""
    most, least = greedy.max_leaf_nodes, greedy.cells.min_samples_leaf
    sizes = tuple(sorted({min(most, max(2, share * most // 4)) for share in (2, 3, 4)}))
    seeds: list[tuple[str, Questions]] = []
    for name, sums, impurity in kinds:
        for rows in sorted({least, 4 * least if least > 1 else 1}):  # 1: weights are repeats
            trees = greedy.grow(sums, impurity, sizes=sizes, min_samples_leaf=rows)
            seeds += [
                (f"seed: greedy {name}, {size} leaves of {rows} rows", tree)
                for size, tree in zip(sizes, trees, strict=True)
            ]
    n_rows, n_columns = len(greedy.cells.size), greedy.n_columns
    for number in range(n_random if n_columns else 0):
        name, sums, impurity = kinds[number % len(kinds)]
        chance = rng.poisson(1.0, n_rows).astype(np.float64)
        columns = np.flatnonzero(rng.random(n_columns) < 0.5)
        size = int(rng.integers(2, most + 1)) if most > 2 else most
        tree = greedy.grow(sums * chance, impurity, sizes=(size,), columns=columns)[0]
        seeds.append((f"seed: greedy {name}, sample {number + 1}", tree))
    return seeds


def _cart(
    greedy: GreedyTrees, row: np.ndarray, target: np.ndarray, weight: np.ndarray, *, classes: bool
) -> Questions:
    cells = greedy.cells
    return scikit_learn_tree(
        cells.answers[:, row],
        target,
        weight,
        classes=classes,
        max_depth=greedy.max_depth,
        max_leaf_nodes=greedy.max_leaf_nodes,
        min_samples_leaf=cells.min_samples_leaf,
    )
