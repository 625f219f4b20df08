"""Trees that vote: every path gives what `TreeVote.predict` says."""

from __future__ import annotations

import os

import duckdb
import numpy as np
import pytest

from treeml import export, ir, predict
from treeml.ir import TreeVote

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "60"))
LABELS = (np.array([0, 1]), np.array(["good", "bad", "it's"], dtype=object), np.array([2.5]))


@pytest.fixture(scope="module")
def votes(random_trees) -> list:
    """Random trees over the same columns, and rows around their thresholds."""
    rng = np.random.default_rng(77)
    out = []
    for case in range(CASES):
        types = random_trees.random_types(rng)
        pool = random_trees.random_pool(rng, types)
        classes = LABELS[case % 3]
        trees = []
        for _ in range(1 + 2 * (case % 3)):
            predicates, rows = random_trees.random_shape(rng, pool, 3)
            trees.append(random_trees.build(types, predicates, rows, classes, rng))
        vote = TreeVote(types, tuple(trees))
        asked = random_trees.chain(types, list(dict.fromkeys(pool)), "no")
        out.append((vote, random_trees.Case(asked, random_trees.random_table(rng, asked, 40))))
    return out


def test_native_and_python_equal_the_reference(votes):
    for vote, case in votes:
        expected, shares = vote.predict(case.table), vote.predict_proba(case.table)
        assert predict.predict(vote, case.table).tolist() == expected.tolist()
        assert np.array_equal(predict.predict_proba(vote, case.table), shares)
        assert vote.as_scores().predict(case.table).tolist() == expected.tolist()
        space: dict = {}
        exec(export.python(vote), space)
        exec(export.python(vote, "proba", proba=True), space)
        assert [space["predict"](row) for row in case.rows] == expected.tolist()
        for row, share in zip(case.rows, shares.tolist(), strict=True):
            assert list(space["proba"](row).values()) == share


def test_sql_equals_the_reference(votes, databases):
    connection = duckdb.connect()
    for vote, case in votes:
        columns = vote.columns
        databases.store(connection, columns, case.tree.predicates, case.rows, duck=True)
        rows = databases.results(connection, export.sql(vote, table="data"))
        assert [row[-1] for row in rows] == vote.predict(case.table).tolist()
        query = export.sql(vote, table="data", proba=True)
        rows = databases.results(connection, query)
        n_classes = len(vote.classes)
        assert [list(row[-n_classes:]) for row in rows] == vote.predict_proba(case.table).tolist()
    connection.close()


def test_json_gives_the_same_model(votes):
    for vote, case in votes:
        again, _ = ir.load(export.json(vote))
        assert again == vote
        assert hash(again) == hash(vote)
        assert again.predict(case.table).tolist() == vote.predict(case.table).tolist()


def test_words(votes):
    vote, _ = votes[4]
    lines = export.text(vote).splitlines()
    assert lines[0] == (
        "Each of the 3 trees has a vote; the class with most votes is predicted, of several the "
        "first in their order (good comes first)."
    )
    assert [line for line in lines if line.startswith("Tree ")] == ["Tree 1:", "Tree 2:", "Tree 3:"]
    assert len(export.sentences(vote)) == 1 + vote.n_leaves
    frame = export.rules(vote)
    assert len(frame) == vote.n_leaves
    assert frame["tree"].nunique() == 3
    assert vote.n_cuts == vote.n_leaves - 3


def test_trees_must_fit(votes):
    vote, _ = votes[1]
    with pytest.raises(ValueError, match="at least one tree"):
        TreeVote(vote.columns, ())
    with pytest.raises(ValueError, match="share its columns"):
        TreeVote(vote.columns[:-1], vote.trees)
