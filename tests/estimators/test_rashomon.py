"""RashomonTreesClassifier: predictions, limits, what it refuses."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from treeml import RashomonTreesClassifier, SearchLimitWarning
from treeml.datasets import load_german_credit

X, y = load_german_credit()


def made_up(n_rows=300, n_columns=12, seed=0):
    rng = np.random.default_rng(seed)
    table = (rng.random((n_rows, n_columns)) < 0.5).astype(np.uint8)
    target = (table[:, 0] & table[:, 1] | (rng.random(n_rows) < 0.15)).astype(int)
    return table, target


def test_predictions_are_those_of_the_best_tree_or_of_the_vote():
    best = RashomonTreesClassifier(max_depth=2, epsilon=0.05).fit(X, y)
    assert best.tree_ == best.set_[0]
    assert (best.predict(X) == best.set_[0].classes[best.tree_.label[best.apply(X)]]).all()
    vote = RashomonTreesClassifier(max_depth=2, epsilon=0.05, predict_by="vote").fit(X, y)
    answers = np.array([tree.predict(vote._table(X)) for tree in vote.set_])
    shares = np.array([(answers == label).mean(axis=0) for label in vote.classes_]).T
    np.testing.assert_allclose(vote.predict_proba(X), shares, rtol=1e-15)
    assert (vote.predict(X) == vote.classes_[shares.argmax(axis=1)]).all()


def test_a_row_of_equal_shares_gets_the_first_class():
    table = np.zeros((10, 1), dtype=np.uint8)
    target = np.r_[np.zeros(5), np.ones(5)].astype(int)
    model = RashomonTreesClassifier(predict_by="vote").fit(table, target)
    assert model.set_.count == 2
    assert model.predict_proba(table).tolist() == [[0.5, 0.5]] * 10
    assert model.predict(table).tolist() == [0] * 10


def test_a_time_limit_leaves_a_set_that_is_complete_up_to_its_bound():
    table, target = made_up()
    options = {"max_depth": 4, "regularization": 0.01, "epsilon": 0.3}
    whole = RashomonTreesClassifier(**options).fit(table, target)
    assert whole.set_.complete
    assert whole.status_ == "optimal"
    hurried = RashomonTreesClassifier(**options)
    hurried._stop_after = 400
    with pytest.warns(SearchLimitWarning, match="none beyond"):
        hurried.fit(table, target)
    part = hurried.set_
    assert not part.complete
    assert hurried.status_ == "time_limit"
    assert hurried.gap_ == 0
    assert part.objective <= part.bound < whole.set_.bound
    known = {o: n for o, n in whole.set_.by_objective().items() if o <= part.bound}
    assert part.by_objective() == known


def test_without_a_proof_the_set_is_empty_and_the_tree_the_best_found():
    table, target = made_up()
    model = RashomonTreesClassifier(max_depth=5, regularization=0.01)
    model._stop_after = 0
    with pytest.warns(SearchLimitWarning):
        model.fit(table, target)
    assert model.set_.count == 0
    assert not model.set_.complete
    assert model.lower_bound_ <= model.objective_
    assert model.set_.bound < model.lower_bound_
    assert len(model.predict(table)) == len(table)
    with pytest.raises(ValueError, match="not proven"):
        _ = model.set_.objective


def test_a_memory_limit_is_named():
    table, target = made_up()
    model = RashomonTreesClassifier(
        max_depth=5, regularization=0.005, epsilon=1.0, memory_limit=300_000
    )
    with pytest.warns(SearchLimitWarning, match="memory_limit=300000"):
        model.fit(table, target)
    assert model.status_ == "memory_limit"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": None}, "one of epsilon and max_regret"),
        ({"max_regret": 0.1}, "one of epsilon and max_regret"),
        ({"regularization": 0}, "regularization"),
        ({"class_weight": {"good": np.pi, "bad": np.e}}, "resolution"),
        ({"labels": "all"}, "labels"),
        ({"epsilon": float("inf")}, "epsilon"),
    ],
)
def test_what_cannot_be_counted_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        RashomonTreesClassifier(**options).fit(X, y)


def test_a_resolution_rounds_weights_and_says_what_it_loses():
    weights = np.linspace(0.5, 1.5, len(y)) * np.pi
    with pytest.raises(ValueError, match="resolution"):
        RashomonTreesClassifier().fit(X, y, sample_weight=weights)
    model = RashomonTreesClassifier(resolution=10).fit(X, y, sample_weight=weights)
    same = RashomonTreesClassifier().fit(X, y, sample_weight=np.rint(weights * 10))
    assert model.set_.by_objective() == same.set_.by_objective()
    with pytest.raises(ValueError, match="row 0 has the weight"):
        RashomonTreesClassifier(resolution=0.1).fit(X, y, sample_weight=weights)
    by_class = RashomonTreesClassifier(class_weight="balanced", resolution=21).fit(X, y)
    whole = RashomonTreesClassifier(class_weight={"good": 15, "bad": 35}).fit(X, y)
    assert by_class.set_.count == whole.set_.count


def test_an_absolute_regret_is_a_bound_too():
    model = RashomonTreesClassifier(max_depth=2, epsilon=None, max_regret=0.005).fit(X, y)
    assert model.set_.bound == pytest.approx(model.objective_ + 0.005)


def test_threads_may_share_a_set():
    table, target = made_up()
    trees = RashomonTreesClassifier(max_depth=4, epsilon=0.1).fit(table, target).set_
    alone = [trees[i] for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(trees.__getitem__, range(40))) == alone
        votes = list(pool.map(trees.votes, [table[:50], table[50:]] * 2))
    assert (np.vstack(votes[:2]) == np.vstack(votes[2:])).all()
