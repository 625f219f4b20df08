"""Probabilities that members give, their spread and who departs most, against all members.

TREEML_ORACLE_CASES: as in test_rashomon.py.
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_ranges import deep_set, parts, some_rows
from test_rashomon import batches, plain

from treeml import RashomonTreesClassifier
from treeml._core.control import Control
from treeml.rashomon import probability_discrepancy, probability_range, rashomon_capacity
from treeml.rashomon.capacity import channel_capacity, two_input_capacity
from treeml.rashomon.probabilities import _Rows
from treeml.search.probabilities import leaf_vectors, share_ranges


def shares_of(tree, X, counts, rows):
    """Shares of the classes in the leaf of each row, as fractions; counts by class, then row."""
    if isinstance(tree, int):
        total = int(counts.sum())
        return [[Fraction(int(n), total) for n in counts.sum(axis=1)]] * len(rows)
    column, yes, no = tree
    out = [None] * len(rows)
    for below, answer in ((yes, 1), (no, 0)):
        here, at = X[:, column] == answer, np.flatnonzero(rows[:, column] == answer)
        for place, share in zip(
            at, shares_of(below, X[here], counts[:, here], rows[at]), strict=True
        ):
            out[place] = share
    return out


def given_by(case, trees, rows):
    """Shares as fractions: by tree, row and class."""
    return [shares_of(tree, case.X, case.counts[:-1], rows) for _, tree in trees]


@batches
def test_ranges_of_probabilities_are_those_of_all_members(number):
    for case, members, trees in parts(number, share=0.65):
        rows = some_rows(case)
        given = given_by(case, trees, rows)
        found = probability_range(members, rows)
        best = [tree for _, tree in trees].index(plain(members.best))
        for k in range(case.n_classes):
            by_row = list(zip(*[[share[k] for share in tree] for tree in given], strict=True))
            assert found.low[:, k].tolist() == [float(min(values)) for values in by_row]
            assert found.high[:, k].tolist() == [float(max(values)) for values in by_row]
            assert found.best[:, k].tolist() == [float(values[best]) for values in by_row]
            deltas = {abs(v - values[best]) for values in by_row for v in values} - {0}
            for delta in [
                0.25,
                0.1,
                *(float(d) for d in sorted(deltas)[:3] if d.denominator in (2, 4)),
            ]:
                far = [
                    max(abs(v - values[best]) for v in values) >= Fraction(str(delta))
                    for values in by_row
                ]
                assert found.far(delta, k).tolist() == far
                assert found.ambiguity(delta, k) == np.mean(far)
        assert np.allclose(
            members.best.predict_proba(table_of(members, rows)), found.best, atol=1e-12
        )


def table_of(members, rows):
    from treeml._core.validation import as_table

    return as_table(rows, like=members.columns)


@batches
def test_the_member_that_departs_most_is_that_of_all_members(number):
    for case, members, trees in parts(number, share=0.65):
        plain_best = plain(members.best)
        chosen = int(case.rng.integers(0, case.n_classes))
        delta = float(case.rng.choice([0.05, 0.25, 0.5, 1.0]))
        for table in (some_rows(case), None):
            rows = case.X if table is None else table
            best = shares_of(plain_best, case.X, case.counts[:-1], rows)
            values = {
                tree: sum(
                    abs(a[chosen] - b[chosen]) >= Fraction(str(delta))
                    for a, b in zip(given, best, strict=True)
                )
                for (_, tree), given in zip(trees, given_by(case, trees, rows), strict=True)
            }
            found = probability_discrepancy(members, table, delta=delta, positive=chosen)
            assert found.share == Fraction(max(values.values()), len(rows))
            assert values[plain(found.tree)] == max(values.values())


@batches
def test_capacities_are_those_of_all_members(number):
    for case, members, trees in parts(number, share=0.65):
        rows = some_rows(case)[:6]
        given = given_by(case, trees, rows)
        found = rashomon_capacity(members, rows)
        for row in range(len(rows)):
            points = {tuple(map(float, tree[row])) for tree in given}
            low, high = capacity_between(np.array(sorted(points)))
            assert low - 2e-6 <= np.log2(found[row]) <= high + 2e-6
            if case.n_classes == 2:
                assert np.log2(found[row]) == pytest.approx((low + high) / 2, abs=high - low + 1e-9)


def capacity_between(points, steps=3000):
    """Bounds of the capacity of a channel: mutual information, and the largest divergence."""
    weight = np.full(len(points), 1 / len(points))
    low, high = 0.0, np.inf
    for _ in range(steps):
        output = weight @ points
        logs = np.log2(np.where(points > 0, points, 1) / np.where(output > 0, output, 1))
        apart = (points * logs).sum(axis=1)
        low, high = max(low, float(weight @ apart)), min(high, float(apart.max()))
        if high - low < 1e-7:
            break
        weight = weight * 2.0**apart
        weight /= weight.sum()
    return low, high


def test_capacities_that_are_known():
    assert two_input_capacity(0.0, 1.0) == 1.0
    assert two_input_capacity(0.3, 0.3) == 0.0
    p = 0.11  # a binary symmetric channel
    expected = 1 + p * np.log2(p) + (1 - p) * np.log2(1 - p)
    assert two_input_capacity(p, 1 - p) == pytest.approx(expected)
    assert two_input_capacity(0.0, 0.5) == pytest.approx(np.log2(1.25))  # a Z-channel
    assert channel_capacity(np.eye(3)) == pytest.approx(np.log2(3))
    assert channel_capacity(np.full((4, 3), 1 / 3)) == 0.0
    points = np.array([[1 - p, p], [p, 1 - p], [0.5, 0.5]])
    assert channel_capacity(points) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("options", [{}, {"labels": "majority", "drop_trivial": True}])
def test_probabilities_of_a_deep_set_hold_those_of_its_members(options):
    X, _, members = deep_set(**options)
    given = np.array([tree.predict_proba(table_of(members, X)) for tree in members])
    found = probability_range(members, X)
    assert np.allclose(found.low, given.min(axis=0), atol=1e-12)
    assert np.allclose(found.high, given.max(axis=0), atol=1e-12)
    far = (np.abs(given - found.best)[..., 1] >= 0.2).mean(axis=1)
    assert float(probability_discrepancy(members, X, delta=0.2).share) == far.max()


def test_classes_of_weight_0_count_by_rows_where_a_leaf_has_no_others():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 1], [0, 1], [0, 0]])
    y = np.array([0, 1, 2, 2, 1, 0, 1])
    model = RashomonTreesClassifier(
        max_depth=2, regularization=0.1, epsilon=2, class_weight={0: 1, 1: 2, 2: 0}
    )
    members = model.fit(X, y).set_
    given = np.array([tree.predict_proba(table_of(members, X)) for tree in members])
    found = probability_range(members, X)
    assert np.allclose(found.low, given.min(axis=0))
    assert np.allclose(found.high, given.max(axis=0))
    assert found.high[2, 2] == 1.0


def test_stopped_searches_say_so_and_later_ones_are_whole():
    X, _, members = deep_set()
    whole = probability_range(members, X)
    rows = _Rows.of(members, members.answers(X))
    counted = rows.trace(members)
    for search in (share_ranges, leaf_vectors):
        for polls in (0, 1, 2, 5, 20):
            found, status = search(counted, rows.numbers, 2, Control(stop_after=polls))
            assert (found, status) == (None, "time_limit")
        found, status = search(counted, rows.numbers, 2, Control(memory_limit=1000))
        assert (found, status) == (None, "memory_limit")
    assert (probability_range(members, X).low == whole.low).all()


def test_wrong_input_is_named():
    X, _, members = deep_set()
    found = probability_range(members, X)
    with pytest.raises(ValueError, match="delta=0"):
        found.far(0)
    with pytest.raises(ValueError, match="none of the classes"):
        found.ambiguity(0.1, positive=7)
    with pytest.raises(ValueError, match="delta=2"):
        probability_discrepancy(members, delta=2)
    nobody = members.filter(must_use=[0], max_leaf_nodes=1)
    for call in (probability_range, rashomon_capacity):
        with pytest.raises(ValueError, match="empty"):
            call(nobody, X)
    with pytest.raises(ValueError, match="empty"):
        probability_discrepancy(nobody, delta=0.1)
