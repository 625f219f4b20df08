"""Trees of costs at full resolution against brute force.

TREEML_ORACLE_CASES: number of random cases of the main test (default 500, of which a share is run).
"""

from __future__ import annotations

import itertools
import os
from fractions import Fraction

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.oracle.all_action_trees import least_cost
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
    return float(
        least_cost(X, costs, Fraction(0), max_depth=None, max_leaf_nodes=leaves, min_samples_leaf=1)
    )


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
