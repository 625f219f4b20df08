"""The certificate of a smallest tree or ensemble: what is known about the cuts of all others."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from treeml._core.control import Status
from treeml._core.version import __version__
from treeml.certificate.certificate import STOPPED, boxed, figure, several
from treeml.ir.predicate import number_text

__all__ = ["SizeCertificate"]


@dataclasses.dataclass(frozen=True, slots=True)
class SizeCertificate:
    """What is known about the cuts of trees that vote, against every other such ensemble.

    The ensembles compared have ``n_estimators`` trees of any shape that ask only ``predicates``. A
    row is right where more than half of the trees say its class. What counts are the cuts of all
    trees (criterion "size") or those of the largest one ("max_size"). Without ``regularization``
    the objective is their number, among the ensembles whose errors weigh at most ``error_budget``
    more than ``unavoidable``; with it, errors / total plus ``regularization`` for each of them.

    Parameters
    ----------
    criterion : {"size", "max_size"}
    n_estimators : int
    objective, lower_bound, gap : float
        Of the ensemble; proven for all; their difference over the objective.
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
    n_cuts : int
        Of all trees of this ensemble.
    errors : float
        Weight of the training rows that are not right.
    unavoidable : float
        Weight of the rows that no model gets right, since rows of a heavier class answer alike.
    error_budget : float
    regularization : float or None
    max_cuts : int or None
        Most cuts that count, of the ensembles compared.
    n_rows : int
        Training rows of positive weight.
    total : float
        Their weight.
    predicates, columns : list of dict
        Every candidate question, and the columns they refer to, as their ``to_dict`` gives them.
    class_weight : list of float
        Weight of the errors on each class; what errors and ``total`` are weighted by, besides
        sample weights.
    how : str
        How it was proven, in words.
    weight_grid : str, default="every row counts 1"
    data_hash : str, default=""
        See `treeml.certificate.data_hash`.
    cuts : str, default=""
        How the cuts of numbers were chosen, in words.
    seconds : float, default=0.0
    version : str
    """

    criterion: Literal["size", "max_size"]
    n_estimators: int
    objective: float
    lower_bound: float
    gap: float
    status: Status
    n_cuts: int
    errors: float
    unavoidable: float
    error_budget: float
    regularization: float | None
    max_cuts: int | None
    n_rows: int
    total: float
    predicates: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    class_weight: list[float]
    how: str
    weight_grid: str = "every row counts 1"
    data_hash: str = ""
    cuts: str = ""
    seconds: float = 0.0
    version: str = __version__

    @property
    def statement(self) -> str:
        """The theorem in words."""
        proven = self.status == "optimal"
        start = "No" if proven else f"Not proven optimal ({STOPPED[self.status]}): every"
        if self.regularization is None:
            bound = math.ceil(self.lower_bound)
            space = f"{start} {self._space()} {self._right()}"
            if proven:
                return f"{space} has fewer than {several(bound, 'cut')}{self._counted()}."
            found = several(int(self.objective), "cut")
            return (
                f"{space} has at least {several(bound, 'cut')}{self._counted()}; this one has "
                f"{found}."
            )
        bound = figure(self.lower_bound, "down")
        most = "" if self.max_cuts is None else f" with at most {several(self.max_cuts, 'cut')}"
        price = (
            f"misclassification rate + {number_text(self.regularization)} per cut"
            f"{self._counted() if self.criterion == 'max_size' else ''} on the "
            f"{several(self.n_rows, 'training row')}"
        )
        if proven:
            return f"{start} {self._space()}{most} has a smaller {price} than {bound}."
        return (
            f"{start} {self._space()}{most} has a {price} of at least {bound}; this one has "
            f"{figure(self.objective, 'near')}."
        )

    def _space(self) -> str:
        n = len(self.predicates)
        these = "this 1 predicate" if n == 1 else f"these {n:,} predicates"
        if self.n_estimators == 1:
            return f"decision tree over {these}"
        return f"majority of {self.n_estimators} decision trees over {these}"

    def _right(self) -> str:
        """Which of them are compared."""
        rows = several(self.n_rows, "training row")
        allowed = self.error_budget + self.unavoidable
        if allowed == 0:
            return f"that is right on all {rows}"
        weight = "weight" if not math.isclose(self.total, self.n_rows) else "number"
        why = ""
        if self.unavoidable:
            why = f", {number_text(self.unavoidable)} of which no model avoids"
        return f"whose errors on the {rows} are {number_text(allowed)} or fewer by {weight}{why},"

    def _counted(self) -> str:
        if self.n_estimators == 1:
            return ""
        return " in all" if self.criterion == "size" else " in its largest tree"

    def to_dict(self) -> dict[str, Any]:
        """JSON form: every field by its name, and the statement."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"statement": self.statement, **fields}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SizeCertificate:
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
            "status": self.status.replace("_", " "),
            "cuts": f"{self.n_cuts} in all",
            "errors": f"{number_text(self.errors)} of {number_text(self.total)}",
            "rows": f"{self.n_rows:,} of total weight {number_text(self.total)}",
            "questions": self.cuts,
            "proof": self.how,
            "weights": self.weight_grid,
            "data": self.data_hash or "no hash made",
            "made by": f"treeml {self.version} in {self.seconds:.3g} s",
        }
        return boxed(self.statement, figures, self.status == "optimal")

    def __str__(self) -> str:
        return self.text()
