"""What it costs to send a row to each of the experts of a routed model."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml import predict
from treeml._core.table import Table
from treeml._core.validation import check_numbers
from treeml.ir import RoutedModel

Loss = Literal["action", "routing", "target", "q"]

__all__ = ["ExpertCosts", "Loss", "expert_costs", "require_read_values", "row_losses"]

_LEAST = 1e-15  # probabilities count as no less


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ExpertCosts:
    """Costs of rows by expert, and what the teacher does.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_experts)
        Finite and not negative.
    teacher : ndarray of int32, shape (n_rows,)
        The teacher's expert.
    scores : ndarray of float64, shape (n_experts, n_rows, n_outputs)
        Outputs of the experts within their ranges.
    goal : ndarray
        What a map fitted anew is to say: the target for ``loss="target"`` (numbers, shape
        (n_rows, n_outputs), or codes of classes), otherwise the teacher's outputs.
    weight : ndarray of float64, shape (n_rows,)
        Of the rows; the costs are without it.
    """

    values: np.ndarray
    teacher: np.ndarray
    scores: np.ndarray
    goal: np.ndarray
    weight: np.ndarray

    @property
    def teacher_cost(self) -> float:
        """Mean cost of the teacher's choices."""
        return self.mean(self.values[np.arange(len(self.teacher)), self.teacher])

    def mean(self, by_row: np.ndarray) -> float:
        """Weighted mean of something that every row has."""
        return float(self.weight @ by_row / self.weight.sum())

    def take(self, rows: np.ndarray) -> ExpertCosts:
        """Those of some rows."""
        parts = (self.values, self.teacher, self.goal, self.weight)
        values, teacher, goal, weight = (part[rows] for part in parts)
        return ExpertCosts(values, teacher, self.scores[:, rows], goal, weight)


def expert_costs(
    model: RoutedModel,
    table: Table,
    y: Any,
    q: Any,
    loss: Loss,
    weight: np.ndarray | None = None,
) -> ExpertCosts:
    """Costs of the experts in every row.

    Parameters
    ----------
    model : RoutedModel
    table : Table
        With its columns; those that it reads have no missing values.
    y : array-like, shape (n_rows,) or (n_rows, n_outputs), or None
        For ``loss="target"``.
    q : array-like, shape (n_rows, n_experts), or None
        For ``loss="q"``: what each expert is worth in each row, more is better.
    loss : {"action", "routing", "target", "q"}
    weight : ndarray of float64, shape (n_rows,), default=None
        None: 1 each.

    Raises
    ------
    ValueError
        Where ``y`` or ``q`` is needed and missing, has another shape, or is no number; where a
        cost is not finite.
    """
    rows = np.arange(table.n_rows)
    teacher = predict.route(model, table)
    outputs = [
        model.clipped(expert.values(table), np.full(table.n_rows, k, dtype=np.int32))
        for k, expert in enumerate(model.experts)
    ]
    scores = np.stack(outputs)
    action = scores[teacher, rows]
    goal = _target(model, y, table.n_rows) if loss == "target" else action
    if loss == "routing":
        values = (teacher[:, None] != np.arange(model.n_experts)).astype(np.float64)
    elif loss == "q":
        worth = _worth(q, (table.n_rows, model.n_experts))
        values = worth.max(axis=1, keepdims=True) - worth
    else:
        values = np.stack([row_losses(model, s, goal, loss) for s in scores], axis=1)
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        row, expert = bad[0].tolist()
        raise ValueError(
            f"row {row}, expert {expert}: the loss is {values[row, expert]}; scale the numbers down"
        )
    weight = np.ones(table.n_rows) if weight is None else weight
    return ExpertCosts(values, teacher, scores, goal, weight)


def row_losses(model: RoutedModel, score: np.ndarray, goal: np.ndarray, loss: Loss) -> np.ndarray:
    """Loss of some outputs in every row, shape (n_rows,).

    Squared difference from the goal, summed over outputs; for the target of a model with classes
    minus the logarithm of its probability.
    """
    if loss == "target" and model.classes is not None:
        proba = model.proba_of(score)[np.arange(len(score)), goal]
        return -np.log(np.clip(proba, _LEAST, 1.0))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
        return ((score - goal) ** 2).sum(axis=1)


def require_read_values(model: RoutedModel, table: Table) -> None:
    """Refuse a missing value in a column that router or experts read, naming column and row."""
    for term in model.read:
        missing = np.flatnonzero(table.columns[term.index].missing)
        if missing.size:
            raise ValueError(
                f"column {term.name!r}, row {missing[0]}: the value is missing, but the teacher "
                "reads this column; fill it in or leave the row out"
            )


def _target(model: RoutedModel, y: Any, n_rows: int) -> np.ndarray:
    """Numbers, shape (n_rows, n_outputs), or codes of classes."""
    if y is None:
        raise ValueError("loss='target' compares experts with the target; give y")
    if model.classes is None and model.n_outputs == 1:
        return check_numbers(y, n_rows)[:, None]
    given = np.asarray(y)
    if model.classes is None:
        if given.shape != (n_rows, model.n_outputs):
            raise ValueError(
                f"y must have the shape {(n_rows, model.n_outputs)}, a number for every row and "
                f"output, not {given.shape}"
            )
        return np.stack([check_numbers(column, n_rows) for column in given.T], axis=1)
    if given.shape != (n_rows,):
        raise ValueError(f"y must have one value for each of {n_rows} rows, not {given.shape}")
    code = {label: k for k, label in enumerate(model.classes.tolist())}
    for row, label in enumerate(given.tolist()):
        if label not in code:
            raise ValueError(
                f"y, row {row}: {label!r} is none of the teacher's classes {list(code)}"
            )
    return np.array([code[label] for label in given.tolist()], dtype=np.intp)


def _worth(q: Any, shape: tuple[int, int]) -> np.ndarray:
    if q is None:
        raise ValueError("loss='q' needs q, the value of every expert in every row")
    worth = np.asarray(q, dtype=np.float64)
    if worth.shape != shape:
        raise ValueError(
            f"q must have the shape {shape}, a value for every row and expert, not {worth.shape}"
        )
    bad = np.argwhere(~np.isfinite(worth))
    if bad.size:
        row, expert = bad[0].tolist()
        raise ValueError(f"q, row {row}, expert {expert}: {worth[row, expert]} is not finite")
    return worth
