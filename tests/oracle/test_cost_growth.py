"""Trees of costs at full resolution against brute force.

TREEML_ORACLE_CASES: number of random cases of the main test (default 500, of which a share is run).
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
from fractions import Fraction

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.oracle.all_action_trees import least_cost
from treeml._core.control import Control
from treeml.search.cost_cuts import cheapest_tree
from treeml.search.cost_growth import (
    CostNode,
    CostRows,
    class_impurity,
    grow_costs,
    improved,
    simplified,
    square_impurity,
    tree_cost,
)
from treeml.search.growth_clock import GrowthClock

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500")) // 2


def small(rng: np.random.Generator, n_rows: int) -> CostRows:
    """Few different values, some missing, costs that are whole numbers."""
    values = rng.integers(0, rng.integers(2, 7), (rng.integers(1, 4), n_rows)).astype(float)
    values[rng.random(values.shape) < 0.1] = np.inf
    costs = rng.integers(0, 9, (n_rows, rng.integers(1, 5))).astype(float)
    return CostRows(values, costs)


def every_cut(rows: CostRows) -> list[tuple[int, float]]:
    return [(j, v) for j, column in enumerate(rows.values) for v in np.unique(column)[:-1]]


def paid(root: CostNode, rows: CostRows) -> float:
    """Cost of a tree with the cheapest action in every leaf, one row after the other."""
    sums: dict[int, np.ndarray] = {}
    for r in range(rows.n_rows):
        node = root
        while node.split >= 0:
            node = node.sides[0 if rows.values[node.split, r] <= node.cut else 1]
        sums[id(node)] = sums.get(id(node), 0.0) + rows.costs[r]
    return float(sum(s.min() for s in sums.values()))


def least_by_brute_force(rows: CostRows, leaves: int) -> float:
    answers = np.array([rows.values[j] <= cut for j, cut in every_cut(rows)])
    X = answers.T if len(answers) else np.zeros((rows.n_rows, 0))
    costs = [[Fraction(c) for c in row] for row in rows.costs.tolist()]
    limits = {"max_leaf_nodes": leaves, "min_samples_leaf": rows.min_samples_leaf}
    return float(least_cost(X, costs, Fraction(0), max_depth=None, **limits))


def smallest_leaf(root: CostNode, rows: CostRows) -> int:
    members = rows.members(root)

    def visit(node: CostNode) -> int:
        sides = () if node.split < 0 else node.sides
        return min(map(visit, sides), default=len(members[id(node)]))

    return visit(root)


@pytest.mark.parametrize("batch", range(5))
def test_with_all_cuts_the_optimum_is_that_of_brute_force(batch):
    for seed in range(batch * CASES // 5, (batch + 1) * CASES // 5):
        rng = np.random.default_rng([1, seed])
        rows, leaves = small(rng, int(rng.integers(2, 9))), int(rng.integers(1, 5))
        labels = [rows.costs.argmin(axis=1)]
        found = cheapest_tree(rows, labels, leaves, max_depth=3, max_cuts=100)
        least = least_by_brute_force(rows, leaves)
        assert found.cost == least, seed
        assert found.cost == paid(found.root, rows), seed
        assert found.root.n_leaves <= leaves
        assert found.grid.status == "optimal"
        assert found.grid.objective == pytest.approx(least / rows.n_rows)


def test_leaves_have_as_many_rows_as_asked_for():
    for seed in range(CASES // 2):
        rng = np.random.default_rng([5, seed])
        rows, leaves = small(rng, int(rng.integers(4, 12))), int(rng.integers(2, 5))
        least = int(rng.integers(2, 5))
        rows = dataclasses.replace(rows, min_samples_leaf=least)
        labels = [rows.costs.argmin(axis=1)]
        found = cheapest_tree(rows, labels, leaves, max_depth=3, max_cuts=100)
        assert found.cost == paid(found.root, rows) == least_by_brute_force(rows, leaves), seed
        coarse = cheapest_tree(rows, labels, 7, max_depth=1, max_cuts=1).root
        for tree in (found.root, coarse):
            assert smallest_leaf(tree, rows) >= min(least, rows.n_rows), seed


def test_weights_are_repeated_rows():
    for seed in range(CASES // 5):
        rng = np.random.default_rng([6, seed])
        rows, leaves = small(rng, 25), int(rng.integers(2, 7))
        weight = rng.integers(1, 4, 25)
        often = np.repeat(np.arange(25), weight)
        weighted = CostRows(rows.values, rows.costs * weight[:, None], weight.astype(float))
        repeated = CostRows(rows.values[:, often], rows.costs[often])
        labels = rows.costs.argmax(axis=1)
        one = cheapest_tree(weighted, [labels], leaves, max_depth=2, max_cuts=3)
        other = cheapest_tree(repeated, [labels[often]], leaves, max_depth=2, max_cuts=3)
        assert one.cost == other.cost == paid(one.root, weighted), seed
        assert one.grid.objective == pytest.approx(other.grid.objective)
        assert nodes(one.root) == nodes(other.root), seed


def nodes(node: CostNode) -> tuple:
    if node.split < 0:
        return (node.action,)
    return node.split, node.cut, *map(nodes, node.sides)


class Pressed(GrowthClock):
    """Ctrl-C at some polls of the clock."""

    def __init__(self, *at: int) -> None:
        super().__init__()
        self.at = at

    def over(self) -> bool:
        ended = super().over()
        if self._polls - 1 in self.at:
            signal.raise_signal(signal.SIGINT)
        return ended


def test_the_tree_so_far_is_kept_whenever_growth_ends():
    rows = small(np.random.default_rng([7, 0]), 40)
    rows = dataclasses.replace(rows, values=np.random.default_rng(0).normal(size=(3, 40)))
    labels = [rows.costs.argmin(axis=1)]
    clock = GrowthClock()
    whole = cheapest_tree(
        dataclasses.replace(rows, clock=clock), labels, 5, max_depth=3, max_cuts=9
    )
    assert whole.status == clock.status == "optimal"
    single = float(rows.costs.sum(axis=0).min())
    known = []
    for at in range(0, clock._polls, 1 + clock._polls // 30):
        for clocks, status in (
            (Pressed(at), "interrupted"),
            (GrowthClock(Control(stop_after=at)), "time_limit"),
        ):
            some = dataclasses.replace(rows, clock=clocks)
            found = cheapest_tree(some, labels, 5, max_depth=3, max_cuts=9)
            assert found.status == status
            assert found.cost == paid(found.root, rows)
            assert whole.cost <= found.cost <= single
            known.append(found.cost)
    assert min(known) == whole.cost < max(known)


def test_a_second_interruption_is_raised():
    rows = small(np.random.default_rng([7, 0]), 40)
    clock = Pressed()
    clock.interrupt(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        clock.interrupt(KeyboardInterrupt())
    assert clock.left.stop_after == 0
    rows = dataclasses.replace(rows, clock=clock)
    assert cheapest_tree(rows, [], 4, max_depth=3, max_cuts=9).status == "interrupted"


def test_a_coarse_grid_is_a_bound_for_its_own_trees_only():
    for seed in range(CASES // 5):
        rng = np.random.default_rng([2, seed])
        rows, leaves = small(rng, 25), int(rng.integers(2, 5))
        found = cheapest_tree(rows, [], leaves, max_depth=3, max_cuts=1)
        assert found.cost <= found.grid.objective * rows.n_rows + 1e-9, seed
        assert found.cost >= least_by_brute_force(rows, leaves) - 1e-9, seed


def test_no_single_question_asked_otherwise_is_cheaper():
    for seed in range(CASES // 2):
        rng = np.random.default_rng([3, seed])
        rows, leaves = small(rng, int(rng.integers(4, 20))), int(rng.integers(2, 7))
        start = random_tree(rng, rows, leaves)
        before = paid(start, rows)
        tree = improved(start, rows, leaves)
        cost = paid(tree, rows)
        assert cost == tree_cost(tree, rows) <= before, seed
        assert tree.n_leaves <= leaves
        for node, (split, cut) in itertools.product(list(tree.inner()), every_cut(rows)):
            kept = node.split, node.cut, node.yes, node.no
            for yes, no in (node.sides, node.sides[::-1]):
                node.split, node.cut, node.yes, node.no = split, cut, yes, no
                assert paid(tree, rows) >= cost, seed
            node.split, node.cut, node.yes, node.no = kept


def random_tree(rng: np.random.Generator, rows: CostRows, leaves: int) -> CostNode:
    root, cuts = CostNode(), every_cut(rows)
    ends = [root]
    while cuts and len(ends) < leaves:
        node = ends.pop(int(rng.integers(len(ends))))
        node.split, node.cut = cuts[int(rng.integers(len(cuts)))]
        node.yes, node.no = CostNode(), CostNode()
        ends += [node.yes, node.no]
    return root


@pytest.mark.parametrize("leaves", [2, 5, 9])
def test_growth_is_that_of_cart(leaves):
    for seed in range(6):
        rng = np.random.default_rng([4, seed])
        X, costs = rng.normal(size=(150, 4)), rng.exponential(size=(150, 3))
        label, weight = costs.argmin(axis=1), rng.exponential(size=150)
        rows = CostRows(np.ascontiguousarray(X.T), costs)
        hot = np.eye(3)[label]
        numbers = np.column_stack([costs, np.ones(150)])
        classify = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
        regress = DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=0)
        for ours, theirs in (
            (grow_costs(rows, leaves, hot, class_impurity), classify.fit(X, label)),
            (
                grow_costs(rows, leaves, hot * weight[:, None], class_impurity),
                DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(X, label, weight),
            ),
            (grow_costs(rows, leaves, numbers, square_impurity), regress.fit(X, costs)),
        ):
            leaf = theirs.apply(X)
            cart = sum(costs[leaf == k].sum(axis=0).min() for k in np.unique(leaf))
            assert tree_cost(ours, rows) == pytest.approx(cart), seed


def test_what_changes_nothing_is_left_out():
    rows = CostRows(np.array([[0.0, 1, 2]]), np.array([[0.0, 1], [0, 1], [0, 1]]))
    same = CostNode(0, 0, 0.0, CostNode(), CostNode())
    empty = CostNode(0, 0, 5.0, same, CostNode(1))
    assert simplified(empty, rows).n_leaves == 1
    assert empty.n_leaves == 3
