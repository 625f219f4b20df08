"""Reliances of members, the hull of their cloud and their distribution, against all members.

TREEML_ORACLE_CASES: as in test_rashomon.py.
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_ranges import check, deep_set, labels_of, parts, some_rows
from test_rashomon import batches, cases, plain

from treeml import RashomonTreesClassifier
from treeml.rashomon import importance_cloud, importance_distribution, importance_extent


def reliance(tree, rows, y, column):
    """What the error rises by, over all ordered pairs of different rows."""
    n = len(rows)
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    pairs = rows[i]
    pairs[:, column] = rows[j, column]
    return Fraction(int((labels_of(tree, pairs) != y[i]).sum()), n * (n - 1)) - Fraction(
        int((labels_of(tree, rows) != y).sum()), n
    )


@batches
def test_clouds_and_their_hulls_are_those_of_all_members(number):
    for case, members, trees in parts(number, share=0.65):
        rows = some_rows(case)[:8]
        y = case.rng.integers(0, case.n_classes, len(rows))
        names = [column.name for column in members.columns]
        chosen = case.rng.permutation(len(names))[:2].tolist()
        values = {tree: [reliance(tree, rows, y, column) for column in chosen] for _, tree in trees}
        asked = [names[column] for column in chosen]
        cloud = importance_cloud(members, rows, y, columns=asked, n_members=len(trees))
        assert cloud.all_members
        assert [plain(tree) for tree in cloud.trees] == [plain(tree) for tree in members]
        for tree, point in zip(cloud.trees, cloud.reliance.tolist(), strict=True):
            assert point == [float(value) for value in values[plain(tree)]]
        weights = case.rng.choice([-1.0, -0.25, 0.5, 2.0], len(chosen))
        sums = [
            sum(Fraction(w) * v for w, v in zip(weights, values[tree], strict=True))
            for _, tree in trees
        ]
        direction = dict(zip(asked, weights.tolist(), strict=True))
        check(importance_extent(members, rows, y, direction), trees, sums)


def test_points_of_a_large_set_are_drawn_and_are_those_of_their_trees():
    X, y, members = deep_set()
    cloud = importance_cloud(members, X[:30], y[:30], n_members=40, random_state=3)
    assert not cloud.all_members
    assert cloud.reliance.shape == (40, 7)
    for tree, point in zip(cloud.trees[:5], cloud.reliance[:5], strict=True):
        expected = [float(reliance(plain(tree), X[:30], y[:30], k)) for k in range(7)]
        assert point.tolist() == expected
    again = importance_cloud(members, X[:30], y[:30], n_members=40, random_state=3)
    assert (again.reliance == cloud.reliance).all()
    for k, name in enumerate(cloud.columns):
        extent = importance_extent(members, X[:30], y[:30], {name: 1})
        assert extent.low <= cloud.reliance[:, k].min()
        assert extent.high >= cloud.reliance[:, k].max()
    varies = cloud.reliance.std(axis=0) > 0
    assert np.allclose(
        cloud.correlation[np.ix_(varies, varies)], np.corrcoef(cloud.reliance[:, varies].T)
    )


@pytest.mark.filterwarnings("ignore:column .* has the same value")
@batches
def test_distributions_are_those_of_all_members_of_all_bootstraps(number):
    for case, _ in cases(number, share=0.65):
        y = case.y
        model = RashomonTreesClassifier(
            max_depth=min(case.max_depth, 2),
            regularization=0.1,
            epsilon=float(case.rng.choice([0.1, 0.3])),
            **case.options,
        )
        seed = int(case.rng.integers(0, 1000))
        expected = by_hand(model, case.X, y, seed)
        found = importance_distribution(
            model, case.X, y, n_bootstraps=2, n_members=10**6, random_state=seed
        )
        assert all(found.exact)
        assert set(found.values) == set(expected)
        for name, mass in expected.items():
            places = sorted(mass)
            assert found.values[name].tolist() == [float(place) for place in places]
            assert np.allclose(found.mass[name], [float(mass[place]) for place in places])
            assert found.cdf(name, [-2, 2]).tolist() == pytest.approx([0, 1])
            positive = sum(float(p) for k, p in mass.items() if k > 0)
            assert found.positive(name) == pytest.approx(positive)
            assert found.mean(name) == pytest.approx(sum(float(k * p) for k, p in mass.items()))
            low, *quartiles, high = found.box(name)
            assert (low, high) == (float(places[0]), float(places[-1]))
            after = 0
            for place in places:
                before, after = after, after + mass[place]
                assert found.cdf(name, float(place)) == pytest.approx(float(after))
                for p, quartile in zip((0.25, 0.5, 0.75), quartiles, strict=True):
                    if before < Fraction(p) <= after:
                        assert quartile == float(place)


def by_hand(model, X, y, seed):
    random = np.random.RandomState(seed)
    n = len(y)
    names = [f"x{k}" for k in range(X.shape[1])]
    mass = [{} for _ in names]
    for _ in range(2):
        times = np.bincount(random.randint(0, n, n), minlength=n)
        rows = np.repeat(np.arange(n), times)
        fitted = model.fit(X, y, sample_weight=times)
        members = list(fitted.set_)
        truth = np.searchsorted(fitted.set_.classes, y[rows])
        truth = np.where(np.isin(y[rows], fitted.set_.classes), truth, -1)
        names = [column.name for column in fitted.set_.columns]
        for tree in members:
            for k in range(len(names)):
                value = reliance(plain(tree), X[rows], truth, k)
                mass[k][value] = mass[k].get(value, 0) + Fraction(1, 2 * len(members))
    return dict(zip(names, mass, strict=True))


def test_drawn_members_of_a_bootstrap_are_no_more_than_asked_for():
    X, y, _ = deep_set()
    model = RashomonTreesClassifier(max_depth=3, regularization=0.02, epsilon=0.15)
    found = importance_distribution(model, X, y, n_bootstraps=2, n_members=10, columns=["x0"])
    assert found.exact == (False, False)
    assert min(found.counts) > 10
    assert list(found.values) == ["x0"]
    assert np.allclose(found.mass["x0"] * 20, np.rint(found.mass["x0"] * 20))


def test_wrong_input_is_named():
    X, y, members = deep_set()
    with pytest.raises(ValueError, match="two rows"):
        importance_cloud(members, X[:1], y[:1])
    with pytest.raises(ValueError, match="most_rows=3"):
        importance_cloud(members, X, y, most_rows=3)
    with pytest.raises(ValueError, match="no column"):
        importance_extent(members, X, y, {"nothing": 1})
    with pytest.raises(ValueError, match="at least one"):
        importance_extent(members, X, y, {})
    with pytest.raises(ValueError, match="n_members=0"):
        importance_cloud(members, X, y, n_members=0)
    with pytest.raises(ValueError, match="at least 1"):
        importance_distribution(RashomonTreesClassifier(), X, y, n_bootstraps=0)
    with pytest.raises(ValueError, match="y: shape"):
        importance_distribution(RashomonTreesClassifier(), X, y[:4])
