"""The gate of a mixture: linear scores that say which expert a row belongs to."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax

from treeml.search.logistic_map import logistic_derivatives

__all__ = ["fit_gate", "gate_shares", "pruned_gate", "sparsemax"]

_STEPS = 1
_PRUNED_STEPS = 15
_BOUND_STEPS = 5  # steps of the bound for one of Newton's
_MOST_NEWTON = 300  # coefficients
_SHORTEST = 1e-3  # share of a step below which none is taken


def sparsemax(scores: np.ndarray) -> np.ndarray:
    """The nearest point of the simplex to each row of scores: shares, some exactly 0.

    References
    ----------
    A. Martins, R. Astudillo, "From softmax to sparsemax", ICML 2016, algorithm 1.
    """
    ordered = -np.sort(-scores, axis=1)
    above = np.cumsum(ordered, axis=1) - 1
    size = np.arange(1, scores.shape[1] + 1)
    support = (ordered * size > above).sum(axis=1)
    limit = above[np.arange(len(scores)), support - 1] / support
    return np.maximum(scores - limit[:, None], 0.0)


def gate_shares(scores: np.ndarray, gate: str) -> np.ndarray:
    """Share of every expert in every row; ``gate`` is "softmax" or "sparsemax"."""
    return sparsemax(scores) if gate == "sparsemax" else softmax(scores, axis=1)


def fit_gate(
    inputs: np.ndarray,
    shares: np.ndarray,
    weight: np.ndarray,
    gate: np.ndarray,
    l2: float,
    n_steps: int = _STEPS,
) -> np.ndarray:
    """Steps of a softmax regression towards wanted shares, none of which raises its loss.

    Newton's steps where the coefficients are few. With many, each step minimises the quadratic
    bound of the loss whose curvature is 1/2 a score (Böhning, 1992), so that one factorisation
    serves all steps and scores.

    Parameters
    ----------
    inputs : ndarray of float64, shape (n_rows, n_inputs + 1)
        With a last column of ones.
    shares : ndarray of float64, shape (n_rows, n_experts)
        Rows add up to 1.
    weight : ndarray of float64, shape (n_rows,)
    gate : ndarray of float64, shape (n_inputs + 1, n_experts)
        Where the steps begin.
    l2 : float
        Penalty of the squared coefficients, half of it; the constant's is a thousandth.
    n_steps : int, default=1
    """
    penalty = np.append(np.full(inputs.shape[1] - 1, l2), l2 * 1e-3)
    newton = gate.size <= _MOST_NEWTON
    if not newton:
        bound = 0.5 * (inputs * weight[:, None]).T @ inputs
        bound[np.diag_indices(len(bound))] += penalty + 1e-9 * weight.sum()
        inverse = np.linalg.inv(bound)
        n_steps *= _BOUND_STEPS
    value = _loss(inputs, shares, weight, gate, penalty)
    for _ in range(n_steps):
        before = value
        if newton:
            step = _newton_step(inputs, shares, weight, gate, penalty)
        else:
            proba = softmax(inputs @ gate, axis=1)
            slope = inputs.T @ (weight[:, None] * (proba - shares)) + penalty[:, None] * gate
            step = inverse @ slope  # pyright: ignore[reportPossiblyUnboundVariable]
        length = 1.0
        while length > _SHORTEST:
            tried = gate - length * step
            lower = _loss(inputs, shares, weight, tried, penalty)
            if lower < value:
                gate, value = tried, lower
                break
            length /= 2
        if before - value <= 1e-7 * abs(before):
            break
    return gate


def _newton_step(
    inputs: np.ndarray,
    shares: np.ndarray,
    weight: np.ndarray,
    gate: np.ndarray,
    penalty: np.ndarray,
) -> np.ndarray:
    slope, curve = logistic_derivatives(inputs, shares, weight, inputs @ gate)
    slope = slope + penalty[:, None] * gate
    diagonal = np.tile(penalty, gate.shape[1]) + 1e-9 * weight.sum()
    curve[np.diag_indices(len(curve))] += diagonal
    step = np.linalg.solve(curve, slope.T.ravel())
    return step.reshape(gate.shape[1], gate.shape[0]).T


def _loss(
    inputs: np.ndarray,
    shares: np.ndarray,
    weight: np.ndarray,
    gate: np.ndarray,
    penalty: np.ndarray,
) -> float:
    fit = -float(weight @ (shares * log_softmax(inputs @ gate, axis=1)).sum(axis=1))
    return fit + 0.5 * float((penalty[:, None] * gate**2).sum())


def pruned_gate(
    inputs: np.ndarray,
    shares: np.ndarray,
    weight: np.ndarray,
    gate: np.ndarray,
    l2: float,
    max_features: int,
) -> np.ndarray:
    """A gate that reads at most so many columns: the weakest goes, the rest is fitted again.

    A column is as strong as its coefficients differ between experts, since adding the same number
    to all scores changes nothing. Parameters as for `fit_gate`.
    """
    kept = np.arange(len(gate) - 1)
    while len(kept) > max_features:
        strength = np.linalg.norm(gate[kept] - gate[kept].mean(axis=1, keepdims=True), axis=1)
        kept = np.delete(kept, int(strength.argmin()))
        columns = np.append(kept, len(gate) - 1)
        part = fit_gate(inputs[:, columns], shares, weight, gate[columns], l2, _PRUNED_STEPS)
        gate = np.zeros_like(gate)
        gate[columns] = part
    return gate
