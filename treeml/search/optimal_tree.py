"""Provably optimal classification trees: exact integers in, the native search, figures out."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Collection
from fractions import Fraction

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import optimal_tree as native
from treeml.binarize.dataset import BinaryDataset
from treeml.search.class_weight import integer_class_weights
from treeml.search.result import SearchResult

__all__ = ["NO_LIMIT", "SearchProblem", "optimal_tree", "run_search"]

_STATUS: tuple[Status, ...] = ("gap_tol", "time_limit", "memory_limit", "interrupted")
NO_LIMIT = 2**31 - 1
_EXACT_COST = 2**53


def optimal_tree(
    dataset: BinaryDataset,
    *,
    max_depth: int | None,
    max_leaf_nodes: int | None = None,
    regularization: float = 0.0,
    min_samples_leaf: int = 1,
    class_weight: np.ndarray | str | None = None,
    control: Control | None = None,
    resume: SearchResult | None = None,
    keep: bool = False,
    without: Collection[str] = (),
) -> SearchResult:
    """The tree of least weighted misclassification plus a cost per leaf, with a proof.

    Minimises errors / total + regularization x leaves over all trees of depth ``max_depth`` or
    less over the dataset's predicates, where a row that is misclassified errs by its weight
    times that of its class. Costs are integers: unit x errors + leaf cost x leaves, with a unit
    that is a power of two, so nothing is rounded but the leaf cost, to one part in 2^52 of all.

    Parameters
    ----------
    dataset : BinaryDataset
        With class counts (`BinaryDataset.with_classes`).
    max_depth : int or None
        0 is a single leaf; None: no limit.
    max_leaf_nodes : int or None, default=None
        Most leaves; None: no limit.
    regularization : float, default=0.0
        Cost of a leaf in units of the total.
    min_samples_leaf : int, default=1
        Fewest rows of positive weight in a leaf.
    class_weight : ndarray of shape (n_classes,), "balanced" or None, default=None
        Weight of each class in the objective. "balanced": total weight over (number of classes
        times weight of the class).
    control : Control, default=None
        Limits, threads, progress; Ctrl-C ends the search too, with the best tree so far.
    resume : SearchResult, default=None
        An earlier result of the same problem that was kept: the search goes on with what it
        knew. Size and limits may differ; a handle of another problem is left aside.
    keep : bool, default=False
        Whether the result gets a handle to go on with; it holds the memory of the search.
    without : collection of str, default=()
        Bounds to leave out, for tests: "equivalent_points", "siblings", "archive", "splits",
        "lookahead", "leaf_count".

    Returns
    -------
    SearchResult
    """
    control = control or Control()
    start = time.perf_counter()
    counts = dataset.statistics[:-1]
    per_class = counts.sum(axis=1)
    weights, factor = integer_class_weights(per_class, class_weight)
    total = sum(int(w) * int(n) for w, n in zip(weights, per_class, strict=True))
    if total <= 0:
        raise ValueError("all rows have weight 0; give at least one row a positive weight")
    unit = 1
    if regularization > 0:
        unit = 2 ** max(0, _EXACT_COST.bit_length() - 1 - total.bit_length())
    leaf_cost = round(Fraction(regularization) * unit * total)
    problem = SearchProblem(
        dataset.columns,
        dataset.n_rows,
        np.ascontiguousarray(dataset.statistics),
        weights,
        unit,
        leaf_cost,
        min(min_samples_leaf, NO_LIMIT),
        control.n_threads,
        tuple(without),
    )
    return run_search(
        problem,
        control,
        max_depth=max_depth,
        max_leaf_nodes=max_leaf_nodes,
        regularization=regularization,
        totals=(total, total / (factor * dataset.scale)),
        class_weight=weights / factor,
        handle=resume.handle if resume is not None else None,
        keep=keep,
        start=start,
    )


def run_search(
    problem: SearchProblem,
    control: Control,
    *,
    max_depth: int | None,
    max_leaf_nodes: int | None,
    regularization: float,
    totals: tuple[float, float],
    class_weight: np.ndarray,
    handle: object,
    keep: bool,
    start: float,
) -> SearchResult:
    """Run or go on with a native search; ``totals`` are in units of its costs and of weights."""
    if not isinstance(handle, _Handle) or not handle.problem.same(problem):
        handle = _Handle(problem, problem.search())
    total, unit, leaf_cost = totals[0], problem.unit, problem.leaf_cost
    scale = unit * total
    progress = control.progress

    def report(seconds: float, upper: int, lower: int) -> None:
        if progress is not None:
            progress(seconds, upper / scale, lower / scale)

    cost, lower, stop, nodes, counters, steps, raised = handle.search.run(
        max_depth=NO_LIMIT if max_depth is None else min(max_depth, NO_LIMIT),
        max_leaf_nodes=NO_LIMIT if max_leaf_nodes is None else min(max_leaf_nodes, NO_LIMIT),
        gap_tol=control.gap_tol,
        time_limit=-1.0 if control.time_limit is None else control.time_limit,
        memory_limit=-1 if control.memory_limit is None else control.memory_limit,
        stop_after=-1 if control.stop_after is None else control.stop_after,
        callback=None if progress is None else report,
    )
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
    n_leaves = sum(column < 0 for column, _, _ in nodes)
    objective = (cost - leaf_cost * n_leaves) // unit / total + regularization * n_leaves
    proven = lower == cost
    if progress is not None:
        with contextlib.suppress(KeyboardInterrupt):  # nothing is left to end
            progress(steps[-1][0], objective, lower / scale)
    history = np.array(steps, dtype=np.float64).reshape(-1, 3)
    history[:, 1:] /= scale
    return SearchResult(
        objective=objective,
        lower_bound=objective if proven else min(objective, lower / scale),
        status="optimal" if proven else _STATUS[stop],
        nodes=np.array(nodes, dtype=np.int32).reshape(-1, 3),
        total=totals[1],
        class_weight=class_weight,
        seconds=time.perf_counter() - start,
        counters=counters,
        history=history,
        handle=handle if keep else None,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SearchProblem:
    """What the native search is made of."""

    columns: np.ndarray
    n_rows: int
    statistics: np.ndarray
    class_weight: np.ndarray
    unit: int
    leaf_cost: int
    min_samples_leaf: int
    n_jobs: int
    without: tuple[str, ...]
    costs: bool = False

    def search(self) -> native.TreeSearch:
        return native.TreeSearch(
            self.columns,
            self.n_rows,
            self.statistics,
            self.class_weight,
            unit=self.unit,
            leaf_cost=self.leaf_cost,
            min_samples_leaf=self.min_samples_leaf,
            n_jobs=self.n_jobs,
            without=self.without,
            costs=self.costs,
        )

    def same(self, other: SearchProblem) -> bool:
        return all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Handle:
    """A native search with its cache, and the problem that it belongs to."""

    problem: SearchProblem
    search: native.TreeSearch
