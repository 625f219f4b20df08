"""Rashomon sets: how to install each library, and how to count the same set with it.

All are asked for the trees whose errors + g x leaves is at most B, integers, with any label at a
leaf (TreeFARMS: its majority, which is a smaller set). Their epsilon is moved by a quarter of an
error so that no rounding of theirs can change the bound.

Run as a worker: python -m benchmarks.sets FILE LIBRARY TASK-AS-JSON.
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
class SetTask:
    """What is asked for; ``optimum`` is that of the problem, in errors."""

    max_depth: int
    leaf_cost: int
    epsilon: float
    time_limit: float
    optimum: int = 0

    def nudged(self, n_rows: int) -> tuple[float, float]:
        """Cost of a leaf per row, and the epsilon whose bound is B + 1/4."""
        bound = int(self.optimum * (1 + self.epsilon) + 1e-9)
        return self.leaf_cost / n_rows, (bound + 0.25) / self.optimum - 1


def _treeml(X: np.ndarray, y: np.ndarray, task: SetTask) -> Callable[[], int]:
    from treeml import RashomonTreesClassifier

    model = RashomonTreesClassifier(
        max_depth=task.max_depth,
        regularization=task.leaf_cost / len(y),
        epsilon=task.epsilon,
        time_limit=None,
    )
    return lambda: model.fit(X, y).set_.count


def _arborenum(X: np.ndarray, y: np.ndarray, task: SetTask) -> Callable[[], int]:
    import pandas as pd
    from arborenum import ArborEnum

    return _counted(ArborEnum, pd.DataFrame(X), y, task, proxy_mode="continuous")


def _praxis(X: np.ndarray, y: np.ndarray, task: SetTask) -> Callable[[], int]:
    import pandas as pd
    from praxis import PRAXIS

    return _counted(PRAXIS, pd.DataFrame(X), y, task)


def _counted(make: Any, X: Any, y: np.ndarray, task: SetTask, **options: Any) -> Callable[[], int]:
    regularization, epsilon = task.nudged(len(y))

    def count() -> int:
        model = make()
        model.fit(
            X,
            y,
            lambda_reg=regularization,
            depth_budget=task.max_depth,
            rashomon_mult=epsilon,
            lookahead_k=max(1, task.max_depth - 1),  # exact
            **options,
        )
        return int(model.count_trees())

    return count


def _treefarms(X: np.ndarray, y: np.ndarray, task: SetTask) -> Callable[[], int]:
    import pandas as pd
    from treefarms import TREEFARMS

    regularization, epsilon = task.nudged(len(y))
    options = {
        "regularization": regularization,
        "rashomon_bound_multiplier": epsilon,
        "depth_budget": task.max_depth + 1,  # of nodes
        "rashomon_ignore_trivial_extensions": False,
    }
    frame, target = pd.DataFrame(X), pd.Series(y, name="class")

    def count() -> int:
        model = TREEFARMS(options)
        model.fit(frame, target)
        return int(model.get_tree_count())

    return count


SETS: dict[str, tuple[tuple[str, ...], Callable[..., Callable[[], int]]]] = {
    "treeml": ((), _treeml),
    "arborenum": (("arborenum==0.2.6",), _arborenum),
    "praxis": (("tree-praxis==0.0.30", "pandas"), _praxis),
    "treefarms": (("treefarms==0.2.4", "pandas"), _treefarms),
}
_SHORT, _REPEATS = 0.02, 50  # a shorter fit is repeated, and the median taken


def main() -> None:
    from benchmarks.worker import forget_peak, kib

    warnings.filterwarnings("ignore")
    file, name, text = sys.argv[1:]
    task = SetTask(**json.loads(text))
    with np.load(file) as data:
        X, y = np.ascontiguousarray(data["X"].astype(np.uint8)), data["y"].astype(np.int32)
    count = SETS[name][1](X, y, task)
    before = forget_peak()
    cpu = time.process_time()
    number = count()
    cpu = time.process_time() - cpu
    grown = kib("VmHWM") - before
    if cpu < _SHORT:
        again = []
        for _ in range(_REPEATS):
            start = time.process_time()
            count()
            again.append(time.process_time() - start)
        cpu = statistics.median(again)
    print("@" + json.dumps({"cpu": cpu, "megabytes": grown / 1024, "count": str(number)}))


if __name__ == "__main__":
    main()
