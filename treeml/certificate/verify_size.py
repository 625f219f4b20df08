"""The checker of smallest trees and ensembles: what they claim, derived again from the table."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from treeml._core.table import Table
from treeml.certificate.checks import Checks
from treeml.certificate.dynamic_program import DynamicProgram, OutOfWorkError
from treeml.certificate.vote_program import fewest_cuts, least_objective, work
from treeml.ir.predicate import Predicate, number_text
from treeml.ir.tree import Tree
from treeml.ir.vote import TreeVote

__all__ = ["SizeCheck"]

_MOST_EXAMPLES = 12


class SizeCheck(Checks):
    """The checks of one tree or vote, in order.

    Parameters
    ----------
    model : Tree or TreeVote
    claim : dict
        Its certificate, as `SizeCertificate.to_dict` gives it.
    work_budget : float
        Most steps of the naive program.
    """

    def __init__(self, model: Tree | TreeVote, claim: dict[str, Any], work_budget: float) -> None:
        super().__init__(claim)
        self.trees = model.trees if isinstance(model, TreeVote) else (model,)
        self.classes, self.columns = model.classes, model.columns
        self.budget = work_budget

    def run(self, table: Table, labels: np.ndarray, weight: np.ndarray) -> None:
        """Check against the training rows, shape (n_rows,) each."""
        with self._reading():
            self._check_document(table)
            codes = self._codes(labels)
            kept = weight > 0
            table, codes, weight = table.take(kept), codes[kept], weight[kept]
            answers = self._answers(table)
            right = self._check_trees(table, codes, weight)
            self._check_hash(answers, codes, weight)
            cost = weight * np.array(self.claim["class_weight"], dtype=np.float64)[codes]
            self._check_figures(answers, codes, cost, right)
            if self.ok:
                self._check_bound(answers, codes, cost)

    def _check_document(self, table: Table) -> None:
        """Whether model, certificate and table speak of the same columns and questions."""
        columns = [column.to_dict() for column in self.columns]
        self._check(
            _plain(self.claim["columns"]) == _plain(columns),
            f"certificate and model have the same {len(columns)} columns",
            "the columns of the certificate are not those of the model",
            stop=True,
        )
        fault = ""
        if len(table.columns) != len(columns):
            fault = f"the table has {len(table.columns)} columns, the model {len(columns)}"
        for have, want in zip(table.columns, self.columns, strict=False):
            objects = want.kind in ("category", "boolean")
            if have.type.name != want.name or (have.values.dtype == object) != objects:
                fault = fault or (
                    f"the table has column {have.type.name!r} ({have.type.kind}) where the model "
                    f"has {want.name!r} ({want.kind})"
                )
        self._check(not fault, "the table has the columns of the model", fault, stop=True)
        candidates = [_plain(question) for question in self.claim["predicates"]]
        asked = [p for tree in self.trees for p in tree.predicates]
        strange = [p.text() for p in asked if _plain(p.to_dict()) not in candidates]
        self._check(
            not strange,
            f"every question is one of the {len(candidates)} candidates",
            f"the model asks {strange[:1]}, which is not a candidate predicate",
        )
        stated = self.claim["n_estimators"]
        self._check(
            len(self.trees) == stated and stated % 2 == 1,
            f"there are {len(self.trees)} trees",
            f"there are {len(self.trees)} trees, the certificate states {stated}, and an odd "
            "number is needed",
            stop=True,
        )

    def _codes(self, labels: np.ndarray) -> np.ndarray:
        index = {label: code for code, label in enumerate(self.classes.tolist())}
        unknown = sorted({repr(label) for label in labels.tolist() if label not in index})
        fault = f"y holds {unknown[:1]}, which is not a class of the model"
        self._check(not unknown, "every label is a class of the model", fault, stop=True)
        return np.array([index[label] for label in labels.tolist()], dtype=np.intp)

    def _answers(self, table: Table) -> np.ndarray:
        """Answers to every candidate, shape (n_rows, n_predicates), bool."""
        candidates = [Predicate.from_dict(p, self.columns) for p in self.claim["predicates"]]
        answers = np.zeros((table.n_rows, len(candidates)), dtype=bool)
        for at, predicate in enumerate(candidates):
            answers[:, at] = predicate.holds(table)
        return answers

    def _check_trees(self, table: Table, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Node counts of every tree, by walking rows; whether the majority is right on each row."""
        votes = np.zeros(table.n_rows, dtype=np.intp)
        slack = self.tolerance * max(1.0, float(weight.sum()))
        fault = ""
        for number, tree in enumerate(self.trees, 1):
            counts = np.zeros((tree.n_nodes, len(self.classes)))
            here = {0: np.arange(table.n_rows)}
            for node in range(tree.n_nodes):
                rows = here.pop(node)
                np.add.at(counts[node], codes[rows], weight[rows])
                if tree.predicate[node] < 0:
                    votes[rows] += codes[rows] == tree.label[node]
                    continue
                holds = tree.predicates[tree.predicate[node]].holds(table)[rows]
                here[int(tree.if_true[node])] = rows[holds]
                here[int(tree.if_false[node])] = rows[~holds]
            off = np.abs(counts - tree.counts).max(axis=1) > slack
            if off.any() and not fault:
                at = int(off.argmax())
                fault = (
                    f"node {at} of tree {number} has class counts {counts[at].tolist()} on this "
                    f"table, the model states {tree.counts[at].tolist()}"
                )
        nodes = sum(tree.n_nodes for tree in self.trees)
        self._check(
            not fault, f"the class counts of all {nodes} nodes are those of the table", fault
        )
        return 2 * votes > len(self.trees)

    def _check_hash(self, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        stated = self.claim["data_hash"]
        groups = _groups(answers, codes, weight, len(self.classes))
        self._check(
            not stated or stated == _hash(groups, answers.shape[1]),
            "the data hash is that of the table" if stated else "there is no data hash",
            "the data hash is not that of this table, labels, weights and predicates",
        )

    def _check_figures(
        self, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray, right: np.ndarray
    ) -> None:
        """Cuts, errors, budget, objective, gap, status and statement."""
        claim = self.claim
        sizes = [int((tree.predicate >= 0).sum()) for tree in self.trees]
        counted = max(sizes) if claim["criterion"] == "max_size" else sum(sizes)
        errors, total = float(weight[~right].sum()), float(weight.sum())
        groups = _groups(answers, codes, weight, len(self.classes))
        floor = math.fsum(sum(sums) - max(sums) for sums in groups.values())
        self._same("the number of cuts", claim["n_cuts"], sum(sizes))
        self._same("the number of rows of positive weight", claim["n_rows"], len(codes))
        self._same("the total weight", claim["total"], total)
        self._same("the weight of the errors", claim["errors"], errors)
        self._same("the weight of errors that no model avoids", claim["unavoidable"], floor)
        price = claim["regularization"]
        if price is None:
            self.objective = float(counted)
            allowed = floor + float(claim["error_budget"])
            self._check(
                errors <= allowed + self.tolerance * max(1.0, total),
                f"the errors are within the {number_text(allowed)} allowed",
                f"errors weigh {number_text(errors)}, allowed are {number_text(allowed)}",
            )
        else:
            self.objective = errors / total + float(price) * counted
        most = claim["max_cuts"]
        if claim["status"] == "optimal" or price is not None:
            self._check(
                most is None or counted <= most,
                f"{counted} cuts count",
                f"{counted} cuts count, the certificate allows {most}",
            )
        self._same("the objective", claim["objective"], self.objective)
        objective, bound = float(claim["objective"]), float(claim["lower_bound"])
        gap = max(0.0, (objective - bound) / objective) if objective > 0 else 0.0
        self._same("the gap of objective and bound", claim["gap"], gap)
        optimal = claim["status"] == "optimal"
        self._check(
            bound <= self.objective + self.tolerance and (not optimal or objective - bound <= 1e-9),
            f'status "{claim["status"]}" fits objective and bound',
            f'status "{claim["status"]}" does not fit the objective {number_text(objective)} and '
            f"the bound {number_text(bound)}",
        )
        self._check(
            str(claim["statement"]).startswith("Not proven optimal") != optimal,
            "the statement claims what the status says",
            f'the statement does not fit the status "{claim["status"]}"',
        )

    def _check_bound(self, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        """Whether the naive program finds fewer cuts than the bound, or a smaller objective."""
        found = self._by_tree if len(self.trees) == 1 else self._by_votes
        beaten = found(answers, codes, weight)
        if beaten is None:
            self.lines.append("objective re-derived, bound not re-proved (too much work)")
            return
        self.bound_checked = True
        bound = number_text(float(self.claim["lower_bound"]))
        self._check(
            not beaten,
            f"the lower bound {bound} is proved again: the naive program finds nothing better",
            f"the bound {bound} is too high: the naive program finds something better",
        )

    def _by_tree(self, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> bool | None:
        """Whether one tree is better than the bound; None: too much work to say."""
        claim, bound = self.claim, float(self.claim["lower_bound"])
        price, most = claim["regularization"], claim["max_cuts"]
        if price is None:
            cuts = math.ceil(bound - self.tolerance) - 1
            if cuts < 0:
                return False
            limit = float(claim["unavoidable"]) + float(claim["error_budget"])
            limit, leaf_cost, leaves = limit + self.tolerance * weight.sum(), 0.0, cuts + 1
        else:
            weight = weight / weight.sum()
            leaf_cost, leaves = float(price), None if most is None else most + 1
            limit = bound + leaf_cost - self.tolerance
        program = DynamicProgram(answers, codes, weight, len(self.classes), leaf_cost, 1, leaves)
        if program.estimate(None, limit) > 10 * self.budget:
            return None
        try:
            return program.least_below(None, limit, self.budget) < limit
        except OutOfWorkError:
            return None

    def _by_votes(self, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> bool | None:
        """Whether an ensemble is better than the bound; None: too much work to say."""
        claim, bound = self.claim, float(self.claim["lower_bound"])
        rows, first, example = np.unique(
            np.hstack([codes[:, None], answers]), axis=0, return_index=True, return_inverse=True
        )
        n, n_trees = len(rows), len(self.trees)
        if n > _MOST_EXAMPLES or work(n, n_trees) > self.budget:
            return None
        weights = np.bincount(example.ravel(), weight, n)
        given = (answers[first], codes[first], weights, n_trees, claim["criterion"] == "max_size")
        if claim["regularization"] is None:
            allowed = float(claim["unavoidable"]) + float(claim["error_budget"])
            allowed += self.tolerance * max(1.0, float(weight.sum()))
            return fewest_cuts(*given, allowed) < bound - self.tolerance
        most = math.inf if claim["max_cuts"] is None else float(claim["max_cuts"])
        price = float(claim["regularization"])
        return least_objective(*given, price, most) < bound - self.tolerance


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _groups(
    answers: np.ndarray, codes: np.ndarray, weight: np.ndarray, n_classes: int
) -> dict[bytes, list[float]]:
    """Weight of each class among the rows with the same answers."""
    amounts: dict[bytes, list[list[float]]] = {}
    for bits, code, amount in zip(
        np.packbits(answers, axis=1), codes.tolist(), weight.tolist(), strict=True
    ):
        amounts.setdefault(bits.tobytes(), [[] for _ in range(n_classes)])[code].append(amount)
    return {bits: [math.fsum(given) for given in own] for bits, own in amounts.items()}


def _hash(groups: dict[bytes, list[float]], n_predicates: int) -> str:
    """The hash that certificates carry, written down once more."""
    n_classes = len(next(iter(groups.values()), []))
    digest = hashlib.sha256(f"treeml data 1 {n_predicates} {n_classes}\n".encode())
    for bits in sorted(groups):
        digest.update(bits + np.array(groups[bits], dtype="<f8").tobytes())
    return digest.hexdigest()
