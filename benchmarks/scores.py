"""Scorecards: how to install each library, and how to fit the same card with it.

Log loss: at most k terms with integer points from -5 to 5, real intercept and scale (FasterRisk: an
integer intercept); the loss is recounted here from what the library says. 0-1 loss: the same cards
with a threshold; HiGHS and CP-SAT get merged rows with weights and one thread.

Run as a worker: python -m benchmarks.scores FILE LIBRARY TASK-AS-JSON.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreTask:
    """What is asked for."""

    loss: str  # "logistic" or "0-1"
    terms: int
    time_limit: float


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A card, (intercept + points) / scale being its logit, and what the library proves."""

    points: np.ndarray
    intercept: float
    scale: float = 1.0
    bound: float | None = None


Fit = Callable[[np.ndarray, np.ndarray, ScoreTask], Found]


def _treeml(X: np.ndarray, y: np.ndarray, task: ScoreTask, **options: Any) -> Found:
    from treeml import RiskScoreClassifier, SLIMClassifier

    kind = RiskScoreClassifier if task.loss == "logistic" else SLIMClassifier
    model: Any = kind(max_features=task.terms, time_limit=task.time_limit, **options).fit(X, y)
    bound = model.lower_bound_
    if task.loss == "0-1":  # without the tie-break, whose part is below one error
        bound = np.ceil((bound - model.result_.tie * 5 * task.terms) * len(y) - 1e-6) / len(y)
    return Found(model.points_, model.intercept_, model.scale_, float(bound))


def _treeml_no_proof(X: np.ndarray, y: np.ndarray, task: ScoreTask) -> Found:
    return _treeml(X, y, task, gap_tol=1.0)


def _fastriskscore(X: np.ndarray, y: np.ndarray, task: ScoreTask) -> Found:
    from imodels import FastRiskScoreClassifier

    model = FastRiskScoreClassifier(
        k=task.terms, max_points=5, binarize=False, time_limit=task.time_limit
    ).fit(X, y)
    return Found(np.asarray(model.coef_), model.intercept_ / model.scale_, 1 / model.scale_)


def _fasterrisk(X: np.ndarray, y: np.ndarray, task: ScoreTask) -> Found:
    from fasterrisk.fasterrisk import RiskScoreOptimizer

    search = RiskScoreOptimizer(X=X, y=2.0 * y - 1, k=task.terms, lb=-5, ub=5)
    search.optimize()
    scales, intercepts, points = search.get_models()
    return Found(np.asarray(points[0]), float(intercepts[0]), float(scales[0]))


def _merged(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, at = np.unique(X, axis=0, return_inverse=True)
    positive = np.bincount(at.ravel(), y, len(rows))
    return rows, positive, np.bincount(at.ravel(), minlength=len(rows)) - positive


def _highs(X: np.ndarray, y: np.ndarray, task: ScoreTask) -> Found:
    """min errors; a row's label l in {0, 1}: score >= 1 where l = 1, score <= 0 where l = 0."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import bmat, csr_matrix, eye, hstack

    rows, positive, negative = _merged(X, y)
    n, d = rows.shape
    ends = np.sort(np.abs(5 * rows), axis=1)[:, ::-1][:, : task.terms].sum(axis=1)
    limit = float(ends.max())
    big = ends + limit + 1
    score = hstack([csr_matrix(rows), np.ones((n, 1)), csr_matrix((n, d))])
    wall = csr_matrix((big, (range(n), range(n))), shape=(n, n))
    empty, none = csr_matrix((d, n)), csr_matrix((1, n))
    unit = eye(d, format="csr")
    points = hstack([unit, csr_matrix((d, 1))])
    constraints = [
        LinearConstraint(hstack([score, -wall]), 1 - big, np.inf),  # label 1
        LinearConstraint(hstack([score, -wall]), -np.inf, 0),  # label 0
        LinearConstraint(bmat([[points, -5 * unit, empty]]), -np.inf, 0),
        LinearConstraint(bmat([[points, 5 * unit, empty]]), 0, np.inf),
        LinearConstraint(
            hstack([csr_matrix((1, d + 1)), np.ones((1, d)), none]), 0, float(task.terms)
        ),
    ]
    low = np.concatenate([np.full(d, -5.0), [-limit], np.zeros(d + n)])
    high = np.concatenate([np.full(d, 5.0), [limit], np.ones(d + n)])
    cost = np.concatenate([np.zeros(2 * d + 1), negative - positive])
    found = milp(
        cost,
        integrality=np.ones(len(cost)),
        bounds=Bounds(low, high),
        constraints=constraints,
        options={"time_limit": task.time_limit, "mip_rel_gap": 1e-9},
    )
    bound = None
    if found.mip_dual_bound is not None:
        bound = max(0.0, (found.mip_dual_bound + positive.sum()) / len(y))
    if found.x is None:
        return Found(np.zeros(d), -1.0, bound=bound)
    return Found(np.round(found.x[:d]), float(np.round(found.x[d])), bound=bound)


def _cpsat(X: np.ndarray, y: np.ndarray, task: ScoreTask) -> Found:
    from ortools.sat.python import cp_model

    rows, positive, negative = _merged(X, y)
    rows = rows.astype(int)
    n, d = rows.shape
    limit = int(np.sort(np.abs(5 * rows), axis=1)[:, ::-1][:, : task.terms].sum(axis=1).max())
    model = cp_model.CpModel()
    intercept = model.new_int_var(-limit, limit, "intercept")
    points = [model.new_int_var(-5, 5, f"points {j}") for j in range(d)]
    used = [model.new_bool_var(f"used {j}") for j in range(d)]
    for j in range(d):
        model.add(points[j] == 0).only_enforce_if(used[j].Not())
    model.add(sum(used) <= task.terms)
    errors = []
    for i in range(n):
        label = model.new_bool_var(f"label {i}")
        score = intercept + sum(int(rows[i, j]) * points[j] for j in np.flatnonzero(rows[i]))
        model.add(score >= 1).only_enforce_if(label)
        model.add(score <= 0).only_enforce_if(label.Not())
        errors.append(int(positive[i]) + int(negative[i] - positive[i]) * label)
    model.minimize(sum(errors))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = task.time_limit
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    bound = max(0.0, solver.best_objective_bound / len(y))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Found(np.zeros(d), -1.0, bound=bound)
    return Found(np.array([solver.value(p) for p in points]), solver.value(intercept), bound=bound)


_IMODELS = ("imodels==3.0.4", "six", "numba")
SCORES: dict[str, tuple[str, tuple[str, ...], str, Fit]] = {
    "treeml": ("logistic", (), "treeml", _treeml),
    "treeml, no proof": ("logistic", (), "treeml", _treeml_no_proof),
    "FastRiskScore": ("logistic", _IMODELS, "imodels", _fastriskscore),
    "FasterRisk": (
        "logistic",
        ("fasterrisk==0.1.10", "numpy<2"),
        "fasterrisk.fasterrisk",
        _fasterrisk,
    ),
    "treeml SLIM": ("0-1", (), "treeml", _treeml),
    "HiGHS": ("0-1", ("scipy>=1.15",), "scipy.optimize", _highs),
    "CP-SAT": ("0-1", ("ortools==9.15.6755",), "ortools.sat.python.cp_model", _cpsat),
}
_SHORT, _REPEATS = 0.05, 20  # a shorter fit is repeated, and the median taken


def main() -> None:
    from benchmarks.worker import forget_peak, kib

    warnings.filterwarnings("ignore")
    file, name, text = sys.argv[1:]
    task, (_, _, module, fit) = ScoreTask(**json.loads(text)), SCORES[name]
    importlib.import_module(module)
    with np.load(file) as data:
        X, y = np.ascontiguousarray(data["X"].astype(np.float64)), data["y"].astype(np.int32)
    if name == "FastRiskScore":  # compiled before the clock starts
        fit(X[:200], y[:200], ScoreTask("logistic", 2, 1.0))
    before = forget_peak()
    cpu = time.process_time()
    found = fit(X, y, task)
    cpu = time.process_time() - cpu
    grown = kib("VmHWM") - before
    first = cpu
    if cpu < _SHORT:
        again = []
        for _ in range(_REPEATS):
            start = time.process_time()
            fit(X, y, task)
            again.append(time.process_time() - start)
        cpu = statistics.median(again)
    logit = (found.intercept + X @ found.points) / found.scale
    loss = np.mean(np.logaddexp(0, -(2 * y - 1) * logit))
    value = loss if task.loss == "logistic" else np.mean((logit > 0) != (y == 1))
    out = {"cpu": cpu, "first": first, "megabytes": grown / 1024, "objective": float(value)}
    print("@" + json.dumps(out | {"bound": found.bound}))


if __name__ == "__main__":
    main()
