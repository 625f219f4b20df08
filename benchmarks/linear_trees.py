"""Trees with linear leaves by nested cross-validation, and the CPU time of their searches.

``python -m benchmarks linear --regression FOLDER`` writes benchmarks/results/linear_trees.csv (R2,
outer five folds with random_state 0; everything tuned is chosen inside fit) and
linear_tree_time.csv (CPU seconds, median of five). FOLDER holds csv files of numbers with the
target in the column y; without it only generated sets and scikit-learn's are used.
``python -m benchmarks.linear_trees --model NAME`` fits some of the models again.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman2, make_friedman3
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from treeml import LinearTreeRegressor, SMOSERegressor
from treeml.search.linear_tree import (
    LeafPenalty,
    LinearGrowth,
    LinearRows,
    exact_linear_tree,
    grow_linear_trees,
)

RESULTS = Path(__file__).parent / "results"
N_ROWS = 2000


def regimes(kind: str, n: int = N_ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four linear regimes in six columns, parted by three axis cuts or by linear scores."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 6))
    maps = rng.normal(size=(4, 7)) * 1.5
    if kind == "axis":
        low = np.where(X[:, 1] <= -0.3, 0, 1)
        which = np.where(X[:, 0] <= 0.2, low, np.where(X[:, 2] <= 0.1, 2, 3))
    else:
        which = (X @ rng.normal(size=(6, 4))).argmax(axis=1)
    return X, (X * maps[which, :6]).sum(axis=1) + maps[which, 6] + 0.3 * rng.normal(size=n)


def linear(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A linear model of eight columns with as much noise as one coefficient moves."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    return X, X @ rng.normal(size=8) + rng.normal(size=n)


def problems(folder: Path | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    yield "diabetes", *load_diabetes(return_X_y=True)
    yield "axis regimes", *regimes("axis")
    yield "oblique regimes", *regimes("oblique")
    yield "friedman1", *make_friedman1(N_ROWS, n_features=10, noise=1.0, random_state=0)
    yield "friedman2", *make_friedman2(N_ROWS, noise=100.0, random_state=0)
    yield "friedman3", *make_friedman3(N_ROWS, noise=0.1, random_state=0)
    yield "linear 200", *linear(200)
    yield "linear 2000", *linear(2000)
    if folder is None:
        return
    import pandas as pd

    for path in sorted(folder.glob("*.csv*")):
        table = pd.read_csv(path)
        yield path.name.split(".")[0], table.drop(columns="y").to_numpy(float), table.y.to_numpy()


MODELS: dict[str, Callable[[], Any]] = {
    "RidgeCV": lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15))),
    "CART, 32 leaves": lambda: DecisionTreeRegressor(max_leaf_nodes=32, random_state=0),
    "random forest": lambda: RandomForestRegressor(random_state=0),
    "linear leaves, default": LinearTreeRegressor,
    "linear leaves, 4": lambda: LinearTreeRegressor(max_leaf_nodes=4),
    "linear leaves, 8": lambda: LinearTreeRegressor(max_leaf_nodes=8),
    "linear leaves, greedy": lambda: LinearTreeRegressor(solver="greedy"),
    "mixture, default": lambda: SMOSERegressor(random_state=0),
    "mixture, 4": lambda: SMOSERegressor(n_experts=4, random_state=0),
}


def nested(folder: Path | None, names: list[str]) -> None:
    """R2 of these models on every set; what the table has of others stays."""
    path = RESULTS / "linear_trees.csv"
    kept: list[list[str]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1:]
        again = {name for name, _, _ in problems(folder)}
        kept = [row for row in rows if row[3] not in names or row[0] not in again]
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["set", "rows", "columns", "model", "r2", "r2_sd", "leaves", "cpu_seconds"])
        out.writerows(kept)
        for name, X, y in problems(folder):
            for model in names:
                scores, leaves, seconds = [], [], []
                folds = KFold(5, shuffle=True, random_state=0)
                for train, test in folds.split(X):
                    fitted = MODELS[model]()
                    begin = time.process_time()
                    fitted.fit(X[train], y[train])
                    seconds.append(time.process_time() - begin)
                    scores.append(r2_score(y[test], fitted.predict(X[test])))
                    leaves.append(getattr(fitted, "n_leaves_", getattr(fitted, "n_experts_", 0)))
                mean, spread = np.mean(scores), np.std(scores)
                row = [name, *X.shape, model, f"{mean:.4f}", f"{spread:.4f}"]
                out.writerow([*row, f"{np.mean(leaves):.1f}", f"{np.mean(seconds):.3f}"])
                print(*row, flush=True)


def search_times() -> None:
    """CPU seconds of the searches on rows of two questions and a wave."""
    with (RESULTS / "linear_tree_time.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["search", "rows", "columns", "cuts", "cpu_seconds"])
        for search, n, d in (
            ("exact depth 2", 10_000, 12),
            ("exact depth 2", 20_000, 12),
            ("exact depth 3", 2_000, 8),
            ("grown and polished, 8 leaves", 20_000, 12),
            ("greedy, 8 leaves", 20_000, 12),
            ("estimator, 8 leaves, l2=1", 20_000, 12),
        ):
            rng = np.random.default_rng(0)
            X = rng.normal(size=(n, d))
            inner = np.where(X[:, 1] <= -0.3, X[:, 2], X[:, 3])
            outer = np.where(X[:, 2] <= 0.1, -X[:, 1], X[:, 0])
            y = np.where(X[:, 0] <= 0.2, inner, outer) + np.sin(3 * X[:, 4])
            y += 0.3 * rng.normal(size=n)
            rows = LinearRows(X, y[:, None], np.ascontiguousarray(X.T))
            penalty = LeafPenalty(1.0, 1.0, 1, 0.01 * n)
            taken = []
            for _ in range(5):
                begin = time.process_time()
                if search.startswith("exact"):
                    exact_linear_tree(rows, penalty, max_depth=int(search[-1]), max_cuts=32)
                elif search.startswith("estimator"):
                    LinearTreeRegressor(max_leaf_nodes=8, l2=1.0).fit(X, y)
                else:
                    sweeps = 0 if search.startswith("greedy") else 5
                    grow_linear_trees(rows, penalty, LinearGrowth(sweeps=sweeps))
                taken.append(time.process_time() - begin)
            row = [search, n, d, 32, f"{statistics.median(taken):.3f}"]
            out.writerow(row)
            print(*row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regression", type=Path, help="folder of csv files, target y")
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--only", choices=["r2", "time"])
    options = parser.parse_args()
    if options.only != "time":
        nested(options.regression, options.model)
    if options.only != "r2":
        search_times()


if __name__ == "__main__":
    main()
