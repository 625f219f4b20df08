"""The native path against the models' own methods."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from treeml import predict
from treeml._core.table import Column, ColumnType, Table
from treeml.ir import LinearForm, Predicate, RegressionTree, RoutedModel, Term, TreeEnsemble

KINDS = ["tree", "identity", "log", "logistic", "softmax"]


@pytest.fixture(scope="module")
def random_trees():
    path = Path(__file__).parents[1] / "export" / "random_trees.py"
    spec = importlib.util.spec_from_file_location("random_trees", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["random_trees"] = module
    spec.loader.exec_module(module)
    return module


def assert_same(model, table, **options):
    routed = isinstance(model, RoutedModel)
    same = same_numbers if routed and model.classes is None else np.array_equal
    assert same(predict.predict(model, table, **options), model.predict(table))
    if routed:
        expert = predict.route(model, table, **options)
        assert expert.dtype == np.int32
        assert np.array_equal(expert, model.route(table))
    if isinstance(model, (TreeEnsemble, RoutedModel)):
        got, expected = predict.score(model, table, **options), model.score(table)
        assert same_numbers(got, expected) if routed else got.tobytes() == expected.tobytes()
    else:
        leaf = predict.apply(model, table, **options)
        assert leaf.dtype == np.int32
        assert np.array_equal(leaf, model.apply(table))
    if getattr(model, "classes", None) is not None:
        got = predict.predict_proba(model, table, **options)
        assert np.array_equal(got, model.predict_proba(table), equal_nan=True)


def same_numbers(got, expected):
    """The same floats; NaN may differ in its sign."""
    return np.array_equal(got, expected, equal_nan=True) and np.array_equal(
        np.signbit(got[got == got]), np.signbit(expected[expected == expected])
    )


def test_classification_trees(random_trees):
    rng = np.random.default_rng(0)
    for _ in range(300):
        case = random_trees.random_case(rng, n_rows=int(rng.integers(0, 300)))
        assert_same(case.tree, case.table)


def test_regression_trees_and_ensembles(random_trees):
    rng = np.random.default_rng(1)
    for i in range(300):
        n_rows = int(rng.integers(0, 300))
        case = random_trees.random_number_case(rng, KINDS[i % 5], n_rows=n_rows)
        assert_same(case.tree, case.table)


def test_routed_models(random_trees):
    rng = np.random.default_rng(5)
    for i in range(400):
        n_rows = int(rng.integers(0, 300))
        link = ("identity", "logistic", "softmax")[i % 3]
        case = random_trees.random_routed_case(rng, link, n_rows=n_rows)
        assert_same(case.tree, case.table, n_threads=1 + i % 2)


@pytest.mark.parametrize("test", ["<=", ">", "is missing"])
def test_linear_forms_are_added_from_left_to_right(random_trees, test):
    columns = tuple(ColumnType(f"c{i}", "number", missing=True) for i in range(3))
    form = LinearForm.of([0.1, 1 / 3, -1e16], columns)
    rng = np.random.default_rng(6)
    values = rng.choice([0.1, 0.7, 3.0, 1e-16, np.nan, np.inf, -np.inf], size=(2000, 3))
    table = Table(tuple(Column(c, values[:, i]) for i, c in enumerate(columns)), 2000)
    expected = [(0.1 * a + 1 / 3 * b) + -1e16 * c for a, b, c in values.tolist()]
    assert np.array_equal(form.values(table), expected, equal_nan=True)
    for bound in np.unique(expected)[:40]:
        question = Predicate(form, test, None if test == "is missing" else float(bound))
        assert_same(random_trees.chain(columns, [question], "no"), table)


@pytest.mark.parametrize("n_threads", [2, 3, 64])
def test_threads_change_nothing(random_trees, n_threads):
    rng = np.random.default_rng(2)
    for n_rows in (1, 127, 128, 129, 1000):
        case = random_trees.random_number_case(rng, "softmax", n_rows=n_rows)
        assert_same(case.tree, case.table, n_threads=n_threads)


def test_many_levels(random_trees):
    rng = np.random.default_rng(3)
    column = ColumnType("city", "category", missing=True)
    term = Term(0, column)
    levels = [f"level {i}" for i in range(500)]
    questions = [Predicate(term, "is missing")]
    for size in (1, 3, 70, 300):
        questions.append(Predicate(term, "in", tuple(rng.permutation(levels)[:size].tolist())))
    tree = random_trees.chain((column,), questions, "no")
    cells = np.array([*levels, None, "never seen"], dtype=object)
    table = Table((Column(column, rng.choice(cells, size=2000)),), 2000)
    assert_same(tree, table)
    assert len(np.unique(predict.apply(tree, table))) == 6


@pytest.mark.parametrize("test", ["<=", ">"])
@pytest.mark.parametrize("value", [0.0, 5e-324, -1e308, 1.5, math.inf, -math.inf])
def test_boundaries(random_trees, test, value):
    column = ColumnType("x", "number", missing=True)
    tree = random_trees.chain((column,), [Predicate(Term(0, column), test, value)], "no")
    near = [value, -value, np.nextafter(value, -np.inf), np.nextafter(value, np.inf)]
    values = np.array([*near, 0.0, -0.0, np.inf, -np.inf, np.nan, 1e308])
    assert_same(tree, Table((Column(column, values),), len(values)))


def test_columns_in_any_layout(random_trees):
    rng = np.random.default_rng(4)
    types = tuple(ColumnType(f"c{i}", "number") for i in range(6))
    tests = [Predicate(Term(i, c), "<=", 0.0) for i, c in enumerate(types)]
    tree = random_trees.chain(types, tests, "both")
    values = rng.normal(size=(500, 6))
    for matrix in (values, np.asfortranarray(values), values[::-1], values.astype(np.float32)):
        columns = tuple(Column(c, matrix[:, i]) for i, c in enumerate(types))
        assert_same(tree, Table(columns, 500))
    values.flags.writeable = False
    assert_same(tree, Table(tuple(Column(c, values[:, i]) for i, c in enumerate(types)), 500))


def test_columns_that_nothing_asks_of(random_trees):
    day, odd = ColumnType("day", "date"), ColumnType("odd", "category")
    number = ColumnType("x", "number")
    tree = random_trees.chain((day, odd, number), [Predicate(Term(2, number), "<=", 1.0)], "no")
    columns = (
        Column(day, np.array([1.0, math.nan])),
        Column(odd, np.array(["a", None], dtype=object)),
        Column(number, np.array([1.0, 2.0])),
    )
    assert_same(tree, Table(columns, 2))
    assert_same(
        dataclasses.replace(tree, **{k: v[1:2] for k, v in _arrays(tree)}), Table(columns, 2)
    )


def _arrays(tree):
    names = ("predicate", "if_true", "if_false", "counts", "label")
    return [(name, getattr(tree, name)) for name in names]


def test_no_trees_and_no_columns():
    empty = TreeEnsemble((), (), np.zeros(0, np.int32), np.array([0.5]), "identity")
    assert predict.score(empty, Table((), 3)).tolist() == [[0.5], [0.5], [0.5]]
    one, minus = np.ones(1), np.full(1, -1, dtype=np.int32)
    leaf = RegressionTree((), (), minus, minus, minus, one, one, one)
    assert predict.apply(leaf, Table((), 3)).tolist() == [0, 0, 0]
    model = dataclasses.replace(empty, trees=(leaf,), output=np.zeros(1, np.int32))
    assert predict.predict(model, Table((), 2)).tolist() == [1.5, 1.5]


def test_numbers_have_no_probabilities():
    empty = TreeEnsemble((), (), np.zeros(0, np.int32), np.array([0.5]), "identity")
    with pytest.raises(ValueError, match="predicts numbers: it has no probabilities"):
        predict.predict_proba(empty, Table((), 3))
