"""Trees and ensembles as data."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from treeml._core.table import Column, ColumnType, Table
from treeml.ir import Predicate, RegressionTree, Term, Tree, TreeEnsemble, TreeNodes, dump, load

AGE = ColumnType("age", "number", missing=True)
JOB = ColumnType("job", "category")
COLUMNS = (AGE, JOB)
QUESTIONS = (Predicate(Term(0, AGE), "<=", 41.0), Predicate(Term(1, JOB), "in", ("a", "b")))
AGES = np.array([41.0, 42.0, math.nan, 0.0])
JOBS = np.array(["a", "c", None, "b"], dtype=object)
TABLE = Table((Column(AGE, AGES), Column(JOB, JOBS)), 4)


def nodes():
    """Root asks age; yes is leaf 1, no asks job with leaves 3 and 4."""
    shape = ([0, -1, 1, -1, -1], [1, -1, 3, -1, -1], [2, -1, 4, -1, -1])
    return tuple(np.array(part, dtype=np.int32) for part in shape)


def regression(values=(0.0, 0.1, 0.0, 0.2, 0.3), **options):
    rows = np.array([6.0, 1, 5, 2, 3])
    return RegressionTree(
        COLUMNS, QUESTIONS, *nodes(), np.array(values), rows, np.arange(5.0) / 10, **options
    )


def ensemble(link="identity", classes=None, n_outputs=1, n_trees=3):
    trees = tuple(regression(values=(0.0, 0.1 * k, 0, -0.2, 0.3)) for k in range(n_trees))
    output = (np.arange(n_trees) % n_outputs).astype(np.int32)
    classes = None if classes is None else np.array(classes)
    return TreeEnsemble(COLUMNS, trees, output, np.full(n_outputs, 0.5), link, classes)


def classification():
    counts = np.array([[3.0, 3], [1, 0], [2, 3], [2, 0], [0, 3]])
    label = np.array([0, 0, 1, 0, 1], dtype=np.int32)
    return Tree(COLUMNS, QUESTIONS, *nodes(), counts, label, np.array(["n", "y"]), np.ones(2))


def test_both_trees_share_their_nodes():
    for tree in (regression(), classification()):
        assert isinstance(tree, TreeNodes)
        assert (tree.n_nodes, tree.n_leaves, tree.depth) == (5, 3, 2)
        assert tree.leaves.tolist() == [1, 3, 4]
        assert tree.node_depth.tolist() == [0, 1, 1, 2, 2]
        assert tree.apply(TABLE).tolist() == [1, 4, 4, 1]
        assert [leaf for leaf, _ in tree.paths()] == [1, 3, 4]
        assert tree.rows.tolist() == [6, 1, 5, 2, 3]
    assert regression() != classification()


def test_values():
    assert regression().predict(TABLE).tolist() == [0.1, 0.3, 0.3, 0.1]


def test_scores_are_added_in_the_order_of_the_trees():
    rng = np.random.default_rng(0)
    trees = tuple(regression(values=rng.normal(size=5)) for _ in range(50))
    output = rng.integers(2, size=50).astype(np.int32)
    base = rng.normal(size=2)
    model = TreeEnsemble(COLUMNS, trees, output, base, "softmax", np.array(["a", "b"]))
    score = model.score(TABLE)
    for row in range(4):
        sums = base.tolist()
        for tree, k in zip(trees, output, strict=True):
            sums[k] += tree.predict(TABLE)[row]
        assert score[row].tolist() == sums
    assert model.predict(TABLE).tolist() == ["ab"[k] for k in score.argmax(axis=1)]
    assert np.allclose(model.predict_proba(TABLE).sum(axis=1), 1)


def test_links():
    assert np.array_equal(ensemble().predict(TABLE), ensemble().score(TABLE)[:, 0])
    assert np.array_equal(ensemble("log").predict(TABLE), np.exp(ensemble().predict(TABLE)))
    model = ensemble("logistic", ["n", "y"])
    proba, score = model.predict_proba(TABLE), model.score(TABLE)
    assert np.allclose(np.log(proba[:, 1] / proba[:, 0]), score[:, 0])
    assert (model.n_trees, model.n_leaves, model.depth, model.n_outputs) == (3, 9, 2, 1)


def test_ties():
    leaf = {name: np.full(1, -1, np.int32) for name in ("predicate", "if_true", "if_false")}
    one = np.ones(1)
    for value, name in ((-0.5, "n"), (-0.25, "y")):
        tree = RegressionTree(COLUMNS, (), **leaf, value=one * value, rows=one, error=one)
        model = dataclasses.replace(
            ensemble("logistic", ["n", "y"]), trees=(tree,), output=np.zeros(1, np.int32)
        )
        assert set(model.predict(TABLE)) == {name}
    even = ensemble("softmax", ["c", "b", "a"], 3, n_trees=0)
    assert set(even.predict(TABLE)) == {"c"}


def test_huge_scores_give_probabilities():
    one = ensemble("logistic", ["n", "y"], n_trees=0)
    two = ensemble("softmax", ["n", "y"], 2, n_trees=0)
    for size in (1e4, -1e4):
        proba = dataclasses.replace(one, base=np.array([size])).predict_proba(TABLE)
        other = dataclasses.replace(two, base=np.array([0.0, size])).predict_proba(TABLE)
        assert np.array_equal(proba, other)
        assert proba[0, 1] == (size > 0)
    assert dataclasses.replace(ensemble("log"), base=np.array([1e4])).predict(TABLE)[0] == math.inf


@pytest.mark.parametrize(
    "model",
    [
        regression(criterion="poisson"), classification(), ensemble(), ensemble("log"),
        ensemble("logistic", [False, True]), ensemble("softmax", [3, 1, 2], 3),
        ensemble("softmax", np.array(["a", "b"], dtype=object), 2, n_trees=0),
    ],
)  # fmt: skip
def test_json_and_pickle(model):
    again, extra = load(dump(model, note="x"))
    assert type(again) is type(model)
    assert again == model
    assert hash(again) == hash(model)
    assert extra == {"note": "x"}
    assert pickle.loads(pickle.dumps(model)) == model
    assert np.array_equal(again.predict(TABLE), model.predict(TABLE))
    if getattr(model, "classes", None) is not None:
        assert again.classes.dtype == model.classes.dtype


def test_trees_share_columns_and_predicates_in_json():
    document = json.loads(dump(ensemble(n_trees=100)))["model"]
    assert len(document["predicates"]) == 2
    assert all("columns" not in tree for tree in document["trees"])
    assert document["trees"][99]["predicates"] == [0, 1]
    assert ensemble(n_trees=100).predicates == QUESTIONS


def test_json_of_a_classification_tree_is_what_it_was():
    document = classification().to_dict()
    assert list(document) == [
        "kind", "columns", "predicates", "predicate", "if_true", "if_false", "counts", "label",
        "classes", "class_dtype", "class_weight",
    ]  # fmt: skip


def test_numbers_have_no_probabilities():
    for link in ("identity", "log"):
        with pytest.raises(ValueError, match=f"link '{link}' predicts numbers"):
            ensemble(link).predict_proba(TABLE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"link": "probit"}, "'probit' is not one of identity, log, logistic, softmax"),
        ({"classes": np.array(["a", "b"])}, "link 'identity' has no classes"),
        ({"link": "softmax"}, "link 'softmax' needs classes"),
        ({"link": "logistic", "classes": np.arange(3)}, "two classes, not 3"),
        ({"link": "softmax", "classes": np.arange(3)}, "base must hold 3"),
        ({"base": np.array([math.nan])}, "base must hold 1 finite"),
        ({"output": np.array([0, 0, 1])}, "one of 1 outputs for every tree"),
        ({"output": np.array([0, 0])}, "one of 1 outputs for every tree"),
        ({"columns": (AGE,)}, "share its columns"),
    ],
)
def test_ensembles_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(ensemble(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": np.zeros(4)}, "value must hold one finite number for every node"),
        ({"rows": np.full(5, math.inf)}, "rows must hold"),
        ({"criterion": "gini"}, "'gini' is not one of squared_error, absolute_error, poisson"),
    ],
)
def test_trees_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(regression(), **change)
