"""The figures of the guide to sets of score cards are what comes out."""

from pathlib import Path

import numpy as np
import pytest

from treeml import Binarizer, RashomonScorecardsClassifier
from treeml.datasets import load_german_credit
from treeml.rashomon import (
    discrepancy,
    fairness_range,
    feature_use,
    least_discriminatory,
    point_ranges,
    risk_range,
    row_agreement,
)

PAGE = (Path(__file__).parents[2] / "docs" / "rashomon_cards.md").read_text()
WORDS = " ".join(PAGE.split())


@pytest.fixture(scope="module")
def cards():
    X, y = load_german_credit()
    model = RashomonScorecardsClassifier(max_features=3, epsilon=0.02, binarizer=Binarizer())
    return model.fit(X, y).set_


def test_the_guide_shows_the_points(cards):
    assert cards.complete
    first = f"at most 3 of {len(cards.terms)} terms, {cards.count:,} are within 2 %"
    assert first in WORDS
    assert f"logistic loss, {cards.objective:.4f}" in WORDS
    ranges = point_ranges(cards)
    for line in ranges.head(5).itertuples():
        assert (
            f"| `{line.term}` | {100 * line.used:.1f} % | {line.least} to {line.most} "
            f"| {line.least_odds:.2f} to {line.most_odds:.2f} |"
        ) in PAGE
    crossing = ranges[ranges["points"] == "of both signs"]
    assert f"Of {len(ranges)} terms that are used at all, {len(crossing)} have points" in WORDS
    retraining = crossing[crossing["term"] == "purpose = retraining"].iloc[0]
    assert f"`purpose = retraining` with {retraining['least']} to {retraining['most']}" in WORDS
    use = feature_use(cards)
    assert f"Every card uses `{use.must[0]}`: without it none" in WORDS
    assert len(use.must) == 1
    without = cards.filter(must_not_use=["age_in_years", "personal_status_and_sex"])
    assert f"{without.count:,} cards use neither, and the best of them is the best" in WORDS
    assert without.best == cards.best


def test_the_guide_shows_whose_risk_depends_on_the_card(cards):
    X, y = load_german_credit()
    low, high = risk_range(cards, X)
    width = high - low
    widest = int(width.argmax())
    assert f"depends by more than {100 * np.median(width):.1f} points" in WORDS
    ends = f"{100 * low[widest]:.1f} and {100 * high[widest]:.1f} %"
    assert f"that of applicant {widest} lies between {ends}" in WORDS
    contested = row_agreement(cards, X).contested.sum()
    assert f"For {contested} of the 1,000 at least one card contradicts" in WORDS
    apart = float(discrepancy(cards, X).share)
    assert f"a single card contradicts it for {100 * apart:.1f} %" in WORDS
    women = X["personal_status_and_sex"].str.startswith("female")
    women = women.map({True: "women", False: "men"})
    gaps = fairness_range(cards, X, y, women)
    ends = f"{100 * float(gaps.low):.1f} to {100 * float(gaps.high):.1f} points above"
    assert ends in WORDS
    fairest = least_discriminatory(cards, X, y, women)
    loss = cards.objective_of(cards.rank(fairest.tree))
    assert f"a gap of {100 * float(fairest.gap):.1f} points whose loss, {loss:.4f}, is" in WORDS
