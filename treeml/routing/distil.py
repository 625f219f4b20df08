"""A small tree in the place of a router."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml import predict
from treeml._core.control import Control, Status, warn_of_limit, warn_of_stop
from treeml._core.table import Table
from treeml._core.validation import as_table, check_weights
from treeml.binarize.leaf_columns import LeafColumns
from treeml.ir import LinearRouter, RoutedModel
from treeml.routing.exact_tree import exact_tree, with_rows
from treeml.routing.expert_costs import (
    ExpertCosts,
    Loss,
    expert_costs,
    require_read_values,
    row_losses,
)
from treeml.routing.questions import Questions, asked_columns, routing_tree_of, sparse_forms
from treeml.routing.refit import refitted
from treeml.routing.routed_tree import RoutedTree
from treeml.search.cost_cuts import CutSearch, cheapest_tree
from treeml.search.cost_growth import CostRows
from treeml.search.growth_clock import GrowthClock

Kind = Literal["axis", "oblique_exact", "oblique_sparse"]

__all__ = ["Kind", "distil_router"]

_KINDS = ("axis", "oblique_exact", "oblique_sparse")
_LOSSES = {
    "action": "squared difference from the teacher's output",
    "routing": "share of rows with another expert than the teacher's",
    "target": "loss against the target",
    "q": "value lost against the best expert",
}
_LEAVES = 8
_EXACT_LEAVES = 256
_DEPTH = 3  # of the search over the grid
_CUTS = 64  # quantiles of a column in the grid, by default
_PREDICATES = 768  # of the grid, by default about as many


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    """Which tree is asked for: the parameters of `distil_router`."""

    kind: Kind
    loss: Loss
    max_leaf_nodes: int
    min_samples_leaf: int
    max_form_columns: int
    max_cuts: int | None


def distil_router(
    model: Any,
    X: Any,
    y: Any = None,
    q: Any = None,
    kind: Kind = "axis",
    max_leaf_nodes: int | None = None,
    loss: Loss = "action",
    refit_leaves: bool = False,
    *,
    max_form_columns: int = 2,
    max_cuts: int | None = None,
    min_samples_leaf: int = 1,
    leaf_l2: float = 1.0,
    sample_weight: Any = None,
    time_limit: float | None = 60.0,
) -> RoutedTree:
    """A tree that chooses among the experts of a routed model in its router's place.

    Every row has a cost for each expert (``loss``), and the tree is to cost little: how often it
    chooses as its teacher does is a poor measure of that [1]_. Trees are grown by costs and as
    CART grows them; the cheapest tree of depth 3 over a grid of cuts is found with a proof, the
    cuts of the grown trees among those of the grid. All of them are then improved at full
    resolution, one question at a time, every leaf with its cheapest expert, and the cheapest one
    is kept. So on the rows given none of the trees that they started from is cheaper.

    Parameters
    ----------
    model : RoutedModel, or a fitted estimator with one, such as `SMOSERegressor`
        The teacher.
    X : DataFrame or array, shape (n_rows, n_columns)
        Rows to learn from, with the teacher's columns. Where the teacher reads a column, no value
        may be missing.
    y : array-like, shape (n_rows,) or (n_rows, n_outputs), default=None
        For ``loss="target"``.
    q : array-like, shape (n_rows, n_experts), default=None
        For ``loss="q"``: what every expert is worth in every row; more is better.
    kind : {"axis", "oblique_exact", "oblique_sparse"}, default="axis"
        "axis": questions about single columns. "oblique_exact": the tree that equals the router
        everywhere, of questions about linear forms (`exact_tree`); ``loss`` is for the report
        only. "oblique_sparse": questions about single columns and about forms of few columns near
        those that the router compares.
    max_leaf_nodes : int or None, default=None
        The most leaves. None: 8, and 256 for "oblique_exact", which is refused where it needs
        more.
    loss : {"action", "routing", "target", "q"}, default="action"
        "action": squared difference of the expert's output from the teacher's, for classifiers of
        scores before the link; "routing": 1 for another expert than the teacher's; "target":
        squared error, or log loss, against ``y``; "q": value lost against the row's best expert.
    refit_leaves : bool, default=False
        Fit each leaf a map of its own, ridge around its expert, to the target for
        ``loss="target"``, otherwise to the teacher's output; it is kept where the loss of the
        leaf's rows falls.
    max_form_columns : int, default=2
        The most columns of a form for "oblique_sparse".
    max_cuts : int or None, default=None
        The most quantiles of a column in the grid. None: 64, and fewer where there are many
        columns. With as many as there are rows the proof is about every tree of its depth.
    min_samples_leaf : int, default=1
        Fewest rows of a leaf, of positive weight; not for "oblique_exact", whose tree is what the
        router says.
    leaf_l2 : float, default=1.0
        Penalty of the refit.
    sample_weight : array-like, shape (n_rows,), default=None
        Non-negative; a weight of 2 is a row twice, a weight of 0 no row.
    time_limit : float or None, default=60
        Seconds after which, as after Ctrl-C, the best tree so far is returned.

    Returns
    -------
    RoutedTree

    Raises
    ------
    ValueError
        For a model, rows, target or values that cannot be used, naming column, row or value; more
        leaves than rows; an exact tree with more leaves than allowed.

    Warns
    -----
    SearchLimitWarning
        Where time was over, or Ctrl-C came, before the proof for the grid or before all trees
        were improved.

    References
    ----------
    .. [1] M. Vincze et al., "SMOSE: sparse mixture of shallow experts for interpretable
       reinforcement learning in continuous control tasks", AAAI 2025, distils the router of a
       mixture by the share of equal choices; costs, search and polish are ours.

    Examples
    --------
    >>> import numpy as np
    >>> from treeml import SMOSERegressor
    >>> from treeml.routing import distil_router
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> teacher = SMOSERegressor(n_experts=2, random_state=0).fit(X, np.abs(X[:, 0]))
    >>> distil_router(teacher, X, max_leaf_nodes=2).n_leaves
    2
    """
    teacher = _routed_model(model)
    table = as_table(X, like=teacher.columns)
    leaves = _leaves(kind, max_leaf_nodes, table.n_rows)
    wanted = _Wanted(kind, loss, leaves, min_samples_leaf, max_form_columns, max_cuts)
    _check(wanted, leaf_l2)
    require_read_values(teacher, table)
    weight = check_weights(sample_weight, table.n_rows)
    costs = expert_costs(teacher, table, y, q, loss, weight)
    if not costs.weight.all():
        kept = costs.weight > 0
        table, costs = table.take(kept), costs.take(kept)
    columns = asked_columns(table, teacher.columns, costs.weight)
    clock = GrowthClock(Control(time_limit=time_limit))
    if kind == "oblique_exact":
        exact = exact_tree(teacher, max_leaf_nodes=leaves, time_limit=time_limit)
        found = with_rows(exact.model, table, costs.weight)
        assert isinstance(found, RoutedModel)
        model, search, told = found, None, exact.statement()
    else:
        router, search, told = _searched(teacher, table, columns, costs, wanted, clock)
        model = dataclasses.replace(teacher, columns=router.columns, router=router)
    origin: dict[int, int] = {}
    if refit_leaves:
        model, origin = refitted(model, table, columns, costs, loss, leaf_l2)
        if origin:
            told += f" {len(origin)} leaves have a map fitted anew, of which this says nothing."
    report = _report(model, table, costs, loss, origin, search)
    report |= {"kind": kind, "certificate": told}
    if search is not None and search.grid.status != "optimal":
        warn_of_limit(search.grid.status, search.grid.objective, search.grid.gap, clock.control)
    elif search is not None:
        _warn_of_stop(search.status, clock.control)
    return RoutedTree(model, report)


def _warn_of_stop(status: Status, control: Control) -> None:
    warn_of_stop(status, control, "the grid was searched to its end, but not all trees improved")


def _routed_model(model: Any) -> RoutedModel:
    """The model as data, of an estimator too."""
    for found in (model, getattr(model, "model_", None), getattr(model, "model", None)):
        if isinstance(found, RoutedModel):
            return found
    raise ValueError(
        f"{type(model).__name__} is no routed model; give a fitted SMOSERegressor or "
        "SMOSEClassifier, or a RoutedModel"
    )


def _leaves(kind: str, max_leaf_nodes: int | None, n_rows: int) -> int:
    """The most leaves, no more than there can be by default."""
    if max_leaf_nodes is None:
        return _EXACT_LEAVES if kind == "oblique_exact" else min(_LEAVES, n_rows)
    if max_leaf_nodes < 1:
        raise ValueError(f"max_leaf_nodes must be at least 1, not {max_leaf_nodes}")
    if kind != "oblique_exact" and max_leaf_nodes > n_rows:
        raise ValueError(
            f"max_leaf_nodes={max_leaf_nodes} is more than the {n_rows} rows of X; allow fewer "
            "leaves or give more rows"
        )
    return max_leaf_nodes


def _check(wanted: _Wanted, leaf_l2: float) -> None:
    if wanted.kind not in _KINDS:
        raise ValueError(f"kind must be one of {list(_KINDS)}, not {wanted.kind!r}")
    if wanted.loss not in _LOSSES:
        raise ValueError(f"loss must be one of {list(_LOSSES)}, not {wanted.loss!r}")
    if wanted.max_form_columns < 2:
        raise ValueError(f"max_form_columns must be at least 2, not {wanted.max_form_columns}")
    if wanted.max_cuts is not None and wanted.max_cuts < 1:
        raise ValueError(f"max_cuts must be at least 1, not {wanted.max_cuts}")
    if wanted.min_samples_leaf < 1:
        raise ValueError(f"min_samples_leaf must be at least 1, not {wanted.min_samples_leaf}")
    if wanted.kind == "oblique_exact" and wanted.min_samples_leaf > 1:
        raise ValueError(
            f"min_samples_leaf={wanted.min_samples_leaf}: the exact tree is what the router says, "
            "whatever rows its leaves have; leave it at 1, or use another kind"
        )
    if not 0 < leaf_l2 < np.inf:
        raise ValueError(f"leaf_l2 must be positive and finite, not {leaf_l2}")


def _searched(
    teacher: RoutedModel,
    table: Table,
    columns: LeafColumns,
    costs: ExpertCosts,
    wanted: _Wanted,
    clock: GrowthClock,
) -> tuple[Any, CutSearch, str]:
    """The cheapest tree as a router, its search, and what is proven."""
    forms, weight = (), costs.weight
    if wanted.kind == "oblique_sparse":
        if not isinstance(teacher.router, LinearRouter):
            raise ValueError(
                "the router of this model is a tree: it compares no linear scores, so there are no "
                "forms to make sparse; use kind='axis'"
            )
        forms = sparse_forms(teacher.router, table, columns, weight, wanted.max_form_columns)
    questions = Questions.of(columns, table, costs.values, weight, forms)
    weighted = costs.values * weight[:, None]
    rows = CostRows(questions.values, weighted, weight, wanted.min_samples_leaf, clock)
    n_cuts = wanted.max_cuts or max(1, min(_CUTS, _PREDICATES // max(1, len(questions.values))))
    labels = [costs.values.argmin(axis=1), costs.teacher]
    most = wanted.max_leaf_nodes
    search = cheapest_tree(rows, labels, most, max_depth=_DEPTH, max_cuts=n_cuts)
    told = _statement(search, wanted, rows, n_cuts, len(forms))
    return routing_tree_of(search.root, rows, questions), search, told


def _statement(
    search: CutSearch, wanted: _Wanted, rows: CostRows, n_cuts: int, n_forms: int
) -> str:
    """What is proven, in words."""
    grid, leaves, total = search.grid, wanted.max_leaf_nodes, rows.total
    about = f"single columns and {n_forms} linear forms" if n_forms else "single columns"
    grid_text = (
        f"all {search.n_cuts} cuts of {about}"
        if search.all_cuts
        else f"a grid of {search.n_cuts} cuts of {about} (at most {n_cuts} quantiles each, and the "
        "cuts of trees that were grown)"
    )
    least = wanted.min_samples_leaf
    size = f" of at least {least} rows" if least > 1 else ""
    kind = f"trees of depth <= {search.depth} with at most {leaves} leaves{size} over {grid_text}"
    weighted = "" if rows.given_weight is None or (rows.weight == 1).all() else ", by weight"
    cost = f"mean cost ({_LOSSES[wanted.loss]}) on the {rows.n_rows} training rows{weighted}"
    first = (
        f"Optimal in {cost} among {kind}: {grid.objective:.6g}."
        if grid.status == "optimal"
        else f"No tree among {kind} has a {cost} below {grid.lower_bound:.6g}; the best that was "
        f"found there has {grid.objective:.6g}."
    )
    if search.rounding:
        first += f" (Costs are rounded for this, by {search.rounding / total:.2g} at most.)"
    last = f"This tree, improved over all cuts, has {search.cost / total:.6g}"
    beyond = "deeper trees" if search.all_cuts else "trees off the grid"
    if search.all_cuts and search.depth >= leaves - 1:
        return f"{first} {last}."
    return f"{first} {last}; among {beyond} it is not proven."


def _report(
    model: RoutedModel,
    table: Table,
    costs: ExpertCosts,
    loss: Loss,
    origin: dict[int, int],
    search: CutSearch | None,
) -> dict[str, Any]:
    """Figures of the finished tree over the training rows."""
    rows = np.arange(table.n_rows)
    expert = predict.route(model, table)
    old = np.array([origin.get(k, k) for k in range(model.n_experts)])[expert]
    paid = costs.values[rows, old]
    if origin and loss in ("action", "target"):
        paid = row_losses(model, predict.score(model, table), costs.goal, loss)
    cost, teacher = costs.mean(paid), costs.teacher_cost
    grid = None if search is None else search.grid
    return {
        "loss": loss,
        "n_rows": table.n_rows,
        "n_leaves": model.n_leaves,
        "fidelity": costs.mean(old == costs.teacher),
        "cost": cost,
        "teacher_cost": teacher,
        "regret": cost - teacher,
        "best_cost": costs.mean(costs.values.min(axis=1)),
        "best_single_cost": min(costs.mean(column) for column in costs.values.T),
        "n_refitted": len(origin),
        "grid_cost": None if grid is None else grid.objective,
        "lower_bound": None if grid is None else grid.lower_bound,
        "gap": 0.0 if grid is None else grid.gap,
        "status": "optimal" if search is None else search.status,
    }
