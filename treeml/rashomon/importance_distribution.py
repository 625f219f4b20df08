"""The Rashomon importance distribution: reliance over near-optimal trees and over bootstraps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from treeml._core.validation import as_table
from treeml.rashomon.importance import counted_errors, exchange, reliances, some_members
from treeml.rashomon.ranges import row_values

__all__ = ["ImportanceDistribution", "importance_distribution"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ImportanceDistribution:
    """How often near-optimal trees of resampled data rely on each column by how much.

    All bootstraps weigh the same, and within one all members.

    Parameters
    ----------
    values : dict of str to ndarray of float64
        Reliances on each column that occur, in order.
    mass : dict of str to ndarray of float64
        Probability of each.
    counts : tuple of int
        Members of the set of each bootstrap.
    exact : tuple of bool
        Whether all members of the bootstrap were measured; else so many were drawn uniformly.

    References
    ----------
    .. [1] J. Donnelly, S. Katta, C. Rudin, E. Browne, "The Rashomon Importance Distribution:
       Getting RID of Unstable, Single Model-based Variable Importance", NeurIPS 2023.
    """

    values: dict[str, np.ndarray]
    mass: dict[str, np.ndarray]
    counts: tuple[int, ...]
    exact: tuple[bool, ...]

    def cdf(self, column: str, k: Any) -> np.ndarray:
        """Probability of a reliance of at most ``k``, in the shape of ``k``: RID_j(k)."""
        after = np.append(0.0, np.cumsum(self.mass[column]))
        place = np.searchsorted(self.values[column], np.asarray(k, dtype=np.float64), "right")
        return np.minimum(after[place], 1.0)

    def quantile(self, column: str, p: float) -> float:
        """The least reliance that occurs with a probability of at most it of ``p`` or more."""
        after = np.cumsum(self.mass[column])
        place = int(np.searchsorted(after, p - 1e-12))
        return float(self.values[column][min(place, len(after) - 1)])

    def box(self, column: str) -> tuple[float, float, float, float, float]:
        """Least reliance, quartiles and the greatest: what a box plot shows."""
        low, high = self.values[column][[0, -1]].tolist()
        lower, middle, upper = (self.quantile(column, p) for p in (0.25, 0.5, 0.75))
        return low, lower, middle, upper, high

    def mean(self, column: str) -> float:
        """Mean reliance."""
        return float(self.values[column] @ self.mass[column])

    def positive(self, column: str) -> float:
        """Probability of a reliance above 0: that the column matters to a near-optimal tree."""
        return float(self.mass[column][self.values[column] > 0].sum())


def importance_distribution(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    n_bootstraps: int = 20,
    n_members: int = 1000,
    columns: Iterable[str] | None = None,
    most_rows: int = 20000,
    random_state: Any = 0,
) -> ImportanceDistribution:
    """The Rashomon importance distribution (RID) [1]_.

    Rows are drawn with replacement; of each such bootstrap the set of near-optimal trees is found,
    and the reliance of its members on each column is measured on the bootstrap: what the error
    rises by where the column is exchanged between all ordered pairs of different rows. (A row that
    was drawn twice is two rows.) That is n / (n - 1) times the mean effect of a random permutation.

    Parameters
    ----------
    estimator : RashomonTreesClassifier
        Says which trees count; it is cloned, and its clones are fitted with the number of times
        that rows were drawn as their weight.
    X : table, shape (n_rows, n_columns)
        Two rows or more.
    y : array-like of shape (n_rows,)
    n_bootstraps : int, default=20
    n_members : int, default=1000
        Members that are measured in a bootstrap: all, which is exact, or so many drawn uniformly.
    columns : sequence of str, default=None
        Columns of the table; None: all.
    most_rows : int, default=20000
        Most different rows that may come from exchanging one column.
    random_state : int, RandomState or None, default=0

    Returns
    -------
    ImportanceDistribution

    Raises
    ------
    ValueError
        Where a bootstrap has no member within the limits of the estimator, or exchanging a column
        makes too many rows.

    References
    ----------
    .. [1] J. Donnelly, S. Katta, C. Rudin, E. Browne, "The Rashomon Importance Distribution:
       Getting RID of Unstable, Single Model-based Variable Importance", NeurIPS 2023.
    """
    if n_bootstraps < 1 or n_members < 1:
        raise ValueError("n_bootstraps, n_members: give at least 1")
    random = check_random_state(random_state)
    table = as_table(X)
    n = table.n_rows
    truth = row_values("y", y, n)
    names = [column.name for column in table.types] if columns is None else list(columns)
    masses: list[dict[int, Fraction]] = [{} for _ in names]
    counts, exact = [], []
    for b in range(n_bootstraps):
        times = np.bincount(random.randint(0, n, n), minlength=n)
        model: Any = clone(estimator)
        model.fit(X, y, sample_weight=times)
        if not model.set_:
            raise ValueError(f"bootstrap {b} has no member: {model.set_.status} ended the search")
        table = as_table(X, like=model.set_.columns)
        drawn = np.flatnonzero(times)
        errors = counted_errors(model.set_, table.take(drawn), truth[drawn], times[drawn])
        members, whole = some_members(model.set_, n_members, random)
        exchanges = [exchange(model.set_, name, errors, most_rows) for name in names]
        found = reliances(members, exchanges)
        share = Fraction(1, n_bootstraps * len(found))
        for mass, values in zip(masses, found.T, strict=True):
            for value, number in zip(*np.unique(values, return_counts=True), strict=True):
                mass[int(value)] = mass.get(int(value), Fraction(0)) + int(number) * share
        counts.append(model.set_.count)
        exact.append(whole)
    out_values, out_mass = {}, {}
    for name, mass in zip(names, masses, strict=True):
        places = sorted(mass)
        out_values[name] = np.array(places, dtype=np.float64) / (n * (n - 1))
        out_mass[name] = np.array([float(mass[place]) for place in places])
    return ImportanceDistribution(out_values, out_mass, tuple(counts), tuple(exact))
