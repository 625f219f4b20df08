"""The estimator of all nearly optimal score cards, and the object that it gives."""

import json
import pickle
import re

import numpy as np
import pandas as pd
import pytest

import treeml
from treeml import (
    Binarizer,
    RashomonScorecardsClassifier,
    RiskScoreClassifier,
    ScorecardSet,
    ScoreConstraints,
    SearchLimitWarning,
    SLIMClassifier,
    export,
)
from treeml._core.validation import as_table
from treeml.certificate import verify
from treeml.rashomon import feature_use, point_ranges, risk_range, select_card, short_list
from treeml.rashomon.card_report import card_report_html, card_report_json


def applicants(n_rows=80, seed=0):
    """Numbers with missing values, levels, yes/no."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": np.where(rng.random(n_rows) < 0.1, np.nan, rng.integers(20, 60, n_rows)),
            "job": [rng.choice(["none", "clerk", "chef"]) for _ in range(n_rows)],
            "owner": rng.random(n_rows) < 0.5,
        }
    )
    late = (X["job"] == "none").to_numpy() ^ (X["age"] > 40).to_numpy() & X["owner"].to_numpy()
    y = np.where(late ^ (rng.random(n_rows) < 0.2), "late", "paid")
    return X, y


def fitted(criterion="log_loss", **options):
    X, y = applicants()
    options = {"max_features": 2, "epsilon": 0.03, "binarizer": Binarizer(max_bins=4)} | options
    return RashomonScorecardsClassifier(criterion=criterion, **options).fit(X, y), X, y


both = pytest.mark.parametrize("criterion", ["log_loss", "misclassification"])


def test_the_best_member_is_what_the_search_for_one_card_finds():
    model, X, y = fitted()
    one = RiskScoreClassifier(max_features=2, binarizer=Binarizer(max_bins=4)).fit(X, y)
    assert model.objective_ == pytest.approx(one.objective_, rel=1e-6)
    assert model.status_ == "optimal"
    assert model.lower_bound_ == model.objective_
    assert model.gap_ == 0
    assert model.set_.bound == pytest.approx(1.03 * model.objective_)
    np.testing.assert_allclose(model.predict_proba(X), one.predict_proba(X), rtol=1e-4)
    model, X, y = fitted("misclassification")
    one = SLIMClassifier(max_features=2, binarizer=Binarizer(max_bins=4)).fit(X, y)
    assert model.objective_ == one.error_ == np.mean(model.predict(X) != y)
    assert not hasattr(model, "predict_proba")


@both
def test_every_member_has_the_objective_that_is_said(criterion):
    model, X, y = fitted(criterion)
    table = as_table(X, like=model.set_.columns)
    cards = list(model.set_)
    assert len(cards) == len(model.set_) > 3
    for card, said in zip(cards, model.set_.objectives, strict=True):
        if criterion == "log_loss":
            of_truth = card.predict_proba(table)[np.arange(len(y)), (y == "paid").astype(int)]
            assert -np.log(of_truth).mean() == pytest.approx(said, rel=1e-9)
        else:
            assert np.mean(card.predict(table) != y) == pytest.approx(said)
        assert said <= model.set_.bound * (1 + 1e-9)
        assert card.score_counts.sum() == len(y)
    assert model.scorecard_ == cards[0]
    assert model.set_[1:3] == cards[1:3]
    assert model.set_[-1] == cards[-1]
    with pytest.raises(IndexError, match="none at"):
        model.set_[len(cards)]
    assert model.set_.rank(cards[2]) == 2
    assert cards[2] in model.set_
    assert all(card in model.set_ for card in model.set_.sample(5, random_state=0))


def test_a_multiple_is_the_same_card_and_a_foreign_one_is_none():
    model = fitted()[0]
    card = next(c for c in model.set_ if c.n_terms == 2 and abs(c.points).max() < 3)
    double = type(card)(
        card.columns, card.terms, 2 * card.points, 2 * card.intercept, 2 * card.scale, card.classes
    )
    assert model.set_.rank(double) == model.set_.rank(card)
    fixed, _, _ = fitted(scale=1.0)
    assert (fixed.set_.members.scales == 1).all()
    assert fixed.set_.rank(double) != fixed.set_.rank(card) or fixed.set_.rank(card) is None
    other, _, _ = fitted(binarizer=Binarizer(max_bins=9))
    foreign = [c for c in other.set_ if set(c.terms) - set(model.terms_)]
    assert foreign
    assert all(model.set_.rank(c) is None for c in foreign)


@both
def test_parts_of_the_set(criterion):
    model, X, y = fitted(criterion)
    cards = model.set_
    assert cards.counts([0.0, 0.03]) == [
        int((cards.objectives <= cards.objective * (1 + 1e-9)).sum()),
        len(cards),
    ]
    with pytest.raises(ValueError, match="past the bound"):
        cards.counts([0.1])
    with pytest.raises(ValueError, match="past that of the set"):
        cards.filter(bound=2 * cards.bound)
    with pytest.raises(ValueError, match="no column is called 'wage'"):
        cards.filter(must_use=["wage"])
    with pytest.raises(ValueError, match="there is no column 7"):
        cards.filter(must_use=[7])
    with pytest.raises(ValueError, match="the set has no term"):
        cards.filter(must_use=[RashomonScorecardsClassifier().fit(X[["age"]], y).terms_[0]])
    part = cards.filter(must_use=["job"], must_not_use=[cards.terms[0]], epsilon=0.02)
    assert part.complete
    assert 0 < part.count <= cards.count
    assert {t.term.name for card in part for t in card.terms} >= {"job"}
    assert all(cards.terms[0] not in card.terms for card in part)
    assert part.bound == pytest.approx(1.02 * cards.objective)
    empty = cards.filter(must_not_use=["age", "job", "owner"])
    assert not empty
    for ask in (lambda: point_ranges(empty), lambda: feature_use(empty), lambda: empty.sample(1)):
        with pytest.raises(ValueError, match="the set is empty"):
            ask()


@both
def test_files(criterion, tmp_path):
    model, X, _ = fitted(criterion)
    cards = model.set_
    cards.save(tmp_path / "cards.json")
    again = ScorecardSet.load(tmp_path / "cards.json")
    assert list(again) == list(cards)
    assert repr(again) == repr(cards)
    assert (again.complete, again.proven_bound) == (cards.complete, cards.proven_bound)
    assert again.drop_trivial == cards.drop_trivial == (criterion == "misclassification")
    np.testing.assert_array_equal(again.votes(X), cards.votes(X))
    assert list(pickle.loads(pickle.dumps(cards))) == list(cards)
    said = json.loads(cards.to_json(members=2))
    assert said["count"] == len(cards)
    assert [m["objective"] for m in said["members"]] == cards.objectives[:2].tolist()
    assert sum(number for _, number in said["by_objective"]) == len(cards)
    data = json.loads((tmp_path / "cards.json").read_text())
    for text, words in (
        ("{", "not JSON"),
        ("{}", '"scorecard_set" is missing'),
        (json.dumps(data | {"schema_version": 99}), "newer than 1"),
    ):
        (tmp_path / "cards.json").write_text(text)
        with pytest.raises(ValueError, match=words):
            ScorecardSet.load(tmp_path / "cards.json")


@both
def test_the_best_card_is_certified_exported_and_read_back(criterion, tmp_path):
    model, X, y = fitted(criterion, class_weight={"late": 2.0})
    checked = verify(model.to_json(), as_table(X, like=model.scorecard_.columns), y)
    assert checked.ok, checked
    assert "No scorecard" in model.certificate_.statement
    space = {}
    exec(export.python(model.set_[1]), space)
    model.save(tmp_path / "best.json")
    np.testing.assert_array_equal(treeml.load(tmp_path / "best.json").predict(X), model.predict(X))


def test_constraints_hold_for_all_members():
    rules = ScoreConstraints(points={"owner": (0, 5)}, required=["job"])
    model, _, _ = fitted(constraints=rules, epsilon=0.2)
    use = feature_use(model.set_)
    assert "job" in use.must
    ranges = point_ranges(model.set_)
    assert (ranges.loc[ranges["column"] == "owner", "least"] >= 0).all()


def test_a_limit_says_up_to_where_the_set_is_complete():
    X, y = applicants()
    whole = fitted(epsilon=0.2)[0].set_
    model = RashomonScorecardsClassifier(
        max_features=2, epsilon=0.2, binarizer=Binarizer(max_bins=4)
    )
    partial = 0
    for polls in (0, 30, 60, 90):
        model._set_stop(polls)
        with pytest.warns(SearchLimitWarning, match="are sure to be all"):
            model.fit(X, y)
        found = model.set_
        assert not found.complete
        assert found.status == model.status_ == "time_limit"
        assert model.lower_bound_ <= whole.objective <= model.objective_
        known = found.proven_bound * (1 - 1e-9)
        assert (found.objectives < known).sum() == (whole.objectives < known).sum()
        part = found.filter(bound=found.proven_bound)
        assert part.complete
        partial += 0 < part.count < whole.count
    assert partial
    with pytest.warns(SearchLimitWarning, match="memory_limit=1 was reached"):
        RashomonScorecardsClassifier(max_features=2, memory_limit=1).fit(X, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": None}, "give one of epsilon and max_regret"),
        ({"max_regret": 0.1}, "give one of epsilon and max_regret"),
        ({"regularization": 0.1}, "regularization is for criterion"),
        ({"criterion": "misclassification", "scale": 2.0}, "scale is for criterion"),
        ({"coef_range": (3, 1)}, "the first must not be above the second"),
        ({"constraints": ScoreConstraints(required=["age", "job", "owner"])}, "obeys the constr"),
    ],
)
def test_what_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        fitted(**options)


def test_cards_that_do_without_a_term_are_left_out():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5)
    y = X[:, 0]
    asked = {"criterion": "misclassification", "max_features": 2, "coef_range": (-2, 2)}
    small = RashomonScorecardsClassifier(**asked).fit(X, y).set_
    assert small.points.tolist() == [[1, 0]]
    large = RashomonScorecardsClassifier(drop_trivial=False, **asked).fit(X, y).set_
    assert large.points.tolist() == [[1, 0], [2, -1], [2, 1]]


@both
@pytest.mark.parametrize(
    ("X", "options"),
    [
        (np.ones((40, 2)), {}),
        (pd.DataFrame({"a": ["x"] * 40}), {}),
        (np.eye(40)[:, :3], {"max_features": 0}),
        (np.eye(40)[:, :3], {"coef_range": (0, 0)}),
    ],
)
@pytest.mark.filterwarnings("ignore:column 'a' has the same value")
def test_only_the_card_without_points(criterion, X, options, tmp_path):
    y = np.arange(40) % 3 > 0
    cards = RashomonScorecardsClassifier(criterion=criterion, **options).fit(X, y).set_
    assert cards.complete
    assert not cards.points.any()
    assert len(cards) == 1
    assert cards.votes(X)[:, 1].all()
    assert cards.simplest().keys() == {0}
    cards.report(tmp_path / "one.html", X, y)
    assert "One score card is nearly as good" in (tmp_path / "one.html").read_text()
    cards.save(tmp_path / "one.json")
    assert list(ScorecardSet.load(tmp_path / "one.json")) == list(cards)


@both
def test_all_cards_of_a_wide_margin(criterion):
    rng = np.random.default_rng(2)
    X = rng.integers(0, 2, (30, 2)).astype(float)
    y = (X[:, 0] + X[:, 1] + rng.random(30) > 1.3).astype(int)
    cards = RashomonScorecardsClassifier(
        criterion=criterion, epsilon=100.0, coef_range=(-1, 1), drop_trivial=False
    ).fit(X, y)
    assert cards.set_.complete
    points = {tuple(p) for p in cards.set_.points.tolist()}
    all_points = {(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    if criterion == "log_loss":  # those that go with the labels
        assert points == {(0, 0), (0, 1), (1, 0), (1, 1)} | (points & {(1, -1), (-1, 1)})
    else:
        assert points == all_points
        # a threshold for each gap between scores, and two cards without points
        assert len(cards.set_) == 2 + 4 * 1 + 4 * 2


def test_weights_are_repeats():
    X, y = applicants()
    weight = np.arange(len(X)) % 3
    one = RashomonScorecardsClassifier(max_features=2, epsilon=0.05).fit(X, y, weight).set_
    rows = np.repeat(np.arange(len(X)), weight)
    two = RashomonScorecardsClassifier(max_features=2, epsilon=0.05).fit(X.iloc[rows], y[rows]).set_
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_allclose(one.objectives, two.objectives, rtol=1e-9)


@both
def test_the_order_of_rows_does_not_matter(criterion):
    model, X, y = fitted(criterion, epsilon=0.1)
    order = np.random.default_rng(3).permutation(len(X))
    other = RashomonScorecardsClassifier(**model.get_params(deep=False)).fit(
        X.iloc[order], y[order]
    )
    np.testing.assert_array_equal(model.set_.points, other.set_.points)
    np.testing.assert_allclose(model.set_.intercepts, other.set_.intercepts, rtol=1e-6)


def test_a_few_that_differ_and_one_that_costs_no_group():
    model, X, y = fitted(epsilon=0.2)
    few = short_list(model.set_, X, 3)
    assert few[0] == model.set_.best
    table = as_table(X, like=model.set_.columns)
    assert (few[0].predict(table) != few[1].predict(table)).any()
    chosen = select_card(model.set_, X, y, X["job"], reference=model, max_group_drop=0.05)
    assert set(chosen.accuracy) == {"none", "clerk", "chef"}
    assert chosen.card in model.set_
    assert max(chosen.drops.values()) <= 0.05
    with pytest.raises(ValueError, match="no member costs every group"):
        select_card(model.set_, X, y, reference=_Oracle(y), max_group_drop=0.0)


class _Oracle:
    def __init__(self, y):
        self.y = y

    def predict(self, X):
        return self.y


def test_labels_have_no_risks():
    model, X, _ = fitted("misclassification")
    with pytest.raises(ValueError, match="have no risks"):
        risk_range(model.set_, X)


# The report


@both
def test_the_report_says_what_the_set_says(criterion, tmp_path):
    model, X, y = fitted(criterion, epsilon=0.1)
    figures = card_report_json(model.set_, X, y, members=5)
    json.dumps(figures, allow_nan=False)
    assert figures["count"] == model.set_.count
    assert len(figures["members"]) == 5
    assert sum(row["count"] for row in figures["by_terms"]) == model.set_.count
    assert figures["points"] == point_ranges(model.set_).to_dict("records")
    assert figures["rows"]["n_rows"] == len(X)
    if criterion == "log_loss":
        low, high = risk_range(model.set_, X)
        assert figures["rows"]["widest"] == (high - low).max()
        assert sum(b["rows"] for b in figures["rows"]["widths"]) == len(X)
    model.set_.report(tmp_path / "cards.html", X, y, members=5)
    html = (tmp_path / "cards.html").read_text()
    assert f"{model.set_.count:,} different score cards" in html
    assert "The set is complete" in html
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)


def test_the_report_of_a_search_that_was_stopped_and_of_hostile_names():
    X, y = applicants()
    X = X.rename(columns={"job": "<b>job</b>"})
    model = RashomonScorecardsClassifier(max_features=2, epsilon=0.1)
    with pytest.warns(SearchLimitWarning):
        model._set_stop(10).fit(X, y)
    html = card_report_html(model.set_, X)
    assert "The set is not complete: its time limit ended the search" in html
    assert "<b>job" not in html
    with pytest.raises(ValueError, match="y is given without X"):
        card_report_json(model.set_, y=y)
    with pytest.raises(ValueError, match="y has 3 values"):
        card_report_json(model.set_, X, y[:3])
    with pytest.raises(ValueError, match="list at least one"):
        card_report_json(model.set_, members=0)
