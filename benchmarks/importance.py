"""Importance over Rashomon sets: the same ranges and distributions, asked of each library.

Both are asked for the trees whose errors + g x leaves is at most B, integers, with any label at a
leaf, and for the importance of every column. treeml exchanges a column between all ordered pairs of
different rows; ArborEnum replaces it by that of any row, its own among them. Of n rows one is the
row's own, so that its importances are ours times (n - 1) / n: n (n - 1) times ours and n^2 times
theirs are the same whole number, and these are compared.

A distribution is asked of given bootstraps, one by one: ArborEnum draws its own, so that it gets
the drawn rows as its data and is told to take each of them once.

Run as a worker: python -m benchmarks.importance FILE LIBRARY TASK-AS-JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class ImportanceTask:
    """What is asked for; ``bounds`` is the largest cost in each bootstrap."""

    max_depth: int
    leaf_cost: int
    bounds: tuple[int, ...]
    time_limit: float


Answer = dict[str, Any]


def _treeml(X: np.ndarray, y: np.ndarray, task: ImportanceTask, bound: int) -> Answer:
    from treeml import RashomonTreesClassifier
    from treeml.rashomon import importance_cloud, importance_extent

    n = len(y)
    model = RashomonTreesClassifier(
        max_depth=task.max_depth,
        regularization=task.leaf_cost / n,
        epsilon=None,
        max_regret=0.0,
        time_limit=None,
    )
    model.fit(X, y)
    regret = (bound - round(model.set_.objective * n) + 0.5) / n
    trees = model.set_params(max_regret=regret).fit(X, y).set_
    start = time.process_time()
    names = [column.name for column in trees.columns]
    ranges = [importance_extent(trees, X, y, {name: 1}) for name in names]
    ranged = time.process_time()
    cloud = importance_cloud(trees, X, y, n_members=trees.count)
    done = time.process_time()
    found = dict(zip(cloud.columns, (cloud.reliance * (n * (n - 1))).T, strict=True))
    none = np.zeros(trees.count)
    return {
        "trees": trees.count,
        "cpu": (ranged - start, done - ranged),
        "ends": [[int(end * n * (n - 1)) for end in (r.low, r.high)] for r in ranges],
        "mass": [_mass(found.get(name, none)) for name in names],
    }


def _arborenum(X: np.ndarray, y: np.ndarray, task: ImportanceTask, bound: int) -> Answer:
    import pandas as pd
    from arborenum import ArborEnum

    n = len(y)
    frame = pd.DataFrame(X)
    given = {
        "lambda_reg": task.leaf_cost / n,
        "depth_budget": task.max_depth,
        "lookahead_k": max(1, task.max_depth - 1),  # exact
        "proxy_mode": "continuous",
    }
    model = ArborEnum()
    model.fit(frame, y, rashomon_mult=0.0, **given)
    epsilon = (bound + 0.25) / model.get_min_objective() - 1
    model = ArborEnum()
    model.fit(frame, y, rashomon_mult=epsilon, **given)
    start = time.process_time()
    ends = model.get_exact_replacement_importance_intervals(frame, y)
    ranged = time.process_time()
    model.compute_rid(frame, y, n_boot=1, subsample=n, rashomon_mult=epsilon, **given)
    done = time.process_time()
    mass: list[list[tuple[int, float]]] = [[(0, 1.0)] for _ in range(X.shape[1])]
    out = model._rid_out
    for k, places, after in zip(
        model.rid_feature_indices_, out["cdf_x"], out["cdf_p"], strict=True
    ):
        share = np.diff(np.append(0.0, after))
        mass[int(k)] = _merged(np.asarray(places) * n * n, share)
    return {
        "trees": int(model.count_trees()),
        "cpu": (ranged - start, done - ranged),
        "ends": np.rint(np.asarray(ends) * n * n).astype(np.int64).tolist(),
        "mass": mass,
    }


def _mass(values: np.ndarray) -> list[tuple[int, float]]:
    return _merged(values, np.full(len(values), 1 / len(values)))


def _merged(places: np.ndarray, shares: np.ndarray) -> list[tuple[int, float]]:
    """Shares of whole numbers, in order."""
    whole, of = np.unique(np.rint(places).astype(np.int64), return_inverse=True)
    sums = np.bincount(of, weights=shares)
    return list(zip(whole.tolist(), sums.tolist(), strict=True))


def furthest(a: list[tuple[int, float]], b: list[tuple[int, float]]) -> float:
    """The greatest difference of two distribution functions."""
    places = np.array(sorted({place for place, _ in (*a, *b)}))
    after = [
        np.array([sum(p for k, p in mass if k <= place) for place in places]) for mass in (a, b)
    ]
    return float(np.abs(after[0] - after[1]).max())


IMPORTANCES: dict[str, tuple[tuple[str, ...], Callable[..., Answer]]] = {
    "treeml": ((), _treeml),
    "arborenum": (("arborenum==0.2.6",), _arborenum),
}


def main() -> None:
    warnings.filterwarnings("ignore")
    file, name, text = sys.argv[1:]
    task = ImportanceTask(**json.loads(text))
    with np.load(file) as data:
        X, y, draws = data["X"].astype(np.uint8), data["y"].astype(np.int32), data["draws"]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        answers = [
            IMPORTANCES[name][1](np.ascontiguousarray(X[rows]), y[rows], task, bound)
            for rows, bound in zip(draws, task.bounds, strict=True)
        ]
    cpu = sum(sum(answer["cpu"]) for answer in answers)
    print("\n@" + json.dumps({"cpu": cpu, "answers": answers}))


if __name__ == "__main__":
    main()
