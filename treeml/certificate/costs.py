"""The certificate of a tree of actions: what is known about its costs against every other tree."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from treeml._core.control import Status
from treeml._core.table import ColumnType
from treeml._core.version import __version__
from treeml.certificate.certificate import _cell_sums, _space, _statement, boxed, several
from treeml.ir.predicate import Predicate, number_text

__all__ = ["CostCertificate", "certify_costs", "hash_costs", "shifted_costs"]


@dataclasses.dataclass(frozen=True, slots=True)
class CostCertificate:
    """What is known about the objective of a tree of actions against every tree of its kind.

    The objective of a tree is the weighted mean of what the actions of the rows cost, plus
    ``regularization`` for every leaf. A row with a negative cost (a reward) has all its costs
    counted from its least one, so that no cost is negative; this moves all trees alike. The trees
    compared have depth ``max_depth`` or less, at most ``max_leaf_nodes`` leaves, at least
    ``min_samples_leaf`` rows of positive weight in every leaf (the tree of one leaf is always
    allowed) and ask only ``predicates``.

    Parameters
    ----------
    statement : str
        The theorem in words.
    objective, lower_bound, gap : float
        Of the tree; proven for all such trees; their difference over the objective.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    n_rows : int
        Training rows of positive weight.
    total : float
        Sum of their weights.
    actions : list
        Names or numbers of the actions.
    shift : float
        Weighted mean of what was taken from the costs of a row, 0 or below.
    predicates, columns : list of dict
        Every candidate question, and the columns of the table.
    max_depth, max_leaf_nodes : int or None
    regularization : float
        Cost of a leaf.
    min_samples_leaf : int
    cost_grid : str
        How the costs were brought to integers.
    rounding : float
        The most that this can change the objective of any tree.
    data_hash : str
        See `hash_costs`.
    how, cuts, version : str
    seconds : float
    """

    statement: str
    objective: float
    lower_bound: float
    gap: float
    status: Status
    n_rows: int
    total: float
    actions: list[Any]
    shift: float
    predicates: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    max_depth: int | None
    regularization: float
    min_samples_leaf: int
    max_leaf_nodes: int | None = None
    cost_grid: str = "costs are integers, as they are"
    rounding: float = 0.0
    data_hash: str = ""
    how: str = "branch and bound over all trees"
    cuts: str = ""
    version: str = __version__
    seconds: float = 0.0
    kind: str = "costs"

    def to_dict(self) -> dict[str, Any]:
        """JSON form: every field by its name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CostCertificate:
        """Inverse of `to_dict`; entries of later releases are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def to_json(self) -> str:
        """JSON text of `to_dict`."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def text(self) -> str:
        """The certificate as a box of lines for the terminal."""
        depth = "none" if self.max_depth is None else str(self.max_depth)
        leaves = "" if self.max_leaf_nodes is None else f"max_leaf_nodes {self.max_leaf_nodes}, "
        shift = "" if not self.shift else f"; {number_text(self.shift)} was taken from the mean"
        figures = {
            "objective": f"{self.objective:.12g}",
            "lower bound": f"{self.lower_bound:.12g}",
            "gap": f"{self.gap:.1%} ({self.status.replace('_', ' ')})",
            "trees": f"max_depth {depth}, {leaves}min_samples_leaf {self.min_samples_leaf}, "
            f"regularization {number_text(self.regularization)}, "
            f"{several(len(self.predicates), 'predicate')}",
            "cuts": self.cuts,
            "rows": f"{self.n_rows:,} of total weight {number_text(self.total)}",
            "actions": f"{len(self.actions)}{shift}",
            "proof": self.how,
            "costs": self.cost_grid,
            "data": self.data_hash or "no hash made",
            "made by": f"treeml {self.version} in {self.seconds:.3g} s",
        }
        return boxed(self.statement, figures, self.status == "optimal")


def shifted_costs(costs: np.ndarray) -> np.ndarray:
    """What is taken from the costs of every row: its least cost where that is negative, else 0."""
    return np.minimum(costs.min(axis=1), 0.0)


def certify_costs(
    *,
    objective: float,
    lower_bound: float,
    status: Status,
    n_rows: int,
    total: float,
    actions: np.ndarray,
    shift: float,
    predicates: Sequence[Predicate],
    columns: Sequence[ColumnType],
    max_depth: int | None,
    max_leaf_nodes: int | None,
    regularization: float,
    min_samples_leaf: int,
    **figures: Any,
) -> CostCertificate:
    """Write the certificate of a search from its figures; fields as in `CostCertificate`.

    Raises
    ------
    ValueError
        Where the bound lies above the objective, or below it though the status is "optimal".
    """
    slack = 1e-9 * max(1.0, abs(objective)) + 2 * float(figures.get("rounding", 0.0))
    if not lower_bound <= objective + slack:
        raise ValueError(f"lower bound {lower_bound} lies above the objective {objective}")
    if status == "optimal" and lower_bound < objective - slack:
        raise ValueError(
            f'status is "optimal" but the lower bound {lower_bound} lies below the objective '
            f"{objective}"
        )
    gap = max(0.0, (objective - lower_bound) / objective) if objective > 0 else 0.0
    space = _space(max_depth, max_leaf_nodes, len(predicates), int(min_samples_leaf))
    space = space.replace("decision tree", f"tree of {several(len(actions), 'action')}", 1)
    leaf = f" + {number_text(regularization)} per leaf" if regularization else ""
    mean = "mean cost" if math.isclose(total, n_rows) else "weighted mean cost"
    if shift:
        mean += ", that of a row with negative ones counted from its least"
    sample = f"on the {several(n_rows, 'training row')} ({mean}{leaf})"
    return CostCertificate(
        statement=_statement(objective, lower_bound, gap, status, space, sample),
        objective=float(objective),
        lower_bound=float(lower_bound),
        gap=gap,
        status=status,
        n_rows=int(n_rows),
        total=float(total),
        actions=actions.tolist(),
        shift=float(shift),
        predicates=[predicate.to_dict() for predicate in predicates],
        columns=[column.to_dict() for column in columns],
        max_depth=None if max_depth is None else int(max_depth),
        max_leaf_nodes=None if max_leaf_nodes is None else int(max_leaf_nodes),
        regularization=float(regularization),
        min_samples_leaf=int(min_samples_leaf),
        **figures,
    )


def hash_costs(answers: np.ndarray, costs: np.ndarray, weights: np.ndarray | None) -> str:
    """SHA-256 of the training data as the search saw them, the same for every row order.

    Hashed are, in UTF-8 and little-endian, the line ``treeml costs 1 <predicates> <actions>``,
    then for every distinct row of answers, in ascending order: the answers as bits (first
    predicate first, highest bit first, padded with 0), the sum of the weights and for each action
    the sum of weight times cost, as float64. Rows of weight 0 are left out; sums are correctly
    rounded.

    Parameters
    ----------
    answers : ndarray of bool or 0 and 1, shape (n_rows, n_predicates)
    costs : ndarray of float64, shape (n_rows, n_actions)
    weights : ndarray of float64, shape (n_rows,), or None
    """
    n_actions = costs.shape[1]
    weight = np.ones(len(answers)) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = weight > 0
    weight = weight[kept]
    lead = np.ones((len(weight), 1), dtype=np.uint8)  # so that no row is empty
    rows = np.ascontiguousarray(np.hstack([lead, np.packbits(answers[kept], axis=1)]))
    keys = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    distinct, group = np.unique(keys, return_inverse=True)
    values = np.column_stack([weight, costs[kept] * weight[:, None]])
    sums = np.column_stack([_cell_sums(group, column, len(distinct)) for column in values.T])
    digest = hashlib.sha256(f"treeml costs 1 {answers.shape[1]} {n_actions}\n".encode())
    for key, row in zip(distinct, (sums + 0.0).astype("<f8"), strict=True):
        digest.update(key.tobytes()[1:] + row.tobytes())
    return digest.hexdigest()
