"""What a Rashomon set offers beside its members: drawing, files, conditions, errors."""

import json
import pickle

import numpy as np
import pytest
from scipy.stats import chisquare

from treeml import OptimalTreeClassifier, RashomonSet, RashomonTreesClassifier
from treeml.datasets import load_german_credit

X, y = load_german_credit()


@pytest.fixture(scope="module")
def model():
    return RashomonTreesClassifier(max_depth=3, epsilon=0.03).fit(X, y)


@pytest.fixture(scope="module")
def members(model):
    return model.set_


def test_drawing_is_uniform(members):
    part = members.filter(epsilon=0.02)
    n = 200 * part.count
    places = [part.rank(tree) for tree in part.sample(n, random_state=0)]
    counted = np.bincount(places, minlength=part.count)
    assert chisquare(counted).pvalue > 0.001
    assert places == [part.rank(tree) for tree in part.sample(n, random_state=0)]


def test_drawing_is_uniform_where_costs_and_slices_differ(members):
    part = members.filter(must_use=["duration_in_month"], max_leaf_nodes=5)
    places = [part.rank(tree) for tree in part.sample(100 * part.count, random_state=1)]
    assert chisquare(np.bincount(places, minlength=part.count)).pvalue > 0.001


def test_places_and_slices_are_those_of_a_list(members):
    listed = list(members)
    assert members[-1] == listed[-1]
    assert members[3:9:2] == listed[3:9:2]
    assert members[::-60] == listed[::-60]
    for place in (members.count, -members.count - 1):
        with pytest.raises(IndexError, match=f"{members.count} members"):
            members[place]
    assert bool(members)
    assert not members.filter(max_leaf_nodes=1, epsilon=0)


def test_the_first_member_is_the_optimal_tree(members):
    best = OptimalTreeClassifier(max_depth=3, regularization=0.01).fit(X, y)
    assert members[0].n_leaves == best.n_leaves_
    assert members.objective_of(0) == pytest.approx(best.objective_, abs=1e-12)
    assert best.tree_ in members
    assert members.objective_of(members.rank(best.tree_)) == members.objective


def test_a_grid_of_epsilons_comes_from_one_count(members):
    grid = [0, 0.01, 0.02, 0.03]
    alone = [RashomonTreesClassifier(max_depth=3, epsilon=e).fit(X, y).set_.count for e in grid]
    assert members.counts(grid) == alone
    with pytest.raises(ValueError, match="past the bound"):
        members.counts([0.04])


def test_epsilon_is_read_as_its_decimal():
    table = np.repeat([[0], [1]], 100, axis=0)
    target = np.r_[np.zeros(95), np.ones(5), np.ones(95), np.zeros(5)].astype(int)
    model = RashomonTreesClassifier(
        max_depth=1, regularization=0.025, epsilon=0.1, labels="majority"
    ).fit(
        table, target
    )  # optimum (10 + 2 * 5) / 200; 1.1 * 20 is 22, and 22.000000000000004 is not
    assert model.set_.bound == 22 / 200


def test_conditions_add_up(members):
    one = members.filter(must_use=["duration_in_month"]).filter(max_leaf_nodes=4)
    both = members.filter(must_use=["duration_in_month"], max_leaf_nodes=4)
    assert one.count == both.count > 0
    assert list(one) == list(both)
    none = both.filter(must_not_use=["duration_in_month"])
    assert none.count == 0
    assert list(none) == []
    predicate = members[0].predicates[0]
    assert members.filter(must_use=[predicate]).count <= members.count
    assert members[0] in members.filter(must_use=[predicate])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"must_use": ["height"]}, "no column is called 'height'"),
        ({"must_not_use": [77]}, "no column 77"),
        ({"must_use": range(7)}, "7 features are more than the 6"),
    ],
)
def test_conditions_that_cannot_be_met_are_named(members, options, message):
    with pytest.raises(ValueError, match=message):
        members.filter(**options)


def test_a_set_survives_files_and_pickles(members, tmp_path):
    part = members.filter(must_not_use=["credit_history"], max_leaf_nodes=5)
    for trees in (members, part):
        trees.save(tmp_path / "set.json")
        read, copied = RashomonSet.load(tmp_path / "set.json"), pickle.loads(pickle.dumps(trees))
        for other in (read, copied):
            assert other.count == trees.count
            assert other.by_objective() == trees.by_objective()
            assert other[7] == trees[7]
            assert other.rank(trees[11]) == 11
            assert other.by_leaves() == trees.by_leaves()
            assert (other.votes(X) == trees.votes(X)).all()
            assert repr(other) == repr(trees)


def test_files_that_are_none_are_named(tmp_path, members):
    path = tmp_path / "set.json"
    for text, message in (
        ("{", "not JSON"),
        ('{"kind": "tree"}', "rashomon_set"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            RashomonSet.load(path)
    members.save(path)
    path.write_text(path.read_text().replace('"leaf_cost": 10', '"leaf_cost": 11'))
    with pytest.raises(ValueError, match="the file was changed"):
        RashomonSet.load(path)[0]


def test_the_description_holds_numbers_of_any_size_and_members(members):
    data = json.loads(members.to_json(members=5))
    assert int(data["count"]) == members.count
    assert sum(int(number) for _, number in data["by_objective"]) == members.count
    assert [m["objective"] for m in data["members"]] == [members.objective_of(i) for i in range(5)]


def test_timbertrek_paths_lead_to_the_trees(members):
    data = json.loads(members.to_timbertrek(members=40))
    assert set(data["treeMap"]) == {str(k) for k in range(1, 41)}
    names = data["featureMap"]

    def trees_below(node):
        return {node["t"]} if node["f"] == "_" else set().union(*map(trees_below, node["c"]))

    assert trees_below(data["trie"]) == set(range(1, 41))
    for at, (nested, objective, accuracy) in data["treeMap"].items():
        tree = members[int(at) - 1]
        assert objective == round(members.objective_of(int(at) - 1), 5)
        assert accuracy == round(float((tree.predict(_table(tree)) == y).mean()), 5)
        column, text, _ = names[nested["f"][0]]
        assert f"{column} {text}" == tree.predicates[tree.predicate[0]].text()
        assert nested["f"][1] == len(X)


def _table(tree):
    from treeml._core.validation import as_table

    return as_table(X, like=tree.columns)


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_vote_do_not_change_the_set_at_real_sizes(seed):
    """Row sets are told apart by other bits then: the two counts check each other."""
    rng = np.random.default_rng(seed)
    table = (rng.random((1500, 16)) < rng.uniform(0.2, 0.8, 16)).astype(np.uint8)
    target = (table[:, 0] & table[:, 1] | table[:, 2] & table[:, 3]) ^ (rng.random(1500) < 0.2)
    model = RashomonTreesClassifier(max_depth=5, regularization=0.01, epsilon=0.1)
    trees = model.fit(table[:1200], target[:1200]).set_
    votes = trees.votes(table[1200:])  # compares the counts, cost by cost
    assert (votes.sum(axis=1) == trees.count).all()
    assert trees.count > 1000
