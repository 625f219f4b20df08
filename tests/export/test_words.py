from __future__ import annotations

import re

import numpy as np
import pytest

from treeml import export
from treeml._core.table import ColumnType
from treeml.export.rules import conditions, merge
from treeml.export.text import MISSING_RULE
from treeml.ir import Predicate, Term, load


def test_json_round_trip(cases):
    for case in cases:
        tree, extra = load(export.json(case.tree, certificate={"gap": 0}))
        assert tree == case.tree
        assert extra == {"certificate": {"gap": 0}}
        assert np.array_equal(tree.predict(case.table), case.tree.predict(case.table))


def test_merged_paths_hold_for_the_same_rows(cases):
    merged_away = 0
    for case in cases:
        leaf_of = case.tree.apply(case.table)
        for leaf, path in case.tree.paths():
            answers = [answer for some in merge(path) for answer in some]
            merged_away += len(path) - len(answers)
            holds = np.ones(case.table.n_rows, dtype=bool)
            for predicate, yes in answers:
                holds &= predicate.holds(case.table) == yes
            assert np.array_equal(holds, leaf_of == leaf), export.sentences(case.tree)
    assert merged_away > len(cases)


def read(condition, row, types):
    """Whether a row meets a condition, by its words alone."""
    words, or_missing = re.fullmatch(r"\(?(.*?)( or missing)?\)?", condition).groups()
    low, name, rest = re.fullmatch(r"(?:(\S+) < )?(c\d+) (.*)", words).groups()
    value, column = row[name], types[name]
    if rest == "is missing":
        return value is None
    if value is None:
        return or_missing is not None
    if rest == "is known":
        return True
    rest = rest.removesuffix(f" {column.unit}") if column.unit else rest
    if column.numeric or column.kind == "date":
        sign, bound = rest.split(" ")
        inside = {
            "<=": value <= float(bound),
            ">": value > float(bound),
            "=": value == float(bound),
        }
        return inside[sign] and (low is None or value > float(low))
    if column.kind == "boolean":
        return rest == f"is {str(value).lower()}"
    text = " ".join(str(value).split())
    order = [str(level) for level in column.levels]
    if above := re.fullmatch(r"is above (\w+)(?: and at most (\w+))?", rest):
        low, high = above.groups(default=order[-1] if order else None)
        return order.index(low) < order.index(text) <= order.index(high)
    if rest.startswith("is at most "):
        return order.index(text) <= order.index(rest.removeprefix("is at most "))
    negated = rest.startswith(("is not", "not in"))
    rest = re.sub(r"^(is not|not in|=|in)( rare levels)? ?", "", rest)
    levels = rest[1:-1].split(", ") if re.search(r"(^| )(not in|in) ", f" {condition}") else [rest]
    return (text in levels) != negated


def test_sentences_mean_their_leaf(random_trees):
    """Rows whose missing values stand in columns that had some, and with no unseen level."""
    rng = np.random.default_rng(7)
    kept = 0
    for _ in range(200):
        types = random_trees.random_types(rng, dates=False, names=[f"c{i}" for i in range(9)])
        tree = random_trees.random_tree(rng, types, linear=False)
        case = random_trees.Case(tree, random_trees.random_table(rng, tree, 60))
        by_name = {column.name: column for column in types}
        leaf_of = tree.apply(case.table)
        said = [s.removeprefix("If ").rpartition(", then ")[0] for s in export.sentences(tree)]
        leaves = dict(zip(tree.leaves.tolist(), said, strict=True))
        for row, leaf in zip(case.rows, leaf_of.tolist(), strict=True):
            plain = all(
                v not in (99, "never seen")
                and (v is not None or by_name[k].missing)
                and (by_name[k].kind != "zero_one" or v in (0, 1, None))
                for k, v in row.items()
            )
            if not plain or tree.n_nodes == 1:
                continue
            kept += 1
            for other, words in leaves.items():
                parts = re.split(r" and (?!at most)", words)
                assert all(read(p, row, by_name) for p in parts) == (other == leaf), (row, words)
    assert kept > 1000


AGE = Term(0, ColumnType("age", "number", unit="years"))
INCOME = Term(1, ColumnType("income", "number", missing=True))
SIZE = Term(2, ColumnType("size", "category", levels=("S", "M", "L", "XL")))
JOB = Term(3, ColumnType("job", "category", missing=True))
ONE = Term(4, ColumnType("one", "zero_one", missing=True))
FLAG = Term(5, ColumnType("flag", "boolean", missing=True))
TYPES = tuple(term.column for term in (AGE, INCOME, SIZE, JOB, ONE, FLAG))
YES, NO = True, False


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ([(AGE, "<=", 41.0, YES), (AGE, "<=", 25.0, NO)], ["25 < age <= 41 years"]),
        ([(AGE, "<=", 41.0, YES), (AGE, "<=", 25.0, YES)], ["age <= 25 years"]),
        ([(INCOME, "<=", 5.0, NO), (INCOME, "<=", 9.0, NO)], ["income > 9 or missing"]),
        ([(INCOME, "<=", 5.0, NO), (INCOME, "is missing", None, NO)], ["income > 5"]),
        ([(INCOME, "<=", 5.0, NO), (INCOME, "is missing", None, YES)], ["income is missing"]),
        ([(INCOME, "<=", 5.0, NO), (INCOME, ">", 4.0, NO)], ["income is missing"]),
        ([(INCOME, "<=", 5.0, NO), (INCOME, ">", 6.0, NO)], ["5 < income <= 6 or missing"]),
        ([(INCOME, "is missing", None, NO)], ["income is known"]),
        (
            [(AGE, "<=", 1.0, YES), (INCOME, "<=", 5.0, NO), (AGE, "<=", 0.0, NO)],
            ["0 < age <= 1 years", "(income > 5 or missing)"],
        ),
        ([(SIZE, "in", ("S",), NO), (SIZE, "in", ("S", "M"), NO)], ["size is above M"]),
        (
            [(SIZE, "in", ("S",), NO), (SIZE, "in", ("S", "M", "L"), YES)],
            ["size is above S and at most L"],
        ),
        ([(SIZE, "in", ("S",), NO), (SIZE, "in", ("S", "M"), YES)], ["size = M"]),
        ([(JOB, "in", ("a",), NO), (JOB, "in", ("b",), NO)], ["job not in {a, b} or missing"]),
        ([(JOB, "in", ("a",), NO), (JOB, "is missing", None, NO)], ["job is not a"]),
        ([(JOB, "in", ("a", "b"), YES), (JOB, "in", ("a",), NO)], ["job = b"]),
        ([(ONE, ">", 0.5, NO)], ["one = 0 or missing"]),
        ([(ONE, ">", 0.5, NO), (ONE, "is missing", None, NO)], ["one = 0"]),
        ([(ONE, ">", 0.5, YES), (ONE, "is missing", None, NO)], ["one = 1"]),
        ([(FLAG, "in", (True,), NO), (FLAG, "is missing", None, NO)], ["flag is false"]),
        ([(FLAG, "in", (True,), NO), (FLAG, "in", (False,), NO)], ["flag is missing"]),
    ],
)
def test_words_of_merged_conditions(path, words):
    answers = [(Predicate(term, test, value), answer) for term, test, value, answer in path]
    assert conditions(answers) == words


def small(random_trees):
    rows = [[0, 1, 2], [-1, -1, -1], [1, 3, 4], [-1, -1, -1], [-1, -1, -1]]
    questions = (Predicate(AGE, "<=", 41.0), Predicate(INCOME, "<=", 410.0))
    classes = np.array(["bad", "good"])
    tree = random_trees.build(TYPES, questions, rows, classes, np.random.default_rng(0))
    tree.counts[[0, 1, 2, 3, 4]] = [[87, 36], [84, 36], [3, 0], [3, 0], [0, 0]]
    tree.label[:] = [0, 0, 0, 0, 1]
    return tree


def test_text(random_trees):
    assert export.text(small(random_trees)).splitlines() == [
        "if age <= 41 years:",
        "    bad (70 % of 120 rows)",
        "else (age > 41 years):",
        "    if income <= 410:",
        "        bad (100 % of 3 rows)",
        "    else (income > 410 or missing):",
        "        good (no rows)",
        "",
        MISSING_RULE,
    ]


def test_sentences(random_trees):
    assert export.sentences(small(random_trees)) == [
        "If age <= 41 years, then bad (70 % of 120 rows).",
        "If age > 41 years and income <= 410, then bad (100 % of 3 rows).",
        "If age > 41 years and (income > 410 or missing), then good (no rows).",
    ]


def test_rules(random_trees):
    frame = export.rules(small(random_trees))
    names = ["rule", "prediction", "rows", "share", "n_bad", "n_good", "depth", "leaf"]
    assert list(frame.columns) == names
    assert frame["rule"].tolist()[1] == "age > 41 years and income <= 410"
    assert frame["prediction"].tolist() == ["bad", "bad", "good"]
    assert frame["rows"].tolist() == [120, 3, 0]
    assert frame["share"].tolist()[:2] == [0.7, 1.0]
    assert frame["share"].isna().tolist() == [False, False, True]
    assert frame["n_good"].tolist() == [36, 0, 0]
    assert frame["depth"].tolist() == [1, 2, 2]
    assert frame["leaf"].tolist() == [1, 3, 4]


def test_rules_of_random_trees(cases):
    for case in cases:
        frame = export.rules(case.tree)
        assert frame["leaf"].tolist() == case.tree.leaves.tolist()
        assert frame["rows"].sum() == case.tree.counts[0].sum()
        assert export.text(case.tree).count(" rows)") <= len(frame)


def test_one_leaf(cases):
    tree = cases[0].tree
    assert tree.n_nodes == 1
    assert re.fullmatch(r"always: .* \([\d.]+ % of \d+ rows\)", export.text(tree))
    assert export.sentences(tree)[0].startswith("Always ")
    assert export.rules(tree)["rule"].tolist() == ["always"]


def test_shares_are_not_rounded_to_all_or_nothing(random_trees):
    tree = small(random_trees)
    tree.counts[1] = [99999, 1]
    assert "(99.9 % of 100000 rows)" in export.text(tree)
