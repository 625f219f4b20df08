"""Trees with linear leaves where a tree can only do harm: small, noisy, all but linear sets.

Twenty-one kinds of generated sets of 60 to 500 rows and 2 to 20 columns, two seeds each, in two
halves: on the first ("choosing") the rules of the default were compared, the second ("kept") was
only looked at once they stood. ``python -m benchmarks safety`` writes
benchmarks/results/linear_safety.csv: mean R2 of five outer folds with random_state 0 of
`LinearTreeRegressor` as it is and of RidgeCV on standardised columns, with their difference.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from treeml import LinearTreeRegressor

RESULTS = Path(__file__).parent / "results"
HALVES = {"choosing": 7, "kept": 77771}
SEEDS = (0, 1)

Rows = tuple[np.ndarray, np.ndarray]
Random = np.random.Generator


def _shape(rng: Random, least: int = 2, most: int = 20) -> tuple[int, int]:
    """Numbers of rows and columns."""
    return int(np.exp(rng.uniform(np.log(60), np.log(500)))), int(rng.integers(least, most + 1))


def _line(rng: Random, n: int, d: int, size: float = 1.0) -> Rows:
    """Normal columns, and a linear function of them of this standard deviation."""
    X = rng.normal(size=(n, d))
    signal = X @ rng.normal(size=d)
    return X, signal / signal.std() * size


def _noisy(rng: Random, X: np.ndarray) -> Rows:
    """A linear function with as much noise."""
    signal = X @ rng.normal(size=X.shape[1])
    return X, signal + signal.std() * rng.normal(size=len(X))


def linear(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + rng.normal(size=n)


def linear_clear(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d, 5)
    return X, signal + rng.normal(size=n)


def heavy(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + 0.6 * rng.standard_t(2.5, size=n)


def outliers(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d, 2)
    noise = rng.normal(size=n)
    noise[rng.random(n) < 0.03] *= 15
    return X, signal + noise


def leverage(rng: Random) -> Rows:
    n, d = _shape(rng)
    X = rng.normal(size=(n, d))
    X[rng.random(n) < 0.03] *= 8
    return X, X @ rng.normal(size=d) / np.sqrt(d) + rng.normal(size=n)


def collinear(rng: Random) -> Rows:
    n, d = _shape(rng, least=4)
    k = max(1, d // 3)
    Z = rng.normal(size=(n, k))
    X = Z @ rng.normal(size=(k, d)) + 0.05 * rng.normal(size=(n, d))
    signal = Z @ rng.normal(size=k)
    return X, signal / signal.std() + rng.normal(size=n)


def uneven(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + rng.normal(size=n) * np.exp(X[:, 0])


def sparse(rng: Random) -> Rows:
    n, d = _shape(rng, least=8)
    X = rng.normal(size=(n, d))
    return X, X[:, 0] - X[:, 1] + 1.5 * rng.normal(size=n)


def noise(rng: Random) -> Rows:
    n, d = _shape(rng)
    return rng.normal(size=(n, d)), rng.normal(size=n)


def heavy_noise(rng: Random) -> Rows:
    n, d = _shape(rng)
    return rng.normal(size=(n, d)), rng.standard_t(2, size=n)


def weak_product(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + 0.3 * X[:, 0] * X[:, 1] + rng.normal(size=n)


def binary(rng: Random) -> Rows:
    n, d = _shape(rng)
    return _noisy(rng, (rng.random((n, d)) < rng.uniform(0.1, 0.9, d)).astype(float))


def skewed(rng: Random) -> Rows:
    n, d = _shape(rng)
    return _noisy(rng, np.exp(rng.normal(size=(n, d))))


def few_values(rng: Random) -> Rows:
    n, d = _shape(rng)
    X = rng.integers(0, 4, (n, d)).astype(float)
    signal = X @ rng.normal(size=d)
    return X, signal / signal.std() + rng.normal(size=n)


def step(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + (X[:, 0] > 0.5) + rng.normal(size=n)


def series(rng: Random) -> Rows:
    n, d = _shape(rng, most=8)
    y = np.zeros(n + d + 50)
    shock = rng.normal(size=len(y))
    for t in range(2, len(y)):
        y[t] = 0.6 * y[t - 1] + 0.2 * y[t - 2] + shock[t]
    y = y[50:]
    return np.column_stack([y[k : k + n] for k in range(d)]), y[d : d + n]


def lognormal(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d, 0.7)
    return X, np.exp(signal + 0.5 * rng.normal(size=n))


def weak_square(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + 0.25 * X[:, 0] ** 2 + rng.normal(size=n)


def wide(rng: Random) -> Rows:
    n = int(rng.integers(60, 90))
    X, signal = _line(rng, n, 20)
    return X, signal + rng.normal(size=n)


def dummies(rng: Random) -> Rows:
    n, d = _shape(rng, least=6)
    level = rng.integers(0, d - 2, n)
    return _noisy(rng, np.column_stack([np.eye(d - 2)[level], rng.normal(size=(n, 2))]))


def hinge(rng: Random) -> Rows:
    n, d = _shape(rng)
    X, signal = _line(rng, n, d)
    return X, signal + np.maximum(X[:, 0] - 0.5, 0) + rng.normal(size=n)


KINDS: tuple[Callable[[Random], Rows], ...] = (
    *(linear, linear_clear, heavy, outliers, leverage, collinear, uneven, sparse, noise),
    *(heavy_noise, weak_product, binary, skewed, few_values, step, series, lognormal),
    *(weak_square, wide, dummies, hinge),
)


def problems(half: str) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Kind, seed, rows and target of the sets of a half."""
    for place, kind in enumerate(KINDS):
        for seed in SEEDS:
            yield kind.__name__, seed, *kind(np.random.default_rng([HALVES[half], place, seed]))


def compared(X: np.ndarray, y: np.ndarray) -> tuple[float, float, list[int]]:
    """Mean R2 of ours and of RidgeCV over five outer folds, and the leaves of ours."""
    ours, ridge, leaves = [], [], []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        model = LinearTreeRegressor().fit(X[train], y[train])
        plain = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15)))
        plain.fit(X[train], y[train])
        ours.append(r2_score(y[test], model.predict(X[test])))
        ridge.append(r2_score(y[test], plain.predict(X[test])))
        leaves.append(model.n_leaves_)
    return float(np.mean(ours)), float(np.mean(ridge)), leaves


def safety() -> None:
    """The table of both halves; their worst and mean difference are printed."""
    with (RESULTS / "linear_safety.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["half", "set", "seed", "rows", "columns", "ridge", "ours", "gain", "leaves"])
        for half in HALVES:
            gains = []
            for name, seed, X, y in problems(half):
                ours, ridge, leaves = compared(X, y)
                gains.append(ours - ridge)
                row = [half, name, seed, *X.shape, f"{ridge:.4f}", f"{ours:.4f}"]
                row += [f"{gains[-1]:.4f}", " ".join(map(str, leaves))]
                out.writerow(row)
                file.flush()
                print(*row, flush=True)
            few = sum(gain < -0.01 for gain in gains)
            print(half, f"worst {min(gains):.4f}, mean {np.mean(gains):.4f}, {few} below -.01")
