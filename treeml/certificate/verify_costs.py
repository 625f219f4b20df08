"""The checker of trees of actions: what model and certificate say, derived again from the table."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from treeml._core.table import Table
from treeml.certificate.checks import Checks
from treeml.certificate.dynamic_program import CostProgram, OutOfWorkError
from treeml.ir.action_tree import ActionTree
from treeml.ir.predicate import Predicate, number_text

__all__ = ["CostCheck"]

_LARGEST_ROUNDING = 1e-6
_TRY_UP_TO = 10  # pruning and reuse may save this factor of the estimated work


class CostCheck(Checks):
    """The checks of one tree of actions, in order.

    Parameters
    ----------
    tree : ActionTree
    claim : dict
        Its certificate, as `CostCertificate.to_dict` gives it.
    """

    def __init__(self, tree: ActionTree, claim: dict[str, Any]) -> None:
        super().__init__(claim)
        self.tree = tree

    def run(self, table: Table, costs: np.ndarray, weight: np.ndarray, budget: float) -> None:
        """Check against the training rows; costs of shape (n_rows, n_actions)."""
        with self._reading():
            self._check_document(table, costs)
            kept = weight > 0
            table, costs, weight = table.take(kept), costs[kept], weight[kept]
            columns = self.tree.columns
            candidates = [Predicate.from_dict(p, columns) for p in self.claim["predicates"]]
            answers = np.zeros((table.n_rows, len(candidates)), dtype=bool)
            for at, predicate in enumerate(candidates):
                answers[:, at] = predicate.holds(table)
            self._check_tree(table, costs, weight)
            self._check_figures(answers, costs, weight)
            if self.ok:
                self._check_bound(answers, costs, weight, budget)

    @property
    def _slack(self) -> float:
        return self.tolerance + 2 * min(float(self.claim["rounding"]), _LARGEST_ROUNDING)

    def _check_document(self, table: Table, costs: np.ndarray) -> None:
        """Whether tree, certificate, table and costs speak of the same things."""
        tree, claim = self.tree, self.claim
        columns = [column.to_dict() for column in tree.columns]
        self._check(
            json.loads(json.dumps(claim["columns"])) == json.loads(json.dumps(columns)),
            f"certificate and tree have the same {len(columns)} columns",
            "the columns of the certificate are not those of the tree",
            stop=True,
        )
        named = [column.type.name for column in table.columns]
        self._check(
            named == [column.name for column in tree.columns],
            "the table has the columns of the model",
            f"the table has the columns {named}, the model {[c.name for c in tree.columns]}",
            stop=True,
        )
        actions = tree.actions.tolist()
        self._check(
            claim["actions"] == actions and costs.shape[1] == len(actions),
            f"certificate, tree and costs have the same {len(actions)} actions",
            f"the certificate has the actions {claim['actions']}, the tree {actions}, the costs "
            f"{costs.shape[1]} columns",
            stop=True,
        )
        strange = [p.text() for p in tree.predicates if _plain(p) not in claim["predicates"]]
        self._check(
            not strange,
            f"every question of the tree is one of the {len(claim['predicates'])} candidates",
            f"the tree asks {strange[:1]}, which is not a candidate predicate",
        )
        inner = np.flatnonzero(tree.predicate >= 0)
        children = np.sort(np.concatenate([tree.if_true[inner], tree.if_false[inner]]))
        formed = np.array_equal(children, np.arange(1, tree.n_nodes))
        formed = formed and bool((np.minimum(tree.if_true, tree.if_false)[inner] > inner).all())
        formed = formed and 0 <= int(tree.label.min()) <= int(tree.label.max()) < len(actions)
        self._check(formed, "the tree is well formed", "the tree is malformed", stop=True)

    def _check_tree(self, table: Table, costs: np.ndarray, weight: np.ndarray) -> None:
        """Costs of all nodes, actions, depth and leaf sizes, by walking every row down."""
        tree, claim = self.tree, self.claim
        sums = np.zeros((tree.n_nodes, len(tree.actions)))
        size = np.zeros(tree.n_nodes, dtype=np.intp)
        depth = np.zeros(tree.n_nodes, dtype=np.intp)
        here = {0: np.arange(table.n_rows)}
        for node in range(tree.n_nodes):
            rows = here.pop(node)
            size[node] = len(rows)
            sums[node] = (costs[rows] * weight[rows, None]).sum(axis=0)
            if tree.predicate[node] >= 0:
                yes, no = int(tree.if_true[node]), int(tree.if_false[node])
                holds = tree.predicates[tree.predicate[node]].holds(table)[rows]
                here[yes], here[no] = rows[holds], rows[~holds]
                depth[yes] = depth[no] = depth[node] + 1
        scale = max(1.0, float((np.abs(costs).max(axis=1) * weight).sum()))
        slack = self.tolerance * scale
        off = np.abs(sums - tree.costs).max(axis=1) > slack
        at = int(off.argmax())
        self._check(
            not off.any(),
            f"the costs of all {tree.n_nodes} nodes are those of the table",
            f"node {at} costs {sums[at].tolist()} on this table, the tree states "
            f"{tree.costs[at].tolist()}",
        )
        chosen = sums[np.arange(tree.n_nodes), tree.label]
        off = chosen > sums.min(axis=1) + slack
        at = int(off.argmax())
        self._check(
            not off.any(),
            "every node chooses the action of least cost in it",
            f"node {at} chooses {tree.actions[tree.label[at]]!r}, the action of least cost in it "
            f"is {tree.actions[sums[at].argmin()]!r}",
        )
        leaves = np.flatnonzero(tree.predicate < 0)
        allowed = math.inf if claim["max_depth"] is None else claim["max_depth"]
        most = math.inf if claim["max_leaf_nodes"] is None else claim["max_leaf_nodes"]
        fits = int(depth.max()) <= allowed and len(leaves) <= most
        self._check(
            fits,
            f"the tree has depth {depth.max()} and {len(leaves)} leaves",
            f"the tree has depth {depth.max()} and {len(leaves)} leaves; allowed are depth "
            f"{allowed} and {most} leaves",
        )
        least, at_least = int(size[leaves].min()), claim["min_samples_leaf"]
        self._check(
            least >= at_least or tree.n_nodes == 1,
            f"the smallest leaf has {least} rows",
            f"a leaf has {least} rows, the certificate asks for {at_least} or more",
        )
        total = float(weight.sum())
        shift = float((np.minimum(costs.min(axis=1), 0.0) * weight).sum()) / total
        self._same("what was taken from the mean cost", claim["shift"], shift, self._slack)
        mean = float(chosen[leaves].sum()) / total - shift
        self.objective = mean + float(claim["regularization"]) * len(leaves)

    def _check_figures(self, answers: np.ndarray, costs: np.ndarray, weight: np.ndarray) -> None:
        claim, slack = self.claim, self._slack
        self._same("the number of rows of positive weight", claim["n_rows"], float(len(weight)))
        self._same("the total weight", claim["total"], float(weight.sum()))
        self._same("the objective", claim["objective"], self.objective, slack)
        objective, bound = float(claim["objective"]), float(claim["lower_bound"])
        gap = max(0.0, (objective - bound) / objective) if objective > 0 else 0.0
        self._same("the gap of objective and bound", claim["gap"], gap)
        room = slack * max(1.0, abs(objective))
        self._check(
            bound <= self.objective + room,
            "the bound does not lie above the objective",
            f"the bound {number_text(bound)} lies above the objective "
            f"{number_text(self.objective)}",
        )
        optimal = claim["status"] == "optimal"
        self._check(
            not optimal or abs(objective - bound) <= room,
            f'status "{claim["status"]}" fits objective and bound',
            f'status is "optimal", but the objective {number_text(objective)} is not the bound '
            f"{number_text(bound)}",
        )
        self._check(
            str(claim["statement"]).startswith("Not proven optimal") != optimal,
            "the statement claims what the status says",
            f'the statement does not fit the status "{claim["status"]}"',
        )
        if not claim["data_hash"]:
            self.lines.append("the certificate has no data hash; the data were compared by costs")
            return
        self._check(
            claim["data_hash"] == _hash(answers, costs, weight),
            "the data hash is that of the table",
            "the data hash is not that of this table, costs, weights and predicates",
        )

    def _check_bound(
        self, answers: np.ndarray, costs: np.ndarray, weight: np.ndarray, budget: float
    ) -> None:
        """Whether the naive program finds a tree below the stated bound."""
        claim = self.claim
        above = costs - np.minimum(costs.min(axis=1), 0.0)[:, None]
        program = CostProgram(
            answers,
            above * (weight / weight.sum())[:, None],
            float(claim["regularization"]),
            int(claim["min_samples_leaf"]),
            claim["max_leaf_nodes"],
        )
        bound = float(claim["lower_bound"])
        limit = bound - self._slack * max(1.0, bound)
        work = program.estimate(claim["max_depth"], limit)
        not_proved = (
            f"objective re-derived, bound not re-proved (would need about {work:,.2g} evaluations)"
        )
        if work > _TRY_UP_TO * budget:
            self.lines.append(not_proved)
            return
        try:
            least = program.least_below(claim["max_depth"], limit, budget)
        except OutOfWorkError:
            self.lines.append(not_proved)
            return
        self.bound_checked = True
        self._check(
            least >= limit,
            f"the lower bound {number_text(bound)} is proved again: no tree over the "
            f"{len(claim['predicates'])} predicates has a smaller objective "
            f"({program.evaluations:,.3g} evaluations)",
            f"the bound {number_text(bound)} is too high: a tree has the objective "
            f"{number_text(least)}",
        )


def _plain(predicate: Predicate) -> Any:
    return json.loads(json.dumps(predicate.to_dict()))


def _hash(answers: np.ndarray, costs: np.ndarray, weight: np.ndarray) -> str:
    """The hash that certificates carry, written down a second time."""
    groups: dict[bytes, list[list[float]]] = {}
    for bits, row, amount in zip(
        np.packbits(answers, axis=1), costs.tolist(), weight.tolist(), strict=True
    ):
        groups.setdefault(bits.tobytes(), []).append([amount, *(cost * amount for cost in row)])
    head = f"treeml costs 1 {answers.shape[1]} {costs.shape[1]}\n"
    digest = hashlib.sha256(head.encode())
    for bits in sorted(groups):
        sums = [math.fsum(column) + 0.0 for column in zip(*groups[bits], strict=True)]
        digest.update(bits + np.array(sums, dtype="<f8").tobytes())
    return digest.hexdigest()
