"""ScoreConstraints: each kind, by the names of a table; what cannot be meant is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from treeml import Binarizer, RiskScoreClassifier, ScoreConstraints, SLIMClassifier
from treeml.datasets import load_german_credit

BOTH = pytest.mark.parametrize("kind", [RiskScoreClassifier, SLIMClassifier])
STATUS = "status_of_existing_checking_account"
NAMES = [STATUS, "duration_in_month", "purpose", "credit_amount", "age_in_years", "housing"]


@pytest.fixture(scope="module")
def german():
    X, y = load_german_credit()
    return X[NAMES], y


def fit(kind, data, rules, *, binned=True, **options):
    """A good card under the rules, over bins or over numbers as they are."""
    binarizer = Binarizer(max_bins=4) if binned else None
    rules = ScoreConstraints(**rules)
    options = {"max_features": 4, "gap_tol": 1} | options
    return kind(binarizer=binarizer, constraints=rules, **options).fit(*data)


def points(model):
    """Points of the used terms, by their texts."""
    card = model.scorecard_
    return dict(zip([t.text() for t in card.terms], card.points.tolist(), strict=True))


def columns(model):
    return {term.term.name for term in model.scorecard_.terms}


def grid(X, name, values):
    """Rows of the table, once for every value of one column."""
    rows = X.iloc[:5]
    return [rows.assign(**{name: pd.Series([value] * 5, rows.index)}) for value in values]


@BOTH
@pytest.mark.parametrize("binned", [True, False])
@pytest.mark.parametrize("way", [1, -1])
def test_scores_are_monotone(kind, binned, way, german):
    rules = {"monotonic_cst": dict.fromkeys(("duration_in_month", "credit_amount"), way)}
    must = {"required": ["duration_in_month"]}
    model = fit(kind, german, rules | must, binned=binned)
    values = [0, 6, 11.5, 12, 13, 18, 24, 24.5, 30, 48, 72, 100]
    scores = [model.score_points(rows) for rows in grid(german[0], "duration_in_month", values)]
    assert (way * np.diff(scores, axis=0) >= 0).all()
    assert (scores[0] != scores[-1]).all()
    assert model.certificate_.constraints[0] == (
        f"the score only {'rises' if way == 1 else 'falls'} with duration_in_month"
    )


@BOTH
@pytest.mark.parametrize("way", [1, -1])
def test_ordered_categories_and_booleans_are_monotone(kind, way):
    rng = np.random.default_rng(1)
    levels = ["never", "rarely", "often", "always"]
    at = rng.integers(0, 4, 300)
    flag = rng.random(300) < 0.5
    X = pd.DataFrame(
        {"how": pd.Categorical.from_codes(at, levels, ordered=True), "flag": flag, "bit": at % 2}
    )
    y = (at * 1.0 + flag + 0.5 * (at % 2) + rng.normal(size=300) > 2).astype(int)
    must = {"required": ["how", "flag", "bit"]}
    rules = {"monotonic_cst": dict.fromkeys(X.columns, way)}
    model = fit(kind, (X, y), rules | must, binned=False, max_features=5)
    for name, values in (("how", levels), ("flag", [False, True]), ("bit", [0, 1])):
        rows = [X.head(8).assign(**{name: value}) for value in values]
        if name == "how":
            rows = [r.assign(how=pd.Categorical(r["how"], levels, ordered=True)) for r in rows]
        scores = [model.score_points(r) for r in rows]
        assert (way * np.diff(scores, axis=0) >= 0).all()
        assert (scores[0] != scores[-1]).all()


def test_missing_values_stand_beside_the_order():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 30, 400).astype(float)
    y = ((x > 15) ^ (rng.random(400) < 0.1)).astype(int)
    x[::5] = np.nan
    y[::5] = 1
    X = pd.DataFrame({"x": x, "z": rng.random(400)})
    rules = {"monotonic_cst": {"x": 1}, "required": ["x is missing"]}
    for binned in (True, False):
        model = fit(RiskScoreClassifier, (X, y), rules, binned=binned)
        scores = [model.score_points(pd.DataFrame({"x": [v], "z": [0.5]}))[0] for v in range(31)]
        assert (np.diff(scores) >= 0).all()
        assert points(model)["x is missing"] != 0


@BOTH
def test_points_are_in_their_ranges(kind, german):
    free = fit(kind, german, {"required": ["age_in_years", "housing"]})
    rules = {
        "points": {"age_in_years": (-1, 1), "housing = own": (2, 3), STATUS: (0, 4)},
        "required": ["age_in_years", "housing = own", STATUS],
    }
    model = fit(kind, german, rules)
    for text, given in points(model).items():
        low, high = -5, 5
        if text.startswith("age_in_years"):
            low, high = -1, 1
        elif text == "housing = own":
            low, high = 2, 3
        elif text.startswith(STATUS):
            low, high = 0, 4
        assert low <= given <= high
    assert points(model)["housing = own"] in (2, 3)
    assert free.objective_ <= model.objective_ + 0.2
    wide = fit(kind, german, {"points": {"housing = own": (10, 12)}, "required": ["housing"]})
    assert all(x in (10, 11, 12) for t, x in points(wide).items() if t == "housing = own")


@BOTH
@pytest.mark.parametrize("binned", [True, False])
def test_required_and_forbidden_names(kind, binned, german):
    rules = {"required": ["purpose", "housing = rent"], "forbidden": [STATUS, "age_in_years"]}
    model = fit(kind, german, rules, binned=binned)
    assert "purpose" in columns(model)
    assert points(model)["housing = rent"] != 0
    assert not columns(model) & {STATUS, "age_in_years"}
    assert len(columns(model)) <= 4


@BOTH
def test_one_of_a_group_is_used(kind, german):
    rules = {"any_of": [["housing", "purpose"], ["age_in_years"]], "forbidden": ["purpose"]}
    model = fit(kind, german, rules)
    assert {"housing", "age_in_years"} <= columns(model)


@BOTH
def test_groups_and_exclusive_names(kind, german):
    first = [STATUS, "duration_in_month", "credit_amount"]
    rules = {"groups": [(first, 1)], "exclusive": [["age_in_years", "housing", "purpose"]]}
    model = fit(kind, german, rules)
    assert len(columns(model) & set(first)) <= 1
    assert len(columns(model) - set(first)) <= 1
    free = fit(kind, german, {})
    assert free.objective_ <= model.objective_ + 1e-9
    assert len(columns(free) & set(first)) > 1
    terms = [t.text() for t in model.terms_ if t.term.name == STATUS]
    single = fit(kind, german, {"groups": [(terms, 1)], "required": [STATUS]})
    assert sum(text in terms for text in points(single)) == 1


@BOTH
@pytest.mark.parametrize("most", [1, 2])
def test_questions_are_columns(kind, most, german):
    model = fit(kind, german, {"max_questions": most, "required": [STATUS]})
    assert len(columns(model)) <= most
    assert STATUS in columns(model)
    noun = "column is" if most == 1 else "columns are"
    assert f"at most {most} {noun} asked for" in model.certificate_.statement


@BOTH
def test_one_name_brings_another(kind, german):
    rules = {"if_then": [(STATUS, "housing = for free"), ("duration_in_month", "purpose")]}
    model = fit(kind, german, rules | {"required": [STATUS, "duration_in_month"]})
    assert "housing = for free" in points(model)
    assert {STATUS, "duration_in_month", "purpose"} <= columns(model)


@BOTH
def test_points_do_not_fall_along_a_chain(kind):
    rng = np.random.default_rng(0)
    at = rng.integers(0, 4, 300)
    X = pd.DataFrame({f"bin{k}": (at == k).astype(int) for k in range(4)} | {"n": at * 1.5})
    y = (np.array([2, 0, 3, 1])[at] + rng.normal(size=300) > 1.5).astype(int)
    chain = [f"bin{k}" for k in range(4)]
    rules = {"forbidden": ["n"]}
    free = fit(kind, (X, y), rules, binned=False, gap_tol=0)
    model = fit(kind, (X, y), rules | {"ordered": [chain]}, binned=False, gap_tol=0)
    assert (np.diff(free.points_[:4]) < 0).any()
    assert (np.diff(model.points_[:4]) >= 0).all()
    assert model.objective_ > free.objective_
    missing = X.assign(n=np.where(at == 1, np.nan, X["n"]))  # "n" is a column and a term
    named = fit(kind, (missing, y), {"ordered": [["bin0", "n", "bin2"]]}, binned=False)
    of = dict(zip([t.text() for t in named.terms_], named.points_.tolist(), strict=True))
    assert of["bin0 = 1"] <= of["n"] <= of["bin2 = 1"]


@BOTH
def test_a_matrix_has_names_too(kind):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (100, 4)).astype(float)
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    model = fit(kind, (X, y), {"required": ["x3"], "forbidden": ["x0 = 1"]}, binned=False)
    assert model.points_[3] != 0
    assert model.points_[0] == 0


def test_statements_and_certificate(german):
    given = {
        "points": {"age_in_years": (-1, 1)},
        "monotonic_cst": {"duration_in_month": -1},
        "required": ["duration_in_month"],
        "forbidden": ["credit_amount"],
        "any_of": [["housing", "purpose"]],
        "groups": [([STATUS, "housing"], 1)],
        "exclusive": [["age_in_years", "purpose"]],
        "max_questions": 3,
        "if_then": [("age_in_years", "housing")],
        "ordered": [["housing = own", "housing = rent"]],
    }
    clauses = [
        "points of age_in_years are from -1 to 1",
        "the score only falls with duration_in_month",
        "points do not fall along housing = own, housing = rent",
        "duration_in_month is used",
        "credit_amount is not used",
        "one or more of housing, purpose are used",
        f"at most 1 of {STATUS}, housing are used",
        "at most one of age_in_years, purpose is used",
        "at most 3 columns are asked for",
        "age_in_years is used only with housing",
    ]
    rules = ScoreConstraints(**given)
    assert rules.statements() == clauses
    model = fit(RiskScoreClassifier, german, given)
    certificate = model.certificate_
    assert certificate.constraints == clauses
    assert "the 10 constraints listed are obeyed" in certificate.statement
    again = type(certificate).from_dict(json.loads(certificate.to_json()))
    assert again == certificate
    assert again.constraints == clauses
    shown = " ".join(certificate.text().replace("│", " ").split())
    assert all(clause in shown for clause in clauses)
    as_json = json.loads(json.dumps(rules.to_dict()))
    assert ScoreConstraints.from_dict(as_json).statements() == clauses
    assert (
        ScoreConstraints.from_dict(as_json).to_dict()
        == ScoreConstraints.from_dict(rules.to_dict()).to_dict()
    )
    assert ScoreConstraints(max_questions=0).to_dict() == {"max_questions": 0}
    assert ScoreConstraints().to_dict() == {}
    assert ScoreConstraints().statements() == []


@BOTH
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"required": ["prupose"]}, "required: no column and no term is called 'prupose'; did you"),
        ({"required": ["credit_amont"]}, r"did you mean 'credit_amount'(, 'credit_amount <.*)?\?$"),
        ({"forbidden": ["housing = owm"]}, "did you mean 'housing = own'"),
        ({"points": {"age": (0, 5)}}, "points: no column and no term is called 'age'"),
        ({"points": {"housing": (5, 0)}}, "the least, 5, is above 0"),
        ({"monotonic_cst": {"purpose": 1}}, "the levels of 'purpose' have no order"),
        ({"ordered": [["housing", "purpose"]]}, "column 'housing' has 3 terms; name one of them"),
        ({"if_then": [("housing", "home")]}, "if_then: no column and no term is called 'home'"),
    ],
)
def test_names_that_are_not_there(kind, rules, words, german):
    with pytest.raises(ValueError, match=words):
        fit(kind, german, rules)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"required": "age"}, "required must list names, not 'age'"),
        ({"forbidden": [3]}, "forbidden must list names"),
        ({"any_of": ["a", "b"]}, "any_of must be a list of lists of names"),
        ({"exclusive": ["a", "b"]}, "exclusive must be a list of lists of names"),
        ({"ordered": "abc"}, "ordered must be a list of lists"),
        ({"if_then": [("a", "b", "c")]}, "pairs of names"),
        ({"groups": [(["a", "b"],)]}, "groups must hold"),
        ({"groups": [(["a", "b"], -1)]}, "groups must hold"),
        ({"groups": [("ab", 1)]}, "groups must list names"),
        ({"points": ["a"]}, "points must be a dict"),
        ({"points": {"a": 5}}, "points of 'a' must be two integers"),
        ({"points": {"a": (0.5, 5)}}, "points of 'a' must be two integers"),
        ({"monotonic_cst": {"a": 2}}, "'a' is 2; it must be 1 or -1"),
        ({"monotonic_cst": ["a"]}, "monotonic_cst must be a dict"),
        ({"max_questions": -1}, "max_questions"),
        ({"max_questions": 1.5}, "max_questions"),
    ],
)
def test_what_is_no_constraint(rules, words):
    with pytest.raises(ValueError, match=words):
        ScoreConstraints(**rules)


@BOTH
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            {"required": ["purpose"], "forbidden": ["purpose"]},
            "without one of these: purpose is used; purpose is not used",
        ),
        (
            {"required": ["purpose", "housing"], "max_questions": 1},
            "purpose is used; housing is used; at most 1 column is asked for",
        ),
        (
            {"required": NAMES[:5]},
            r"without one of these: at most 4 terms are used \(max_features\); status",
        ),
        (
            {"required": NAMES[:5], "max_questions": 1},
            "several of these conflict: status",
        ),
        (
            {
                "points": {"duration_in_month": (1, 5)},
                "monotonic_cst": {"duration_in_month": 1},
                "required": ["duration_in_month"],
            },
            "points of duration_in_month are from 1 to 5; the score only rises",
        ),
    ],
)
def test_constraints_that_no_card_obeys(kind, rules, words, german):
    with pytest.raises(ValueError, match=r"no card of at most 4 terms.*" + words):
        fit(kind, german, rules)


def test_a_suggestion_is_made_once():
    X = pd.DataFrame({"priors_count": np.arange(40) % 7, "age": np.arange(40) % 5})
    with pytest.raises(ValueError, match=r"did you mean 'priors_count'\?$"):
        fit(SLIMClassifier, (X, np.arange(40) % 2), {"required": ["priors"]}, binned=False)
