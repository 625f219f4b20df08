"""All nearly optimal trees of a table as one object: counted, ordered, drawn from, filtered."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, overload

import numpy as np
from sklearn.utils import check_random_state

from treeml import export
from treeml._core.control import Control, Status
from treeml._core.table import ColumnType, Table
from treeml._core.validation import as_table
from treeml.ir import Predicate, Tree
from treeml.search import build_tree
from treeml.search.rashomon import Constraint, Counted, RashomonSearch

__all__ = ["RashomonSet"]

_MOST_REQUIRED = 6
_MOST_KNOWN_VOTES = 1 << 20


class RashomonSet:
    """All trees whose objective is within a bound, in the order of their objective.

    A tree is a member if its depth is within ``max_depth``, every side of its splits has a
    training row (``min_samples_leaf`` of them), its leaves have labels as ``labels`` allows, and
    errors / total + ``regularization`` x leaves is at most ``bound``. Two trees are different
    where their splits or labels are: neither equal predictions nor equal columns make them one.
    This is the definition of [1]_ with ``labels="majority"``, and of [2]_ with ``labels="any"``.

    Members are held as a graph and made when they are asked for: ``set_[i]``, slices, iteration,
    `sample`, and `rank` the other way round. `filter` gives the set of those that use, or do not
    use, some features, have few leaves, ...: counted, not listed.

    Attributes
    ----------
    count : int
        Number of members, of any size (``len`` ends at 2^63 - 1).
    objective : float
        Least objective, proven.
    bound : float
        Members have an objective of at most this.
    complete : bool
        Whether all members up to the bound that was asked for are here; if a limit ended the
        search, all members up to ``bound`` are, and none beyond.
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
    regularization : float
        Cost of a leaf that was used: a multiple of 1 / total.

    References
    ----------
    .. [1] R. Xin et al., "Exploring the Whole Rashomon Set of Sparse Decision Trees", NeurIPS
       2022.
    .. [2] "PRAXIS", arXiv 2606.00202, ICML 2026.
    """

    def __init__(
        self,
        search: RashomonSearch,
        budget: int,
        counted: Counted | None,
        *,
        class_counts: np.ndarray,
        columns: tuple[ColumnType, ...],
        predicates: Callable[[], tuple[Predicate, ...]],
        classes: np.ndarray,
        control: Control,
        complete: bool = True,
        status: Status = "optimal",
        constraint: Constraint | None = None,
    ) -> None:
        self._search = search
        self._budget = budget
        self._trees = counted
        self._class_counts = class_counts
        self._control = control
        self._constraint = constraint or Constraint()
        self.columns = columns
        self._predicates = predicates
        self.classes = classes
        self.complete = complete
        self.status: Status = status
        self._best: Tree | None = None
        self._asked: np.ndarray | None = None
        self._votes: dict[bytes, tuple[int, ...]] = {}
        self._set_levels([] if counted is None else counted.levels())

    # Size

    @property
    def count(self) -> int:
        return self._after[-1] if self._after else 0

    def __len__(self) -> int:
        if self.count > 2**63 - 1:
            raise OverflowError(
                f"len() ends at 2^63 - 1 and the set is larger: use .count ({self.count})"
            )
        return self.count

    def __bool__(self) -> bool:
        return bool(self._after)

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """The questions that members ask."""
        return self._predicates()

    @property
    def bound(self) -> float:
        return self._search.objective(self._budget)

    @property
    def objective(self) -> float:
        if self._search.optimum is None:
            raise ValueError("the optimum was not proven within the limits")
        return self._search.objective(self._search.optimum)

    @property
    def regularization(self) -> float:
        return self._search.regularization

    @property
    def max_depth(self) -> int:
        return self._search.max_depth

    def __repr__(self) -> str:
        limit = "" if self.complete else f", ended by {self.status}"
        return f"RashomonSet({self.count} trees up to an objective of {self.bound:.6g}{limit})"

    def counts(self, epsilons: Iterable[float]) -> list[int]:
        """Number of members within each (1 + epsilon) times the optimum, from the one count.

        Raises
        ------
        ValueError
            Where an epsilon is past the bound of the set.
        """
        out = []
        for epsilon in epsilons:
            budget = self._search.budget(epsilon=epsilon)
            if budget > self._budget:
                raise ValueError(
                    f"epsilon={epsilon:g} is past the bound of the set, {self.bound:.6g}: "
                    "fit with a larger epsilon"
                )
            out.append(sum(number for cost, _, number in self._levels if cost <= budget))
        return out

    # Histograms

    def by_objective(self) -> dict[float, int]:
        """Number of members of every objective that occurs, the least first."""
        out: dict[float, int] = {}
        for cost, _, number in self._levels:
            objective = self._search.objective(cost)
            out[objective] = out.get(objective, 0) + number
        return out

    def by_leaves(self) -> dict[int, int]:
        """Number of members with every number of leaves that occurs."""
        counted = self._recount(dataclasses.replace(self._constraint, by_leaves=True))
        out: dict[int, int] = {}
        for _, part, number in counted.levels():
            leaves = counted.leaves(part)
            out[leaves] = out.get(leaves, 0) + number
        return dict(sorted(out.items()))

    def simplest(self) -> dict[int, tuple[float, Tree]]:
        """For every number of leaves that occurs the least objective, and a member that has it.

        The first entry is the simplest of all nearly optimal trees.
        """
        counted = self._recount(dataclasses.replace(self._constraint, by_leaves=True))
        out: dict[int, tuple[float, Tree]] = {}
        for cost, part, number in counted.levels():  # the least cost first
            leaves = counted.leaves(part)
            if number and leaves not in out:
                nodes = counted.select(cost, part, 0)
                out[leaves] = self._search.objective(cost), self.build(nodes[:, :3], nodes[:, 3])
        return dict(sorted(out.items()))

    def by_depth(self) -> dict[int, int]:
        """Number of members of every depth that occurs."""
        out, before = {}, 0
        most = self.max_depth
        if self._constraint.max_depth is not None:
            most = min(most, self._constraint.max_depth)
        for depth in range(most + 1):
            within = self.count if depth == most else self.filter(max_depth=depth).count
            if within > before:
                out[depth] = within - before
            before = within
        return out

    def by_feature(self) -> dict[str, int]:
        """Number of members that use each column of the table (at least once)."""
        indices = sorted({p.term.index for p in self.predicates})
        names = [self.columns[index].name for index in indices]
        if not self._counts_uses:
            with_others = [self.filter(must_not_use=[index]).count for index in indices]
            return dict(zip(names, (self.count - n for n in with_others), strict=True))
        place = {index: k for k, index in enumerate(indices)}
        of = np.array([place[p.term.index] for p in self.predicates], dtype=np.int32)
        return dict(zip(names, self._uses(of, len(indices)), strict=True))

    def asked(self) -> np.ndarray:
        """Whether any member asks each predicate, shape (n_predicates,), bool; or may ask it."""
        if self._asked is None:
            n = len(self.predicates)
            self._asked = np.ones(n, dtype=bool)
            if self._counts_uses:
                self._asked = np.array(self._uses(np.arange(n, dtype=np.int32), n)) > 0
        return self._asked

    # Members

    @overload
    def __getitem__(self, index: int) -> Tree: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tree]: ...
    def __getitem__(self, index: int | slice) -> Tree | list[Tree]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self.count)
            return [self._tree(place) for place in range(start, stop, step)]
        place = int(index)
        if place < 0:
            place += self.count
        if not 0 <= place < self.count:
            raise IndexError(f"the set has {self.count} members; there is none at {index}")
        return self._tree(place)

    def __iter__(self) -> Iterator[Tree]:
        place = 0
        while place < self.count:
            yield self._tree(place)
            place += 1

    @property
    def best(self) -> Tree:
        """The first member."""
        if self._best is None:
            self._best = self[0]
        return self._best

    def objective_of(self, index: int) -> float:
        """Objective of the member at a place."""
        return self._search.objective(self._place(index)[0])

    def sample(self, n_samples: int, *, random_state: Any = None) -> list[Tree]:
        """Members drawn uniformly, with replacement: each is as likely as any other, exactly."""
        if not self.count:
            raise ValueError("the set is empty: there is nothing to draw from")
        random = check_random_state(random_state)
        return [self._tree(_below(self.count, random)) for _ in range(n_samples)]

    def rank(self, tree: Tree) -> int | None:
        """The place of a tree among the members; None where it is none.

        Parameters
        ----------
        tree : Tree
            With the predicates of the set.
        """
        nodes = self._nodes(tree)
        found = None if nodes is None else self._counted().rank(nodes)
        if found is None:
            return None
        for after, (cost, part, number) in zip(self._after, self._levels, strict=True):
            if (cost, part) == found[:2]:
                return after - number + found[2]
        return None

    def __contains__(self, tree: object) -> bool:
        return isinstance(tree, Tree) and self.rank(tree) is not None

    # Parts of the set

    def filter(
        self,
        *,
        must_use: Iterable[Any] = (),
        must_not_use: Iterable[Any] = (),
        max_leaf_nodes: int | None = None,
        max_depth: int | None = None,
        epsilon: float | None = None,
    ) -> RashomonSet:
        """The members that meet conditions, as a set; they are counted, not listed.

        Parameters
        ----------
        must_use : sequence of str, int or Predicate
            Columns of the table (name or position) or single predicates: a member uses each of
            them. At most 6 together with those of earlier filters.
        must_not_use : sequence of str, int or Predicate
            A member uses none of them.
        max_leaf_nodes, max_depth : int, default=None
        epsilon : float, default=None
            Within (1 + epsilon) times the optimum of the whole set.

        Returns
        -------
        RashomonSet

        Raises
        ------
        ValueError
            For an unknown column, or where the limits of the fit end the count.
        """
        old = self._constraint
        required = (*old.required, *(self._columns_of(what) for what in must_use))
        if len(required) > _MOST_REQUIRED:
            raise ValueError(
                f"must_use: {len(required)} features are more than the {_MOST_REQUIRED} that can "
                "be asked for at once"
            )
        excluded = old.excluded.union(*(self._columns_of(what) for what in must_not_use))
        constraint = Constraint(
            excluded=excluded,
            required=required,
            max_leaf_nodes=_least(old.max_leaf_nodes, max_leaf_nodes),
            max_depth=_least(old.max_depth, max_depth),
        )
        budget = self._budget
        if epsilon is not None:
            budget = min(budget, self._search.budget(epsilon=epsilon))
        return self._made(budget, self._recount(constraint, budget), constraint)

    # Votes

    def answers(self, X: Any) -> np.ndarray:
        """Answers of rows to ``predicates``, shape (n_rows, n_predicates), uint8, 1 for yes."""
        table = X if isinstance(X, Table) else as_table(X, like=self.columns)
        out = np.empty((table.n_rows, len(self.predicates)), dtype=np.uint8)
        for j, predicate in enumerate(self.predicates):
            out[:, j] = predicate.holds(table)
        return out

    def votes(self, X: Any) -> np.ndarray:
        """How many members give each row each class.

        Parameters
        ----------
        X : table, shape (n_rows, n_columns), or Table

        Returns
        -------
        ndarray of object, shape (n_rows, n_classes)
            Integers of any size; every row sums to ``count``.

        Raises
        ------
        ValueError
            Where the limits of the fit end the count.
        """
        distinct, row_of = np.unique(self.answers(X), axis=0, return_inverse=True)
        keys = [row.tobytes() for row in distinct]
        new = [k for k, key in enumerate(keys) if key not in self._votes]
        if new:
            found = self._count_votes(distinct[new])
            if len(self._votes) + len(new) > _MOST_KNOWN_VOTES:
                self._votes.clear()
            self._votes.update((keys[k], tuple(row)) for k, row in zip(new, found, strict=True))
        out = np.empty((len(keys), len(self.classes)), dtype=object)
        for k, key in enumerate(keys):
            out[k] = self._votes[key]
        return out[row_of.ravel()]

    def vote_shares(self, X: Any) -> np.ndarray:
        """`votes` divided by ``count``, float64: the nearest float to each exact share."""
        count = self.count
        if not count:
            raise ValueError("the set is empty: there is nobody to vote")
        votes = self.votes(X)
        shares = {number: float(Fraction(number, count)) for number in set(votes.ravel().tolist())}
        return np.array([[shares[number] for number in row] for row in votes.tolist()]).reshape(
            -1, len(self.classes)
        )

    # Files

    def to_json(self, *, members: int = 100) -> str:
        """Size, histogram and the first members, for other programs.

        Numbers of trees are strings: they may be larger than what JSON readers hold.
        """
        from treeml.rashomon.file import describe

        return describe(self, self._listed(members))

    def to_timbertrek(self, *, members: int = 1000) -> str:
        """The first members in the JSON that TimberTrek shows (Wang et al., IEEE VIS 2022).

        Raises
        ------
        ValueError
            For more than two classes.
        """
        return export.timbertrek(self._listed(members), self.predicates)

    def report(
        self,
        path: str | Path,
        X: Any = None,
        y: Any = None,
        *,
        groups: Any = None,
        members: int = 200,
        random_state: Any = 0,
    ) -> None:
        """Write one html page that explains the set, with an explorer of its members.

        Parameters
        ----------
        path : str or Path
        X : table, shape (n_rows, n_columns), default=None
            Rows to say on which of them members disagree, seen in training or not.
        y : array-like, shape (n_rows,), default=None
            Their true classes: adds the accuracy of each listed member.
        groups : array-like, shape (n_rows,), default=None
            Their groups: adds the accuracy in each, and the largest gap, to filter by.
        members : int, default=200
            Members that are listed: all, or the first ones by objective and others drawn
            uniformly.
        random_state : int, RandomState or None, default=0
            Of the draw.
        """
        from treeml.rashomon.report import report_html

        html = report_html(self, X, y, groups=groups, members=members, random_state=random_state)
        Path(path).write_text(html, encoding="utf-8")

    def save(self, path: str | Path) -> None:
        """Write the set to a file; `load` counts it again when a member is asked for.

        The file holds the distinct training rows as 0/1 answers, with their class counts.
        """
        from treeml.rashomon.file import write

        Path(path).write_text(write(self), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> RashomonSet:
        """Read a set that `save` wrote.

        Raises
        ------
        ValueError
            Where the file holds no set of this release or an older one.
        """
        from treeml.rashomon.file import read

        return read(Path(path).read_text(encoding="utf-8"))

    # How

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_trees": None, "_votes": {}}

    @property
    def _counts_uses(self) -> bool:
        """Whether one sweep counts the members that use each feature."""
        one_part = not self._constraint.required and self._constraint.max_leaf_nodes is None
        return bool(self.count and one_part and not self._search.drop_trivial)

    def _uses(self, feature_of: np.ndarray, n_features: int) -> list[int]:
        counts, status = self._counted().uses(feature_of, n_features, self._control)
        if counts is None:
            raise ValueError(f"{status} ended the count; fit with larger limits")
        return counts

    def _set_levels(self, levels: list[tuple[int, int, int]]) -> None:
        """Numbers of members by cost and part."""
        self._levels = levels
        self._after = list(itertools.accumulate(number for _, _, number in levels))

    def _counted(self) -> Counted:
        if self._trees is None:
            self._trees = self._recount(self._constraint)
            if self._trees.levels() != self._levels:
                raise ValueError("the set does not come out as it was saved: the file was changed")
        return self._trees

    def _recount(self, constraint: Constraint, budget: int | None = None) -> Counted:
        counted, status = self._search.count(
            self._budget if budget is None else budget, self._control, constraint
        )
        if counted is None:
            raise ValueError(f"{status} ended the count; fit with larger limits")
        return counted

    def _made(self, budget: int, counted: Counted, constraint: Constraint) -> RashomonSet:
        return RashomonSet(
            self._search,
            budget,
            counted,
            class_counts=self._class_counts,
            columns=self.columns,
            predicates=self._predicates,
            classes=self.classes,
            control=self._control,
            complete=self.complete or budget < self._budget,
            status=self.status,
            constraint=constraint,
        )

    def _count_votes(self, matrix: np.ndarray) -> np.ndarray:
        if not self.count or len(self.classes) == 1:
            return np.full((len(matrix), len(self.classes)), self.count, dtype=object)
        counted, status = self._search.trace(matrix, self._budget, self._control, self._constraint)
        if counted is not None:
            if counted.levels() != self._levels:
                raise AssertionError("the rows that vote changed the number of trees: a defect")
            votes, status = counted.votes(len(self.classes), self._control)
            if votes is not None:
                return votes
        raise ValueError(f"{status} ended the count of votes; fit with larger limits")

    def _place(self, index: int) -> tuple[int, int, int]:
        """Cost, part and rank of the member at a place."""
        level = bisect.bisect_right(self._after, index)
        cost, part, number = self._levels[level]
        return cost, part, index - (self._after[level] - number)

    def build(self, nodes: np.ndarray, labels: np.ndarray | None = None) -> Tree:
        """The IR of nodes (column, if_true, if_false) of the search, shape (n_nodes, 3)."""
        return build_tree(
            nodes,
            self._search.dataset,
            self._class_counts,
            columns=self.columns,
            predicate=self.predicates.__getitem__,
            classes=self.classes,
            class_weight=self._search.class_weight,
            labels=labels,
        )

    def _tree(self, index: int) -> Tree:
        nodes = self._counted().select(*self._place(index))
        return self.build(nodes[:, :3], nodes[:, 3])

    def _nodes(self, tree: Tree) -> np.ndarray | None:
        """A tree as the search has it; None where it has other predicates or classes."""
        place = {predicate: j for j, predicate in reversed(list(enumerate(self.predicates)))}
        if any(predicate not in place for predicate in tree.predicates):
            return None
        label = {value: k for k, value in enumerate(self.classes.tolist())}
        if any(value not in label for value in tree.classes.tolist()):
            return None
        inner = tree.predicate >= 0
        column = np.full(tree.n_nodes, -1, dtype=np.int32)
        column[inner] = [place[tree.predicates[k]] for k in tree.predicate[inner]]
        labels = np.array([label[tree.classes[k]] for k in tree.label], dtype=np.int32)
        labels[inner] = -1
        return np.column_stack([column, tree.if_true, tree.if_false, labels])

    def _listed(self, members: int) -> list[tuple[float, Tree]]:
        shown = min(members, self.count)
        return [(self.objective_of(i), self._tree(i)) for i in range(shown)]

    def _columns_of(self, what: Any) -> frozenset[int]:
        """Columns of the dataset that ask about a column of the table, or are a predicate."""
        if isinstance(what, Predicate):
            if what not in self.predicates:
                raise ValueError(f"the set has no predicate {what.text()!r}")
            return frozenset(j for j, p in enumerate(self.predicates) if p == what)
        names = [column.name for column in self.columns]
        if isinstance(what, str):
            if what not in names:
                raise ValueError(f"no column is called {what!r}; there are {', '.join(names)}")
            what = names.index(what)
        if not 0 <= int(what) < len(names):
            raise ValueError(f"there is no column {what}; the table has {len(names)}")
        return frozenset(j for j, p in enumerate(self.predicates) if p.term.index == int(what))


def _below(count: int, random: np.random.RandomState) -> int:
    """A number below ``count``, all of them equally likely."""
    bits = (count - 1).bit_length()
    while True:
        drawn = int.from_bytes(random.bytes((bits + 7) // 8), "little") & ((1 << bits) - 1)
        if drawn < count:
            return drawn


def _least(a: int | None, b: int | None) -> int | None:
    return min((x for x in (a, b) if x is not None), default=None)
