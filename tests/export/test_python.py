from __future__ import annotations

import datetime
import math

import numpy as np
import pytest

from treeml import export
from treeml._core.table import ColumnType
from treeml.export.python import scalar
from treeml.ir import Predicate, Term


def run(tree, **options):
    scope = {}
    exec(compile(export.python(tree, **options), "<export>", "exec"), scope)
    return scope[options.get("function", "predict")]


def test_equals_predict(cases):
    for case in cases:
        predict = run(case.tree)
        assert [predict(row) for row in case.rows] == case.tree.predict(case.table).tolist()


def test_probabilities_equal(cases):
    for case in cases:
        proba = run(case.tree, function="p", proba=True)
        expected = case.tree.predict_proba(case.table)
        for row, shares in zip(case.rows, expected, strict=True):
            assert proba(row) == dict(zip(case.tree.classes.tolist(), shares, strict=True))


def test_missing_as_nan_and_as_absent_key(cases):
    for case in cases[:100]:
        predict = run(case.tree)
        expected = case.tree.predict(case.table).tolist()
        with_nan = [{k: math.nan if v is None else v for k, v in r.items()} for r in case.rows]
        absent = [{k: v for k, v in r.items() if v is not None} for r in case.rows]
        assert [predict(row) for row in with_nan] == expected
        assert [predict(row) for row in absent] == expected


def test_numpy_scalars_compare_as_float64(random_trees):
    term = Term(0, ColumnType("x", "number"))
    tree = random_trees.chain((term.column,), [Predicate(term, "<=", 0.1)], "no")
    predict = run(tree, proba=True)
    yes, no = predict({"x": 0.1}), predict({"x": 1})
    assert yes != no
    assert predict({"x": np.float32(0.1)}) == no  # 0.10000000149 as float64
    assert predict({"x": np.int64(0)}) == predict({"x": True - 1}) == yes


def test_dates_as_objects(random_trees):
    term = Term(0, ColumnType("day", "date", missing=True))
    bound = (datetime.date(2024, 2, 29) - datetime.date(1970, 1, 1)).days + 0.5
    tree = random_trees.chain((term.column,), [Predicate(term, "<=", bound)], "no")
    predict = run(tree, proba=True)
    yes, no = predict({"day": 0}), predict({})
    assert yes != no
    assert predict({"day": datetime.date(2024, 2, 29)}) == yes
    assert predict({"day": datetime.datetime(2024, 2, 29, 12)}) == yes
    assert predict({"day": datetime.datetime(2024, 2, 29, 12, 0, 1)}) == no
    assert predict({"day": datetime.date(2024, 3, 1)}) == no
    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert predict({"day": datetime.datetime(2024, 2, 29, 14, tzinfo=zone)}) == yes
    assert predict({"day": datetime.datetime(2024, 2, 29, 15, tzinfo=zone)}) == no


@pytest.mark.parametrize("side", ["yes", "no", "both"])
def test_deep_trees_stay_flat(random_trees, side):
    term = Term(0, ColumnType("x", "number"))
    bounds = np.arange(300.0) if side == "no" else -np.arange(300.0)
    tree = random_trees.chain(
        (term.column,), [Predicate(term, "<=", float(b)) for b in bounds], side
    )
    source = export.python(tree)
    assert max(len(line) - len(line.lstrip()) for line in source.splitlines()) <= 8
    predict = run(tree, proba=True)
    values = np.array([-400.5, -7.0, -6.5, 0.0, 3.0, 3.5, 298.0, 1e9, np.nan])
    table = random_trees.Table((random_trees.Column(term.column, values),), len(values))
    got = [list(predict({"x": v}).values()) for v in values]
    assert np.array_equal(got, tree.predict_proba(table))


def test_names(random_trees):
    term = Term(0, ColumnType("age", "number"))
    tree = random_trees.chain((term.column,), [Predicate(term, "<=", 41.0)], "no")
    assert "if age <= 41.0:" in export.python(tree)
    assert "if x0 <= 41.0:" in export.python(tree, "age")
    for name in ("two words", "class", ""):
        with pytest.raises(ValueError, match="not a Python name"):
            export.python(tree, name)


def test_scalar_refuses_what_has_no_literal():
    for value in (None, math.nan, np.datetime64("2024-01-01"), (1, 2)):
        with pytest.raises(ValueError, match="cannot be written"):
            scalar(value)
