"""Ranges of scores over a Rashomon set against all its members, one by one.

TREEML_ORACLE_CASES: as in test_rashomon.py.
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from all_trees import columns_of, n_leaves
from test_rashomon import Case, batches, cases, plain

from treeml import RashomonTreesClassifier
from treeml._core.control import Control
from treeml.rashomon.fairness import fairness_range, least_discriminatory
from treeml.rashomon.ranges import (
    accuracy_range,
    discrepancy,
    reliance_range,
    score_range,
)
from treeml.search.ranges import greatest_scores


def labels_of(tree, rows):
    """The labels that a tree of the enumeration gives rows."""
    if isinstance(tree, int):
        return np.full(len(rows), tree)
    column, yes, no = tree
    return np.where(rows[:, column] == 1, labels_of(yes, rows), labels_of(no, rows))


def some_rows(case):
    """Rows of the fit and others, some of them twice."""
    new = case.rng.random((8, case.X.shape[1])) < 0.5
    rows = np.vstack([case.X, new]).astype(np.uint8)
    return rows[case.rng.integers(0, len(rows), case.rng.integers(2, len(rows) + 1))]


def some_part(case, members, trees):
    """The set or a part of it, and the trees of that."""
    if case.rng.random() < 0.5:
        return members, trees
    chosen = case.rng.permutation(case.X.shape[1])
    must, must_not = chosen[: case.rng.integers(0, 3)].tolist(), chosen[2:3].tolist()
    most = int(case.rng.integers(2, 6))
    part = members.filter(must_use=must, must_not_use=must_not, max_leaf_nodes=most)
    return part, [
        (cost, tree)
        for cost, tree in trees
        if set(must) <= columns_of(tree)
        and not set(must_not) & columns_of(tree)
        and n_leaves(tree) <= most
    ]


def check(found, trees, values):
    """A range against the values of all trees, and its members against the cheapest with them."""
    assert (found.low, found.high) == (min(values), max(values))
    costs = {tree: cost for cost, tree in trees}
    for value, member in ((found.low, found.lowest), (found.high, found.highest)):
        ends = {tree for (_, tree), v in zip(trees, values, strict=True) if v == value}
        assert plain(member) in ends
        assert costs[plain(member)] == min(costs[tree] for tree in ends)


def parts(number, share):
    """Cases with a set that is not empty and all its trees."""
    for case, trees in cases(number, share):
        members, trees = some_part(case, case.fit().set_, trees)
        if not trees:
            with pytest.raises(ValueError, match="empty"):
                discrepancy(members)
            continue
        yield case, members, trees


@batches
def test_scores_of_every_cost_are_those_of_all_members(number):
    for case, members, trees in parts(number, share=0.6):
        rows = some_rows(case)
        size = int(case.rng.choice([0, 1, 3, 10**6]))  # 0: all trees have the same score
        scores = case.rng.integers(-size, size + 1, (len(rows), case.n_classes))
        given = np.array([labels_of(tree, rows) for _, tree in trees])
        sums = scores[np.arange(len(rows)), given].sum(axis=1).tolist()
        check(score_range(members, rows, scores), trees, sums)
        check_levels(members, rows, scores, trees, sums)


def check_levels(members, rows, scores, trees, sums):
    distinct, row_of = np.unique(rows, axis=0, return_inverse=True)
    merged = np.zeros((len(distinct), scores.shape[1]), dtype=np.int64)
    np.add.at(merged, row_of.ravel(), scores)
    search = (members._search, members._budget, members._control, members._constraint)
    found, _ = search[0].ranges(distinct, [merged], *search[1:])
    expected = {}
    for (cost, _), score in zip(trees, sums, strict=True):
        expected[cost] = max(score, expected.get(cost, score))
    best = {}
    costs = {tree: cost for cost, tree in trees}
    score_of = {tree: score for (_, tree), score in zip(trees, sums, strict=True)}
    for cost, part, score in found[0].levels:
        best[cost] = max(score, best.get(cost, score))
        nodes = found[0].attaining(cost, part)
        member = plain(members.build(nodes[:, :3], nodes[:, 3]))
        assert (costs[member], score_of[member]) == (cost, score)
    assert best == expected


@batches
def test_accuracy_and_discrepancy_are_those_of_all_members(number):
    for case, members, trees in parts(number, share=0.3):
        rows = some_rows(case)
        given = np.array([labels_of(tree, rows) for _, tree in trees])
        y = case.rng.integers(0, case.n_classes + 1, len(rows))  # the last class is unknown
        weight = case.rng.integers(0, 3, len(rows)) + (case.rng.random() < 0.5) / 4
        weight[0] = 1
        exact = [Fraction(w) for w in weight]
        right = [
            sum((w for w, r in zip(exact, row, strict=True) if r), Fraction()) for row in given == y
        ]
        values = [value / sum(exact) for value in right]
        check(accuracy_range(members, rows, y, weight), trees, values)
        for table, labels, seen in ((rows, given, rows), (None, None, case.X)):
            if labels is None:
                labels = np.array([labels_of(tree, case.X) for _, tree in trees])
            differs = (labels != labels_of(plain(members.best), seen)).sum(axis=1).tolist()
            found = discrepancy(members, table)
            assert found.share == Fraction(max(differs), len(seen))
            place = [tree for _, tree in trees].index(plain(found.tree))
            assert differs[place] == max(differs)


@batches
def test_gaps_between_groups_are_those_of_all_members(number):
    for case, members, trees in parts(number, share=0.3):
        rows = some_rows(case)
        n = len(rows)
        groups = case.rng.permutation(np.where(np.arange(n) % 3, "b", "a"))
        y = case.rng.integers(0, case.n_classes, n)
        positive = case.n_classes - 1
        given = np.array([labels_of(tree, rows) for _, tree in trees]) == positive
        for metric, of in (
            ("selection_rate", np.ones(n, dtype=bool)),
            ("tpr", y == positive),
            ("fpr", y != positive),
        ):
            a, b = (of & (groups == name) for name in ("a", "b"))
            if not a.any() or not b.any():
                with pytest.raises(ValueError, match=metric):
                    fairness_range(members, rows, y, groups, metric)
                continue
            values = gaps(given, a, b)
            check(fairness_range(members, rows, y, groups, metric), trees, values)
            check_least(members, rows, y, groups, metric, trees, values)


def check_least(members, rows, y, groups, metric, trees, values):
    value_of = {tree: value for (_, tree), value in zip(trees, values, strict=True)}
    least = min(map(abs, values))
    found = least_discriminatory(members, rows, y, groups, metric, most_steps=10**6)
    assert value_of[plain(found.tree)] == found.gap
    assert found.is_least
    assert abs(found.gap) == least
    for steps in (0, 1, 3):
        found = least_discriminatory(members, rows, y, groups, metric, most_steps=steps)
        assert value_of[plain(found.tree)] == found.gap
        assert found.bound <= least <= abs(found.gap)
    found = least_discriminatory(members, rows, y, groups, metric, tolerance=0.25)
    assert abs(found.gap) <= max(0.25, least)
    assert found.bound <= least


def gaps(given, a, b):
    """Differences of rates of every tree."""
    return [
        Fraction(int(row[b].sum()), int(b.sum())) - Fraction(int(row[a].sum()), int(a.sum()))
        for row in given
    ]


@batches
def test_reliance_is_that_of_all_members_over_all_pairs(number):
    for case, members, trees in parts(number, share=0.2):
        rows = some_rows(case)[:12]
        n = len(rows)
        y = case.rng.integers(0, case.n_classes, n)
        column = int(case.rng.integers(0, rows.shape[1]))
        i, j = np.nonzero(~np.eye(n, dtype=bool))
        pairs = rows[i]
        pairs[:, column] = rows[j, column]
        values = [
            Fraction(int((labels_of(tree, pairs) != y[i]).sum()), n * (n - 1))
            - Fraction(int((labels_of(tree, rows) != y).sum()), n)
            for _, tree in trees
        ]
        found = reliance_range(members, rows, y, column)
        assert found.all_pairs
        check(found, trees, values)
        order = np.random.RandomState(number).permutation(n)
        pairs = rows.copy()
        pairs[order, column] = rows[np.roll(order, 1), column]
        values = [
            Fraction(
                int((labels_of(tree, pairs) != y).sum()) - int((labels_of(tree, rows) != y).sum()),
                n,
            )
            for _, tree in trees
        ]
        found = reliance_range(members, rows, y, column, most_rows=0, random_state=number)
        assert not found.all_pairs
        check(found, trees, values)


def deep_set(**options):
    """A set whose nodes have children of depth three and more, with many members."""
    rng = np.random.default_rng(5)
    X = (rng.random((150, 7)) < 0.5).astype(np.uint8)
    y = (X[:, 0] & X[:, 1]) ^ X[:, 2] ^ (rng.random(150) < 0.15)
    model = RashomonTreesClassifier(max_depth=5, regularization=0.02, epsilon=0.15, **options)
    return X, y.astype(int), model.fit(X, y.astype(int)).set_


@pytest.mark.parametrize("options", [{}, {"labels": "majority", "drop_trivial": True}])
def test_ranges_of_a_deep_set_hold_its_members(options):
    X, y, members = deep_set(**options)
    assert 400 < members.count < 10000
    found = accuracy_range(members, X, y)
    given = np.array([labels_of(plain(tree), X) for tree in members])
    right = [Fraction(int(n), len(y)) for n in (given == y).sum(axis=1)]
    assert (found.low, found.high) == (min(right), max(right))
    a, b = X[:, 3] == 0, X[:, 3] == 1
    values = gaps(given == 1, a, b)
    found = least_discriminatory(members, X, y, X[:, 3], most_steps=10**6)
    assert found.is_least
    assert abs(found.gap) == min(map(abs, values))


def test_a_part_that_attains_a_score_is_no_leaf_of_a_split_that_is_left_out():
    X = ["100", "011", "101", "011", "100", "001", "011", "110", "011", "001", "011", "001", "010"]
    X = np.array([list(map(int, row)) for row in X], dtype=np.uint8)
    y = np.array([0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    weight = np.array([3, 1, 1, 2, 1, 2, 1, 1, 3, 2, 1, 1, 1])
    model = RashomonTreesClassifier(
        max_depth=4, regularization=0.05, epsilon=None, max_regret=0.21, drop_trivial=True
    )
    members = model.fit(X, y, sample_weight=weight).set_
    assert members.count == 68
    distinct = np.unique(X, axis=0)
    search = (members._search, members._budget, members._control, members._constraint)
    found, _ = search[0].ranges(distinct, [np.zeros((len(distinct), 2), dtype=int)], *search[1:])
    for cost, part, _ in found[0].levels:
        nodes = found[0].attaining(cost, part)
        place = members.rank(members.build(nodes[:, :3], nodes[:, 3]))
        assert place is not None
        assert members._place(place)[:2] == (cost, part)


def test_a_stopped_range_says_so_and_a_later_one_is_whole():
    X, y, members = deep_set()
    scores = np.stack([y, 1 - y], axis=1)
    whole = score_range(members, X, scores)
    distinct = np.unique(X, axis=0)
    counted, _ = members._search.trace(distinct, members._budget, Control(), members._constraint)
    zeros = np.zeros((len(distinct), 2), dtype=np.int64)
    for polls in (0, 1, 2, 5, 20):
        found, status = greatest_scores(counted, [zeros], Control(stop_after=polls))
        assert (found, status) == (None, "time_limit")
    found, status = greatest_scores(counted, [zeros], Control(memory_limit=1000))
    assert (found, status) == (None, "memory_limit")
    assert score_range(members, X, scores) == whole


def test_wrong_input_is_named():
    X, y, members = deep_set()
    with pytest.raises(ValueError, match="shape"):
        score_range(members, X, np.zeros((3, 2), dtype=int))
    with pytest.raises(ValueError, match="integers"):
        score_range(members, X, np.zeros((len(X), 2)))
    with pytest.raises(ValueError, match="2\\^59"):
        score_range(members, X, np.full((len(X), 2), 2**57))
    with pytest.raises(ValueError, match="groups: 1 different"):
        fairness_range(members, X, y, np.zeros(len(X)))
    with pytest.raises(ValueError, match="none of the classes"):
        fairness_range(members, X, y, X[:, 0], positive=7)
    with pytest.raises(ValueError, match="metric"):
        fairness_range(members, X, y, X[:, 0], "accuracy")
    with pytest.raises(ValueError, match="y: shape"):
        accuracy_range(members, X, y[:3])
    with pytest.raises(ValueError, match="not negative"):
        accuracy_range(members, X, y, -np.ones(len(X)))
    with pytest.raises(ValueError, match="two rows"):
        reliance_range(members, X[:1], y[:1], 0)


assert Case  # used by cases()
