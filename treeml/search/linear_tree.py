"""Trees with linear leaves: matrices in, split trees with the cost of their leaves out."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from treeml._core.control import Control, Status
from treeml._ext import linear_tree as native
from treeml.search.result import relative_gap

__all__ = [
    "MOST_EXACT_CUTS",
    "ExactLinearTree",
    "LeafPenalty",
    "LinearGrowth",
    "LinearRows",
    "LinearTreePath",
    "SplitTree",
    "exact_linear_tree",
    "grow_linear_trees",
]

_STATUS: tuple[Status, ...] = ("optimal", "time_limit", "memory_limit", "interrupted")
MOST_EXACT_CUTS = 255
"""Cuts of a column in an exact search."""

_MOST_START_WORK = 2e8  # multiplications of the exact start; more columns do without it
_START_GAIN = 0.99  # an exact start that does not lower the cost to this share is not worth it


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LinearRows:
    """What a search for a tree with linear leaves reads.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_inputs)
        What the maps of the leaves multiply, without the constant. Finite; on one scale, since
        all coefficients get the same penalty.
    target : ndarray of float64, shape (n_rows, n_targets)
        Every leaf has a map for each target.
    values : ndarray of float64, shape (n_split_columns, n_rows)
        What questions are asked of; infinite where missing.
    weight : ndarray of float64, shape (n_rows,), default=None
        Of the squared errors, positive; None: 1 each.
    mass : ndarray of float64, shape (n_rows,), default=None
        What the grid of cuts and limits on leaves go by, positive; None: 1 each.
    """

    design: np.ndarray
    target: np.ndarray
    values: np.ndarray
    weight: np.ndarray | None = None
    mass: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class LeafPenalty:
    """What a leaf costs beside its squared error, and which leaves there may be.

    Parameters
    ----------
    l2 : float
        Penalty of every squared coefficient of a leaf, in units of row weight.
    l2_constant : float
        That of the constant of a leaf.
    min_samples_leaf : int, default=1
        Fewest rows of a leaf.
    min_weight_leaf : float, default=0.0
        Least mass of a leaf.
    """

    l2: float
    l2_constant: float
    min_samples_leaf: int = 1
    min_weight_leaf: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class LinearGrowth:
    """How trees are grown.

    Parameters
    ----------
    max_leaf_nodes : int, default=8
    max_depth : int or None, default=None
    sweeps : int, default=5
        Most sweeps of polish after a split; 0: plain greedy growth.
    regrow_rounds : int, default=0
        Most rounds of drop and regrow at every size.
    max_cuts : int, default=32
        Most cuts of a column that a split is looked for at first; around the best three every
        threshold is tried.
    start_cuts : int, default=16
        Cuts of the grid on which the best tree of depth two is found as another start; 0: none.
        Growth split by split cannot find regimes that only show two questions deep.
    """

    max_leaf_nodes: int = 8
    max_depth: int | None = None
    sweeps: int = 5
    regrow_rounds: int = 0
    max_cuts: int = 32
    start_cuts: int = 16

    def tries_exact_start(self, rows: LinearRows) -> bool:
        """Whether the exact start is asked for, possible, and affordable."""
        n_splits, inputs = len(rows.values), rows.design.shape[1] + 1
        work = n_splits**2 / 2 * 4 * (self.start_cuts + 1) ** 2 * (inputs**3 / 6 + inputs**2)
        deep = self.max_depth is None or self.max_depth >= 2
        asked = self.start_cuts > 0 and self.sweeps > 0 and self.max_leaf_nodes >= 4
        return asked and deep and work <= _MOST_START_WORK


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SplitTree:
    """Questions ``values[feature] <= threshold``; node 0 is the root.

    Parameters
    ----------
    feature, yes, no : ndarray of int32, shape (n_nodes,)
        Split column and children; -1 at a leaf.
    threshold : ndarray of float64, shape (n_nodes,)
    cost : float
        Weighted squared error of the leaves' maps with their penalties.
    """

    feature: np.ndarray
    threshold: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    cost: float

    @property
    def n_leaves(self) -> int:
        return int((self.feature < 0).sum())

    def members(self, values: np.ndarray) -> list[np.ndarray]:
        """Rows of every node, ascending; ``values`` as in `LinearRows`."""
        out = [np.empty(0, dtype=np.intp)] * len(self.feature)
        out[0] = np.arange(values.shape[1])
        stack = [0]
        while stack:
            v = stack.pop()
            if self.feature[v] < 0:
                continue
            below = values[self.feature[v], out[v]] <= self.threshold[v]
            out[self.yes[v]], out[self.no[v]] = out[v][below], out[v][~below]
            stack += [int(self.yes[v]), int(self.no[v])]
        return out

    def nodes(self) -> list[tuple[int, float, int, int]]:
        """The nodes as the native search takes them."""
        columns = (self.feature, self.threshold, self.yes, self.no)
        return list(zip(*(column.tolist() for column in columns), strict=True))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LinearTreePath:
    """Trees of rising size, each of smaller cost than the one before.

    Parameters
    ----------
    trees : tuple of SplitTree
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
        "optimal": the growth ended by itself (not that its trees are the best ones).
    seconds : float
    counters : dict of str to int
    """

    trees: tuple[SplitTree, ...]
    status: Status
    seconds: float
    counters: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ExactLinearTree:
    """The best tree of small depth on a grid, and what is proven about it.

    Parameters
    ----------
    tree : SplitTree
    lower_bound : float
        No tree on the grid costs less.
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
        "optimal": the bound is within 1e-9 of the cost, relative to it.
    cuts : tuple of ndarray of float64
        The grid: cuts of every split column.
    seconds : float
    counters : dict of str to int
    """

    tree: SplitTree
    lower_bound: float
    status: Status
    cuts: tuple[np.ndarray, ...]
    seconds: float
    counters: dict[str, int]

    @property
    def gap(self) -> float:
        """See `treeml.search.result.relative_gap`."""
        return relative_gap(self.tree.cost, self.lower_bound)


def grow_linear_trees(
    rows: LinearRows,
    penalty: LeafPenalty,
    growth: LinearGrowth,
    *,
    start: SplitTree | None = None,
    control: Control | None = None,
) -> LinearTreePath:
    """Best-first growth of a tree with linear leaves, polished at every size.

    A leaf costs ``min over w of sum weight (y - w'(x, 1))^2 + l2 |w|^2`` (the constant has its own
    penalty). After each split every question above is chosen anew, its subtrees kept and all
    leaves below fitted again, as long as that lowers the cost.

    Parameters
    ----------
    rows : LinearRows
    penalty : LeafPenalty
    growth : LinearGrowth
    start : SplitTree, default=None
        Where growth begins; None: one leaf.
    control : Control, default=None
        Limits; what was grown until then is returned.

    Notes
    -----
    Choosing a node's question with the rest of the tree fixed is the step of Carreira-Perpiñán,
    Tavallali, "Alternating optimization of decision trees", NeurIPS 2018, section 3; leaves that
    are fitted again, and the moments that make this cheap, are not in it.
    """
    control = control or Control()
    begin = time.perf_counter()
    problem = _problem(rows, penalty, growth.max_cuts)
    found = _grow(problem, growth, start, control)
    status = _STATUS[found["stop"]]
    trees = [SplitTree(*tree) for tree in found["trees"]]
    if start is None and status == "optimal" and growth.tries_exact_start(rows):
        left = control.after(begin)
        exact = exact_linear_tree(
            rows,
            penalty,
            max_depth=2,
            max_cuts=growth.start_cuts,
            control=left,
        ).tree
        if exact.n_leaves == 4:
            four = dataclasses.replace(growth, max_leaf_nodes=4)
            tried = SplitTree(*_grow(problem, four, exact, left)["trees"][-1])
            bar = trees[3].cost if len(trees) > 3 else trees[-1].cost
            if tried.cost < _START_GAIN * bar:
                found = _grow(problem, growth, tried, control.after(begin))
                status = _STATUS[found["stop"]]
                trees = _cheaper(trees, [SplitTree(*tree) for tree in found["trees"]])
    seconds = time.perf_counter() - begin
    return LinearTreePath(tuple(trees), status, seconds, found["counters"])


def _grow(
    problem: native.LinearTrees, growth: LinearGrowth, start: SplitTree | None, control: Control
) -> dict[str, Any]:
    """What the native growth finds."""
    found, raised = problem.grow(
        None if start is None else start.nodes(),
        max_leaves=growth.max_leaf_nodes,
        max_depth=-1 if growth.max_depth is None else growth.max_depth,
        sweeps=growth.sweeps,
        regrow_rounds=growth.regrow_rounds,
        **_limits(control),
    )
    _raise(raised)
    return found


def _cheaper(path: list[SplitTree], other: list[SplitTree]) -> list[SplitTree]:
    """The cheaper tree of every size, sizes that do not pay left out."""
    by_size: dict[int, SplitTree] = {}
    for tree in (*path, *other):
        known = by_size.get(tree.n_leaves)
        if known is None or tree.cost < known.cost:
            by_size[tree.n_leaves] = tree
    out: list[SplitTree] = []
    for size in sorted(by_size):
        if not out or by_size[size].cost < out[-1].cost:
            out.append(by_size[size])
    return out


def exact_linear_tree(
    rows: LinearRows,
    penalty: LeafPenalty,
    *,
    max_depth: int,
    max_leaf_nodes: int | None = None,
    max_cuts: int = 32,
    control: Control | None = None,
) -> ExactLinearTree:
    """The tree of least cost among those of depth 3 or less over a grid of cuts, with a bound.

    Parameters
    ----------
    rows : LinearRows
    penalty : LeafPenalty
        The tree of one leaf is allowed whatever the limits on leaves.
    max_depth : {1, 2, 3}
    max_leaf_nodes : int, default=None
    max_cuts : int, default=32
        Cuts of a column: between all neighbouring values where that is enough, else where the
        mass below first reaches k / (max_cuts + 1) of the whole. Missing values can always be
        told from the others, by one more cut.
    control : Control, default=None

    Raises
    ------
    ValueError
        For another depth, or more than `MOST_EXACT_CUTS` cuts.
    """
    if max_depth not in (1, 2, 3):
        raise ValueError(f"exact linear-leaf trees have a max_depth of 1, 2 or 3, not {max_depth}")
    if max_cuts > MOST_EXACT_CUTS:
        raise ValueError(
            f"an exact search takes at most {MOST_EXACT_CUTS} cuts of a column, not {max_cuts}: "
            "it keeps a table of moments for every pair of cuts"
        )
    control = control or Control()
    begin = time.perf_counter()
    problem = _problem(rows, penalty, max_cuts)
    found, raised = problem.exact(
        max_depth=max_depth,
        max_leaves=2**max_depth if max_leaf_nodes is None else max_leaf_nodes,
        **_limits(control),
    )
    _raise(raised)
    tree = SplitTree(*found["trees"][0])
    bound = min(found["bound"], tree.cost)
    return ExactLinearTree(
        tree=tree,
        lower_bound=bound,
        status="optimal" if bound >= tree.cost * (1 - 1e-9) else _STATUS[found["stop"]],
        cuts=tuple(problem.cuts()),
        seconds=time.perf_counter() - begin,
        counters=found["counters"],
    )


def _problem(rows: LinearRows, penalty: LeafPenalty, max_cuts: int) -> native.LinearTrees:
    return native.LinearTrees(
        np.ascontiguousarray(rows.design, dtype=np.float64),
        np.ascontiguousarray(rows.target, dtype=np.float64),
        _doubles(rows.weight),
        _doubles(rows.mass),
        np.ascontiguousarray(rows.values, dtype=np.float64),
        ridge=penalty.l2,
        ridge_constant=penalty.l2_constant,
        min_rows=penalty.min_samples_leaf,
        min_weight=penalty.min_weight_leaf,
        max_cuts=max_cuts,
    )


def _doubles(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else np.ascontiguousarray(values, dtype=np.float64)


def _limits(control: Control) -> dict[str, Any]:
    return {
        "time_limit": -1.0 if control.time_limit is None else control.time_limit,
        "memory_limit": -1 if control.memory_limit is None else control.memory_limit,
        "stop_after": -1 if control.stop_after is None else control.stop_after,
    }


def _raise(raised: list[BaseException]) -> None:
    """Errors that are no Ctrl-C; that one ends the search with what it has."""
    for error in raised:
        if not isinstance(error, KeyboardInterrupt):
            raise error
