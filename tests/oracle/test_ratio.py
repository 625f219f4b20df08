"""Ratio, curve, patterns and sampling against an enumeration of all trees of a small problem.

TREEML_ORACLE_CASES: number of random cases of the main test (default 100).
"""

import os
import sys
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from all_trees import all_trees, answer

from treeml import RashomonTreesClassifier
from treeml.rashomon.hypothesis_space import Space, hypothesis_space
from treeml.rashomon.ratio import pattern_ratio, rashomon_curve, rashomon_ratio
from treeml.rashomon.sampled_ratio import Proposal, sampled_ratio

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "100"))
BATCHES = 10
MOST_TREES = 4000

batches = pytest.mark.parametrize("number", range(BATCHES))


def cases(number, share=1.0):
    for seed in range(number, max(BATCHES, int(CASES * share)), BATCHES):
        yield Case(seed)


class Case:
    """A random problem with few trees."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng([91, seed])
        self.max_depth = int(rng.integers(0, 5))
        n_columns = int(rng.integers(1, (7, 7, 5, 4, 4)[self.max_depth]))
        n_rows, n_classes = int(rng.integers(4, 25)), int(rng.integers(2, 4))
        X = rng.random((n_rows, n_columns)) < rng.uniform(0.2, 0.8, n_columns)
        if n_columns > 2 and rng.random() < 0.5:
            X[:, 1] = X[:, 0] ^ (rng.random() < 0.5)  # an equal or complementary column
        self.X = X.astype(np.uint8)
        self.y = (X[:, 0] + rng.integers(0, n_classes, n_rows) * (rng.random(n_rows) < 0.4)) % (
            n_classes
        )
        self.y[:n_classes] = np.arange(n_classes)
        self.weight = rng.integers(1, 4, n_rows) if rng.random() < 0.4 else np.ones(n_rows, int)
        self.weight[0] = 1  # no common divisor
        self.by_class = rng.integers(1, 4, n_classes) if rng.random() < 0.3 else None
        self.leaf_cost = int(rng.integers(1, 4))
        self.options = {
            "labels": "any" if rng.random() < 0.5 else "majority",
            "drop_trivial": bool(rng.random() < 0.5),
            "min_samples_leaf": int(rng.integers(1, 4)) if rng.random() < 0.4 else 1,
        }
        self.regret = int(rng.integers(0, 6))
        self.counts = np.zeros((n_classes + 1, n_rows), dtype=np.int64)
        self.counts[self.y, np.arange(n_rows)] = self.weight
        if self.by_class is not None:
            self.by_class[0] = 1
            self.counts[:-1] *= self.by_class[:, None]
        self.counts[-1] = 1
        self.total = int(self.counts[:-1].sum())

    def trees(self, *, max_depth=None, columns=slice(None), leaf_cost=None):
        """All trees of the space with their costs, whatever they cost."""
        return list(
            all_trees(
                self.X[:, columns],
                self.counts,
                max_depth=self.max_depth if max_depth is None else max_depth,
                leaf_cost=self.leaf_cost if leaf_cost is None else leaf_cost,
                budget=10**9,
                any_label=self.options["labels"] == "any",
                drop_trivial=self.options["drop_trivial"],
                min_samples_leaf=self.options["min_samples_leaf"],
            )
        )

    def members(self):
        weights = None if self.by_class is None else dict(enumerate(self.by_class.tolist()))
        return (
            RashomonTreesClassifier(
                max_depth=self.max_depth,
                regularization=self.leaf_cost / self.total,
                epsilon=None,
                max_regret=float(Fraction(2 * self.regret + 1, 2 * self.total)),
                class_weight=weights,
                **self.options,
            )
            .fit(self.X, self.y, sample_weight=self.weight)
            .set_
        )

    @property
    def is_small(self):
        """Few enough trees to list."""
        return plain_count(self, self.max_depth) <= MOST_TREES


def plain_count(case, depth):
    """The recursion as it is written, over sets of rows."""
    labels = case.counts.shape[0] - 1 if case.options["labels"] == "any" else 1
    least, drop = case.options["min_samples_leaf"], case.options["drop_trivial"]

    @cache
    def trees(rows, depth):
        number = labels
        for column in case.X.T if depth else ():
            yes = frozenset(i for i in rows if column[i])
            no = rows - yes
            if min(len(yes), len(no)) < least:
                continue
            number += trees(yes, depth - 1) * trees(no, depth - 1)
            if drop and labels > 1:
                number -= labels
            elif drop:
                sides = [case.counts[:-1, list(side)].sum(axis=1).argmax() for side in (yes, no)]
                number -= int(sides[0] == sides[1])
        return number

    return trees(frozenset(range(len(case.X))), depth)


@batches
def test_the_ratio_is_that_of_an_enumeration(number):
    for case in cases(number):
        if not case.is_small:
            continue
        trees = case.trees()
        least = min(cost for cost, _ in trees)
        near = sum(cost <= least + case.regret for cost, _ in trees)
        members = case.members()
        found = rashomon_ratio(members)
        assert (found.count, found.space) == (near, len(trees))
        assert found.ratio == Fraction(near, len(trees))
        assert found.log10 == pytest.approx(np.log10(near / len(trees)), abs=1e-12)
        for depth in range(case.max_depth):
            assert hypothesis_space(members, max_depth=depth) == len(case.trees(max_depth=depth))
        left_out = int(case.rng.integers(case.X.shape[1]))
        kept = [j for j in range(case.X.shape[1]) if j != left_out]
        part = members.filter(must_not_use=[left_out])
        fewer = case.trees(columns=kept)
        found = rashomon_ratio(part)
        assert found.space == len(fewer)
        assert found.count == sum(cost <= least + case.regret for cost, _ in fewer)


@batches
def test_large_spaces_are_those_of_the_plain_recursion(number):
    for case in cases(number, share=0.2):
        rng = case.rng
        n_rows, n_columns = int(rng.integers(10, 40)), int(rng.integers(4, 9))
        case.X = (rng.random((n_rows, n_columns)) < rng.uniform(0.1, 0.9, n_columns)).astype(int)
        case.X[:, -1] = 1 - case.X[:, 0]
        case.y = rng.integers(0, 3, n_rows)
        case.y[:3] = range(3)
        case.weight, case.by_class, case.max_depth = np.ones(n_rows, int), None, 1
        case.counts = np.vstack([case.y == k for k in range(3)] + [np.ones(n_rows)]).astype(int)
        case.total = n_rows
        members = case.members()
        for depth in range(6):
            assert hypothesis_space(members, max_depth=depth) == plain_count(case, depth)


@batches
def test_the_curve_is_that_of_an_enumeration(number):
    for case in cases(number, share=0.4):
        if not case.is_small:
            continue
        members = case.members()
        allowed = int(case.rng.integers(0, 4))
        theta = float(Fraction(2 * allowed + 1, 2 * case.total))
        left_out = int(case.rng.integers(case.X.shape[1]))
        kept = list(range(case.X.shape[1]))
        if len(kept) > 1 and case.rng.random() < 0.5:
            members = members.filter(must_not_use=[left_out])
            kept.remove(left_out)
        for risk, leaf_cost in (("error", 0), ("objective", case.leaf_cost)):
            depths = range(case.max_depth + 1)
            curve = rashomon_curve(members, max_depths=depths, theta=theta, risk=risk)
            assert [point.max_depth for point in curve.points] == list(depths)
            for point in curve.points:
                trees = case.trees(max_depth=point.max_depth, columns=kept, leaf_cost=leaf_cost)
                least = min(cost for cost, _ in trees)
                assert point.risk == least / case.total
                assert point.count == sum(cost <= least + allowed for cost, _ in trees)
                assert point.space == len(trees)


@batches
def test_patterns_are_those_of_an_enumeration(number):
    for case in cases(number, share=0.4):
        if not case.is_small:
            continue
        trees = case.trees()
        least = min(cost for cost, _ in trees)
        patterns = [tuple(answer(tree, row) for row in case.X) for _, tree in trees]
        near = {
            pattern
            for pattern, (cost, _) in zip(patterns, trees, strict=True)
            if cost <= least + case.regret
        }
        members = case.members()
        found = pattern_ratio(members)
        assert (found.count, found.space) == (len(near), len(set(patterns)))
        assert found.count_is_exact
        assert found.space_is_exact
        stopped = pattern_ratio(members, most=max(len(near), 2, len(set(patterns)) // 2))
        if not stopped.space_is_exact:
            assert stopped.space <= len(set(patterns))
            if stopped.count_is_exact:
                assert stopped.count == len(near)
            assert stopped.count <= len(near)


def test_draws_have_the_probabilities_that_are_said():
    """The number of trees of every cost comes out of the weights."""
    for seed in range(12):
        case = Case(seed)
        if not case.is_small or case.max_depth < 1:
            continue
        space = Space.of(case.members())
        costs, log_q = Proposal(space, case.leaf_cost, slopes=[0.1, 0.3]).draw(
            4000, np.random.RandomState(seed)
        )
        numbers = Counter(cost for cost, _ in case.trees())
        weights = Counter()
        for cost, log in zip(costs.tolist(), log_q.tolist(), strict=True):
            weights[cost] += np.exp(-log) / 4000
        assert set(weights) - {np.inf} <= set(numbers)
        estimate = sum(weights[cost] for cost in numbers)
        assert estimate == pytest.approx(sum(numbers.values()), rel=0.2)


@pytest.mark.parametrize(("depth", "epsilon"), [(2, 0.3), (3, 0.05)])
def test_the_interval_covers_the_exact_ratio(depth, epsilon):
    """In at least 93 of 100 repeats of 200 draws each."""
    rng = np.random.default_rng(5)
    X = (rng.random((40, 5)) < 0.5).astype(np.uint8)
    y = (X[:, 0] & X[:, 1]) ^ (rng.random(40) < 0.15)
    model = RashomonTreesClassifier(max_depth=depth, regularization=0.025, epsilon=epsilon)
    members = model.fit(X, y).set_
    exact = rashomon_ratio(members)
    covered = 0
    for repeat in range(100):
        found = sampled_ratio(members, n_samples=200, space=exact.space, random_state=repeat)
        covered += found.log10_low <= exact.log10 <= found.log10_high
    assert covered >= 93
