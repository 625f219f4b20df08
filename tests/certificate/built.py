"""Small tables with an optimal tree and its certificate, made without any search of the package."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np

from tests.oracle.brute_force import optimal_nodes
from treeml._core.table import Column, ColumnType, Table
from treeml.certificate import Certificate, certify, data_hash
from treeml.ir import Predicate, Term, Tree, dump


@dataclasses.dataclass
class Built:
    """A table, its predicates and labels, and a model over them."""

    table: Table
    predicates: tuple[Predicate, ...]
    y: np.ndarray
    weight: np.ndarray | None
    tree: Tree
    certificate: Certificate

    def document(self, **changes: Any) -> str:
        """The model as text, with entries of the certificate changed."""
        return dump(self.tree, certificate=self.certificate.to_dict() | changes)


def mixed_table(n_rows: int, rng: np.random.Generator) -> tuple[Table, tuple[Predicate, ...]]:
    """Numbers, a category, a boolean and a 0/1 column, with missing values."""
    age = rng.integers(18, 60, n_rows).astype(np.float64)
    age[rng.random(n_rows) < 0.1] = np.nan
    job = rng.choice(np.array(["nurse", "cook", "pilot", None], dtype=object), n_rows)
    flag = rng.choice(np.array([True, False], dtype=object), n_rows)
    bit = rng.integers(0, 2, n_rows).astype(np.float64)
    columns = (
        Column(ColumnType("age", "number", unit="years", missing=True), age),
        Column(ColumnType("job", "category", missing=True), job),
        Column(ColumnType("flag", "boolean"), flag),
        Column(ColumnType("bit", "zero_one"), bit),
    )
    terms = [Term(i, column.type) for i, column in enumerate(columns)]
    predicates = (
        *(Predicate(terms[0], "<=", cut) for cut in (25.5, 33.0, 41.5)),
        Predicate(terms[0], "is missing"),
        *(Predicate(terms[1], "in", (job,)) for job in ("nurse", "cook", "pilot")),
        Predicate(terms[1], "in", ("cook", "pilot"), "air and kitchen"),
        Predicate(terms[2], "in", (True,)),
        Predicate(terms[3], ">", 0.5),
    )
    return Table(columns, n_rows), predicates


def tree_of(
    nodes: Any, table: Table, predicates: tuple[Predicate, ...], codes: np.ndarray,
    weight: np.ndarray, classes: np.ndarray, class_weight: np.ndarray,
) -> Tree:  # fmt: skip
    """The package's tree of nested (predicate, if true, if false)."""
    answers = np.stack([p.holds(table) for p in predicates], axis=1)
    arrays: dict[str, list[Any]] = {n: [] for n in ("predicate", "yes", "no", "counts", "label")}
    used: list[int] = []

    def add(node: Any, rows: np.ndarray) -> int:
        at = len(arrays["label"])
        counts = np.bincount(codes[rows], weight[rows], len(classes))
        arrays["counts"].append(counts)
        arrays["label"].append(int((counts * class_weight).argmax()))
        for name in ("predicate", "yes", "no"):
            arrays[name].append(-1)
        if not isinstance(node, int):
            if node[0] not in used:
                used.append(node[0])
            arrays["predicate"][at] = used.index(node[0])
            holds = answers[rows, node[0]]
            arrays["yes"][at] = add(node[1], rows[holds])
            arrays["no"][at] = add(node[2], rows[~holds])
        return at

    add(nodes, np.flatnonzero(weight > 0))
    return Tree(
        columns=table.types,
        predicates=tuple(predicates[p] for p in used),
        predicate=np.array(arrays["predicate"], np.int32),
        if_true=np.array(arrays["yes"], np.int32),
        if_false=np.array(arrays["no"], np.int32),
        counts=np.array(arrays["counts"]),
        label=np.array(arrays["label"], np.int32),
        classes=classes,
        class_weight=class_weight,
    )


def build(
    *,
    seed: int = 0,
    n_rows: int = 40,
    max_depth: int | None = 2,
    regularization: float = 0.01,
    min_samples_leaf: int = 1,
    weight: np.ndarray | None = None,
    class_weight: tuple[int, ...] = (1, 1, 1),
    nodes: Any = None,
) -> Built:
    """A table and its optimal tree (or the tree of the given nodes, said to be optimal)."""
    rng = np.random.default_rng(seed)
    table, predicates = mixed_table(n_rows, rng)
    answers = np.stack([p.holds(table) for p in predicates], axis=1)
    codes = np.where(answers[:, 1] & answers[:, 5], 1, np.where(answers[:, 9], 2, 0))
    noisy = rng.random(n_rows) < 0.15
    codes[noisy] = rng.integers(0, 3, int(noisy.sum()))
    classes = np.array(["high", "low", "none"], dtype=object)
    amount = np.ones(n_rows) if weight is None else weight
    exact = [Fraction(w) for w in amount.tolist()]
    total = sum(w * class_weight[c] for w, c in zip(exact, codes.tolist(), strict=True))
    leaf_cost = Fraction(regularization) * total
    if nodes is None:
        nodes = optimal_nodes(
            answers.tolist(), codes.tolist(), exact, 3, max_depth, leaf_cost, 1, min_samples_leaf,
            class_weight,
        )  # fmt: skip
    weights = np.array(class_weight, dtype=np.float64)
    tree = tree_of(nodes, table, predicates, codes, amount, classes, weights)
    weighted = tree.counts[tree.leaves] * weights
    errors = float(weighted.sum() - weighted.max(axis=1).sum())
    objective = errors / float(total) + regularization * tree.n_leaves
    certificate = certify(
        objective=objective,
        lower_bound=objective,
        status="optimal",
        n_rows=int((amount > 0).sum()),
        total=float(total),
        predicates=predicates,
        columns=table.types,
        max_depth=max_depth,
        regularization=regularization,
        min_samples_leaf=min_samples_leaf,
        class_weight=weights,
        data_hash=data_hash(table, predicates, codes, weight, 3),
        seconds=0.01,
    )
    return Built(table, predicates, classes[codes], weight, tree, certificate)
