"""What the members of a set of score cards agree on: points, risks, and what a simple one costs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from treeml.ir import Scorecard
from treeml.rashomon.ranges import row_values
from treeml.rashomon.scorecard_set import ScorecardSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CardChoice", "point_ranges", "risk_range", "select_card"]


def point_ranges(set_: ScorecardSet) -> pd.DataFrame:
    """What the points of each term can be over all members.

    A column of ``points`` that is not "of both signs" says that within the bound no card turns the
    direction of the term round: a statement about all cards where the set is complete.

    Parameters
    ----------
    set_ : ScorecardSet
        Not empty.

    Returns
    -------
    DataFrame
        A row for every term that some member uses, most used first: ``term``, ``column``, ``used``
        (share of the members), ``least`` and ``most`` points, 0 among them where some member does
        without, ``points`` in words ("always above 0", "above 0 where used", "always below 0",
        "below 0 where used", "of both signs"); and, for risks, ``least_odds`` and ``most_odds``:
        points in log odds, that is divided by the scale of their card, which is what can be
        compared between cards.
    """
    import pandas as pd

    _not_empty(set_)
    member, column, points = set_.members.entries()
    odds = points / set_.members.scales[member]
    lines = []
    for j in np.unique(column).tolist():
        here = column == j
        given, of_odds = points[here], odds[here]
        always = len(given) == set_.count
        if not always:
            given, of_odds = np.append(given, 0), np.append(of_odds, 0.0)
        least, most = int(given.min()), int(given.max())
        line = {
            "term": set_.terms[j].text(),
            "column": set_.terms[j].term.name,
            "used": float(here.sum() / set_.count),
            "least": least,
            "most": most,
            "points": _in_words(least, most, always),
        }
        if set_.criterion == "log_loss":
            line |= {"least_odds": float(of_odds.min()), "most_odds": float(of_odds.max())}
        lines.append(line)
    names = ["term", "column", "used", "least", "most", "points"]
    names += ["least_odds", "most_odds"] if set_.criterion == "log_loss" else []
    frame = pd.DataFrame(lines, columns=names)
    return frame.sort_values("used", ascending=False, ignore_index=True, kind="stable")


def risk_range(set_: ScorecardSet, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest risk that a member gives each row.

    Parameters
    ----------
    set_ : ScorecardSet
        Not empty, of risk scores.
    X : table, shape (n_rows, n_columns), or Table
        Rows of any kind, seen in training or not.

    Returns
    -------
    low, high : ndarray of float64, shape (n_rows,)
        Probabilities of ``set_.classes[1]``.

    Raises
    ------
    ValueError
        For an empty set, or cards of labels, which have no risks.

    References
    ----------
    J. Watson-Daniels, D. Parkes, B. Ustun, "Predictive Multiplicity in Probabilistic
    Classification", AAAI 2023: viable prediction ranges, there bounded by refitting.
    """
    if set_.criterion != "log_loss":
        raise ValueError('cards of labels have no risks: fit with criterion="log_loss"')
    _not_empty(set_)
    low, high = set_.members.log_odds_range(set_.answers(X))
    return expit(low), expit(high)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CardChoice:
    """A simple member, and what it costs each group.

    Parameters
    ----------
    card : Scorecard
    place : int
        Among the members.
    accuracy, reference : dict of str to float
        Of each group: share of right labels, with the card and with the reference.
    """

    card: Scorecard
    place: int
    accuracy: dict[str, float]
    reference: dict[str, float]

    @property
    def drops(self) -> dict[str, float]:
        """By how much the accuracy of each group falls."""
        return {name: self.reference[name] - at for name, at in self.accuracy.items()}


def select_card(
    set_: ScorecardSet,
    X: Any,
    y: Any,
    groups: Any = None,
    *,
    reference: Any = None,
    max_group_drop: float = 0.01,
) -> CardChoice:
    """The simplest member that costs no group more accuracy than is allowed.

    Fewest terms first, then least objective.

    Parameters
    ----------
    set_ : ScorecardSet
        Not empty.
    X : table, shape (n_rows, n_columns)
    y : array-like, shape (n_rows,)
    groups : array-like, shape (n_rows,), default=None
        None: all rows are one group.
    reference : estimator, default=None
        A model whose ``predict`` the accuracy is compared with, of any kind; None: the best member.
    max_group_drop : float, default=0.01
        How much lower the accuracy of a group may be than with the reference.

    Raises
    ------
    ValueError
        Where no member is good enough.
    """
    _not_empty(set_)
    values = set_.answers(X)
    truth = row_values("y", y, len(values))
    given = ["all rows"] * len(values) if groups is None else groups
    group = row_values("groups", given, len(values))
    names, group_of = np.unique(group, return_inverse=True)
    right = (truth[:, None] == set_.classes[None, :]).astype(np.int64)
    sizes = np.bincount(group_of)
    sums = np.column_stack(
        [
            set_.members.score_sums(values, right * (group_of == g)[:, None])
            for g in range(len(names))
        ]
    )
    accuracy = sums / sizes
    if reference is None:
        base = accuracy[0]
    else:
        base = np.bincount(group_of, np.asarray(reference.predict(X)) == truth) / sizes
    fine = np.flatnonzero((base - accuracy <= max_group_drop + 1e-12).all(axis=1))
    if not len(fine):
        least = float((base - accuracy).max(axis=1).min())
        raise ValueError(
            f"no member costs every group at most {max_group_drop:g} of its accuracy; the one that "
            f"comes nearest costs {least:.4g}: allow more, or fit with a larger epsilon"
        )
    place = int(fine[np.argmin(set_.members.n_used[fine])])
    texts = [str(name) for name in names.tolist()]
    return CardChoice(
        set_[place],
        place,
        dict(zip(texts, accuracy[place].tolist(), strict=True)),
        dict(zip(texts, base.tolist(), strict=True)),
    )


def _in_words(least: int, most: int, always: bool) -> str:
    if least >= 0:
        return "always above 0" if always else "above 0 where used"
    if most <= 0:
        return "always below 0" if always else "below 0 where used"
    return "of both signs"


def _not_empty(set_: ScorecardSet) -> None:
    if not set_:
        raise ValueError("the set is empty: there is nothing to say about its members")
