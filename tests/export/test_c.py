"""Exported C, compiled and run."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess

import numpy as np
import pytest

from treeml import export
from treeml._core.table import Column, ColumnType, Table
from treeml.ir import Predicate, Term

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")
WARNINGS = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
FLAGS = [*WARNINGS, "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
POINTER = ctypes.POINTER(ctypes.c_double)
KEPT = 50  # models a kind: they are compiled together


def compiled(sources, folder):
    """A library of all sources."""
    (folder / "models.c").write_text("\n".join(sources), encoding="utf-8")
    library = folder / "models.so"
    command = [COMPILER, *FLAGS, "-o", str(library), str(folder / "models.c"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return ctypes.CDLL(str(library))


def encoded(library, name, table):
    """Rows as the C functions take them."""
    out = np.empty((table.n_rows, max(len(table.columns), 1)))
    for j, column in enumerate(table.columns):
        values = column.values.tolist()
        if column.type.kind == "category":
            level = getattr(library, f"{name}_level", None)
            if level is not None:
                level.restype = ctypes.c_double
                values = [
                    math.nan if v is None else level(j, str(v).encode("utf-8")) for v in values
                ]
            else:
                values = [math.nan if v is None else 0.0 for v in values]
        out[:, j] = [math.nan if v is None else float(v) for v in values]
    return out


def results(library, name, rows, kind, width):
    """What a function says of every row; ``width`` numbers where it writes them."""
    function = getattr(library, name)
    function.restype = {"int": ctypes.c_int, "double": ctypes.c_double, "void": None}[kind]
    out = np.empty((len(rows), width))
    for i in range(len(rows)):
        row = rows[i].ctypes.data_as(POINTER)
        if kind == "void":
            function(row, out[i].ctypes.data_as(POINTER))
        else:
            out[i] = function(row)
    return out


def classes_of(model):
    return getattr(model, "classes", None)


def assert_all_predict(models, folder):
    """Every model (with its table) says in C what ``predict`` says, and ``predict_proba``."""
    sources = []
    for i, (model, _) in enumerate(models):
        sources.append(export.c(model, f"m{i}"))
        if has_proba(model):
            sources.append(export.c(model, f"p{i}", proba=True))
    library = compiled(sources, folder)
    for i, (model, table) in enumerate(models):
        rows = encoded(library, f"m{i}", table)
        classes, expected = classes_of(model), model.predict(table)
        width = 1 if expected.ndim == 1 else expected.shape[1]
        kind = "int" if classes is not None else "void" if width > 1 else "double"
        got = results(library, f"m{i}", rows, kind, width)
        if classes is not None:
            assert classes[got[:, 0].astype(int)].tolist() == expected.tolist()
        elif getattr(model, "link", "") == "log":
            assert np.allclose(got[:, 0], expected, rtol=1e-14, atol=0)
        else:
            assert np.array_equal(got, expected.reshape(got.shape), equal_nan=True)
        if has_proba(model):
            shares = results(library, f"p{i}", rows, "void", len(classes))
            proba = model.predict_proba(table)
            assert np.allclose(shares, proba, rtol=1e-12, atol=1e-300, equal_nan=True)


def has_proba(model):
    return classes_of(model) is not None and getattr(model, "scale", 1) is not None


@needs_compiler
def test_trees(cases, tmp_path):
    assert_all_predict([(case.tree, case.table) for case in cases[:KEPT]], tmp_path)


@needs_compiler
def test_numbers_and_ensembles(number_cases, tmp_path):
    assert_all_predict([(case.tree, case.table) for case in number_cases[:KEPT]], tmp_path)


@needs_compiler
def test_cards(card_cases, tmp_path):
    assert_all_predict([(case.card, case.table) for case in card_cases[:KEPT]], tmp_path)


@needs_compiler
def test_routed_models(routed_cases, tmp_path):
    assert_all_predict([(case.tree, case.table) for case in routed_cases[:KEPT]], tmp_path)


@needs_compiler
def test_routes(routed_cases, tmp_path):
    kept = routed_cases[:10]
    library = compiled([export.c(c.tree, f"m{i}") for i, c in enumerate(kept)], tmp_path)
    for i, case in enumerate(kept):
        rows = encoded(library, f"m{i}", case.table)
        got = results(library, f"m{i}_route", rows, "int", 1)[:, 0]
        assert got.tolist() == case.tree.route(case.table).tolist()


@needs_compiler
@pytest.mark.parametrize("side", ["yes", "no", "both"])
def test_deep_trees(random_trees, tmp_path, side):
    types = tuple(ColumnType(f"c{i}", "number") for i in range(60))
    tests = [Predicate(Term(i, c), "<=", 0.5) for i, c in enumerate(types)]
    tree = random_trees.chain(types, tests, side)
    values = np.random.default_rng(0).choice([0.0, 1.0, np.nan], p=[0.9, 0.05, 0.05], size=(50, 60))
    table = Table(tuple(Column(c, values[:, i]) for i, c in enumerate(types)), 50)
    assert_all_predict([(tree, table)], tmp_path)


def test_text(random_trees):
    age = Term(0, ColumnType("age", "number"))
    job = Term(1, ColumnType("job */ x", "category"))
    types = (age.column, job.column)
    questions = [Predicate(age, "<=", 41.5), Predicate(job, "in", ('it"s', "b"))]
    tree = random_trees.chain(types, questions, "no")
    lines = export.c(tree).splitlines()
    assert "   row[0]: age (number)" in lines
    assert "   row[1]: job * / x (predict_level(1, text))" in lines
    assert 'const char *const predict_classes[] = {"bad", "good"};' in lines
    assert '        if (strcmp(text, "it\\042s") == 0) return 0.0;' in lines
    assert lines[lines.index("int predict(const double *row) {") + 1 :] == [
        "    const double age = row[0];",
        "    const double x1 = row[1];",
        "    if (age <= 41.5) {",
        f"        return {tree.label[1]};",
        "    }",
        "    if ((x1 >= 0.0 && x1 <= 1.0)) {",
        f"        return {tree.label[3]};",
        "    }",
        f"    return {tree.label[4]};",
        "}",
    ]


def test_errors(random_trees):
    term = Term(0, ColumnType("x", "number"))
    tree = random_trees.chain((term.column,), [Predicate(term, "<=", 1.0)], "no")
    for name in ("two words", "double", "_x", "größe", ""):
        with pytest.raises(ValueError, match="not a name in C"):
            export.c(tree, name)
