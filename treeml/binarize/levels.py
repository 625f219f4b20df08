"""Levels of a category: which get a predicate of their own and which are grouped as rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from treeml.binarize.cuts import quantile_boundaries

__all__ = ["RARE", "level_blocks", "level_totals", "prefix_ends"]

RARE = "rare levels"


def level_totals(
    values: np.ndarray, weights: np.ndarray | None
) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Levels in alphabetical (or numeric) order, their weights, and the level of every row.

    Parameters
    ----------
    values : ndarray of object, shape (n_rows,)
        None where missing.
    weights : ndarray of float64, shape (n_rows,), or None

    Returns
    -------
    levels : list
    totals : ndarray of float64, shape (n_levels,)
    at : ndarray of int64, shape (n_rows,)
        Index into ``levels``; n_levels where missing.
    """
    cells = values.tolist()
    found = dict.fromkeys(cells)
    found.pop(None, None)
    levels = sorted(found)
    index: dict[Any, int] = {level: i for i, level in enumerate(levels)}
    index[None] = len(levels)
    at = np.fromiter(map(index.__getitem__, cells), np.int64, len(cells))
    totals = np.bincount(at, weights, minlength=len(levels) + 1)[: len(levels)]
    return levels, totals.astype(np.float64), at


def level_blocks(
    totals: np.ndarray, rare_below: float, max_levels: int | None
) -> list[tuple[int, ...]]:
    """Groups of levels, one predicate each: common levels alone, the rare ones together.

    Parameters
    ----------
    totals : ndarray, shape (n_levels,)
        Weight of each level, levels in their order.
    rare_below : float
        Levels of less weight are rare.
    max_levels : int or None
        Most predicates; the lightest levels join the rare ones where there are more.

    Returns
    -------
    list of tuple of int
        Positions of the levels, common ones first. Of two groups only the lighter one is
        kept, since the other is its complement; none where every level is rare.
    """
    common = [i for i, weight in enumerate(totals) if weight >= rare_below]
    some_rare = len(common) < len(totals)
    if max_levels is not None and len(common) + some_rare > max_levels:
        heaviest = sorted(common, key=lambda i: (-totals[i], i))
        common = sorted(heaviest[: max_levels - 1])
    rare = tuple(sorted(set(range(len(totals))) - set(common)))
    if not common:
        return []
    blocks: list[tuple[int, ...]] = [(i,) for i in common]
    if rare:
        blocks.append(rare)
    if len(blocks) == 2:
        return [min(blocks, key=lambda block: (totals[list(block)].sum(), block))]
    return blocks


def prefix_ends(
    order: Sequence[Any], levels: Sequence[Any], totals: np.ndarray, max_levels: int | None
) -> list[int]:
    """Where an ordered category is cut: positions in ``order`` of the last level below a cut.

    Only levels of the training rows (``levels``, with weights ``totals``) are cut after; where
    there are too many, the cuts share the weight evenly.
    """
    place = {level: i for i, level in enumerate(order)}
    seen = sorted(range(len(levels)), key=lambda i: place[levels[i]])
    bins = None if max_levels is None else max_levels + 1
    cuts = quantile_boundaries(totals[seen], bins)
    return [place[levels[seen[cut]]] for cut in cuts]
