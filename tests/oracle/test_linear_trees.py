"""Trees with linear leaves against brute force; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of growth (default 100); exact trees run a share.
"""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

from tests.oracle.slow_linear_trees import SlowTrees, slow_grid, slow_leaf
from treeml._core.control import Control
from treeml.search.linear_tree import (
    LeafPenalty,
    LinearGrowth,
    LinearRows,
    exact_linear_tree,
    grow_linear_trees,
)

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "100"))
BATCHES = 5


def batch(number: int, share: float = 1.0) -> range:
    size = max(1, round(CASES * share / BATCHES))
    return range(number * size, (number + 1) * size)


def problem(seed: int, n_rows: int, most_features: int):
    """Random rows with ties, missing values, dependent inputs, weights and several targets."""
    rng = np.random.default_rng(seed)
    n, f = int(rng.integers(4, n_rows + 1)), int(rng.integers(1, most_features + 1))
    values = rng.normal(size=(f, n))
    for j in range(f):
        if rng.random() < 0.5:
            values[j] = np.round(values[j])
        if rng.random() < 0.2:
            values[j, rng.random(n) < 0.2] = np.inf
        if rng.random() < 0.1:
            values[j] = 1.5
    design = np.where(np.isinf(values), 0.0, values).T[:, : int(rng.integers(0, f + 1))]
    if design.shape[1] and rng.random() < 0.3:
        design = np.column_stack([design, design[:, 0] * 2])
    t = int(rng.integers(1, 3))
    target = rng.normal(size=(n, t)) + np.where(values[:1].T > 0, 2.0, -1.0)
    mass = rng.integers(1, 4, n).astype(float) if rng.random() < 0.4 else None
    weight = mass if rng.random() < 0.5 else rng.uniform(0.1, 1, n)
    penalty = LeafPenalty(
        float(10 ** rng.uniform(-3, 1)),
        float(10 ** rng.uniform(-5, 1)),
        int(rng.integers(1, 5)),
        float(rng.choice([0.0, 2.5])),
    )
    return LinearRows(np.ascontiguousarray(design), target, values, weight, mass), penalty


def slow(rows: LinearRows, penalty: LeafPenalty) -> SlowTrees:
    ones = np.ones(len(rows.design))
    return SlowTrees(
        rows.design,
        rows.target,
        ones if rows.weight is None else rows.weight,
        ones if rows.mass is None else rows.mass,
        rows.values,
        l2=penalty.l2,
        l2_constant=penalty.l2_constant,
        min_rows=penalty.min_samples_leaf,
        min_weight=penalty.min_weight_leaf,
    )


def check_tree(tree, rows, penalty, *, reached: float | None = None) -> None:
    """Its leaves are allowed and cost what it says."""
    brute = slow(rows, penalty)
    members = [m for v, m in enumerate(tree.members(rows.values)) if tree.feature[v] < 0]
    total = 0.0
    for member in members:
        mask = np.zeros(len(rows.design), dtype=bool)
        mask[member] = True
        assert len(members) == 1 or brute.allowed(mask)
        total += brute.leaf(mask)
    assert tree.cost == pytest.approx(total, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("number", range(BATCHES))
@pytest.mark.parametrize("isa", ["portable", "avx2", "widest"])
def test_exact_trees_are_the_best_of_the_grid(number, isa, monkeypatch):
    if isa != "widest":
        monkeypatch.setenv("TREEML_ISA", isa)
    for seed in batch(number, 1.0 if isa == "widest" else 0.15):
        rng = np.random.default_rng(10**6 + seed)
        depth = 3 if seed % 3 == 0 else 2 if seed % 3 == 1 else int(rng.integers(1, 3))
        rows, penalty = problem(seed, 30 if depth < 3 else 18, 3 if depth < 3 else 2)
        max_cuts = int(rng.integers(1, 9 if depth < 3 else 4))
        leaves = int(rng.integers(1, 2**depth + 1)) if rng.random() < 0.5 else 2**depth
        mass = np.ones(len(rows.design)) if rows.mass is None else rows.mass
        cuts = [slow_grid(column, mass, max_cuts) for column in rows.values]
        found = exact_linear_tree(
            rows, penalty, max_depth=depth, max_leaf_nodes=leaves, max_cuts=max_cuts
        )
        for ours, theirs in zip(found.cuts, cuts, strict=True):
            assert ours.tolist() == theirs, seed
        everything = np.ones(len(rows.design), dtype=bool)
        best = slow(rows, penalty).best(everything, cuts, depth, leaves)
        assert found.tree.cost == pytest.approx(best, rel=1e-7, abs=1e-9), seed
        assert found.status == "optimal", seed
        assert found.tree.n_leaves <= leaves, seed
        check_tree(found.tree, rows, penalty)


@pytest.mark.parametrize("number", range(BATCHES))
def test_a_stopped_search_has_a_valid_bound(number):
    for seed in batch(number, 0.3):
        rows, penalty = problem(seed, 40, 4)
        whole = exact_linear_tree(rows, penalty, max_depth=3, max_cuts=4)
        stop = int(np.random.default_rng(seed).integers(0, 60))
        control = Control(stop_after=stop)
        part = exact_linear_tree(rows, penalty, max_depth=3, max_cuts=4, control=control)
        assert part.lower_bound <= whole.tree.cost * (1 + 1e-9), seed
        assert part.tree.cost >= whole.tree.cost * (1 - 1e-9), seed
        assert part.status in ("optimal", "time_limit"), seed
        check_tree(part.tree, rows, penalty)


def best_split(rows: LinearRows, penalty: LeafPenalty, members: np.ndarray) -> float:
    """Least cost of two leaves over all thresholds."""
    brute = slow(rows, penalty)
    out = np.inf
    for column in rows.values:
        for t in np.unique(column[members])[:-1]:
            yes = members & (column <= t)
            no = members & ~yes
            if brute.allowed(yes) and brute.allowed(no):
                out = min(out, brute.leaf(yes) + brute.leaf(no))
    return out


@pytest.mark.parametrize("number", range(BATCHES))
def test_growth_lowers_the_loss_and_its_first_split_is_the_best(number):
    for seed in batch(number):
        rows, penalty = problem(seed, 40, 3)
        rng = np.random.default_rng(seed)
        growth = LinearGrowth(
            max_leaf_nodes=int(rng.integers(1, 7)),
            max_depth=int(rng.integers(1, 4)) if rng.random() < 0.3 else None,
            sweeps=int(rng.integers(0, 4)),
            regrow_rounds=int(rng.integers(0, 3)),
            max_cuts=64,
        )
        path = grow_linear_trees(rows, penalty, growth)
        costs = [tree.cost for tree in path.trees]
        assert all(a > b for a, b in itertools.pairwise(costs)), seed
        sizes = [tree.n_leaves for tree in path.trees]
        assert all(a < b for a, b in itertools.pairwise([0, *sizes])), seed
        assert sizes[0] == 1, seed
        assert sizes[-1] <= growth.max_leaf_nodes, seed
        for tree in path.trees:
            check_tree(tree, rows, penalty)
        if growth.max_leaf_nodes > 1:
            everything = np.ones(len(rows.design), dtype=bool)
            best = best_split(rows, penalty, everything)
            if best < costs[0] * (1 - 1e-6):
                assert costs[1] == pytest.approx(best, rel=1e-6), seed
            else:
                assert len(costs) == 1 or costs[1] == pytest.approx(costs[0], rel=1e-5), seed


@pytest.mark.parametrize("number", range(BATCHES))
def test_searches_never_end_above_plain_growth_of_the_same_start(number):
    for seed in batch(number, 0.5):
        rows, penalty = problem(seed, 60, 3)
        plain = grow_linear_trees(rows, penalty, LinearGrowth(max_leaf_nodes=4, sweeps=0))
        for sweeps, rounds in ((3, 0), (3, 2)):
            growth = LinearGrowth(
                max_leaf_nodes=plain.trees[-1].n_leaves, sweeps=sweeps, regrow_rounds=rounds
            )
            better = grow_linear_trees(rows, penalty, growth, start=plain.trees[-1])
            assert better.trees[-1].cost <= plain.trees[-1].cost * (1 + 1e-12), seed
            check_tree(better.trees[-1], rows, penalty)


@pytest.mark.parametrize("number", range(BATCHES))
def test_stopped_growth_keeps_whole_trees(number):
    for seed in batch(number, 0.5):
        rows, penalty = problem(seed, 40, 3)
        stop = int(np.random.default_rng(seed).integers(0, 80))
        growth = LinearGrowth(max_leaf_nodes=5, regrow_rounds=1)
        path = grow_linear_trees(rows, penalty, growth, control=Control(stop_after=stop))
        assert path.status in ("optimal", "time_limit")
        for tree in path.trees:
            check_tree(tree, rows, penalty)


def test_a_leaf_without_penalty_of_the_constant_is_a_ridge_fit():
    rng = np.random.default_rng(0)
    design, target = rng.normal(size=(50, 4)), rng.normal(size=(50, 1))
    rows = LinearRows(design, target, design.T.copy())
    tree = grow_linear_trees(rows, LeafPenalty(2.0, 0.0), LinearGrowth(max_leaf_nodes=1)).trees[0]
    assert tree.cost == pytest.approx(slow_leaf(design, target, np.ones(50), 2.0, 0.0))


def test_depths_that_are_not_solved_exactly_are_refused():
    rows, penalty = problem(0, 10, 1)
    with pytest.raises(ValueError, match="max_depth of 1, 2 or 3, not 4"):
        exact_linear_tree(rows, penalty, max_depth=4)
    with pytest.raises(ValueError, match="at most 255 cuts of a column, not 256"):
        exact_linear_tree(rows, penalty, max_depth=2, max_cuts=256)
