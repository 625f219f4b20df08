"""The published figures are those of the results."""

import pytest

from benchmarks import linear_page, page
from benchmarks.costs import COSTS
from benchmarks.importance import IMPORTANCES
from benchmarks.libraries import LIBRARIES, Task
from benchmarks.problems import bundled
from benchmarks.sets import SETS
from treeml import RashomonTreesClassifier


def test_the_page_shows_the_results():
    assert page.filled(page.PAGE.read_text()) == page.PAGE.read_text()


@pytest.mark.parametrize("guide", linear_page.GUIDES, ids=lambda guide: guide.stem)
def test_the_guides_show_the_results(guide):
    assert linear_page.filled(guide) == guide.read_text()


def test_linear_leaves_are_never_far_below_the_linear_model():
    rows = page.read("linear_safety")
    assert len(rows) == 84
    assert min(float(row["gain"]) for row in rows) >= -0.01


@pytest.mark.parametrize("name", ["trees", "gap", "growth"])
def test_libraries_that_prove_an_optimum_agree(name):
    rows = page.read(name)
    assert {row["library"] for row in rows} <= set(LIBRARIES)
    keys = [key for key in rows[0] if key not in _OF_A_RUN]
    proven: dict[tuple, float] = {}
    for row in rows:
        if row["proven"] == "yes":
            task = tuple(row[key] for key in keys)
            found = float(row["objective"])
            assert proven.setdefault(task, found) == pytest.approx(found, abs=2e-6), row


_OF_A_RUN = ("library", "limit", "cpu_seconds", "wall_seconds", "megabytes", "objective", "bound",
             "leaves", "proven", "runs", "failure")  # fmt: skip


def test_no_library_proves_a_cost_below_ours():
    """The peer adds up doubles, and once calls a tree optimal that costs one more."""
    found = page.grouped(page.read("costs"), "problem", "costs", "depth")
    for task, row in found.items():
        assert set(row) <= set(COSTS)
        assert row["treeml"]["proven"] == "yes", task
        if row["streed"]["proven"] == "yes":
            ours, theirs = float(row["treeml"]["cost"]), float(row["streed"]["cost"])
            assert ours <= theirs * (1 + 1e-8), task
            assert ours == pytest.approx(theirs, rel=1e-5), task


def test_what_a_library_is_asked():
    assert LIBRARIES["treeml"].can(Task(None, 0.01, 1.0))
    assert not LIBRARIES["streed"].can(Task(None, 0.01, 1.0))
    assert not LIBRARIES["pydl8.5"].can(Task(3, 0.01, 1.0))
    assert not LIBRARIES["imodels"].can(Task(3, 0.01, 1.0))


def test_libraries_that_count_the_same_set_agree():
    counted: dict[tuple, str] = {}
    for row in page.read("sets"):
        assert row["library"] in SETS
        if row["trees"] and row["library"] != "treefarms":  # which counts majority labels only
            task = tuple(row[key] for key in ("problem", "depth", "leaf_cost", "epsilon"))
            assert counted.setdefault(task, row["trees"]) == row["trees"], row


def test_libraries_agree_on_the_importance_of_columns():
    trees: dict[tuple, str] = {}
    rows = page.read("importance")
    assert {row["library"] for row in rows} == set(IMPORTANCES)
    for row in rows:
        assert trees.setdefault((row["problem"], row["sample"]), row["trees"]) == row["trees"]
        assert row["ends_differ"] == "0", row
        assert float(row["shares_differ"]) < 1e-12, row


@pytest.mark.parametrize("name", ["german_credit", "breast_cancer", "wine"])
def test_the_published_numbers_of_trees_come_out(name):
    """They are those that two other libraries count: real sizes, where an enumeration ends."""
    X, y = bundled()[name]
    for row in page.read("sets"):
        if row["problem"] == name and row["library"] == "treeml":
            model = RashomonTreesClassifier(
                max_depth=int(row["depth"]),
                regularization=int(row["leaf_cost"]) / len(y),
                epsilon=float(row["epsilon"]),
            ).fit(X, y)
            assert str(model.set_.count) == row["trees"]
