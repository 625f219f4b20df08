from __future__ import annotations

import datetime
import logging
import math
import sqlite3

import duckdb
import numpy as np
import pytest
import sqlglot

from treeml import export
from treeml._core.table import Column, ColumnType, Table
from treeml.ir import Predicate, Term

DIALECTS = sorted(d.value for d in sqlglot.Dialects if d.value)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_equals_predict(cases, databases, dialect):
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    for i, case in enumerate(cases):
        tree = case.tree
        databases.store(connection, tree.columns, tree.predicates, case.rows, duck=duck)
        rows = databases.results(connection, export.sql(case.tree, dialect, table="data"))
        assert [row[-1] for row in rows] == case.tree.predict(case.table).tolist()
        if i % 4 == 0:
            k = len(case.tree.classes)
            rows = databases.results(
                connection, export.sql(case.tree, dialect, "main.data", proba=True)
            )
            assert np.array_equal([row[-k:] for row in rows], case.tree.predict_proba(case.table))
    connection.close()


def test_every_dialect_renders(cases, caplog):
    caplog.set_level(logging.WARNING)
    for dialect in DIALECTS:
        for case in cases[:4]:
            assert export.sql(case.tree, dialect)
            assert "SELECT" in export.sql(case.tree, dialect, "s.t", proba=True)
    assert not caplog.records


def test_dialects_sqlglot_parses_read_back_the_same(cases):
    for dialect in ("duckdb", "sqlite", "postgres", "bigquery", "snowflake", "spark", "tsql"):
        for case in cases[:10]:
            text = export.sql(case.tree, dialect, table="t")
            parsed = sqlglot.parse_one(text, dialect=dialect)
            assert parsed.sql(dialect=dialect, pretty=True) == text


BOUNDS = [1e-7, 0.1 + 0.2, 0.1, 123456789.123456789, 0.736129807990967, -1e300, 2.0**53, 41.0, 1e22]


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
@pytest.mark.parametrize("test", ["<=", ">"])
def test_boundaries_are_exact(random_trees, kind, test):
    for bound in BOUNDS if kind == "DOUBLE" else BOUNDS[:-4]:
        near = [bound, np.nextafter(bound, -np.inf), np.nextafter(bound, np.inf), math.nan, np.inf]
        if kind == "FLOAT":
            near = [float(np.float32(v)) for v in near]
            near += [
                float(np.nextafter(np.float32(bound), np.float32(s))) for s in (-np.inf, np.inf)
            ]
        term = Term(0, ColumnType("x", "number"))
        tree = random_trees.chain((term.column,), [Predicate(term, test, bound)], "no")
        expected = tree.predict_proba(Table((Column(term.column, np.array(near)),), len(near)))
        with duckdb.connect() as connection:
            case = export.sql(tree, proba=True).split(",\n")[0]
            connection.execute(f"CREATE TABLE data (i INTEGER, x {kind})")
            connection.executemany(
                "INSERT INTO data VALUES (?, ?)", list(enumerate(map(float, near)))
            )
            rows = connection.execute(f"SELECT {case} FROM data ORDER BY i").fetchall()
        assert [row[0] for row in rows] == expected[:, 0].tolist(), bound


@pytest.mark.parametrize("kind", ["UTINYINT", "TINYINT", "HUGEINT", "DECIMAL(4, 2)", "FLOAT"])
def test_other_number_types(random_trees, kind):
    term = Term(0, ColumnType("x", "number", missing=True))
    tests = [Predicate(term, "is missing"), Predicate(term, ">", 0.5), Predicate(term, "<=", 0.1)]
    tree = random_trees.chain((term.column,), tests, "no")
    values = np.array([0.0, 1.0, 99.0, np.nan])
    expected = tree.predict_proba(Table((Column(term.column, values),), 4))[:, 0].tolist()
    with duckdb.connect() as connection:
        case = export.sql(tree, proba=True).split(",\n")[0]
        connection.execute(f"CREATE TABLE data (i INTEGER, x {kind})")
        connection.execute("INSERT INTO data VALUES (0, 0), (1, 1), (2, 99), (3, NULL)")
        rows = connection.execute(f"SELECT {case} FROM data ORDER BY i").fetchall()
    assert [row[0] for row in rows] == expected


def test_timestamps(random_trees):
    term = Term(0, ColumnType("t", "date"))
    moments = [datetime.datetime(2024, 2, 29, 12, 0, 0, us) for us in (0, 1, 2, 3)]
    epoch, day = datetime.datetime(1970, 1, 1), datetime.timedelta(days=1)
    values = np.array([(moment - epoch) / day for moment in moments])
    tree = random_trees.chain((term.column,), [Predicate(term, "<=", float(values[1]))], "no")
    expected = tree.predict_proba(Table((Column(term.column, values),), 4))[:, 0].tolist()
    with duckdb.connect() as connection:
        case = export.sql(tree, proba=True).split(",\n")[0]
        connection.execute("CREATE TABLE data (t TIMESTAMP)")
        connection.executemany("INSERT INTO data VALUES (?)", [[m] for m in moments])
        rows = connection.execute(f"SELECT {case} FROM data ORDER BY t").fetchall()
    assert [row[0] for row in rows] == expected


@pytest.mark.parametrize("side", ["yes", "no", "both"])
@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_deep_trees(random_trees, databases, side, dialect):
    types = tuple(ColumnType(f"c{i}", "number") for i in range(60))
    tests = [Predicate(Term(i, c), "<=", 0.5) for i, c in enumerate(types)]
    tree = random_trees.chain(types, tests, side)
    values = np.random.default_rng(0).choice([0.0, 1.0, np.nan], p=[0.9, 0.05, 0.05], size=(50, 60))
    table = Table(tuple(Column(c, values[:, i]) for i, c in enumerate(types)), 50)
    connection = duckdb.connect() if dialect == "duckdb" else sqlite3.connect(":memory:")
    case = random_trees.Case(tree, table)
    databases.store(connection, types, tests, case.rows, duck=dialect == "duckdb")
    text = export.sql(tree, dialect, table="data")
    assert text.count("CASE") == 1
    assert [row[-1] for row in databases.results(connection, text)] == tree.predict(table).tolist()
    connection.close()


def test_text(random_trees):
    age = Term(0, ColumnType("age", "number"))
    job = Term(1, ColumnType("job", "category"))
    smoker = Term(2, ColumnType("smoker", "boolean"))
    types = (age.column, job.column, smoker.column)
    rows = [[0, 1, 4], [1, 2, 3], [-1, -1, -1], [-1, -1, -1], [2, 5, 6], [-1, -1, -1], [-1, -1, -1]]
    questions = (
        Predicate(age, "<=", 41.5),
        Predicate(job, "in", ("a", "it's")),
        Predicate(smoker, "in", (True,)),
    )
    tree = random_trees.build(types, questions, rows, np.array([0, 1]), np.random.default_rng(3))
    tree.label[[2, 3, 5, 6]] = [0, 1, 0, 1]
    assert export.sql(tree, table="main.people").splitlines() == [
        "SELECT",
        "  *,",
        "  CASE",
        """    WHEN "age" <= 41.5 AND "job" IN ('a', 'it''s')""",
        "    THEN 0",
        '    WHEN "age" <= 41.5',
        "    THEN 1",
        '    WHEN "smoker" = TRUE',
        "    THEN 0",
        "    ELSE 1",
        '  END AS "prediction"',
        'FROM "main"."people"',
    ]
    assert '"smoker" = 1' in export.sql(tree, "sqlite")
    assert '"smoker" = 1' in export.sql(tree, "oracle")
    assert "[smoker] = 1" in export.sql(tree, "tsql")
    assert export.sql(tree, "oracle", table="p").startswith('SELECT\n  "t".*')
    assert "N'é'" in export.sql(random_trees.chain(
        types, [Predicate(job, "in", ("é",))], "no"), "tsql")  # fmt: skip


def test_nan_values_off_gives_plain_text(random_trees):
    term = Term(0, ColumnType("x", "zero_one", missing=True))
    tests = [Predicate(term, ">", 0.5), Predicate(term, "is missing")]
    tree = random_trees.chain((term.column,), tests, "no")
    assert "NaN" in export.sql(tree)
    assert "NaN" not in export.sql(tree, nan_values=False)
    assert '"x" <> "x"' in export.sql(tree, "trino")


def test_errors(random_trees):
    term = Term(0, ColumnType("x", "number"))
    tree = random_trees.chain((term.column,), [Predicate(term, "<=", 1.0)], "no")
    with pytest.raises(ValueError, match=r"dialect 'db3' is not one of .*duckdb.*sqlite"):
        export.sql(tree, "db3")
    for table in ('a"b', ""):
        with pytest.raises(ValueError, match="not the name of a table"):
            export.sql(tree, table=table)
