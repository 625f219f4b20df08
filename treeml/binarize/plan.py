"""From a column to its code: which cuts or levels it gets, or why it gets none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from treeml._core.table import Column
from treeml.binarize import cuts
from treeml.binarize.codes import LevelCode, NumberCode
from treeml.binarize.findings import Finding, number_finding, plain_finding, text_finding
from treeml.binarize.levels import RARE, level_blocks, level_totals, prefix_ends

__all__ = ["Code", "Rules", "plan_column"]

Code = NumberCode | LevelCode
ZERO_ONE = NumberCode(np.array([0.5]), above=True, missing=False)


class Rules(NamedTuple):
    """The parameters of `Binarizer` that shape a column."""

    method: str
    max_bins: int | None
    min_frequency: float
    max_levels: int | None
    guessed: Mapping[int, np.ndarray] | None = None


def plan_column(
    index: int,
    column: Column,
    weights: np.ndarray | None,
    y_codes: np.ndarray | None,
    rules: Rules,
) -> tuple[Code | None, Finding | None]:
    """How a column is coded, None where it gives no predicate, and what is odd about it."""
    name = column.type.name
    if column.missing.all():
        return None, plain_finding(name, "all missing")
    if column.type.kind == "date":
        return None, plain_finding(name, "date")
    if column.type.numeric:
        return _plan_numbers(index, column, weights, y_codes, rules)
    return _plan_levels(column, weights, rules)


def _plan_numbers(
    index: int,
    column: Column,
    weights: np.ndarray | None,
    y_codes: np.ndarray | None,
    rules: Rules,
) -> tuple[Code | None, Finding | None]:
    name, has_missing = column.type.name, column.type.missing
    known = ~np.isnan(column.values) if has_missing else slice(None)
    values = column.values[known]
    by_value = None if weights is None else weights[known]
    if values.min() == values.max():
        code = NumberCode(np.empty(0), above=False, missing=True) if has_missing else None
        return code, None if has_missing else plain_finding(name, "constant")
    if column.type.kind == "zero_one":
        return dataclasses.replace(ZERO_ONE, missing=has_missing), None
    if rules.guessed is not None:
        at = rules.guessed.get(index, np.empty(0))
        finding = number_finding(name, values, _n_rows(by_value, len(column.values)))
        code = NumberCode(at, above=False, missing=has_missing)
        return (code if len(at) or has_missing else None), finding
    if rules.method == "entropy" and y_codes is not None:
        distinct, counts = cuts.distinct_values(values, by_value, y_codes[known])
        boundaries = cuts.entropy_boundaries(counts, rules.max_bins)
    else:
        distinct, totals = cuts.distinct_values(values, by_value)
        most = None if rules.method == "midpoints" else rules.max_bins
        boundaries = cuts.quantile_boundaries(totals, most)
    finding = number_finding(name, values, _n_rows(by_value, len(column.values)))
    if not len(boundaries) and not has_missing:
        return None, finding
    at = cuts.thresholds(distinct, boundaries)
    return NumberCode(at, above=False, missing=has_missing), finding


def _plan_levels(
    column: Column, weights: np.ndarray | None, rules: Rules
) -> tuple[Code | None, Finding | None]:
    name, has_missing = column.type.name, column.type.missing
    levels, totals, at = level_totals(column.values, weights)
    only_missing = LevelCode(tuple(levels), (), missing=True) if has_missing else None
    if len(levels) == 1:
        return only_missing, None if has_missing else plain_finding(name, "constant")
    if column.type.kind == "boolean":
        return LevelCode((False, True), ((1, 1, ""),), has_missing), None
    if column.type.levels:
        order = column.type.levels
        ends = prefix_ends(order, levels, totals, rules.max_levels)
        return LevelCode(order, tuple((0, end, "") for end in ends), has_missing), None
    known = at < len(levels)
    finding = text_finding(
        name, levels, _n_rows(None if weights is None else weights[known], int(known.sum()))
    )
    if finding is not None:
        return only_missing, finding
    all_weight = len(at) if weights is None else weights.sum()
    blocks = level_blocks(totals, rules.min_frequency * all_weight, rules.max_levels)
    if not blocks:
        return only_missing, plain_finding(name, "rare levels")
    chosen = [i for block in blocks for i in block]
    order = [*chosen, *(i for i in range(len(levels)) if i not in set(chosen))]
    groups, start = [], 0
    for block in blocks:
        groups.append((start, start + len(block) - 1, RARE if len(block) > 1 else ""))
        start += len(block)
    return LevelCode(tuple(levels[i] for i in order), tuple(groups), has_missing), None


def _n_rows(weights: np.ndarray | None, n_rows: int) -> float:
    """Number of rows, counting whole weights as repeated rows."""
    if weights is None or not (weights % 1 == 0).all():
        return n_rows
    return float(weights.sum())
