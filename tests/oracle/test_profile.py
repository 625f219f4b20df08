"""What members agree on equals what a list of all members shows."""

import itertools
import os

import numpy as np
import pytest

from treeml import RashomonTreesClassifier
from treeml.rashomon.profile import feature_use, row_agreement, short_list


def small_set(seed):
    rng = np.random.default_rng(seed)
    n_classes = 2 + seed % 2
    X = rng.integers(0, 2, (int(rng.integers(8, 30)), int(rng.integers(2, 6))))
    X = np.where(rng.random(X.shape) < 0.5, X, X[:, :1])
    y = (X[:, 0] + (rng.random(len(X)) < 0.3) * rng.integers(0, n_classes, len(X))) % n_classes
    y[:n_classes] = range(n_classes)
    model = RashomonTreesClassifier(
        max_depth=2,
        epsilon=float(rng.choice([0.1, 0.5])),
        regularization=0.06,
        labels=("any", "majority")[seed % 3 == 0],
    ).fit(X, y)
    return model.set_, X, rng


@pytest.mark.parametrize("seed", range(int(os.environ.get("TREEML_ORACLE_CASES", "40"))))
def test_everything_against_a_list(seed):
    set_, X, rng = small_set(seed)
    members = list(set_)
    new = rng.integers(0, 2, (7, X.shape[1]))
    labels = np.array([tree.predict(_table(set_, new)) for tree in members])
    found = row_agreement(set_, new)
    for k, name in enumerate(set_.classes):
        assert np.allclose(found.shares[:, k], (labels == name).mean(axis=0))
        assert (found.possible[:, k] == (labels == name).any(axis=0)).all()
    assert (set_.classes[found.label] == labels[0]).all()
    assert found.ambiguity == pytest.approx((labels != labels[0]).any(axis=0).mean())
    for row in range(len(new)):
        pairs = list(itertools.combinations(labels[:60, row], 2)) if len(members) <= 60 else []
        if pairs:
            assert found.consistency[row] == pytest.approx(np.mean([a == b for a, b in pairs]))
    use = feature_use(set_)
    asked = [{p.term.name for p in tree.predicates} for tree in members]
    assert use.counts == {name: sum(name in a for a in asked) for name in use.counts}
    assert set(use.must) == set.intersection(*asked, set(use.counts))
    assert not set(use.never) & set.union(*asked)
    for a, b in itertools.combinations(use.counts, 2):
        needed = all(a in s or b in s for s in asked)
        some = 0 < use.counts[a] < len(members) and 0 < use.counts[b] < len(members)
        assert ((a, b) in use.substitutes or (b, a) in use.substitutes) == (needed and some)
    objectives = [set_.objective_of(i) for i in range(len(members))]
    simplest = set_.simplest()
    assert set(simplest) == {tree.n_leaves for tree in members}
    for n_leaves, (objective, tree) in simplest.items():
        assert tree.n_leaves == n_leaves
        assert objective == min(
            o for o, t in zip(objectives, members, strict=True) if t.n_leaves == n_leaves
        )


def _table(set_, X):
    from treeml._core.validation import as_table

    return as_table(X, like=set_.columns)


def test_a_short_list_differs():
    set_, X, _ = small_set(3)
    chosen = short_list(set_, X, 4)
    assert chosen[0] == set_.best
    predictions = {tuple(tree.predict(_table(set_, X))) for tree in chosen}
    assert len(predictions) == len(chosen)
    drawn = short_list(set_, X, 3, n_drawn=20, random_state=1)
    assert drawn == short_list(set_, X, 3, n_drawn=20, random_state=1)


def test_a_set_without_members_says_nothing():
    set_, X, _ = small_set(1)
    nobody = set_.filter(must_use=[0], max_leaf_nodes=1)
    assert not nobody.count
    assert nobody.simplest() == {}
    with pytest.raises(ValueError, match="empty"):
        feature_use(nobody)
    with pytest.raises(ValueError, match="empty"):
        row_agreement(nobody, X)
