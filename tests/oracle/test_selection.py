"""The simplest member that costs no group much against all members, one by one.

TREEML_ORACLE_CASES: as in test_rashomon.py.
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from all_trees import n_leaves
from test_ranges import deep_set, labels_of, parts, some_rows
from test_rashomon import batches, plain

from treeml.rashomon import select
from treeml.rashomon.selection import _hardest


def does(given, held, y, group, drop):
    """Whether a tree with these labels costs no group more than so much."""
    for name in np.unique(group):
        of = group == name
        if int((held[of] == y[of]).sum()) - int((given[of] == y[of]).sum()) > drop * int(of.sum()):
            return False
    return True


@batches
def test_the_selected_member_is_the_simplest_of_all_that_do(number):
    for case, members, trees in parts(number, share=0.65):
        rows = some_rows(case)
        n = len(rows)
        y = case.rng.integers(0, case.n_classes, n)
        group = case.rng.integers(0, case.rng.integers(1, 4), n)
        held = np.where(case.rng.random(n) < 0.6, y, case.rng.integers(0, case.n_classes, n))
        drop = float(case.rng.choice([-0.1, 0.0, 0.05, 0.2, 0.4]))
        fits = [
            tree
            for _, tree in trees
            if does(labels_of(tree, rows), held, y, group, Fraction(str(drop)))
        ]
        found = select(members, rows, y, group, reference=held, max_group_drop=drop)
        assert found.is_simplest  # all of these are few enough to list
        if not fits:
            assert found.tree is None
            continue
        assert plain(found.tree) in fits
        assert found.tree.n_leaves == min(n_leaves(tree) for tree in fits)
        given = labels_of(plain(found.tree), rows)
        for name, cost in found.groups.items():
            of = group == name
            assert cost.rows == of.sum()
            assert cost.reference == Fraction(int((held[of] == y[of]).sum()), int(of.sum()))
            assert cost.selected == Fraction(int((given[of] == y[of]).sum()), int(of.sum()))
            assert cost.drop <= Fraction(str(drop))
        some = select(members, rows, y, group, reference=held, max_group_drop=drop, most_listed=0)
        if some.tree is not None:
            assert plain(some.tree) in fits
            assert set(range(found.tree.n_leaves, some.tree.n_leaves)) & set(
                members.by_leaves()
            ) <= set(some.undecided)
        simpler = {n_leaves(tree) for tree in fits}
        assert some.tree is not None or simpler <= set(some.undecided)


def test_models_and_trees_are_references():
    X, y, members = deep_set()
    group = X[:, 3]
    found = select(members, X, y, group, reference=members.best, max_group_drop=0.05)
    assert found.tree.n_leaves <= members.best.n_leaves
    assert list(found.groups) == [0, 1]

    class Model:
        def predict(self, rows):
            return y

    assert select(members, X, y, group, reference=Model(), max_group_drop=1).tree is not None
    nobody = select(members, X, y, group, reference=Model(), max_group_drop=-0.1)
    assert nobody.tree is None
    assert nobody.is_simplest
    assert nobody.groups == {}


def test_weights_refute_what_each_group_alone_does_not():
    points = np.array([[4, -6], [-6, 4]])
    weights = _hardest(points)
    assert (points @ weights < 0).all()


def test_wrong_input_is_named():
    X, y, members = deep_set()
    with pytest.raises(ValueError, match="reference: shape"):
        select(members, X, y, X[:, 0], reference=y[:3], max_group_drop=0)
    with pytest.raises(ValueError, match="groups: shape"):
        select(members, X, y, [1, 2], reference=y, max_group_drop=0)
    nobody = members.filter(must_use=[0], max_leaf_nodes=1)
    with pytest.raises(ValueError, match="empty"):
        select(nobody, X, y, X[:, 0], reference=y, max_group_drop=0)
