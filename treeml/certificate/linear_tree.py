"""What is proven about a tree with linear leaves: of which trees over which grid it is the best."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from treeml._core.version import __version__
from treeml.certificate.certificate import STOPPED, Status

__all__ = ["LinearTreeCertificate"]


@dataclasses.dataclass(frozen=True, slots=True)
class LinearTreeCertificate:
    """What is known about the cost of a tree with linear leaves against every other on its grid.

    The cost of a leaf is the least, over linear maps, of the weighted squared error of the
    residuals of the linear model of all rows, plus ``l2`` for every squared coefficient and for
    the squared constant; that of a tree the sum over its leaves.

    Parameters
    ----------
    statement : str
        The theorem in words.
    objective, lower_bound : float
        Cost of the tree, and what no tree of the kind is below, divided by ``total``.
    gap : float
        ``(objective - lower_bound) / objective``; 0 where both are 0.
    status : {"optimal", "time_limit", "memory_limit", "interrupted"}
    how : str
        How it was proven, in words.
    n_rows : int
        Training rows of positive weight.
    total : float
        Weighted sum of squares of the residuals.
    loss : {"squared_error", "log_loss_bound"}
        "log_loss_bound": the residuals are those of the quadratic bound of the log loss.
    l2 : float
    max_depth, max_leaf_nodes, min_samples_leaf : int
    min_weight_leaf : float
        Limits of the trees compared; the tree of one leaf is always allowed.
    max_cuts : int
    columns : list of str
        What questions are about: one entry for each split column.
    cuts : list of list of float
        The grid: the thresholds of each, on its values as the search has them (levels by their
        place in an order).
    inputs : list of str
        The columns that leaves multiply.
    common : dict
        The linear model of all rows, ``coef`` and ``intercept`` over the table's columns, and its
        penalty ``l2``.
    predicates : list of dict
        The grid as questions about the table; for levels of a category that cannot be told from
        each other by any row they may be fewer than the cuts.
    class_weight : list of float
        By class; none for numbers.
    version : str
    seconds : float
    """

    statement: str
    objective: float
    lower_bound: float
    gap: float
    status: Status
    how: str
    n_rows: int
    total: float
    loss: str
    l2: float
    max_depth: int
    max_leaf_nodes: int
    min_samples_leaf: int
    min_weight_leaf: float
    max_cuts: int
    columns: list[str]
    cuts: list[list[float]]
    inputs: list[str] = dataclasses.field(default_factory=list)
    common: dict[str, Any] = dataclasses.field(default_factory=dict)
    predicates: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    class_weight: list[float] = dataclasses.field(default_factory=list)
    version: str = __version__
    seconds: float = 0.0

    @classmethod
    def of(cls, **known: Any) -> LinearTreeCertificate:
        """The certificate with its sentences, from all other fields."""
        n_cuts = sum(map(len, known["cuts"]))
        kind = (
            f"trees of depth <= {known['max_depth']} with at most {known['max_leaf_nodes']} linear "
            f"leaves of at least {known['min_samples_leaf']} row(s) and weight "
            f"{known['min_weight_leaf']:.6g}, over a grid of {n_cuts} cuts (at most "
            f"{known['max_cuts']} quantiles of a column)"
        )
        about = (
            "in penalised squared error"
            if known["loss"] == "squared_error"
            else "in a quadratic bound of the penalised log loss"
        )
        if known["status"] == "optimal":
            statement = f"Optimal {about} on the training rows among {kind}."
        else:
            statement = (
                f"Within {100 * known['gap']:.2f} % of the best {about} on the training rows among "
                f"{kind}; {STOPPED[known['status']]} before the proof was complete."
            )
        how = (
            "Exact search: all pairs of cuts from tables of moments for depth 2; for depth 3 "
            "intervals of root cuts, whose loss of depth 2 is monotone in the rows. Costs closer "
            "than 1e-9, relative, count as equal."
        )
        return cls(statement=statement, how=how, **known)

    def to_dict(self) -> dict[str, Any]:
        """JSON form: every field by its name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LinearTreeCertificate:
        """Inverse of `to_dict`; entries of later releases are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})
