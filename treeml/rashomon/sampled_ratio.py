"""The Rashomon ratio by importance sampling, for sets that are too large to count."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import t as student
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from treeml.rashomon.hypothesis_space import Space
from treeml.rashomon.set import RashomonSet

__all__ = ["Proposal", "SampledRatio", "sampled_ratio"]

_SLOPES = (0.5, 1.0, 2.0, 4.0, 8.0)
_MOST_KNOWN = 1 << 16  # nodes of a proposal


class Proposal:
    """Random trees that tend to be good, with the probability of each.

    From the root down, a node takes one of its options: a leaf of each label it may have, or a
    split. An option is taken with probability (1 - ``mixed``) times a share that falls as
    exp(-slope x cost), plus ``mixed`` times the same for all. The cost of a split is what the
    best trees of depth 1 (0 at the last level) on its two sides cost. Every slope has the same
    number of draws, and the probability of a tree is the mean of those that it has with each of
    them (the mixture of [1]_): no slope that suits few trees makes a weight large.

    Parameters
    ----------
    space : Space
    leaf_cost : int
    slopes : sequence of float
    mixed : float

    References
    ----------
    .. [1] A. Owen, Y. Zhou, "Safe and Effective Importance Sampling", JASA 95, 2000.
    """

    def __init__(
        self, space: Space, leaf_cost: int, *, slopes: Sequence[float], mixed: float = 0.1
    ) -> None:
        self.space = space
        self.leaf_cost = leaf_cost
        self.slopes = np.array(slopes)
        self.mixed = mixed
        self._known: dict[tuple[bytes, int], tuple[np.ndarray, ...]] = {}

    def draw(self, n: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Costs and log probabilities of ``n`` trees, shape (n,), by slope and in no random order.

        Trees with a split into two leaves of one class, where the space has none, cost infinity.
        """
        every = np.arange(len(self.space.X))
        share, more = divmod(n, len(self.slopes))
        parts = [
            self._draw(every, self.space.max_depth, share + (k < more), k, random)[:2]
            for k in range(len(self.slopes))
        ]
        cost, log_q = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cost, logsumexp(log_q, axis=1) - math.log(len(self.slopes))

    def _draw(
        self, rows: np.ndarray, depth: int, n: int, slope: int, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Costs, log probabilities with every slope, labels where a tree is a leaf, else -1."""
        columns, labels, leaves, p, log_p = self._options(rows, depth)
        n_leaves = len(labels)
        taken = random.multinomial(n, p[:, slope])
        at_leaf = np.repeat(np.arange(n_leaves), taken[:n_leaves])
        parts = [(leaves[at_leaf], log_p[at_leaf], labels[at_leaf])]
        for option in np.flatnonzero(taken[n_leaves:]).tolist():
            k, yes = int(taken[n_leaves + option]), self.space.X[rows, columns[option]]
            cost, log_q, label = self._draw(rows[yes], depth - 1, k, slope, random)
            cost_no, log_q_no, label_no = self._draw(rows[~yes], depth - 1, k, slope, random)
            order = random.permutation(k)  # those of a node come sorted by their root
            cost = cost + cost_no[order]
            if self.space.drop_trivial:
                cost = np.where((label >= 0) & (label == label_no[order]), np.inf, cost)
            log_q = log_q + log_q_no[order] + log_p[n_leaves + option]
            parts.append((cost, log_q, np.full(k, -1)))
        cost, log_q, label = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cost, log_q, label

    def _options(self, rows: np.ndarray, depth: int) -> tuple[np.ndarray, ...]:
        """Columns, labels, costs of the leaves, probabilities of all by slope, their logarithms."""
        key = (rows.tobytes(), depth)
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            columns, labels, cost = self._costs(rows, depth)
            share = np.exp(-self.slopes * (cost - cost.min())[:, None])
            p = (1 - self.mixed) * share / share.sum(axis=0) + self.mixed / len(cost)
            self._known[key] = columns, labels, cost[: len(labels)], p, np.log(p)
        return self._known[key]

    def _costs(self, rows: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns, labels, and the costs of the leaves and then the splits."""
        space = self.space
        weights, per_class = space.rows[rows], space.costs[:, rows].sum(axis=1)
        labels = np.array(space.labels(rows))
        leaves = (per_class.sum() - per_class[labels] + self.leaf_cost).astype(float)
        if not depth:
            return np.empty(0, dtype=np.intp), labels, leaves
        ones = weights @ space.X[rows]
        fits = np.minimum(ones, weights.sum() - ones) >= space.min_samples_leaf
        columns = np.flatnonzero(fits)
        if not len(columns):
            return columns, labels, leaves
        return columns, labels, np.concatenate([leaves, self._split_costs(rows, columns, depth)])

    def _split_costs(self, rows: np.ndarray, columns: np.ndarray, depth: int) -> np.ndarray:
        """What the best trees of depth 1, or 0, on the two sides of every column cost."""
        X = self.space.X[np.ix_(rows, columns)].astype(np.float64)
        costs = self.space.costs[:, rows].astype(np.float64)
        ones, every = costs @ X, costs.sum(axis=1)[:, None]

        def leaf(cell: np.ndarray) -> np.ndarray:
            return cell.sum(axis=0) - cell.max(axis=0) + self.leaf_cost

        if depth == 1:
            return leaf(ones) + leaf(every - ones)
        both = np.array([(X * cost[:, None]).T @ X for cost in costs])
        rest = ones[:, None, :] - both
        yes = leaf(both) + leaf(ones[:, :, None] - both)
        no = leaf(rest) + leaf(every[:, :, None] - ones[:, :, None] - rest)
        yes, no = yes.min(axis=1), no.min(axis=1)
        return np.minimum(yes, leaf(ones)) + np.minimum(no, leaf(every - ones))


@dataclasses.dataclass(frozen=True, slots=True)
class SampledRatio:
    """A Monte-Carlo estimate of the Rashomon ratio.

    Parameters
    ----------
    log10, log10_low, log10_high : float
        Decimal logarithms of the estimate and of the ends of its interval.
    effective_sample_size : float
        (Sum of weights)^2 / sum of their squares, over the draws that are members.
    n_members, n_samples : int
        Draws that are members, and all.
    space : int
        Number of all trees.
    """

    log10: float
    log10_low: float
    log10_high: float
    effective_sample_size: float
    n_members: int
    n_samples: int
    space: int

    @property
    def is_reliable(self) -> bool:
        """Whether the effective sample size is 30 or more; below, intervals tend to be too low."""
        return self.effective_sample_size >= 30

    @property
    def ratio(self) -> float:
        """May round to 0 where the logarithm is finite."""
        return 10.0**self.log10

    @property
    def interval(self) -> tuple[float, float]:
        return 10.0**self.log10_low, 10.0**self.log10_high


def sampled_ratio(
    members: RashomonSet,
    *,
    n_samples: int = 10_000,
    bound: float | None = None,
    max_depth: int | None = None,
    space: int | None = None,
    confidence: float = 0.95,
    random_state: Any = None,
) -> SampledRatio:
    """The Rashomon ratio by importance sampling, for sets too large to count, or as a check.

    Trees T come from `Proposal` q, with five slopes (0.5, 1, 2, 4, 8 over the bound's distance
    from the least cost). With rho uniform over all trees, the ratio is the mean of rho(T) / q(T)
    over the draws with an objective within the bound, which has no bias. The interval is that of
    the mean's logarithm by the delta method, with the quantile of Student's t at (effective sample
    size - 1) degrees of freedom; where no draw is a member it is (1 / space, 1) and says nothing.
    With few columns it covers the exact ratio as often as it says; with many, draws may miss most
    of a large set and their weights not tell (``is_reliable``).

    Parameters
    ----------
    members : RashomonSet
        Gives rows, predicates, definition and, by default, bound and depth.
    n_samples : int, default=10000
    bound : float, default=None
        Objective.
    max_depth : int, default=None
    space : int, default=None
        Number of all trees where it is known; else it is counted.
    confidence : float, default=0.95
    random_state : int, RandomState or None

    Returns
    -------
    SampledRatio

    Raises
    ------
    ValueError
        For a set filtered by ``must_use`` or ``max_leaf_nodes``, fewer than 10 draws, a
        confidence outside (0, 1), a bound that is not finite.
    TimeoutError
        Where the space is not given and takes longer than a minute to count.
    """
    Space.refuse_conditions(members)
    if n_samples < 10:
        raise ValueError(f"n_samples={n_samples}: give 10 or more")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: give a number between 0 and 1")
    if bound is not None and not math.isfinite(bound):
        raise ValueError(f"bound={bound}: give an objective")
    search, trees = members._search, Space.of(members, max_depth=max_depth)
    budget = members._budget
    if bound is not None:
        budget = _largest_cost(bound, search.total)
    space = trees.count(time_limit=60.0) if space is None else space
    random = check_random_state(random_state)
    with threadpool_limits(1, user_api="blas"):  # the matrices are small: threads would wait
        scale = search.leaf_cost if search.optimum is None else max(1, budget - search.optimum)
        proposal = Proposal(trees, search.leaf_cost, slopes=[k / scale for k in _SLOPES])
        cost, log_q = proposal.draw(n_samples, random)
    inside = cost <= budget
    log_space = math.log(space)
    if not inside.any():
        least = -math.log10(space)
        return SampledRatio(-math.inf, least, 0.0, 0.0, 0, n_samples, space)
    shift = float((-log_q[inside]).max())
    weights = np.where(inside, np.exp(-log_q - shift), 0.0)
    mean = float(weights.mean())
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    spread = float(weights.std(ddof=1)) / mean / math.sqrt(n_samples)
    half = spread * float(student.ppf((1 + confidence) / 2, max(1.0, effective - 1)))
    log = math.log(mean) + shift - log_space
    low, high = max(log - half, -log_space), min(log + half, 0.0)
    return SampledRatio(
        log / math.log(10),
        low / math.log(10),
        high / math.log(10),
        effective,
        int(inside.sum()),
        n_samples,
        space,
    )


def _largest_cost(bound: float, total: int) -> int:
    """The largest cost whose objective, as a float, is at most the bound."""
    cost = math.floor(bound * total) + 1
    while cost / total > bound:
        cost -= 1
    return cost
