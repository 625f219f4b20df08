from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tests.certificate.built import build, mixed_table
from treeml._core.table import ColumnType
from treeml.certificate import Certificate, certify, data_hash
from treeml.ir import Predicate, Term

COLUMN = ColumnType("x", "number")
FIGURES = {
    "objective": 0.245,
    "lower_bound": 0.245,
    "status": "optimal",
    "n_rows": 750,
    "total": 750,
    "predicates": [Predicate(Term(0, COLUMN), "<=", float(cut)) for cut in range(79)],
    "columns": [COLUMN],
    "max_depth": 4,
    "regularization": 0.005,
    "min_samples_leaf": 1,
    "class_weight": [1.0, 1.0],
}


def test_statement_of_a_proof():
    assert certify(**FIGURES).statement == (
        "No decision tree of depth <= 4 over these 79 predicates has a smaller objective than "
        "0.245 on the 750 training rows (misclassification rate + 0.005 per leaf)."
    )


def test_statement_of_a_stopped_search():
    certificate = certify(**FIGURES | {"lower_bound": 0.21, "status": "time_limit"})
    assert certificate.gap == pytest.approx(1 / 7)
    assert certificate.statement == (
        "Not proven optimal (the time limit was reached): every decision tree of depth <= 4 over "
        "these 79 predicates has an objective of at least 0.21 on the 750 training rows "
        "(misclassification rate + 0.005 per leaf); this one has 0.245 (gap 14.3 %)."
    )
    assert "optimality" not in certificate.text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_depth": None}, "No decision tree over these 79 predicates has"),
        ({"min_samples_leaf": 5}, "predicates with at least 5 rows in every leaf has"),
        ({"regularization": 0.0}, "(misclassification rate)."),
        ({"class_weight": [1.0, 2.0]}, "(weighted misclassification rate + 0.005 per leaf)"),
        ({"total": 812.5}, "(weighted misclassification rate + 0.005 per leaf)"),
        ({"predicates": FIGURES["predicates"][:1]}, "over this 1 predicate has"),
        ({"predicates": []}, "over these 0 predicates has"),
        ({"n_rows": 1, "total": 1}, "on the 1 training row ("),
        ({"objective": 2 / 3, "lower_bound": 2 / 3}, "a smaller objective than 0.666666 on"),
        ({"objective": 0.1 + 0.2, "lower_bound": 0.1 + 0.2}, "smaller objective than 0.3 on"),
        ({"objective": 0.0, "lower_bound": 0.0}, "smaller objective than 0 on"),
    ],
)
def test_statement_names_what_the_theorem_is_about(changes, words):
    assert words in certify(**FIGURES | changes).statement


@pytest.mark.parametrize("status", ["time_limit", "memory_limit", "interrupted"])
def test_optimal_is_said_only_of_a_proof(status):
    statement = certify(**FIGURES | {"status": status}).statement
    assert statement.startswith("Not proven optimal (")
    assert "smaller" not in statement


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "solved"}, "status 'solved' is not one of"),
        ({"lower_bound": 0.25}, "lies above the objective"),
        ({"lower_bound": 0.2}, 'status is "optimal" but the lower bound 0.2 lies below'),
    ],
)
def test_figures_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        certify(**FIGURES | changes)


def test_json_gives_the_certificate_back():
    certificate = build().certificate
    again = Certificate.from_dict(json.loads(certificate.to_json()))
    assert again == certificate
    assert Certificate.from_dict(certificate.to_dict() | {"of a later release": 1}) == certificate
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.objective = 0.0


def test_text_is_a_box_with_every_figure():
    text = certify(**FIGURES | {"class_weight": [1.0, 2.5]}).text()
    lines = text.splitlines()
    assert {len(line) for line in lines} == {78}
    assert "Certificate of optimality" in lines[0]
    for words in ("0.245", "max_depth 4", "79 predicates", "750", "no hash made", "1, 2.5"):
        assert words in text


class TestDataHash:
    def test_is_the_same_for_every_row_order_and_for_repeats(self):
        rng = np.random.default_rng(3)
        table, predicates = mixed_table(30, rng)
        codes, weight = rng.integers(0, 3, 30), rng.random(30) * 3
        order = rng.permutation(30)
        first = data_hash(table, predicates, codes, weight, 3)
        assert first == data_hash(table.take(order), predicates, codes[order], weight[order], 3)
        whole = rng.integers(0, 4, 30)
        repeat = np.repeat(np.arange(30), whole)
        assert data_hash(table, predicates, codes, whole, 3) == data_hash(
            table.take(repeat), predicates, codes[repeat], None, 3
        )

    def test_changes_with_anything_that_the_search_sees(self):
        rng = np.random.default_rng(4)
        table, predicates = mixed_table(30, rng)
        codes, weight = rng.integers(0, 3, 30), rng.integers(1, 4, 30).astype(np.float64)
        hashes = {data_hash(table, predicates, codes, weight, 3)}
        hashes.add(data_hash(table, predicates, codes, weight, 4))
        hashes.add(data_hash(table, predicates[:-1], codes, weight, 3))
        hashes.add(data_hash(table, predicates[::-1], codes, weight, 3))
        hashes.add(data_hash(table, predicates, codes, weight * 2, 3))
        hashes.add(data_hash(table, predicates, (codes + 1) % 3, weight, 3))
        hashes.add(data_hash(table.take(slice(1, None)), predicates, codes[1:], weight[1:], 3))
        assert len(hashes) == 7

    def test_of_no_predicates(self):
        table, _ = mixed_table(5, np.random.default_rng(5))
        codes = np.array([0, 1, 0, 1, 1])
        assert len(data_hash(table, (), codes, None, 2)) == 64
