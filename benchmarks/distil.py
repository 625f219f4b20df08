"""Routers of mixtures distilled into trees, against every way of doing so with CART.

``python -m benchmarks distil`` writes benchmarks/results/distil.csv. Teachers are mixtures with up
to 4 and 8 linear experts on generated sets and those that come with scikit-learn and treeml, of
two seeds each: half of the rows train teacher and trees, the other half tests the trees. Regret is
mean cost less that of the teacher; ``best_possible`` is that of the best expert in every row. All
leaves, those of CART too, have the expert that is cheapest over their training rows.

CART's variants: the cheapest expert of every row as label, as it is ("labels") and with the regret
of the second best one as weight ("weighted"); the teacher's expert as label, and so weighted
("teacher", "teacher_weighted"); a regression tree of all costs ("costs").
"""

from __future__ import annotations

import csv
import itertools
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_wine,
    make_friedman1,
    make_friedman2,
    make_friedman3,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmarks.linear_trees import N_ROWS, regimes
from treeml import SMOSEClassifier, SMOSERegressor, datasets, predict
from treeml._core.validation import as_table
from treeml.routing import distil_router
from treeml.routing.expert_costs import ExpertCosts, Loss, expert_costs

RESULTS = Path(__file__).parent / "results"
LOSSES: tuple[Loss, ...] = ("action", "target")
CARTS = ("labels", "weighted", "teacher", "teacher_weighted", "costs")
TREES = ("treeml", *CARTS)
LEAVES = (4, 8)
EXPERTS = (4, 8)
SEEDS = (0, 1)


def waves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth function of five columns without any border."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (n, 5))
    y = np.sin(2 * X[:, 0]) * X[:, 1] + np.abs(X[:, 2] - X[:, 3]) + 0.1 * rng.normal(size=n)
    return X, y


def problems() -> Iterator[tuple[str, np.ndarray, np.ndarray, bool]]:
    """Name, rows, target, and whether it holds classes."""
    yield "diabetes", *load_diabetes(return_X_y=True), False
    yield "axis regimes", *regimes("axis"), False
    yield "oblique regimes", *regimes("oblique"), False
    yield "friedman1", *make_friedman1(N_ROWS, n_features=10, noise=1.0, random_state=0), False
    yield "friedman2", *make_friedman2(N_ROWS, noise=100.0, random_state=0), False
    yield "friedman3", *make_friedman3(N_ROWS, noise=0.1, random_state=0), False
    yield "waves", *waves(N_ROWS), False
    yield "breast cancer", *load_breast_cancer(return_X_y=True), True
    yield "wine", *load_wine(return_X_y=True), True
    X, y = datasets.load_german_credit()
    yield "german credit", X.select_dtypes("number").to_numpy(float), np.asarray(y), True


def cart(variant: str, X: np.ndarray, costs: ExpertCosts, leaves: int) -> object:
    """CART in one of its variants."""
    if variant == "costs":
        return DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=0).fit(X, costs.values)
    label = costs.teacher if variant.startswith("teacher") else costs.values.argmin(axis=1)
    weight = None
    if variant.endswith("weighted") and costs.values.shape[1] > 1:
        two = np.partition(costs.values, 1, axis=1)
        weight = two[:, 1] - two[:, 0]
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    return tree.fit(X, label, sample_weight=weight)


def cheapest_leaves(leaf: np.ndarray, costs: np.ndarray, n_nodes: int) -> np.ndarray:
    """The cheapest expert of every leaf."""
    sums = np.zeros((n_nodes, costs.shape[1]))
    np.add.at(sums, leaf, costs)
    return sums.argmin(axis=1)


def compared(
    name: str, X: np.ndarray, y: np.ndarray, classes: bool, experts: int, seed: int
) -> Iterator[list[object]]:
    """One row of the table for each loss and number of leaves."""
    half = np.random.default_rng(seed).permutation(len(X))
    train, test = np.sort(half[: len(X) // 2]), np.sort(half[len(X) // 2 :])
    kind = SMOSEClassifier if classes else SMOSERegressor
    fitted = kind(n_experts=experts, expert_l2=1.0, n_restarts=1, random_state=seed)
    teacher = fitted.fit(X[train], y[train]).model_
    tables = {at: as_table(X[at_rows]) for at, at_rows in (("train", train), ("test", test))}
    for loss in LOSSES:
        costs = {
            at: expert_costs(teacher, tables[at], y[rows], None, loss)
            for at, rows in (("train", train), ("test", test))
        }
        for leaves in LEAVES:
            begin = time.process_time()
            tree = distil_router(teacher, X[train], y[train], max_leaf_nodes=leaves, loss=loss)
            seconds = time.process_time() - begin
            chosen = {"treeml": {at: predict.route(tree.model, tables[at]) for at in tables}}
            for variant in CARTS:
                grown = cart(variant, X[train], costs["train"], leaves)
                leaf = {"train": grown.apply(X[train]), "test": grown.apply(X[test])}
                expert = cheapest_leaves(
                    leaf["train"], costs["train"].values, grown.tree_.node_count
                )
                chosen[variant] = {at: expert[leaf[at]] for at in leaf}
            regret = {
                (variant, at): costs[at].values[np.arange(len(expert)), expert].mean()
                - costs[at].teacher_cost
                for variant, each in chosen.items()
                for at, expert in each.items()
            }
            possible = costs["train"].values.min(axis=1).mean() - costs["train"].teacher_cost
            single = costs["train"].values.mean(axis=0).min() - costs["train"].teacher_cost
            yield [
                *(name, len(train), X.shape[1], experts, teacher.n_experts, seed, loss, leaves),
                f"{tree.report_['fidelity']:.4f}",
                tree.report_["status"],
                f"{possible:.10g}",
                f"{single:.10g}",
                *(f"{regret[variant, 'train']:.10g}" for variant in TREES),
                *(f"{regret[variant, 'test']:.10g}" for variant in TREES),
                f"{seconds:.3f}",
            ]


def summary(rows: list[dict[str, str]]) -> list[str]:
    """The table of docs/distil.md, from the results."""
    lines = [
        "| loss | leaves | teachers, CART's regret above 0 | below every CART | above one | part | "
        "test: below every CART | test: below CART on labels | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for loss, leaves in itertools.product(LOSSES, LEAVES):
        those = [r for r in rows if (r["loss"], r["leaves"]) == (loss, str(leaves))]
        open_, below, above, part, wins, labels = 0, 0, 0, [], 0, 0
        for row in those:
            near = 1e-9 * (float(row["best_single"]) - float(row["best_possible"]))
            ours, cart = float(row["train_treeml"]), min(float(row[f"train_{v}"]) for v in CARTS)
            above += ours > cart + near
            if cart > near:
                open_ += 1
                below += ours < cart - near
                part.append(ours / cart)
            test = float(row["test_treeml"])
            wins += test < min(float(row[f"test_{v}"]) for v in CARTS)
            labels += test < float(row["test_labels"])
        seconds = statistics.median(float(r["cpu_seconds"]) for r in those)
        lines.append(
            f"| {loss} | {leaves} | {open_} of {len(those)} | {below} ({below / open_:.1%}) | "
            f"{above} | {statistics.median(part):.2f} | {wins / len(those):.0%} | "
            f"{labels / len(those):.0%} | {seconds:.2f} |"
        )
    return lines


def distilled() -> None:
    """The table of all teachers, losses and sizes."""
    head = ["set", "rows", "columns", "experts", "used_experts", "seed", "loss", "leaves"]
    head += ["fidelity", "status", "best_possible", "best_single"]
    head += [f"train_{variant}" for variant in TREES] + [f"test_{variant}" for variant in TREES]
    warnings.simplefilter("ignore")
    with (RESULTS / "distil.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*head, "cpu_seconds"])
        for name, X, y, classes in problems():
            for experts in EXPERTS:
                for seed in SEEDS:
                    for row in compared(name, X, y, classes, experts, seed):
                        out.writerow(row)
                    file.flush()
                    print(name, experts, seed, flush=True)
