"""Which probabilities the members of a Rashomon set give: exact ranges by row, and what follows."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np

from treeml._core.exact import as_decimal
from treeml.rashomon.capacity import channel_capacity, two_input_capacity
from treeml.rashomon.ranges import Discrepancy, check_members, leaves_of
from treeml.rashomon.set import RashomonSet
from treeml.search.probabilities import Departure, departing_scores, leaf_vectors, share_ranges
from treeml.search.rashomon import Counted

__all__ = [
    "ProbabilityRange",
    "probability_discrepancy",
    "probability_range",
    "rashomon_capacity",
]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ProbabilityRange:
    """The least and the greatest probability that any member gives each row.

    The probability of a class is its share of the training weight in the leaf that the row falls
    into, as `Tree.predict_proba` has it. All numbers are exact before they become floats.

    Parameters
    ----------
    classes : ndarray, shape (n_classes,)
    low, high, best : ndarray of float64, shape (n_rows, n_classes)
        Least, greatest, and that of the best member.
    exact : tuple of ndarray of int64, shape (n_rows, n_classes, 2)
        The same three as numerators and denominators.

    References
    ----------
    .. [1] J. Watson-Daniels, D. Parkes, B. Ustun, "Predictive Multiplicity in Probabilistic
       Classification", AAAI 2023.
    """

    classes: np.ndarray
    low: np.ndarray
    high: np.ndarray
    best: np.ndarray
    exact: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def width(self) -> np.ndarray:
        """Greatest less least probability, shape (n_rows, n_classes)."""
        return self.high - self.low

    def far(self, delta: float, positive: Any = None) -> np.ndarray:
        """Whether some member departs from the best one by ``delta`` or more, shape (n_rows,).

        Parameters
        ----------
        delta : float
            Above 0; read as its shortest decimal, and compared exactly.
        positive : object, default=None
            The class whose probability counts; None: the last one.
        """
        chosen, unit = _place(self.classes, positive), _delta(delta)
        low, high, best = (map(tuple, end[:, chosen].tolist()) for end in self.exact)
        known: dict[tuple[Any, ...], bool] = {}
        out = np.empty(len(self.best), dtype=bool)
        for row, ends in enumerate(zip(low, high, best, strict=True)):
            if ends not in known:
                least, most, at = (Fraction(*end) for end in ends)
                known[ends] = max(most - at, at - least) >= unit
            out[row] = known[ends]
        return out

    def ambiguity(self, delta: float, positive: Any = None) -> float:
        """Share of rows on which some member departs from the best one by ``delta`` or more.

        Watson-Daniels, Parkes and Ustun (AAAI 2023), definition 3; parameters as for `far`.
        """
        far = self.far(delta, positive)
        return float(far.mean()) if len(far) else 0.0

    @property
    def capacity(self) -> np.ndarray:
        """Rashomon capacity of the probabilities of each row, from 1 to 2, shape (n_rows,).

        For two classes the ends of the range decide; see `rashomon_capacity`, which also has it
        for more.

        Raises
        ------
        ValueError
            For more than two classes.
        """
        if len(self.classes) > 2:
            raise ValueError(
                f"capacity: there are {len(self.classes)} classes, and ranges by class decide it "
                "for two; rashomon_capacity(set_, X) has it for any number"
            )
        ends = np.stack([self.low[:, -1], self.high[:, -1]], axis=1)
        distinct, row_of = np.unique(ends, axis=0, return_inverse=True)
        return np.exp2([two_input_capacity(a, b) for a, b in distinct.tolist()])[row_of.ravel()]


def probability_range(set_: RashomonSet, X: Any) -> ProbabilityRange:
    """Least and greatest probability of each class that any member gives each row: viable ranges.

    A leaf counts if some member has it, which two sweeps of the graph say for all leaves.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table
        Any rows, not only those of the fit.

    Returns
    -------
    ProbabilityRange

    Raises
    ------
    ValueError
        For an empty set, or where the limits of the fit end the count.

    References
    ----------
    .. [1] J. Watson-Daniels, D. Parkes, B. Ustun, "Predictive Multiplicity in Probabilistic
       Classification", AAAI 2023, definition 2.
    """
    check_members(set_)
    rows = _Rows.of(set_, set_.answers(X))
    n_classes = len(set_.classes)
    if n_classes == 1:
        low = high = np.ones((len(rows.matrix), 1, 2), dtype=np.int64)
    else:
        found, status = share_ranges(rows.trace(set_), rows.numbers, n_classes, set_._control)
        if found is None:
            raise ValueError(f"{status} ended the search for probabilities; fit with larger limits")
        low, high = found
    best, leaf = _best_shares(set_, rows)
    exact = (low[rows.place], high[rows.place], best[leaf][rows.place])
    least, most, at = (end[..., 0] / end[..., 1] for end in exact)
    return ProbabilityRange(set_.classes, least, most, at, exact)


def probability_discrepancy(
    set_: RashomonSet, X: Any = None, *, delta: float, positive: Any = None
) -> Discrepancy:
    """The greatest share of rows on which one member departs from the best one by delta or more.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), Table or None, default=None
        None: the rows of the fit.
    delta : float
        Difference of probabilities, above 0; read as its shortest decimal.
    positive : object, default=None
        The class whose probability counts; None: the last one.

    Returns
    -------
    Discrepancy

    Raises
    ------
    ValueError
        For an empty set, or where the limits of the fit end the count.

    References
    ----------
    .. [1] J. Watson-Daniels, D. Parkes, B. Ustun, "Predictive Multiplicity in Probabilistic
       Classification", AAAI 2023, definition 4.
    """
    check_members(set_)
    chosen, unit = _place(set_.classes, positive), _delta(delta)
    known = set_._search.dataset
    rows = _Rows.of(set_, known.matrix() if X is None else set_.answers(X))
    weights = known.statistics[-1] if X is None else np.ones(len(rows.place), dtype=np.int64)
    total = int(weights.sum())
    if not total:
        raise ValueError("discrepancy needs a row")
    if len(set_.classes) == 1:
        return Discrepancy(Fraction(0), set_.best)
    best, leaf = _best_shares(set_, rows)
    shares, group = np.unique(best[:, chosen], axis=0, return_inverse=True)
    in_group = np.zeros((len(rows.matrix), len(shares)), dtype=np.int64)
    np.add.at(in_group, (rows.place, group.ravel()[leaf[rows.place]]), weights)
    found, status = departing_scores(
        rows.trace(set_),
        rows.numbers,
        in_group,
        len(set_.classes),
        Departure(chosen, shares, (unit.numerator, unit.denominator)),
        set_._control,
    )
    if found is None:
        raise ValueError(f"{status} ended the search for a range; fit with larger limits")
    score, nodes = found.best()
    return Discrepancy(Fraction(score, total), set_.build(nodes[:, :3], nodes[:, 3]))


def rashomon_capacity(set_: RashomonSet, X: Any) -> np.ndarray:
    """How far the probabilities of the members spread on each row, as a number of classes.

    2^C, where C is the capacity in bits of the channel whose inputs are the members and whose
    output is the class [1]_: 1 where all give a row the same probabilities, and k where members
    are sure of k different classes. For labels it is the number of classes that members give,
    `RowAgreement.n_possible`.

    Two classes need the ends of `probability_range` only, since the divergence is convex; more
    need all different leaves, which can be many.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        From 1 to the number of classes; for three and more within a factor of 1 + 1e-6.

    Raises
    ------
    ValueError
        For an empty set, or where the limits of the fit end the search.

    References
    ----------
    .. [1] H. Hsu, F. Calmon, "Rashomon Capacity: A Metric for Predictive Multiplicity in
       Classification", NeurIPS 2022, section 3.
    """
    check_members(set_)
    n_classes = len(set_.classes)
    if n_classes <= 2:
        return probability_range(set_, X).capacity
    rows = _Rows.of(set_, set_.answers(X))
    found, status = leaf_vectors(rows.trace(set_), rows.numbers, n_classes, set_._control)
    if found is None:
        raise ValueError(f"{status} ended the search for leaves; fit with larger limits")
    vectors, reached = found
    points = vectors / vectors.sum(axis=1, keepdims=True)
    asked, row_of = np.unique(rows.place, return_inverse=True)
    capacity = np.array([channel_capacity(points[reached[:, row]]) for row in asked.tolist()])
    return np.exp2(capacity)[row_of.ravel()]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Distinct rows, those of the fit among them, with the weights that probabilities are made of.

    Parameters
    ----------
    matrix : ndarray of 0 and 1, shape (n_distinct, n_predicates)
    numbers : ndarray of int64, shape (n_distinct, n_classes) or (n_distinct, 2 x n_classes)
        As `share_ranges` has them.
    place : ndarray of int, shape (n_rows,)
        Where the given rows are.
    """

    matrix: np.ndarray
    numbers: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, set_: RashomonSet, answers: np.ndarray) -> _Rows:
        search = set_._search
        known = search.dataset.matrix()
        matrix, row_of = np.unique(np.vstack([known, answers]), axis=0, return_inverse=True)
        counts = search.dataset.statistics[:-1].T.astype(np.int64)
        given = counts * np.asarray(search.weights, dtype=np.int64)
        if (np.asarray(search.weights) == 0).any():
            given = np.hstack([given, counts])
        numbers = np.zeros((len(matrix), given.shape[1]), dtype=np.int64)
        np.add.at(numbers, row_of.ravel()[: len(known)], given)
        return cls(matrix, numbers, row_of.ravel()[len(known) :])

    def trace(self, set_: RashomonSet) -> Counted:
        counted, status = set_._search.trace(
            self.matrix, set_._budget, set_._control, set_._constraint
        )
        if counted is None:
            raise ValueError(f"{status} ended the count; fit with larger limits")
        return counted


def _best_shares(set_: RashomonSet, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in the nodes of the best member, as fractions, and the leaf of every row."""
    nodes = set_._nodes(set_.best)
    assert nodes is not None
    leaf = leaves_of(nodes, rows.matrix)
    n_classes = len(set_.classes)
    sums = np.zeros((len(nodes), rows.numbers.shape[1]), dtype=np.int64)
    np.add.at(sums, leaf, rows.numbers)
    out = np.ones((len(nodes), n_classes, 2), dtype=np.int64)
    out[..., 1] = n_classes
    for first in range(sums.shape[1] - n_classes, -1, -n_classes):
        part = sums[:, first : first + n_classes]
        some = part.sum(axis=1) > 0
        out[some, :, 0] = part[some]
        out[some, :, 1] = part[some].sum(axis=1, keepdims=True)
    return out // np.gcd(out[..., :1], out[..., 1:]), leaf


def _place(classes: np.ndarray, positive: Any) -> int:
    names = classes.tolist()
    if positive is None:
        return len(names) - 1
    if positive not in names:
        raise ValueError(f"positive={positive!r} is none of the classes {names}")
    return names.index(positive)


def _delta(delta: float) -> Fraction:
    if not 0 < delta <= 1:
        raise ValueError(f"delta={delta!r}: give a difference of probabilities above 0, up to 1")
    return Fraction(*as_decimal(delta))
