"""All trees that a Rashomon set chooses from: how many there are, their patterns."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from treeml.rashomon.set import RashomonSet

__all__ = ["ManyPatternsError", "Space", "hypothesis_space"]

_BLOCK = 1 << 15  # cells of pair counts that are held at a time


def hypothesis_space(
    members: RashomonSet, *, max_depth: int | None = None, time_limit: float | None = 60.0
) -> int:
    """Number of all trees of a set's definition, whatever their objective.

    They have the depth, labels, ``min_samples_leaf`` and ``drop_trivial`` of the set, and none of
    the columns that ``filter(must_not_use=...)`` left out. What else a filter asks for (columns
    that a member must use, a number of leaves) chooses members and leaves the space as it is.

    The number is T(all rows, depth), where T(S, 0) is the number K of labels that a leaf may have
    and T(S, d) = K + sum of T(S with f, d - 1) T(S without f, d - 1) over the columns f that
    split S: the denominator of the Rashomon ratio [1]_. Columns that split S alike are
    taken together, and depths up to 3 come from counts of pairs.

    Parameters
    ----------
    members : RashomonSet
    max_depth : int, default=None
        None: that of the set.
    time_limit : float or None, default=60.0
        Seconds.

    Returns
    -------
    int
        Of any size, exact.

    Raises
    ------
    TimeoutError
        Where the time limit ends the count.

    References
    ----------
    .. [1] L. Semenova, C. Rudin, R. Parr, "On the Existence of Simpler Machine Learning Models",
       FAccT 2022, arXiv 1908.01755.
    """
    return Space.of(members, max_depth=max_depth).count(time_limit=time_limit)


class ManyPatternsError(Exception):
    """There are at least ``found`` patterns."""

    def __init__(self, found: int) -> None:
        super().__init__(f"{found} patterns or more")
        self.found = found


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """The trees over some rows.

    Parameters
    ----------
    X : ndarray of bool, shape (n_rows, n_columns)
        Distinct rows of positive weight.
    costs : ndarray of int64, shape (n_classes, n_rows)
        Weight of each class in each row, in units of the search.
    rows : ndarray of int64, shape (n_rows,)
        How many rows of the table each stands for.
    max_depth, min_samples_leaf : int
    any_label, drop_trivial : bool
    """

    X: np.ndarray
    costs: np.ndarray
    rows: np.ndarray
    max_depth: int
    min_samples_leaf: int
    any_label: bool
    drop_trivial: bool

    @classmethod
    def of(cls, members: RashomonSet, *, max_depth: int | None = None) -> Space:
        """The space of a set: its rows, columns and definition."""
        search, constraint = members._search, members._constraint
        if max_depth is None:
            depths = (search.max_depth, constraint.max_depth)
            max_depth = min(depth for depth in depths if depth is not None)
        data = search.dataset
        kept = [j for j in range(data.n_columns) if j not in constraint.excluded]
        here = data.statistics[-1] > 0
        matrix = data.matrix()[here][:, kept].astype(bool)
        statistics = data.statistics[:, here]
        if constraint.excluded:
            matrix, row_of = np.unique(matrix, axis=0, return_inverse=True)
            sums = np.zeros((len(statistics), len(matrix)), dtype=np.int64)
            np.add.at(sums.T, row_of.ravel(), statistics.T)
            statistics = sums
        return cls(
            X=matrix,
            costs=statistics[:-1] * search.weights[:, None],
            rows=statistics[-1],
            max_depth=int(max_depth),
            min_samples_leaf=search.min_samples_leaf,
            any_label=search.any_label,
            drop_trivial=search.drop_trivial,
        )

    @staticmethod
    def refuse_conditions(members: RashomonSet) -> None:
        """Refuse a set whose members must use columns or have few leaves."""
        constraint = members._constraint
        if constraint.required or constraint.max_leaf_nodes is not None:
            raise ValueError(
                "the set is filtered by must_use or max_leaf_nodes, which are no part of its "
                "space: give the set without them"
            )

    @property
    def n_labels(self) -> int:
        """Labels that a leaf may have."""
        return len(self.costs) if self.any_label else 1

    def labels(self, rows: np.ndarray) -> list[int]:
        """The labels of a leaf with these rows."""
        if self.any_label:
            return list(range(len(self.costs)))
        return [int(np.argmax(self.costs[:, rows].sum(axis=1)))]

    def count(self, *, time_limit: float | None = None) -> int:
        """Number of trees; see `hypothesis_space`."""
        with threadpool_limits(1, user_api="blas"):  # the matrices are small: threads would wait
            return _Count(self, time_limit).trees(np.arange(len(self.X)), self.max_depth)

    def patterns(
        self, leaf_cost: int, most: int, time_limit: float | None = None
    ) -> dict[int, tuple[int, int]]:
        """Distinct predictions of all trees on the rows, with (fewest leaves, errors) of each.

        Raises
        ------
        ManyPatternsError
            Where there are more than ``most``, or time ends, with a number that they are not
            below: no node has more patterns than the whole, and those of two sides combine freely.
        """
        end = _end(time_limit)
        width = max(1, (len(self.costs) - 1).bit_length())
        columns = [np.flatnonzero(column) for column in self.X.T]
        errors = self.costs.sum(axis=0) - self.costs
        known: dict[tuple[bytes, int], dict[int, tuple[int, int]]] = {}

        def code(rows: np.ndarray, label: int) -> int:
            return sum(label << (width * row) for row in rows.tolist())

        def below(rows: np.ndarray, depth: int) -> dict[int, tuple[int, int]]:
            key = (rows.tobytes(), depth)
            if key in known:
                return known[key]
            if time.perf_counter() >= end:
                raise ManyPatternsError(max(map(len, known.values()), default=1))
            out = {
                code(rows, label): (1, int(errors[label, rows].sum()))
                for label in self.labels(rows)
            }
            for column in columns if depth else ():
                yes = np.intersect1d(rows, column, assume_unique=True)
                no = np.setdiff1d(rows, column, assume_unique=True)
                if min(self.rows[yes].sum(), self.rows[no].sum()) < self.min_samples_leaf:
                    continue
                yeses, noes = below(yes, depth - 1), below(no, depth - 1)
                if len(yeses) * len(noes) > most:
                    raise ManyPatternsError(len(yeses) * len(noes))
                for a, (leaves_a, errors_a) in yeses.items():
                    for b, (leaves_b, errors_b) in noes.items():
                        found = out.get(a | b)
                        if found is None or found[0] > leaves_a + leaves_b:
                            out[a | b] = leaves_a + leaves_b, errors_a + errors_b
                if len(out) > most:
                    raise ManyPatternsError(len(out))
            known[key] = out
            return out

        return below(np.arange(len(self.X)), self.max_depth)


class _Count:
    """The recursion of `hypothesis_space`, with what it knows by row set and depth."""

    def __init__(self, space: Space, time_limit: float | None) -> None:
        self.space = space
        self.end = _end(time_limit)
        self.known: dict[tuple[bytes, int], int] = {}
        exact = int(space.rows.sum()) < 2**24
        self.dtype = np.float32 if exact else np.float64
        self.by_label = space.drop_trivial and not space.any_label
        labels = space.n_labels
        self.stump = labels**2 - (labels if space.drop_trivial and space.any_label else 0)

    def trees(self, rows: np.ndarray, depth: int) -> int:
        """Trees of a depth over some rows, given by their places."""
        depth = min(depth, len(rows) - 1)
        if depth <= 0:
            return self.space.n_labels
        key = (np.packbits(np.isin(np.arange(len(self.space.X)), rows)).tobytes(), depth)
        if key not in self.known:
            _check(self.end, "the count of the hypothesis space")
            self.known[key] = self._trees(rows, depth)
        return self.known[key]

    def _trees(self, rows: np.ndarray, depth: int) -> int:
        columns, times, flat = self._splits(rows)
        if not len(columns):
            return self.space.n_labels
        X = self.space.X[np.ix_(rows, columns)]
        if depth == 1:
            inner = [self.space.n_labels**2] * len(columns)
        elif depth == 2:
            inner = self._depth_two_sides(rows, X, times)
        elif depth == 3 and not self.by_label:
            inner = self._depth_three_sides(rows, X, times)
        else:
            inner = [
                self.trees(rows[yes], depth - 1) * self.trees(rows[~yes], depth - 1) for yes in X.T
            ]
        return self.space.n_labels + sum(
            n * (product - less)
            for n, product, less in zip(times.tolist(), inner, flat.tolist(), strict=True)
        )

    def _splits(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns that split the rows, one for all alike; how many are; trivial splits of each."""
        X, space = self.space.X[rows], self.space
        weights = space.rows[rows]
        ones = weights @ X
        fits = (ones >= space.min_samples_leaf) & (weights.sum() - ones >= space.min_samples_leaf)
        packed = np.ascontiguousarray(np.packbits(X ^ X[0], axis=0).T)
        first: dict[bytes, int] = {}
        alike: dict[int, int] = {}
        for j in np.flatnonzero(fits).tolist():
            j = first.setdefault(packed[j].tobytes(), j)
            alike[j] = alike.get(j, 0) + 1
        columns = np.array(list(alike), dtype=np.intp)
        flat = np.zeros(len(columns), dtype=np.int64)
        if self.by_label:
            yes = space.costs[:, rows] @ X[:, columns]
            no = space.costs[:, rows].sum(axis=1, keepdims=True) - yes
            flat = (yes.argmax(axis=0) == no.argmax(axis=0)).astype(np.int64)
        elif space.drop_trivial:
            flat[:] = space.n_labels
        return columns, np.array(list(alike.values()), dtype=np.int64), flat

    def _depth_two_sides(self, rows: np.ndarray, X: np.ndarray, times: np.ndarray) -> list[int]:
        """Trees of depth 1 where a column holds, times those where it does not."""
        A = X.astype(self.dtype)
        pairs = (A * self.space.rows[rows, None].astype(self.dtype)).T @ A
        size = self.space.rows[rows].sum()
        if not self.by_label:
            return self._stumps(pairs[None], np.array([size]), times)[0].tolist()
        dtype = np.float32 if int(self.space.costs.sum()) < 2**24 else np.float64
        B, costs = X.astype(dtype), self.space.costs[:, rows].astype(dtype)
        both = [(B * c[:, None]).T @ B for c in costs]
        ones, every = costs @ B, costs.sum(axis=1)
        with_f = [one[:, None] - cell for one, cell in zip(ones, both, strict=True)]
        only = [one[None, :] - cell for one, cell in zip(ones, both, strict=True)]
        rest = [n - one[:, None] - g for n, one, g in zip(every, ones, only, strict=True)]
        differ, differ_no = _label(both) != _label(with_f), _label(only) != _label(rest)
        yes, no = self._sides(pairs[None], np.array([size]))
        stumps = [1 + (mask[0] & apart) @ times for mask, apart in ((yes, differ), (no, differ_no))]
        return (stumps[0] * stumps[1]).tolist()

    def _depth_three_sides(self, rows: np.ndarray, X: np.ndarray, times: np.ndarray) -> list[int]:
        """Trees of depth 2 where a column holds, times those where it does not."""
        A, weights = X.astype(self.dtype), self.space.rows[rows]
        unit = bool((weights == 1).all())
        W = A if unit else A * weights[:, None].astype(self.dtype)
        whole, size = W.T @ A, int(weights.sum())
        out: list[int] = []
        step = max(1, _BLOCK // len(times) ** 2)
        for start in range(0, len(times), step):
            _check(self.end, "the count of the hypothesis space")
            block = range(start, min(start + step, len(times)))
            held = [A[X[:, f]] for f in block]
            yes = np.array(
                [a.T @ (a if unit else W[X[:, f]]) for f, a in zip(block, held, strict=True)]
            )
            ones = np.diagonal(whole)[start : block.stop].astype(np.int64)
            of_yes = self._depth_two(yes, ones, times)
            of_no = self._depth_two(whole - yes, size - ones, times)
            out += [a * b for a, b in zip(of_yes, of_no, strict=True)]
        return out

    def _depth_two(self, pairs: np.ndarray, size: np.ndarray, times: np.ndarray) -> list[int]:
        """Trees of depth 2 of several row sets from their pair counts, (n_sets, n, n)."""
        least, labels = self.space.min_samples_leaf, self.space.n_labels
        ones = np.diagonal(pairs, axis1=1, axis2=2)
        splits = (ones >= least) & (size[:, None] - ones >= least)
        less = labels if self.space.drop_trivial else 0
        inner = (self._stumps(pairs, size, times) - less) * times * splits
        return [labels + int(total) for total in inner.sum(axis=1)]

    def _stumps(self, pairs: np.ndarray, size: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Product of the trees of depth 1 on both sides of every column, (n_sets, n)."""
        labels, n = self.space.n_labels, int(times.sum())
        small = n * (labels + self.stump * n) ** 2 < 2**62
        sides = []
        for mask in self._sides(pairs, size):
            splits = (mask.astype(self.dtype) @ times.astype(self.dtype)).astype(np.int64)
            sides.append(labels + self.stump * splits.astype(np.int64 if small else object))
        return sides[0] * sides[1]

    def _sides(self, pairs: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether column g (last) splits the rows where f holds, and those where it does not."""
        least = self.space.min_samples_leaf
        ones = np.diagonal(pairs, axis1=1, axis2=2)
        yes = (pairs >= least) & (ones[:, :, None] - pairs >= least)
        only = ones[:, None, :] - pairs
        no = (only >= least) & ((size[:, None] - ones)[:, :, None] - only >= least)
        return yes, no


def _label(cells: Sequence[np.ndarray]) -> np.ndarray:
    """The class of largest weight, the first of equals."""
    most, label = cells[0], np.zeros(cells[0].shape, dtype=np.int32)
    for k, cell in enumerate(cells[1:], start=1):
        label[cell > most] = k
        most = np.maximum(most, cell)
    return label


def _end(time_limit: float | None) -> float:
    return float("inf") if time_limit is None else time.perf_counter() + time_limit


def _check(end: float, what: str) -> None:
    if time.perf_counter() >= end:
        raise TimeoutError(
            f"time_limit ended {what}; give a larger one, a smaller max_depth or fewer columns"
        )
