"""The risk score of a study: how many lines the data support, and the card of that size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from sklearn.base import clone

from treeml.binarize import Binarizer
from treeml.estimators.scoring import RiskScoreClassifier
from treeml.study.peers import Folds, Peer, fold_score
from treeml.study.scores import FoldScores
from treeml.study.selection import Budget, fit_quietly

__all__ = ["SIZES", "CardSize", "choose_size", "fit_card", "peer_of", "score_sizes"]

SIZES = (3, 5, 7, 10)


@dataclasses.dataclass(slots=True)
class CardSize(FoldScores):
    """A limit on the lines of a card, and how cards within it score on the folds."""

    max_features: int
    folds: list[float]


def score_sizes(
    take: Callable[[np.ndarray], Any],
    y: np.ndarray,
    codes: np.ndarray,
    folds: Folds,
    *,
    binarizer: Binarizer,
    class_weight: Any,
    weights: np.ndarray,
    budget: Budget,
) -> list[CardSize]:
    """Score a few sizes of cards on the folds; questions are made anew in each.

    A good card is enough here, so no proof is tried, and half of the budget is left for the one
    that counts.

    Parameters
    ----------
    take : callable
        Gives the raw rows of the training part by their positions.
    y, codes : ndarray, shape (n_rows,)
        Labels of the training part, and as positions in the classes.
    folds : sequence of pairs of ndarray
        Rows to fit on and rows held out.
    binarizer : Binarizer
        Makes the questions; it is cloned.
    class_weight : None, "balanced" or dict
        Passed to the estimator.
    weights : ndarray, shape (2,)
        Weights of the classes in the score.
    budget : Budget
        Seconds of the folds and the proof together.

    Returns
    -------
    list of CardSize
        By ascending size.

    Raises
    ------
    KeyboardInterrupt
        Where a search was interrupted.
    """
    sizes = [CardSize(most, []) for most in SIZES]
    to_come = len(folds) * len(sizes)
    for fit_rows, held_out in folds:
        inside, outside = take(fit_rows), take(held_out)
        for size in sizes:
            model = RiskScoreClassifier(
                max_features=size.max_features,
                binarizer=cast(Binarizer, clone(binarizer)),
                class_weight=class_weight,
                gap_tol=1.0,
                time_limit=budget.part(2 * to_come),
            )
            fit_quietly(model, inside, y[fit_rows])
            to_come -= 1
            if model.status_ == "interrupted":
                raise KeyboardInterrupt
            right = model.predict(outside) == y[held_out]
            predicted = np.where(right, codes[held_out], -1)
            size.folds.append(fold_score(codes[held_out], predicted, weights))
    return sizes


def choose_size(sizes: Sequence[CardSize]) -> CardSize:
    """The one-standard-error rule: the fewest lines within one error of the best mean."""
    best = max(sizes, key=lambda size: (size.mean, -size.max_features))
    error = 0.0 if math.isnan(best.error) else best.error
    near = [size for size in sizes if size.mean >= best.mean - error - 1e-12]
    return min(near, key=lambda size: size.max_features)


def fit_card(
    X: Any,
    y: np.ndarray,
    *,
    max_features: int,
    binarizer: Binarizer,
    class_weight: Any,
    budget: Budget,
) -> RiskScoreClassifier:
    """The card of the training part, with what the rest of the budget proves about it."""
    model = RiskScoreClassifier(
        max_features=max_features,
        binarizer=cast(Binarizer, clone(binarizer)),
        class_weight=class_weight,
        time_limit=max(0.05, budget.left),
    )
    return fit_quietly(model, X, y)


def peer_of(model: RiskScoreClassifier, size: CardSize, unseen: Any) -> Peer:
    """The card as a line of the comparison; ``unseen`` is the table of the test part."""
    card = model.scorecard_
    lines = "1 line" if card.n_terms == 1 else f"{card.n_terms or 'no'} lines"
    proof = "proven optimal" if model.status_ == "optimal" else f"gap {model.gap_:.1%}"
    settings = f"at most {size.max_features} lines by the one-standard-error rule; {proof}"
    predicted = (card.decision(unseen) > 0).astype(np.intp)
    chance = card.predict_proba(unseen)[:, 1]
    return Peer(f"risk score, {lines}", settings, size.folds, None, predicted, chance)
