"""Exports of trees of actions against their predict."""

from __future__ import annotations

import sqlite3

import duckdb
import numpy as np
import pytest

from treeml import export, predict
from treeml.ir import ActionTree, dump, load
from treeml.report.drawing import tree_svg


@pytest.fixture(scope="module")
def action_cases(cases):
    """The random trees, with costs; every other one with rewards."""
    rng = np.random.default_rng(0)
    out = []
    for i, case in enumerate(cases):
        tree = case.tree
        costs = rng.normal(size=(tree.n_nodes, len(tree.classes)))
        actions = ActionTree(
            tree.columns,
            tree.predicates,
            tree.predicate,
            tree.if_true,
            tree.if_false,
            costs=costs,
            rows=tree.rows,
            label=costs.argmin(axis=1).astype(np.int32),
            actions=tree.classes,
            rewards=bool(i % 2),
        )
        out.append((actions, case.table, case.rows))
    return out


def test_python_equals_predict(action_cases):
    for tree, table, rows in action_cases:
        scope: dict = {}
        exec(export.python(tree), scope)
        assert [scope["predict"](row) for row in rows] == tree.predict(table).tolist()


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_sql_equals_predict(action_cases, databases, dialect):
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    for tree, table, rows in action_cases:
        databases.store(connection, tree.columns, tree.predicates, rows, duck=duck)
        found = databases.results(connection, export.sql(tree, dialect, table="data"))
        assert [row[-1] for row in found] == tree.predict(table).tolist()
    connection.close()


def test_the_native_path_equals_predict(action_cases):
    for tree, table, _ in action_cases:
        assert np.array_equal(predict.predict(tree, table), tree.predict(table))


def test_json_round_trip(action_cases):
    for tree, _, _ in action_cases:
        read, extra = load(dump(tree))
        assert read == tree
        assert read.actions.dtype == tree.actions.dtype
        assert extra == {}


def test_words(action_cases):
    for tree, _, _ in action_cases:
        word = "reward" if tree.rewards else "cost"
        used = tree.leaves[tree.rows[tree.leaves] > 0]
        assert export.text(tree).count(f"mean {word}") == len(used)
        assert len(export.sentences(tree)) == tree.n_leaves
        rules = export.rules(tree)
        assert rules["prediction"].tolist() == tree.actions[tree.label[tree.leaves]].tolist()
        sign = -1 if tree.rewards else 1
        names = [f"{word}_{action}" for action in tree.actions.tolist()]
        assert np.array_equal(rules[names].to_numpy() * sign, tree.mean_costs[tree.leaves])
        assert tree_svg(tree).startswith("<svg")


def test_there_are_no_probabilities(action_cases):
    tree = action_cases[0][0]
    for write in (export.python, export.sql):
        with pytest.raises(ValueError, match="no probabilities"):
            write(tree, proba=True)


def test_costs_must_be_numbers_of_every_node(action_cases):
    tree = action_cases[0][0]
    document = tree.to_dict()
    document["costs"][0][0] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        ActionTree.from_dict(document)
    document["costs"] = document["costs"][1:]
    with pytest.raises(ValueError, match="every node and action"):
        ActionTree.from_dict(document)
