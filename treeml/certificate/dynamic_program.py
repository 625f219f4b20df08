"""The naive program of the checker: the least objective, by recursion over sets of rows.

It is written to be read, not to win: for a set of rows and a depth, try every question, solve
both sides, keep the best, remember the answer. The last two levels are read off the counts of
pairs of answers, which are matrix products. Nothing of any search is used.

Two shortcuts, each valid at sight. Rows with equal answers to every question are never parted,
so of each such group all but its heaviest class is lost in every tree (the floor); and a tree
with l leaves costs at least l times the cost of a leaf plus the floor, so no tree below a given
cost has more leaves, or is deeper, than that leaves room for.
"""

from __future__ import annotations

import math

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = ["CostProgram", "DynamicProgram", "OutOfWorkError"]

_BLOCK = 1 << 20  # cells of a pair matrix that are in memory at a time
_VISIT = 50.0  # split evaluations that take as long as looking at a set of rows


class OutOfWorkError(Exception):
    """The work budget is used up."""


class DynamicProgram:
    """Least objective of any decision tree over given answers.

    Parameters
    ----------
    answers : ndarray of bool, shape (n_rows, n_predicates)
        Answers of every row to every question.
    codes : ndarray of int, shape (n_rows,)
        Class of every row.
    cost : ndarray of float64, shape (n_rows,)
        What misclassifying the row adds to the objective.
    n_classes : int
        Number of classes.
    leaf_cost : float
        What a leaf adds to the objective.
    min_samples_leaf : int
        Fewest rows in a leaf; the tree of one leaf is always allowed.
    max_leaf_nodes : int or None, default=None
        Most leaves of a tree.
    """

    def __init__(
        self,
        answers: np.ndarray,
        codes: np.ndarray,
        cost: np.ndarray,
        n_classes: int,
        leaf_cost: float,
        min_samples_leaf: int,
        max_leaf_nodes: int | None = None,
    ) -> None:
        stats = np.zeros((len(codes), n_classes))
        stats[np.arange(len(codes)), codes] = cost
        self._start(answers, stats, leaf_cost, min_samples_leaf, max_leaf_nodes)

    def _start(
        self,
        answers: np.ndarray,
        stats: np.ndarray,
        leaf_cost: float,
        min_samples_leaf: int,
        max_leaf_nodes: int | None,
    ) -> None:
        """Take the rows in, ``stats`` of each of them; those with equal answers are added up."""
        self.max_leaves = math.inf if max_leaf_nodes is None else max_leaf_nodes
        self.leaf_cost, self.least = leaf_cost, max(1, min_samples_leaf)
        rows = np.hstack([np.ones((len(answers), 1), dtype=np.uint8), np.packbits(answers, axis=1)])
        _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        group = group.ravel()
        self.n_groups = len(first)
        sums = [np.bincount(group, column, self.n_groups) for column in stats.T]
        self.stats = np.stack(sums, axis=1)
        self.size = np.bincount(group, minlength=self.n_groups).astype(np.float64)
        self.floor = self._loss(self.stats)
        self.answers = _different(answers[first])
        self.evaluations = 0.0
        self._known: dict[tuple[bytes, int, float], tuple[float, bool]] = {}
        self._budget = math.inf

    def estimate(self, max_depth: int | None, limit: float) -> float:
        """Split evaluations that `least_below` takes at most, reuse and pruning left aside."""
        depth, p = self._depth(max_depth, limit, float(self.floor.sum())), self.answers.shape[1]
        depth = int(min(depth, self.max_leaves - 1))
        if p < 1 or depth < 1:
            return 1.0
        shares = 1 if self.max_leaves >= 2.0**depth else self.max_leaves
        last = float(p) ** min(depth, 2) * self._price(self.n_groups) + _VISIT
        power = max(0, depth - 2) * math.log10(2.0 * p * shares) + math.log10(last)
        sets = p * math.log10(3.0) + math.log10(p * last * shares)  # a question: yes, no, not asked
        return 10.0 ** min(power, sets, 300.0)

    def least_below(self, max_depth: int | None, limit: float, budget: float) -> float:
        """Least objective where that is below ``limit``; any value from ``limit`` up otherwise.

        Raises
        ------
        OutOfWorkError
            Where that takes more than ``budget`` split evaluations.
        """
        self._budget = budget
        rows = np.arange(self.n_groups)
        leaf = self._loss(self.stats.sum(axis=0)) + self.leaf_cost  # allowed whatever its size
        depth = self.n_groups if max_depth is None else max_depth
        with threadpool_limits(1, user_api="blas"):  # the matrices are small: threads would wait
            return min(float(leaf), self._solve(rows, depth, self.max_leaves, limit))

    def _spend(self, work: float) -> None:
        self.evaluations += work
        if self.evaluations > self._budget:
            raise OutOfWorkError

    def _price(self, n_rows: int) -> float:
        """Work of one split evaluation: a unit for up to 1,000 rows and two classes."""
        return max(1.0, n_rows / 1000.0) * max(1.0, self.stats.shape[1] / 2.0)

    def _depth(self, depth: int | None, limit: float, floor: float) -> int:
        """The depth that trees of cost below ``limit`` can have at most."""
        depth = self.n_groups - 1 if depth is None else min(depth, self.n_groups - 1)
        if self.leaf_cost > 0 and limit < math.inf:
            leaves = math.floor((limit - floor) / self.leaf_cost + 1e-6)
            depth = min(depth, leaves - 1)
        return max(depth, 0)

    @staticmethod
    def _loss(weights: np.ndarray) -> np.ndarray:
        """Cost of all but the heaviest class; classes on the last axis."""
        return weights.sum(axis=-1) - weights.max(axis=-1)

    def _solve(self, rows: np.ndarray, depth: int, leaves: float, limit: float) -> float:
        """Least cost of a subtree over ``rows`` if below ``limit``, else a value from it up."""
        self._spend(_VISIT)
        size = self.size[rows].sum()
        if size < self.least:
            return math.inf
        leaf = float(self._loss(self.stats[rows].sum(axis=0))) + self.leaf_cost
        floor = float(self.floor[rows].sum())
        depth = int(min(depth, len(rows) - 1, leaves - 1))
        if leaves >= min(2.0**depth, len(rows)):
            leaves = math.inf
        split = floor + 2 * self.leaf_cost
        if depth <= 0 or size < 2 * self.least or leaf <= split or split >= limit:
            return leaf if depth <= 0 or size < 2 * self.least else min(leaf, max(split, limit))
        inside = np.zeros(self.n_groups, dtype=bool)
        inside[rows] = True
        key = (np.packbits(inside).tobytes(), depth, leaves)
        cost, exact = self._known.get(key, (-math.inf, False))
        if exact or cost >= limit:
            return cost
        room = self._depth(depth, limit, floor)
        if room <= 2:
            best = min(leaf, self._last_levels(rows, room, leaves))
            exact = room == depth or best < limit
        else:
            best = min(leaf, self._split(rows, room, leaves, min(leaf, limit)))
            exact = best < limit
        self._known[key] = (best if exact else limit, exact)
        return best if exact else limit

    def _split(self, rows: np.ndarray, depth: int, leaves: float, limit: float) -> float:
        """Least cost of a subtree with a question at its root, if below ``limit``."""
        best = math.inf
        shares = [math.inf] if leaves == math.inf else [float(k) for k in range(1, int(leaves))]
        answers, size, floor = self.answers[rows], self.size[rows], self.floor[rows]
        for question in range(answers.shape[1]):
            yes = answers[:, question]
            if not yes.any() or yes.all():
                continue
            if min(size[yes].sum(), size[~yes].sum()) < self.least:
                continue
            sides = (rows[yes], rows[~yes])
            spare = [float(floor[yes].sum()), float(floor[~yes].sum())]
            first = int(len(sides[1]) > len(sides[0]))
            for share in shares:
                other = math.inf if share == math.inf else leaves - share
                cut = min(best, limit) - spare[1 - first] - self.leaf_cost
                large = self._solve(sides[first], depth - 1, share, cut)
                if large >= cut:
                    continue
                small = self._solve(sides[1 - first], depth - 1, other, min(best, limit) - large)
                best = min(best, large + small)
        return best

    def _last_levels(self, rows: np.ndarray, depth: int, leaves: float) -> float:
        """Least cost of a subtree with a question at its root and depth 1 or 2."""
        answers = self.answers[rows]
        ones = np.count_nonzero(answers, axis=0)
        A = answers[:, (ones > 0) & (ones < len(rows))].astype(np.float64)
        n_questions = A.shape[1]
        self._spend(n_questions**depth * self._price(len(rows)))
        if not n_questions:
            return math.inf
        stats, size = self.stats[rows], self.size[rows]
        channels = [*stats.T, size] if self.least > 1 else list(stats.T)
        total = np.array([channel.sum() for channel in channels])
        yes = np.stack([channel @ A for channel in channels], axis=-1)
        if depth == 1:
            return float((self._leaves(yes) + self._leaves(total - yes)).min())
        best, step = math.inf, max(1, _BLOCK // n_questions)
        for start in range(0, n_questions, step):
            block = slice(start, start + step)
            both = [A[:, block].T @ (A * channel[:, None]) for channel in channels]
            best = min(best, self._pairs(both, yes, total, block, leaves))
        return best

    def _pairs(
        self,
        both: list[np.ndarray],
        yes: np.ndarray,
        total: np.ndarray,
        block: slice,
        leaves: float,
    ) -> float:
        """Least cost of depth 2 with a root question of the block, from counts of pairs.

        ``both[c][i, j]`` is the sum of channel c over rows that answer yes to i and to j; the
        channels are the classes and, where leaves have a least size, the rows.
        """
        first = yes[block]
        sides = []
        for inside in (True, False):
            whole = first if inside else total - first
            left = both if inside else [yes[:, c] - pair for c, pair in enumerate(both)]
            right = [whole[:, c, None] - pair for c, pair in enumerate(left)]
            parted = self._leaves_of(left) + self._leaves_of(right)
            one = self._leaves(whole)
            sides.append((one, np.minimum(one, parted.min(axis=1))))
        (one, two), (other_one, other_two) = sides
        if leaves < 4:  # one side is a leaf
            return float(np.minimum(one + other_two, two + other_one).min())
        return float((two + other_two).min())

    def _leaves(self, sums: np.ndarray) -> np.ndarray:
        """Cost of leaves with the given channel sums; channels on the last axis."""
        return self._leaves_of([sums[..., c] for c in range(sums.shape[-1])])

    def _leaves_of(self, channels: list[np.ndarray]) -> np.ndarray:
        cost = self._loss_of(channels[: self.stats.shape[1]]) + self.leaf_cost
        return np.where(channels[-1] < self.least, math.inf, cost) if self.least > 1 else cost

    @staticmethod
    def _loss_of(channels: list[np.ndarray]) -> np.ndarray:
        """`_loss` of one array a class."""
        heaviest, weight = channels[0], channels[0]
        for channel in channels[1:]:
            heaviest, weight = np.maximum(heaviest, channel), weight + channel
        return weight - heaviest


class CostProgram(DynamicProgram):
    """Least objective of any tree of actions: a leaf costs what its cheapest action does.

    Parameters
    ----------
    answers : ndarray of bool, shape (n_rows, n_predicates)
        Answers of every row to every question.
    costs : ndarray of float64, shape (n_rows, n_actions)
        What each action adds to the objective in the row.
    leaf_cost, min_samples_leaf, max_leaf_nodes
        As in `DynamicProgram`.
    """

    def __init__(
        self,
        answers: np.ndarray,
        costs: np.ndarray,
        leaf_cost: float,
        min_samples_leaf: int,
        max_leaf_nodes: int | None = None,
    ) -> None:
        self._start(answers, costs, leaf_cost, min_samples_leaf, max_leaf_nodes)

    @staticmethod
    def _loss(weights: np.ndarray) -> np.ndarray:
        return weights.min(axis=-1)

    @staticmethod
    def _loss_of(channels: list[np.ndarray]) -> np.ndarray:
        cost = channels[0]
        for channel in channels[1:]:
            cost = np.minimum(cost, channel)
        return cost


def _different(answers: np.ndarray) -> np.ndarray:
    """The columns that part the rows differently: no constants, no equals, no complements."""
    flipped = answers ^ answers[:1]  # a column and its complement become equal
    _, first = np.unique(np.packbits(flipped, axis=0), axis=1, return_index=True)
    first = np.sort(first)
    return answers[:, first[flipped[:, first].any(axis=0)]]
