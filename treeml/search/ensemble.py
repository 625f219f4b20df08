"""Trees, and majorities of trees, with the fewest cuts: exact integers in, trees out."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from fractions import Fraction
from typing import Literal

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import ensemble as native
from treeml.binarize.dataset import BinaryDataset
from treeml.search.cut_examples import CutExamples, cut_examples
from treeml.search.result import relative_gap

Method = Literal["auto", "program", "join", "witness"]

__all__ = ["EnsembleResult", "Method", "optimal_ensemble"]

_METHODS: tuple[Method, ...] = ("auto", "program", "join", "witness")
_STATUS: tuple[Status, ...] = ("gap_tol", "time_limit", "memory_limit", "interrupted")
_NO_LIMIT = 2**20
_EXACT_COST = 2**53
_HOW = {
    "tree": "iterative deepening over the number of cuts, with a clique bound, peeling of pure "
    "sides and bisection along chains of cuts",
    "errors": "the least errors of a tree for every number of cuts, with bisection along chains",
    "program": "a dynamic program over all sets of examples",
    "join": "a join of the minimal error sets of the second and third tree",
    "witness": "witness trees, with a bound on the votes that a cut can mend",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EnsembleResult:
    """Trees over the columns of a dataset, and what is proven about their cuts.

    Parameters
    ----------
    objective : float
        Cuts that count (of all trees, or of the largest one), or errors / total plus
        regularization times these cuts.
    lower_bound : float
        No ensemble of the searched kind has a smaller objective.
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
        "optimal" only where the bound meets the objective.
    trees : tuple of ndarray of int32, each of shape (n_nodes, 4)
        Column (-1: leaf), child for yes and for no, class of a leaf; depth first, yes first.
    n_cuts : int
        Of all trees.
    errors : float
        Weight of the rows for whose class no majority of the trees votes.
    unavoidable : float
        What every model has of these: rows with equal answers and different classes.
    total : float
        Weight of all rows.
    how : str
        How the bound was proven, in words.
    seconds : float
        Wall time of the search.
    counters : dict of str to int
    history : ndarray of float64, shape (n_steps, 3)
        What was known when: seconds, objective, lower bound.
    """

    objective: float
    lower_bound: float
    status: Status
    trees: tuple[np.ndarray, ...]
    n_cuts: int
    errors: float
    unavoidable: float
    total: float
    how: str
    seconds: float
    counters: dict[str, int]
    history: np.ndarray

    @property
    def handle(self) -> None:
        """Nothing to go on with: a search for fewest cuts starts anew."""
        return None

    @property
    def gap(self) -> float:
        """See `relative_gap`."""
        return relative_gap(self.objective, self.lower_bound)


def optimal_ensemble(
    dataset: BinaryDataset,
    *,
    n_estimators: int = 1,
    criterion: Literal["size", "max_size"] = "size",
    error_budget: float = 0.0,
    regularization: float | None = None,
    max_cuts: int | None = None,
    control: Control | None = None,
    method: Method = "auto",
) -> EnsembleResult:
    """The ensemble of fewest cuts whose majority is right on the rows, with a proof.

    A row is right when more than half of the trees vote for its class. Rows with equal answers
    and different classes cannot all be right; the errors that no model avoids are not counted
    against ``error_budget``.

    Parameters
    ----------
    dataset : BinaryDataset
        With class counts (`BinaryDataset.with_classes`).
    n_estimators : int, default=1
        Number of trees, odd.
    criterion : {"size", "max_size"}, default="size"
        Whether the cuts of all trees count, or those of the largest tree.
    error_budget : float, default=0.0
        Most weight of rows that are wrong though they could be right.
    regularization : float or None, default=None
        None: the fewest cuts within the budget. A number: the least errors / total plus this much
        for every cut that counts; the budget must then be 0.
    max_cuts : int or None, default=None
        Most cuts that count.
    control : Control, default=None
        Limits and progress; Ctrl-C ends the search too, with the best ensemble so far.
    method : {"auto", "program", "join", "witness"}, default="auto"
        Dynamic program over examples (up to 26, one or three trees), join over error sets (one
        or three trees), or witness trees (any number). All have the same answer.

    Returns
    -------
    EnsembleResult

    Raises
    ------
    ValueError
        Where it is proven that ``max_cuts`` are too few for the budget.
    """
    control = control or Control()
    start = time.perf_counter()
    total = int(dataset.statistics[:-1].sum())
    if total <= 0:
        raise ValueError("all rows have weight 0; give at least one row a positive weight")
    priced = regularization is not None
    allowed = math.floor(Fraction(float(error_budget)) * Fraction(float(dataset.scale)))
    examples = cut_examples(dataset, exact_rest=priced or allowed > 0)
    unit, cut_cost = _prices(regularization, total)
    scale, above = (unit * total, unit * examples.unavoidable) if priced else (1, 0)
    progress = control.progress

    def report(seconds: float, upper: int, lower: int) -> None:
        if progress is not None:
            progress(seconds, (upper + above) / scale, (lower + above) / scale)

    cost, lower, stop, refuted, trees, used, counters, steps, raised = native.search(
        examples.columns,
        examples.chain,
        examples.label,
        examples.weight,
        max(1, len(examples.classes)),
        n_trees=n_estimators,
        largest=criterion == "max_size",
        budget=0 if priced else min(allowed, total) + examples.inseparable,
        error_cost=unit if priced else 0,
        cut_cost=cut_cost,
        most_cuts=_NO_LIMIT if max_cuts is None else min(max_cuts, _NO_LIMIT),
        method=_METHODS.index(method),
        time_limit=-1.0 if control.time_limit is None else control.time_limit,
        memory_limit=-1 if control.memory_limit is None else control.memory_limit,
        stop_after=-1 if control.stop_after is None else control.stop_after,
        callback=None if progress is None else report,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    if refuted:
        raise ValueError(
            f"max_cuts={max_cuts} is too few: at least {lower} cuts are needed for errors of at "
            f"most error_budget={error_budget:g} beyond those that no model avoids; raise one of "
            "them, or give regularization=0 for the least errors of so many cuts"
        )
    found = tuple(_over_columns(tree, examples) for tree in trees)
    n_cuts, counted, wrong = _price(dataset, found, criterion)
    if not priced and wrong > min(allowed, total) + examples.unavoidable + examples.inseparable:
        raise RuntimeError("the trees of the search have more errors than it says")
    objective = float(counted)
    if priced:
        objective = wrong / total + float(regularization or 0.0) * counted
    if cost + above != (unit * wrong + cut_cost * counted if priced else counted):
        raise RuntimeError("the trees of the search cost something else than it says")
    proven = lower == cost
    if progress is not None:
        with contextlib.suppress(KeyboardInterrupt):  # nothing is left to end
            progress(steps[-1][0], objective, objective if proven else (lower + above) / scale)
    history = np.array(steps, dtype=np.float64).reshape(-1, 3)
    history[:, 1:] = (history[:, 1:] + above) / scale
    return EnsembleResult(
        objective=objective,
        lower_bound=objective if proven else min(objective, (lower + above) / scale),
        status="optimal" if proven else _STATUS[stop],
        trees=found,
        n_cuts=n_cuts,
        errors=wrong / dataset.scale,
        unavoidable=(examples.unavoidable + examples.inseparable) / dataset.scale,
        total=total / dataset.scale,
        how=_how(_METHODS[used], n_estimators, priced or allowed > 0),
        seconds=time.perf_counter() - start,
        counters=counters,
        history=history,
    )


def _prices(regularization: float | None, total: int) -> tuple[int, int]:
    """Cost of a unit of error and of a cut, as integers."""
    if regularization is None:
        return 0, 1
    unit = 2 ** max(0, _EXACT_COST.bit_length() - 1 - total.bit_length())
    return unit, round(Fraction(float(regularization)) * unit * total)


def _how(method: Method, n_estimators: int, errors: bool) -> str:
    if n_estimators > 1 or method == "program":
        return _HOW[method] + (", examples being given up one by one" if errors else "")
    return _HOW["errors" if errors else "tree"]


def _over_columns(tree: list[tuple[int, int, int, int]], examples: CutExamples) -> np.ndarray:
    """Nodes of the native tree over the columns and classes of the dataset."""
    nodes = np.array(tree, dtype=np.int32).reshape(-1, 4)
    inner = nodes[:, 0] >= 0
    nodes[inner, 0] = examples.source[nodes[inner, 0]]
    if len(examples.classes):
        nodes[~inner, 3] = examples.classes[nodes[~inner, 3]]
    return nodes


def _price(
    dataset: BinaryDataset, trees: tuple[np.ndarray, ...], criterion: str
) -> tuple[int, int, int]:
    """Cuts of all trees, cuts that count, and errors, derived again row by row."""
    counts = dataset.statistics[:-1]
    votes = np.zeros(counts.shape[::-1], dtype=np.int64)
    rows = np.arange(dataset.n_rows)
    for nodes in trees:
        at = np.zeros(dataset.n_rows, dtype=np.int32)
        for node, (column, if_true, if_false, _) in enumerate(nodes.tolist()):
            if column >= 0:
                here = np.flatnonzero(at == node)
                at[here] = np.where(dataset.column(column)[here], if_true, if_false)
        votes[rows, nodes[at, 3]] += 1
    right = counts.T[2 * votes > len(trees)].sum()
    sizes = [int((nodes[:, 0] >= 0).sum()) for nodes in trees]
    counted = max(sizes) if criterion == "max_size" else sum(sizes)
    return sum(sizes), counted, int(counts.sum() - right)
