"""Certificates of scorecards: the hash of the data, their words, their JSON, and the checker."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from treeml import Binarizer, RiskScoreClassifier, ScoreConstraints, SLIMClassifier
from treeml._core.validation import as_table
from treeml.certificate import CardCertificate, hash_rows, verify

COLUMNS = [{"name": "age", "kind": "number"}, {"name": "smoker", "kind": "zero_one"}]
TERMS = [{"column": 0, "test": "<=", "value": 40.0}, {"column": 0}, {"column": 1}]


def certificate(**changes):
    given = {
        "loss": "logistic",
        "objective": 0.5,
        "lower_bound": 0.5,
        "gap": 0.0,
        "status": "optimal",
        "n_rows": 1000,
        "total": 1000.0,
        "terms": TERMS,
        "columns": COLUMNS,
        "low": [-5, -5, -5],
        "high": [5, 5, 5],
        "max_features": 2,
        "constraints": [],
        "max_logit": 500.0,
    }
    return CardCertificate(**(given | changes))


# The hash


@pytest.mark.parametrize("binary", [True, False])
def test_the_hash_does_not_see_the_order_of_rows_or_how_weights_are_written(binary):
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 2, (60, 9)) if binary else rng.normal(size=(60, 3)).round(1)
    matrix, codes = matrix.astype(float), rng.integers(0, 2, 60)
    times = rng.integers(0, 4, 60)
    expected = hash_rows(matrix, codes, times)
    order = rng.permutation(60)
    assert hash_rows(matrix[order], codes[order], times[order]) == expected
    repeated = np.repeat(np.arange(60), times)
    assert hash_rows(matrix[repeated], codes[repeated]) == expected
    assert hash_rows(matrix[repeated], codes[repeated], np.ones(len(repeated))) == expected
    kept = times > 0
    assert hash_rows(matrix[kept], codes[kept], times[kept]) == expected
    changed = matrix.copy()
    changed[np.flatnonzero(kept)[0], 0] += 1
    others = [
        hash_rows(changed, codes, times),
        hash_rows(matrix, 1 - codes, times),
        hash_rows(matrix, codes, times + 1),
        hash_rows(matrix[:, :-1], codes, times),
    ]
    assert expected not in others


def test_sums_of_weights_are_rounded_once():
    rng = np.random.default_rng(1)
    matrix, codes = np.zeros((500, 2)), np.zeros(500, dtype=int)
    weight = rng.random(500) * 10.0 ** rng.integers(-8, 8, 500)
    expected = hash_rows(matrix, codes, weight)
    for _ in range(20):
        order = rng.permutation(500)
        assert hash_rows(matrix, codes, weight[order]) == expected


def test_hashes_of_corner_cases():
    codes = np.array([0, 1, 1])
    assert hash_rows(np.empty((3, 0)), codes) == hash_rows(np.empty((3, 0)), codes[::-1])
    zeros = np.array([[0.0], [-0.0], [1.0]])
    assert hash_rows(zeros, codes) == hash_rows(np.abs(zeros), codes)
    half = np.array([[0.0], [0.5], [1.0]])  # one value decides how rows are compared
    assert hash_rows(half, codes) == hash_rows(half[::-1], codes[::-1])
    before = "3f3f153dfc087779"  # a file of today is checked in years to come
    assert hash_rows(zeros, codes)[:16] == before


# The words


@pytest.mark.parametrize(
    ("changes", "statement"),
    [
        (
            {},
            "No scorecard with points from -5 to 5 for at most 2 of these 3 terms, any intercept "
            "and any scale with which no term moves the log odds by more than 500 has a smaller "
            "mean logistic loss on the 1,000 training rows than 0.5.",
        ),
        (
            {"scale": 1.0, "max_logit": None, "class_weight": [2.0, 1.0]},
            "No scorecard with points from -5 to 5 for at most 2 of these 3 terms, any intercept "
            "and scale 1 has a smaller weighted mean logistic loss on the 1,000 training rows than "
            "0.5.",
        ),
        (
            {"status": "gap_tol", "lower_bound": 0.4, "gap": 0.2, "scale": 1, "n_rows": 1},
            "Not proven optimal (the gap was small enough): every scorecard with points from -5 to "
            "5 for at most 2 of these 3 terms, any intercept and scale 1 has a weighted mean "
            "logistic loss on the 1 training row of at least 0.4; this one has 0.5 (gap 20.0 %).",
        ),
        (
            {
                "loss": "0-1",
                "scale": None,
                "max_logit": None,
                "low": [0, -5, 0],
                "high": [5, 0, 0],
                "constraints": ["age is used", "at most 1 column is asked for"],
                "limits": {"max_fpr": 0.25, "min_tpr": 0.5},
                "regularization": 0.01,
                "tie": 1e-17,
            },
            "No scorecard with points from -5 to 5 within their ranges for at most 2 of these 3 "
            "terms, such that the false positive rate is at most 0.25 and the true positive rate "
            "is at least 0.5 and age is used and at most 1 column is asked for, has a smaller "
            "misclassification rate on the 1,000 training rows, counting 0.01 a term, than 0.5.",
        ),
        (
            {
                "loss": "0-1",
                "scale": None,
                "terms": TERMS[:1],
                "low": [-5],
                "high": [5],
                "constraints": ["a", "b", "c", "d"],
                "tie": 1e-5,
            },
            "No scorecard with points from -5 to 5 for at most 2 of this 1 term, such that the 4 "
            "constraints listed are obeyed, has a smaller misclassification rate on the 1,000 "
            "training rows, counting 1e-05 a point (which only breaks ties), than 0.5.",
        ),
    ],
)
def test_statements(changes, statement):
    assert certificate(**changes).statement == statement


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("time_limit", "the time limit was reached"),
        ("memory_limit", "the memory limit was reached"),
        ("interrupted", "the search was interrupted"),
        ("gap_tol", "the gap was small enough"),
    ],
)
def test_a_stopped_search_claims_no_optimum(status, words):
    stopped = certificate(status=status, objective=0.123456789, lower_bound=0.1234567, gap=7e-7)
    assert stopped.statement.startswith(f"Not proven optimal ({words}): every scorecard ")
    assert "of at least 0.123456;" in stopped.statement  # never more than the bound
    assert "Certificate of optimality" not in stopped.text()
    assert "Certificate of optimality" in certificate().text()


def test_the_box_lists_what_the_statement_counts():
    given = certificate(
        constraints=["a is used", "b is not used", "c", "d"],
        limits={"max_fpr": 0.25},
        tolerance=4e-7,
        data_hash="ab" * 32,
    )
    text = given.text()
    for words in ("a is used; b is not used", "max_fpr 0.25", "within 4e-07", "1,000 of total"):
        assert words in text
    assert len({len(line) for line in text.splitlines()}) == 1
    assert str(given) == text


def test_json_round_trip():
    given = certificate(limits={"max_fpr": 0.1}, constraints=["a is used"], class_weight=[1.0, 3.0])
    data = json.loads(given.to_json())
    assert data["statement"] == given.statement
    assert CardCertificate.from_dict(data) == given
    assert CardCertificate.from_dict(data | {"of_a_later_release": 1}) == given
    free = certificate(scale=2.0, max_logit=None)
    assert CardCertificate.from_dict(json.loads(free.to_json())) == free


# The checker


def made_up():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 70, 150).astype(float),
            "job": rng.choice(["nurse", "cook", "pilot"], 150),
            "flag": rng.random(150) < 0.5,
        }
    )
    y = np.where((X["age"] > 40) ^ (rng.random(150) < 0.2), "yes", "no")
    X.loc[::9, "age"] = np.nan
    return X, y, rng.integers(0, 3, 150).astype(float)


MODELS = [
    RiskScoreClassifier(max_features=2, binarizer=Binarizer(max_bins=4)),
    RiskScoreClassifier(max_features=2, scale=3.0, class_weight="balanced"),
    RiskScoreClassifier(max_features=3, gap_tol=1, class_weight={"no": 2, "yes": 2}),
    RiskScoreClassifier(max_features=0),
    SLIMClassifier(max_features=2, binarizer=Binarizer(max_bins=4), max_fpr=0.4),
    SLIMClassifier(max_features=2, regularization=0.01, class_weight={"no": 1, "yes": 3}),
    SLIMClassifier(max_features=2, constraints=ScoreConstraints(required=["job"]), min_tpr=0.1),
]


@pytest.mark.parametrize("which", range(len(MODELS)))
@pytest.mark.parametrize("weighted", [False, True])
def test_the_checker_agrees(which, weighted):
    X, y, weight = made_up()
    weight = weight if weighted else None
    model = MODELS[which].fit(X, y, weight)
    found = verify(model.to_json(), as_table(X), y, sample_weight=weight)
    assert found.ok, str(found)
    assert not found.bound_checked
    assert found.lines[-1] == "objective re-derived, bound not re-proved"
    assert found.objective == pytest.approx(model.objective_, rel=1e-9)
    assert "the data hash is that of the table" in found.lines
    if model.constraints is not None:
        assert "not checked, as they are words: the constraints job is used" in found.lines
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = as_table(X.iloc[order])
    again = None if weight is None else weight[order]
    assert verify(model.to_json(), shuffled, y[order], sample_weight=again).ok
    other = X.assign(age=X["age"] + 25)
    lines = verify(model.to_json(), as_table(other), y, sample_weight=weight).lines
    if "age" in {term.term.name for term in model.scorecard_.terms}:
        assert any(line.startswith("DIFFERS: ") for line in lines)
    assert any("data hash is not" in line for line in lines)


@pytest.fixture(scope="module")
def slim():
    X, y, _ = made_up()
    model = SLIMClassifier(max_features=2, max_fpr=0.4, binarizer=Binarizer(max_bins=4))
    return json.loads(model.fit(X, y).to_json()), as_table(X), y


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("certificate", {"objective": 0.05, "lower_bound": 0.05}, "the certificate states 0.05"),
        ("certificate", {"lower_bound": 0.9}, "lies above the objective"),
        ("certificate", {"lower_bound": 0.0, "gap": 1.0}, 'status is "optimal", but'),
        ("certificate", {"gap": 0.5}, "the gap of objective and bound"),
        ("certificate", {"status": "time_limit"}, "the statement does not fit"),
        ("certificate", {"total": 7.0}, "the total weight is 150, the certificate states 7"),
        ("certificate", {"n_rows": 149}, "rows of positive weight is 150"),
        ("certificate", {"max_features": 0}, "the certificate allows 0"),
        ("certificate", {"limits": {"max_fpr": 0.0}}, "the rate that max_fpr limits to 0 is"),
        ("certificate", {"limits": {"min_tpr": 1.0}}, "the rate that min_tpr limits to 1 is"),
        ("certificate", {"data_hash": "0" * 64}, "the data hash is not"),
        ("certificate", {"columns": []}, "the columns of the certificate"),
        ("certificate", {"terms": []}, "is not a candidate term"),
        ("certificate", {"terms": None}, "cannot be read"),
        ("certificate", {"class_weight": [5.0, 1.0]}, "the objective is"),
        ("model", {"points": [7, 7]}, "are not from [-5] to [5]"),
        ("model", {"intercept": 100.0}, "the objective is"),
        ("model", {"scale": 1.0}, "a card of labels has a scale"),
        ("model", {"classes": ["no", "maybe"]}, "y holds [\"'yes'\"]"),
        ("model", {"score_counts": None}, "the model states"),
    ],
)
def test_what_was_changed_is_named(slim, part, changes, words):
    document, table, y = slim
    changed = {**document, part: document[part] | changes}
    if changes.get("points"):
        changed["model"]["points"] = [7] * len(document["model"]["points"])
    if "score_counts" in changes:
        counts = np.add(document["model"]["score_counts"], [[1.0, 0.0]])
        changed["model"]["score_counts"] = counts.tolist()
    found = verify(changed, table, y)
    assert not found.ok
    assert any(line.startswith("DIFFERS: ") and words in line for line in found.lines), str(found)


def test_a_curve_that_is_too_steep_is_named():
    X, y, _ = made_up()
    model = RiskScoreClassifier(max_features=1, binarizer=Binarizer(max_bins=4)).fit(X, y)
    document = json.loads(model.to_json())
    document["certificate"]["max_logit"] = 0.01
    found = verify(document, as_table(X), y)
    assert any("the certificate allows 0.01" in line for line in found.lines)
    wrong = as_table(X.rename(columns={"age": "years"}))
    assert any("has column 'years'" in line for line in verify(document, wrong, y).lines)


def test_scores_that_the_model_does_not_list():
    X, y, _ = made_up()
    model = RiskScoreClassifier(max_features=1, binarizer=Binarizer(max_bins=4)).fit(X, y)
    card = dataclasses.replace(
        model.scorecard_,
        score_values=model.scorecard_.score_values[:1],
        score_counts=model.scorecard_.score_counts[:1],
    )
    document = json.loads(model.to_json()) | {"model": card.to_dict()}
    assert any("which the model does not" in x for x in verify(document, as_table(X), y).lines)
