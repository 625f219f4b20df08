"""All models on the test part: scores with intervals, and differences to the chosen tree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from treeml.study.peers import Peer
from treeml.study.scores import (
    Estimate,
    area_under_curve,
    bootstrap,
    interval,
    mixture,
    recalls,
    wilson,
)

__all__ = ["Row", "compare"]

N_RESAMPLES = 1000
_NONE = Estimate(math.nan)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One model of the comparison; all intervals are of 95 %."""

    name: str
    settings: str
    kind: str  # "ours", "card", "peer" or "baseline"
    leaves: int | None
    cv_mean: float
    cv_error: float
    accuracy: Estimate
    balanced: Estimate
    auc: Estimate
    score: Estimate
    difference: Estimate  # score less that of the chosen tree, on the same resamples
    recalls: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Flat, for a frame."""
        out: dict[str, Any] = {
            "model": self.name,
            "settings": self.settings,
            "leaves": self.leaves,
            "cv_mean": self.cv_mean,
            "cv_error": self.cv_error,
        }
        for name in ("accuracy", "balanced", "auc", "score", "difference"):
            estimate: Estimate = getattr(self, name)
            out[f"test_{name}"] = estimate.value
            out[f"test_{name}_low"], out[f"test_{name}_high"] = estimate.low, estimate.high
        return out


def compare(
    models: Sequence[Peer],
    *,
    n_ours: int,
    n_cards: int = 0,
    train_codes: np.ndarray,
    test_codes: np.ndarray,
    classes: np.ndarray,
    weights: np.ndarray,
    random_state: int,
) -> list[Row]:
    """Score the models on the test part; the first one is what the others are compared with.

    Accuracy has the interval of Wilson. Balanced accuracy, area under the curve and differences
    have bootstrap intervals (test rows drawn again within each class, the same for all models).

    Parameters
    ----------
    models : sequence of Peer
        The trees of the study, its cards, then the other models.
    n_ours, n_cards : int
        How many trees and how many cards.
    train_codes, test_codes : ndarray of int
        Classes of the rows of both parts.
    classes : ndarray
        The labels.
    weights : ndarray, shape (n_classes,)
        Weights of the classes in the score of choice.
    random_state : int
        Seed of the resamples.

    Returns
    -------
    list of Row
        In the order of ``models``, and last the constant answer.
    """
    n_classes = len(weights)
    whole = np.arange(len(test_codes))[None, :]
    rows = bootstrap(test_codes, N_RESAMPLES, random_state)
    share = mixture(test_codes, weights)
    kinds = ["ours"] * n_ours + ["card"] * n_cards
    kinds += ["peer"] * (len(models) - len(kinds)) + ["baseline"]
    models = [*models, _constant(train_codes, test_codes, classes, weights)]
    out: list[Row] = []
    reference = np.empty(0), np.empty(0)
    for at, model in enumerate(models):
        right = model.predicted == test_codes
        one = recalls(test_codes, right, whole, n_classes)
        many = recalls(test_codes, right, rows, n_classes)
        score = one @ share, many @ share
        if at == 0:
            reference = score
        accuracy = wilson(int(right.sum()), len(right))
        balanced = interval(float(one.mean()), many.mean(axis=1))
        plain = bool(np.all(weights == weights[0]))
        auc = _NONE
        if model.chance is not None:
            curve = [area_under_curve(test_codes == 1, model.chance, r) for r in (whole, rows)]
            auc = interval(float(curve[0][0]), curve[1])
        out.append(
            Row(
                name=model.name,
                settings=model.settings,
                kind=kinds[at],
                leaves=model.leaves,
                cv_mean=model.mean,
                cv_error=model.error,
                accuracy=accuracy,
                balanced=balanced,
                auc=auc,
                score=accuracy if plain else interval(float(score[0][0]), score[1]),
                difference=interval(float((score[0] - reference[0])[0]), score[1] - reference[1])
                if at
                else _NONE,
                recalls=tuple(one[0].tolist()),
            )
        )
    return out


def _constant(
    train: np.ndarray, test: np.ndarray, classes: np.ndarray, weights: np.ndarray
) -> Peer:
    """The class of the largest weight in the training part, whatever the row."""
    mass = np.bincount(train, minlength=len(weights)) * weights
    which = (
        int(np.argmax(np.bincount(train)))
        if np.ptp(mass) < 1e-9 * mass.max()
        else int(np.argmax(mass))
    )
    chance = np.zeros(len(test)) if len(weights) == 2 else None
    settings = "the constant answer"
    name = f'always "{classes[which]}"'
    return Peer(name, settings, [], 1, np.full(len(test), which), chance)
