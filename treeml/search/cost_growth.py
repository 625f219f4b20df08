"""Trees of least cost at full resolution: greedy growth, and moves of one question at a time."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from treeml.search.growth_clock import GrowthClock

__all__ = [
    "CostNode",
    "CostRows",
    "class_impurity",
    "grow_costs",
    "improved",
    "least_cost",
    "simplified",
    "square_impurity",
    "tree_cost",
]

Impurity = Callable[[np.ndarray], np.ndarray]

_SWEEPS = 20
_RISE = 1e-11  # of all costs: what sums in another order may differ by


@dataclasses.dataclass(slots=True, eq=False)
class CostNode:
    """A leaf with an action, or the question ``value <= cut`` of a split column.

    Parameters
    ----------
    action : int
    split : int, default=-1
        Row of `CostRows.values`; -1 at a leaf.
    cut : float, default=0
    yes, no : CostNode or None
    """

    action: int = 0
    split: int = -1
    cut: float = 0.0
    yes: CostNode | None = None
    no: CostNode | None = None

    @property
    def sides(self) -> tuple[CostNode, CostNode]:
        """Yes and no of an inner node."""
        assert self.yes is not None
        assert self.no is not None
        return self.yes, self.no

    @property
    def n_leaves(self) -> int:
        return 1 if self.split < 0 else sum(side.n_leaves for side in self.sides)

    def copy(self) -> CostNode:
        """The same tree, to be changed."""
        if self.split < 0:
            return CostNode(self.action)
        yes, no = self.sides
        return CostNode(self.action, self.split, self.cut, yes.copy(), no.copy())

    def inner(self) -> Iterator[CostNode]:
        """The nodes that ask, from the root down."""
        if self.split >= 0:
            yield self
            for side in self.sides:
                yield from side.inner()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CostRows:
    """What growth and moves read.

    Parameters
    ----------
    values : ndarray of float64, shape (n_splits, n_rows)
        What questions compare; infinite where missing.
    costs : ndarray of float64, shape (n_rows, n_actions)
        Finite and not negative; times the weight of the row.
    given_weight : ndarray of float64, shape (n_rows,), default=None
        Positive; None: 1 each.
    min_samples_leaf : int, default=1
        Fewest rows of a leaf.
    clock : GrowthClock, default: without limits
    order : ndarray of int, shape (n_splits, n_rows)
        The rows in ascending order of each split column.
    """

    values: np.ndarray
    costs: np.ndarray
    given_weight: np.ndarray | None = None
    min_samples_leaf: int = 1
    clock: GrowthClock = dataclasses.field(default_factory=GrowthClock)
    order: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        order = np.argsort(self.values, axis=1, kind="stable")
        object.__setattr__(self, "order", order)

    @property
    def weight(self) -> np.ndarray:
        """Of every row, shape (n_rows,)."""
        return np.ones(self.n_rows) if self.given_weight is None else self.given_weight

    @property
    def total(self) -> float:
        """Weight of all rows."""
        return float(self.weight.sum())

    @property
    def n_rows(self) -> int:
        return len(self.costs)

    @property
    def step(self) -> float:
        """Gains of no more are rounding."""
        return _RISE * float(self.costs.max(axis=1).sum())

    def members(self, root: CostNode) -> dict[int, np.ndarray]:
        """Rows of every node, by the identity of the node."""
        out: dict[int, np.ndarray] = {}

        def visit(node: CostNode, rows: np.ndarray) -> None:
            out[id(node)] = rows
            if node.split >= 0:
                yes = self.values[node.split, rows] <= node.cut
                visit(node.sides[0], rows[yes])
                visit(node.sides[1], rows[~yes])

        visit(root, np.arange(self.n_rows))
        return out

    def ascending(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """For every split column that varies over some rows: these in order, and where cuts are.

        A cut at position t has rows up to t on the yes side; either side has enough for a leaf.
        Once time is over no further column comes.
        """
        least = self.min_samples_leaf
        inside = np.zeros(self.n_rows, dtype=bool)
        inside[rows] = True
        for split in range(len(self.values)):
            if self.clock.over():
                return
            order = self.order[split]
            order = order[inside[order]]
            values = self.values[split, order]
            cuts = np.flatnonzero(values[:-1] < values[1:])
            cuts = cuts[(cuts >= least - 1) & (cuts < len(order) - least)]
            if cuts.size:
                yield split, order, cuts


def least_cost(sums: np.ndarray) -> np.ndarray:
    """Cost of leaves that take their cheapest action; sums of costs, shape (n, n_actions)."""
    return sums.min(axis=1)


def class_impurity(sums: np.ndarray) -> np.ndarray:
    """Gini impurity times weight; sums of weight by class, shape (n, n_classes)."""
    total = sums.sum(axis=1)
    return total - (sums**2).sum(axis=1) / np.where(total > 0, total, 1.0)


def square_impurity(sums: np.ndarray) -> np.ndarray:
    """Squared error but for a constant; sums of several numbers and, last, of rows."""
    return -(sums[:, :-1] ** 2).sum(axis=1) / np.where(sums[:, -1] > 0, sums[:, -1], 1.0)


def tree_cost(root: CostNode, rows: CostRows) -> float:
    """Cost of all rows; every leaf is given its cheapest action on the way."""
    members = rows.members(root)

    def visit(node: CostNode) -> float:
        sums = rows.costs[members[id(node)]].sum(axis=0)
        node.action = int(sums.argmin())
        if node.split < 0:
            return float(sums[node.action])
        return sum(visit(side) for side in node.sides)

    return visit(root)


def grow_costs(
    rows: CostRows,
    max_leaf_nodes: int,
    statistic: np.ndarray | None = None,
    impurity: Impurity = least_cost,
    root: CostNode | None = None,
) -> CostNode:
    """A tree grown best first, by costs or as CART is grown; leaves have their cheapest action.

    Parameters
    ----------
    rows : CostRows
    max_leaf_nodes : int
    statistic : ndarray of float64, shape (n_rows, n_statistics), default=None
        What is added up over rows; None: the costs.
    impurity : callable, default=least_cost
        Of such sums.
    root : CostNode, default=None
        A tree to go on from; it is changed. None: a leaf.
    """
    numbers = rows.costs if statistic is None else statistic
    root = CostNode() if root is None else root
    members, ticket = rows.members(root), itertools.count()
    heap: list[tuple[float, int, CostNode, np.ndarray, int, float]] = []
    least = _RISE * float(np.abs(numbers).sum())

    def offer(leaf: CostNode, at: np.ndarray) -> None:
        found = _best_split(rows, at, numbers, impurity)
        if found is not None and found[0] > least:
            heapq.heappush(heap, (-found[0], next(ticket), leaf, at, *found[1:]))

    stack, n_leaves = [root], root.n_leaves
    try:
        while stack:
            node = stack.pop()
            if node.split >= 0:
                stack.extend(node.sides)
            else:
                offer(node, members[id(node)])
        while heap and n_leaves < max_leaf_nodes and not rows.clock.over():
            _, _, leaf, at, split, cut = heapq.heappop(heap)
            leaf.yes, leaf.no, leaf.cut = CostNode(), CostNode(), cut
            leaf.split = split  # last: whenever Ctrl-C comes, this is a tree
            yes = rows.values[split, at] <= cut
            n_leaves += 1
            offer(leaf.yes, at[yes])
            offer(leaf.no, at[~yes])
    except KeyboardInterrupt as error:
        rows.clock.interrupt(error)
    tree_cost(root, rows)
    return root


def improved(root: CostNode, rows: CostRows, max_leaf_nodes: int) -> CostNode:
    """A tree that costs no more: questions moved, questions without use replaced by others.

    Nodes are asked anew one at a time, with every column and every threshold between two rows, and
    with the sides as they are or exchanged; all leaves below take their cheapest action for each
    of these. Then leaves that are left over are grown again. The cost never rises.

    Parameters
    ----------
    root : CostNode
    rows : CostRows
    max_leaf_nodes : int
    """
    best = root.copy()
    cost = tree_cost(best, rows)
    try:
        for _ in range(_SWEEPS):
            tree = best.copy()
            for node in list(tree.inner()):
                _ask_anew(tree, node, rows)
            tree = simplified(tree, rows)
            if tree.n_leaves < max_leaf_nodes:
                tree = simplified(grow_costs(rows, max_leaf_nodes, root=tree), rows)
            found = tree_cost(tree, rows)
            if found < cost or (found == cost and tree.n_leaves < best.n_leaves):
                best = tree
            if found >= cost - rows.step or rows.clock.over():
                break
            cost = found
    except KeyboardInterrupt as error:
        rows.clock.interrupt(error)
    return best


def simplified(root: CostNode, rows: CostRows) -> CostNode:
    """The tree without questions that no row, or only one side, answers or that change nothing."""
    tree_cost(root, rows)
    members = rows.members(root)

    def visit(node: CostNode) -> CostNode:
        if node.split < 0:
            return CostNode(node.action)
        sides = node.sides
        used = [side for side in sides if members[id(side)].size]
        if len(used) < 2:
            return visit(used[0] if used else sides[0])
        yes, no = map(visit, sides)
        if yes.split < 0 and no.split < 0 and yes.action == no.action:
            return CostNode(yes.action)
        return CostNode(node.action, node.split, node.cut, yes, no)

    return visit(root)


def _best_split(
    rows: CostRows, at: np.ndarray, numbers: np.ndarray, impurity: Impurity
) -> tuple[float, int, float] | None:
    """Gain, column and cut of the best question of a leaf; None where all rows are alike."""
    best: tuple[float, int, float] | None = None
    for split, order, cuts in rows.ascending(at):
        sums = np.cumsum(numbers[order], axis=0)
        yes, whole = sums[cuts], sums[-1:]
        after = impurity(yes) + impurity(whole - yes)
        where = int(after.argmin())
        gain = float(impurity(whole)[0] - after[where])
        if best is None or gain > best[0]:
            best = gain, split, float(rows.values[split, order[cuts[where]]])
    return best


def _ask_anew(tree: CostNode, node: CostNode, rows: CostRows) -> None:
    """Give a node its best question, the leaves below their cheapest action."""
    members = rows.members(tree)
    at = members[id(node)]
    if at.size < 2:
        return
    leaves = [_leaf_numbers(side, at, rows) for side in node.sides]
    inner = any(side.split >= 0 for side in node.sides)
    best: tuple[float, int, float, bool] | None = None
    for split, order, cuts in rows.ascending(at):
        for exchanged in (False, True) if inner else (False,):
            first, second = leaves[::-1] if exchanged else leaves
            below = _costs_up_to(order, first, rows)[cuts]
            above = _costs_up_to(order[::-1], second, rows)[::-1][cuts + 1]
            where = int((below + above).argmin())
            cost = float(below[where] + above[where])
            if cost < np.inf and (best is None or cost < best[0]):
                cut = float(rows.values[split, order[cuts[where]]])
                best = cost, split, cut, exchanged
    now = sum(
        float(rows.costs[members[id(leaf)]].sum(axis=0).min())
        for leaf in _leaves(node)
        if members[id(leaf)].size
    )
    if best is not None and best[0] < now - rows.step:
        _, node.split, node.cut, exchanged = best
        if exchanged:
            node.yes, node.no = node.no, node.yes


def _leaves(node: CostNode) -> Iterator[CostNode]:
    if node.split < 0:
        yield node
    else:
        for side in node.sides:
            yield from _leaves(side)


def _leaf_numbers(side: CostNode, at: np.ndarray, rows: CostRows) -> np.ndarray:
    """The leaf below ``side`` that each of these rows would come to, -1 for other rows."""
    out = np.full(rows.n_rows, -1, dtype=np.intp)
    number = itertools.count()

    def visit(node: CostNode, here: np.ndarray) -> None:
        if node.split < 0:
            out[here] = next(number)
            return
        yes = rows.values[node.split, here] <= node.cut
        visit(node.sides[0], here[yes])
        visit(node.sides[1], here[~yes])

    visit(side, at)
    return out


def _costs_up_to(order: np.ndarray, leaf: np.ndarray, rows: CostRows) -> np.ndarray:
    """Cost of the first rows of an order, for each number of them, shape (n_ordered,).

    Infinite where some leaf has fewer rows than allowed, but not none: that one goes.
    """
    where, change, least = leaf[order], np.empty(len(order)), rows.min_samples_leaf
    few = np.zeros(len(order), dtype=bool)
    for number in range(int(where.max()) + 1):
        here = np.flatnonzero(where == number)
        cheapest = np.cumsum(rows.costs[order[here]], axis=0).min(axis=1)
        change[here] = np.diff(cheapest, prepend=0.0)
        if least > 1 and here.size:
            few[here[0] : here[least - 1] if here.size >= least else len(order)] = True
    return np.where(few, np.inf, np.cumsum(change))
