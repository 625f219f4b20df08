from __future__ import annotations

import dataclasses
import logging
import math
import re
import sqlite3

import duckdb
import numpy as np
import pytest
import sqlglot

from treeml import export
from treeml._core.table import Column, ColumnType, Table
from treeml.export.card_text import cells, decision_text, score_text
from treeml.ir import LinearTerm, Predicate, Scorecard, Term, load

DIALECTS = sorted(d.value for d in sqlglot.Dialects if d.value)


def run(card, **options):
    scope = {}
    exec(compile(export.python(card, **options), "<export>", "exec"), scope)
    return scope["predict"]


def close(got, expected):
    return np.allclose(got, expected, rtol=0, atol=1e-12)


def test_cards_are_of_every_kind(card_cases):
    """The other tests run on ties, cards without terms, numbers by value and steep curves."""
    cards = [case.card for case in card_cases]
    assert any(not card.terms for card in cards)
    assert any(isinstance(term, LinearTerm) for card in cards for term in card.terms)
    possible = [card.possible_scores() for card in cards]
    assert any(scores is not None and len(scores) > 20 for scores in possible)
    assert sum((case.card.decision(case.table) == 0).any() for case in card_cases) > 20
    assert any(np.abs(c.card.decision(c.table) / c.card.scale).max() > 1e4 for c in card_cases)


def test_python_equals_predict(card_cases):
    for case in card_cases:
        predict, proba = run(case.card), run(case.card, proba=True)
        expected = case.card.predict(case.table).tolist()
        assert [predict(row) for row in case.rows] == expected
        with_nan = [{k: math.nan if v is None else v for k, v in r.items()} for r in case.rows]
        absent = [{k: v for k, v in r.items() if v is not None} for r in case.rows]
        assert [predict(row) for row in with_nan] == expected
        assert [predict(row) for row in absent] == expected
        shares = [proba(row) for row in case.rows]
        assert all(list(share) == case.card.classes.tolist() for share in shares)
        assert close([[*s.values()] for s in shares], case.card.predict_proba(case.table))


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_sql_equals_predict(card_cases, databases, dialect):
    duck = dialect == "duckdb"
    connection = duckdb.connect() if duck else sqlite3.connect(":memory:")
    for case in card_cases:
        databases.store(connection, case.card.columns, case.predicates, case.rows, duck=duck)
        rows = databases.results(connection, export.sql(case.card, dialect, table="data"))
        assert [row[-1] for row in rows] == case.card.predict(case.table).tolist()
        query = export.sql(case.card, dialect, "main.data", proba=True)
        rows = databases.results(connection, query)
        assert close([row[-2:] for row in rows], case.card.predict_proba(case.table))
    connection.close()


def test_every_dialect_renders(card_cases, caplog):
    caplog.set_level(logging.WARNING)
    for dialect in DIALECTS:
        for case in card_cases[:8]:
            assert export.sql(case.card, dialect)
            assert "SELECT" in export.sql(case.card, dialect, "s.t", proba=True)
    assert not caplog.records


def test_dialects_sqlglot_parses_read_back_the_same(card_cases):
    def words(text):
        return " ".join(text.replace("(", "( ").replace(")", " )").split())

    for dialect in ("duckdb", "sqlite", "postgres", "bigquery", "snowflake", "spark", "tsql"):
        for case in card_cases[:10]:
            for proba in (False, True):
                text = export.sql(case.card, dialect, table="t", proba=proba)
                parsed = sqlglot.parse_one(text, dialect=dialect)
                assert words(parsed.sql(dialect=dialect, pretty=True)) == words(text)


AGE = Term(0, ColumnType("age", "number", unit="years"))
HOME = Term(1, ColumnType("home", "category"))
PRIORS = Term(2, ColumnType("priors", "number", missing=True))
SMOKER = Term(3, ColumnType("smoker", "zero_one"))
COLUMNS = tuple(term.column for term in (AGE, HOME, PRIORS, SMOKER))


def card(*terms, intercept=-4.5, scale=1.5, classes=("good", "bad")):
    questions, points = [term for term, _ in terms], [points for _, points in terms]
    points = np.array(points, dtype=np.int64)
    return Scorecard(COLUMNS, tuple(questions), points, intercept, scale, np.array(classes))


YOUNG = (Predicate(AGE, "<=", 25.0), 3)
ADULT = (Predicate(AGE, "<=", 41.0), 2)
RENT = (Predicate(HOME, "in", ("rent",)), -1)
UNKNOWN = (Predicate(PRIORS, "is missing"), 1)
EACH = (LinearTerm(PRIORS), 2)
SMOKES = (LinearTerm(SMOKER), 1)


@pytest.mark.parametrize("kind", ["UTINYINT", "TINYINT", "HUGEINT", "DECIMAL(4, 2)", "FLOAT"])
def test_values_of_other_number_types(kind):
    model = card((LinearTerm(AGE), 1000), intercept=-99000.0, scale=7.0)
    values = np.array([0.0, 1.0, 99.0, np.nan])
    model = dataclasses.replace(model, columns=COLUMNS[:1])
    table = Table((Column(AGE.column, values),), 4)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE data (i INTEGER, age {kind})")
        connection.execute("INSERT INTO data VALUES (0, 0), (1, 1), (2, 99), (3, NULL)")
        for proba in (False, True):
            text = export.sql(model, proba=proba)
            rows = connection.execute(f"SELECT {text} FROM data ORDER BY i").fetchall()
            if proba:
                assert close(rows, model.predict_proba(table))
            else:
                assert [row[0] for row in rows] == model.predict(table).tolist()


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_sums_of_fractions_are_added_in_the_same_order(databases, dialect):
    types = tuple(ColumnType(f"c{i}", "number") for i in range(6))
    terms = tuple(LinearTerm(Term(i, column)) for i, column in enumerate(types))
    rng = np.random.default_rng(5)
    values = rng.choice([0.1, 0.2, 0.3, 1e9 / 3, -1e9 / 3], size=(100, 6))
    table = Table(tuple(Column(c, values[:, i]) for i, c in enumerate(types)), 100)
    model = Scorecard(types, terms, np.array([1, 3, -2, 5, 7, -1]), 0.0, 1.0, np.array([0, 1]))
    names = [column.name for column in types]
    rows = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    connection = duckdb.connect() if dialect == "duckdb" else sqlite3.connect(":memory:")
    databases.store(connection, types, [], rows, duck=dialect == "duckdb")
    for threshold in model.score(table)[:30]:  # one unit in the last place would change a label
        at = dataclasses.replace(model, intercept=-float(threshold))
        expected = at.predict(table).tolist()
        predict = run(at)
        assert [predict(row) for row in rows] == expected
        got = databases.results(connection, export.sql(at, dialect, table="data"))
        assert [row[-1] for row in got] == expected
    connection.close()


def test_exponentials_do_not_overflow(card_cases):
    assert "LEAST" not in export.sql(card(YOUNG, RENT), proba=True)
    assert "LEAST(" in export.sql(card(YOUNG, EACH), "postgres", proba=True)
    assert "LEAST(" in export.sql(card(YOUNG, scale=1e-3), "postgres", proba=True)
    assert "MIN(" in export.sql(card(YOUNG, EACH), "sqlite", proba=True)


def test_sql_text():
    assert export.sql(card(YOUNG, RENT, EACH), table="people").splitlines() == [
        "SELECT",
        "  *,",
        "  CASE",
        "    WHEN (",
        '      CASE WHEN "age" <= 25 THEN 3 ELSE 0 END',
        """      + CASE WHEN "home" = 'rent' THEN -1 ELSE 0 END""",
        "      + CASE",
        """        WHEN "priors" <> CAST('NaN' AS DOUBLE)""",
        '        THEN 2 * CAST("priors" AS DOUBLE)',
        "        ELSE 0",
        "      END",
        "    ) > 4.5",
        "    THEN 'bad'",
        "    ELSE 'good'",
        '  END AS "prediction"',
        'FROM "people"',
    ]
    plain = export.sql(card(YOUNG, EACH), nan_values=False)
    assert 'COALESCE(2 * CAST("priors" AS DOUBLE), 0)' in plain
    assert export.sql(card()) == "'good'"


def test_python_text():
    lines = export.python(card(YOUNG, RENT, EACH, intercept=0.0)).splitlines()
    assert lines[-7:] == [
        "    if age <= 25.0:",
        "        score += 3",
        "    if home == 'rent':",
        "        score -= 1",
        "    if priors == priors:",
        "        score += 2 * priors",
        "    return 'bad' if score > 0.0 else 'good'",
    ]


def test_names_of_columns_do_not_hide_local_ones():
    names = ("score", "math", "logit", "odds")
    columns = tuple(ColumnType(name, "number") for name in names)
    terms = tuple(LinearTerm(Term(i, column)) for i, column in enumerate(columns))
    model = Scorecard(columns, terms, np.array([1, 2, 3, 4]), -20.0, 2.0, np.array([0, 1]))
    row = dict(zip(names, (1.0, 2.0, 3.0, 4.0), strict=True))
    assert run(model)(row) == 1
    assert close(run(model, proba=True)(row)[1], 1 / (1 + math.exp(-5)))


def test_cards_for_labels_only():
    model = card(YOUNG, ADULT, scale=None)
    assert run(model)({"age": 20}) == "bad"
    assert export.sql(model)
    for write in (export.python, export.sql):
        with pytest.raises(ValueError, match="labels only"):
            write(model, proba=True)
    assert "risk" not in export.text(model)


def test_json_round_trip(card_cases):
    for case in card_cases:
        model, extra = load(export.json(case.card, certificate={"gap": 0}))
        assert model == case.card
        assert extra == {"certificate": {"gap": 0}}
        assert np.array_equal(model.predict(case.table), case.card.predict(case.table))


def test_rules():
    frame = export.rules(card(YOUNG, EACH, SMOKES))
    assert frame["term"].tolist() == ["age <= 25 years", "priors", "smoker = 1"]
    assert frame["column"].tolist() == ["age", "priors", "smoker"]
    assert frame["points"].tolist() == [3, 2, 1]
    assert frame["per_unit"].tolist() == [False, True, True]
    assert len(export.rules(card())) == 0


def test_text():
    model = card(YOUNG, RENT, ADULT, UNKNOWN, SMOKES)
    scores = np.array([5.0, 5.0, 0.0, -1.0])
    model = model.with_counts(scores, np.array([1, 0, 0, 0]))
    assert export.text(model).splitlines() == [
        "Score for bad: add up the points of every line that is true.",
        "",
        "age",
        "  age <= 25 years ......   3 points",
        "  age <= 41 years ......   2 points",
        "home = rent ............  −1 point",
        "priors is missing ......   1 point",
        "smoker = 1 .............   1 point",
        "                   total  ____ points",
        "",
        "5 points or more: bad; fewer: good.",
        "A missing value or a level not seen in training gives no points, except where a line says "
        '"is missing".',
        "",
        "score            −1       0       1        2        3        4        5        6        7",
        "risk of bad   2.5 %   4.7 %   8.8 %   15.9 %   26.9 %   41.7 %   58.3 %   73.1 %   84.1 %",
        "rows              1       1       0        0        0        0        2        0        0",
        "of them bad       0       0       0        0        0        0        1        0        0",
    ]


def test_text_of_numbers_by_value():
    model = card(YOUNG, EACH, classes=(0, 1), intercept=-7.25)
    model = model.with_counts(np.arange(9.0), np.arange(9) % 2)
    lines = export.text(model).splitlines()
    assert lines[0] == "Score for class 1: add up the points of every line that is true."
    assert "priors ...............   2 points each" in lines
    assert "More than 7.25 points: class 1; otherwise: class 0." in lines
    assert '"each" is per unit: priors of 3 counts 6 points.' in lines
    assert "A missing value gives no points." in lines


@pytest.mark.parametrize(
    ("intercept", "words"),
    [
        (-4.5, "5 points or more: bad; fewer: good."),
        (-4.0, "5 points or more: bad; fewer: good."),
        (-1e-9, "1 point or more: bad; fewer: good."),
        (0.5, "0 points or more: bad; fewer: good."),
        (1.0, "0 points or more: bad; fewer: good."),
        (1.5, "Every total means bad."),
        (-5.0, "No total reaches bad: always good."),
    ],
)
def test_points_needed(intercept, words):
    assert decision_text(card(YOUNG, ADULT, RENT, intercept=intercept)) == words


def test_points_needed_decide(card_cases):
    """What the sentence says is what the card predicts at every possible score."""
    read = 0
    for case in card_cases:
        scores = case.card.possible_scores()
        said = re.match(r"(−?\d+) points? or more:", decision_text(case.card))
        if scores is None or said is None:
            continue
        needed = int(said[1].replace("−", "-"))
        above = case.card.intercept + scores > 0
        assert np.array_equal(scores >= needed, above)
        assert above.any()
        assert not above.all()
        read += 1
    assert read > len(card_cases) / 10


def test_a_person_can_add_up(random_cards):
    """The printed lines that are true, added up, give the score; the table gives its risk."""
    rng = np.random.default_rng(11)
    for _ in range(150):
        case = random_cards.random_case(rng, dates=False, names=[f"c{i}" for i in range(9)])
        model, table, score = case.card, case.table, case.card.score(case.table)
        total = np.zeros(table.n_rows)
        lines = export.text(model).splitlines()
        for term in model.terms:
            head = " ".join(term.text().split()) + " ..."
            line = lines.pop(next(i for i, s in enumerate(lines) if s.strip().startswith(head)))
            number, *words = re.sub(r".* \.\.\.+ ", "", line).split()
            holds = term.holds(table) if isinstance(term, Predicate) else term.values(table)
            total += int(number.replace("−", "-")) * holds
            each = isinstance(term, LinearTerm) and term.term.column.kind == "number"
            assert ("each" in words) == each
        assert np.allclose(total, score)
        shown = {cell.score: cell.risk for cell in cells(model, most=500)}
        for value, share in zip(score, model.predict_proba(table)[:, 1], strict=True):
            if score_text(value) in shown and not model.binned:
                risk = shown[score_text(value)]
                assert risk in (f"{100 * share:.1f} %", "< 0.1 %", "> 99.9 %")


def test_cells_hold_every_training_row(card_cases):
    for case in card_cases:
        for most in (5, 20, 1000):
            table = cells(case.card, most)
            assert 0 < len(table) <= most
            rows = sum(float(cell.rows.replace(",", "")) for cell in table)
            assert math.isclose(rows, case.card.score_counts.sum(), abs_tol=0.06 * len(table))
            shares = [cell.share for cell in table]
            assert shares == sorted(shares)


def test_long_tables_are_cut_short():
    model = card((LinearTerm(PRIORS), 3), intercept=-300.0, scale=400.0)
    scores = np.repeat(np.arange(190.0), 2) * 3
    short = cells(model.with_counts(scores, np.tile([0, 1], 190)))
    assert len(short) == 19
    assert short[0].score == "0 to 27"
    assert short[-1].rows == "20"
    binned = model.with_counts(np.arange(400.0), np.arange(400) % 2)
    text = export.text(binned)
    assert "≤ 19" in text
    assert "19 to 39" in text
    assert "> 379" in text
    assert "A range of scores begins above its first number and includes its last one." in text
    steep = cells(dataclasses.replace(model, scale=1.0).with_counts(scores, np.tile([0, 1], 190)))
    assert (steep[0].score, steep[0].risk) == ("≤ 291", "< 0.1 %")
    assert (steep[-1].score, steep[-1].risk) == ("≥ 309", "> 99.9 %")
