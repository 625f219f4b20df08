"""Trees of actions from per-row costs: what is compared, and the worker that fits one.

Two kinds of costs a table: "uniform", whole numbers from 0 to 100 drawn anew for every row and
action, and "losses", the log losses of as many logistic regressions, each over a part of the
columns, as a router over them has. Costs are made once and read by every library.

Run as a worker: python -m benchmarks.costs FILE LIBRARY TASK-AS-JSON.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class CostTask:
    """What is asked for."""

    max_depth: int
    time_limit: float


def _treeml(task: CostTask) -> Any:
    from treeml import PolicyTreeClassifier

    return PolicyTreeClassifier(max_depth=task.max_depth, time_limit=task.time_limit)


def _streed(task: CostTask) -> Any:
    from pystreed import STreeDInstanceCostSensitiveClassifier

    return STreeDInstanceCostSensitiveClassifier(
        max_depth=task.max_depth, time_limit=task.time_limit
    )


COSTS: dict[str, tuple[tuple[str, ...], Callable[[CostTask], Any], Callable[[Any], bool]]] = {
    "treeml": ((), _treeml, lambda model: model.status_ == "optimal"),
    "streed": (("pystreed==1.4.0",), _streed, lambda model: bool(model.fit_result.is_optimal())),
}


def make_costs(X: np.ndarray, y: np.ndarray, kind: str, n_actions: int) -> np.ndarray:
    """Costs of every action in every row, shape (n_rows, n_actions); the same for equal seeds."""
    rng = np.random.default_rng(0)
    if kind == "uniform":
        return rng.integers(0, 101, (len(X), n_actions)).astype(np.float64)
    from sklearn.linear_model import LogisticRegression

    columns = rng.permutation(X.shape[1])
    codes = np.unique(y, return_inverse=True)[1]
    losses = []
    for part in np.array_split(columns, n_actions):
        proba = LogisticRegression(max_iter=300).fit(X[:, part], codes).predict_proba(X[:, part])
        losses.append(-np.log(np.clip(proba[np.arange(len(X)), codes], 1e-9, 1)))
    return np.stack(losses, axis=1)


def main() -> None:
    warnings.filterwarnings("ignore")
    file, name, text = sys.argv[1:]
    task, (_, make, proven) = CostTask(**json.loads(text)), COSTS[name]
    with np.load(file) as data:
        X, costs = np.ascontiguousarray(data["X"]), data["y"]
    if name == "streed":
        X = X.astype(np.int32)  # as it takes them without a conversion
    times: list[tuple[float, float]] = []
    model = make(task)
    while not times or (len(times) < 50 and times[0][0] < 0.005):
        model = make(task)
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(X, costs)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    chosen = np.asarray(model.predict(X)).reshape(-1).astype(int)
    out: dict[str, Any] = {
        "cpu": statistics.median(cpu for cpu, _ in times),
        "wall": statistics.median(wall for _, wall in times),
        "cost": float(costs[np.arange(len(X)), chosen].sum()),
        "proven": bool(proven(model)),
    }
    print(json.dumps(out))


if __name__ == "__main__":
    main()
