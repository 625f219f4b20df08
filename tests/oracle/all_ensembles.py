"""Oracle for ensembles of fewest cuts, written without sight of any solver: tables over row sets.

A row is right when more than half of the trees say its class. Rows are numbered; a set of them is
an integer whose bit r stands for row r.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

__all__ = [
    "enumerated_fewest_cuts", "fewest_cuts", "least_errors", "price", "tree_sizes",
]  # fmt: skip


def tree_sizes(X01: Sequence[Sequence[int]], codes: Sequence[int]) -> list[float]:
    """For every set of rows the fewest cuts of a tree that is right on all of them (inf: none)."""
    n = len(codes)
    ones = {sum(1 << r for r in range(n) if X01[r][c]) for c in range(len(X01[0]))}
    sizes: list[float] = [0.0] * (1 << n)
    for rows in range(1, 1 << n):
        if len({codes[r] for r in range(n) if rows >> r & 1}) < 2:
            continue
        best = math.inf
        for one in ones:
            yes, no = rows & one, rows & ~one
            if yes and no:
                best = min(best, sizes[yes] + sizes[no] + 1)
        sizes[rows] = best
    return sizes


def _least_by_votes(sizes: list[float], n: int, n_trees: int, largest: bool) -> np.ndarray:
    """Fewest cuts for every vector of right votes, capped at a majority: digits to that base."""
    base = n_trees // 2 + 2
    states = np.arange(base**n)
    digits = np.array([states // base**r % base for r in range(n)])
    grows = [np.where(digits[r] < base - 1, base**r, 0) for r in range(n)]
    least = np.full(base**n, math.inf)
    least[0] = 0
    for _ in range(n_trees):
        after = np.full(base**n, math.inf)
        for rows, size in enumerate(sizes):
            if math.isinf(size):
                continue
            to = states + sum(grows[r] for r in range(n) if rows >> r & 1)
            cost = np.maximum(least, size) if largest else least + size
            np.minimum.at(after, to, cost)
        least = after
    return least


def _errors(n: int, n_trees: int, weights: Sequence[int]) -> np.ndarray:
    """Weight of the rows without a majority, for every vector of votes."""
    base = n_trees // 2 + 2
    states = np.arange(base**n)
    wrong = [np.where(states // base**r % base < base - 1, weights[r], 0) for r in range(n)]
    return np.sum(wrong, axis=0)


def fewest_cuts(
    X01: Sequence[Sequence[int]],
    codes: Sequence[int],
    n_trees: int,
    *,
    weights: Sequence[int] | None = None,
    budget: int = 0,
    largest: bool = False,
) -> float:
    """Fewest cuts of all trees, or of the largest, with errors of at most ``budget``."""
    n = len(codes)
    least = _least_by_votes(tree_sizes(X01, codes), n, n_trees, largest)
    allowed = _errors(n, n_trees, [1] * n if weights is None else weights) <= budget
    return float(least[allowed].min(initial=math.inf))


def least_errors(
    X01: Sequence[Sequence[int]],
    codes: Sequence[int],
    n_trees: int,
    *,
    weights: Sequence[int] | None = None,
    largest: bool = False,
) -> dict[int, int]:
    """For every number of cuts the least errors with no more of them, until they end to fall."""
    n = len(codes)
    least = _least_by_votes(tree_sizes(X01, codes), n, n_trees, largest)
    errors = _errors(n, n_trees, [1] * n if weights is None else weights)
    top = int(least[np.isfinite(least)].max())
    return {cuts: int(errors[least <= cuts].min()) for cuts in range(top + 1)}


def price(
    trees: Sequence[Sequence[tuple[int, int, int, int]]],
    X01: Sequence[Sequence[int]],
    codes: Sequence[int],
    weights: Sequence[int] | None = None,
) -> tuple[int, int, int]:
    """Cuts of all trees, cuts of the largest, and errors, row by row.

    A node is (column, node if 1, node if 0, class), column -1 at a leaf.
    """
    wrong = 0
    for r, row in enumerate(X01):
        right = 0
        for tree in trees:
            node = 0
            while tree[node][0] >= 0:
                node = tree[node][1] if row[tree[node][0]] else tree[node][2]
            right += tree[node][3] == codes[r]
        if 2 * right <= len(trees):
            wrong += 1 if weights is None else weights[r]
    sizes = [sum(node[0] >= 0 for node in tree) for tree in trees]
    return sum(sizes), max(sizes), wrong


def enumerated_fewest_cuts(
    X01: Sequence[Sequence[int]], codes: Sequence[int], n_trees: int, most: int
) -> float:
    """`fewest_cuts` by writing down the answers of all trees one by one; inf above ``most``."""
    n = len(codes)
    classes = sorted(set(codes))
    columns = sorted({tuple(X01[r][c] for r in range(n)) for c in range(len(X01[0]))})
    by_cuts: list[set[tuple[int, ...]]] = [{(k,) * n for k in classes}]
    for cuts in range(1, most + 1):
        by_cuts.append(set())
        for column in columns:
            for left in range(cuts):
                for yes, no in itertools.product(by_cuts[left], by_cuts[cuts - 1 - left]):
                    by_cuts[cuts].add(
                        tuple(a if c else b for c, a, b in zip(column, yes, no, strict=True))
                    )
    right: list[set[tuple[bool, ...]]] = [
        {tuple(a == k for a, k in zip(answers, codes, strict=True)) for answers in known}
        for known in by_cuts
    ]
    for total in range(most + 1):
        for split in itertools.combinations_with_replacement(range(total + 1), n_trees):
            if sum(split) != total:
                continue
            for trees in itertools.product(*(right[k] for k in split)):
                if all(2 * sum(votes) > n_trees for votes in zip(*trees, strict=True)):
                    return total
    return math.inf
