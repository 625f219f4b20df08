"""Boosted trees against second-order boosting in plain NumPy; failures print the seed of the case.

Every tree is walked: the gradients come from the trees before it, and at every node all splits
are tried. TREEML_ORACLE_CASES: number of random cases of the main test (default 500, of which it
takes half); the others run a share of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.oracle.slow_splits import Boosting, Gradients, Levels
from tests.oracle.test_greedy import batch, batches, naming, random_column
from treeml._core.validation import as_table
from treeml.binarize.bins import BinnedTable
from treeml.binarize.split_columns import split_columns

LOSSES = ("squared_error", "poisson", "logistic", "softmax")


@dataclasses.dataclass
class Case:
    """A table, a target and the settings of boosting; ``settings`` are those of the door."""

    binned: BinnedTable
    y: np.ndarray
    loss: int
    settings: dict[str, Any]
    weight: np.ndarray | None = None
    monotone: np.ndarray | None = None
    held: np.ndarray | None = None

    def boost(self, n_jobs: int = 1, **other: Any) -> tuple[Any, ...]:
        columns = split_columns(self.binned, monotone=self.monotone, n_threads=n_jobs)
        held = None if self.held is None else self.held.astype(np.uint8)
        more = {"weights": self.weight, "validation": held} | self.settings | other
        return columns.boost(loss=self.loss, y=self.y, **more)[:6]

    @property
    def w(self) -> np.ndarray:
        return np.ones(len(self.y)) if self.weight is None else self.weight

    @property
    def train(self) -> np.ndarray:
        rows = np.arange(len(self.y))
        return rows if self.held is None else rows[~self.held]

    @property
    def oracle(self) -> Boosting:
        return Boosting(self.loss, self.y, self.w, self.settings["n_classes"], self.train)


def random_case(seed: int, **settings: Any) -> Case:
    rng = np.random.default_rng([40240, seed])
    n, loss = int(rng.integers(20, 200)), seed % 4
    kinds = "ccfzbxo" if rng.random() < 0.7 else "c"
    columns = {f"x{j}": random_column(n, rng, kinds) for j in range(int(rng.integers(1, 5)))}
    binned = BinnedTable.fit(as_table(pd.DataFrame(columns)))
    weight = rng.exponential(size=n) + 0.01 if rng.random() < 0.4 else None
    case = Case(binned, np.empty(0), loss, random_settings(rng, loss) | settings, weight)
    signal = pd.factorize(pd.Series(columns["x0"]))[0] % 7 * rng.choice([0.0, 0.3])
    case.y = random_y(n, signal, case, rng)
    if rng.random() < 0.3:
        case.held = rng.random(n) < 0.3
        case.held[: case.settings["n_classes"] + 1] = False
    if loss != 3 and rng.random() < 0.3:
        signs = rng.integers(-1, 2, len(binned.types))
        ordered = {c.index for c in binned.columns if c.ordered or len(c.levels) == 2}
        case.monotone = np.where(np.isin(np.arange(len(signs)), list(ordered)), signs, 0)
    return case


def random_settings(rng: np.random.Generator, loss: int) -> dict[str, Any]:
    return {
        "rounds": int(rng.integers(1, 5)),
        "learning_rate": float(rng.choice([0.1, 0.3, 1.0])),
        "l2": float(rng.choice([0.0, 1.0, 5.0])),
        "least_hessian": float(rng.choice([0.01, 1.0, 3.0])),
        "max_depth": int(rng.choice([1, 2, 3, 6])),
        "max_leaves": int(rng.choice([0, 0, 2, 5])),
        "patience": 0,
        "n_classes": int(rng.integers(3, 6)) if loss == 3 else 1,
    }


def random_y(n: int, signal: np.ndarray, case: Case, rng: np.random.Generator) -> np.ndarray:
    """Targets that have every class, and a positive mean, among the first rows."""
    if case.loss == 0:
        return signal + rng.normal(size=n) + rng.choice([0.0, 50.0])
    if case.loss == 1:
        y = rng.poisson(np.exp(signal - rng.choice([0.0, 1.0])))
    elif case.loss == 2:
        y = rng.random(n) < 1 / (1 + np.exp(1 - 2 * signal))
    else:
        y = (rng.integers(0, case.settings["n_classes"], n) + signal).astype(int)
        y %= case.settings["n_classes"]
    first = max(2, case.settings["n_classes"])
    y[:first] = np.arange(first)
    return y.astype(float)


@dataclasses.dataclass
class Node:
    """A node of a boosted tree with the rows that reach it, and the bounds of what it says."""

    at: int
    rows: np.ndarray
    depth: int
    low: float
    high: float


def answers(case: Case, tree: dict[str, Any], at: int, rows: np.ndarray) -> np.ndarray:
    """Which rows answer yes at a node; missing values always answer no but to "is missing"."""
    column = case.binned.columns[tree["column"][at]]
    codes = column.codes[rows].astype(int)
    missing = column.has_missing & (codes == column.n_codes - 1)
    if column.has_missing and tree["next"][at] == column.n_values:
        return missing
    left = codes <= tree["code"][at]
    if at in tree["levels"]:
        left = np.isin(codes, tree["levels"][at])
    return ~missing & (left == tree["yes_left"][at])


def walk(case: Case, tree: dict[str, Any], grads: Gradients) -> Iterator[tuple[Node, np.ndarray]]:
    """Every node with its rows, held-out ones too, and which of them answer yes."""
    stack = [Node(0, np.arange(len(case.y)), 0, -np.inf, np.inf)]
    while stack:
        node = stack.pop()
        at = node.at
        if tree["column"][at] < 0:
            yield node, np.empty(0, dtype=bool)
            continue
        yes = answers(case, tree, at, node.rows)
        yield node, yes
        bounds = [(node.low, node.high)] * 2
        column = case.binned.columns[tree["column"][at]]
        sign = 0 if case.monotone is None else case.monotone[column.index]
        if sign:
            middle = 0.0
            for side in (node.rows[yes], node.rows[~yes]):
                r = np.intersect1d(side, case.train)
                sums = grads.g[r].sum(), grads.h[r].sum()
                middle += float(grads.value(*sums, node.low, node.high)) / 2
            gone = column.has_missing and tree["next"][at] == column.n_values
            below = bool(tree["yes_left"][at]) and not gone
            parts = [(node.low, middle), (middle, node.high)]
            bounds = parts if (sign > 0) == below else parts[::-1]
        for child, rows, (low, high) in (
            (tree["if_true"][at], node.rows[yes], bounds[0]),
            (tree["if_false"][at], node.rows[~yes], bounds[1]),
        ):
            stack.append(Node(int(child), rows, node.depth + 1, low, high))


def levels_of(case: Case) -> list[Levels]:
    out = []
    for column in case.binned.columns:
        at = column.codes.astype(int)
        at[column.has_missing & (at == column.n_codes - 1)] = -1
        out.append(Levels(column.index, at, column.ordered or len(column.levels) == 2))
    return out


def check_tree(
    case: Case, tree: dict[str, Any], grads: Gradients, levels: list[Levels], exact: float = 1e-6
) -> np.ndarray:
    """All splits are the best, all leaves have a reason and the right value: what is added."""
    settings = case.settings
    added = np.zeros(len(case.y))
    training = np.zeros(len(case.y), dtype=bool)
    training[case.train] = True
    gains, wishes, size = {}, {}, 0.0
    for node, yes in walk(case, tree, grads):
        rows, at = node.rows[training[node.rows]], node.at
        limits = node.low, node.high
        sums = grads.g[rows].sum(), grads.h[rows].sum()
        size = size or float((grads.g[rows] ** 2 / (grads.h[rows] + grads.l2)).sum())
        tolerance = exact * (1e-3 * size + 1)
        best = -np.inf
        if node.depth < settings["max_depth"]:
            for column in levels:
                sign = 0 if case.monotone is None else int(case.monotone[column.index])
                found = grads.candidates(column, rows, *limits, sign)
                best = max(best, found.max(initial=-np.inf))
        if tree["column"][at] < 0:
            value = settings["learning_rate"] * grads.value(*sums, *limits)
            assert tree["value"][at] == pytest.approx(value, rel=exact, abs=exact)
            added[node.rows] = tree["value"][at]
            wishes[at] = best if best > 1e-6 + tolerance else -np.inf
            continue
        part = yes[training[node.rows]]
        gain = grads.gain(rows, part, *limits)
        text = f"node {at} of {len(rows)} rows by {tree['column'][at]}"
        assert 0 < part.sum() < len(rows), text
        assert gain > 1e-6 - tolerance, f"{text}: {gain}"
        assert gain >= best * (1 - exact) - tolerance, f"{text}: {gain} below {best}"
        assert tree["gain"][at] == pytest.approx(gain, rel=10 * exact, abs=tolerance), text
        for side in (part, ~part):
            least = settings["least_hessian"] * (1 - exact)
            assert grads.h[rows[side]].sum() >= least - exact, text
        check_code(case, tree, at, rows, part)
        gains[at] = gain
    check_order(tree, gains, wishes, settings["max_leaves"], exact * (1e-3 * size + 1))
    return added


def check_code(
    case: Case, tree: dict[str, Any], at: int, rows: np.ndarray, yes: np.ndarray
) -> None:
    """Numbers are cut in the middle of the codes that are not there."""
    column = case.binned.columns[tree["column"][at]]
    codes = column.codes[rows].astype(int)
    known = codes < column.n_values
    if column.kind != "number" or tree["next"][at] == column.n_values:
        return
    left = yes if tree["yes_left"][at] else ~yes
    last, first = codes[known & left].max(), codes[known & ~left].min()
    assert tree["code"][at] == (last + first - 1) // 2


def check_order(
    tree: dict[str, Any], gains: dict[int, float], wishes: dict[int, float], most: int, exact: float
) -> None:
    """Largest gain first where leaves are scarce; where not, no leaf could be split."""
    wanted = {at: gain for at, gain in wishes.items() if gain > -np.inf}
    assert not most or len(wishes) <= most
    assert not wanted or len(wishes) == most, f"leaves that could be split: {wanted}"
    frontier = {0}
    for _ in range(len(gains) if most else 0):
        at = max(frontier & set(gains), key=lambda node: gains[node])
        left = max((wanted[node] for node in frontier & set(wanted)), default=-np.inf)
        assert gains[at] >= left - exact, f"{gains[at]} before {left}"
        frontier |= {int(tree["if_true"][at]), int(tree["if_false"][at])}
        frontier.remove(at)


def check(case: Case, found: tuple[Any, ...], exact: float = 1e-6) -> np.ndarray:
    """Base, every tree of every round, and the loss before each; returns the scores."""
    base, trees, train_loss, _, stop, raised = found
    oracle, settings = case.oracle, case.settings
    assert stop == 0
    assert not raised
    assert base == pytest.approx(oracle.base(), rel=1e-9, abs=1e-9)
    levels = levels_of(case)
    score = np.tile(base, (len(case.y), 1))
    n = len(base)
    assert [output for output, _ in trees] == list(range(n)) * (len(trees) // n)
    for i in range(len(trees) // n):
        assert train_loss[i] == pytest.approx(oracle.mean_loss(score, case.train), rel=1e-6)
        g, h = oracle.derivatives(score)
        for output, tree in trees[i * n : (i + 1) * n]:
            grads = Gradients(g[:, output], h[:, output], settings["l2"], settings["least_hessian"])
            score[:, output] += check_tree(case, tree, grads, levels, exact)
    return score


@batches
def test_every_tree_of_every_round(number):
    for seed in batch(number, share=0.5):
        with naming(seed):
            case = random_case(seed)
            found = case.boost(n_jobs=1 + seed % 2)
            check(case, found)
            assert len(found[1]) == case.settings["rounds"] * len(found[0])


@batches
def test_rows_of_very_different_size(number):
    """Large and small weights, and rows that are fitted so well that they hardly count."""
    for seed in batch(number, share=0.1):
        with naming(seed):
            rng = np.random.default_rng([40245, seed])
            step = 0.3 if seed % 4 == 1 else 1.0  # Poisson would diverge
            case = random_case(seed, rounds=6, learning_rate=step, l2=1.0)
            if seed % 8 < 4:
                case.weight = rng.lognormal(0, 3, len(case.y))
            check(case, case.boost(n_jobs=1 + seed % 2), exact=1e-5)
    x = np.arange(12.0)
    settings = random_settings(rng, 2) | {"least_hessian": 0.1, "max_depth": 1, "max_leaves": 0}
    weight = np.where(x == 0, 1e-17, 1.0)
    binned = BinnedTable.fit(as_table(x[:, None]))
    case = Case(binned, (x > 5).astype(float), 2, settings, weight)
    check(case, case.boost(), exact=1e-5)


@batches
def test_sparse_and_wide_columns(number):
    for seed in batch(number, share=0.04):
        with naming(seed):
            rng = np.random.default_rng([40244, seed])
            n = int(rng.integers(4096, 6000))
            columns = {}
            for j in range(int(rng.integers(1, 4))):
                column = pd.Series(random_column(n, rng, "ccfzbxo"))
                usual = rng.random(n) < rng.choice([0.0, 0.95, 0.99])
                value = column.dropna().iloc[int(rng.integers(0, 50))]
                column[usual] = None if rng.random() < 0.3 else value
                columns[f"x{j}"] = column
            case = random_case(seed, rounds=2, max_depth=int(rng.integers(1, 5)))
            case.binned = BinnedTable.fit(as_table(pd.DataFrame(columns)))
            case.weight = rng.exponential(size=n) if case.weight is not None else None
            case.monotone = None
            case.held = rng.random(n) < 0.1 if case.held is not None else None
            signal = pd.factorize(columns["x0"])[0] % 7 * 0.1
            case.y = random_y(n, signal, case, rng)
            if case.held is not None:
                case.held[: case.settings["n_classes"] + 1] = False
            check(case, case.boost(n_jobs=1 + seed % 2), exact=1e-5)


def flat(found: tuple[Any, ...]) -> list[Any]:
    """All that boosting answers, ready to be compared bit for bit."""
    base, trees, *losses = found
    out: list[Any] = [base.tobytes(), losses[0].tobytes(), losses[1].tobytes(), losses[2]]
    for output, tree in trees:
        levels = {at: left.tolist() for at, left in tree["levels"].items()}
        out += [output, levels]
        out += [(k, v.tobytes()) for k, v in tree.items() if k != "levels"]
    return out


@batches
def test_threads_change_nothing(number):
    for seed in batch(number, share=0.2):
        with naming(seed):
            case = random_case(seed, patience=seed % 3)
            assert flat(case.boost(n_jobs=1)) == flat(case.boost(n_jobs=2))


@batches
def test_rows_held_out_are_not_learned_from(number):
    for seed in batch(number, share=0.2):
        with naming(seed):
            case = random_case(seed)
            rng = np.random.default_rng([40241, seed])
            case.held = np.arange(len(case.y)) >= len(case.y) - int(rng.integers(1, 8))
            found = case.boost()
            other = case.y.copy()
            other[case.held] = rng.integers(0, 2, case.held.sum())
            weight = case.w.copy()
            weight[case.held] = 7.0
            case.weight = weight if case.weight is not None else None
            assert flat(dataclasses.replace(case, y=other).boost()) == flat(found)
            train = [
                dataclasses.replace(c, codes=np.ascontiguousarray(c.codes[case.train]))
                for c in case.binned.columns
            ]
            binned = dataclasses.replace(case.binned, columns=tuple(train), n_rows=len(case.train))
            weight = None if case.weight is None else case.w[case.train]
            alone = Case(
                binned, case.y[case.train], case.loss, case.settings, weight, case.monotone
            ).boost()
            for (_, a), (_, b) in zip(found[1], alone[1], strict=True):
                for name in ("column", "code", "next", "yes_left", "if_true"):
                    assert np.array_equal(a[name], b[name]), name
                assert np.allclose(a["value"], b["value"], rtol=1e-6, atol=1e-6)


@batches
def test_patience_keeps_the_best_round(number):
    for seed in batch(number, share=0.2):
        with naming(seed):
            patience = 1 + seed % 4
            case = random_case(seed, rounds=30, patience=patience, max_depth=2)
            rng = np.random.default_rng([40242, seed])
            case.held = rng.random(len(case.y)) < 0.4
            case.held[: case.settings["n_classes"] + 1] = False
            case.held[-1] = True
            found = case.boost(n_jobs=1 + seed % 2)
            check_patience(case, found, case.boost(patience=0))


def check_patience(case: Case, found: tuple[Any, ...], whole: tuple[Any, ...]) -> None:
    """Losses are those of the trees; they end ``patience`` rounds after the best one."""
    base, trees, train_loss, loss, *_ = found
    n, patience = len(base), case.settings["patience"]
    score = np.tile(base, (len(case.y), 1))
    held = np.flatnonzero(case.held)
    slow = [case.oracle.mean_loss(score, held)]
    for i in range(len(loss) - 1):
        for output, tree in whole[1][i * n : (i + 1) * n]:
            for node, yes in walk_rows(case, tree):
                if not len(yes):
                    score[node.rows, output] += tree["value"][node.at]
        slow.append(case.oracle.mean_loss(score, held))
    assert loss == pytest.approx(slow, rel=1e-9)
    best = int(np.argmin(loss))
    assert len(loss) == 1 + min(case.settings["rounds"], best + patience)
    assert (np.minimum.accumulate(loss)[-patience - 1 :][1:] >= loss[best]).all()
    assert len(trees) == best * n
    assert len(train_loss) == len(loss) - 1
    kept = (whole[0], whole[1][: best * n], *found[2:])
    assert flat(kept) == flat(found)


def walk_rows(case: Case, tree: dict[str, Any]) -> Iterator[tuple[Node, np.ndarray]]:
    """`walk` where only the rows matter."""
    nothing = np.zeros(len(case.y))
    yield from walk(
        dataclasses.replace(case, monotone=None), tree, Gradients(nothing, nothing, 1, 0)
    )


@pytest.mark.parametrize("loss", range(4), ids=LOSSES)
@pytest.mark.parametrize("max_bins", [64, 256, None])
def test_many_rows(loss, max_bins):
    """Above 65,536 rows derivatives are rounded more: the same splits, nearly."""
    rng = np.random.default_rng([40243, loss])
    n = 70_000
    few = np.where(rng.random(n) < 0.95, 0.0, rng.normal(size=n))
    columns = {
        "x0": np.round(rng.normal(size=n), 2 if max_bins is None else 9),
        "x1": np.where(rng.random(n) < 0.1, np.nan, few),
        "x2": pd.Series(np.array(list("abcdef"), dtype=object)[rng.integers(0, 6, n)]),
    }
    binned = BinnedTable.fit(as_table(pd.DataFrame(columns)), max_bins=max_bins)
    settings = random_settings(rng, loss)
    settings |= {"rounds": 3, "max_depth": 3, "max_leaves": 0, "learning_rate": 0.3}
    case = Case(binned, np.empty(0), loss, settings)
    signal = np.sin(columns["x0"]) + (columns["x2"] == "c").to_numpy()
    case.y = random_y(n, signal, case, rng)
    case.weight = rng.exponential(size=n) if loss % 2 else None
    found = case.boost(n_jobs=2)
    check(case, found, exact=1e-4)
    assert flat(case.boost(n_jobs=1)) == flat(found)
