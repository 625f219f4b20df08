"""The certificate: a theorem about a tree in words, and the figures that a third party needs."""

from __future__ import annotations

import dataclasses
import decimal
import hashlib
import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from treeml._core.control import Status
from treeml._core.table import ColumnType, Table
from treeml._core.version import __version__
from treeml.ir.predicate import Predicate, number_text

__all__ = ["Certificate", "Status", "certify", "data_hash", "hash_answers"]

_BOX_WIDTH = 78
STOPPED = {
    "gap_tol": "the gap was small enough",
    "time_limit": "the time limit was reached",
    "memory_limit": "the memory limit was reached",
    "interrupted": "the search was interrupted",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Certificate:
    """What is known about the objective of a tree against every other tree of its kind.

    The objective of a tree is the sum over misclassified rows of sample weight times the weight
    of the row's class, divided by ``total``, plus ``regularization`` for every leaf. The trees
    compared have depth ``max_depth`` or less, at least ``min_samples_leaf`` rows of positive
    weight in every leaf (the tree of one leaf is always allowed) and ask only ``predicates``.

    Parameters
    ----------
    statement : str
        The theorem in words.
    objective : float
        Objective of the tree on the training rows.
    lower_bound : float
        No such tree has a smaller objective.
    gap : float
        ``(objective - lower_bound) / objective``; 0 where both are 0.
    status : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
        Whether the proof was completed, or what ended it.
    how : str
        How it was proven, in words.
    n_rows : int
        Training rows of positive weight.
    total : float
        Sum over all rows of sample weight times the weight of the row's class.
    n_predicates : int
        Length of ``predicates``.
    predicates : list of dict
        Every candidate question, as `Predicate.to_dict` gives it.
    columns : list of dict
        The columns that the predicates refer to, as `ColumnType.to_dict` gives them.
    max_depth : int or None
        Largest depth; the root has depth 0. None: no limit.
    regularization : float
        Cost of a leaf, in units of ``total``.
    min_samples_leaf : int
        Fewest rows of positive weight in a leaf.
    class_weight : list of float
        Weight of each class.
    weight_grid : str, default="weights are integers, as they are"
        How the row weights were brought to integers.
    rounding : float, default=0.0
        The most that this rounding can change the objective of any tree.
    data_hash : str, default=""
        See `data_hash`; empty where it was not asked for.
    version : str
        Release of treeml that made the certificate.
    seconds : float, default=0.0
        Time of the search.
    max_leaf_nodes : int or None, default=None
        Most leaves of the trees compared. None: no limit.
    cuts : str, default=""
        How the cuts of numbers were chosen, in words.
    cost_matrix : list of list of float, default=None
        What predicting each class (column) for a row of each class costs, in place of 1 for every
        wrong one; a class with a negative cost has its costs counted from its least one.
    """

    statement: str
    objective: float
    lower_bound: float
    gap: float
    status: Status
    how: str
    n_rows: int
    total: float
    n_predicates: int
    predicates: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    max_depth: int | None
    regularization: float
    min_samples_leaf: int
    class_weight: list[float]
    weight_grid: str = "weights are integers, as they are"
    rounding: float = 0.0
    data_hash: str = ""
    version: str = __version__
    seconds: float = 0.0
    max_leaf_nodes: int | None = None
    cuts: str = ""
    cost_matrix: list[list[float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form: every field by its name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Certificate:
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
        figures = {
            "objective": f"{self.objective:.12g}",
            "lower bound": f"{self.lower_bound:.12g}",
            "gap": f"{self.gap:.1%} ({self.status.replace('_', ' ')})",
            "trees": f"max_depth {depth}, {leaves}min_samples_leaf {self.min_samples_leaf}, "
            f"regularization {number_text(self.regularization)}, "
            f"{several(self.n_predicates, 'predicate')}",
            "cuts": self.cuts,
            "rows": f"{self.n_rows:,} of total weight {number_text(self.total)}",
            "proof": self.how,
            "weights": self.weight_grid,
            "data": self.data_hash or "no hash made",
            "made by": f"treeml {self.version} in {self.seconds:.3g} s",
        }
        if len(set(self.class_weight)) > 1:
            figures["classes"] = "weights " + ", ".join(map(number_text, self.class_weight))
        if self.cost_matrix is not None:
            rows = ("[" + ", ".join(map(number_text, row)) + "]" for row in self.cost_matrix)
            figures["costs"] = " ".join(rows)
        return boxed(self.statement, figures, self.status == "optimal")


def boxed(statement: str, figures: Mapping[str, str], proven: bool) -> str:
    """A statement and named figures as a box of lines; figures without text are left out."""
    width = _BOX_WIDTH - 4
    lines = [*textwrap.wrap(statement, width), ""]
    for name, value in figures.items():
        lines += textwrap.wrap(
            value, width, initial_indent=f"{name:<13}", subsequent_indent=" " * 13
        )
    title = " Certificate of optimality " if proven else " Certificate "
    head = "┌─" + title.ljust(_BOX_WIDTH - 3, "─") + "┐"
    body = [f"│ {line:<{width}} │" for line in lines]
    return "\n".join([head, *body, "└" + "─" * (_BOX_WIDTH - 2) + "┘"])


def certify(
    *,
    objective: float,
    lower_bound: float,
    status: Status,
    n_rows: int,
    total: float,
    predicates: Sequence[Predicate],
    columns: Sequence[ColumnType],
    max_depth: int | None,
    regularization: float,
    min_samples_leaf: int,
    class_weight: Iterable[float],
    max_leaf_nodes: int | None = None,
    how: str = "branch and bound over all trees",
    weighted: bool | None = None,
    weight_grid: str = "weights are integers, as they are",
    rounding: float = 0.0,
    data_hash: str = "",
    seconds: float = 0.0,
    cuts: str = "",
    cost_matrix: np.ndarray | None = None,
) -> Certificate:
    """Write the certificate of a search from its figures; fields as in `Certificate`.

    Parameters
    ----------
    weighted : bool, optional
        Whether rows or classes have different weights, for the wording. Worked out where not
        given: the class weights differ, or ``total`` is not ``n_rows``.

    Raises
    ------
    ValueError
        Where the status is unknown, the bound lies above the objective, or the status is
        "optimal" and the bound lies below it.
    """
    objective, lower_bound, total = float(objective), float(lower_bound), float(total)
    slack = 1e-9 * max(1.0, abs(objective)) + 2 * rounding
    if status not in get_args(Status):
        raise ValueError(f"status {status!r} is not one of {list(get_args(Status))}")
    if not lower_bound <= objective + slack:
        raise ValueError(f"lower bound {lower_bound} lies above the objective {objective}")
    if status == "optimal" and lower_bound < objective - slack:
        raise ValueError(
            f'status is "optimal" but the lower bound {lower_bound} lies below the objective '
            f"{objective}"
        )
    weights = [float(weight) for weight in class_weight]
    if weighted is None:
        weighted = len(set(weights)) > 1 or not math.isclose(total, n_rows)
    gap = max(0.0, (objective - lower_bound) / objective) if objective > 0 else 0.0
    space = _space(max_depth, max_leaf_nodes, len(predicates), int(min_samples_leaf))
    sample = _sample(int(n_rows), weighted, float(regularization))
    if cost_matrix is not None:
        sample = sample.replace("misclassification rate", "mean cost by the cost matrix", 1)
    statement = _statement(objective, lower_bound, gap, status, space, sample)
    return Certificate(
        statement=statement,
        objective=objective,
        lower_bound=lower_bound,
        gap=gap,
        status=status,
        how=how,
        n_rows=int(n_rows),
        total=total,
        n_predicates=len(predicates),
        predicates=[predicate.to_dict() for predicate in predicates],
        columns=[column.to_dict() for column in columns],
        max_depth=None if max_depth is None else int(max_depth),
        regularization=float(regularization),
        min_samples_leaf=int(min_samples_leaf),
        class_weight=weights,
        weight_grid=weight_grid,
        rounding=float(rounding),
        data_hash=data_hash,
        seconds=float(seconds),
        cuts=cuts,
        max_leaf_nodes=None if max_leaf_nodes is None else int(max_leaf_nodes),
        cost_matrix=None if cost_matrix is None else cost_matrix.tolist(),
    )


def data_hash(
    table: Table,
    predicates: Sequence[Predicate],
    codes: np.ndarray,
    weights: np.ndarray | None,
    n_classes: int,
) -> str:
    """SHA-256 of the training data as the search saw them, the same for every row order.

    Hashed are, in UTF-8 and little-endian, the line ``treeml data 1 <predicates> <classes>``,
    then for every distinct row of answers, in ascending order: the answers as bits (first
    predicate first, highest bit first, padded with 0), and for each class the sum of the sample
    weights of its rows as a float64. Rows of weight 0 are left out; sums are correctly rounded.

    Parameters
    ----------
    table : Table
        The training rows.
    predicates : sequence of Predicate
        Every candidate question, in the order of the certificate.
    codes : ndarray of int, shape (n_rows,)
        Class of each row.
    weights : ndarray of float, shape (n_rows,), or None
        Sample weights; None is 1 for every row.
    n_classes : int
        Number of classes.
    """
    answers = np.empty((table.n_rows, len(predicates)), dtype=bool)
    for at, predicate in enumerate(predicates):
        answers[:, at] = predicate.holds(table)
    return hash_answers(answers, codes, weights, n_classes)


def hash_answers(
    answers: np.ndarray, codes: np.ndarray, weights: np.ndarray | None, n_classes: int
) -> str:
    """`data_hash` from the answers themselves, shape (n_rows, n_predicates), bool or 0 and 1."""
    n_rows, n_predicates = answers.shape
    weight = np.ones(n_rows) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = weight > 0
    lead = np.ones((int(kept.sum()), 1), dtype=np.uint8)  # so that no row is empty
    rows = np.ascontiguousarray(np.hstack([lead, np.packbits(answers[kept], axis=1)]))
    keys = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    distinct, group = np.unique(keys, return_inverse=True)
    cells = group * n_classes + np.asarray(codes)[kept]
    sums = _cell_sums(cells, weight[kept], len(distinct) * n_classes).reshape(-1, n_classes)
    digest = hashlib.sha256(f"treeml data 1 {n_predicates} {n_classes}\n".encode())
    for key, row in zip(distinct, sums.astype("<f8"), strict=True):
        digest.update(key.tobytes()[1:] + row.tobytes())
    return digest.hexdigest()


def _cell_sums(cells: np.ndarray, weight: np.ndarray, n_cells: int) -> np.ndarray:
    """Correctly rounded sum of the weights in each cell, whatever the order of the rows."""
    if np.all(weight == np.rint(weight)) and weight.sum() < 2.0**53:
        return np.bincount(cells, weight, n_cells).astype(np.float64)
    order = np.argsort(cells, kind="stable")
    sums = np.zeros(n_cells)
    values = weight[order].tolist()
    used, start = np.unique(cells[order], return_index=True)
    for cell, low, high in zip(used, start, [*start[1:], len(values)], strict=True):
        sums[cell] = math.fsum(values[low:high])
    return sums


def several(count: int, noun: str) -> str:
    """A count and its noun, in the plural where it is not 1."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _space(
    max_depth: int | None, max_leaf_nodes: int | None, n_predicates: int, min_samples_leaf: int
) -> str:
    """The trees that the theorem is about."""
    limits = [] if max_depth is None else [f"depth <= {max_depth}"]
    if max_leaf_nodes is not None:
        limits.append(f"at most {max_leaf_nodes} {'leaf' if max_leaf_nodes == 1 else 'leaves'}")
    depth = f" of {' and '.join(limits)}" if limits else ""
    these = f"this {n_predicates}" if n_predicates == 1 else f"these {n_predicates:,}"
    noun = "predicate" if n_predicates == 1 else "predicates"
    leaf = f" with at least {min_samples_leaf} rows in every leaf" if min_samples_leaf > 1 else ""
    return f"decision tree{depth} over {these} {noun}{leaf}"


def _sample(n_rows: int, weighted: bool, regularization: float) -> str:
    """The rows and the objective that the theorem is about."""
    error = "weighted misclassification rate" if weighted else "misclassification rate"
    leaf = f" + {number_text(regularization)} per leaf" if regularization else ""
    return f"on the {several(n_rows, 'training row')} ({error}{leaf})"


def _statement(
    objective: float, bound: float, gap: float, status: Status, space: str, sample: str
) -> str:
    if status == "optimal":
        return f"No {space} has a smaller objective than {figure(bound, 'down')} {sample}."
    return (
        f"Not proven optimal ({STOPPED[status]}): every {space} has an objective of at least "
        f"{figure(bound, 'down')} {sample}; this one has {figure(objective, 'near')} "
        f"(gap {gap:.1%}).".replace("%)", " %)")
    )


def figure(value: float, way: Literal["down", "near"]) -> str:
    """At most six significant digits; ``down`` never states more than the value."""
    near = decimal.Context(prec=12).create_decimal(repr(value))  # drops the noise of the last bits
    rounding = decimal.ROUND_FLOOR if way == "down" else decimal.ROUND_HALF_EVEN
    return number_text(float(decimal.Context(prec=6, rounding=rounding).plus(near)))
