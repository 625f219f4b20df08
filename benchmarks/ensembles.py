"""Ensembles of fewest cuts: treeml against a SAT solver that is told a bound.

The instances are samples of real tables without equal rows, the largest class against the rest.
The SAT solver (Glucose, through python-sat) is asked for every number of cuts from a bound on, and
every way to share them out; the bound, the linear program of pairs of examples that some cut must
part, is given to it for nothing. Making predicates is not part of the time of either.

Run as a worker: python -m benchmarks.ensembles FILE LIBRARY TASK-AS-JSON; with the library "agree"
FILE holds many tiny instances, to be answered by the SAT solver one after the other.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "ENSEMBLES", "EnsembleTask", "answers", "by_every_method", "sample", "tiny_instance",
    "write_instances",
]  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class EnsembleTask:
    """What is asked for: samples of a table, and numbers of trees for each."""

    rows: tuple[int, ...]
    trees: tuple[int, ...]
    seeds: int
    time_limit: float  # of one search


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Fewest cuts where it was proven, and otherwise what is known."""

    cuts: int | None
    bound: int


Search = Callable[[int, float], Found]  # of number of trees and seconds


def sample(X: np.ndarray, y: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n rows of a permutation, each content once; class 1 is the largest class."""
    order = np.random.RandomState(seed).permutation(len(X))
    X, y = X[order], (y == np.bincount(y).argmax()).astype(np.int32)[order]
    _, first = np.unique(X, axis=0, return_index=True)
    kept = np.sort(first)[:n]
    return X[kept], y[kept]


def answers(X: np.ndarray) -> np.ndarray:
    """Every split of the rows by a threshold, once, shape (n_rows, n_cuts)."""
    cuts: dict[bytes, np.ndarray] = {}
    for column in X.T:
        for threshold in np.unique(column)[:-1]:
            above = column > threshold
            cuts.setdefault(np.packbits(above ^ above[0]).tobytes(), above)
    return np.array(list(cuts.values()), dtype=np.uint8).reshape(-1, len(X)).T


def pair_bound(A: np.ndarray, y: np.ndarray) -> int:
    """Cuts of a fractional cover of the pairs of examples of different classes."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    pairs = [A[e] != A[f] for e in np.flatnonzero(y == 0) for f in np.flatnonzero(y == 1)]
    if not pairs:
        return 0
    parting = csr_matrix(np.unique(np.array(pairs), axis=0).astype(float))
    cover = linprog(np.ones(A.shape[1]), A_ub=-parting, b_ub=-np.ones(parting.shape[0]))
    return int(np.ceil(cover.fun - 1e-6))


class _Formula:
    """Clauses of "trees with so many cuts each, whose majority errs on at most so many rows"."""

    def __init__(self, A: np.ndarray, y: np.ndarray, sizes: Sequence[int], errors: int) -> None:
        self.A, self.y, self.clauses, self._names = A, y, [], {}
        self.counters = 0
        self.rows, self.cuts = range(len(A)), range(A.shape[1])
        for tree, size in enumerate(sizes):
            self._leaf_or_tree(tree, size)
        most_wrong = len(sizes) // 2
        for e in self.rows:
            given_up = [self.var("lost", e)] if errors else []
            for some in itertools.combinations(range(len(sizes)), most_wrong + 1):
                self.clauses.append([self.var("right", j, e) for j in some] + given_up)
        if errors:
            self._at_most([self.var("lost", e) for e in self.rows], errors)

    def var(self, *name: Any) -> int:
        return self._names.setdefault(name, len(self._names) + 1)

    def _leaf_or_tree(self, tree: int, size: int) -> None:
        if size == 0:
            self._label((tree, "root"))
            for e in self.rows:
                self._says(tree, e, [], (tree, "root"))
            return
        for i in range(size):
            chosen = [self.var("cut", tree, i, c) for c in self.cuts]
            self.clauses.append(chosen)
            self._at_most(chosen, 1)
            for c, e in itertools.product(self.cuts, self.rows):
                yes = self.var("yes", tree, i, e)
                self.clauses.append([-chosen[c], yes if self.A[e, c] else -yes])
            for side in (0, 1):
                self._at_most([self.var("child", tree, i, side, h) for h in range(i + 1, size)], 1)
                self._label((tree, i, side))
        for h in range(1, size):
            above = [self.var("child", tree, i, side, h) for i in range(h) for side in (0, 1)]
            self.clauses.append(above)
            self._at_most(above, 1)
        for e in self.rows:
            self.clauses.append([self.var("at", tree, 0, e)])
            for i, side in itertools.product(range(size), (0, 1)):
                yes = self.var("yes", tree, i, e)
                away = [-self.var("at", tree, i, e), -yes if side else yes]
                children = {h: self.var("child", tree, i, side, h) for h in range(i + 1, size)}
                for h, child in children.items():
                    self.clauses.append([*away, -child, self.var("at", tree, h, e)])
                self._says(tree, e, [*away, *children.values()], (tree, i, side))

    def _label(self, leaf: tuple) -> None:
        self._at_most([self.var("label", leaf, k) for k in np.unique(self.y).tolist()], 1)

    def _says(self, tree: int, e: int, unless: list[int], leaf: tuple) -> None:
        """A tree that is right on e says its class at the leaf where e ends."""
        right, label = self.var("right", tree, e), self.var("label", leaf, int(self.y[e]))
        self.clauses.append([-right, *unless, label])

    def _at_most(self, of: list[int], most: int) -> None:
        """Sinz's sequential counter."""
        self.counters += 1
        for i, literal in enumerate(of):
            here = [self.var("count", self.counters, i, k) for k in range(most)]
            self.clauses.append([-literal, here[0]])
            if i == 0:
                continue
            before = [self.var("count", self.counters, i - 1, k) for k in range(most)]
            self.clauses.append([-literal, -before[-1]])
            for k in range(most):
                self.clauses.append([-before[k], here[k]])
                if k:
                    self.clauses.append([-literal, -before[k - 1], here[k]])


def _shares(cuts: int, trees: int, most: int) -> Iterator[tuple[int, ...]]:
    """Ways to write a number of cuts as a falling sequence of so many."""
    if trees == 0:
        if cuts == 0:
            yield ()
        return
    for first in range(min(cuts, most), -1, -1):
        for rest in _shares(cuts - first, trees - 1, first):
            yield (first, *rest)


def _satisfiable(formula: _Formula, seconds: float) -> bool | None:
    from pysat.solvers import Glucose4

    with Glucose4(bootstrap_with=formula.clauses) as solver:
        timer = threading.Timer(seconds, solver.interrupt)
        timer.start()
        found = solver.solve_limited(expect_interrupt=True)
        timer.cancel()
    return found


def _sat(
    A: np.ndarray, y: np.ndarray, trees: int, seconds: float, bound: int = 0, errors: int = 0
) -> Found:
    """Levels from the bound on; a level that was not answered in time ends the search."""
    end = time.monotonic() + seconds
    for cuts in itertools.count(bound):
        for sizes in _shares(cuts, trees, cuts):
            left = end - time.monotonic()
            answer = _satisfiable(_Formula(A, y, sizes, errors), left) if left > 0 else None
            if answer is None:
                return Found(None, cuts)
            if answer:
                return Found(cuts, cuts)
    raise AssertionError("some number of cuts is enough")


def _by_sat(X: np.ndarray, y: np.ndarray) -> Search:
    """The solver over splits and with a bound that are made before."""
    A = answers(X)
    bound = pair_bound(A, y)
    return lambda trees, seconds: _sat(A, y, trees, seconds, bound)


def _treeml(X: np.ndarray, y: np.ndarray) -> Search:
    """The search over predicates that are made before."""
    from treeml import Binarizer
    from treeml._core.control import Control
    from treeml._core.validation import as_table
    from treeml.binarize.dataset import BinaryDataset
    from treeml.search.ensemble import optimal_ensemble

    table = as_table(X)
    binarizer = Binarizer(method="midpoints").fit_table(table)
    data = BinaryDataset.from_codes(
        binarizer.encode(table), binarizer.intervals_, binarizer.predicates_, table.n_rows
    ).with_classes(y, 2)

    def search(trees: int, seconds: float) -> Found:
        control = Control(time_limit=seconds)
        result = optimal_ensemble(data, n_estimators=trees, control=control)
        cuts = result.n_cuts if result.status == "optimal" else None
        return Found(cuts, round(result.lower_bound))

    return search


ENSEMBLES: dict[str, tuple[tuple[str, ...], str, Callable[..., Search]]] = {
    "treeml": ((), "treeml", _treeml),
    "SAT": (("python-sat==1.9.dev24", "numpy", "scipy"), "pysat.solvers", _by_sat),
}
_SHORT, _REPEATS = 0.05, 20  # a shorter run is repeated, and the median taken


def tiny_instance(seed: int) -> dict[str, Any]:
    """Up to 10 rows of 0/1 columns, mostly two classes and three trees, some errors allowed."""
    rng = np.random.default_rng(seed)
    A = rng.integers(0, 2, (int(rng.integers(6, 11)), int(rng.integers(3, 7))))
    A = np.unique(A, axis=0)
    trees = 5 if seed % 11 == 0 else 1 if seed % 3 == 0 else 3
    errors = int(rng.integers(1, 3)) if seed % 5 == 0 else 0
    y = rng.integers(0, 3 if seed % 7 == 0 else 2, len(A))
    return {"A": A, "y": y, "trees": trees, "errors": errors}


def by_every_method(instance: dict[str, Any]) -> set[float]:
    """The proven answers of all methods of treeml that take so many trees."""
    from treeml.binarize.dataset import BinaryDataset
    from treeml.search.ensemble import Method, optimal_ensemble

    packed = BinaryDataset.from_zero_one(instance["A"].astype(np.uint8))
    assert packed is not None
    data = packed.with_classes(instance["y"], 3)
    methods: tuple[Method, ...] = ("program", "join", "witness")
    out = set()
    for method in methods if instance["trees"] < 5 else methods[2:]:
        found = optimal_ensemble(
            data,
            n_estimators=instance["trees"],
            error_budget=instance["errors"],
            method=method,
        )
        out.add(found.objective if found.status == "optimal" else float("nan"))
    return out


def write_instances(file: Path, instances: Sequence[dict[str, Any]]) -> None:
    """Tiny instances, entries A, y, trees and errors, as lines of JSON."""
    lines = []
    for instance in instances:
        plain = {"trees": int(instance["trees"]), "errors": int(instance["errors"])}
        arrays = {name: np.asarray(instance[name]).tolist() for name in ("A", "y")}
        lines.append(json.dumps(plain | arrays))
    file.write_text("\n".join(lines))


def _agree(file: Path) -> list[int | None]:
    out = []
    for line in file.read_text().splitlines():
        instance = json.loads(line)
        A, y = np.array(instance["A"]), np.array(instance["y"])
        out.append(_sat(A, y, instance["trees"], 60.0, errors=instance["errors"]).cuts)
    return out


def main() -> None:
    file, name, text = sys.argv[1:]
    if name == "agree":
        print("@" + json.dumps(_agree(Path(file))))
        return
    task, (_, module, prepare) = EnsembleTask(**json.loads(text)), ENSEMBLES[name]
    importlib.import_module(module)
    with np.load(file) as data:
        X, y = data["X"], data["y"].astype(np.int32)
    runs = []
    for n, seed in itertools.product(task.rows, range(task.seeds)):
        if len(X) < n:
            continue
        search = prepare(*sample(X, y, n, seed))
        for trees in task.trees:
            found, cpu = _timed(search, trees, task.time_limit)
            shape = {"rows": n, "seed": seed, "trees": trees}
            runs.append(shape | {"cpu": cpu, "cuts": found.cuts, "bound": found.bound})
    print("@" + json.dumps({"runs": runs}))


def _timed(search: Search, trees: int, seconds: float) -> tuple[Found, float]:
    """CPU seconds of a search; of a short one the median of several."""
    cpu = time.process_time()
    found = search(trees, seconds)
    cpu = time.process_time() - cpu
    if cpu >= _SHORT:
        return found, cpu
    again = []
    for _ in range(_REPEATS):
        start = time.process_time()
        search(trees, seconds)
        again.append(time.process_time() - start)
    return found, statistics.median(again)


if __name__ == "__main__":
    main()
