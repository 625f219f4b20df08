"""The certificate of a scorecard: what is known about its loss against every other card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from treeml._core.control import Status
from treeml._core.version import __version__
from treeml.certificate.certificate import STOPPED, _cell_sums, boxed, figure, several
from treeml.ir.predicate import number_text

__all__ = ["CardCertificate", "hash_rows"]

_LOSS = {"logistic": "mean logistic loss", "0-1": "misclassification rate"}
_LIMITS = {
    "max_fpr": "the false positive rate is at most",
    "min_tpr": "the true positive rate is at least",
}
_MOST_NAMED = 3  # constraints in the statement
_NOISE = 1e-12  # not seen in the figures of a statement


@dataclasses.dataclass(frozen=True, slots=True)
class CardCertificate:
    """What is known about the objective of a scorecard against every card of its kind.

    The cards compared give integer points within ``low`` and ``high`` to at most ``max_features``
    of ``terms`` and obey ``constraints``. For the logistic loss the objective is the weighted mean
    of ``log(1 + exp(-y z))`` with ``z = (intercept + score) / scale``; for the 0-1 loss it is the
    weighted share of rows with the wrong label, plus ``regularization`` for every term and ``tie``
    times the sum of the absolute points. Rows weigh sample weight times weight of the class.

    Parameters
    ----------
    loss : {"logistic", "0-1"}
    objective, lower_bound, gap : float
        Of the card; proven for all cards; their difference over the objective.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    n_rows : int
        Training rows of positive weight.
    total : float
        Sum of the weights.
    terms : list of dict
        Every candidate term, as their ``to_dict`` gives it.
    columns : list of dict
    low, high : list of int
        Range of the points of every term that is used.
    max_features : int
    constraints : list of str
        The other constraints, in words.
    scale : "free" or float or None
        None for cards that give labels only.
    max_logit : float or None
        With a free scale: the most that a term may add to the log odds.
    tolerance : float
        "optimal" means that the bound is this close to the objective, relative to it.
    regularization, tie : float
    limits : dict of str to float
        ``max_fpr`` and ``min_tpr`` where they were set.
    class_weight : list of float
    data_hash : str
        SHA-256 of the distinct rows of terms with the sample weight of each class; see
        `hash_rows`.
    seconds : float
    version : str
    """

    loss: Literal["logistic", "0-1"]
    objective: float
    lower_bound: float
    gap: float
    status: Status
    n_rows: int
    total: float
    terms: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    low: list[int]
    high: list[int]
    max_features: int
    constraints: list[str]
    scale: Literal["free"] | float | None = "free"
    max_logit: float | None = None
    tolerance: float = 0.0
    regularization: float = 0.0
    tie: float = 0.0
    limits: dict[str, float] = dataclasses.field(default_factory=dict)
    class_weight: list[float] = dataclasses.field(default_factory=lambda: [1.0, 1.0])
    data_hash: str = ""
    seconds: float = 0.0
    version: str = __version__

    @property
    def statement(self) -> str:
        """The theorem in words."""
        bound = figure(self.lower_bound, "down")
        if self.status == "optimal":
            return f"No {self._space()} has a smaller {self._objective()} than {bound}."
        why = STOPPED[self.status]
        return (
            f"Not proven optimal ({why}): every {self._space()} has a {self._objective()} of at "
            f"least {bound}; this one has {figure(self.objective, 'near')} "
            f"(gap {self.gap:.1%}".replace("%", " %")
            + ")."
        )

    def _space(self) -> str:
        low, high = set(self.low), set(self.high)
        points = f"points from {min(low)} to {max(high)}" if low and high else "points"
        within = " within their ranges" if len(low) > 1 or len(high) > 1 else ""
        these = "this 1 term" if len(self.terms) == 1 else f"these {len(self.terms):,} terms"
        scale = ""
        if self.scale == "free":
            scale = (
                ", any intercept and any scale with which no term moves the log odds by more than "
                f"{number_text(self.max_logit or 0.0)}"
            )
        elif self.scale is not None:
            scale = f", any intercept and scale {number_text(float(self.scale))}"
        obey = [f"{_LIMITS[name]} {number_text(x)}" for name, x in self.limits.items()]
        if len(self.constraints) > _MOST_NAMED:
            obey.append(f"the {len(self.constraints)} constraints listed are obeyed")
        else:
            obey += self.constraints
        such = f", such that {' and '.join(obey)}," if obey else ""
        return (
            f"scorecard with {points}{within} for at most {self.max_features} of {these}"
            f"{scale}{such}"
        )

    def _objective(self) -> str:
        weighted = not math.isclose(self.total, self.n_rows) or len(set(self.class_weight)) > 1
        costs = [f"{number_text(self.regularization)} a term"] if self.regularization else []
        sizes = sorted(max(-a, b, 0) for a, b in zip(self.low, self.high, strict=True))
        most = sum(sizes[::-1][: self.max_features])
        if self.tie * most > _NOISE:
            costs.append(f"{self.tie:.3g} a point (which only breaks ties)")
        cost = f", counting {' and '.join(costs)}," if costs else ""
        rows = several(self.n_rows, "training row")
        return f"{'weighted ' * weighted}{_LOSS[self.loss]} on the {rows}{cost}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form: every field by its name, and the statement."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"statement": self.statement, **fields}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CardCertificate:
        """Inverse of `to_dict`; entries of later releases are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def to_json(self) -> str:
        """JSON text of `to_dict`."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def text(self) -> str:
        """The certificate as a box of lines for the terminal."""
        figures = {
            "objective": f"{self.objective:.12g}",
            "lower bound": f"{self.lower_bound:.12g}",
            "gap": f"{self.gap:.2%} ({self.status.replace('_', ' ')})",
            "rows": f"{self.n_rows:,} of total weight {number_text(self.total)}",
            "constraints": "; ".join(self.constraints) or "none but the ranges of points",
            "limits": ", ".join(f"{name} {number_text(x)}" for name, x in self.limits.items()),
            "proof": "branch and bound over which terms are used; all points of those left",
            "data": self.data_hash or "no hash made",
            "made by": f"treeml {self.version} in {self.seconds:.3g} s",
        }
        if self.tolerance and self.status == "optimal":
            figures["optimal"] = f"within {self.tolerance:g} of the objective"
        return boxed(self.statement, figures, self.status == "optimal")

    def __str__(self) -> str:
        return self.text()


def hash_rows(
    matrix: np.ndarray, codes: np.ndarray, sample_weight: np.ndarray | None = None
) -> str:
    """SHA-256 of the training data as the search saw them, the same for every row order.

    Hashed are the line ``treeml card 1 <terms>``, then for every distinct row of ``matrix`` in
    ascending order (-0 is 0) its values and the sums of the sample weights of classes 0 and 1 as
    little-endian float64. Rows of weight 0 are left out; sums are correctly rounded.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n_rows, n_terms)
        What every candidate term counts.
    codes : ndarray of int, shape (n_rows,)
        0 or 1.
    sample_weight : ndarray of float64, shape (n_rows,), default=None
        None: 1 each.
    """
    weight = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, float)
    kept = weight > 0
    matrix, codes, weight = matrix[kept] + 0.0, np.asarray(codes)[kept], weight[kept]
    rows, group = _distinct(matrix)
    sums = _cell_sums(group * 2 + codes, weight, len(rows) * 2).reshape(-1, 2)
    digest = hashlib.sha256(f"treeml card 1 {matrix.shape[1]}\n".encode())
    digest.update(np.hstack([rows, sums]).astype("<f8").tobytes())
    return digest.hexdigest()


def _distinct(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in ascending order, and which of them each row is."""
    if not ((matrix == 0) | (matrix == 1)).all():
        rows, group = np.unique(matrix, axis=0, return_inverse=True)
        return rows, group.ravel()
    lead = np.ones((len(matrix), 1), dtype=np.uint8)  # so that no row is empty
    packed = np.hstack([lead, np.packbits(matrix.astype(bool), axis=1)])
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return matrix[first], group.ravel()
