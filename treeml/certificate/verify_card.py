"""The checker of scorecards: what model and certificate say, derived again from the table.

The bound is not proved again: the naive program would go through all cards.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from treeml._core.table import Table
from treeml.certificate.checks import Checks
from treeml.ir.predicate import LinearTerm, Predicate, number_text
from treeml.ir.scorecard import Scorecard

__all__ = ["CardCheck"]

_ABSOLUTE = 1e-9  # an optimal bound may be this far from the objective, or `tolerance` times it


class CardCheck(Checks):
    """The checks of one scorecard, in order.

    Parameters
    ----------
    card : Scorecard
    claim : dict
        Its certificate, as `CardCertificate.to_dict` gives it.
    """

    def __init__(self, card: Scorecard, claim: dict[str, Any]) -> None:
        super().__init__(claim)
        self.card = card

    def run(self, table: Table, labels: np.ndarray, weight: np.ndarray) -> None:
        """Check against the training rows, shape (n_rows,) each."""
        with self._reading():
            self._check_document(table)
            codes = self._codes(labels)
            kept = weight > 0
            table, codes, weight = table.take(kept), codes[kept], weight[kept]
            matrix = self._matrix(table)
            score = self._score(matrix)
            self._check_card(matrix)
            self._check_counts(score, codes, weight)
            self._check_objective(score, codes, weight)
            self._check_figures(codes, weight)
            self._check_hash(matrix, codes, weight)
            if self.claim["constraints"]:
                given = "; ".join(self.claim["constraints"])
                self.lines.append(f"not checked, as they are words: the constraints {given}")
            self.lines.append("objective re-derived, bound not re-proved")

    def _check_document(self, table: Table) -> None:
        """Whether card, certificate and table speak of the same columns and terms."""
        columns = [column.to_dict() for column in self.card.columns]
        self._check(
            _plain(self.claim["columns"]) == _plain(columns),
            f"certificate and card have the same {len(columns)} columns",
            "the columns of the certificate are not those of the card",
            stop=True,
        )
        fault = ""
        if len(table.columns) != len(columns):
            fault = f"the table has {len(table.columns)} columns, the model {len(columns)}"
        for have, want in zip(table.columns, self.card.columns, strict=False):
            objects = want.kind in ("category", "boolean")
            if have.type.name != want.name or (have.values.dtype == object) != objects:
                fault = fault or (
                    f"the table has column {have.type.name!r} ({have.type.kind}) where the model "
                    f"has {want.name!r} ({want.kind})"
                )
        self._check(not fault, "the table has the columns of the model", fault, stop=True)
        candidates = [_plain(term) for term in self.claim["terms"]]
        given = [term for term in self.card.terms if _plain(term.to_dict()) not in candidates]
        self._check(
            not given,
            f"every term of the card is one of the {len(candidates)} candidates",
            f"the card has {[term.text() for term in given[:1]]}, which is not a candidate term",
            stop=True,
        )
        self.used = [candidates.index(_plain(term.to_dict())) for term in self.card.terms]

    def _codes(self, labels: np.ndarray) -> np.ndarray:
        index = {label: code for code, label in enumerate(self.card.classes.tolist())}
        unknown = sorted({repr(label) for label in labels.tolist() if label not in index})
        fault = f"y holds {unknown[:1]}, which is not a class of the model"
        self._check(not unknown, "every label is a class of the model", fault, stop=True)
        return np.array([index[label] for label in labels.tolist()], dtype=np.intp)

    def _matrix(self, table: Table) -> np.ndarray:
        """What every candidate counts in every row."""
        matrix = np.zeros((table.n_rows, len(self.claim["terms"])))
        for at, given in enumerate(self.claim["terms"]):
            if "test" in given:
                matrix[:, at] = Predicate.from_dict(given, self.card.columns).holds(table)
            else:
                matrix[:, at] = LinearTerm.from_dict(given, self.card.columns).values(table)
        return matrix

    def _score(self, matrix: np.ndarray) -> np.ndarray:
        score = np.zeros(len(matrix))
        for at, points in zip(self.used, self.card.points.tolist(), strict=True):
            score += float(points) * matrix[:, at]
        return score

    def _check_card(self, matrix: np.ndarray) -> None:
        """Number of terms, ranges of points and the scale."""
        card, claim = self.card, self.claim
        self._check(
            card.n_terms <= claim["max_features"] and len(set(self.used)) == card.n_terms,
            f"{card.n_terms} terms are used",
            f"{card.n_terms} terms are used, the certificate allows {claim['max_features']}, "
            "each once",
        )
        low, high = np.array(claim["low"])[self.used], np.array(claim["high"])[self.used]
        off = np.flatnonzero((card.points < low) | (card.points > high))
        self._check(
            not off.size,
            "all points are within their ranges",
            f"the points {card.points[off[:1]].tolist()} are not from {low[off[:1]].tolist()} to "
            f"{high[off[:1]].tolist()}",
        )
        if claim["loss"] == "0-1":
            self._check(card.scale is None, "the card gives labels", "a card of labels has a scale")
        elif claim["scale"] == "free":
            steep = np.abs(matrix[:, self.used]).max(axis=0, initial=0.0) * np.abs(card.points)
            most = float(steep.max(initial=0.0)) / card.required_scale()
            self._check(
                most <= claim["max_logit"] * (1 + self.tolerance),
                f"no term moves the log odds by more than {number_text(most)}",
                f"a term moves the log odds by {number_text(most)}, the certificate allows "
                f"{number_text(claim['max_logit'])}",
            )
        else:
            self._same("the scale", claim["scale"], card.required_scale())

    def _check_counts(self, score: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        """The training rows by score that stand in the model."""
        values, counts = self.card.score_values, np.zeros_like(self.card.score_counts)
        at = np.searchsorted(values, score)
        inside = at < len(values)
        if not self.card.binned:
            inside[inside] = values[at[inside]] == score[inside]
        np.add.at(counts, (at[inside], codes[inside]), weight[inside])
        slack = self.tolerance * max(1.0, float(weight.sum()))
        off = np.abs(counts - self.card.score_counts).max(axis=1, initial=0.0) > slack
        row = int(off.argmax()) if off.size else 0
        lost = np.flatnonzero(~inside)
        fault = ""
        if lost.size:
            strange = number_text(float(score[lost[0]]))
            fault = f"a row has the score {strange}, which the model does not"
        elif off.any():
            fault = (
                f"at score {number_text(values[row])} are {counts[row].tolist()} of the classes, "
                f"the model states {self.card.score_counts[row].tolist()}"
            )
        self._check(not fault, f"the rows at all {len(values)} scores are those stated", fault)

    def _check_objective(self, score: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        card, claim = self.card, self.claim
        given = [float(x) for x in claim["class_weight"]]
        weighted = weight * np.array(given)[codes]
        decision = card.intercept + score
        if claim["loss"] == "logistic":
            margin = np.where(codes == 1, decision, -decision) / card.required_scale()
            loss = np.logaddexp(0.0, -margin)
        else:
            loss = ((decision > 0) != (codes == 1)).astype(np.float64)
        self.objective = float((weighted * loss).sum() / weighted.sum())
        if claim["loss"] == "0-1":
            self.objective += float(claim["regularization"]) * card.n_terms
            self.objective += float(claim["tie"]) * float(np.abs(card.points).sum())
        self._same("the objective", claim["objective"], self.objective)
        self._same("the total weight", claim["total"], float(weighted.sum()))
        for name, code, least in (("max_fpr", 0, False), ("min_tpr", 1, True)):
            if name in claim["limits"]:
                limit, of_class = float(claim["limits"][name]), codes == code
                rate = float(weight[of_class & (decision > 0)].sum() / weight[of_class].sum())
                kept = rate >= limit - self.tolerance if least else rate <= limit + self.tolerance
                said = f"the rate that {name} limits to {number_text(limit)} is {number_text(rate)}"
                self._check(kept, said, said)

    def _check_figures(self, codes: np.ndarray, weight: np.ndarray) -> None:
        """Rows, gap, bound, status and statement."""
        claim = self.claim
        self._same("the number of rows of positive weight", claim["n_rows"], float(len(codes)))
        objective, bound = float(claim["objective"]), float(claim["lower_bound"])
        gap = max(0.0, (objective - bound) / objective) if objective > 0 else 0.0
        self._same("the gap of objective and bound", claim["gap"], gap)
        self._check(
            bound <= self.objective + self.tolerance,
            "the bound does not lie above the objective",
            f"the bound {number_text(bound)} lies above the objective "
            f"{number_text(self.objective)}",
        )
        optimal = claim["status"] == "optimal"
        near = max(_ABSOLUTE, float(claim["tolerance"]) * objective) * (1 + self.tolerance)
        self._check(
            not optimal or objective - bound <= near,
            f'status "{claim["status"]}" fits objective and bound',
            f'status is "optimal", but the objective {number_text(objective)} is not the bound '
            f"{number_text(bound)}",
        )
        self._check(
            str(claim["statement"]).startswith("Not proven optimal") != optimal,
            "the statement claims what the status says",
            f'the statement does not fit the status "{claim["status"]}"',
        )

    def _check_hash(self, matrix: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        if not self.claim["data_hash"]:
            self.lines.append("the certificate has no data hash; the data were compared by counts")
            return
        self._check(
            self.claim["data_hash"] == _hash(matrix, codes, weight),
            "the data hash is that of the table",
            "the data hash is not that of this table, labels, weights and terms",
        )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _hash(matrix: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> str:
    """The hash that certificates carry, written down a second time."""
    groups: dict[tuple[float, ...], tuple[list[float], list[float]]] = {}
    for row, code, amount in zip(
        (matrix + 0.0).tolist(), codes.tolist(), weight.tolist(), strict=True
    ):
        groups.setdefault(tuple(row), ([], []))[code].append(amount)
    digest = hashlib.sha256(f"treeml card 1 {matrix.shape[1]}\n".encode())
    for row in sorted(groups):
        sums = [math.fsum(amounts) for amounts in groups[row]]
        digest.update(np.array([*row, *sums], dtype="<f8").tobytes())
    return digest.hexdigest()
