"""Descent on the expected loss of a mixture, experts and gate together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from treeml.routing.gate import gate_shares
from treeml.search.leaf_tasks import LeafTask, SquaredError
from treeml.search.logistic_map import class_proba

__all__ = ["expected_loss", "gradient_steps"]

_MOST_STEPS = 200
_GATE_L2 = 1e-3


def gradient_steps(
    inputs: np.ndarray,
    task: LeafTask,
    rows: np.ndarray,
    root: np.ndarray,
    experts: np.ndarray,
    gate: np.ndarray,
    l2: float,
    settings: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Experts and gate that lower the expected loss from where they are.

    Minimises ``sum weight sum over m of share_m loss(expert m)`` with the experts' penalties and,
    where experts are to be balanced, ``balance`` times the squared coefficient of variation of
    their use, by L-BFGS. Shares are softmax or sparsemax of the gate's scores; an expert answers
    with its own score, not with its share of it, so that nothing changes when only the first
    expert of a row answers.

    Parameters
    ----------
    inputs : ndarray of float64, shape (n_rows, n_inputs + 1)
        With a last column of ones.
    task : LeafTask
    rows : ndarray of int
    root : ndarray of float64, shape (n_inputs + 1, n_scores)
    experts : ndarray of float64, shape (n_experts, n_inputs + 1, n_scores)
    gate : ndarray of float64, shape (n_inputs + 1, n_experts)
    l2 : float
    settings : MixtureSettings

    References
    ----------
    N. Shazeer et al., "Outrageously large neural networks: the sparsely-gated mixture-of-experts
    layer", ICLR 2017, section 4, for the balance of use.
    """
    value = expected_loss(inputs, task, rows, root, (experts.shape, gate.shape), l2, settings)
    begin = np.concatenate([experts.ravel(), gate.ravel()])
    found = minimize(value, begin, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS})
    flat = found.x if found.fun <= value(begin)[0] else begin
    size = experts.size
    return flat[:size].reshape(experts.shape), flat[size:].reshape(gate.shape)


def expected_loss(
    inputs: np.ndarray,
    task: LeafTask,
    rows: np.ndarray,
    root: np.ndarray,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    l2: float,
    settings: Any,
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """The function that `gradient_steps` minimises, with its gradient.

    Its argument has the experts' coefficients, then the gate's; ``shapes`` are theirs. Other
    parameters as there.
    """
    experts_shape, gate_shape = shapes
    size = int(np.prod(experts_shape))
    weight = task.weight[rows]
    half = 1.0 if isinstance(task, SquaredError) else 0.5
    unit = 1.0  # of the loss of a row
    if isinstance(task, SquaredError):
        losses = task.losses(inputs @ root, rows)
        unit = max(float(np.average(losses, weights=weight)), 1e-300)
    scale = 1.0 / (weight.sum() * unit)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        own = flat[:size].reshape(experts_shape)
        scores = flat[size:].reshape(gate_shape)
        share = gate_shares(inputs @ scores, settings.gate)
        loss = np.empty_like(share)
        slope = np.empty_like(own)
        for m in range(len(own)):
            score = inputs @ own[m]
            loss[:, m] = task.losses(score, rows)
            pull = _loss_slope(task, score, rows) * (weight * share[:, m])[:, None]
            slope[m] = inputs.T @ pull + 2 * half * l2 * (own[m] - root)
        total = float(weight @ (share * loss).sum(axis=1))
        total += half * l2 * float(((own - root) ** 2).sum())
        total += 0.5 * _GATE_L2 * unit * float((scores**2).sum())
        wish = weight[:, None] * loss
        if settings.balance:
            use = weight @ share / weight.sum()
            price = settings.balance / scale
            total += price * float((len(use) * use**2).sum() - 1)
            wish = wish + price * 2 * len(use) * use[None, :] * (weight / weight.sum())[:, None]
        back = inputs.T @ _share_slope(share, wish, settings.gate) + _GATE_L2 * unit * scores
        return total * scale, np.concatenate([slope.ravel(), back.ravel()]) * scale

    return value


def _loss_slope(task: LeafTask, score: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Derivative of each row's loss by its scores."""
    if isinstance(task, SquaredError):
        return 2 * (score - task.target[rows, None])
    codes: np.ndarray = task.codes[rows]  # pyright: ignore[reportAttributeAccessIssue]
    proba = class_proba(score)
    hits = (codes[:, None] == np.arange(proba.shape[1])).astype(np.float64)
    return (proba - hits)[:, 1:] if score.shape[1] == 1 else proba - hits


def _share_slope(share: np.ndarray, wish: np.ndarray, gate: str) -> np.ndarray:
    """From the derivative by shares to that by the gate's scores."""
    if gate == "softmax":
        return share * (wish - (share * wish).sum(axis=1, keepdims=True))
    support = share > 0
    mean = (wish * support).sum(axis=1, keepdims=True) / support.sum(axis=1, keepdims=True)
    return np.where(support, wish - mean, 0.0)
