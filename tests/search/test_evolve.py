"""The genetic search: cells and scores against scikit-learn, the protocol, limits, seeds."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from treeml._core.control import Control
from treeml._core.validation import as_table
from treeml.binarize import Binarizer, BinaryDataset
from treeml.search.evolution_rows import EvolutionRows
from treeml.search.evolve import evolve
from treeml.search.leaf_cells import LeafCells
from treeml.search.leaf_scores import CLASS_METRICS, VALUE_METRICS, ClassScore, ValueScore
from treeml.search.proposals import ProposalError, TaskCard, TreeReader
from treeml.search.proposers import CallableProposer, GeneticProposer, Proposer, ReplayProposer
from treeml.search.seed_trees import (
    GreedyTrees,
    class_seeds,
    from_nodes,
    gini,
    scikit_learn_tree,
    to_nodes,
    value_seeds,
)


def random_tree(rng, n_predicates, depth):
    if depth == 0 or rng.random() < 0.2:
        return None
    sides = (random_tree(rng, n_predicates, depth - 1) for _ in range(2))
    return (int(rng.integers(n_predicates)), *sides)


def leaf_of(tree, answers):
    """Number of the leaf of every row, yes first, by walking down."""
    n_leaves = 0

    def walk(node, rows):
        nonlocal n_leaves
        if node is None:
            out[rows] = n_leaves
            n_leaves += 1
            return
        walk(node[1], rows[answers[node[0]][rows]])
        walk(node[2], rows[~answers[node[0]][rows]])

    out = np.zeros(answers.shape[1], dtype=int)
    walk(tree, np.arange(answers.shape[1]))
    return out


def sized(tree):
    return 1 if tree is None else sized(tree[1]) + sized(tree[2])


def random_answers(rng, n_rows=80, n_predicates=6):
    return rng.random((n_predicates, n_rows)) < rng.random((n_predicates, 1))


@pytest.mark.parametrize("seed", range(30))
def test_cells_are_the_rows_of_the_leaves(seed):
    rng = np.random.default_rng(seed)
    answers, least = random_answers(rng), int(rng.integers(1, 8))
    cells = LeafCells(answers, np.ones((1, 80)), np.ones(80, dtype=int), least)
    for _ in range(10):
        tree, leaves = cells.leaves(random_tree(rng, 6, 4))
        assert len(leaves) == sized(tree)
        assert tree is None or min(len(leaf.rows) for leaf in leaves) >= least
        number = leaf_of(tree, answers)
        for at, leaf in enumerate(leaves):
            np.testing.assert_array_equal(leaf.rows, np.flatnonzero(number == at))
            assert leaf.size == leaf.sums[0] == len(leaf.rows)
        again, same = cells.leaves(tree)
        assert again == tree
        assert {leaf.mark for leaf in same} == {leaf.mark for leaf in leaves}


def sklearn_score(name, y, proba, label, weight, n_classes):
    if name == "accuracy":
        return metrics.accuracy_score(y, label, sample_weight=weight)
    if name == "balanced_accuracy":
        return metrics.balanced_accuracy_score(y, label, sample_weight=weight)
    if name == "log_loss":
        return -metrics.log_loss(y, proba, sample_weight=weight, labels=range(n_classes))
    if name == "f1":
        average = "binary" if n_classes == 2 else "macro"
        return metrics.f1_score(y, label, sample_weight=weight, average=average, zero_division=0)
    one = {"roc_auc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}
    classes = [1] if n_classes == 2 else range(n_classes)
    return np.mean([one[name](y == k, proba[:, k], sample_weight=weight) for k in classes])


@pytest.mark.parametrize("name", sorted(CLASS_METRICS))
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_class_scores_are_those_of_scikit_learn(name, n_classes, n_folds):
    rng = np.random.default_rng(len(name) + n_classes)
    for case in range(8):
        n_rows = 90
        answers = random_answers(rng, n_rows)
        y = rng.permutation(np.arange(n_rows) % n_classes)
        weight = rng.integers(1, 5, n_rows).astype(float) if case % 2 else np.ones(n_rows)
        class_weight = np.array([1.0, 2.5, 0.5])[:n_classes] if case % 3 else np.ones(n_classes)
        fold = np.zeros(n_rows, dtype=int)
        for k in range(n_classes):
            fold[y == k] = np.arange((y == k).sum()) % n_folds
        sums = np.zeros((n_folds * n_classes, n_rows))
        sums[fold * n_classes + y, np.arange(n_rows)] = weight
        cells = LeafCells(answers, sums, np.ones(n_rows, dtype=int), 8)
        tree, leaves = cells.leaves(random_tree(rng, 6, 3))
        leaf = leaf_of(tree, answers)
        expected = []
        for f in range(n_folds):
            held = fold == f
            learn = held if n_folds == 1 else ~held
            weighted = weight * class_weight[y]
            counts = np.zeros((len(leaves), n_classes))
            np.add.at(counts, (leaf[learn], y[learn]), weighted[learn])
            counts[counts.sum(axis=1) == 0] = np.bincount(y[learn], weighted[learn], n_classes)
            proba = (counts / counts.sum(axis=1, keepdims=True))[leaf[held]]
            label = counts.argmax(axis=1)[leaf[held]]
            expected.append(sklearn_score(name, y[held], proba, label, weighted[held], n_classes))
        found = ClassScore(name, class_weight, n_folds)(leaves)
        assert found == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("name", VALUE_METRICS)
@pytest.mark.parametrize("n_folds", [1, 3])
def test_value_scores_are_those_of_scikit_learn(name, n_folds):
    rng = np.random.default_rng(n_folds)
    one = {
        "r2": metrics.r2_score,
        "squared_error": lambda *a, **k: -metrics.mean_squared_error(*a, **k),
        "absolute_error": lambda *a, **k: -metrics.mean_absolute_error(*a, **k),
    }[name]
    for case in range(8):
        answers, y = random_answers(rng), rng.normal(1e3, 5.0, 80)
        weight = rng.integers(1, 5, 80).astype(float) if case % 2 else np.ones(80)
        fold = np.arange(80) % n_folds
        score = ValueScore(name, y, weight, fold, n_folds)
        sums = score.statistics(np.arange(80), 80)
        cells = LeafCells(answers, sums, np.ones(80, dtype=int), 10)
        tree, leaves = cells.leaves(random_tree(rng, 6, 3))
        leaf = leaf_of(tree, answers)
        expected = []
        for f in range(n_folds):
            held = fold == f
            learn = held if n_folds == 1 else ~held
            value = np.full(len(leaves), y.mean())
            for at in range(len(leaves)):
                mine = learn & (leaf == at)
                repeated = np.repeat(y[mine], weight[mine].astype(int))
                value[at] = np.median(repeated) if name == "absolute_error" else repeated.mean()
            expected.append(one(y[held], value[leaf[held]], sample_weight=weight[held]))
        assert score(leaves) == pytest.approx(np.mean(expected), rel=1e-9)


class Problem:
    """A small table with all that an evolution needs."""

    def __init__(self, seed=0, metric="roc_auc", least=3, max_leaf_nodes=5, regularization=0.0):
        rng = np.random.default_rng(seed)
        self.codes = rng.integers(0, 2, 120)
        X = rng.normal(size=(120, 4)) + self.codes[:, None] * [1.0, 0.5, 0.0, 0.0]
        frame = {f"c{j}": X[:, j].round(1) for j in range(4)}
        frame["kind"] = np.array(["a", "b", "c"])[rng.integers(0, 3, 120)]
        import pandas as pd

        table = as_table(pd.DataFrame(frame))
        binarizer = Binarizer(max_bins=12).fit_table(table, self.codes)
        code_columns = binarizer.encode(table)
        dataset = BinaryDataset.from_codes(
            code_columns, binarizer.intervals_, binarizer.predicates_, 120
        )
        self.rows = EvolutionRows.make(dataset, code_columns, self.codes, 1, rng)
        self.sums = self.rows.class_sums(self.codes, 2, None)
        self.cells = LeafCells(self.rows.answers, self.sums, self.rows.size, least)
        limits = {"max_depth": 3, "max_leaf_nodes": max_leaf_nodes}
        self.reader = TreeReader(binarizer.predicates_, binarizer.columns_, **limits)
        self.greedy = GreedyTrees(self.cells, self.rows.codes, self.rows.intervals, **limits)
        self.score = ClassScore(metric, np.ones(2), 1)
        self.task = TaskCard(
            self.reader.task_columns(binarizer.columns_), "y", ("0", "1"), metric,
            regularization, 3, max_leaf_nodes, least,
        )  # fmt: skip

    def seeds(self, seed=0):
        rng = np.random.default_rng(seed)
        return class_seeds(self.greedy, self.sums, np.ones(2), n_random=6, rng=rng)

    def evolve(self, seed=0, **options):
        options = {"population_size": 12, "n_generations": 8} | options
        return evolve(
            self.seeds(),
            cells=self.cells,
            score=self.score,
            reader=self.reader,
            task=self.task,
            rng=np.random.default_rng(seed),
            **options,
        )


@pytest.mark.parametrize("metric", sorted(CLASS_METRICS))
def test_never_below_a_seed_and_equal_by_seed(metric):
    for seed in range(2):
        problem = Problem(seed, metric, regularization=0.01 * (seed % 2))
        found = problem.evolve()
        assert found.record.objective >= max(found.seed_scores.values())
        for tree in (tree for _, tree in problem.seeds()):
            kept, leaves = problem.cells.leaves(tree)
            value = problem.score(leaves) - problem.task.regularization * sized(kept)
            assert found.record.objective >= value
        again = Problem(seed, metric, regularization=0.01 * (seed % 2)).evolve()
        assert (again.tree, again.record, again.history) == (
            found.tree, found.record, found.history,
        )  # fmt: skip
        assert problem.evolve(n_generations=0).record.generation == 0


def test_the_search_gets_somewhere():
    gains = []
    for seed in range(4):
        found = Problem(seed).evolve(population_size=40, n_generations=25)
        gains.append(found.record.objective - max(found.seed_scores.values()))
    assert min(gains) >= 0
    assert max(gains) > 0
    objectives = [g.objective for g in found.history]
    assert objectives == sorted(objectives)


def test_greedy_trees_are_those_of_scikit_learn():
    """Without ties of gains both make the same splits; the impurity left tells."""
    for seed in range(10):
        problem = Problem(seed, least=4)
        ours = problem.greedy.grow(problem.sums, gini, sizes=(5,))[0]
        theirs = scikit_learn_tree(
            problem.rows.answers[:, problem.rows.row_of], problem.codes, np.ones(120),
            classes=True, max_depth=3, max_leaf_nodes=5, min_samples_leaf=4,
        )  # fmt: skip
        left = [
            sum(float(gini(cell.sums)) for cell in problem.cells.leaves(tree)[1])
            for tree in (ours, theirs)
        ]
        assert left[0] == pytest.approx(left[1], rel=0.05)
        assert from_nodes(to_nodes(ours)) == ours


def test_value_seeds_lower_the_error():
    problem = Problem()
    y = problem.codes * 3.0 + np.arange(120) * 0.01
    score = ValueScore("r2", y, np.ones(120), problem.rows.fold, 1)
    sums = score.statistics(problem.rows.row_of, problem.rows.n_rows)
    cells = LeafCells(problem.rows.answers, sums, problem.rows.size, 3)
    greedy = GreedyTrees(
        cells, problem.rows.codes, problem.rows.intervals, max_depth=3, max_leaf_nodes=5
    )
    seeds = value_seeds(greedy, sums, n_random=3, rng=np.random.default_rng(0))
    scores = {name: score(cells.leaves(tree)[1]) for name, tree in seeds}
    assert scores["seed: scikit-learn CART"] > 0.1
    assert max(scores.values()) == pytest.approx(scores["seed: scikit-learn CART"], abs=0.02)


def question(column="c0", test="<=", value=0.5):
    return {"column": column, "test": test, "value": value}


def split(ask, yes=None, no=None):
    return {"if": ask, "then": yes or {"leaf": True}, "else": no or {"leaf": True}}


GOOD = split(question(), split(question("kind", "in", ["a"])))
DEEP = split(question(), split(question(), split(question(), split(question()))))
WIDE = split(
    question(),
    split(question(), split(question()), split(question())),
    split(question(), split(question()), split(question())),
)
BAD = [
    (None, "not a tree"),
    ([], "not a tree"),
    ("if c0 <= 1", "not a tree"),
    ({}, "not a tree"),
    ({"if": question()}, "not a tree"),
    ({"if": question(), "then": {"leaf": True}, "else": 3}, "not a tree"),
    (split("c0 <= 1"), "not a question"),
    (split(question("age")), "unknown column"),
    (split(question(3)), "unknown column"),
    (split({"test": "<=", "value": 1}), "unknown column"),
    (split(question("c0", "==")), "unknown test"),
    (split(question("c0", ["<="])), "unknown test"),
    (split(question("c0", "in", ["a"])), "unknown test"),
    (split(question("kind", "<=", 1)), "unknown test"),
    (split(question("c0", "is missing", None)), "unknown test"),
    (split(question("c0", "<=", "much")), "wrong type of value"),
    (split(question("c0", "<=", True)), "wrong type of value"),
    (split(question("c0", "<=", None)), "wrong type of value"),
    (split(question("c0", "<=", math.nan)), "no finite value"),
    (split(question("c0", "<=", math.inf)), "no finite value"),
    (split(question("c0", "<=", 10**400)), "no finite value"),
    (split(question("kind", "in", [["a"]])), "wrong type of value"),
    (split(question("kind", "in", ["z"])), "unknown level"),
    (split(question("kind", "in", ["a", "b"])), "unknown group of levels"),
    (split(question("kind", "in", [])), "unknown group of levels"),
    (DEEP, "too deep"),
    (WIDE, "too many leaves"),
]


@pytest.mark.parametrize(("proposal", "reason"), BAD)
def test_bad_proposals_are_named(proposal, reason):
    with pytest.raises(ProposalError, match=f"^{reason}$"):
        Problem().reader.read(proposal)


def test_bad_proposals_are_counted_and_ignored():
    deepest = {"leaf": True}
    for _ in range(5000):
        deepest = split(question(), deepest)
    answers = [bad for bad, _ in BAD] + [GOOD, {**GOOD, "origin": 7}, deepest, {1, 2}, object()]
    proposer = CallableProposer(lambda *_: answers)
    found = Problem().evolve(proposer=proposer, n_generations=1)
    counted = found.history[-1].rejected
    assert found.history[-1].n_proposed == len(answers)
    accepted = sum(found.history[-1].accepted.values())
    assert sum(counted.values()) + accepted == len(answers)
    for reason in {reason for _, reason in BAD}:
        assert counted[reason] >= sum(r == reason for _, r in BAD)


@pytest.mark.parametrize("answer", [None, [], {}, "text", 7, GOOD])
def test_answers_that_are_no_list(answer):
    found = Problem().evolve(proposer=CallableProposer(lambda *_: answer))
    assert found.status == "finished"
    assert found.record.objective >= max(found.seed_scores.values())


def test_thresholds_become_the_nearest_cut_and_tests_turn():
    reader = Problem().reader
    cuts = next(c for c in Problem().task.columns if c.name == "c0").values
    low = reader.read(split(question(value=-1e9)))
    assert low == reader.read(split(question(value=cuts[0])))
    middle = (cuts[3] * 0.6 + cuts[4] * 0.4, cuts[3])
    assert reader.read(split(question(value=middle[0]))) == reader.read(
        split(question(value=middle[1]))
    )
    inner = split(question("kind", "in", "a"))
    turned = reader.read(split(question(test=">", value=cuts[2]), inner))
    assert turned == reader.read(split(question(value=cuts[2]), None, inner))


def test_missing_values_keep_their_side():
    table = as_table(np.array([[1.0], [2.0], [np.nan], [3.0]]))
    binarizer = Binarizer().fit_table(table)
    reader = TreeReader(binarizer.predicates_, binarizer.columns_, max_depth=2, max_leaf_nodes=4)
    assert reader.task_columns(binarizer.columns_)[0].missing
    ask = {"column": "x0", "test": "is missing"}
    assert reader.read(split(ask))[0] == len(binarizer.predicates_) - 1
    with pytest.raises(ProposalError, match="unknown test"):
        reader.read(split({"column": "x0", "test": ">", "value": 1.5}))
    with pytest.raises(ProposalError, match="wrong type of value"):
        reader.read(split({**ask, "value": 1}))


def test_trees_are_written_as_they_are_read():
    problem = Problem()
    rng = np.random.default_rng(0)
    reader = problem.reader
    for _ in range(50):
        tree = random_tree(rng, len(problem.rows.answers), 3)
        if sized(tree) <= 5:
            assert reader.read(json.loads(json.dumps(reader.write(tree)))) == tree


def test_genetic_proposals_are_always_trees_of_the_task():
    problem = Problem()
    rng = np.random.default_rng(0)
    found = problem.evolve()
    parents = [found.record] * 3
    assert isinstance(GeneticProposer(), Proposer)
    proposals = GeneticProposer().propose(parents, problem.task, 300, rng)
    for proposal in proposals:
        problem.reader.read(json.loads(json.dumps(proposal)))
    assert {p["origin"] for p in proposals} == {"crossover", "threshold", "split", "prune"}


def test_a_callable_gets_no_rows_and_cannot_change_the_parents():
    seen = []

    def fn(parents, task, k, rng):
        seen.append(json.dumps([task.to_dict(), [p.to_dict() for p in parents], k]))
        parents[0].tree.clear()
        return [GOOD]

    problem = Problem()
    found = problem.evolve(proposer=CallableProposer(fn, name="model"), n_generations=3)
    assert len(seen) == 3
    assert problem.reader.read(found.record.tree) == found.tree
    columns = json.loads(seen[0])[0]["columns"]
    assert sum(len(c["values"]) for c in columns) == len(problem.rows.answers)
    assert all(len(c["values"]) < 20 for c in columns)  # cuts, not 120 rows
    assert {a.origin for a in found.accepted if a.generation} <= {"model"}


def test_replay_finds_the_same_tree(tmp_path):
    genetic = GeneticProposer()

    def fn(parents, task, k, rng):
        return [*genetic.propose(parents, task, k, rng), None, split(question("age"))]

    path = tmp_path / "proposals.jsonl"
    first = Problem().evolve(proposer=CallableProposer(fn), record=path)
    for source in (path, first.proposals, path.read_text().splitlines()):
        again = Problem().evolve(seed=9, proposer=ReplayProposer(source))
        assert again.tree == first.tree
        assert again.record.objective == first.record.objective
        figures = [(g.objective, g.n_leaves, g.rejected) for g in first.history]
        assert [(g.objective, g.n_leaves, g.rejected) for g in again.history] == figures
    shorter = Problem().evolve(proposer=ReplayProposer(first.proposals[:2]))
    assert [g.generation for g in shorter.history] == [0, 1, 2]


def test_limits_and_interrupts_keep_the_best():
    problem = Problem()
    whole = problem.evolve()
    for polls in (0, 1, 5, 30):
        cut = Problem().evolve(control=Control(stop_after=polls))
        assert cut.status == "time_limit"
        assert max(cut.seed_scores.values()) <= cut.record.objective <= whole.record.objective
    assert Problem().evolve(control=Control(time_limit=0.0)).status == "time_limit"

    def fn(*_):
        raise KeyboardInterrupt

    assert Problem().evolve(proposer=CallableProposer(fn)).status == "interrupted"
    problem, scored = Problem(), []

    def score(cells):
        scored.append(ClassScore("roc_auc", np.ones(2), 1)(cells))
        if len(scored) == 4:
            raise KeyboardInterrupt
        return scored[-1]

    problem.score = score
    early = problem.evolve()
    assert (early.status, early.record.score) == ("interrupted", max(scored[:3]))
    assert Problem().evolve(upper_bound=0.1).status == "optimal"


def test_a_metric_without_numbers_is_an_error():
    problem = Problem()
    problem.score = lambda cells: math.nan
    with pytest.raises(ValueError, match="finite number"):
        problem.evolve()
    problem.score = lambda cells: math.nan if len(cells) > 1 else 0.25
    assert problem.evolve().record.n_leaves == 1


def test_forgotten_cells_are_made_again(monkeypatch):
    rng = np.random.default_rng(0)
    answers = random_answers(rng)
    trees = [random_tree(rng, 6, 4) for _ in range(30)]
    plain = LeafCells(answers, np.ones((1, 80)), np.ones(80, dtype=int), 2)
    expected = [[leaf.mark for leaf in plain.leaves(tree)[1]] for tree in trees]
    monkeypatch.setattr("treeml.search.leaf_cells._CACHED_BYTES", 5000)
    small = LeafCells(answers, np.ones((1, 80)), np.ones(80, dtype=int), 2)
    assert [[leaf.mark for leaf in small.leaves(tree)[1]] for tree in trees] == expected
