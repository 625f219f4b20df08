"""How much the members of a Rashomon set rely on each column: a cloud of members, and its hull."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from treeml._core.exact import as_decimal
from treeml.ir import Tree
from treeml.rashomon.ranges import (
    CountedErrors,
    Exchange,
    Range,
    check_members,
    exact_range,
    exchange_all,
    row_values,
)
from treeml.rashomon.set import RashomonSet, _below

__all__ = ["ImportanceCloud", "importance_cloud", "importance_extent"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ImportanceCloud:
    """Members of a set as points, a coordinate for their reliance on each column.

    Parameters
    ----------
    columns : tuple of str
    reliance : ndarray of float64, shape (n_members, n_columns)
        What the error rises by where a column is exchanged between all pairs of rows.
    all_members : bool
        Whether the points are all members; else they were drawn uniformly, with replacement.
    trees : list of Tree
        The members.
    """

    columns: tuple[str, ...]
    reliance: np.ndarray
    all_members: bool
    trees: list[Tree]

    @property
    def correlation(self) -> np.ndarray:
        """Of the reliances of each pair of columns, shape (n_columns, n_columns).

        Columns that stand in for each other have negative ones; nan where a column's reliance
        does not vary.
        """
        centred = self.reliance - self.reliance.mean(axis=0)
        product = centred.T @ centred
        spread = np.sqrt(np.diag(product))
        with np.errstate(invalid="ignore", divide="ignore"):
            return product / np.outer(spread, spread)


def importance_cloud(
    set_: RashomonSet,
    X: Any,
    y: Any,
    *,
    columns: Iterable[str] | None = None,
    n_members: int = 1000,
    most_rows: int = 20000,
    random_state: Any = 0,
) -> ImportanceCloud:
    """The variable importance cloud of a set: reliances of its members on each column [1]_.

    Each point is exact. The extents of the cloud over all members, also those that were not
    drawn, are those of `importance_extent`.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table
        Two rows or more.
    y : array-like of shape (n_rows,)
    columns : sequence of str, default=None
        Columns of the table; None: all that members may ask about.
    n_members : int, default=1000
        Points: all members, or so many drawn uniformly.
    most_rows : int, default=20000
        Most different rows that may come from exchanging one column.
    random_state : int, RandomState or None, default=0
        Of the draw.

    Returns
    -------
    ImportanceCloud

    Raises
    ------
    ValueError
        For an empty set, an unknown column, fewer than two rows, or where exchanging makes too many
        rows.

    References
    ----------
    .. [1] J. Dong, C. Rudin, "Exploring the cloud of variable importance for the set of all good
       models", Nature Machine Intelligence 2, 2020.
    """
    check_members(set_)
    if n_members < 1:
        raise ValueError(f"n_members={n_members}: draw at least one")
    names = _names(set_, columns)
    errors = counted_errors(set_, X, y)
    exchanges = [exchange(set_, name, errors, most_rows) for name in names]
    nodes, whole = some_members(set_, n_members, random_state)
    values = reliances(nodes, exchanges)
    scale = np.array([of.scale for _, of in exchanges], dtype=np.int64)
    trees = [set_.build(tree[:, :3], tree[:, 3]) for tree in nodes]
    return ImportanceCloud(tuple(names), values / scale, whole, trees)


def importance_extent(
    set_: RashomonSet, X: Any, y: Any, direction: Mapping[str, float], *, most_rows: int = 20000
) -> Range:
    """The ends of the importance cloud of all members in a direction, exactly.

    The least and the greatest value of a weighted sum of reliances: a supporting line of the
    cloud's hull on either side.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table
        Two rows or more.
    y : array-like of shape (n_rows,)
    direction : mapping of str to float
        Weight of each column, read as its shortest decimal: ``{"age": 1, "income": -1}`` says how
        far members can rely on age more than on income.
    most_rows : int, default=20000
        Most different rows that may come from exchanging one column.

    Returns
    -------
    Range

    Raises
    ------
    ValueError
        As `importance_cloud`, and where the limits of the fit end the search.

    References
    ----------
    .. [1] J. Dong, C. Rudin, "Exploring the cloud of variable importance for the set of all good
       models", Nature Machine Intelligence 2, 2020.
    """
    check_members(set_)
    names = _names(set_, direction)
    weights = [Fraction(*as_decimal(float(direction[name]))) for name in names]
    unit = int(np.lcm.reduce([weight.denominator for weight in weights], dtype=object))
    errors = counted_errors(set_, X, y)
    rows, scores, scale = [], [], 1
    for name, weight in zip(names, weights, strict=True):
        asked, of = exchange(set_, name, errors, most_rows)
        if not asked:  # nobody relies on it
            continue
        rows.append(of.rows)
        scores.append(of.scores * int(weight * unit))
        scale = of.scale
    if not rows:
        return Range(Fraction(0), Fraction(0), set_.best, set_.best)
    return exact_range(set_, np.vstack(rows), np.vstack(scores), scale * unit)


def _names(set_: RashomonSet, columns: Iterable[str] | None) -> list[str]:
    if columns is None:
        return [set_.columns[k].name for k in sorted({p.term.index for p in set_.predicates})]
    out = list(columns)
    if not out:
        raise ValueError("columns: name at least one")
    for name in out:
        set_._columns_of(name)
    return out


def counted_errors(
    set_: RashomonSet, X: Any, y: Any, times: np.ndarray | None = None
) -> CountedErrors:
    """The errors of each class on the rows of a table."""
    answers = set_.answers(X) * set_.asked()  # what no member asks tells no rows apart
    truth = row_values("y", y, len(answers))
    wrong = (truth[:, None] != set_.classes[None, :]).astype(np.int64)
    return CountedErrors.of(answers, wrong, times)


def exchange(
    set_: RashomonSet, name: str, errors: CountedErrors, most_rows: int
) -> tuple[list[int], Exchange]:
    """A column exchanged between all pairs of rows, and the predicates that ask about it."""
    asked = sorted(j for j in set_._columns_of(name) if set_.asked()[j])
    found = exchange_all(errors, asked, most_rows)
    if found is None:
        raise ValueError(
            f"exchanging {name!r} makes more than most_rows={most_rows} different rows; give fewer "
            "rows, or a larger limit"
        )
    return asked, found


def some_members(
    set_: RashomonSet, n_members: int, random_state: Any
) -> tuple[list[np.ndarray], bool]:
    """All members as nodes (column, if_true, if_false, label), or some drawn uniformly."""
    whole = set_.count <= n_members
    random = check_random_state(random_state)
    places = range(set_.count) if whole else (_below(set_.count, random) for _ in range(n_members))
    counted = set_._counted()
    return [counted.select(*set_._place(place)) for place in places], whole


def reliances(members: list[np.ndarray], exchanges: list[tuple[list[int], Exchange]]) -> np.ndarray:
    """Reliances of trees times the scale, shape (n_members, n_exchanges), int64."""
    out = np.zeros((len(members), len(exchanges)), dtype=np.int64)
    uses = [set(nodes[nodes[:, 0] >= 0, 0].tolist()) for nodes in members]
    for k, (asked, of) in enumerate(exchanges):
        using = [m for m, used in enumerate(uses) if not used.isdisjoint(asked)]
        if not using:  # what a tree does not ask about changes no answer
            continue
        columns = np.ascontiguousarray(of.rows.T).astype(bool)
        flat, first = of.scores.ravel(), np.arange(len(of.rows)) * of.scores.shape[1]
        for m in using:
            out[m, k] = flat[first + labels_of(members[m], columns)].sum()
    return out


def labels_of(nodes: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Classes that a tree gives rows, shape (n_rows,); answers by predicate, then row."""
    below: dict[int, Any] = {}
    for at in range(len(nodes) - 1, -1, -1):  # children come later
        column, if_true, if_false, label = nodes[at].tolist()
        if column < 0:
            below[at] = label
        else:
            below[at] = np.where(columns[column], below.pop(if_true), below.pop(if_false))
    return below[0]
