"""Least and greatest values of additive measures over all members of a Rashomon set, exactly.

A measure is additive where it is a sum over rows of a number that depends on the row and the label
it gets: accuracy, disagreement with a given tree, a difference of rates with fixed denominators,
a difference of errors. Its range comes from one sweep of the graph for each end; of a set of score
cards every member is added up.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from treeml._core.exact import integer_weights
from treeml.ir import Scorecard, Tree
from treeml.rashomon.scorecard_set import ScorecardSet
from treeml.rashomon.set import RashomonSet

__all__ = [
    "Discrepancy",
    "Range",
    "Reliance",
    "accuracy_range",
    "discrepancy",
    "reliance_range",
    "score_range",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value of a measure over all members of a set.

    Parameters
    ----------
    low, high : Fraction
        Exact.
    lowest, highest : Tree or Scorecard
        Members that have these values, each of the least objective of all that do.
    """

    low: Fraction
    high: Fraction
    lowest: Tree | Scorecard
    highest: Tree | Scorecard


@dataclasses.dataclass(frozen=True, slots=True)
class Discrepancy:
    """How far a member is from the best one.

    Parameters
    ----------
    share : Fraction
        Of rows that the member labels differently from the best member, or to which it gives a
        probability that is farther than was asked for.
    tree : Tree or Scorecard
        The member with the greatest share.
    """

    share: Fraction
    tree: Tree | Scorecard


@dataclasses.dataclass(frozen=True, slots=True)
class Reliance(Range):
    """The range of a reliance.

    Parameters
    ----------
    all_pairs : bool
        Whether the column was exchanged between all pairs of rows; else it was permuted once.
    """

    all_pairs: bool


def score_range(set_: RashomonSet | ScorecardSet, X: Any, scores: Any) -> Range:
    """Least and greatest sum of scores over the members of a set.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
    X : table, shape (n_rows, n_columns), or Table
        Any rows, not only those of the fit.
    scores : array-like of int, shape (n_rows, n_classes)
        What a row adds to the score of a tree that gives it a class of ``set_.classes``.

    Returns
    -------
    Range

    Raises
    ------
    ValueError
        For an empty set, scores of another shape or that are no integers, or where the limits of
        the fit end the count.
    """
    answers = set_.answers(X)
    given = np.asarray(scores)
    if given.shape != (len(answers), len(set_.classes)):
        raise ValueError(
            f"scores: shape {given.shape}; there are {len(answers)} rows and "
            f"{len(set_.classes)} classes"
        )
    if given.dtype.kind not in "iub":
        raise ValueError("scores: give integers; they are added up without rounding")
    return exact_range(set_, answers, given.astype(np.int64), 1)


def accuracy_range(
    set_: RashomonSet | ScorecardSet, X: Any, y: Any, sample_weight: Any = None
) -> Range:
    """Least and greatest accuracy of the members on a table.

    On rows that were held out, this is what the choice among nearly optimal trees can cost [1]_.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
    X : table, shape (n_rows, n_columns), or Table
    y : array-like of shape (n_rows,)
        A class that the set does not know is never right.
    sample_weight : array-like of shape (n_rows,), default=None

    Returns
    -------
    Range

    References
    ----------
    .. [1] R. Xin et al., "Exploring the Whole Rashomon Set of Sparse Decision Trees", NeurIPS
       2022, section 5.
    """
    answers = set_.answers(X)
    truth = row_values("y", y, len(answers))
    weights = np.ones(len(truth))
    if sample_weight is not None:
        weights = row_values("sample_weight", sample_weight, len(truth)).astype(np.float64)
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError("sample_weight: give finite numbers that are not negative")
    if not weights.sum() > 0:
        raise ValueError("accuracy needs a row of positive weight")
    whole = integer_weights(weights).values
    right = truth[:, None] == set_.classes[None, :]
    return exact_range(set_, answers, right * whole[:, None], int(whole.sum()))


def discrepancy(set_: RashomonSet | ScorecardSet, X: Any = None) -> Discrepancy:
    """The greatest share of rows that some member labels differently from the best member.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
    X : table, shape (n_rows, n_columns), Table or None, default=None
        None: the rows of the fit.

    Returns
    -------
    Discrepancy

    References
    ----------
    .. [1] C. Marx, F. Calmon, B. Ustun, "Predictive Multiplicity in Classification", ICML 2020,
       definition 3.
    """
    if X is not None:
        answers = set_.answers(X)
        weights = np.ones(len(answers), dtype=np.int64)
    elif isinstance(set_, ScorecardSet):
        answers = set_.rows.values
        weights = integer_weights(set_.rows.counts.sum(axis=1)).values
    else:
        answers = set_._search.dataset.matrix()
        weights = set_._search.dataset.statistics[-1]
    if not weights.sum() > 0:
        raise ValueError("discrepancy needs a row")
    check_members(set_)
    if isinstance(set_, ScorecardSet):
        given = set_.members.labels(0, answers).astype(np.intp)
    else:
        nodes = set_._nodes(set_.best)
        assert nodes is not None
        given = nodes[leaves_of(nodes, answers), 3]
    differs = given[:, None] != np.arange(len(set_.classes))
    score, tree = _greatest(set_, answers, [differs * weights[:, None]])[0]
    return Discrepancy(Fraction(score, int(weights.sum())), tree)


def reliance_range(
    set_: RashomonSet | ScorecardSet,
    X: Any,
    y: Any,
    column: Any,
    *,
    most_rows: int = 20000,
    random_state: Any = 0,
) -> Reliance:
    """How much the members rely on a column: least and greatest model reliance.

    The reliance of a tree is its error where the column is exchanged with that of another row,
    averaged over all ordered pairs of different rows (e_switch in [1]_, a U-statistic), less its
    error on the table as it is.

    Parameters
    ----------
    set_ : RashomonSet or ScorecardSet
    X : table, shape (n_rows, n_columns), or Table
        Two rows or more.
    y : array-like of shape (n_rows,)
    column : str, int or Predicate
        A column of the table, all its predicates at once, or a single predicate.
    most_rows : int, default=20000
        Where more different rows come from exchanging, the column is permuted once, without fixed
        points (a random cycle), in place of all pairs.
    random_state : int, RandomState or None, default=0
        Of that permutation.

    Returns
    -------
    Reliance

    References
    ----------
    .. [1] A. Fisher, C. Rudin, F. Dominici, "All Models are Wrong, but Many are Useful", JMLR 20,
       2019, section 3.
    """
    answers = set_.answers(X)
    truth = row_values("y", y, len(answers))
    wrong = (truth[:, None] != set_.classes[None, :]).astype(np.int64)
    asked = sorted(set_._columns_of(column))
    pairs = exchange_all(CountedErrors.of(answers, wrong), asked, most_rows)
    switched = pairs or exchange_once(answers, wrong, asked, check_random_state(random_state))
    found = exact_range(set_, switched.rows, switched.scores, switched.scale)
    return Reliance(found.low, found.high, found.lowest, found.highest, pairs is not None)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """Rows with a column exchanged, and without: their scores add up to a tree's reliance.

    Parameters
    ----------
    rows : ndarray of 0 and 1, shape (n_rows, n_predicates)
    scores : ndarray of int64, shape (n_rows, n_classes)
    scale : int
        What the sum of scores is to be divided by.
    """

    rows: np.ndarray
    scores: np.ndarray
    scale: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CountedErrors:
    """Distinct rows, how often each is there, and how many errors each class would be on it.

    Parameters
    ----------
    rows : ndarray of 0 and 1, shape (n_distinct, n_predicates)
    times : ndarray of int64, shape (n_distinct,)
    errors : ndarray of int64, shape (n_distinct, n_classes)
    """

    rows: np.ndarray
    times: np.ndarray
    errors: np.ndarray

    @classmethod
    def of(
        cls, answers: np.ndarray, wrong: np.ndarray, times: np.ndarray | None = None
    ) -> CountedErrors:
        """From rows, whether a class is wrong on each, and how often each is there (once)."""
        if times is None:
            times = np.ones(len(answers), dtype=np.int64)
        rows, (number, errors) = merged_rows(answers, [times[:, None], wrong * times[:, None]])
        return cls(rows, number[:, 0], errors)


def exchange_all(of: CountedErrors, asked: list[int], most_rows: int) -> Exchange | None:
    """Exchange columns of the answers between all pairs of different rows.

    Parameters
    ----------
    of : CountedErrors
        A row that is there several times is so many different rows.
    asked : list of int
        Predicates that are exchanged together, in order.
    most_rows : int
        None where this makes more different rows.
    """
    n = int(of.times.sum())
    if n < 2:
        raise ValueError("reliance needs two rows: what is exchanged comes from another one")
    if not asked:  # no tree asks about the column
        return Exchange(of.rows, np.zeros_like(of.errors), n * (n - 1))
    values, (count,) = merged_rows(of.rows[:, asked], [of.times[:, None]])
    rest, (errors,) = merged_rows(np.delete(of.rows, asked, axis=1), [of.errors])
    if len(rest) * len(values) > most_rows:
        return None
    exchanged = np.repeat(rest, len(values), axis=0)
    switched = np.insert(exchanged, _gaps(asked), np.tile(values, (len(rest), 1)), axis=1)
    scores = np.repeat(errors, len(values), axis=0) * np.tile(count, (len(rest), 1))
    own = -n * of.errors  # a row is no pair with itself: one less each
    rows, (sums,) = merged_rows(np.vstack([switched, of.rows]), [np.vstack([scores, own])])
    return Exchange(rows, sums, n * (n - 1))


def exchange_once(
    answers: np.ndarray, wrong: np.ndarray, asked: list[int], random: np.random.RandomState
) -> Exchange:
    """Permute columns of the answers along a random cycle: no row keeps its own."""
    order = random.permutation(len(answers))
    switched = answers.copy()
    switched[order[:, None], asked] = answers[np.roll(order, 1)[:, None], asked]
    return Exchange(np.vstack([switched, answers]), np.vstack([wrong, -wrong]), len(answers))


def _gaps(places: list[int]) -> list[int]:
    """Where numpy.insert puts columns that are to be at places of the result."""
    return [place - k for k, place in enumerate(places)]


def check_members(set_: RashomonSet | ScorecardSet) -> None:
    """Refuse an empty set."""
    if not set_:
        raise ValueError("the set is empty: there is no member to measure")


def row_values(name: str, values: Any, n_rows: int) -> np.ndarray:
    """One value a row as an array, shape (n_rows,)."""
    out = np.asarray(values)
    if out.shape != (n_rows,):
        raise ValueError(f"{name}: shape {out.shape}; the table has {n_rows} rows")
    return out


def leaves_of(nodes: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The leaves of a tree (column, if_true, if_false, label) that rows fall into."""
    at = np.zeros(len(answers), dtype=np.intp)
    while (inner := np.flatnonzero(nodes[at, 0] >= 0)).size:
        column, if_true, if_false, _ = nodes[at[inner]].T
        at[inner] = np.where(answers[inner, column] == 1, if_true, if_false)
    return at


def exact_range(
    set_: RashomonSet | ScorecardSet, answers: np.ndarray, scores: np.ndarray, scale: int
) -> Range:
    """Both ends of a sum of integer scores, divided by ``scale``."""
    (high, highest), (low, lowest) = _greatest(set_, answers, [scores, -scores])
    return Range(Fraction(-low, scale), Fraction(high, scale), lowest, highest)


def _greatest(
    set_: RashomonSet | ScorecardSet, answers: np.ndarray, scores: list[np.ndarray]
) -> list[tuple[int, Tree | Scorecard]]:
    """The greatest value of each score, and a member that has it."""
    check_members(set_)
    if isinstance(set_, ScorecardSet):
        sums = [set_.members.score_sums(answers, score) for score in scores]
        return [(int(values.max()), set_[int(values.argmax())]) for values in sums]
    distinct, merged = merged_rows(answers, scores)
    found, status = set_._search.ranges(
        distinct, merged, set_._budget, set_._control, set_._constraint
    )
    if found is None:
        raise ValueError(f"{status} ended the search for a range; fit with larger limits")
    best = [greatest.best() for greatest in found]
    return [(score, set_.build(nodes[:, :3], nodes[:, 3])) for score, nodes in best]


def merged_rows(
    answers: np.ndarray, scores: list[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The different rows, with their sums of scores."""
    packed = answers if answers.dtype.kind == "f" else np.packbits(answers, axis=1)
    _, first, row_of = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    out = []
    for score in scores:
        sums = np.zeros((len(first), score.shape[1]), dtype=np.int64)
        np.add.at(sums, row_of.ravel(), score)
        out.append(sums)
    return answers[first], out
