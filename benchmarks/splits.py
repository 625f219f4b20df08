"""Greedy and boosted trees on large tables, first splits, and optimal trees over guessed cuts.

Two threads each. A greedy tree has depth 8 (gini) and all rows; boosting 100 rounds of depth 6, 256
bins, learning rate .1, no subsampling, and its log loss is counted here on a fixed fifth of the
rows. Binning is part of every fit. Trees over guessed cuts, and exact ones, have depth 4, one
thread and no cost of a leaf; their loss is the share of training errors.

Run as a worker: python -m benchmarks.splits FILE LIBRARY TASK-AS-JSON.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class SplitTask:
    """What is asked for."""

    model: str  # "tree", "boosted", "first split" or "depth 4"
    time_limit: float = 600.0
    threads: int = 2


_ROUNDS, _DEPTH, _RATE = 100, 6, 0.1


def _treeml(task: SplitTask, max_bins: int | None = 256) -> Any:
    from treeml import BoostedTreesClassifier, GreedyTreeClassifier

    if task.model == "tree":
        return GreedyTreeClassifier(max_depth=8, max_bins=max_bins, n_jobs=task.threads)
    return BoostedTreesClassifier(
        n_estimators=_ROUNDS, max_depth=_DEPTH, learning_rate=_RATE, n_jobs=task.threads
    )


def _treeml_exact(task: SplitTask) -> Any:
    return _treeml(task, max_bins=None)


def _scikit_learn(task: SplitTask) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=8, random_state=0)


def _lightgbm(task: SplitTask) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=_ROUNDS,
        max_depth=_DEPTH,
        num_leaves=2**_DEPTH,
        learning_rate=_RATE,
        max_bin=256,
        n_jobs=task.threads,
        verbose=-1,
    )


def _lightgbm_quantised(task: SplitTask) -> Any:
    return _lightgbm(task).set_params(use_quantized_grad=True)


def _xgboost(task: SplitTask) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=_ROUNDS,
        max_depth=_DEPTH,
        learning_rate=_RATE,
        max_bin=256,
        tree_method="hist",
        n_jobs=task.threads,
    )


def _guess(task: SplitTask) -> Any:
    from treeml import Binarizer, OptimalTreeClassifier

    return OptimalTreeClassifier(
        max_depth=4,
        regularization=0.0,
        binarizer=Binarizer(method="guess"),
        time_limit=task.time_limit,
    )


class _ConTree:
    """Its fit takes frames."""

    def __init__(self, task: SplitTask) -> None:
        from pycontree import ConTree

        self.model = ConTree(max_depth=4, time_limit=task.time_limit)

    def fit(self, X: np.ndarray, y: np.ndarray) -> None:
        import pandas as pd

        self.model.fit(pd.DataFrame(X), pd.Series(y))

    def predict(self, X: np.ndarray) -> np.ndarray:
        import pandas as pd

        return np.asarray(self.model.predict(pd.DataFrame(X)))


_PEERS = ("lightgbm", "xgboost", "scikit-learn", "numpy", "pandas")

# Packages to install, models it has, and how to make one.
SPLITS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[SplitTask], Any]]] = {
    "treeml": ((), ("tree", "boosted"), _treeml),
    "treeml exact": ((), ("tree",), _treeml_exact),
    "scikit-learn": ((), ("tree",), _scikit_learn),
    "lightgbm": (_PEERS, ("boosted",), _lightgbm),
    "lightgbm quantised": (_PEERS, ("boosted",), _lightgbm_quantised),
    "xgboost": (_PEERS, ("boosted",), _xgboost),
    "treeml guess": ((), ("depth 4",), _guess),
    "contree": (("pycontree==1.0.8", "numpy", "pandas"), ("depth 4",), _ConTree),
}


def generated(n_rows: int = 1_000_000, n_columns: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns and a class that depends on four of them, with noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns)).astype(np.float32)
    signal = X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * X[:, 3] ** 2
    return X, (signal + rng.normal(size=n_rows) > 0).astype(np.int32)


def repeated(file: Path, n_rows: int = 1_000_000) -> tuple[np.ndarray, np.ndarray]:
    """A real table, last column the class, repeated with jitter of a hundredth of each number's
    spread; levels become numbers."""
    import pandas as pd

    table = pd.read_csv(file)
    y = pd.factorize(table.pop(table.columns[-1]), sort=True)[0].astype(np.int32)
    rng = np.random.default_rng(0)
    times = -(-n_rows // len(table))
    columns = []
    for _, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            values = np.tile(column.to_numpy(np.float64), times)[:n_rows]
            columns.append(values + rng.normal(0, 0.01 * np.nanstd(values), n_rows))
        else:
            columns.append(np.tile(pd.factorize(column, sort=True)[0], times)[:n_rows])
    return np.column_stack(columns).astype(np.float32), np.tile(y, times)[:n_rows]


def first_split_table(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A random table with missing values and, but for every third, weights."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(30, 3000)), int(rng.integers(1, 12))
    X = rng.normal(size=(n, d)).astype(np.float32)
    if seed % 2:
        X = np.round(X, 1)
    X[rng.random(X.shape) < rng.choice([0.0, 0.1, 0.5])] = np.nan
    y = (np.nan_to_num(X[:, 0], nan=0.7) + rng.normal(size=n) > 0).astype(int)
    return X, y, rng.exponential(size=n) if seed % 3 else None


def first_split(library: str, seed: int) -> list[float]:
    """Margins of the training rows after one stump, which tell rows, value and side of missing."""
    X, y, weight = first_split_table(seed)
    if library == "treeml":
        from treeml import BoostedTreesClassifier

        ours = BoostedTreesClassifier(
            n_estimators=1, max_depth=1, learning_rate=1.0, max_bins=None
        ).fit(X, y, sample_weight=weight)
        return ours.decision_function(X).tolist()
    from xgboost import XGBClassifier

    base = float(np.average(y, weights=weight))
    theirs = XGBClassifier(
        n_estimators=1, max_depth=1, learning_rate=1.0, tree_method="exact", base_score=base
    ).fit(X, y, sample_weight=weight)
    return theirs.predict(X, output_margin=True).tolist()


def fitted(name: str, task: SplitTask, X: np.ndarray, y: np.ndarray) -> tuple[Any, float, float]:
    """A fitted model, with its CPU and wall seconds."""
    model = SPLITS[name][2](task)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    return model, time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    warnings.filterwarnings("ignore")
    file, name, text = sys.argv[1:]
    task = SplitTask(**json.loads(text))
    if task.model == "first split":
        print(json.dumps({"cpu": 0.0, "margins": [first_split(name, seed) for seed in range(50)]}))
        return
    with np.load(file) as data:
        X, y = data["X"], data["y"]
    test = np.zeros(len(y), dtype=bool)
    if task.model == "boosted":
        test[np.random.default_rng(1).permutation(len(y))[: len(y) // 5]] = True
    train_X, train_y = np.ascontiguousarray(X[~test]), y[~test]
    model, cpu, wall = fitted(name, task, train_X, train_y)
    again = [fitted(name, task, train_X, train_y)[1:] for _ in range(50 if cpu < 0.02 else 0)]
    if again:  # imports and first pages apart
        cpu, wall = (statistics.median(run[at] for run in again) for at in (0, 1))
    out: dict[str, Any] = {"cpu": cpu, "wall": wall}
    if task.model != "boosted":
        out["loss"] = float((model.predict(X) != y).mean())
    else:
        proba = np.clip(model.predict_proba(X[test])[np.arange(test.sum()), y[test]], 1e-15, 1)
        out["loss"] = float(-np.log(proba).mean())
    print(json.dumps(out))


if __name__ == "__main__":
    main()
