"""An independent checker: everything a certificate says is derived again, the slow and plain way.

It shares no code with any search: questions are answered by `Predicate.holds`, and the bound is
proved again by dynamic programming over sets of rows (`dynamic_program`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from typing import Any

import numpy as np

from treeml._core.table import Table
from treeml.certificate.dynamic_program import CostProgram, DynamicProgram, OutOfWorkError
from treeml.certificate.verify_card import CardCheck
from treeml.certificate.verify_costs import CostCheck
from treeml.certificate.verify_linear import LinearCheck
from treeml.certificate.verify_size import SizeCheck
from treeml.ir.action_tree import ActionTree
from treeml.ir.predicate import Predicate, number_text
from treeml.ir.routed_model import RoutedModel
from treeml.ir.schema import load
from treeml.ir.scorecard import Scorecard
from treeml.ir.tree import Tree
from treeml.ir.vote import TreeVote

__all__ = ["Verification", "verify"]

_TOLERANCE = 1e-9
_LARGEST_ROUNDING = 1e-6
_TRY_UP_TO = 10  # pruning and reuse may save this factor of the estimated work


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """What the checker found.

    Parameters
    ----------
    ok : bool
        Whether nothing differs from what the model and its certificate say.
    lines : tuple of str
        One sentence for every check; those that failed start with ``DIFFERS:``.
    objective : float
        The objective derived again; NaN where the model could not be run on the table.
    bound_checked : bool
        Whether the lower bound was proved again.
    """

    ok: bool
    lines: tuple[str, ...]
    objective: float
    bound_checked: bool

    def __str__(self) -> str:
        return "\n".join(self.lines)


class _RefutedError(Exception):
    """A difference that leaves nothing further to check."""


@dataclasses.dataclass
class _Findings:
    """The lines so far, the tree and certificate as read, and the figures derived from them."""

    tree: Tree
    claim: dict[str, Any]
    lines: list[str] = dataclasses.field(default_factory=list)
    ok: bool = True
    objective: float = math.nan
    bound_checked: bool = False

    def check(self, good: bool, fact: str, differs: str, *, stop: bool = False) -> None:
        self.lines.append(fact if good else f"DIFFERS: {differs}")
        self.ok = self.ok and good
        if stop and not good:
            raise _RefutedError

    def same(self, what: str, stated: Any, found: Any, slack: float = _TOLERANCE) -> None:
        self.check(
            abs(float(stated) - float(found)) <= slack * max(1.0, abs(float(found))),
            f"{what} is {number_text(found)}, as stated",
            f"{what} is {number_text(found)}, the certificate states {number_text(stated)}",
        )


def verify(
    model: str | dict[str, Any],
    table: Table,
    y: Any,
    *,
    sample_weight: Any = None,
    work_budget: float = 2e7,
) -> Verification:
    """Check a model and its certificate against the training data.

    Derived again are predictions, node counts, labels, depth, leaf sizes, the objective, the
    data hash and the gap. The lower bound is proved again by a naive program, dynamic programming
    over sets of rows with the best two last levels from counts of pairs of answers, where that
    takes no more than ``work_budget`` split evaluations; a line says where it was not. Of a
    scorecard all but the bound is derived again: ranges of points, rows by score, objective,
    limits on rates and data hash. Of a tree of actions the costs of every node stand for the
    counts. Of a tree with linear leaves the objective is derived again with every leaf's map, and
    the linear model of all rows is checked to be the best one for its penalty; the bound is proved
    again where all leaves of all trees on the grid can be fitted. Of smallest trees and votes also
    cuts and errors; the bound is proved again by the same program for one tree, by tables over all
    sets of rows for several.

    Parameters
    ----------
    model : str or dict
        JSON text of a model, or the document it holds, with entries ``model`` and
        ``certificate``.
    table : Table
        The training rows.
    y : array-like, shape (n_rows,)
        Their labels; of a tree of actions their costs (or rewards), shape (n_rows, n_actions).
    sample_weight : array-like of float, shape (n_rows,), optional
        Their weights; 1 where not given.
    work_budget : float, default=2e7
        Most split evaluations of the naive program, counted for up to 1,000 rows and two
        classes (more rows or classes count as more); 2e7 take about five seconds.

    Returns
    -------
    Verification
        ``ok`` is False where anything differs, and a line says what.

    Raises
    ------
    ValueError
        Where the model is no treeml model, has no certificate, or the lengths of table, labels
        and weights differ.
    """
    text = model if isinstance(model, str) else json.dumps(model)
    read, extra = load(text)
    if not isinstance(extra.get("certificate"), dict):
        raise ValueError('the model has no entry "certificate": there is nothing to check')
    labels = np.asarray(y)
    weight = np.ones(table.n_rows) if sample_weight is None else np.asarray(sample_weight, float)
    wanted = (table.n_rows,)
    if isinstance(read, ActionTree):
        wanted = (table.n_rows, len(read.actions))
    for what, array, shape in (("y", labels, wanted), ("sample_weight", weight, wanted[:1])):
        if array.shape != shape:
            raise ValueError(f"{what} has shape {array.shape}, the table {table.n_rows} rows")
    if isinstance(read, ActionTree):
        costs = CostCheck(read, extra["certificate"])
        signed = -labels.astype(float) if read.rewards else labels.astype(float)
        costs.run(table, signed, weight, work_budget)
        return Verification(costs.ok, tuple(costs.lines), costs.objective, costs.bound_checked)
    if isinstance(read, RoutedModel):
        linear = LinearCheck(read, extra["certificate"])
        linear.run(table, labels, weight, work_budget)
        return Verification(linear.ok, tuple(linear.lines), linear.objective, linear.bound_checked)
    if not isinstance(read, (Tree, TreeVote, Scorecard)):
        raise ValueError(f"a {read.kind.replace('_', ' ')} has no certificate to check")
    if isinstance(read, Scorecard):
        card = CardCheck(read, extra["certificate"])
        card.run(table, labels, weight)
        return Verification(card.ok, tuple(card.lines), card.objective, bound_checked=False)
    if isinstance(read, TreeVote) or "n_cuts" in extra["certificate"]:
        size = SizeCheck(read, extra["certificate"], work_budget)
        size.run(table, labels, weight)
        return Verification(size.ok, tuple(size.lines), size.objective, size.bound_checked)
    found = _Findings(read, extra["certificate"])
    try:
        _check_document(found, table)
        codes = _codes(found, labels)
        kept = weight > 0
        table, codes, weight = table.take(kept), codes[kept], weight[kept]
        answers = _answers(found, table)
        _check_tree(found, table, codes, weight)
        _check_figures(found, answers, codes, weight)
        if found.ok:
            _check_bound(found, answers, codes, weight, work_budget)
    except _RefutedError:
        pass
    except (KeyError, TypeError, IndexError, ValueError) as error:
        missing = f"the certificate cannot be read ({type(error).__name__}: {error})"
        found.check(False, "", missing)
    return Verification(found.ok, tuple(found.lines), found.objective, found.bound_checked)


def _check_document(found: _Findings, table: Table) -> None:
    """Whether tree, certificate and table speak of the same columns and questions."""
    tree, claim = found.tree, found.claim
    fault = _malformed(tree)
    found.check(not fault, "the tree is well formed", f"the tree is malformed: {fault}", stop=True)
    columns = [column.to_dict() for column in tree.columns]
    found.check(
        _plain(claim["columns"]) == _plain(columns),
        f"certificate and tree have the same {len(columns)} columns",
        "the columns of the certificate are not those of the tree",
        stop=True,
    )
    fault = ""
    if len(table.columns) != len(columns):
        fault = f"the table has {len(table.columns)} columns, the model {len(columns)}"
    for have, want in zip(table.columns, tree.columns, strict=False):
        if have.type.name != want.name or (have.values.dtype == object) != (
            want.kind in ("category", "boolean")
        ):
            fault = fault or (
                f"the table has column {have.type.name!r} ({have.type.kind}) where the model has "
                f"{want.name!r} ({want.kind})"
            )
    found.check(not fault, "the table has the columns of the model", fault, stop=True)
    candidates = claim["predicates"]
    found.check(
        claim["n_predicates"] == len(candidates),
        f"{len(candidates)} candidate predicates are listed, as stated",
        f"{len(candidates)} candidate predicates are listed, stated are {claim['n_predicates']}",
    )
    strange = [p.text() for p in tree.predicates if _plain(p.to_dict()) not in candidates]
    found.check(
        not strange,
        "every question of the tree is a candidate predicate",
        f"the tree asks {strange[:1]}, which is not a candidate predicate",
    )
    stated = [float(weight) for weight in claim["class_weight"]]
    found.check(
        stated == tree.class_weight.tolist(),
        "certificate and tree have the same class weights",
        f"the class weights of the certificate are {stated}, "
        f"those of the tree {tree.class_weight.tolist()}",
        stop=True,
    )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _malformed(tree: Tree) -> str:
    """What is wrong with the arrays of the tree; empty where nothing is."""
    n, n_classes = tree.n_nodes, len(tree.classes)
    if not n or any(len(a) != n for a in (tree.if_true, tree.if_false, tree.counts, tree.label)):
        return "its arrays have different lengths"
    if len(tree.class_weight) != n_classes:
        return f"{len(tree.class_weight)} class weights for {n_classes} classes"
    inner = np.flatnonzero(tree.predicate >= 0)
    if inner.size and tree.predicate.max() >= len(tree.predicates):
        return f"node {tree.predicate.argmax()} asks a predicate that is not there"
    children = np.sort(np.concatenate([tree.if_true[inner], tree.if_false[inner]]))
    if not np.array_equal(children, np.arange(1, n)):
        return "its children are not every node but the root, once each"
    if (np.minimum(tree.if_true, tree.if_false)[inner] <= inner).any():
        return "a child stands before its parent"
    if tree.label.min() < 0 or tree.label.max() >= n_classes:
        return "a node predicts a class that is not there"
    return ""


def _codes(found: _Findings, labels: np.ndarray) -> np.ndarray:
    """Class of every row as an index into the classes of the tree."""
    index = {label: code for code, label in enumerate(found.tree.classes.tolist())}
    unknown = sorted({repr(label) for label in labels.tolist() if label not in index})
    fault = f"y holds {unknown[:1]}, which is not a class of the model"
    found.check(not unknown, "every label is a class of the model", fault, stop=True)
    return np.array([index[label] for label in labels.tolist()], dtype=np.intp)


def _answers(found: _Findings, table: Table) -> np.ndarray:
    """Answers to every candidate, shape (n_rows, n_predicates), bool."""
    columns = found.tree.columns
    candidates = [Predicate.from_dict(p, columns) for p in found.claim["predicates"]]
    answers = np.zeros((table.n_rows, len(candidates)), dtype=bool)
    for at, predicate in enumerate(candidates):
        answers[:, at] = predicate.holds(table)
    return answers


def _check_tree(found: _Findings, table: Table, codes: np.ndarray, weight: np.ndarray) -> None:
    """Node counts, labels, depth and leaf sizes, by walking every row down the tree."""
    tree, claim = found.tree, found.claim
    counts = np.zeros((tree.n_nodes, len(tree.classes)))
    size = np.zeros(tree.n_nodes, dtype=np.intp)
    depth = np.zeros(tree.n_nodes, dtype=np.intp)
    here = {0: np.arange(table.n_rows)}
    for node in range(tree.n_nodes):
        rows = here.pop(node)
        size[node] = len(rows)
        np.add.at(counts[node], codes[rows], weight[rows])
        if tree.predicate[node] >= 0:
            yes, no = int(tree.if_true[node]), int(tree.if_false[node])
            holds = tree.predicates[tree.predicate[node]].holds(table)[rows]
            here[yes], here[no] = rows[holds], rows[~holds]
            depth[yes] = depth[no] = depth[node] + 1
    scale = max(1.0, float(weight.sum()))
    slack = scale * (_TOLERANCE + _rounding(claim))
    off = np.abs(counts - tree.counts).max(axis=1) > slack
    at = int(off.argmax())
    found.check(
        not off.any(),
        f"the class counts of all {tree.n_nodes} nodes are those of the table",
        f"node {at} has class counts {counts[at].tolist()} on this table, "
        f"the tree states {tree.counts[at].tolist()}",
    )
    weighted = counts * tree.class_weight
    losses = weighted @ _confusion(found)
    chosen = losses[np.arange(tree.n_nodes), tree.label]
    off = chosen > losses.min(axis=1) + slack * max(1.0, float(np.abs(_confusion(found)).max()))
    at = int(off.argmax())
    best = "largest weight" if claim.get("cost_matrix") is None else "least cost"
    found.check(
        not off.any(),
        f"every node predicts the class of {best} in it",
        f"node {at} predicts {tree.classes[tree.label[at]]!r}, "
        f"the class of {best} in it is {tree.classes[losses[at].argmin()]!r}",
    )
    deepest, limit = int(depth.max()), claim["max_depth"]
    found.check(
        limit is None or deepest <= limit,
        f"the depth is {deepest}",
        f"the tree has depth {deepest}, the certificate allows {limit}",
    )
    leaves = np.flatnonzero(tree.predicate < 0)
    least, at_least = int(size[leaves].min()), claim["min_samples_leaf"]
    found.check(
        least >= at_least or tree.n_nodes == 1,
        f"the smallest of the {len(leaves)} leaves has {least} rows",
        f"a leaf has {least} rows, the certificate asks for {at_least} or more",
    )
    most = claim.get("max_leaf_nodes")
    found.check(
        most is None or len(leaves) <= most,
        f"the tree has {len(leaves)} leaves",
        f"the tree has {len(leaves)} leaves, the certificate allows {most}",
    )
    errors = float(chosen[leaves].sum())
    cost = errors / max(float(weighted[0].sum()), math.ulp(0.0))
    found.objective = cost + float(claim["regularization"]) * len(leaves)


def _confusion(found: _Findings) -> np.ndarray:
    """What predicting a class (column) for a row of a class adds to the sum of costs."""
    matrix = found.claim.get("cost_matrix")
    if matrix is None:
        return 1.0 - np.eye(len(found.tree.classes))
    costs = np.array(matrix, dtype=np.float64)
    return costs - np.minimum(costs.min(axis=1), 0.0)[:, None]


def _rounding(claim: dict[str, Any]) -> float:
    return min(float(claim.get("rounding", 0.0)), _LARGEST_ROUNDING)


def _check_figures(
    found: _Findings, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray
) -> None:
    """Objective, total, gap, status and data hash."""
    claim, slack = found.claim, _TOLERANCE + 2 * _rounding(found.claim)
    found.same("the number of rows of positive weight", claim["n_rows"], len(codes), 0.0)
    total = float((weight * found.tree.class_weight[codes]).sum())
    found.same("the total weight", claim["total"], total, slack)
    found.same("the objective", claim["objective"], found.objective, slack)
    objective, bound = float(claim["objective"]), float(claim["lower_bound"])
    gap = max(0.0, (objective - bound) / objective) if objective > 0 else 0.0
    found.same("the gap of objective and bound", claim["gap"], gap)
    found.check(
        bound <= found.objective + slack,
        "the bound does not lie above the objective",
        f"the bound {number_text(bound)} lies above the objective {number_text(found.objective)}",
    )
    optimal = claim["status"] == "optimal"
    found.check(
        not optimal or abs(objective - bound) <= slack,
        f'status "{claim["status"]}" fits objective and bound',
        f'status is "optimal", but the objective {number_text(objective)} is not the bound '
        f"{number_text(bound)}",
    )
    found.check(
        str(claim["statement"]).startswith("Not proven optimal") != optimal,
        "the statement claims what the status says",
        f'the statement does not fit the status "{claim["status"]}"',
    )
    if not claim["data_hash"]:
        found.lines.append("the certificate has no data hash; the data were compared by counts")
        return
    found.check(
        claim["data_hash"] == _hash(answers, codes, weight, len(found.tree.classes)),
        "the data hash is that of the table",
        "the data hash is not that of this table, labels, weights and predicates",
    )


def _check_bound(
    found: _Findings, answers: np.ndarray, codes: np.ndarray, weight: np.ndarray, budget: float
) -> None:
    """Whether the naive program finds a tree below the stated bound."""
    claim, tree = found.claim, found.tree
    cost = weight * tree.class_weight[codes]
    cost = cost / max(float(cost.sum()), math.ulp(0.0))
    limits = (
        float(claim["regularization"]),
        int(claim["min_samples_leaf"]),
        claim.get("max_leaf_nodes"),
    )
    if claim.get("cost_matrix") is None:
        program = DynamicProgram(answers, codes, cost, len(tree.classes), *limits)
    else:
        program = CostProgram(answers, cost[:, None] * _confusion(found)[codes], *limits)
    bound = float(claim["lower_bound"])
    limit = bound - _TOLERANCE * max(1.0, bound) - 2 * _rounding(claim)
    work = program.estimate(claim["max_depth"], limit)
    not_proved = (
        f"objective re-derived, bound not re-proved (would need about {work:,.2g} evaluations)"
    )
    if work > _TRY_UP_TO * budget:
        found.lines.append(not_proved)
        return
    try:
        least = program.least_below(claim["max_depth"], limit, budget)
    except OutOfWorkError:
        found.lines.append(not_proved)
        return
    found.bound_checked = True
    found.check(
        least >= limit,
        f"the lower bound {number_text(bound)} is proved again: no tree over the "
        f"{claim['n_predicates']} predicates has a smaller objective "
        f"({program.evaluations:,.3g} evaluations)",
        f"the bound {number_text(bound)} is too high: a tree has the objective "
        f"{number_text(least)}",
    )


def _hash(answers: np.ndarray, codes: np.ndarray, weight: np.ndarray, n_classes: int) -> str:
    """The hash that certificates carry, written down a second time."""
    groups: dict[bytes, list[list[float]]] = {}
    for bits, code, amount in zip(
        np.packbits(answers, axis=1), codes.tolist(), weight.tolist(), strict=True
    ):
        groups.setdefault(bits.tobytes(), [[] for _ in range(n_classes)])[code].append(amount)
    digest = hashlib.sha256(f"treeml data 1 {answers.shape[1]} {n_classes}\n".encode())
    for bits in sorted(groups):
        sums = [math.fsum(amounts) for amounts in groups[bits]]
        digest.update(bits + np.array(sums, dtype="<f8").tobytes())
    return digest.hexdigest()
