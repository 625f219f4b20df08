"""Cards of least 0-1 loss under linear constraints, as a mixed integer program for HiGHS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from treeml._core.control import Control, Status
from treeml.search.card_constraints import Terms
from treeml.search.card_result import CardResult
from treeml.search.slim_problem import SlimProblem, on_a_grid

__all__ = ["LinearRows", "SlimProgram", "best_of_program"]

_WHOLE = 2.0**20  # largest score whose intercept is searched in whole steps of the grid
_MARGIN = 1e-4  # of a step, or of the largest score, above 0, where it is not
_bounds: Any = Bounds  # their hints know no arrays
_linear: Any = LinearConstraint


def best_of_program(
    program: SlimProgram, known: CardResult | None, bound: float, control: Control, began: float
) -> CardResult:
    """The best card that HiGHS finds in the time that is left, or the known one; the better bound.

    Parameters
    ----------
    program : SlimProgram
    known : CardResult or None
        A card that obeys the constraints, with a bound.
    bound : float
        Another lower bound.
    control : Control
        ``stop_after`` counts nodes.
    began : float
        `time.perf_counter()` at the start.

    Raises
    ------
    ValueError
        Where no card obeys the constraints.
    """
    options: dict[str, float] = {"mip_rel_gap": control.gap_tol}
    if control.time_limit is not None:
        options["time_limit"] = max(0.0, control.time_limit - (time.perf_counter() - began))
    if control.stop_after is not None:
        options["node_limit"] = control.stop_after
    status: Status = "time_limit"
    try:
        found = program.solve(options)
    except KeyboardInterrupt:
        found = OptimizeResult(x=None, status=1, mip_dual_bound=None, mip_node_count=None)
        status = "interrupted"
    if found.status == 2 and known is None:
        raise ValueError(program.why_infeasible())
    cards = [] if known is None else [(known.points, known.intercept)]
    if found.x is not None:
        cards.append(program.card(found.x))
    if not cards:
        cards.append(program.any_card())
    problem = program.problem
    rated = [(problem.objective(w, problem.error(w, c)), i) for i, (w, c) in enumerate(cards)]
    objective, best = min(rated)
    points, intercept = cards[best]
    bound = max(bound, 0.0 if known is None else known.lower_bound)
    if found.mip_dual_bound is not None and np.isfinite(found.mip_dual_bound):
        rounding = 1e-6 * max(1.0, abs(found.mip_dual_bound))
        bound = max(bound, program.objective(found.mip_dual_bound - rounding))
    bound = min(bound, objective)
    if found.status == 0:
        proven = objective - bound <= 1e-5 * objective
        bound, status = (objective, "optimal") if proven else (bound, "gap_tol")
    seconds = time.perf_counter() - began
    counters = {} if known is None else known.counters
    history = np.zeros((0, 3)) if known is None else known.history
    return CardResult(
        points=points,
        intercept=intercept,
        scale=1.0,
        objective=objective,
        lower_bound=bound,
        status=status,
        seconds=seconds,
        counters={**counters, "mip_nodes": int(found.mip_node_count or 0)},
        history=np.vstack([history, [[seconds, objective, bound]]]),
        tie=1 / problem.scale,
        error=problem.error(points, intercept),
    )


class LinearRows:
    """The linear constraints as ``low <= A @ (points, intercept) <= high``."""

    def __init__(self, problem: SlimProblem, linear: Sequence[LinearConstraint]) -> None:
        n = problem.X.shape[1] + 1
        blocks, lows, highs = [np.zeros((0, n))], [np.zeros(0)], [np.zeros(0)]
        for i, one in enumerate(linear):
            A = np.atleast_2d(sparse.csr_array(one.A).toarray())
            if A.shape[1] != n:
                raise ValueError(
                    f"linear constraint {i} has {A.shape[1]} columns; it needs {n}: the points of "
                    f"{n - 1} terms and the intercept"
                )
            blocks.append(A)
            lows.append(np.broadcast_to(np.asarray(one.lb, np.float64), len(A)))
            highs.append(np.broadcast_to(np.asarray(one.ub, np.float64), len(A)))
        self.problem = problem
        self.A = np.concatenate(blocks)
        self.low, self.high = np.concatenate(lows), np.concatenate(highs)

    def hold(self, points: np.ndarray, intercept: float) -> bool:
        values = self.A @ np.append(points, intercept)
        return bool(np.all((self.low - 1e-9 <= values) & (values <= self.high + 1e-9)))

    def reach(self, sizes: np.ndarray) -> float:
        """How far from 0 the constraints may push the intercept, for points up to these sizes."""
        of = self.A[:, -1] != 0
        ends = np.stack([self.low[of], self.high[of]])
        far = np.abs(np.where(np.isfinite(ends), ends, 0.0)) + np.abs(self.A[of, :-1]) @ sizes
        return float((far / np.abs(self.A[of, -1])).max(initial=0.0))

    def of_cut(self, grid: float) -> list[tuple[list[float], float, float, float]]:
        """Rows for the native search: points, cut, low, high, where intercept = -cut / grid."""
        return [
            (a[:-1].tolist(), -float(a[-1]) / grid, float(low), float(high))
            for a, low, high in zip(self.A, self.low, self.high, strict=True)
        ]


class SlimProgram:
    """The search as a mixed integer program.

    Its variables: up and down (parts of points), uses of both, the intercept, items of limits, the
    prediction of every distinct row, with the least big M that ranges and ``max_features`` allow
    (Ustun and Rudin 2016, section 2). The intercept is a whole number of steps of the grid of the
    values, which costs no prediction; where constraints are on it, or the grid is too fine, it is
    real, and scores above 0 are at least 1e-4 (of a step, or of the largest one). Their data
    reduction fixes rows whose flipped prediction costs more than a known card; that is left to
    HiGHS, which fixes them by reduced costs.
    """

    def __init__(self, problem: SlimProblem, linear: LinearRows) -> None:
        self.problem, self.linear = problem, linear
        kept = problem.integers > 0
        matrix, grid = on_a_grid(problem.X)
        yes_no = np.all((matrix == 0) | (matrix == 1), axis=0)
        matrix = np.where(yes_no, matrix * grid, matrix)[kept]
        self.grid = float(grid)
        rows, inverse = np.unique(matrix, axis=0, return_inverse=True)
        of_class = [
            np.bincount(
                inverse.ravel(), problem.integers[kept] * (problem.codes[kept] == c), len(rows)
            )
            for c in (0, 1)
        ]
        self.negative, self.positive = of_class
        self.low, self.high = problem.constraints.low, problem.constraints.high
        self._measure(rows)
        self.n = problem.X.shape[1]
        self.n_items = sum(len(items) for items, _ in problem.constraints.limits)
        self.size = 4 * self.n + 1 + self.n_items + len(rows)
        self._blocks: list[tuple[sparse.csr_array, np.ndarray, np.ndarray]] = []
        self._of_points()
        self._of_supports()
        self.without_rows = len(self._blocks)
        self._of_rows()

    def _measure(self, rows: np.ndarray) -> None:
        """How large and how small the score of each row may get."""
        k = self.problem.max_features
        ends = np.stack([rows * np.minimum(self.low, 0), rows * np.maximum(self.high, 0)])
        top, bottom = np.maximum(ends.max(axis=0), 0), np.minimum(ends.min(axis=0), 0)
        self.top = -np.sort(-top, axis=1)[:, :k].sum(axis=1)
        self.bottom = np.sort(bottom, axis=1)[:, :k].sum(axis=1)
        largest = float(max(self.top.max(initial=0), -self.bottom.min(initial=0)))
        few = largest < _WHOLE
        self.whole = few and not self.linear.A[:, -1].any()
        self.unit = 1.0 if few else largest  # scores are divided by it
        self.margin = 1.0 if self.whole else _MARGIN
        self.rows = rows / self.unit
        self.top, self.bottom = self.top / self.unit, self.bottom / self.unit
        reach = self.linear.reach(np.maximum(-self.low, self.high)) * self.grid / self.unit
        self.most = max(largest / self.unit + 2 * self.margin, reach)

    def _add(
        self,
        A: Any,  # a matrix, dense or sparse
        columns: np.ndarray,
        low: np.ndarray | float,
        high: np.ndarray | float,
    ) -> None:
        block = sparse.coo_array(A)
        entries = (block.data, (block.coords[0], columns[block.coords[1]]))
        wide = np.ones(A.shape[0])
        block = sparse.csr_array(entries, shape=(len(wide), self.size))
        self._blocks.append((block, low * wide, high * wide))

    def _of_points(self) -> None:
        """If used, up_j in [max(low, 1), high] or down_j in [max(-high, 1), -low], not both."""
        n, eye = self.n, np.eye(self.n)
        columns = np.arange(2 * n)
        for first, low, high in ((0, self.low, self.high), (n, -self.high, -self.low)):
            part = np.concatenate([columns[first : first + n], 2 * n + columns[first : first + n]])
            self._add(np.hstack([eye, -np.diag(np.maximum(low, 1))]), part, 0.0, np.inf)
            self._add(np.hstack([eye, -np.diag(np.maximum(high, 0))]), part, -np.inf, 0.0)
        used = 2 * n + columns
        self._add(np.hstack([eye, eye]), used, -np.inf, 1.0)
        self._add(np.ones((1, 2 * n)), used, -np.inf, float(self.problem.max_features))
        A = np.hstack([self.linear.A[:, :-1], -self.linear.A[:, :-1], self.linear.A[:, -1:]])
        A[:, -1] *= self.unit / self.grid
        part = np.concatenate([columns, [4 * n]])
        self._add(A, part, self.linear.low, self.linear.high)
        for a, b in self.problem.constraints.order:
            self._add(np.array([[1.0, -1, -1, 1]]), np.array([a, b, n + a, n + b]), -np.inf, 0.0)

    def _of_supports(self) -> None:
        n, constraints = self.n, self.problem.constraints

        def uses(terms: Terms) -> np.ndarray:
            return np.array([first + j for first in (2 * n, 3 * n) for j in terms], dtype=np.int64)

        for terms in constraints.required:
            self._add(np.ones((1, 2 * len(terms))), uses(terms), 1.0, np.inf)
        for first, second in constraints.implications:
            for j in first:
                A = np.array([[1.0, 1.0] + [-1.0] * (2 * len(second))])
                self._add(A, np.concatenate([uses((j,)), uses(second)]), -np.inf, 0.0)
        at = 4 * n + 1
        for items, most in constraints.limits:
            for i, item in enumerate(items):
                for j in item:
                    A = np.array([[1.0, 1.0, -1.0]])
                    self._add(A, np.append(uses((j,)), at + i), -np.inf, 0.0)
            self._add(np.ones((1, len(items))), at + np.arange(len(items)), -np.inf, float(most))
            at += len(items)

    def _of_rows(self) -> None:
        """Prediction 1 makes the score at least the margin; prediction 0 makes it at most 0."""
        n, m = self.n, len(self.rows)
        score = np.hstack([self.rows, -self.rows, np.ones((m, 1))])
        predictions = self.size - m + np.arange(m)
        columns = np.concatenate([np.arange(2 * n), [4 * n], predictions])
        at_least = self.bottom - self.most
        A = sparse.hstack([sparse.csr_array(score), sparse.diags_array(at_least - self.margin)])
        self._add(A, columns, at_least, np.inf)
        A = sparse.hstack([sparse.csr_array(score), sparse.diags_array(-(self.top + self.most))])
        self._add(A, columns, -np.inf, 0.0)
        costs = self.problem.costs(1)
        if costs[5] >= 0:
            self._add(self.negative[None, :], predictions, -np.inf, float(costs[5]))
        if costs[6] >= 0:
            self._add(self.positive[None, :], predictions, float(costs[6]), np.inf)

    def _costs(self) -> tuple[np.ndarray, float]:
        problem, n = self.problem, self.n
        negative, positive = problem.class_integers
        out = np.zeros(self.size)
        out[: 2 * n] = 1 / (problem.step * problem.unit)
        out[2 * n : 4 * n] = problem.per_term / problem.unit
        out[self.size - len(self.rows) :] = self.negative * negative - self.positive * positive
        return out, float(self.positive.sum() * positive)

    def objective(self, cost: float) -> float:
        """What a value of the program stands for."""
        return max(0.0, (cost + self._costs()[1]) / self.problem.total - 2 * self.problem.rounding)

    def solve(self, options: dict[str, float], blocks: slice = slice(None)) -> OptimizeResult:
        n, m = self.n, len(self.rows)
        high = np.ones(self.size)
        high[:n], high[n : 2 * n] = np.maximum(self.high, 0), np.maximum(-self.low, 0)
        high[2 * n : 3 * n], high[3 * n : 4 * n] = self.high > 0, self.low < 0
        low = np.zeros(self.size)
        low[4 * n], high[4 * n] = -self.most, self.most
        whole = np.ones(self.size)
        whole[4 * n] = self.whole
        whole[4 * n + 1 : self.size - m] = 0
        chosen = self._blocks[blocks]
        return milp(
            self._costs()[0] if blocks == slice(None) else np.zeros(self.size),
            integrality=whole,
            bounds=_bounds(low, high),
            constraints=_linear(
                sparse.vstack([block for block, _, _ in chosen]).tocsr(),
                np.concatenate([low for _, low, _ in chosen]),
                np.concatenate([high for _, _, high in chosen]),
            ),
            options=options,
        )

    def card(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        n = self.n
        points = np.rint(x[:n] - x[n : 2 * n]).astype(np.int64)
        c = np.rint(x[4 * n]) if self.whole else x[4 * n]
        c = float(c * self.unit / self.grid)
        middle = c - 0.5 * self.margin * self.unit / self.grid  # between the classes, not at one
        return points, middle if self.linear.hold(points, middle) else c

    def some_points(self) -> np.ndarray:
        """Points that obey everything but limits on rates, with some intercept."""
        found = self.solve({}, slice(self.without_rows))
        if found.x is None:
            raise ValueError(self.why_infeasible())
        return self.card(found.x)[0]

    def any_card(self) -> tuple[np.ndarray, float]:
        """A card that obeys everything, however many rows it gets wrong."""
        limited = self.problem.max_fpr is not None or self.problem.min_tpr is not None
        blocks = slice(None) if limited else slice(self.without_rows)
        found = self.solve({}, blocks)
        if found.x is None:
            raise ValueError(self.why_infeasible())
        return self.card(found.x)

    def why_infeasible(self) -> str:
        alone = self.solve({}, slice(self.without_rows)).status != 2
        if alone:
            return (
                "no card obeys the linear constraints and keeps max_fpr and min_tpr on these rows"
            )
        return "no card obeys the linear constraints along with max_features and the others"
