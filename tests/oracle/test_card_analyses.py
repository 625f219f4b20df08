"""What is said about a set of score cards, against its members one by one, on rows seen or not.

TREEML_ORACLE_CASES: number of random cases of all tests together (default 500).
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.oracle.all_cards import random_columns, random_labels, random_weight
from treeml import RashomonScorecardsClassifier
from treeml._core.validation import as_table
from treeml.ir import Scorecard
from treeml.rashomon import (
    ScorecardSet,
    accuracy_range,
    discrepancy,
    fairness_range,
    feature_use,
    least_discriminatory,
    point_ranges,
    reliance_range,
    risk_range,
    row_agreement,
    score_range,
    select_card,
)

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 10
FEW = 60  # members that are looked at one by one

batches = pytest.mark.parametrize("number", range(BATCHES))
criteria = pytest.mark.parametrize("criterion", ["log_loss", "misclassification"])


def batch(number: int) -> range:
    size = max(1, CASES // BATCHES // 4)
    return range(number * size, (number + 1) * size)


@contextlib.contextmanager
def naming(*seed: object) -> Iterator[None]:
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


def random_set(
    criterion: str, seed: int
) -> tuple[ScorecardSet, list[Scorecard], np.ndarray, np.ndarray, np.random.Generator]:
    """A small set with its members, and rows with labels, some of them new."""
    rng = np.random.default_rng([71, seed])
    X = random_columns(int(rng.integers(6, 30)), int(rng.integers(1, 6)), rng)
    y = random_labels(X, rng)
    weight = random_weight(len(X), rng)
    if weight is not None and criterion == "misclassification":
        weight = np.ceil(weight)
    model = RashomonScorecardsClassifier(
        criterion=criterion,  # type: ignore[arg-type]
        max_features=int(rng.integers(1, 4)),
        coef_range=(-2, 2),
        epsilon=float(rng.choice([0.0, 0.01, 0.05, 0.3])),
        drop_trivial=bool(rng.random() < 0.5),
    ).fit(X, y, weight)
    cards = model.set_
    if cards.count > FEW:
        cards = cards.filter(bound=cards.objective_of(FEW - 1) * (1 - 1e-6))
        if not cards or cards.count > FEW:
            cards = model.set_.filter(max_features=1)
    new = X[rng.integers(0, len(X), 12)].copy()
    new[rng.random(new.shape) < 0.3] = 1.0
    rows = np.vstack([X, new])[rng.permutation(len(X) + 12)[:20]]
    truth = rng.integers(0, 2, len(rows))
    return cards, list(cards), rows, truth, rng


@criteria
@batches
def test_answers_for_rows(criterion: str, number: int) -> None:
    for seed in batch(number):
        with naming(seed):
            cards, members, rows, truth, rng = random_set(criterion, seed)
            if not members:
                continue
            table = as_table(rows, like=cards.columns)
            labels = np.array([card.predict(table) for card in members])
            votes = np.column_stack([(labels == c).sum(axis=0) for c in cards.classes])
            np.testing.assert_array_equal(cards.votes(rows).astype(np.int64), votes)
            np.testing.assert_allclose(cards.vote_shares(rows), votes / len(members))
            found = row_agreement(cards, rows)
            np.testing.assert_array_equal(found.contested, (labels != labels[0]).any(axis=0))
            if criterion == "log_loss":
                risks = np.array([card.predict_proba(table)[:, 1] for card in members])
                low, high = risk_range(cards, rows)
                np.testing.assert_array_equal(low, risks.min(axis=0))
                np.testing.assert_array_equal(high, risks.max(axis=0))
            apart = [Fraction(int((label != labels[0]).sum()), len(rows)) for label in labels]
            assert discrepancy(cards, rows).share == max(apart)
            right = [Fraction(int((label == truth).sum()), len(rows)) for label in labels]
            accuracy = accuracy_range(cards, rows, truth)
            assert (accuracy.low, accuracy.high) == (min(right), max(right))
            assert accuracy.highest == members[right.index(max(right))]
            check_groups(cards, rows, truth, labels, rng)
            check_reliance(cards, members, rows, truth, rng)


def check_groups(
    cards: ScorecardSet,
    rows: np.ndarray,
    truth: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> None:
    groups = rng.permutation(np.arange(len(rows)) < rng.integers(3, len(rows) - 2))
    for metric in ("selection_rate", "tpr", "fpr"):
        inside = (
            np.full(len(rows), True) if metric == "selection_rate" else truth == (metric == "tpr")
        )
        sizes = [int((inside & (groups == g)).sum()) for g in (False, True)]
        if not all(sizes):
            continue
        chosen = cards.classes[1]
        gaps = [
            Fraction(int(((label == chosen) & inside & groups).sum()), sizes[1])
            - Fraction(int(((label == chosen) & inside & ~groups).sum()), sizes[0])
            for label in labels
        ]
        gap = fairness_range(cards, rows, truth, groups, metric)  # type: ignore[arg-type]
        assert (gap.low, gap.high) == (min(gaps), max(gaps))
        least = least_discriminatory(cards, rows, truth, groups, metric)  # type: ignore[arg-type]
        assert least.is_least
        assert abs(least.gap) == min(map(abs, gaps))
    right = np.array(
        [[np.mean((label == truth)[groups == g]) for g in (False, True)] for label in labels]
    )
    drop = float(rng.choice([0.0, 0.05, 0.2]))
    fine = np.flatnonzero((right[0] - right <= drop + 1e-12).all(axis=1))
    used = cards.members.n_used
    chosen = select_card(cards, rows, truth, groups, max_group_drop=drop)
    assert chosen.place == fine[np.argmin(used[fine])]
    assert max(chosen.drops.values()) <= drop + 1e-12


def check_reliance(
    cards: ScorecardSet,
    members: list[Scorecard],
    rows: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
) -> None:
    column, n = int(rng.integers(0, rows.shape[1])), len(rows)
    pairs = [(i, j) for i, j in itertools.product(range(n), repeat=2) if i != j]
    switched = rows[[i for i, _ in pairs]].copy()
    switched[:, column] = rows[[j for _, j in pairs], column]
    tables = [as_table(x, like=cards.columns) for x in (switched, rows)]
    of_pair = truth[[i for i, _ in pairs]]
    reliances = [
        Fraction(int((card.predict(tables[0]) != of_pair).sum()), n * (n - 1))
        - Fraction(int((card.predict(tables[1]) != truth).sum()), n)
        for card in members
    ]
    found = reliance_range(cards, rows, truth, column)
    assert found.all_pairs
    assert (found.low, found.high) == (min(reliances), max(reliances))


@criteria
@batches
def test_answers_for_terms(criterion: str, number: int) -> None:
    for seed in batch(number):
        with naming(seed):
            cards, members, _, _, rng = random_set(criterion, seed)
            if not members:
                continue
            points: list[dict[str, Any]] = [
                {t.term.name: w for t, w in zip(c.terms, c.points.tolist(), strict=True)}
                for c in members
            ]
            names = [column.name for column in cards.columns]
            for i, (card, given) in enumerate(zip(members, points, strict=True)):
                assert cards.points[i].tolist() == [given.get(name, 0) for name in names]
                assert cards.rank(card) == i
            ranges = point_ranges(cards).set_index("column")
            for name in names:
                values = [given.get(name, 0) for given in points]
                used = sum(v != 0 for v in values)
                assert (name in ranges.index) == (used > 0)
                if not used:
                    continue
                line = ranges.loc[name]
                assert (line["least"], line["most"]) == (min(values), max(values))
                assert line["used"] == pytest.approx(used / len(members))
                signs = {np.sign(v) for v in values if v}
                assert (line["points"] == "of both signs") == (len(signs) == 2)
                assert line["points"].startswith("always") == (
                    used == len(members) and len(signs) == 1
                )
                if criterion == "log_loss":
                    odds = [v / c.scale for v, c in zip(values, members, strict=True)]
                    assert line["least_odds"] == pytest.approx(min(odds))
                    assert line["most_odds"] == pytest.approx(max(odds))
            check_use(cards, points, names, rng)


def check_use(
    cards: ScorecardSet, points: list[dict[str, Any]], names: list[str], rng: np.random.Generator
) -> None:
    use = feature_use(cards)
    assert use.counts == {name: sum(name in given for given in points) for name in names}
    for a, b in itertools.combinations(names, 2):
        both_needed = all(a in given or b in given for given in points)
        single = all(a in given for given in points) or all(b in given for given in points)
        pair = (a, b) in use.substitutes or (b, a) in use.substitutes
        assert pair == (both_needed and not single)
    must, not_ = rng.choice(names), rng.choice(names)
    part = cards.filter(must_use=[must], must_not_use=[not_], max_features=2)
    kept = [must in g and not_ not in g and len(g) <= 2 for g in points]
    np.testing.assert_array_equal(part.objectives, cards.objectives[kept])
    assert cards.by_n_terms() == {
        n: sum(len(g) == n for g in points) for n in sorted({len(g) for g in points})
    }
    assert sum(cards.by_objective().values()) == len(points)
    for n, (objective, card) in cards.simplest().items():
        same = [o for o, g in zip(cards.objectives, points, strict=True) if len(g) == n]
        assert card.n_terms == n
        assert objective == pytest.approx(min(same), rel=1e-9)


def test_scores_are_summed_over_rows() -> None:
    cards, members, rows, _, rng = random_set("log_loss", 3)
    scores = rng.integers(-5, 6, (len(rows), 2))
    table = as_table(rows, like=cards.columns)
    sums = [scores[np.arange(len(rows)), card.predict(table)].sum() for card in members]
    found = score_range(cards, rows, scores)
    assert (found.low, found.high) == (min(sums), max(sums))
