"""Sets of nearly best cards against every card, one by one; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of all tests together (default 500).
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.oracle.all_cards import Case, admitted, all_cards, least_losses, random_case
from treeml._core.control import Control
from treeml.search.card_sets import CardSetResult, near_risk_scores, near_slim_cards

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 10
EDGE, NOISE = 1e-8, 1e-12  # of losses: relative, absolute
Found = dict[tuple[int, ...], float]

batches = pytest.mark.parametrize("number", range(BATCHES))


def batch(number: int, share: float) -> range:
    size = max(1, round(CASES * share / BATCHES))
    return range(number * size, (number + 1) * size)


@contextlib.contextmanager
def naming(*seed: object) -> Iterator[None]:
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


def dense(result: CardSetResult, n_terms: int) -> np.ndarray:
    out = np.zeros((len(result.objectives), n_terms), dtype=np.int64)
    for row, terms, points in zip(out, result.terms, result.points, strict=True):
        used = terms >= 0
        assert (np.diff(terms[used]) > 0).all()
        assert points[used].all()
        assert not points[~used].any()
        row[terms[used]] = points[used]
    return out


def is_smallest(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether no smaller vector in the same direction is within the ranges."""
    divisor = math.gcd(*points.tolist())
    for by in range(2, divisor + 1):
        if divisor % by == 0:
            smaller = points // by
            if np.all((smaller == 0) | ((smaller >= low) & (smaller <= high))):
                return False
    return True


def candidates(case: Case, free: bool = True) -> np.ndarray:
    cards = all_cards(case.constraints, case.k)
    cards = cards[admitted(cards, case.constraints)]
    if not free:
        return cards
    low, high = case.constraints.low, case.constraints.high
    return cards[[is_smallest(card, low, high) for card in cards]]


# Logistic loss


def brute_losses(case: Case, scale: float | str, max_logit: float) -> Found:
    cards = candidates(case, scale == "free")
    scores = cards @ case.X.T
    if scale != "free":
        losses = least_losses(scores / float(scale), case.y, case.weights, shrink=False)
        return dict(zip(map(tuple, cards.tolist()), losses.tolist(), strict=True))
    w = case.weights
    excess = w * (case.y - w @ case.y / w.sum())
    rise = scores @ excess
    size = (np.abs(cards) @ np.abs(case.X).T) @ w
    kept = (rise > 1e-12 * size) | ~cards.any(axis=1)
    cards, scores = cards[kept], scores[kept]
    if not len(cards):
        return {}
    largest = (np.abs(cards) * np.abs(case.X).max(axis=0)).max(axis=1)
    scores *= (max_logit / np.where(largest > 0, largest, 1))[:, None]
    losses = least_losses(scores, case.y, case.weights)
    return dict(zip(map(tuple, cards.tolist()), losses.tolist(), strict=True))


def loss_of(case: Case, points: np.ndarray, intercept: float, scale: float) -> float:
    t = (intercept + case.X @ points) / scale
    losses = np.logaddexp(0, np.where(case.y == 1, -t, t))
    return float(case.weights @ losses / case.weights.sum())


def random_risk_problem(seed: tuple[int, ...], **size: int) -> tuple[Case, dict[str, Any]]:
    rng = np.random.default_rng([51, *seed])
    case = random_case(rng, **size)
    margin = rng.choice([0.0, 0.003, 0.02, 0.1, 0.3])
    by = "epsilon" if rng.random() < 0.7 else "max_regret"
    return case, {
        "scale": "free" if rng.random() < 0.75 else float(rng.choice([1.0, 2.5])),
        "max_logit": float(rng.choice([50, 50, 50, 5, 1])),
        by: float(margin if by == "epsilon" else margin / 3),
    }


def near_risks(case: Case, asked: dict[str, Any], **limits: Any) -> CardSetResult:
    return near_risk_scores(
        case.X, case.codes, case.weight, max_features=case.k, constraints=case.constraints,
        control=Control(**limits), **asked,
    )  # fmt: skip


def check_risks(case: Case, asked: dict[str, Any], brute: Found, result: CardSetResult) -> None:
    """Everything that is said about a set, complete or not."""
    found = dense(result, case.X.shape[1])
    assert len({tuple(card) for card in found.tolist()}) == len(found)
    assert (np.diff(result.objectives) > -EDGE * result.bound - NOISE).all()
    optimum = min(brute.values())
    assert result.optimum >= optimum * (1 - EDGE) - NOISE
    for card, objective, intercept, scale in zip(
        found, result.objectives, result.intercepts, result.scales, strict=True
    ):
        assert objective == pytest.approx(brute[tuple(card.tolist())], rel=EDGE, abs=NOISE)
        assert objective <= result.bound * (1 + EDGE) + NOISE
        assert loss_of(case, card, intercept, scale) == pytest.approx(
            objective, rel=EDGE, abs=NOISE
        )
        if asked["scale"] != "free":
            assert scale == asked["scale"]
    there = {tuple(card) for card in found.tolist()}
    limit = result.proven_bound * (1 - EDGE) - NOISE
    assert not {card for card, loss in brute.items() if loss < limit} - there
    if result.complete:
        assert result.status == "optimal"
        assert result.proven_bound == result.bound
        assert result.optimum == pytest.approx(optimum, rel=EDGE, abs=NOISE)
        bound = (
            optimum * (1 + asked["epsilon"])
            if "epsilon" in asked
            else optimum + asked["max_regret"]
        )
        assert result.bound == pytest.approx(bound, rel=EDGE, abs=NOISE)


@batches
def test_all_risk_scores_within_a_margin(number: int) -> None:
    for seed in batch(number, 1.0):
        with naming(seed):
            case, asked = random_risk_problem((seed,))
            brute = brute_losses(case, asked["scale"], asked["max_logit"])
            if not brute:
                with pytest.raises(ValueError, match="no card"):
                    near_risks(case, asked)
                continue
            result = near_risks(case, asked)
            assert result.complete
            check_risks(case, asked, brute, result)


@batches
def test_risk_scores_of_many_terms(number: int) -> None:
    """Costs of terms and boxes only matter where there is much to choose from."""
    for seed in batch(number, 0.06):
        with naming(seed):
            case, asked = random_risk_problem((2, seed), n_terms=14, k=2 + (seed % 4 == 0))
            brute = brute_losses(case, asked["scale"], asked["max_logit"])
            if brute:
                check_risks(case, asked, brute, near_risks(case, asked))


@batches
def test_risk_scores_of_a_stopped_search(number: int) -> None:
    for seed in batch(number, 0.1):
        with naming(seed):
            case, asked = random_risk_problem((1, seed))
            brute = brute_losses(case, asked["scale"], asked["max_logit"])
            if not brute:
                continue
            for polls in (0, 1, 2, 3, 5, 9, 20):
                check_risks(case, asked, brute, near_risks(case, asked, stop_after=polls))


# 0-1 loss


Cards = dict[tuple[tuple[int, ...], tuple[bool, ...]], Fraction]


def brute_errors(case: Case, regularization: float, class_weight: tuple[float, float]) -> Cards:
    """Objective of every card: its points, and which rows score above its threshold."""
    weight = np.array([int(w) for w in case.weights]) * np.array(class_weight, np.int64)[case.y]
    total = int(weight.sum())
    out: Cards = {}
    for card in candidates(case):
        scores = case.X @ card
        values = np.unique(scores)
        cuts = (values[1:] + values[:-1]) / 2 if card.any() else np.array([-1.0, 1.0])
        above = scores > cuts[:, None]
        wrong = (above != (case.y == 1)) @ weight
        per_term = Fraction(regularization) * int(np.count_nonzero(card))
        for labels, errors in zip(above.tolist(), wrong.tolist(), strict=True):
            out[tuple(card.tolist()), tuple(labels)] = Fraction(errors, total) + per_term
    return out


def is_trivial(case: Case, card: np.ndarray, above: np.ndarray) -> bool:
    """Whether some threshold for the points without one term gives the same labels."""
    for j in np.flatnonzero(card):
        without = np.where(np.arange(len(card)) == j, 0, card)
        if not admitted(without[None], case.constraints)[0]:
            continue
        scores = case.X @ without
        if scores[above].min() > scores[~above].max():
            return True
    return False


def brute_cards(case: Case, asked: dict[str, Any]) -> Cards:
    brute = brute_errors(case, asked["regularization"], asked["class_weight"])
    if not asked["drop_trivial"]:
        return brute
    return {
        key: cost
        for key, cost in brute.items()
        if not any(key[0]) or not is_trivial(case, np.array(key[0]), np.array(key[1]))
    }


def random_slim_problem(seed: tuple[int, ...]) -> tuple[Case, dict[str, Any]]:
    rng = np.random.default_rng([61, *seed])
    case = random_case(rng)
    if case.weight is not None:
        case.weight = np.ceil(case.weight)
    margin = float(rng.choice([0.0, 0.01, 0.1, 0.25, 0.5]))
    by = "epsilon" if rng.random() < 0.7 else "max_regret"
    weights = [(1.0, 1.0), (1.0, 1.0), (1.0, 3.0), (2.0, 1.0)]
    return case, {
        "regularization": float(rng.choice([0.0, 0.0, 0.015625, 0.125])),
        "drop_trivial": bool(rng.random() < 0.5),
        "class_weight": weights[int(rng.integers(0, len(weights)))],
        by: margin if by == "epsilon" else margin / 8,
    }


def near_cards(case: Case, asked: dict[str, Any], **limits: Any) -> CardSetResult:
    return near_slim_cards(
        case.X, case.codes, case.weight, max_features=case.k, constraints=case.constraints,
        control=Control(**limits), **asked,
    )  # fmt: skip


def check_cards(case: Case, asked: dict[str, Any], brute: Cards, result: CardSetResult) -> None:
    found = dense(result, case.X.shape[1])
    optimum = min(brute.values())
    rounding = 1e-12  # of the cost of a term
    keys = []
    for card, objective, intercept in zip(found, result.objectives, result.intercepts, strict=True):
        key = tuple(card.tolist()), tuple((intercept + case.X @ card > 0).tolist())
        keys.append(key)
        assert objective == pytest.approx(float(brute[key]), abs=rounding)
        assert objective <= result.bound + rounding
    assert len(set(keys)) == len(keys)
    assert (np.diff(result.objectives) >= -1e-9).all()
    assert result.optimum >= float(optimum) - rounding
    missing = {key for key, cost in brute.items() if float(cost) < result.proven_bound - rounding}
    assert not missing - set(keys)
    if not result.complete:
        return
    assert result.status == "optimal"
    if "epsilon" in asked:
        bound = optimum * (1 + Fraction(repr(asked["epsilon"])))
    else:
        bound = optimum + Fraction(repr(asked["max_regret"]))
    edge = Fraction(1, 10**11) if asked["regularization"] else 0  # terms cost a rounded number
    inside = {key for key, cost in brute.items() if cost <= bound - edge}
    assert inside <= set(keys)
    assert set(keys) <= {key for key, cost in brute.items() if cost <= bound + edge}


@batches
def test_all_cards_of_labels_within_a_margin(number: int) -> None:
    for seed in batch(number, 1.0):
        with naming(seed):
            case, asked = random_slim_problem((seed,))
            brute = brute_cards(case, asked)
            if not brute:
                with pytest.raises(ValueError, match="no card"):
                    near_cards(case, asked)
                continue
            result = near_cards(case, asked)
            assert result.complete
            check_cards(case, asked, brute, result)


@batches
def test_cards_of_labels_of_a_stopped_search(number: int) -> None:
    for seed in batch(number, 0.1):
        with naming(seed):
            case, asked = random_slim_problem((1, seed))
            brute = brute_cards(case, asked)
            if not brute:
                continue
            start = np.array(candidates(case)[-1])
            for polls in (0, 1, 2, 3, 5, 9, 20):
                result = near_cards(case, asked | {"start": start}, stop_after=polls)
                check_cards(case, asked, brute, result)
