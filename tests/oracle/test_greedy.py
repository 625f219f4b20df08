"""Greedy trees against all splits of every node; failures print the seed of the case.

TREEML_ORACLE_CASES: number of random cases of the main test (default 500); the others run a
share of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.oracle.slow_splits import (
    MOST_CLASSES,
    MOST_LEVELS,
    Candidates,
    Levels,
    NodeCost,
    candidates,
    table_levels,
)
from treeml._core.control import Control
from treeml._core.table import Column, Table
from treeml._core.validation import as_table
from treeml.binarize.bins import BinnedTable
from treeml.search.greedy import (
    ClassTarget,
    GreedyResult,
    GrowthLimits,
    NumberTarget,
    grow_classification_tree,
    grow_regression_tree,
)

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 10
CLASS_CRITERIA = ("gini", "entropy")
NUMBER_CRITERIA = ("squared_error", "absolute_error", "poisson")
batches = pytest.mark.parametrize("number", range(BATCHES))


def batch(number: int, share: float = 1.0) -> range:
    """Seeds of a batch, where the test runs a share of all cases."""
    size = max(1, round(CASES * share / BATCHES))
    return range(number * size, (number + 1) * size)


@contextlib.contextmanager
def naming(seed: int) -> Iterator[None]:
    """Failures say which case it was."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}") from error


@dataclasses.dataclass
class Case:
    """A table, a target and limits. ``y`` holds classes where ``n_classes`` is above 0."""

    table: Table
    y: np.ndarray
    criterion: str
    n_classes: int = 0
    weight: np.ndarray | None = None
    class_weight: np.ndarray | None = None
    limits: GrowthLimits = dataclasses.field(default_factory=GrowthLimits)
    monotone: np.ndarray | None = None
    max_bins: int | None = None

    def grow(self, n_jobs: int = 1) -> tuple[Any, GreedyResult]:
        binned = BinnedTable.fit(self.table, max_bins=self.max_bins)
        more: dict[str, Any] = {"monotone": self.monotone, "control": Control(n_jobs=n_jobs)}
        if not self.n_classes:
            target = NumberTarget(self.y, self.weight, self.criterion)
            return grow_regression_tree(binned, target, self.limits, **more)
        codes, by_class = self.y.astype(np.int32), self.by_class
        classes = np.arange(self.n_classes)
        labels = ClassTarget(codes, classes, self.weight, by_class, self.criterion)
        return grow_classification_tree(binned, labels, self.limits, **more)

    @property
    def by_class(self) -> np.ndarray:
        return np.ones(self.n_classes) if self.class_weight is None else self.class_weight

    @property
    def cost(self) -> NodeCost:
        w = np.ones(len(self.y)) if self.weight is None else self.weight
        if self.n_classes:
            w = w * self.by_class[self.y]
        return NodeCost(self.criterion, self.y, w, self.n_classes)

    @property
    def levels(self) -> list[Levels]:
        binned = BinnedTable.fit(self.table, max_bins=self.max_bins)
        return table_levels(binned, self.table, narrowed=self.max_bins is not None)

    @property
    def ordered_by_rule(self) -> bool:
        """Whether levels are tried in an order, or a few subsets, that ties may change."""
        most = max((c.at.max() + 1 for c in self.levels if not c.ordered), default=0)
        several = self.n_classes > MOST_CLASSES or (self.n_classes > 2 and most > MOST_LEVELS)
        return bool(most) and (several or self.criterion == "absolute_error")

    def take(self, rows: np.ndarray, weight: np.ndarray | None) -> Case:
        table = self.table.take(rows)
        return dataclasses.replace(self, table=table, y=self.y[rows], weight=weight)


def random_column(n: int, rng: np.random.Generator, kinds: str) -> Any:
    """Continuous, few values, 0/1, boolean, category or ordered category, by letter."""
    kind = rng.choice(list(kinds))
    absent = rng.random(n) < rng.choice([0.0, 0.0, 0.1, 0.5])
    k = int(rng.choice([2, 3, 5, 8, 14]))
    if kind == "c":
        return np.where(absent, np.nan, rng.normal(size=n))
    if kind == "f":
        return np.where(absent, np.nan, rng.integers(0, k, n) / 2)
    if kind == "z":
        return np.where(absent, np.nan, rng.integers(0, 2, n))
    if kind == "b":
        return pd.Series(np.where(absent, None, rng.random(n) < 0.5), dtype=object)
    names = [f"v{i:02d}" for i in rng.permutation(k)]
    cells = np.array(names, dtype=object)[rng.integers(0, k, n)]
    cells[absent] = None
    if kind == "o":
        return pd.Series(pd.Categorical(cells, categories=names, ordered=True))
    return pd.Series(cells, dtype=object)


def random_table(n: int, rng: np.random.Generator, kinds: str = "cfzbxxo") -> Table:
    n_columns = int(rng.integers(1, 5))
    columns = {f"x{j}": random_column(n, rng, kinds) for j in range(n_columns)}
    return as_table(pd.DataFrame(columns))


def random_target(case: Case, rng: np.random.Generator) -> None:
    """Noise, with some of it from the first column; fills ``y``."""
    n = case.table.n_rows
    signal = pd.factorize(case.table.columns[0].values)[0] * (rng.random() < 0.5)
    if case.n_classes:
        case.y = (signal + rng.integers(0, case.n_classes, n)) % case.n_classes
    elif case.criterion == "poisson":
        case.y = rng.poisson(rng.choice([0.3, 3.0]), n).astype(float)
        case.y[rng.integers(0, n)] = 2
    else:
        case.y = rng.normal(size=n) + 0.3 * signal + rng.choice([0.0, 100.0])
        case.y = np.round(case.y, int(rng.choice([0, 1, 9])))


def random_weight(n: int, rng: np.random.Generator) -> np.ndarray | None:
    kind = rng.integers(0, 4)
    if kind == 0:
        return rng.integers(1, 5, n).astype(float)
    if kind == 1:
        return rng.exponential(size=n) + 1e-3
    return np.full(n, 0.3) if kind == 2 and rng.random() < 0.2 else None


def random_limits(rng: np.random.Generator) -> GrowthLimits:
    return GrowthLimits(
        max_depth=None if rng.random() < 0.4 else int(rng.integers(0, 5)),
        max_leaf_nodes=int(rng.integers(1, 12)) if rng.random() < 0.3 else None,
        min_samples_split=int(rng.choice([2, 2, 5, 10])),
        min_samples_leaf=int(rng.choice([1, 1, 1, 2, 5])),
        min_weight_fraction_leaf=float(rng.choice([0.0, 0.0, 0.0, 0.0713])),
        min_impurity_decrease=float(rng.choice([0.0, 0.0, 0.01])),
    )


def random_case(seed: int, *, kinds: str = "cfzbxxo", n_classes: int | None = None) -> Case:
    rng = np.random.default_rng([30240, seed])
    n = int(rng.integers(2, 80))
    criterion = str(rng.choice(CLASS_CRITERIA * 3 + NUMBER_CRITERIA * 2))
    classes = criterion in CLASS_CRITERIA
    k = int(rng.choice([2, 2, 2, 3, 5, 40, 1])) if n_classes is None else n_classes
    case = Case(
        table=random_table(n, rng, kinds),
        y=np.empty(0),
        criterion=criterion,
        n_classes=k * classes,
        weight=random_weight(n, rng),
        limits=random_limits(rng),
    )
    if classes and rng.random() < 0.3:
        case.class_weight = rng.choice([0.5, 1, 2, 3.7], k)
    random_target(case, rng)
    return case


@dataclasses.dataclass
class Node:
    """A node of a grown tree with the rows that reach it, and the bounds of what it predicts."""

    at: int
    rows: np.ndarray
    depth: int
    low: float = -np.inf
    high: float = np.inf


def walk(case: Case, tree: Any) -> Iterator[tuple[Node, np.ndarray]]:
    """Every node, and which of its rows answer yes (none at a leaf)."""
    answers = [predicate.holds(case.table) for predicate in tree.predicates]
    stack = [Node(0, np.arange(len(case.y)), 0)]
    cost = case.cost
    while stack:
        node = stack.pop()
        if tree.predicate[node.at] < 0:
            yield node, np.empty(0, dtype=bool)
            continue
        question = tree.predicates[tree.predicate[node.at]]
        yes = answers[tree.predicate[node.at]][node.rows]
        yield node, yes
        bounds = [(node.low, node.high)] * 2
        sign = 0 if case.monotone is None else case.monotone[question.term.index]
        if sign:  # missing values, against the rest, count as the largest
            middle = (cost.value(node.rows[yes]) + cost.value(node.rows[~yes])) / 2
            below = question.test == "<=" or (question.test == "in" and _lower(question))
            first_low = (sign > 0) == below
            parts = [(node.low, middle), (middle, node.high)]
            bounds = parts if first_low else parts[::-1]
        for child, rows, (low, high) in (
            (tree.if_true[node.at], node.rows[yes], bounds[0]),
            (tree.if_false[node.at], node.rows[~yes], bounds[1]),
        ):
            stack.append(Node(int(child), rows, node.depth + 1, low, high))


def _lower(question: Any) -> bool:
    """Whether the levels asked for are the lowest ones."""
    levels = question.term.column.levels or (False, True)
    return tuple(question.value) == levels[: len(question.value)]


def ways(case: Case, levels: list[Levels], node: Node, slack: float = 0.0) -> list[Candidates]:
    """What the tree may do with a node."""
    signs = case.monotone
    share = case.limits.min_weight_fraction_leaf
    free = case.limits.min_samples_leaf == 1 and signs is None and not share
    out = []
    for column in levels:
        found = candidates(
            column,
            node.rows,
            case.cost,
            min_samples_leaf=case.limits.min_samples_leaf,
            min_weight=share * case.cost.w.sum() * (1 + 1e-9),
            free=free,
        )
        if signs is not None:
            a, b = found.values.T
            fits = (found.values >= node.low + slack).all(axis=1)
            fits &= (found.values <= node.high - slack).all(axis=1)
            sign = signs[column.index]
            fits &= (sign == 0) | (sign * (b - a) >= slack)
            found = found.those(fits)
        out.append(found)
    return out


def check(case: Case, tree: Any, result: GreedyResult) -> None:
    """Every split is the best one, and every leaf has a reason."""
    levels, cost, limits = case.levels, case.cost, case.limits
    by_index = {column.index: column for column in levels}
    everything = np.arange(len(case.y))
    whole = cost.cost(everything)
    least = limits.min_impurity_decrease * cost.w.sum()
    assert result.status == "optimal"
    assert (tree.apply(case.table) == result.leaf).all()
    gains, wishes = {}, {}
    for node, yes in walk(case, tree):
        rows = node.rows
        assert len(rows) >= limits.min_samples_leaf or node.at == 0
        share = cost.w[rows].sum() / cost.w.sum()
        assert share >= limits.min_weight_fraction_leaf * (1 - 1e-9)
        assert limits.max_depth is None or node.depth <= limits.max_depth
        check_content(case, tree, node)
        tolerance = 1e-9 * cost.cost(rows) + 1e-13 * whole
        slack = 0.0 if case.monotone is None else 1e-10 * max(1, np.abs(cost.y).max())
        grows = not cost.pure(rows) and len(rows) >= limits.min_samples_split
        grows &= limits.max_depth is None or node.depth < limits.max_depth
        allowed = [w.gain for w in ways(case, levels, node, slack)] if grows else []
        best = max((g.max() for g in allowed if len(g)), default=-np.inf)
        if tree.predicate[node.at] < 0:
            wishes[node.at] = best if best > least + tolerance or best >= least == 0 else -np.inf
            continue
        assert grows, f"node {node.at} of {len(rows)} rows should be a leaf"
        question = tree.predicates[tree.predicate[node.at]]
        gain = cost.gain(rows, yes)
        gains[node.at] = gain
        text = f"node {node.at} of {len(rows)} rows, {question.text()}: {gain} below {best}"
        assert gain >= best - tolerance, text
        assert gain >= least - tolerance
        assert 0 < yes.sum() < len(rows)
        if case.monotone is not None:
            loose = [w.gain for w in ways(case, levels, node, -slack)]
            most = max((g.max() for g in loose if len(g)), default=-np.inf)
            categories = any(not column.ordered for column in levels)
            assert gain <= most + tolerance or categories, f"{text} and above {most}"
        at = by_index[question.term.index].at
        if at.min() < 0 and (at[rows] >= 0).all():
            assert (~yes).sum() >= yes.sum(), f"missing values leave the larger side: {text}"
    check_order(case, tree, gains, wishes)


def check_content(case: Case, tree: Any, node: Node) -> None:
    """What a node says of its rows."""
    rows = node.rows
    weight = np.ones(len(case.y)) if case.weight is None else case.weight
    if case.n_classes:
        counts = np.bincount(case.y[rows], weight[rows], minlength=case.n_classes)
        assert np.allclose(tree.counts[node.at], counts, rtol=1e-9)
        return
    cost = case.cost
    assert tree.rows[node.at] == pytest.approx(weight[rows].sum())
    assert tree.value[node.at] == pytest.approx(cost.value(rows), rel=1e-9, abs=1e-12)
    mean = cost.cost(rows) / weight[rows].sum()
    assert tree.error[node.at] == pytest.approx(mean, rel=1e-7, abs=1e-9)


def check_order(case: Case, tree: Any, gains: dict[int, float], wishes: dict[int, float]) -> None:
    """Largest gain first where leaves are scarce; where not, no leaf could be split."""
    most = case.limits.max_leaf_nodes
    wanted = {at: gain for at, gain in wishes.items() if gain > -np.inf}
    if most is None:
        assert not wanted, f"leaves that could be split: {wanted}"
        return
    assert tree.n_leaves <= most
    assert not wanted or tree.n_leaves == most, f"leaves that could be split: {wanted}"
    tolerance = 1e-9 * case.cost.cost(np.arange(len(case.y)))
    frontier = {0}
    for _ in range(len(gains)):
        at = max(frontier & set(gains), key=lambda node: gains[node])
        left = max((wanted[node] for node in frontier & set(wanted)), default=-np.inf)
        assert gains[at] >= left - tolerance, f"{gains[at]} before {left}"
        frontier |= {int(tree.if_true[at]), int(tree.if_false[at])}
        frontier.remove(at)


@batches
def test_every_split_is_the_best(number):
    for seed in batch(number):
        with naming(seed):
            case = random_case(seed)
            check(case, *case.grow(n_jobs=1 + seed % 2))


@batches
def test_monotone_trees_are_monotone_and_best(number):
    for seed in batch(number, share=0.5):
        with naming(seed):
            case = random_case(seed, kinds="cfzobx", n_classes=2)
            rng = np.random.default_rng([30241, seed])
            case.monotone = rng.integers(-1, 2, len(case.table.columns))
            kinds = [c.type.kind == "category" and not c.type.levels for c in case.table.columns]
            case.monotone[kinds] = 0
            tree, result = case.grow()
            check(case, tree, result)
            check_monotone(case, tree)


def check_monotone(case: Case, tree: Any) -> None:
    """Raises one column after the other over its range, all else as it is."""
    says = tree.value if not case.n_classes else chance(case, tree)
    for j, sign in enumerate(case.monotone.tolist()):
        if not sign:
            continue
        column = case.table.columns[j]
        if column.values.dtype == object:
            steps = list(column.type.levels) or [False, True]
        else:
            values = np.unique(column.values[~np.isnan(column.values)])
            steps = [-1e9, *values.tolist(), 1e9]
        before = None
        for step in steps:
            cells = np.full(len(case.y), step, dtype=column.values.dtype)
            columns = list(case.table.columns)
            columns[j] = Column(column.type, cells)
            now = says[tree.apply(dataclasses.replace(case.table, columns=tuple(columns)))]
            if before is not None:
                assert ((now - before) * sign >= -1e-12).all(), f"column {j} at {step}"
            before = now


def chance(case: Case, tree: Any) -> np.ndarray:
    """Probability of the second class at every node."""
    shares = tree.counts * case.by_class
    return shares[:, -1] / shares.sum(axis=1)


def check_same(case: Case, tree: Any, other: Any, twin: Case) -> bool:
    """Both split alike as far as gains do not tie; ``twin`` holds the same rows repeated or not.

    The table of ``case`` is sent down both trees. Returns whether no tie was met.
    """
    answers = [[p.holds(case.table) for p in t.predicates] for t in (tree, other)]
    stack = [(0, 0, np.arange(len(case.y)))]
    cost, alike = case.cost, True
    while stack:
        a, b, rows = stack.pop()
        ends = tree.predicate[a] < 0, other.predicate[b] < 0
        if all(ends):
            continue
        whole = cost.cost(rows)
        if any(ends):  # the order of equal gains
            assert twin.limits.max_leaf_nodes is not None, f"leaf of {len(rows)} rows"
            alike = False
            continue
        f, g = answers[0][tree.predicate[a]][rows], answers[1][other.predicate[b]][rows]
        if (f == g).all() or (f != g).all():
            turned = bool((f != g).any())
            pairs = (other.if_true[b], other.if_false[b])[:: -1 if turned else 1]
            stack.append((int(tree.if_true[a]), int(pairs[0]), rows[f]))
            stack.append((int(tree.if_false[a]), int(pairs[1]), rows[~f]))
            continue
        gains = cost.gain(rows, f), cost.gain(rows, g)
        assert gains[0] == pytest.approx(gains[1], rel=0, abs=1e-9 * whole + 1e-12)
        alike = False
    return alike


@batches
def test_weights_are_repeated_rows(number):
    for seed in batch(number, share=0.4):
        with naming(seed):
            case = random_case(seed)
            limits = dataclasses.replace(case.limits, min_samples_leaf=1, min_samples_split=2)
            rng = np.random.default_rng([30242, seed])
            repeats = rng.integers(1, 4, len(case.y))
            case = dataclasses.replace(case, limits=limits, weight=repeats.astype(float))
            rows = np.repeat(np.arange(len(case.y)), repeats)
            twin = case.take(rows, None)
            tree, other = case.grow()[0], twin.grow()[0]
            if case.ordered_by_rule:
                continue
            if check_same(case, tree, other, twin) and not case.n_classes:
                assert np.allclose(tree.predict(case.table), other.predict(case.table), 1e-9)


@batches
def test_weights_of_very_different_size(number):
    """Also next to no weight of the first row, which no tree may be made from."""
    for seed in batch(number, share=0.1):
        with naming(seed):
            case = random_case(seed)
            rng = np.random.default_rng([30247, seed])
            case.weight = rng.lognormal(0, 4, len(case.y))
            check(case, *case.grow())
    x = np.arange(10.0)
    for tiny in (1e-13, 1e-17):
        weight = np.where(x == 0, tiny, 1.0)
        case = Case(as_table(x[:, None]), (x > 4).astype(int), "gini", 2, weight)
        assert case.grow()[0].n_leaves == 2
        case = dataclasses.replace(case, y=x * (x > 4), criterion="squared_error", n_classes=0)
        assert case.grow()[0].n_leaves >= 6


@batches
def test_threads_and_the_order_of_rows_change_nothing(number):
    for seed in batch(number, share=0.4):
        with naming(seed):
            case = random_case(seed)
            tree, result = case.grow()
            assert case.grow(n_jobs=2)[0] == tree
            order = np.random.default_rng([30243, seed]).permutation(len(case.y))
            turned = case.take(order, None if case.weight is None else case.weight[order])
            other, moved = turned.grow()
            if case.criterion == "absolute_error":
                if not case.ordered_by_rule:
                    check_same(case, tree, other, case)  # sums are rounded in the order of the rows
                continue
            assert (result.leaf[order] == moved.leaf).all()
            for name in ("predicates", "if_true", "if_false", "predicate"):
                assert np.array_equal(getattr(tree, name), getattr(other, name)), name


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@batches
def test_trees_of_scikit_learn(number):
    for seed in batch(number, share=0.4):
        with naming(seed):
            rng = np.random.default_rng([30244, seed])
            n, limits = int(rng.integers(5, 200)), random_limits(rng)
            limits = dataclasses.replace(limits, max_depth=limits.max_depth or None)
            if limits.max_leaf_nodes == 1:
                limits = dataclasses.replace(limits, max_leaf_nodes=2)
            X = rng.normal(size=(n, int(rng.integers(1, 6)))).astype(np.float32).astype(float)
            X = np.round(X, int(rng.choice([1, 9]))).astype(np.float32).astype(float)
            criterion = str(rng.choice(CLASS_CRITERIA + NUMBER_CRITERIA))
            k = int(rng.choice([2, 3, 40])) * (criterion in CLASS_CRITERIA)
            case = Case(as_table(X), np.empty(0), criterion, k, random_weight(n, rng))
            case.limits = limits
            random_target(case, rng)
            if k:
                case.y = np.unique(case.y, return_inverse=True)[1]
                case.n_classes = int(case.y.max()) + 1
            kind = DecisionTreeClassifier if k else DecisionTreeRegressor
            theirs = kind(criterion=criterion, random_state=0, **dataclasses.asdict(limits))
            theirs.fit(X, case.y, case.weight)
            check_scikit_learn(case, case.grow()[0], theirs.tree_, X)


def check_scikit_learn(case: Case, tree: Any, theirs: Any, X: np.ndarray) -> None:
    """The same partition of the rows at every node, as far as gains do not tie."""
    answers = [p.holds(case.table) for p in tree.predicates]
    stack = [(0, 0, np.arange(len(case.y)))]
    cost = case.cost
    while stack:
        a, b, rows = stack.pop()
        ends = tree.predicate[a] < 0, theirs.children_left[b] < 0
        if all(ends):
            continue
        if any(ends):
            whole = cost.cost(rows)
            excused = case.limits.max_leaf_nodes is not None  # the order of equal gains
            excused |= whole < 1e-12 * cost.w[rows].sum()
            excused |= case.limits.min_impurity_decrease > 0
            if ends[1]:  # theirs gives up where rounding makes a gain of 0 negative, or a sum
                gain = cost.gain(rows, answers[tree.predicate[a]][rows])
                excused |= gain < 1e-9 * whole
                excused |= case.criterion == "poisson" and case.weight is not None
            assert excused, f"leaf of {len(rows)} rows: {ends}"
            continue
        f = answers[tree.predicate[a]][rows]
        g = X[rows, theirs.feature[b]] <= theirs.threshold[b]
        pairs = int(theirs.children_left[b]), int(theirs.children_right[b])
        if (f != g).all():
            pairs = pairs[::-1]
        elif (f != g).any():
            gains = cost.gain(rows, f), cost.gain(rows, g)
            whole = cost.cost(rows)
            assert gains[0] == pytest.approx(gains[1], rel=0, abs=1e-9 * whole + 1e-12)
            continue
        stack.append((int(tree.if_true[a]), pairs[0], rows[f]))
        stack.append((int(tree.if_false[a]), pairs[1], rows[~f]))


def large_case(seed: int) -> Case:
    """Thousands of rows: sparse columns, columns of many values, or bins."""
    rng = np.random.default_rng([30245, seed])
    n = int(rng.integers(4096, 6000))
    criterion = str(rng.choice(CLASS_CRITERIA * 2 + ("squared_error", "poisson") * 2))
    k = int(rng.choice([2, 2, 3, 40])) * (criterion in CLASS_CRITERIA)
    columns: dict[str, Any] = {}
    for j in range(int(rng.integers(1, 5))):
        column = random_column(n, rng, "ccfzbxo")
        usual = rng.random(n) < rng.choice([0.0, 0.95, 0.99])
        column = pd.Series(column)
        least = column.dropna().iloc[int(rng.integers(0, 50))]
        column[usual] = None if rng.random() < 0.3 else least
        columns[f"x{j}"] = column
    limits = GrowthLimits(
        max_depth=int(rng.integers(1, 4)), min_samples_leaf=int(rng.integers(1, 9))
    )
    case = Case(as_table(pd.DataFrame(columns)), np.empty(0), criterion, k, random_weight(n, rng))
    case.limits, case.max_bins = limits, 256 if rng.random() < 0.3 else None
    if rng.random() < 0.2:
        case.limits = dataclasses.replace(limits, max_depth=12, max_leaf_nodes=12)
    random_target(case, rng)
    return case


@batches
def test_large_tables_sparse_or_wide(number):
    for seed in batch(number, share=0.1):
        with naming(seed):
            case = large_case(seed)
            tree, result = case.grow(n_jobs=1 + seed % 2)
            check(case, tree, result)
            assert case.grow(n_jobs=2 - seed % 2)[0] == tree


@batches
def test_many_values_and_few_rows(number):
    """Codes of two bytes, in nodes down to some rows."""
    for seed in batch(number, share=0.04):
        with naming(seed):
            case = random_case(seed, kinds="cccf")
            rng = np.random.default_rng([30246, seed])
            n = int(rng.integers(300, 900))
            case.table, case.weight = random_table(n, rng, "cccf"), random_weight(n, rng)
            if case.criterion == "absolute_error":
                case.criterion = "squared_error"
            random_target(case, rng)
            check(case, *case.grow())
