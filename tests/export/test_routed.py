"""Routed models, and trees over linear forms, in every language."""

from __future__ import annotations

import logging
import math
import sqlite3

import duckdb
import numpy as np
import pytest
import sqlglot

from treeml import export
from treeml._core.table import Column, ColumnType, Table
from treeml.ir import (
    LinearForm,
    LinearMap,
    LinearRouter,
    Predicate,
    RoutedModel,
    RoutingTree,
    Term,
    Tree,
    load,
)

DIALECTS = sorted(d.value for d in sqlglot.Dialects if d.value)


def run(model, **options):
    scope = {}
    exec(compile(export.python(model, **options), "<export>", "exec"), scope)
    return scope[options.get("function", "predict")]


def numbers(values):
    """Rows of floats, None as NaN."""
    return np.array([[math.nan if v is None else v for v in row] for row in values], dtype=float)


def assert_predicts(case, got):
    """Exactly what ``predict`` says; ``got`` has a tuple for each row."""
    expected = case.tree.predict(case.table)
    if case.tree.classes is not None:
        assert [row[0] for row in got] == expected.tolist()
    else:
        expected = expected.reshape(len(expected), -1)
        assert np.array_equal(numbers(got), expected, equal_nan=True)


def test_python_equals_predict(routed_cases):
    for case in routed_cases:
        predict = run(case.tree)
        got = [predict(row) for row in case.rows]
        assert_predicts(case, [v if isinstance(v, tuple) else (v,) for v in got])


def test_python_probabilities(routed_cases):
    for case in (case for case in routed_cases if case.tree.classes is not None):
        proba = run(case.tree, function="p", proba=True)
        for row, shares in zip(case.rows, case.tree.predict_proba(case.table), strict=True):
            got = proba(row)
            assert list(got) == case.tree.classes.tolist()
            assert np.allclose(list(got.values()), shares, rtol=1e-12, atol=1e-300, equal_nan=True)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_sql_equals_predict(routed_cases, databases, dialect):
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    for i, case in enumerate(routed_cases[:: 4 if duck else 5]):
        model = case.tree
        databases.store(connection, model.columns, model.predicates, case.rows, duck=duck)
        width = 1 if model.classes is not None else model.n_outputs
        rows = databases.results(connection, export.sql(model, dialect, table="data"))
        assert_predicts(case, [row[-width:] for row in rows])
        if model.classes is not None and i % 2 == 0:
            text = export.sql(model, dialect, "main.data", proba=True)
            rows = databases.results(connection, text)
            got = numbers([row[-len(model.classes) :] for row in rows])
            expected = model.predict_proba(case.table)
            finite = np.isfinite(model.score(case.table)).all(axis=1)
            assert np.allclose(got[finite], expected[finite], rtol=0, atol=1e-12)
            missing = np.isnan(model.score(case.table)).any(axis=1)
            assert np.isnan(got[missing]).all()
    connection.close()


def test_every_dialect_renders(routed_cases, caplog):
    caplog.set_level(logging.WARNING)
    for dialect in DIALECTS:
        for case in routed_cases[:3]:
            assert export.sql(case.tree, dialect)
            if case.tree.classes is not None:
                assert "SELECT" in export.sql(case.tree, dialect, "s.t", proba=True)
    assert not caplog.records


def test_json_round_trip(routed_cases):
    for case in routed_cases:
        model, extra = load(export.json(case.tree, note="x"))
        assert model == case.tree
        assert hash(model) == hash(case.tree)
        assert extra == {"note": "x"}
        same = np.array_equal(model.score(case.table), case.tree.score(case.table), equal_nan=True)
        assert same


def test_words(routed_cases):
    for case in routed_cases:
        model = case.tree
        lines, frame = export.sentences(model), export.rules(model)
        assert len(frame) == len(lines) - (model.classes is not None)
        assert set(frame["expert"]) == set(model.used_experts)
        assert all(line.endswith(".") for line in lines)
        assert export.text(model)


AGE = ColumnType("age", "number", missing=True)
INCOME = ColumnType("income", "number")
FORM = LinearForm.of([0.5, -2.0], (AGE, INCOME))
SHAPE = ([0, -1, -1], [1, -1, -1], [2, -1, -1])


def small_tree(**options):
    nodes = [np.array(part, dtype=np.int32) for part in SHAPE]
    expert, rows = np.array([0, 1, 0], dtype=np.int32), np.array([5.0, 3, 2])
    router = RoutingTree((AGE, INCOME), (Predicate(FORM, "<=", 3.0),), *nodes, expert, rows)
    experts = (
        LinearMap(np.array([[0.25, 0.0]]), np.array([3.0])),
        LinearMap(np.array([[0.0, -1.0]]), np.array([0.0])),
    )
    return RoutedModel((AGE, INCOME), router, experts, **options)


def linear(scores, experts, **options):
    router = LinearRouter((AGE, INCOME), LinearMap(*map(np.array, scores)))
    return RoutedModel((AGE, INCOME), router, experts, **options)


def test_text_of_a_tree():
    assert export.text(small_tree()).splitlines() == [
        "if 0.5 age - 2 income <= 3:",
        "    -income (expert 1, 3 rows)",
        "else (0.5 age - 2 income > 3 or missing):",
        "    3 + 0.25 age (expert 0, 2 rows)",
        "",
        'A missing value answers no to every question except "is missing".',
        "Where the expert reads a missing value, there is no number.",
    ]
    assert export.sentences(small_tree())[1] == (
        "If 0.5 age - 2 income > 3 or missing, then 3 + 0.25 age (expert 0, 2 rows)."
    )
    clip = np.array([[[-math.inf, 10.0]], [[0.0, 1.0]]])
    text = export.text(small_tree(clip=clip))
    assert "-income, at least 0 and at most 1 (expert 1, 3 rows)" in text
    assert "3 + 0.25 age, at most 10 (expert 0, 2 rows)" in text


def test_text_of_scores():
    model = linear(([[0.5, 0], [0, 0]], [0.0, 1.0]), small_tree().experts)
    assert export.text(model).splitlines()[:4] == [
        "The expert with the greatest route score answers, the first of several.",
        "expert 0:",
        "    route score 0.5 age",
        "    says 3 + 0.25 age",
    ]
    assert export.sentences(model)[1] == "If 1 is the greatest route score, then -income."
    classes = np.array(["bad", "good"])
    text = export.text(small_tree(link="logistic", classes=classes))
    assert text.startswith("A score above 0 means good, otherwise bad; the probability of good is")
    assert "    score -income (expert 1, 3 rows)" in text


def test_python_text():
    source = export.python(small_tree())
    assert "if not 0.5 * age - 2.0 * income <= 3.0:" in source or (
        "if 0.5 * age - 2.0 * income <= 3.0:" in source
    )
    assert "return 3.0 + 0.25 * age" in source
    assert "return 0.0 - 1.0 * income" in source


def test_columns_that_are_called_like_variables():
    names = ["value", "weight", "total", "products", "low", "route", "score", "name", "add_up"]
    columns = tuple(ColumnType(name, "number") for name in names)
    rng = np.random.default_rng(0)
    maps = [LinearMap(rng.normal(size=(3, 9)), rng.normal(size=3)) for _ in range(2)]
    router = LinearRouter(columns, LinearMap(rng.normal(size=(2, 9)), rng.normal(size=2)))
    clip = np.tile([-1.0, 1.0], (2, 3, 1))
    model = RoutedModel(columns, router, tuple(maps), "softmax", np.array(["a", "b", "c"]), clip)
    values = rng.normal(size=(50, 9))
    table = Table(tuple(map(Column, columns, values.T)), 50)
    predict, proba = run(model), run(model, proba=True)
    rows = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    assert [predict(row) for row in rows] == model.predict(table).tolist()
    shares = [list(proba(row).values()) for row in rows]
    assert np.allclose(shares, model.predict_proba(table), rtol=1e-12)


def test_sql_text():
    assert export.sql(small_tree(), nan_values=False).splitlines() == [
        "CASE",
        '  WHEN 0.5E0 * CAST("age" AS DOUBLE) - 2E0 * CAST("income" AS DOUBLE) <= 3',
        '  THEN 0E0 - 1E0 * CAST("income" AS DOUBLE)',
        '  ELSE 3E0 + 0.25E0 * CAST("age" AS DOUBLE)',
        "END",
    ]


def test_first_of_ties_and_missing_values():
    model = linear(([[1.0, 0], [0, 1.0]], [0.0, 0.0]), small_tree().experts)
    values = np.array([[1.0, 1.0], [1.0, 2.0], [math.nan, 2.0], [2.0, math.nan], [2.0, 1.0]])
    table = Table((Column(AGE, values[:, 0]), Column(INCOME, values[:, 1])), 5)
    assert model.route(table).tolist() == [0, 1, 0, 0, 0]
    assert np.array_equal(model.predict(table), [3.25, -2, math.nan, 3.5, 3.5], equal_nan=True)


def test_names_in_queries_are_those_of_the_table():
    """A column that is called like a score of the router."""
    columns = (ColumnType("route_0", "number"), ColumnType("score_0", "number"))
    router = LinearRouter(columns, LinearMap(np.array([[1.0, 0], [0, 1.0]]), np.zeros(2)))
    experts = tuple(LinearMap(np.eye(2)[[k, 1 - k]], np.zeros(2)) for k in (0, 1))
    model = RoutedModel(columns, router, experts, "softmax", np.array(["a", "b"]))
    values = np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 0.0], [-1.0, 5.0]])
    table = Table(tuple(Column(c, values[:, i]) for i, c in enumerate(columns)), 4)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE data (route_0 DOUBLE, score_0 DOUBLE)")
        connection.executemany("INSERT INTO data VALUES (?, ?)", values.tolist())
        got = connection.execute(export.sql(model, table="data")).fetchall()
    assert [row[-1] for row in got] == model.predict(table).tolist()


@pytest.mark.parametrize("n_columns", [3, 40, 41, 500])
def test_many_columns(n_columns):
    rng = np.random.default_rng(n_columns)
    columns = tuple(ColumnType(f"c{i}", "number") for i in range(n_columns))
    values = rng.normal(size=(20, n_columns))
    form = LinearForm.of(rng.normal(size=n_columns), columns)
    at = float(form.values(Table(tuple(map(Column, columns, values.T)), 20))[7])
    nodes = [np.array(part, dtype=np.int32) for part in SHAPE]
    counts = np.array([[3.0, 3], [3, 0], [0, 3]])
    label = np.array([0, 0, 1], dtype=np.int32)
    tree = Tree(
        columns, (Predicate(form, "<=", at),), *nodes, counts, label, np.array([0, 1]), np.ones(2)
    )
    table = Table(tuple(map(Column, columns, values.T)), 20)
    predict = run(tree)
    names = [column.name for column in columns]
    got = [predict(dict(zip(names, row, strict=True))) for row in values]
    assert got == tree.predict(table).tolist()
    assert 0 in got
    assert got[7] == 0


def test_errors():
    with pytest.raises(ValueError, match=r"weight of 'age' must be finite and not 0: 0.0"):
        LinearForm((Term(0, AGE),), (0.0,))
    with pytest.raises(ValueError, match=r"must ascend: \[1, 0\]"):
        LinearForm((Term(1, INCOME), Term(0, AGE)), (1.0, 1.0))
    with pytest.raises(ValueError, match="at least one column"):
        LinearForm.of([0.0, 0.0], (AGE, INCOME))
    with pytest.raises(ValueError, match="'day' is of kind date: a linear form is over numbers"):
        LinearForm.of([1.0], (ColumnType("day", "date"),))
    with pytest.raises(ValueError, match="no levels"):
        Predicate(FORM, "in", (1,))
    with pytest.raises(ValueError, match=r"coef of a linear map must be finite: at \(0, 1\)"):
        LinearMap(np.array([[0.0, math.nan]]), np.zeros(1))
    with pytest.raises(ValueError, match="coef has 2 rows, intercept 1"):
        LinearMap(np.zeros((2, 2)), np.zeros(1))
    with pytest.raises(ValueError, match="3 columns does not fit 2"):
        linear((np.zeros((1, 3)), np.zeros(1)), small_tree().experts)
    with pytest.raises(ValueError, match="chooses among 3 experts, of which there are 2"):
        linear((np.zeros((3, 2)), np.zeros(3)), small_tree().experts)
    with pytest.raises(ValueError, match="every expert has 2 output"):
        small_tree(link="softmax", classes=np.array([0, 1]))
    with pytest.raises(ValueError, match="'logistic' has two classes, not 3"):
        small_tree(link="logistic", classes=np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="needs classes"):
        small_tree(link="logistic")
    with pytest.raises(ValueError, match="has no classes"):
        small_tree(classes=np.array([0, 1]))
    with pytest.raises(ValueError, match=r"clip must have the shape \(2, 1, 2\)"):
        small_tree(clip=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="least score before the greatest"):
        small_tree(clip=np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    with pytest.raises(ValueError, match="predicts numbers: it has no probabilities"):
        export.sql(small_tree(), proba=True)
