"""All nearly optimal trees: exact integers in, the native graph, numbers of trees and trees out."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from treeml._core.control import Control, Status
from treeml._core.exact import as_decimal, rounded_product
from treeml._ext import rashomon as native
from treeml.binarize.dataset import BinaryDataset
from treeml.search.class_weight import integer_class_weights

if TYPE_CHECKING:
    from treeml.search.ranges import GreatestScores

__all__ = ["Constraint", "Counted", "RashomonSearch"]

_STATUS: tuple[Status, ...] = ("optimal", "time_limit", "memory_limit", "interrupted")
_MOST_COSTS = 1 << 20
_MOST_WEIGHT = 2**31 - 1
_PRIMES = tuple(  # the largest below 2^61; their product passes 2^960, where counts end
    2**61 - k
    for k in (1, 31, 45, 229, 259, 283, 339, 391, 403, 465, 531, 579, 675, 759, 799, 819, 829)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Constraint:
    """Which trees of a set are meant.

    Parameters
    ----------
    excluded : frozenset of int
        Columns of the dataset that no tree uses.
    required : tuple of frozenset of int
        Sets of columns; a tree uses one of each.
    max_leaf_nodes, max_depth : int or None
    by_leaves : bool
        Count them by number of leaves too.
    """

    excluded: frozenset[int] = frozenset()
    required: tuple[frozenset[int], ...] = ()
    max_leaf_nodes: int | None = None
    max_depth: int | None = None
    by_leaves: bool = False


class RashomonSearch:
    """The trees over a dataset whose cost is near the least one.

    The cost of a tree is errors + ``leaf_cost`` x leaves, integers; its objective is that divided
    by ``total``. Trees are told apart by their splits and labels; each side of a split has a row
    (``min_samples_leaf`` rows).

    Parameters
    ----------
    dataset : BinaryDataset
        With class counts.
    max_depth : int
    regularization : float
        Cost of a leaf in units of the total; what is used is the nearest multiple of 1 / total,
        and at least one.
    min_samples_leaf : int, default=1
    class_weight : ndarray of shape (n_classes,), "balanced" or None, default=None
    any_label : bool, default=True
        Leaves may have any class; else the one of largest weight, the first of equals.
    drop_trivial : bool, default=False
        No split into two leaves of one class.

    Raises
    ------
    ValueError
        Where leaves would be free, or the weights have no small common grid.
    """

    def __init__(
        self,
        dataset: BinaryDataset,
        *,
        max_depth: int,
        regularization: float,
        min_samples_leaf: int = 1,
        class_weight: np.ndarray | str | None = None,
        any_label: bool = True,
        drop_trivial: bool = False,
    ) -> None:
        per_class = dataset.statistics[:-1].sum(axis=1)
        weights, factor = integer_class_weights(per_class, class_weight)
        total = sum(int(w) * int(n) for w, n in zip(weights, per_class, strict=True))
        if total <= 0:
            raise ValueError("all rows have weight 0; give at least one row a positive weight")
        if total > _MOST_WEIGHT:
            raise ValueError(
                f"the weights add up to {total} units of their common grid, and trees are counted "
                f"by costs of up to {_MOST_WEIGHT}: give weights that are multiples of a larger "
                "unit, or a resolution"
            )
        if regularization <= 0:
            raise ValueError("regularization=0: without a cost of leaves the set has no end")
        self.dataset = dataset
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.any_label = any_label
        self.drop_trivial = drop_trivial
        self.total = total
        self.leaf_cost = max(1, rounded_product(regularization, total))
        self.weights = weights
        self.class_weight = weights / factor
        self.optimum: int | None = None
        self._native: native.RashomonSearch | None = None

    @property
    def regularization(self) -> float:
        """The cost of a leaf that is used, in units of the total."""
        return self.leaf_cost / self.total

    def objective(self, cost: int) -> float:
        return cost / self.total

    def find_optimum(self, control: Control) -> tuple[int, int, np.ndarray, Status]:
        """Cost of the best tree found, bound, nodes of the tree, status."""
        cost, lower, nodes, stop, raised = self._search().optimum(
            self.max_depth, **_limits(control), stop_after=_polls(control)
        )
        _raise(raised)
        if cost == lower:
            self.optimum = cost
        status: Status = "optimal" if cost == lower else _STATUS[stop]
        return cost, lower, np.array(nodes, dtype=np.int32).reshape(-1, 3), status

    def budget(self, *, epsilon: float | None = None, max_regret: float | None = None) -> int:
        """Largest cost of a set: the floor of the exact product or sum.

        Raises
        ------
        ValueError
            Where the histogram would have too many costs.
        """
        assert self.optimum is not None
        if epsilon is not None:
            above, below = as_decimal(epsilon)
            bound = self.optimum + self.optimum * above // below
        else:
            assert max_regret is not None
            above, below = as_decimal(max_regret)
            bound = self.optimum + self.total * above // below
        if bound - self.optimum > _MOST_COSTS:
            raise ValueError(
                f"the set has {bound - self.optimum} different costs, more than {_MOST_COSTS}: "
                "the common grid of the weights is too fine; give a resolution, such as 1000 "
                "over the largest weight"
            )
        return bound

    def count(
        self, budget: int, control: Control, constraint: Constraint | None = None
    ) -> tuple[Counted | None, Status]:
        """All trees of a cost of ``budget`` or less; None where a limit ended it."""
        assert self.optimum is not None
        return self._count(self._search(), self.optimum, budget, control, constraint)

    def count_as_far(
        self, budget: int, control: Control
    ) -> tuple[Counted | None, int | None, Status]:
        """`count`, or all trees up to a smaller budget, and that budget.

        The whole budget gets the larger part of the time. Where it does not suffice, budgets
        grow from the optimum on as long as the rest lasts.
        """
        assert self.optimum is not None
        start = time.perf_counter()

        def left(share: float) -> Control:
            if control.time_limit is None:
                return control
            rest = max(0.0, control.time_limit - (time.perf_counter() - start))
            return dataclasses.replace(control, time_limit=share * rest)

        counted, status = self.count(budget, left(0.6))
        if counted is not None:
            return counted, budget, status
        reached = None
        slack = budget - self.optimum
        for part in sorted({slack * k // 16 for k in (0, 1, 2, 4, 8, 12)}):
            limits = left(1.0)
            if status == "interrupted":  # only what takes no time
                limits = dataclasses.replace(limits, time_limit=0.2)
            found, _ = self.count(self.optimum + part, limits)
            if found is None:
                break
            counted, reached = found, self.optimum + part
        return counted, reached, status

    def trace(
        self, matrix: np.ndarray, budget: int, control: Control, constraint: Constraint
    ) -> tuple[Counted | None, Status]:
        """The same trees, ready to vote on rows.

        Parameters
        ----------
        matrix : ndarray of 0 and 1, shape (n_rows, n_columns)
            Answers of the rows to the predicates, all different.
        """
        assert self.optimum is not None
        known = self.dataset.matrix()
        packed = BinaryDataset.from_zero_one(np.vstack([known, matrix]))
        assert packed is not None
        assert packed.row_of is not None
        statistics = np.zeros((len(self.dataset.statistics), packed.n_rows), dtype=np.int64)
        statistics[:, packed.row_of[: len(known)]] = self.dataset.statistics
        rows = packed.row_of[len(known) :]
        traced = np.zeros(packed.n_rows, dtype=np.uint8)
        traced[rows] = 1
        search = self._make(packed.columns, packed.n_rows, statistics, traced)
        counted, status = self._count(search, self.optimum, budget, control, constraint)
        if counted is not None:
            counted.order = np.argsort(np.argsort(rows))
        return counted, status

    def ranges(
        self, matrix: np.ndarray, scores: Any, budget: int, control: Control, constraint: Constraint
    ) -> tuple[list[GreatestScores] | None, Status]:
        """Greatest scores of the same trees; see `greatest_scores`."""
        from treeml.search.ranges import greatest_scores

        counted, status = self.trace(matrix, budget, control, constraint)
        return (None, status) if counted is None else greatest_scores(counted, scores, control)

    def _count(
        self,
        search: native.RashomonSearch,
        optimum: int,
        budget: int,
        control: Control,
        constraint: Constraint | None,
    ) -> tuple[Counted | None, Status]:
        constraint = constraint or Constraint()
        n_columns = self.dataset.n_columns
        depth = self.max_depth
        if constraint.max_depth is not None:
            depth = min(depth, constraint.max_depth)
        leaves = constraint.max_leaf_nodes or 0
        if constraint.by_leaves and not leaves:
            leaves = max(1, min(2 ** min(depth, 30), budget // self.leaf_cost))
        marks = [0] * n_columns
        for k, columns in enumerate(constraint.required):
            for j in columns:
                marks[j] |= 1 << k
        trees = native.RashomonSet(
            search,
            max_depth=depth,
            budget=budget,
            optimum=optimum,
            any_label=self.any_label,
            drop_trivial=self.drop_trivial,
            max_leaves=leaves,
            excluded=[int(j in constraint.excluded) for j in range(n_columns)]
            if constraint.excluded
            else (),
            marks=marks if constraint.required else (),
            n_marks=len(constraint.required),
        )
        complete, stop, raised = trees.count(**_limits(control), stop_after=_polls(control))
        _raise(raised)
        if not complete:
            return None, _STATUS[stop]
        return Counted(trees, len(constraint.required), leaves > 0), "optimal"

    def _search(self) -> native.RashomonSearch:
        if self._native is None:
            data = self.dataset
            self._native = self._make(data.columns, data.n_rows, data.statistics, None)
        return self._native

    def _make(
        self, columns: np.ndarray, n_rows: int, statistics: np.ndarray, traced: np.ndarray | None
    ) -> native.RashomonSearch:
        return native.RashomonSearch(
            columns,
            n_rows,
            np.ascontiguousarray(statistics),
            self.weights,
            leaf_cost=self.leaf_cost,
            min_samples_leaf=min(self.min_samples_leaf, 2**31 - 1),
            traced=traced,
        )

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_native": None}


class Counted:
    """A counted set: numbers of trees by cost and part, and its trees.

    A part has the trees that use certain required columns and, where it was asked for, have a
    certain number of leaves. Only parts with all required columns are members.
    """

    def __init__(self, trees: native.RashomonSet, n_required: int, by_leaves: bool) -> None:
        self._trees = trees
        self._n_required = n_required
        self._by_leaves = by_leaves
        self.least, self._numbers = trees.histogram()
        self.order: np.ndarray | None = None

    @property
    def parts(self) -> list[int]:
        """The parts whose trees are members."""
        every = (1 << self._n_required) - 1
        return [part for part in range(len(self._numbers)) if part & every == every]

    def leaves(self, part: int) -> int:
        """Leaves of the trees of a part, where they were counted by leaves."""
        return (part >> self._n_required) + 1

    def levels(self) -> list[tuple[int, int, int]]:
        """(cost, part, number of members), by cost and part; none of them 0."""
        parts = self.parts
        n_costs = len(self._numbers[0]) if self._numbers else 0
        return [
            (self.least + i, part, self._numbers[part][i])
            for i in range(n_costs)
            for part in parts
            if self._numbers[part][i]
        ]

    def select(self, cost: int, part: int, rank: int) -> np.ndarray:
        """A tree as nodes (column, if_true, if_false, label), depth first, yes first."""
        nodes = self._trees.select(cost, part, rank)
        return np.array(nodes, dtype=np.int32).reshape(-1, 4)

    def rank(self, nodes: np.ndarray) -> tuple[int, int, int] | None:
        """(cost, part, rank) of a tree; None where it is not a member."""
        found = self._trees.rank([tuple(row) for row in nodes.tolist()])
        return found if found is not None and found[1] in self.parts else None

    def votes(self, n_classes: int, control: Control) -> tuple[np.ndarray | None, Status]:
        """How many members give each traced row each class, shape (n_rows, n_classes), ints."""
        counted = [int(part in self.parts) for part in range(max(1, len(self._numbers)))]
        value, status = self._by_remainders(control, functools.partial(self._trees.votes, counted))
        if value is None:
            return None, status
        votes = np.array(value, dtype=object).reshape(n_classes - 1, -1).T
        votes = np.hstack([self._count() - votes.sum(axis=1, keepdims=True), votes])
        return votes if self.order is None else votes[self.order], status

    def uses(
        self, features: np.ndarray, n_features: int, control: Control
    ) -> tuple[list[int] | None, Status]:
        """How many members use each feature at least once, where there is one part.

        Parameters
        ----------
        features : ndarray of int32, shape (n_columns,)
            That of each column of the dataset, below ``n_features``.
        """
        count = functools.partial(self._trees.uses, features, n_features=n_features)
        return self._by_remainders(control, count)

    def _count(self) -> int:
        return sum(number for _, _, number in self.levels())

    def _by_remainders(
        self, control: Control, count: Callable[..., tuple[bool, list[int], int, list]]
    ) -> tuple[list[int] | None, Status]:
        """Numbers of members; past 2^64 from remainders (Chinese remainder theorem)."""
        most = self._count()
        value: list[int] = []
        product = 1
        for prime in (0,) if most < 2**64 else _primes(most):
            complete, found, stop, raised = count(
                modulus=prime, **_limits(control), stop_after=_polls(control)
            )
            _raise(raised)
            if not complete:
                return None, _STATUS[stop]
            if not value:
                value, product = found, prime
                continue
            inverse = pow(product, -1, prime)
            value = [
                v + product * ((r - v) * inverse % prime) for v, r in zip(value, found, strict=True)
            ]
            product *= prime
        return value, "optimal"

    def counters(self) -> dict[str, int]:
        """Sizes of the graph."""
        return self._trees.counters()


def _primes(count: int) -> list[int]:
    """Distinct primes whose product is larger than a number."""
    out, product = [], 1
    for prime in _PRIMES:
        if product <= count:
            out.append(prime)
            product *= prime
    return out


def _limits(control: Control) -> dict[str, Any]:
    return {
        "time_limit": -1.0 if control.time_limit is None else control.time_limit,
        "memory_limit": -1 if control.memory_limit is None else control.memory_limit,
    }


def _polls(control: Control) -> int:
    return -1 if control.stop_after is None else control.stop_after


def _raise(raised: list[BaseException]) -> None:
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
