"""The checker of trees with linear leaves: their objective, derived again from model and table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from treeml._core.table import Table
from treeml.certificate.checks import Checks
from treeml.certificate.linear_program import LeafCosts, LeastCost
from treeml.ir.linear_map import LinearMap
from treeml.ir.links import logistic_proba, softmax_proba
from treeml.ir.predicate import Predicate, number_text
from treeml.ir.routed_model import RoutedModel
from treeml.ir.router import RoutingTree

__all__ = ["LinearCheck"]

_TOLERANCE = 1e-6  # fits go through differences of sums of squares
_CONSTANT = 1e-6  # penalty of the constant of the common model of classes
_CURVATURE = {True: 0.25, False: 0.5}  # of the bound of the log loss, for one score and several


class LinearCheck(Checks):
    """The checks of one tree with linear leaves, in order.

    Derived again are the common model's least penalised loss (not how its penalty was chosen),
    leaves and their sizes, the objective with every leaf's map of least cost, for numbers that the
    leaves have these maps, that the questions are of the grid, and the gap. Ranges of leaves are
    no part of the objective; for classes nor are the maps, which were fitted to the log loss
    itself.

    Parameters
    ----------
    model : RoutedModel
    claim : dict
        Its certificate, as `LinearTreeCertificate.to_dict` gives it.
    """

    tolerance = _TOLERANCE

    def __init__(self, model: RoutedModel, claim: dict[str, Any]) -> None:
        super().__init__(claim)
        self.model = model

    def run(self, table: Table, labels: np.ndarray, weight: np.ndarray, budget: float) -> None:
        """Check against the training rows, shape (n_rows,) each."""
        with self._reading():
            self._check_document(table)
            kept = weight > 0
            table, labels, weight = table.take(kept), labels[kept], weight[kept]
            goal, weight = self._goal(labels, weight)
            design = self._design(table, weight)
            leaf = self._check_tree(table, weight)
            residual, mass = self._check_common(table, design, goal, weight)
            costs = LeafCosts(design, residual, mass, float(self.claim["l2"]))
            self._check_objective(table, leaf, costs)
            self._check_figures(len(weight), costs)
            if self.ok:
                self._check_bound(table, costs, weight, budget)

    @property
    def _router(self) -> RoutingTree:
        assert isinstance(self.model.router, RoutingTree)
        return self.model.router

    def _check_document(self, table: Table) -> None:
        """Whether tree, certificate and table speak of the same columns."""
        self._check(
            isinstance(self.model.router, RoutingTree),
            "a tree chooses among the experts",
            "linear scores choose among the experts, the certificate is about a tree",
            stop=True,
        )
        router, names = self._router, [column.name for column in self.model.columns]
        named = [column.type.name for column in table.columns]
        self._check(
            named == names,
            "the table has the columns of the model",
            f"the table has the columns {named}, the model {names}",
            stop=True,
        )
        inner = np.flatnonzero(router.predicate >= 0)
        children = np.sort(np.concatenate([router.if_true[inner], router.if_false[inner]]))
        formed = np.array_equal(children, np.arange(1, router.n_nodes))
        formed = formed and bool((np.minimum(router.if_true, router.if_false)[inner] > inner).all())
        self._check(formed, "the tree is well formed", "the tree is malformed", stop=True)
        inputs = self.claim["inputs"]
        read = {names[j] for expert in self.model.experts for j in expert.read.tolist()}
        self._check(
            read <= set(inputs) <= set(names),
            f"the leaves multiply none but the {len(inputs)} columns stated",
            f"the leaves multiply {sorted(read)}, stated are {inputs}",
            stop=True,
        )

    def _goal(self, labels: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers or hits of classes, shape (n_rows, n_scores), and the weight of each row."""
        if self.model.classes is None:
            return labels.astype(np.float64)[:, None], weight
        index = {label: code for code, label in enumerate(self.model.classes.tolist())}
        strange = [label for label in labels.tolist() if label not in index]
        self._check(
            not strange,
            f"all labels are among the {len(index)} classes of the model",
            f"the label {strange[:1]} is none of the model's classes",
            stop=True,
        )
        codes = np.array([index[label] for label in labels.tolist()], dtype=np.intp)
        weight = weight * np.asarray(self.claim["class_weight"], dtype=np.float64)[codes]
        hits = (codes[:, None] == np.arange(len(index))).astype(np.float64)
        return (hits[:, 1:] if self.model.link == "logistic" else hits), weight

    def _design(self, table: Table, weight: np.ndarray) -> np.ndarray:
        """The columns that leaves multiply, of mean 0 and standard deviation 1, and ones."""
        at = {column.type.name: column for column in table.columns}
        design = [np.ones(table.n_rows)]
        for name in self.claim["inputs"]:
            values = at[name].values.astype(np.float64)
            fault = not np.isfinite(values).all() or values.min() == values.max()
            if fault:
                self._check(False, "", f"column {name!r} has gaps or does not vary", stop=True)
            size = np.abs(values).max()
            mean = np.average(values / size, weights=weight)
            spread = np.sqrt(np.average((values / size - mean) ** 2, weights=weight))
            design.append((values / size - mean) / spread)
        return np.stack(design, axis=1)

    def _check_tree(self, table: Table, weight: np.ndarray) -> np.ndarray:
        """Rows of all nodes, depth and leaf sizes, by walking every row down; the rows' leaves."""
        router, claim = self._router, self.claim
        columns = self.model.columns
        sides = [Predicate.from_dict(p, columns).holds(table) for p in claim["predicates"]]
        leaf = np.zeros(table.n_rows, dtype=np.intp)
        depth = np.zeros(router.n_nodes, dtype=np.intp)
        here = {0: np.arange(table.n_rows)}
        heavy = np.zeros(router.n_nodes)
        strange: list[str] = []
        for node in range(router.n_nodes):
            rows = here.pop(node)
            heavy[node], leaf[rows] = weight[rows].sum(), node
            if router.predicate[node] < 0:
                continue
            predicate = router.predicates[router.predicate[node]]
            yes = predicate.holds(table)[rows]
            if not any(len(set((side[rows] == yes).tolist())) == 1 for side in sides):
                strange.append(predicate.text())
            first, second = int(router.if_true[node]), int(router.if_false[node])
            here[first], here[second] = rows[yes], rows[~yes]
            depth[[first, second]] = depth[node] + 1
        self._check(
            np.allclose(heavy, router.rows, rtol=_TOLERANCE),
            f"the rows of all {router.n_nodes} nodes are those of the table",
            "the rows of the nodes are not those of this table and these weights",
            stop=True,
        )
        self._check(
            not strange,
            f"every question parts its rows as one of the {len(sides)} cuts of the grid does",
            f"the tree asks {strange[:1]}, which parts its rows as no cut of the grid does",
        )
        size = np.bincount(leaf, minlength=router.n_nodes)[router.leaves]
        fits = int(depth.max()) <= claim["max_depth"] and len(size) <= claim["max_leaf_nodes"]
        self._check(
            fits,
            f"the tree has depth {depth.max()} and {len(size)} leaves",
            f"the tree has depth {depth.max()} and {len(size)} leaves; allowed are depth "
            f"{claim['max_depth']} and {claim['max_leaf_nodes']} leaves",
        )
        least = float(claim["min_weight_leaf"]) * (1 - _TOLERANCE)
        enough = size.min() >= claim["min_samples_leaf"] and heavy[router.leaves].min() >= least
        self._check(
            enough or len(size) == 1,
            f"the smallest leaf has {size.min()} rows",
            f"a leaf has {size.min()} rows or too little weight; the certificate asks for "
            f"{claim['min_samples_leaf']} and {claim['min_weight_leaf']}",
        )
        return leaf

    def _check_common(
        self, table: Table, design: np.ndarray, goal: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residuals of the linear model of all rows and their weights, once it is the best one."""
        stated = self.claim["common"]
        self.common = LinearMap(np.array(stated["coef"]), np.array(stated["intercept"]))
        score, l2 = self.common.values(table), float(stated["l2"])
        coef = np.linalg.lstsq(design, score, rcond=None)[0]
        penalty = np.full((len(coef), 1), l2)
        penalty[0] = 0.0 if self.model.classes is None else _CONSTANT
        curvature = 1.0
        if self.model.classes is None:
            missed, curved = goal - score, weight
            centre = np.average(goal, axis=0, weights=weight)
            least = float((weight[:, None] * (goal - centre) ** 2).sum())
        else:
            proba = logistic_proba(score[:, 0]) if score.shape[1] == 1 else softmax_proba(score)
            missed = goal - (proba[:, 1:] if score.shape[1] == 1 else proba)
            curvature = _CURVATURE[score.shape[1] == 1]
            curved, least = curvature * weight, float(weight.sum())
        slope = design.T @ (missed * weight[:, None]) - penalty * coef
        gram = (design * curved[:, None]).T @ design + np.diag(penalty[:, 0] + 1e-12)
        excess = float((slope * np.linalg.lstsq(gram, slope, rcond=None)[0]).sum())
        self._check(
            excess <= _TOLERANCE * max(least, 1e-300),
            f"the linear model of all rows is the best one for its penalty {number_text(l2)} (how "
            "the penalty was chosen is not derived again)",
            f"the linear model of all rows is not the best one for its penalty {number_text(l2)}",
            stop=True,
        )
        return missed / curvature, curved

    def _check_objective(self, table: Table, leaf: np.ndarray, costs: LeafCosts) -> None:
        """The cost of all leaves; of numbers also that their maps are those of this cost."""
        total, off, scale = 0.0, 0.0, 0.0
        single = self._router.n_nodes == 1
        for node in np.unique(leaf).tolist():
            rows = np.flatnonzero(leaf == node)
            cost, change = costs.fitted(rows)
            total += cost
            expert = self.model.experts[self._router.expert[node]].values(table, rows)
            known = self.common.values(table, rows)
            found = known if single else known + costs.design[rows] @ change
            off = max(off, float(np.abs(expert - found).max()))
            scale = max(scale, float(np.abs(found).max()))
        self.objective = total / costs.total if costs.total > 0 else 0.0
        if self.model.classes is not None:
            self.lines.append(
                "the leaves' maps were fitted to the log loss itself: they are no part of the "
                "theorem and are not derived again"
            )
            return
        self._check(
            off <= _TOLERANCE * max(1.0, scale),
            "the leaves' maps are those of least cost",
            f"a leaf predicts {number_text(off)} away from its map of least cost",
        )

    def _check_figures(self, n_rows: int, costs: LeafCosts) -> None:
        claim = self.claim
        self._same("the number of rows of positive weight", claim["n_rows"], float(n_rows))
        near = abs(float(claim["total"]) - costs.total) <= _TOLERANCE * costs.total
        self._check(
            near,
            f"the squared error to divide by is {costs.total:.6g}, as stated",
            f"the squared error to divide by is {costs.total:.6g}, the certificate states "
            f"{float(claim['total']):.6g}",
        )
        self._same("the objective", claim["objective"], self.objective)
        objective, bound = float(claim["objective"]), float(claim["lower_bound"])
        gap = max(0.0, (objective - bound) / objective) if objective > 0 else 0.0
        self._same("the gap of objective and bound", claim["gap"], gap)
        self._check(
            bound <= self.objective + _TOLERANCE,
            "the bound does not lie above the objective",
            f"the bound {number_text(bound)} lies above the objective "
            f"{number_text(self.objective)}",
        )
        optimal = claim["status"] == "optimal"
        self._check(
            not optimal or abs(objective - bound) <= _TOLERANCE,
            f'status "{claim["status"]}" fits objective and bound',
            f'status is "optimal", but the objective {number_text(objective)} is not the bound '
            f"{number_text(bound)}",
        )
        self._check(
            str(claim["statement"]).startswith("Optimal") == optimal,
            "the statement claims what the status says",
            f'the statement does not fit the status "{claim["status"]}"',
        )

    def _check_bound(
        self, table: Table, costs: LeafCosts, weight: np.ndarray, budget: float
    ) -> None:
        """Whether a naive search finds a tree below the stated bound."""
        claim = self.claim
        columns = self.model.columns
        distinct = {json.dumps(p, sort_keys=True): p for p in claim["predicates"]}
        answers = [Predicate.from_dict(p, columns).holds(table) for p in distinct.values()]
        limits = int(claim["min_samples_leaf"]), float(claim["min_weight_leaf"])
        search = LeastCost(costs, answers, weight, *limits)
        work = search.work(int(claim["max_depth"]))
        if work > budget:
            self.lines.append(
                "objective re-derived, bound not re-proved (would need about "
                f"{work:,.2g} evaluations)"
            )
            return
        least = search.least(int(claim["max_depth"]), int(claim["max_leaf_nodes"]))
        least = least / costs.total if costs.total > 0 else 0.0
        bound = float(claim["lower_bound"])
        self.bound_checked = True
        self._check(
            least >= bound - _TOLERANCE * max(1e-3, bound),
            f"the lower bound {number_text(bound)} is proved again: no tree over the "
            f"{len(answers)} cuts has a smaller objective ({search.solved:,} leaves fitted)",
            f"the bound {number_text(bound)} is too high: a tree has the objective "
            f"{number_text(least)}",
        )
