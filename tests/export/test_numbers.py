"""Regression trees and ensembles in every language."""

from __future__ import annotations

import logging
import re
import sqlite3

import duckdb
import numpy as np
import pytest
import sqlglot

from treeml import export
from treeml._core.table import Column, ColumnType, Table
from treeml.ir import Predicate, RegressionTree, Term, TreeEnsemble, load

DIALECTS = sorted(d.value for d in sqlglot.Dialects if d.value)


def is_tree(case):
    return isinstance(case.tree, RegressionTree)


def has_classes(case):
    return not is_tree(case) and case.tree.classes is not None


def run(model, **options):
    scope = {}
    exec(compile(export.python(model, **options), "<export>", "exec"), scope)
    return scope[options.get("function", "predict")]


def assert_predicts(case, got):
    """Exactly what ``predict`` says, but for the last digit of an exponential."""
    expected = case.tree.predict(case.table).tolist()
    if not is_tree(case) and case.tree.link == "log":
        assert np.allclose(got, expected, rtol=1e-14, atol=0)
    else:
        assert got == expected


def test_python_equals_predict(number_cases):
    for case in number_cases:
        predict = run(case.tree)
        assert_predicts(case, [predict(row) for row in case.rows])


def test_python_probabilities(number_cases):
    for case in filter(has_classes, number_cases):
        proba = run(case.tree, function="p", proba=True)
        expected = case.tree.predict_proba(case.table)
        for row, shares in zip(case.rows, expected, strict=True):
            got = proba(row)
            assert list(got) == case.tree.classes.tolist()
            assert np.allclose(list(got.values()), shares, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_sql_equals_predict(number_cases, databases, dialect):
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    for i, case in enumerate(number_cases):
        tree = case.tree
        databases.store(connection, tree.columns, tree.predicates, case.rows, duck=duck)
        rows = databases.results(connection, export.sql(tree, dialect, table="data"))
        assert_predicts(case, [row[-1] for row in rows])
        if has_classes(case) and i % 2 == 0:
            k = len(tree.classes)
            text = export.sql(tree, dialect, "main.data", proba=True)
            rows = databases.results(connection, text)
            got = np.array([row[-k:] for row in rows])
            assert np.allclose(got, tree.predict_proba(case.table), rtol=0, atol=1e-12)
    connection.close()


def test_every_dialect_renders(number_cases, caplog):
    caplog.set_level(logging.WARNING)
    for dialect in DIALECTS:
        for case in number_cases[:10]:
            assert export.sql(case.tree, dialect)
            if has_classes(case):
                assert "SELECT" in export.sql(case.tree, dialect, "s.t", proba=True)
    assert not caplog.records


def test_json_round_trip(number_cases):
    for case in number_cases:
        model, _ = load(export.json(case.tree))
        assert model == case.tree
        assert np.array_equal(model.predict(case.table), case.tree.predict(case.table))


def test_rules(number_cases):
    for case in number_cases:
        model = case.tree
        frame = export.rules(model)
        if is_tree(case):
            names = ["rule", "prediction", "rows", "error", "depth", "leaf"]
            assert frame["prediction"].tolist() == model.value[model.leaves].tolist()
            assert frame["rows"].sum() == model.rows[0]
        else:
            names = ["tree", "rule", "value", "rows", "depth", "leaf"]
            names[1:1] = ["class"] if model.link == "softmax" else []
            parts = [tree.value[tree.leaves] for tree in model.trees]
            assert frame["value"].tolist() == [v for part in parts for v in part.tolist()]
            assert frame["tree"].tolist() == [
                i + 1 for i, part in enumerate(parts) for _ in range(len(part))
            ]
        assert list(frame.columns) == names
        assert len(frame) == model.n_leaves


def test_sentences_and_text(number_cases):
    for case in number_cases:
        n_leaves = case.tree.n_leaves
        lines, text = export.sentences(case.tree), export.text(case.tree)
        assert len(lines) == n_leaves if is_tree(case) else n_leaves + 2
        assert all(line.endswith(".") for line in lines)
        assert len(re.findall(r"\(\d+ rows?(, mean [^)]*)?\)$", text, re.M)) == n_leaves


AGE = Term(0, ColumnType("age", "number", unit="years"))
QUESTION = (Predicate(AGE, "<=", 41.0),)


def small_tree(values, criterion="squared_error"):
    arrays = (np.array(a, dtype=np.int32) for a in ([0, -1, -1], [1, -1, -1], [2, -1, -1]))
    rows, error = np.array([123.0, 120, 3]), np.array([9.0, 3.25, 0.5])
    return RegressionTree(
        (AGE.column,), QUESTION, *arrays, np.array(values), rows, error, criterion
    )


def small_ensemble(link, classes=None, base=(0.5,)):
    trees = (small_tree([0.0, 0.25, -1.5]), small_tree([0.0, 1.0, 2.0]))
    output = np.array([0, len(base) - 1], dtype=np.int32)
    classes = None if classes is None else np.array(classes)
    return TreeEnsemble((AGE.column,), trees, output, np.array(base), link, classes)


def test_words_of_a_regression_tree():
    tree = small_tree([0.0, 12.5, 1 / 3])
    assert export.text(tree).splitlines()[:4] == [
        "if age <= 41 years:",
        "    12.5 (120 rows, mean squared error 3.25)",
        "else (age > 41 years):",
        "    0.333333 (3 rows, mean squared error 0.5)",
    ]
    assert export.sentences(small_tree([0.0, 12.5, 1 / 3], "absolute_error"))[0] == (
        "If age <= 41 years, then 12.5 (120 rows, mean absolute error 3.25)."
    )


def test_words_of_an_ensemble():
    model = small_ensemble("logistic", ["good", "bad"])
    assert export.sentences(model) == [
        "The score starts at 0.5; add what each tree says.",
        "Tree 1: if age <= 41 years, then add 0.25 (120 rows).",
        "Tree 1: if age > 41 years, then add -1.5 (3 rows).",
        "Tree 2: if age <= 41 years, then add 1 (120 rows).",
        "Tree 2: if age > 41 years, then add 2 (3 rows).",
        "A score above 0 means bad, otherwise good; the probability of bad is "
        "1 / (1 + exp(-score)).",
    ]
    text = export.text(small_ensemble("softmax", ["a", "b", "c"], (0.0, 0.5, -1.0)))
    assert text.startswith("Every class has a score, which starts at: a at 0, b at 0.5, c at -1;")
    assert "\nTree 1 (a):\nif age <= 41 years:\n    add 0.25 (120 rows)\n" in text
    assert "\nTree 2 (c):\n" in text


def test_sql_text():
    assert export.sql(small_ensemble("identity")).splitlines() == [
        "0.5E0",
        '+ CASE WHEN "age" <= 41 THEN 0.25E0 ELSE -1.5E0 END',
        '+ CASE WHEN "age" <= 41 THEN 1E0 ELSE 2E0 END',
    ]
    assert "subquery" not in export.sql(small_ensemble("logistic", ["a", "b"]), table="t")


def test_exponentials_do_not_overflow():
    wide = small_ensemble("log", base=(1e4,))
    assert run(wide)({"age": 1}) == float("inf")
    wide = small_ensemble("logistic", ["a", "b"], (-1e4,))
    assert run(wide, proba=True)({"age": 1}) == {"a": 1.0, "b": 0.0}
    for dialect, connect in (("duckdb", duckdb.connect), ("sqlite", sqlite3.connect)):
        connection = connect(":memory:")
        text = export.sql(wide, dialect, proba=True).replace('"age"', "1")
        a, b = connection.execute(f"SELECT {text}").fetchone()
        assert a == 1.0
        assert b < 1e-300
        connection.close()


def test_numbers_have_no_probabilities():
    for model in (small_tree([0.0, 1.0, 2.0]), small_ensemble("identity")):
        for write in (export.python, export.sql):
            with pytest.raises(ValueError, match="predicts numbers: it has no probabilities"):
                write(model, proba=True)
    with pytest.raises(ValueError, match="two classes; these trees predict numbers"):
        export.timbertrek([(0.5, small_tree([0.0, 1.0, 2.0]))], QUESTION)


def hundred_trees(random_trees, link, n_trees=100):
    """Full trees of depth 6 over ten columns with missing values, and some rows."""
    rng = np.random.default_rng(7)
    types = tuple(ColumnType(f"c{i}", "number", missing=True) for i in range(10))
    arrays = np.array(_full(6), dtype=np.int32)
    n_nodes = len(arrays)
    trees = []
    for _ in range(n_trees):
        pool = [
            Predicate(Term(j, types[j]), "<=", float(rng.normal()))
            for j in rng.integers(10, size=n_nodes // 2)
        ]
        value = rng.normal(size=n_nodes) / 10
        shape = (arrays[:, j].copy() for j in range(3))
        trees.append(
            RegressionTree(types, tuple(pool), *shape, value, np.ones(n_nodes), np.ones(n_nodes))
        )
    classes = {"logistic": np.array(["a", "b"]), "softmax": np.array(["a", "b", "c"])}.get(link)
    n_outputs = 3 if link == "softmax" else 1
    output = (np.arange(n_trees) % n_outputs).astype(np.int32)
    model = TreeEnsemble(types, tuple(trees), output, np.full(n_outputs, 0.1), link, classes)
    values = rng.normal(size=(40, 10))
    values[rng.random(values.shape) < 0.1] = np.nan
    table = Table(tuple(Column(c, values[:, i]) for i, c in enumerate(types)), 40)
    return random_trees.Case(model, table)


def _full(depth):
    rows = []

    def grow(left):
        node = len(rows)
        rows.append([-1, -1, -1])
        if left:
            rows[node] = [sum(r[0] >= 0 for r in rows), grow(left - 1), grow(left - 1)]
        return node

    grow(depth)
    inner = iter(range(len(rows)))
    return [[next(inner), *row[1:]] if row[0] >= 0 else row for row in rows]


def test_a_hundred_trees_in_python(random_trees):
    case = hundred_trees(random_trees, "softmax", 150)
    source = export.python(case.tree)
    assert max(len(line) - len(line.lstrip()) for line in source.splitlines()) <= 32
    predict = run(case.tree)
    assert_predicts(case, [predict(row) for row in case.rows])


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_a_hundred_trees_in_sql(random_trees, databases, dialect):
    case = hundred_trees(random_trees, "identity")
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    databases.store(connection, case.tree.columns, case.tree.predicates, case.rows, duck=duck)
    rows = databases.results(connection, export.sql(case.tree, dialect, table="data"))
    assert_predicts(case, [row[-1] for row in rows])
    connection.close()


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_more_trees_than_an_expression_may_be_deep(databases, dialect):
    trees = tuple(small_tree([0.0, k / 64, -k / 64]) for k in range(1200))
    model = TreeEnsemble(
        (AGE.column,), trees, np.zeros(1200, np.int32), np.array([0.5]), "identity"
    )
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    rows = [{"age": 3.0}, {"age": None}, {"age": 42.0}]
    databases.store(connection, model.columns, QUESTION, rows, duck=duck)
    got = [row[-1] for row in databases.results(connection, export.sql(model, dialect, "data"))]
    table = Table((Column(AGE.column, np.array([3.0, np.nan, 42.0])),), 3)
    assert got == model.predict(table).tolist()
    connection.close()


def test_deep_trees_of_an_ensemble_are_flat_in_sql(random_trees):
    types = tuple(ColumnType(f"c{i}", "number") for i in range(30))
    tests = [Predicate(Term(i, c), "<=", 0.5) for i, c in enumerate(types)]
    shape = random_trees.chain(types, tests, "yes")
    numbers = np.ones((3, shape.n_nodes))
    tree = RegressionTree(
        types, shape.predicates, shape.predicate, shape.if_true, shape.if_false, *numbers
    )
    model = TreeEnsemble(types, (tree,), np.zeros(1, np.int32), np.zeros(1), "identity")
    assert export.sql(model).count("CASE") == 1
