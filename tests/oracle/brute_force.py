"""Oracles for tiny inputs, written without sight of any solver: integers and fractions only."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

Number = int | Fraction

__all__ = ["enumerated_cost", "optimal_cost", "optimal_nodes", "tree_cost", "tree_faults"]


def optimal_cost(
    X01: Sequence[Sequence[int]],
    codes: Sequence[int],
    weights_int: Sequence[Number],
    n_classes: int,
    max_depth: int | None,
    leaf_cost: Number,
    M: Number,
    min_samples_leaf: int,
    class_weight_int: Sequence[Number],
    max_leaves: int | None = None,
) -> Number:
    """Least M * errors + leaf_cost * leaves over every tree allowed; row sets are remembered."""
    return _optimal(
        X01, codes, weights_int, n_classes, max_depth, leaf_cost, M, min_samples_leaf,
        class_weight_int, max_leaves,
    )[0]  # fmt: skip


def optimal_nodes(*arguments: Any) -> Any:
    """A tree of that cost, arguments as `optimal_cost`: a class, or (column, if 1, if 0)."""
    return _optimal(*arguments)[1]


def _optimal(
    X01: Any, codes: Any, weights: Any, n_classes: int, max_depth: int | None, leaf_cost: Number,
    M: Number, min_samples_leaf: int, class_weight: Any, max_leaves: int | None = None,
) -> tuple[Number, Any]:  # fmt: skip
    rows = [r for r in range(len(codes)) if weights[r] > 0]
    ones = [sum(1 << r for r in rows if X01[r][c]) for c in range(len(X01[0]) if len(X01) else 0)]

    def leaf(members: int) -> tuple[Number, Any]:
        amount: list[Number] = [0] * n_classes
        for r in rows:
            if members >> r & 1:
                amount[codes[r]] += weights[r] * class_weight[codes[r]]
        return M * (sum(amount) - max(amount)) + leaf_cost, amount.index(max(amount))

    @functools.cache
    def best(members: int, depth: int | None, leaves: int | None) -> tuple[Number, Any]:
        found = leaf(members)
        if depth == 0 or leaves == 1:
            return found
        shares = [(None, None)] if leaves is None else [(k, leaves - k) for k in range(1, leaves)]
        below = None if depth is None else depth - 1
        for column, mask in enumerate(ones):
            yes, no = members & mask, members & ~mask
            if not yes or not no or min(yes.bit_count(), no.bit_count()) < min_samples_leaf:
                continue
            for share, rest in shares:
                one, zero = best(yes, below, share), best(no, below, rest)
                if one[0] + zero[0] < found[0]:
                    found = (one[0] + zero[0], (column, one[1], zero[1]))
        return found

    return best(sum(1 << r for r in rows), max_depth, max_leaves)


def enumerated_cost(
    X01: Any, codes: Any, weights: Any, n_classes: int, max_depth: int, leaf_cost: Number,
    M: Number, min_samples_leaf: int, class_weight: Any, max_leaves: int | None = None,
) -> Number:  # fmt: skip
    """The same by writing down every labelled tree one by one and pricing each as a whole."""

    def trees(depth: int) -> list[Any]:
        out: list[Any] = list(range(n_classes))
        if depth:
            smaller = trees(depth - 1)
            out += [
                (c, one, zero) for c in range(len(X01[0])) for one in smaller for zero in smaller
            ]
        return out

    costs: list[Number] = []
    for tree in trees(max_depth):
        faults, cost = _price(tree, X01, codes, weights, M, leaf_cost, class_weight)
        small = max_leaves is None or len(faults) <= max_leaves
        if small and (isinstance(tree, int) or min(faults.values()) >= min_samples_leaf):
            costs.append(cost)
    return min(costs)


def _price(
    tree: Any, X01: Any, codes: Any, weights: Any, M: Number, leaf_cost: Number, class_weight: Any
) -> tuple[dict[str, int], Number]:
    """Rows in every leaf, leaves named by the way to them, and the cost."""
    size: dict[str, int] = {}

    def leaves(node: Any, way: str) -> None:
        if isinstance(node, int):
            size[way] = 0
        else:
            leaves(node[1], way + "1")
            leaves(node[2], way + "0")

    leaves(tree, "")
    cost: Number = leaf_cost * len(size)
    for r in range(len(codes)):
        if weights[r] <= 0:
            continue
        node, way = tree, ""
        while not isinstance(node, int):
            one = bool(X01[r][node[0]])
            node, way = (node[1], way + "1") if one else (node[2], way + "0")
        size[way] += 1
        if node != codes[r]:
            cost += M * weights[r] * class_weight[codes[r]]
    return size, cost


def _nodes(tree: Any, node: int = 0) -> Any:
    """A tree of the package over 0/1 columns, as nested (column, if 1, if 0)."""
    if tree.predicate[node] < 0:
        return int(tree.label[node])
    question = tree.predicates[tree.predicate[node]]
    assert (question.test, question.value) in ((">", 0.5), ("<=", 0.5))
    yes, no = _nodes(tree, int(tree.if_true[node])), _nodes(tree, int(tree.if_false[node]))
    return (question.term.index, *((yes, no) if question.test == ">" else (no, yes)))


def tree_cost(
    tree: Any, X01: Any, codes: Any, weights: Any, M: Number, leaf_cost: Number, class_weight: Any
) -> Number:
    """M * errors + leaf_cost * leaves of a tree of the package over 0/1 columns."""
    return _price(_nodes(tree), X01, codes, weights, M, leaf_cost, class_weight)[1]


def tree_faults(
    tree: Any, X01: Any, weights: Any, max_depth: int | None, min_samples_leaf: int,
    max_leaves: int | None = None,
) -> list[str]:  # fmt: skip
    """What a tree of the package may not be: too deep, of too many leaves, of too small ones."""
    nodes = _nodes(tree)
    zeros = [0] * len(weights)
    size, _ = _price(nodes, X01, zeros, weights, 0, 0, [0])
    deepest = max(map(len, size))
    faults = []
    if max_depth is not None and deepest > max_depth:
        faults.append(f"depth {deepest} > {max_depth}")
    if max_leaves is not None and len(size) > max_leaves:
        faults.append(f"{len(size)} leaves, allowed are {max_leaves}")
    if not isinstance(nodes, int) and min(size.values()) < min_samples_leaf:
        faults.append(f"a leaf of {min(size.values())} rows, allowed are {min_samples_leaf}")
    return faults
