"""Top-1 mixtures of linear experts: fitted softly, used one expert a row."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Literal

import numpy as np
from scipy.special import log_softmax, softmax

from treeml._core.control import Control
from treeml.routing.gate import fit_gate, pruned_gate
from treeml.routing.gradient import gradient_steps
from treeml.search.leaf_tasks import LeafTask, SquaredError, add_map

__all__ = ["Mixture", "MixtureSettings", "fit_mixture"]

_GATE_L2 = 1e-5  # penalty of the gate, in units of row weight: small, so that its borders are sharp
_BALANCE_STEPS = 20
_FIRST_STEPS = 5  # of the gate, towards the start
_TOLERANCE = 1e-6  # relative gain in likelihood that ends the rounds
_SMALLEST_VARIANCE = 1e-3  # of an expert, as a share of the target's


@dataclasses.dataclass(frozen=True, slots=True)
class MixtureSettings:
    """How a mixture is fitted.

    Parameters
    ----------
    fit : {"em", "kplane", "gradient"}
        Soft expectation and maximisation, hard assignment to the nearest expert, or EM followed by
        descent on the expected loss.
    gate : {"softmax", "sparsemax"}
        Shares of the experts while the gradient is followed.
    balance : float
        How strongly experts that answer for few rows are preferred; 0: not at all.
    router_max_features, expert_max_features : int or None
        Most columns that the router reads, and that an expert reads.
    n_restarts : int
        Random starts beside that given.
    n_iterations : int
        Rounds of EM or of the k planes.
    """

    fit: Literal["em", "kplane", "gradient"] = "em"
    gate: Literal["softmax", "sparsemax"] = "softmax"
    balance: float = 0.0
    router_max_features: int | None = None
    expert_max_features: int | None = None
    n_restarts: int = 3
    n_iterations: int = 40


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Experts and gate over standardised columns; constants last.

    Parameters
    ----------
    experts : ndarray of float64, shape (n_experts, n_inputs + 1, n_scores)
    gate : ndarray of float64, shape (n_inputs + 1, n_experts)
    cost : float
        Penalised training loss, each row answered by its expert alone.
    """

    experts: np.ndarray
    gate: np.ndarray
    cost: float

    @property
    def n_experts(self) -> int:
        return len(self.experts)

    def route(self, design: np.ndarray) -> np.ndarray:
        """The expert of every row: the first of greatest score."""
        return add_map(design, self.gate).argmax(axis=1)

    def score(self, design: np.ndarray) -> np.ndarray:
        """Scores of every row by its expert, shape (n_rows, n_scores)."""
        which = self.route(design)
        out = np.empty((len(design), self.experts.shape[2]))
        for m, coef in enumerate(self.experts):
            out[which == m] = add_map(design[which == m], coef)
        return out


def fit_mixture(
    design: np.ndarray,
    task: LeafTask,
    rows: np.ndarray,
    n_experts: int,
    l2: float,
    settings: MixtureSettings,
    *,
    starts: list[np.ndarray],
    rng: np.random.RandomState,
    control: Control | None = None,
) -> Mixture:
    """The best of several starts in penalised top-1 training loss.

    Every expert differs from the linear model of all rows at the price of ``l2`` for each squared
    difference of a coefficient. After the soft fit each expert is fitted again on the rows that
    the gate gives it, as it will be used.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_inputs)
        Of ``rows``.
    task : LeafTask
    rows : ndarray of int
        The rows to fit on.
    n_experts : int
    l2 : float
    settings : MixtureSettings
    starts : list of ndarray of int, each of shape (n_rows,)
        Expert of every row to begin with; random starts come on top.
    rng : RandomState
    control : Control, default=None
        Once its time is up no further start is tried.

    References
    ----------
    M. Jordan, R. Jacobs, "Hierarchical mixtures of experts and the EM algorithm", Neural
    Computation 6 (1994), section 4, with one level. P. Bradley, O. Mangasarian, "k-plane
    clustering", Journal of Global Optimization 16 (2000), for the hard assignment.
    """
    begin, control = time.perf_counter(), control or Control()
    problem = _Problem(design, task, rows, l2, settings)
    if n_experts > 1 and design.shape[1]:
        distinct = _distinct_rows(design)
        if len(distinct) < n_experts:
            raise ValueError(
                f"{n_experts} experts need as many different rows, but there are {len(distinct)} "
                f"(n_samples = {len(design)}); ask for fewer experts"
            )
    if n_experts == 1 or not design.shape[1]:
        return problem.single()
    random = [
        _random_start(design, distinct, n_experts, rng)  # pyright: ignore[reportPossiblyUnboundVariable]
        for _ in range(settings.n_restarts)
    ]
    best: Mixture | None = None
    for start in (*starts, *random):
        if best is not None and control.after(begin).time_limit == 0:
            break
        found = problem.fitted(start, n_experts)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return best


def _distinct_rows(design: np.ndarray) -> np.ndarray:
    """One of each set of equal rows, in an order that repeated rows do not change."""
    direction = np.random.RandomState(0).normal(size=design.shape[1])
    return np.unique(np.round(design @ direction, 8), return_index=True)[1]


def _random_start(
    design: np.ndarray, distinct: np.ndarray, n_experts: int, rng: np.random.RandomState
) -> np.ndarray:
    """Rows by the nearest of some random rows, each different row being as likely."""
    centers = design[distinct[rng.choice(len(distinct), n_experts, replace=False)]]
    distances = [((design - center) ** 2).sum(axis=1) for center in centers]
    return np.column_stack(distances).argmin(axis=1)


class _Problem:
    """Rows, penalties and the linear model of all rows."""

    def __init__(
        self,
        design: np.ndarray,
        task: LeafTask,
        rows: np.ndarray,
        l2: float,
        settings: MixtureSettings,
    ) -> None:
        self.design, self.task, self.rows, self.l2 = design, task, rows, l2
        self.settings = settings
        self.inputs = np.column_stack([design, np.ones(len(design))])
        self.weight = task.weight[rows]
        self.root = task.root(design, rows)
        self.base = add_map(design, self.root)
        self.spread = 1.0
        if isinstance(task, SquaredError):
            losses = task.losses(self.base, rows)
            self.spread = max(float(np.average(losses, weights=self.weight)), 1e-300)

    def single(self) -> Mixture:
        gate = np.zeros((self.inputs.shape[1], 1))
        experts = self.root[None]
        if self.settings.expert_max_features is not None:
            experts = self._refit(np.zeros(len(self.rows), dtype=int), experts)
        return Mixture(experts, gate, self._cost(experts, gate))

    def fitted(self, start: np.ndarray, n_experts: int) -> Mixture:
        """Soft fit from a start, then as the mixture is used."""
        shares = np.full((len(start), n_experts), 0.1 / n_experts)
        shares[np.arange(len(start)), start] += 0.9
        experts = np.repeat(self.root[None], n_experts, axis=0)
        gate = np.zeros((self.inputs.shape[1], n_experts))
        gate = fit_gate(self.inputs, shares, self.weight, gate, _GATE_L2, _FIRST_STEPS)
        hard = self.settings.fit == "kplane"
        known = -np.inf
        for _ in range(self.settings.n_iterations):
            experts = np.stack([self._expert(shares[:, m], experts[m]) for m in range(n_experts)])
            wanted, likelihood = self._shares(experts, gate, shares, hard)
            gate = fit_gate(self.inputs, wanted, self.weight, gate, _GATE_L2)
            shares = wanted
            if abs(likelihood - known) <= _TOLERANCE * abs(likelihood):
                break
            known = likelihood
        if self.settings.fit == "gradient":
            experts, gate = gradient_steps(
                self.inputs, self.task, self.rows, self.root, experts, gate, self.l2, self.settings
            )
        if self.settings.router_max_features is not None:
            most = self.settings.router_max_features
            wanted, _ = self._shares(experts, gate, shares, hard)
            gate = pruned_gate(self.inputs, wanted, self.weight, gate, _GATE_L2, most)
        return self._finished(experts, gate)

    def _finished(self, experts: np.ndarray, gate: np.ndarray) -> Mixture:
        """Experts fitted to the rows that the gate gives them; those without rows go."""
        which = (self.inputs @ gate).argmax(axis=1)
        used = np.unique(which)
        gate, experts = gate[:, used], experts[used]
        experts = self._refit(np.searchsorted(used, which), experts)
        return Mixture(experts, gate, self._cost(experts, gate))

    def _refit(self, which: np.ndarray, experts: np.ndarray) -> np.ndarray:
        out = []
        for m in range(len(experts)):
            coef = self._expert((which == m).astype(np.float64), experts[m])
            most = self.settings.expert_max_features
            out.append(coef if most is None else self._sparse(which == m, coef, most))
        return np.stack(out)

    def _expert(self, share: np.ndarray, known: np.ndarray) -> np.ndarray:
        """The expert of weighted rows: that of all rows plus what the penalty allows."""
        kept = share > 1e-6
        if not kept.any():
            return known
        weighted: Any = dataclasses.replace(self.task, weight=self._shared_weight(share))  # pyright: ignore[reportArgumentType]
        change = weighted.leaf(self.design[kept], self.rows[kept], self.base[kept], self.l2)
        return self.root + change

    def _shared_weight(self, share: np.ndarray) -> np.ndarray:
        out = np.zeros(len(self.task.weight))
        out[self.rows] = self.weight * share
        return out

    def _sparse(self, mine: np.ndarray, coef: np.ndarray, most: int) -> np.ndarray:
        """An expert of few columns: the one that moves its scores least goes, again and again."""
        columns = np.flatnonzero(np.abs(coef[:-1]).max(axis=1) > 0)
        zero = np.zeros((int(mine.sum()), coef.shape[1]))
        while True:
            if len(columns) <= most:
                out = np.zeros_like(coef)
                if mine.any():
                    part = self.task.leaf(
                        self.design[mine][:, columns], self.rows[mine], zero, 1e-3
                    )
                    out[np.append(columns, len(coef) - 1)] = part
                return out
            part = self.task.leaf(self.design[mine][:, columns], self.rows[mine], zero, self.l2)
            moved = np.abs(part[:-1]).max(axis=1) * self._spreads(mine, columns)
            columns = np.delete(columns, int(moved.argmin()))

    def _spreads(self, mine: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Weighted standard deviation of columns in some rows."""
        part, weight = self.design[mine][:, columns], self.weight[mine]
        total = weight.sum() or 1.0
        return np.sqrt(weight @ (part - weight @ part / total) ** 2 / total)

    def _shares(
        self, experts: np.ndarray, gate: np.ndarray, shares: np.ndarray, hard: bool
    ) -> tuple[np.ndarray, float]:
        """How much of each row every expert should have, and the log likelihood."""
        losses = self._losses(experts)
        if isinstance(self.task, SquaredError):
            mass = self.weight @ shares + 1e-12
            variance = (self.weight @ (shares * losses)) / mass
            variance = np.maximum(variance, _SMALLEST_VARIANCE * self.spread)
            fit = -0.5 * losses / variance - 0.5 * np.log(variance)
        else:
            fit = -losses
        if hard:
            wanted = np.zeros_like(fit)
            wanted[np.arange(len(fit)), losses.argmin(axis=1)] = 1.0
            return wanted, -float(self.weight @ losses.min(axis=1))
        joint = log_softmax(self.inputs @ gate, axis=1) + fit
        if self.settings.balance:
            joint = joint + self._favour(joint)
        top = joint.max(axis=1)
        likelihood = float(self.weight @ (top + np.log(np.exp(joint - top[:, None]).sum(axis=1))))
        return softmax(joint, axis=1), likelihood

    def _favour(self, joint: np.ndarray) -> np.ndarray:
        """What is added to each expert's log odds: ``-balance log(use / even use)``.

        The use is that after the addition, found by damped steps, so that an expert is favoured no
        longer than it is used less than others.
        """
        balance, out = self.settings.balance, np.zeros(joint.shape[1])
        for _ in range(_BALANCE_STEPS):
            use = (self.weight @ softmax(joint + out, axis=1)) / self.weight.sum()
            wanted = -balance * np.log(use * len(out) + 1e-9)
            out += (wanted - out) / (1 + balance)
        return out

    def _losses(self, experts: np.ndarray) -> np.ndarray:
        """Loss of every row under every expert."""
        scores = [add_map(self.design, coef) for coef in experts]
        return np.column_stack([self.task.losses(score, self.rows) for score in scores])

    def _cost(self, experts: np.ndarray, gate: np.ndarray) -> float:
        which = (self.inputs @ gate).argmax(axis=1)
        losses = self._losses(experts)[np.arange(len(which)), which]
        price = float(((experts - self.root) ** 2).sum())
        if self.settings.expert_max_features is not None:
            price = 0.0
        half = 1.0 if isinstance(self.task, SquaredError) else 0.5
        return float(self.weight @ losses) + half * self.l2 * price
