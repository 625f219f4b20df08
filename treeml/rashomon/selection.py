"""The simplest member that does no group much worse than a reference, with a proof or a gap."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog

from treeml._core.control import Status
from treeml._core.exact import as_decimal
from treeml._core.table import Table
from treeml._core.validation import as_table
from treeml.ir import Tree
from treeml.rashomon.importance import labels_of
from treeml.rashomon.ranges import check_members, merged_rows, row_values
from treeml.rashomon.set import RashomonSet
from treeml.search.ranges import GreatestScores, greatest_scores
from treeml.search.rashomon import Counted

__all__ = ["GroupCost", "Selection", "select"]

_GRID = 1 << 12  # of the weights of groups
_FIRST = 3  # so many numbers of leaves are looked at before the others are counted


@dataclasses.dataclass(frozen=True, slots=True)
class GroupCost:
    """What the selected member costs a group.

    Parameters
    ----------
    rows : int
    reference, selected : Fraction
        Accuracy of the reference and of the member on the group's rows.
    """

    rows: int
    reference: Fraction
    selected: Fraction

    @property
    def drop(self) -> Fraction:
        """Accuracy that is lost; negative where it is gained."""
        return self.reference - self.selected


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The simplest member whose accuracy falls in no group by more than was allowed.

    Parameters
    ----------
    tree : Tree or None
        With the fewest leaves, and of those that were found the one of the least objective; None
        where none was found.
    groups : dict of object to GroupCost
        By the value of the group; empty without a tree.
    undecided : tuple of int
        Numbers of leaves, fewer than those of the tree, at which some member may still do: neither
        was one found nor is it refuted that there is one.
    """

    tree: Tree | None
    groups: dict[Any, GroupCost]
    undecided: tuple[int, ...]

    @property
    def is_simplest(self) -> bool:
        """Whether it is proven that no member with fewer leaves does; without a tree, that none."""
        return not self.undecided


def select(
    set_: RashomonSet,
    X: Any,
    y: Any,
    groups: Any,
    *,
    reference: Any,
    max_group_drop: float,
    most_listed: int = 2000,
) -> Selection:
    """The simplest member that is in no group much less accurate than a reference model.

    Numbers of leaves are tried from the smallest on. At each, the greatest weighted sum of the
    groups' margins over all members is found for weights that make it small: below 0 it refutes all
    of them at once (Lagrangian bound; the weights come from the members found so far, by cutting
    planes). Where no weights refute and no member found does, members are listed if they are few;
    else the number of leaves stays undecided, and the result says so.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), or Table
        Any rows, not only those of the fit.
    y : array-like of shape (n_rows,)
    groups : array-like of shape (n_rows,)
        Any number of different values.
    reference : estimator, Tree or array-like of shape (n_rows,)
        What has ``predict(X)``, or its predictions.
    max_group_drop : float
        Most accuracy that a group may lose, read as its shortest decimal; negative: least accuracy
        that each must gain.
    most_listed : int, default=2000
        Most members of one number of leaves that are listed.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        For an empty set, or where the limits of the fit end the search.
    """
    check_members(set_)
    answers = set_.answers(X)
    truth = row_values("y", y, len(answers))
    group = row_values("groups", groups, len(answers))
    if not len(answers):
        raise ValueError("select needs a row")
    given = row_values("reference", _predicted(set_, reference, X), len(answers))
    names, group_of = np.unique(group, return_inverse=True)
    sizes = np.bincount(group_of)
    held = np.bincount(group_of, weights=given == truth).astype(np.int64)
    # a margin is right answers, times what makes the threshold whole, less the threshold
    drop = Fraction(*as_decimal(float(max_group_drop)))
    unit = drop.denominator
    least = held * unit - drop.numerator * sizes
    right = (truth[:, None] == set_.classes[None, :]).astype(np.int64) * unit
    by_group = [right * (group_of == k)[:, None] for k in range(len(names))]
    search = _Search(set_, *merged_rows(answers, by_group), least, most_listed)
    undecided = []
    for leaves in search.leaves:
        found, is_decided = search.among(leaves)
        if found is not None:
            sums = search.margins(found) + least
            costs = {
                name: GroupCost(int(n), Fraction(int(a), int(n)), Fraction(int(b), int(n) * unit))
                for name, n, a, b in zip(names.tolist(), sizes, held, sums, strict=True)
            }
            tree = set_.build(found[:, :3], found[:, 3])
            return Selection(tree, costs, tuple(undecided))
        if not is_decided:
            undecided.append(leaves)
    return Selection(None, {}, tuple(undecided))


def _predicted(set_: RashomonSet, reference: Any, X: Any) -> Any:
    """Classes that a model gives rows, or the classes themselves."""
    if isinstance(reference, Tree):
        return reference.predict(X if isinstance(X, Table) else as_table(X, like=set_.columns))
    return reference.predict(X) if hasattr(reference, "predict") else reference


class _Search:
    """Members by number of leaves, and their margins in each group.

    Parameters
    ----------
    set_ : RashomonSet
    rows : ndarray of 0 and 1, shape (n_rows, n_predicates)
    right : list of ndarray of int64, shape (n_rows, n_classes)
        What a row adds to each group's sum under each label.
    least : ndarray of int64, shape (n_groups,)
        What the sums must reach.
    most_listed : int
    """

    def __init__(
        self,
        set_: RashomonSet,
        rows: np.ndarray,
        right: list[np.ndarray],
        least: np.ndarray,
        most_listed: int,
    ) -> None:
        self._set, self._rows, self._right = set_, rows, right
        self._least, self._most_listed = least, most_listed
        self._columns = np.ascontiguousarray(rows.T).astype(bool)
        self.leaves = list(set_.by_leaves())
        self._trace(self.leaves[:_FIRST][-1])

    def _trace(self, most: int) -> None:
        """Count the members with so many leaves and fewer: the rest may not be needed."""
        set_ = self._set
        constraint = dataclasses.replace(set_._constraint, max_leaf_nodes=most, by_leaves=True)
        counted, status = set_._search.trace(self._rows, set_._budget, set_._control, constraint)
        self._most = most
        self._counted: Counted = _ended(status) if counted is None else counted
        self._swept: list[tuple[np.ndarray, GreatestScores]] = []

    def margins(self, nodes: np.ndarray) -> np.ndarray:
        """Of a tree in each group, int64: it does where none is negative."""
        labels = labels_of(nodes, self._columns)
        at = np.arange(len(self._rows))
        return np.array([right[at, labels].sum() for right in self._right]) - self._least

    def among(self, leaves: int) -> tuple[np.ndarray | None, bool]:
        """A member with so many leaves that does, or whether there is proven to be none."""
        if leaves > self._most:
            self._trace(self.leaves[-1])
        points: list[np.ndarray] = []
        known = 0
        while True:
            if known == len(self._swept):
                self._sweep(_hardest(np.array(points)) if points else np.ones_like(self._least))
            weights, found = self._swept[known]
            known += 1
            greatest, tied = self._greatest(found, leaves)
            if greatest < weights @ self._least:
                return None, True
            for nodes in tied:
                if (self.margins(nodes) >= 0).all():
                    return nodes, True
            point = self.margins(tied[0])
            is_new = not any((point == other).all() for other in points)
            if is_new:
                points.append(point)
            elif known == len(self._swept):  # the weights were made for these points
                return self._listed(leaves)

    def _sweep(self, weights: np.ndarray) -> None:
        """The greatest weighted sums of the members, of every number of leaves."""
        scores = sum(int(w) * right for w, right in zip(weights, self._right, strict=True))
        found, status = greatest_scores(self._counted, [scores], self._set._control)
        self._swept.append((weights, _ended(status) if found is None else found[0]))

    def _greatest(self, found: GreatestScores, leaves: int) -> tuple[int, list[np.ndarray]]:
        """The greatest score of members with so many leaves, and who has it, cheap ones first."""
        levels = [level for level in found.levels if self._counted.leaves(level[1]) == leaves]
        best = max(score for _, _, score in levels)
        return best, [found.attaining(cost, part) for cost, part, s in levels if s == best]

    def _listed(self, leaves: int) -> tuple[np.ndarray | None, bool]:
        """The first member with so many leaves that does, where they are few enough to list."""
        counted = self._counted
        levels = [level for level in counted.levels() if counted.leaves(level[1]) == leaves]
        if sum(number for _, _, number in levels) > self._most_listed:
            return None, False
        for cost, part, number in levels:
            for rank in range(number):
                nodes = counted.select(cost, part, rank)
                if (self.margins(nodes) >= 0).all():
                    return nodes, True
        return None, True


def _hardest(points: np.ndarray) -> np.ndarray:
    """Weights of groups that make the greatest weighted sum of the points least, integers.

    Any weights give a valid bound, so that rounding costs nothing but strength.
    """
    scale = np.abs(points).max() or 1
    n_groups = points.shape[1]
    target = np.zeros(n_groups + 1)
    target[-1] = 1
    over = np.hstack([points / scale, -np.ones((len(points), 1))])
    one = np.append(np.ones(n_groups), 0)[None, :]
    bounds = [(0, None)] * n_groups + [(None, None)]
    found = linprog(target, over, np.zeros(len(points)), one, [1.0], bounds)
    if not found.success:
        return np.ones(n_groups, dtype=np.int64)
    weights = np.rint(found.x[:-1] * _GRID).astype(np.int64)
    return weights if weights.any() else np.ones(n_groups, dtype=np.int64)


def _ended(status: Status) -> Any:
    raise ValueError(f"{status} ended the search for a member; fit with larger limits")
