"""Every card of a small problem, one by one, and random problems: oracles for scoring systems.

Written without sight of any solver. A card is an integer vector of points, at most k of them not
0; which cards there are is enumerated, and what each is worth is found exactly: of risk scores by
Newton's method within brackets on a convex function, with a gap that convexity proves; of SLIM by
trying every cut between two scores.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import expit, logit

from treeml.search.card_constraints import CardConstraints, Terms

__all__ = [
    "INFEASIBLE",
    "KINDS",
    "Case",
    "admitted",
    "all_cards",
    "best_risk_card",
    "best_slim_card",
    "least_losses",
    "random_case",
]

KINDS = ("signs", "ranges", "forbidden", "required", "limits", "implications", "order")
AT_ONCE = 1 << 20  # cards x rows
FEW = 1e-13  # relative: what a fit may be from its proven bound


def all_cards(constraints: CardConstraints, k: int) -> np.ndarray:
    """All cards of k terms or fewer within the ranges, whatever else the constraints say."""
    ranges = [
        [v for v in range(int(low), int(high) + 1) if v]
        for low, high in zip(constraints.low, constraints.high, strict=True)
    ]
    n_terms = len(ranges)
    blocks = [np.zeros((1, n_terms), dtype=np.int64)]
    for size in range(1, min(k, n_terms) + 1):
        for support in itertools.combinations(range(n_terms), size):
            values = list(itertools.product(*(ranges[j] for j in support)))
            if values:
                block = np.zeros((len(values), n_terms), dtype=np.int64)
                block[:, support] = values
                blocks.append(block)
    return np.concatenate(blocks)


def admitted(cards: np.ndarray, constraints: CardConstraints) -> np.ndarray:
    """Which of the cards obey the constraints."""
    used = cards != 0

    def any_of(terms: Terms) -> np.ndarray:
        return used[:, list(terms)].any(axis=1)

    fine = (~used | ((cards >= constraints.low) & (cards <= constraints.high))).all(axis=1)
    for terms in constraints.required:
        fine &= any_of(terms)
    for items, most in constraints.limits:
        fine &= sum((any_of(item).astype(int) for item in items), np.zeros(len(cards))) <= most
    for terms, others in constraints.implications:
        fine &= ~any_of(terms) | any_of(others)
    for a, b in constraints.order:
        fine &= cards[:, a] <= cards[:, b]
    return fine


def _blocks(constraints: CardConstraints, k: int, n_rows: int) -> Iterator[np.ndarray]:
    cards = all_cards(constraints, k)
    cards = cards[admitted(cards, constraints)]
    size = max(1, AT_ONCE // n_rows)
    for start in range(0, len(cards), size):
        yield cards[start : start + size]


def best_risk_card(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    k: int,
    constraints: CardConstraints,
    scale: float | str,
    max_logit: float,
) -> tuple[float, np.ndarray]:
    """Least weighted mean log loss of a card (inf where none is admitted), and such a card."""
    best, points = np.inf, np.zeros(X.shape[1], dtype=np.int64)
    for cards in _blocks(constraints, k, len(X)):
        scores = cards @ X.T
        if scale == "free":
            largest = (np.abs(cards) * np.abs(X).max(axis=0)).max(axis=1)
            scores *= (max_logit / np.where(largest > 0, largest, 1))[:, None]
            losses = least_losses(scores, y, weight)
        else:
            losses = least_losses(scores / float(scale), y, weight, shrink=False)
        if losses.min() < best:
            best, points = float(losses.min()), cards[losses.argmin()]
    return best, points


def least_losses(
    logits: np.ndarray, y: np.ndarray, weight: np.ndarray, shrink: bool = True
) -> np.ndarray:
    """Least mean log loss of ``a * logits + b`` over 0 <= a <= 1 and all b, for each row of logits.

    With ``shrink=False`` a is 1. Both classes have to be there. Convexity proves each to FEW.
    """
    order = np.argsort(y, kind="stable")
    n_zeros = int(np.sum(y == 0))
    assert 0 < n_zeros < len(y)
    T, p = logits[:, order], weight[order] / weight.sum()
    T = T - (T @ p)[:, None]
    sign = np.where(np.arange(len(y)) < n_zeros, 1.0, -1.0)
    start = logit(p[n_zeros:].sum())
    everywhere = np.full(len(T), start)

    def losses_at(T: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
        """Best b for each a, the loss there, its slope and its curvature along a."""
        b, residual, spread = _best_intercepts(a[:, None] * T, p, n_zeros, start, b)
        loss = np.logaddexp(0, sign * (a[:, None] * T + b[:, None])) @ p
        slope = (residual * T) @ sign
        middle = spread.sum(axis=1)
        mixed = (spread * T).sum(axis=1)
        with np.errstate(all="ignore"):
            curvature = (spread * T * T).sum(axis=1) - mixed * mixed / middle
        return b, loss, slope, curvature

    one = np.ones(len(T))
    b, losses, slope, _ = losses_at(T, one, everywhere)
    if not shrink:
        return losses
    _, at_zero, slope_zero, curvature = losses_at(T, 0 * one, everywhere)
    losses = np.where(slope_zero >= 0, at_zero, losses)
    left = np.flatnonzero((slope_zero < 0) & (slope > 0))  # the best a is inside
    low, high = np.zeros(len(left)), np.ones(len(left))
    a, b = 0 * low, everywhere[left]
    slope, curvature = slope_zero[left], curvature[left]
    for turn in range(400):
        if not len(left):
            return losses
        with np.errstate(all="ignore"):
            newton = a - slope / curvature
        inside = (newton > low) & (newton < high) & (turn % 4 < 3)
        a = np.where(inside, newton, (low + high) / 2)
        b, loss, slope, curvature = losses_at(T[left], a, b)
        losses[left] = loss
        # A convex function is above its tangent, and the minimum is between low and high.
        proven = np.where(slope < 0, -slope * (high - a), slope * (a - low)) <= FEW * loss
        low, high = np.where(slope < 0, a, low), np.where(slope > 0, a, high)
        more = ~proven
        left, low, high, a, b = left[more], low[more], high[more], a[more], b[more]
        slope, curvature = slope[more], curvature[more]
    raise AssertionError("a fit did not converge")


def _best_intercepts(
    T: np.ndarray, p: np.ndarray, n_zeros: int, start: float, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best b for ``T + b``, with the residuals and their derivatives; zeros come first.

    There the residuals of zeros and ones weigh the same. The logarithm of their ratio grows with
    b, and has its precision where both are tiny too.
    """
    low, high = start - T.max(axis=1), start - T.min(axis=1)
    b = np.clip(b, low, high)
    done = np.zeros(len(T), dtype=bool)
    for turn in range(400):
        ended = done.all()
        t = T + b[:, None]
        t[:, n_zeros:] *= -1
        sigma = expit(t)
        residual = p * sigma
        spread = residual * expit(-t)
        if ended:
            return b, residual, spread
        zeros, ones = residual[:, :n_zeros].sum(axis=1), residual[:, n_zeros:].sum(axis=1)
        ratio = np.log(zeros) - np.log(ones)
        growth = spread[:, :n_zeros].sum(axis=1) / zeros + spread[:, n_zeros:].sum(axis=1) / ones
        low, high = np.where(ratio < 0, b, low), np.where(ratio > 0, b, high)
        done |= (np.abs(ratio) <= 1e-8 * growth) | (high - low <= 1e-13 * (1 + np.abs(b)))
        with np.errstate(all="ignore"):
            newton = b - ratio / growth
        inside = (newton >= low) & (newton <= high) & (done | (turn % 8 < 7))
        b = np.where(inside, newton, np.where(done, b, (low + high) / 2))
    raise AssertionError("an intercept did not converge")


def best_slim_card(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    k: int,
    constraints: CardConstraints,
    regularization: float,
    tie: float,
    class_weight: tuple[float, float] = (1.0, 1.0),
    max_fpr: float | None = None,
    min_tpr: float | None = None,
) -> tuple[float, np.ndarray, float]:
    """Least objective of a card with an intercept (inf where none is admitted), and such a card.

    Every cut of the rows between two scores is tried, and both ends.
    """
    ones = y == 1
    total = weight @ np.where(ones, class_weight[1], class_weight[0])
    best, points, intercept = np.inf, np.zeros(X.shape[1], dtype=np.int64), 0.0
    for cards in _blocks(constraints, k, len(X)):
        scores = cards @ X.T
        order = np.argsort(-scores, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        above = np.pad(scores, ((0, 0), (1, 0)), constant_values=np.inf)
        below = np.pad(scores, ((0, 0), (0, 1)), constant_values=-np.inf)
        # Entry m: the m rows of the largest scores are predicted 1.
        false, true = (
            np.pad(np.cumsum((weight * these)[order], axis=1), ((0, 0), (1, 0)))
            for these in (~ones, ones)
        )
        wrong = class_weight[0] * false + class_weight[1] * (true[:, -1:] - true)
        cost = regularization * (cards != 0).sum(axis=1) + tie * np.abs(cards).sum(axis=1)
        objective = wrong / total + cost[:, None]
        allowed = above > below
        if max_fpr is not None:
            allowed &= false / false[:, -1:] <= max_fpr
        if min_tpr is not None:
            allowed &= true / true[:, -1:] >= min_tpr
        objective[~allowed] = np.inf
        card, m = np.unravel_index(objective.argmin(), objective.shape)
        if objective[card, m] < best:
            best, points = float(objective[card, m]), cards[card]
            upper = min(above[card, m], scores[card, 0] + 2)
            lower = max(below[card, m], scores[card, -1] - 2)
            intercept = -float(upper + lower) / 2
    return best, points, intercept


@dataclasses.dataclass
class Case:
    """A small problem. Values are multiples of 1/64, so that scores are exact."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    k: int
    constraints: CardConstraints

    @property
    def weights(self) -> np.ndarray:
        return np.ones(len(self.y)) if self.weight is None else self.weight

    @property
    def codes(self) -> np.ndarray:
        return self.y.astype(np.int32)


def random_case(
    rng: np.random.Generator,
    n_terms: int | None = None,
    k: int | None = None,
    kind: str | None = None,
) -> Case:
    """A problem of that size and with constraints of that kind alone; or of any size and kinds."""
    n_terms = int(rng.integers(1, 7)) if n_terms is None else n_terms
    X = random_columns(int(rng.integers(4, 41)), n_terms, rng)
    if rng.random() < 0.3:
        X = X[rng.integers(0, max(2, len(X) // 2), len(X))]
    if kind is None:
        kinds = rng.choice(KINDS, int(rng.choice([0, 1, 1, 2, 3])), replace=False).tolist()
    else:
        kinds = [kind]
    return Case(
        X=X,
        y=random_labels(X, rng),
        weight=random_weight(len(X), rng),
        k=int(rng.integers(1, 4)) if k is None else k,
        constraints=random_constraints(n_terms, kinds, rng),
    )


def random_columns(n_rows: int, n_terms: int, rng: np.random.Generator) -> np.ndarray:
    """Columns of 0/1, integers and reals; complements, whole one-hot groups, equal and constant."""
    columns: list[np.ndarray] = []
    while len(columns) < n_terms:
        kind = rng.random()
        binary = (rng.random(n_rows) < rng.choice([0.1, 0.3, 0.5, 0.8])).astype(np.float64)
        if kind < 0.35:
            columns.append(binary)
        elif kind < 0.45:
            columns.append(rng.integers(-2, 4, n_rows).astype(np.float64))
        elif kind < 0.6:
            size, middle = rng.choice([0.3, 1.0, 10.0]), rng.choice([0.0, 0.0, 5.0, -30.0])
            columns.append(np.round(64 * (size * rng.normal(size=n_rows) + middle)) / 64)
        elif kind < 0.7:
            columns += [binary, 1 - binary]
        elif kind < 0.8:
            levels = rng.integers(0, 3, n_rows)
            columns += [(levels == level).astype(np.float64) for level in range(3)]
        elif kind < 0.9 and columns:
            columns.append(columns[int(rng.integers(0, len(columns)))])
        elif kind > 0.95:
            columns.append(np.full(n_rows, float(rng.choice([0, 1, -3]))))
    X = np.column_stack(columns[:n_terms])
    return np.ascontiguousarray(X[:, rng.permutation(n_terms)])


def random_labels(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise, or a card of three terms with some noise or none; both classes are there."""
    n_rows, n_terms = X.shape
    truth = np.where(np.arange(n_terms) < 3, rng.integers(-2, 3, n_terms), 0)
    score = X @ rng.permutation(truth)
    y = (score > np.quantile(score, rng.choice([0.1, 0.5, 0.8]))).astype(np.int64)
    noise = rng.random(n_rows) < rng.choice([0.0, 0.05, 0.3, 1.0])
    y = np.where(noise, rng.integers(0, 2, n_rows), y)
    if len(np.unique(y)) < 2:
        y[rng.integers(0, n_rows)] ^= 1
    return y


def random_weight(n_rows: int, rng: np.random.Generator) -> np.ndarray | None:
    """None, small integers, or reals of six orders of magnitude."""
    kind = rng.random()
    if kind < 0.5:
        return None
    if kind < 0.75:
        return rng.integers(1, 6, n_rows).astype(np.float64)
    return 10 ** rng.uniform(-3, 3, n_rows)


def random_constraints(n_terms: int, kinds: list[str], rng: np.random.Generator) -> CardConstraints:
    """Constraints of these kinds, and points from -2 to 2; at times no card obeys them."""
    low, high = np.full(n_terms, -2, dtype=np.int64), np.full(n_terms, 2, dtype=np.int64)
    required, limits, implications, order = [], [], [], []

    def some(most: int) -> Terms:
        size = int(rng.integers(1, min(most, n_terms) + 1))
        return tuple(rng.choice(n_terms, size, replace=False).tolist())

    if "signs" in kinds:
        sign = rng.integers(-1, 2, n_terms)
        low[sign > 0], high[sign < 0] = 0, 0
    if "ranges" in kinds:
        for j in some(n_terms):
            low[j], high[j] = [(1, 2), (-2, -1), (2, 2), (-1, 1), (-1, 2)][int(rng.integers(0, 5))]
    if "forbidden" in kinds:
        forbidden = list(some(max(1, n_terms // 2)))
        low[forbidden], high[forbidden] = 0, 0
    if "required" in kinds:
        required = [some(3) for _ in range(int(rng.integers(1, 4)))]
    if "limits" in kinds:
        for _ in range(int(rng.integers(1, 3))):
            group = rng.integers(0, max(1, n_terms // 2) + 1, n_terms)
            items = [tuple(np.flatnonzero(group == g).tolist()) for g in np.unique(group)[1:]]
            if rng.random() < 0.2 or not items:
                items = [some(3) for _ in range(int(rng.integers(1, 4)))]  # they may overlap
            limits.append((tuple(items), int(rng.choice([0, 1, 1, 1, 2]))))
    if "implications" in kinds:
        implications = [(some(2), some(2)) for _ in range(int(rng.integers(1, 4)))]
    if "order" in kinds and n_terms > 1:
        for _ in range(int(rng.integers(1, 4))):
            a, b = rng.choice(n_terms, 2, replace=False).tolist()
            order.append((a, b))
    return CardConstraints(
        low, high, tuple(required), tuple(limits), tuple(implications), tuple(order)
    )


def _of_four(
    low: int | list[int] = -2, high: int | list[int] = 2, **others: Any
) -> CardConstraints:
    return CardConstraints(np.full(4, low, np.int64), np.full(4, high, np.int64), **others)


INFEASIBLE = {  # of four terms and k = 2
    "required term forbidden": _of_four(0, 0, required=((0, 1),)),
    "more required than features": _of_four(required=((0,), (1,), (2, 3))),
    "required beyond a limit": _of_four(required=((0,), (2,)), limits=((((0, 1), (2, 3)), 1),)),
    "implied term forbidden": _of_four(
        low=[-2, -2, -2, 0], high=[2, 2, 2, 0],
        required=((0,),), implications=(((0, 1), (2,)), ((2,), (3,))),
    ),
    "order against ranges": _of_four(
        low=[1, -2, -2, -2], high=[2, 2, 0, 2],
        required=((0,),), order=((0, 1), (1, 2)),
    ),
}  # fmt: skip
