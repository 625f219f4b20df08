from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest

from treeml._core.table import Column, ColumnType, Table
from treeml.ir import LinearTerm, Predicate, Scorecard, Term, Tree, dump, load
from treeml.ir.scorecard import count_scores

AGE = Term(0, ColumnType("age", "number", unit="years", missing=True))
HOME = Term(1, ColumnType("home", "category"))
SIZE = Term(2, ColumnType("size", "category", levels=("S", "M", "L"), missing=True))
FLAG = Term(3, ColumnType("flag", "boolean"))
ONE = Term(4, ColumnType("one", "zero_one", missing=True))
DAY = Term(5, ColumnType("day", "date"))
COLUMNS = tuple(term.column for term in (AGE, HOME, SIZE, FLAG, ONE, DAY))
QUESTIONS = (
    Predicate(AGE, "<=", 25.0),
    Predicate(AGE, "<=", 41.0),
    Predicate(AGE, ">", 60.0),
    Predicate(AGE, "is missing"),
    Predicate(HOME, "in", ("rent",)),
    Predicate(HOME, "in", ("rent", "free")),
    Predicate(SIZE, "in", ("S",)),
    Predicate(SIZE, "in", ("S", "M")),
    Predicate(SIZE, "is missing"),
    Predicate(FLAG, "in", (True,)),
    Predicate(ONE, ">", 0.5),
    LinearTerm(ONE),
    Predicate(DAY, "<=", 100.5),
)
VALUES = (
    [20.0, 25.0, 30.0, 41.0, 50.0, 60.0, 70.0, math.nan],
    ["rent", "free", "own", None],
    ["S", "M", "L", None],
    [True, False],
    [0.0, 1.0, math.nan],
    [100.0, 100.5, 101.0],
)


def table(*rows):
    columns = []
    for column, values in zip(COLUMNS, zip(*rows, strict=True), strict=True):
        if column.kind in ("category", "boolean"):
            held = np.empty(len(values), dtype=object)
            held[:] = values
        else:
            held = np.array(values, dtype=np.float64)
        columns.append(Column(column, held))
    return Table(tuple(columns), len(rows))


def card(terms, points, *, intercept=-2.5, scale=1.5, classes=("good", "bad")):
    points = np.array(points, dtype=np.int64)
    return Scorecard(COLUMNS, tuple(terms), points, intercept, scale, np.array(classes))


EVERY = table(*itertools.product(*VALUES))


def test_scores_are_sums_of_points():
    rows = [
        (20.0, "rent", "S", True, 1.0, 100.0),
        (41.0, "own", None, False, math.nan, 101.0),
        (math.nan, None, "L", False, 0.0, 100.5),
    ]
    terms = [QUESTIONS[0], QUESTIONS[1], QUESTIONS[5], QUESTIONS[8], LinearTerm(AGE), QUESTIONS[12]]
    model = card(terms, [5, 3, -2, 7, 2, -1])
    expected = [5 + 3 - 2 + 40 - 1, 3 + 7 + 82, -1]
    assert model.score(table(*rows)).tolist() == expected
    assert model.decision(table(*rows)).tolist() == [x - 2.5 for x in expected]
    assert model.predict(table(*rows)).tolist() == ["bad", "bad", "good"]
    risk = [1 / (1 + math.exp(-(x - 2.5) / 1.5)) for x in expected]
    proba = model.predict_proba(table(*rows))
    assert np.allclose(proba, [[1 - r, r] for r in risk], rtol=0, atol=1e-15)
    assert np.array_equal(model.risk(np.array(expected)), proba[:, 1])


def test_a_score_on_the_threshold_is_the_first_class():
    model = card([QUESTIONS[4]], [3], intercept=-3.0)
    rent = table((1.0, "rent", "S", True, 0.0, 0.0))
    assert model.threshold == 3.0
    assert model.decision(rent).tolist() == [0.0]
    assert model.predict(rent).tolist() == ["good"]
    assert model.predict_proba(rent).tolist() == [[0.5, 0.5]]


def test_a_card_without_terms():
    model = card([], [], intercept=-1.5)
    assert model.predict(EVERY.take([0, 1])).tolist() == ["good", "good"]
    assert model.possible_scores().tolist() == [0.0]
    (row,) = model.lookup()
    assert (row.low, row.high, row.counts) == (0.0, 0.0, (0.0, 0.0))
    assert row.risk_low == row.risk_high == 1 / (1 + math.e)


def test_labels_only():
    model = card(QUESTIONS[:2], [1, 2], scale=None)
    assert set(model.predict(EVERY)) == {"good", "bad"}
    for ask in (lambda: model.predict_proba(EVERY), lambda: model.risk(1)):
        with pytest.raises(ValueError, match="labels only"):
            ask()
    assert all(math.isnan(row.risk_low) for row in model.lookup())
    assert load(dump(model))[0] == model


def test_probabilities_do_not_overflow():
    model = card([LinearTerm(AGE)], [1000], intercept=0.0, scale=1e-3)
    proba = model.predict_proba(EVERY.take([0]))
    assert proba.tolist() == [[0.0, 1.0]]
    huge = table((1e308, "rent", "S", True, 0.0, 0.0))
    assert model.predict(huge).tolist() == ["bad"]


def test_possible_scores_are_those_of_all_rows():
    rng = np.random.default_rng(1)
    for _ in range(100):
        chosen = rng.permutation(len(QUESTIONS))[: rng.integers(0, 9)]
        points = rng.integers(1, 6, size=len(chosen)) * rng.choice([-1, 1], size=len(chosen))
        model = card([QUESTIONS[j] for j in chosen], points)
        assert model.possible_scores().tolist() == np.unique(model.score(EVERY)).tolist()


def test_possible_scores_are_unknown_where_too_many():
    assert card([LinearTerm(AGE)], [1]).possible_scores() is None
    assert card([LinearTerm(AGE)], [1]).column_scores() is None
    assert card(QUESTIONS, [3**i for i in range(len(QUESTIONS))]).possible_scores() is None
    assert card(QUESTIONS[:2], [1, 1]).column_scores() == [{0, 1, 2}]


def test_lookup_of_possible_scores_has_training_rows():
    model = card(QUESTIONS[:2], [1, 2])
    model = model.with_counts(np.array([3.0, 3.0, 0.0]), np.array([1, 0, 0]), np.array([2.0, 1, 1]))
    assert [(r.low, r.counts) for r in model.lookup()] == [(0, (1, 0)), (2, (0, 0)), (3, (1, 2))]
    assert [r.risk_low for r in model.lookup()] == model.risk(np.array([0, 2, 3])).tolist()


def test_lookup_of_training_scores_and_ranges():
    model = card([LinearTerm(AGE)], [1])
    assert model.lookup() == []
    few = model.with_counts(np.array([7.5, -1.0]), np.array([1, 0]))
    assert [(r.low, r.high, r.counts) for r in few.lookup()] == [
        (-1.0, -1.0, (1, 0)),
        (7.5, 7.5, (0, 1)),
    ]
    many = model.with_counts(np.arange(1000.0), np.arange(1000) % 2).lookup()
    assert (many[0].low, many[0].risk_low) == (-math.inf, 0.0)
    assert (many[-1].high, many[-1].risk_high) == (math.inf, 1.0)
    assert [row.high for row in many[:-1]] == [row.low for row in many[1:]]
    assert {row.counts for row in many} == {(25.0, 25.0)}


def test_count_scores():
    values, counts, binned = count_scores(
        np.array([2.0, 1.0, 2.0, 9.0]), np.array([0, 1, 1, 0]), np.array([0.5, 1, 1, 0])
    )
    assert (values.tolist(), counts.tolist(), binned) == ([1, 2], [[0, 1], [0.5, 1]], False)
    values, counts, binned = count_scores(np.arange(200.0), np.zeros(200, dtype=int))
    assert (len(values), binned) == (200, False)
    rng = np.random.default_rng(0)
    for scores in (np.arange(201.0), rng.normal(size=5000), np.repeat(np.arange(300.0) ** 2, 3)):
        codes = rng.integers(0, 2, size=len(scores))
        weights = rng.choice([1.0, 50.0, 1e4], size=len(scores))
        values, counts, binned = count_scores(scores, codes, weights)
        assert binned
        assert len(values) <= 20
        assert values[-1] == scores.max()
        group = np.searchsorted(values, scores)
        for k in (0, 1):
            here = weights * (codes == k)
            assert np.allclose(counts[:, k], np.bincount(group, here, len(values)))


def test_json_is_exact():
    rng = np.random.default_rng(2)
    for classes in (["a", "b"], [0, 1], [False, True], [0.1, 1e300]):
        model = card(
            [*QUESTIONS, LinearTerm(AGE)],
            rng.integers(1, 2**62, size=len(QUESTIONS) + 1),
            intercept=0.1 + 0.2,
            scale=5e-324,
            classes=classes,
        ).with_counts(rng.normal(size=50), rng.integers(0, 2, size=50), rng.random(50))
        again, extra = load(dump(model, note="x"))
        assert isinstance(again, Scorecard)
        assert again == model
        assert hash(again) == hash(model)
        assert again.classes.dtype == model.classes.dtype
        assert (again.terms, extra) == (model.terms, {"note": "x"})
        assert np.array_equal(again.score_counts, model.score_counts)
    assert model != dataclasses.replace(model, intercept=1.0)


def test_kinds_of_models_in_json():
    text = dump(card(QUESTIONS[:1], [1]))
    assert json.loads(text)["model"]["kind"] == "scorecard"
    with pytest.raises(ValueError, match=r"'card' is not one of .*'scorecard', .*'tree'"):
        load(text.replace('"scorecard"', '"card"'))
    assert Tree is not type(load(text)[0])


def test_linear_terms():
    assert LinearTerm(AGE).text() == "age (years)"
    assert LinearTerm(Term(0, ColumnType("x", "number"))).text() == "x"
    assert LinearTerm(ONE).text() == "one = 1"
    assert LinearTerm.from_dict(LinearTerm(ONE).to_dict(), COLUMNS) == LinearTerm(ONE)
    for term in (HOME, FLAG, DAY):
        with pytest.raises(ValueError, match=f"{term.name!r} is of kind {term.column.kind}"):
            LinearTerm(term)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.array([0, 1])}, "not 0, for every term"),
        ({"points": np.array([1])}, "not 0, for every term"),
        ({"classes": np.array(["a", "b", "c"])}, "two classes, not 3"),
        ({"intercept": math.nan}, "intercept must be finite"),
        ({"scale": 0.0}, "scale must be above 0"),
        ({"scale": math.inf}, "scale must be above 0"),
        ({"score_values": np.zeros(3)}, "score_counts must hold"),
    ],
)
def test_cards_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(card(QUESTIONS[:2], [1, 2]), **change)
