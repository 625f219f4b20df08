"""Brute force over trees of actions: every split, every division of the leaves, exact numbers."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np


def least_cost(
    X: np.ndarray,
    costs: list[list[Fraction]],
    leaf_cost: Fraction,
    *,
    max_depth: int | None,
    max_leaf_nodes: int | None,
    min_samples_leaf: int,
) -> Fraction:
    """Least sum of costs plus leaf cost for each leaf; the tree of one leaf is always allowed."""
    answers = X.astype(bool).T
    n_rows, n_actions = len(costs), len(costs[0])

    def leaf(rows: tuple[int, ...]) -> Fraction:
        return min(sum(costs[r][a] for r in rows) for a in range(n_actions)) + leaf_cost

    @functools.cache
    def solve(rows: tuple[int, ...], depth: int, leaves: int) -> Fraction | None:
        best = leaf(rows) if len(rows) >= min_samples_leaf else None
        if depth == 0 or leaves == 1:
            return best
        for column in answers:
            yes = tuple(r for r in rows if column[r])
            no = tuple(r for r in rows if not column[r])
            if not yes or not no:
                continue
            for share in {min(leaves - 1, len(yes))} if leaves >= len(rows) else range(1, leaves):
                other = leaves if leaves >= len(rows) else leaves - share
                sides = solve(yes, depth - 1, share), solve(no, depth - 1, min(other, len(no)))
                if None not in sides and (best is None or sum(sides) < best):
                    best = sum(sides)
        return best

    depth = n_rows if max_depth is None else max_depth
    leaves = n_rows if max_leaf_nodes is None else min(max_leaf_nodes, n_rows)
    alone = leaf(tuple(range(n_rows)))
    found = solve(tuple(range(n_rows)), min(depth, n_rows), leaves)
    return alone if found is None else min(alone, found)
