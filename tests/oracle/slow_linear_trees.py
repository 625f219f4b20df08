"""Brute force for trees with linear leaves: every tree over a grid, every leaf by least squares."""

from __future__ import annotations

import itertools

import numpy as np


def slow_grid(values: np.ndarray, weight: np.ndarray, max_cuts: int) -> list[float]:
    """Cuts of one column by their definition."""
    distinct = np.unique(values)
    below = [weight[values < v].sum() for v in distinct]

    def cut(p: int) -> float:
        low, high = distinct[p - 1], distinct[p]
        return float(low) if np.isinf(high) else float(low / 2 + high / 2)

    if len(distinct) - 1 <= max_cuts:
        return [cut(p) for p in range(1, len(distinct))]
    cuts = []
    for k in range(1, max_cuts + 1):
        target = weight.sum() * k / (max_cuts + 1) * (1 - 1e-12)
        p = max(1, next((q for q, b in enumerate(below) if b >= target), len(distinct)))
        if p < len(distinct) and (not cuts or cut(p) > cuts[-1]):
            cuts.append(cut(p))
    if np.isinf(distinct[-1]) and distinct[-2] not in cuts:
        cuts.append(cut(len(distinct) - 1))
    return cuts


def slow_leaf(design, target, weight, l2: float, l2_constant: float) -> float:
    """Least penalised squared error of one leaf, by an augmented least squares problem."""
    n, d = design.shape
    root = np.sqrt(weight)[:, None]
    rows = np.vstack([np.column_stack([design, np.ones(n)]) * root, np.sqrt(l2) * np.eye(d + 1)])
    rows[-1] = 0
    rows[-1, -1] = np.sqrt(l2_constant)
    answers = np.vstack([target * root, np.zeros((d + 1, target.shape[1]))])
    coef = np.linalg.lstsq(rows, answers, rcond=None)[0]
    return float(((answers - rows @ coef) ** 2).sum())


class SlowTrees:
    """Least cost of a tree of so many leaves at most, for any set of rows."""

    def __init__(
        self, design, target, weight, mass, values, *, l2, l2_constant, min_rows, min_weight
    ):
        self.data = (design, target, weight)
        self.mass = mass
        self.values, self.penalty = values, (l2, l2_constant)
        self.min_rows, self.min_weight = min_rows, min_weight
        self.known: dict[bytes, float] = {}

    def leaf(self, rows: np.ndarray) -> float:
        key = rows.tobytes()
        if key not in self.known:
            self.known[key] = slow_leaf(*(a[rows] for a in self.data), *self.penalty)
        return self.known[key]

    def allowed(self, rows: np.ndarray) -> bool:
        weight = self.mass[rows].sum()
        return rows.sum() >= self.min_rows and weight >= self.min_weight * (1 - 1e-12)

    def best(self, rows: np.ndarray, cuts, depth: int, leaves: int, top: bool = True) -> float:
        out = self.leaf(rows) if top or self.allowed(rows) else np.inf
        if depth == 0 or leaves < 2:
            return out
        for f, t in itertools.chain.from_iterable(
            ((f, t) for t in cuts[f]) for f in range(len(cuts))
        ):
            yes = rows & (self.values[f] <= t)
            no = rows & ~yes
            if not (self.allowed(yes) and self.allowed(no)):
                continue
            if depth == 1:
                out = min(out, self.leaf(yes) + self.leaf(no))
                continue
            for part in range(1, leaves):
                if part > 2 ** (depth - 1) or leaves - part > 2 ** (depth - 1):
                    part_leaves = (
                        min(part, 2 ** (depth - 1)),
                        min(leaves - part, 2 ** (depth - 1)),
                    )
                else:
                    part_leaves = (part, leaves - part)
                left = self.best(yes, cuts, depth - 1, part_leaves[0], False)
                if left < out:
                    out = min(out, left + self.best(no, cuts, depth - 1, part_leaves[1], False))
        return out
