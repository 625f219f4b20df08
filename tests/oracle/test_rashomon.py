"""Rashomon sets against an enumeration of all trees, and against a plain count by cost.

TREEML_ORACLE_CASES: half the number of random cases of the main test (default 500).
"""

import itertools
import os
import subprocess
import sys
import warnings
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from all_trees import all_trees, answer, columns_of, depth_of, n_leaves

from treeml import RashomonTreesClassifier

CASES = 2 * int(os.environ.get("TREEML_ORACLE_CASES", "500"))
BATCHES = 20
MOST_TREES = 1500


class Case:
    """A random problem, small enough to list all trees."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng([71, seed])
        n_rows = int(rng.integers(4, 30))
        self.max_depth = int(rng.integers(0, 5))
        n_columns = int(rng.integers(1, (6, 6, 6, 5, 4)[self.max_depth]))
        n_classes = int(rng.integers(2, 4))
        X = rng.random((n_rows, n_columns)) < rng.uniform(0.2, 0.8, n_columns)
        if n_columns > 2 and rng.random() < 0.4:
            X[:, 1] = X[:, 0] ^ (rng.random() < 0.5)  # an equal or complementary column
        self.X = X.astype(np.uint8)
        noise = rng.integers(0, n_classes, n_rows) * (rng.random(n_rows) < 0.4)
        self.y = (X[:, 0] + noise) % n_classes
        self.y[:n_classes] = np.arange(n_classes)
        weighted = rng.random() < 0.4
        self.weight = rng.integers(1, 4, n_rows) if weighted else np.ones(n_rows, dtype=int)
        if rng.random() < 0.1:
            self.weight *= 20000  # past the sums that 16 bits hold
        self.n_classes = n_classes
        divisor = int(np.gcd.reduce(self.weight))
        self.total = int(self.weight.sum()) // divisor
        self.leaf_cost = int(rng.integers(1, 4))
        self.options = {
            "labels": "any" if rng.random() < 0.6 else "majority",
            "drop_trivial": bool(rng.random() < 0.4),
            "min_samples_leaf": int(rng.integers(1, 4)) if rng.random() < 0.3 else 1,
        }
        self.regret = int(rng.integers(0, 3 * self.leaf_cost + 2))
        self.counts = np.zeros((n_classes + 1, n_rows), dtype=np.int64)
        self.counts[self.y, np.arange(n_rows)] = self.weight // divisor
        self.counts[-1] = 1

    def trees(self):
        """All members as (cost, tree); None where there are too many to list."""
        options = {
            "max_depth": self.max_depth,
            "leaf_cost": self.leaf_cost,
            "any_label": self.options["labels"] == "any",
            "drop_trivial": self.options["drop_trivial"],
            "min_samples_leaf": self.options["min_samples_leaf"],
        }
        weights = self.counts[:-1].sum(axis=1)
        budget = int(weights.sum() - weights.max()) + self.leaf_cost  # of a leaf
        found = []
        for member in all_trees(self.X, self.counts, budget=budget + self.regret, **options):
            found.append(member)
            if len(found) > 20 * MOST_TREES:
                return None
        least = min(cost for cost, _ in found)
        found = [(cost, tree) for cost, tree in found if cost <= least + self.regret]
        return found if len(found) <= MOST_TREES else None

    def fit(self, **options):
        model = RashomonTreesClassifier(
            max_depth=self.max_depth,
            regularization=self.leaf_cost / self.total,
            epsilon=None,
            max_regret=float(Fraction(2 * self.regret + 1, 2 * self.total)),
            **(self.options | options),
        )
        return model.fit(self.X, self.y, sample_weight=self.weight)


def plain(tree, node=0):
    """A tree of the IR in the form of the enumeration."""
    if tree.predicate[node] < 0:
        return int(tree.label[node])
    column = tree.predicates[tree.predicate[node]].term.index
    return (column, plain(tree, tree.if_true[node]), plain(tree, tree.if_false[node]))


def batch(number, share=1.0):
    """Seeds of a batch."""
    return range(number, max(BATCHES, int(CASES * share)), BATCHES)


batches = pytest.mark.parametrize("number", range(BATCHES))


def cases(number, share=1.0):
    """The cases of a batch that can be listed, with their trees."""
    for seed in batch(number, share):
        case = Case(seed)
        trees = case.trees()
        if trees is not None:
            yield case, trees


@batches
def test_members_are_those_of_an_enumeration_in_order_and_have_their_ranks(number):
    for case, trees in cases(number):
        members = case.fit().set_
        assert members.complete
        assert members.count == len(members) == len(trees)
        objectives = sorted(Fraction(cost, case.total) for cost, _ in trees)
        assert [members.objective_of(i) for i in range(len(trees))] == [
            float(o) for o in objectives
        ]
        assert members.by_objective() == Counter(float(o) for o in objectives)
        found = list(members)
        assert {plain(tree) for tree in found} == {tree for _, tree in trees}
        assert [members.rank(tree) for tree in found] == list(range(len(trees)))


@batches
def test_histograms_and_filters_count_those_of_the_enumeration(number):
    for case, trees in cases(number, share=0.5):
        members = case.fit().set_
        assert members.by_leaves() == Counter(n_leaves(tree) for _, tree in trees)
        assert members.by_depth() == Counter(depth_of(tree) for _, tree in trees)
        names = [column.name for column in members.columns]
        used = members.by_feature()
        for j, name in enumerate(names):
            assert used[name] == sum(j in columns_of(tree) for _, tree in trees)
        n_columns = len(names)
        chosen = case.rng.permutation(n_columns)
        must, must_not = chosen[: case.rng.integers(0, 3)].tolist(), chosen[-1:].tolist()
        most = int(case.rng.integers(1, 6))
        part = members.filter(
            must_use=must,
            must_not_use=[names[j] for j in must_not],
            max_leaf_nodes=most,
        )
        expected = [
            (cost, tree)
            for cost, tree in trees
            if set(must) <= columns_of(tree)
            and not set(must_not) & columns_of(tree)
            and n_leaves(tree) <= most
        ]
        assert part.count == len(expected)
        assert {plain(tree) for tree in part} == {tree for _, tree in expected}
        assert [part.rank(tree) for tree in part] == list(range(part.count))
        assert all(tree in members for tree in part)
        outside = [tree for tree in members if plain(tree) not in {t for _, t in expected}]
        assert all(part.rank(tree) is None for tree in outside)


@batches
def test_votes_are_those_of_all_members_on_old_and_new_rows(number):
    for case, trees in cases(number, share=0.5):
        members = case.fit().set_
        new = case.rng.random((5, case.X.shape[1])) < 0.5
        rows = np.vstack([case.X, new]).astype(np.uint8)
        expected = np.zeros((len(rows), case.n_classes), dtype=object)
        for _, tree in trees:
            for i, row in enumerate(rows):
                expected[i, answer(tree, row)] += 1
        assert (members.votes(rows) == expected).all()
        shares = members.vote_shares(rows)
        assert shares.tolist() == [[float(Fraction(v, len(trees))) for v in r] for r in expected]


@batches
def test_trees_of_a_larger_set_are_members_only_within_the_bound(number):
    for case, _ in cases(number, share=0.3):
        small = case.fit().set_
        case.regret += 2 * case.leaf_cost
        large = case.fit().set_
        if large.count > 4 * MOST_TREES:
            continue
        inside = [small.rank(tree) for tree in large]
        # among members of equal cost a deeper graph may have another order
        assert sorted(inside[: small.count]) == list(range(small.count))
        assert inside[small.count :] == [None] * (large.count - small.count)
        for one, other in itertools.pairwise(inside[: small.count]):
            assert small.objective_of(one) <= small.objective_of(other)


@batches
def test_row_weights_are_repeated_rows(number):
    for seed in batch(number, share=0.2):
        case = Case(seed)
        if case.weight.max() > 100 or case.options["min_samples_leaf"] > 1:
            continue
        weighted = case.fit().set_
        case.X, case.y = np.repeat(case.X, case.weight, axis=0), np.repeat(case.y, case.weight)
        case.weight = np.ones(len(case.y), dtype=int)
        repeated = case.fit().set_
        if case.total == len(case.y):  # else the weights had a common divisor
            assert weighted.by_objective() == repeated.by_objective()


@batches
def test_a_stopped_count_has_all_members_up_to_its_bound(number):
    for seed in batch(number, share=0.2):
        case = Case(seed)
        whole = case.fit().set_
        for polls in (0, 1, 2, 4, 8):
            model = RashomonTreesClassifier(
                max_depth=case.max_depth,
                regularization=case.leaf_cost / case.total,
                epsilon=None,
                max_regret=float(Fraction(2 * case.regret + 1, 2 * case.total)),
                **case.options,
            )
            model._stop_after = polls
            with warnings.catch_warnings(action="ignore"):  # it may end before the stop
                model.fit(case.X, case.y, sample_weight=case.weight)
            part = model.set_
            if part.complete:
                assert part.by_objective() == whole.by_objective()
                continue
            assert part.status == model.status_ == "time_limit"
            known = {o: n for o, n in whole.by_objective().items() if o <= part.bound}
            assert part.by_objective() == known


def histograms(X, y, leaf_cost, max_depth, most):
    """Trees by cost, and by cost with a label at a row: plain recursions on Python integers."""
    bits = [int("".join(map(str, X[::-1, f])), 2) for f in range(X.shape[1])]
    ones = int("".join(map(str, y[::-1])), 2)

    @cache
    def trees(rows, depth):
        positive = (rows & ones).bit_count()
        out = Counter()
        for errors in (positive, rows.bit_count() - positive):
            out[errors + leaf_cost] += 1
        for column in bits if depth else ():
            yes, no = rows & column, rows & ~column
            if yes and no:
                for a, n in trees(yes, depth - 1).items():
                    for b, k in trees(no, depth - 1).items():
                        if a + b <= most:
                            out[a + b] += n * k
        return out

    @cache
    def voting(rows, depth, row):
        """Trees that give the row label 1."""
        out = Counter({rows.bit_count() - (rows & ones).bit_count() + leaf_cost: 1})
        for column in bits if depth else ():
            yes, no = rows & column, rows & ~column
            if yes and no:
                here, other = (yes, no) if column >> row & 1 else (no, yes)
                for a, n in voting(here, depth - 1, row).items():
                    for b, k in trees(other, depth - 1).items():
                        if a + b <= most:
                            out[a + b] += n * k
        return out

    return trees, voting


@pytest.mark.parametrize(
    ("seed", "n_rows", "n_columns", "depth", "regret"),
    [(0, 40, 5, 5, 12), (1, 60, 7, 5, 40), (2, 90, 8, 6, 60), (3, 128, 10, 6, 110)],
)
def test_counts_past_64_and_128_bits_are_exact(seed, n_rows, n_columns, depth, regret):
    rng = np.random.default_rng(seed)
    X = (rng.random((n_rows, n_columns)) < 0.5).astype(np.uint8)
    X = np.unique(X, axis=0)
    n_rows = len(X)
    y = (X[:, 0] ^ X[:, 1] ^ (rng.random(n_rows) < 0.2)).astype(int)
    model = RashomonTreesClassifier(
        max_depth=depth,
        regularization=1 / n_rows,
        epsilon=None,
        max_regret=regret / n_rows + 1e-6,
    ).fit(X, y)
    most = round(model.objective_ * n_rows) + regret
    trees, voting = histograms(X, y, 1, depth, most)
    rows = (1 << n_rows) - 1
    expected = {c / n_rows: n for c, n in sorted(trees(rows, depth).items()) if c <= most}
    members = model.set_
    assert members.by_objective() == expected
    if seed == 3:
        assert members.count > 2**128
        with pytest.raises(OverflowError, match="count"):
            len(members)
    votes = members.votes(X)
    assert (votes.sum(axis=1) == members.count).all()
    for row in (0, n_rows // 2):
        inside = sum(n for c, n in voting(rows, depth, row).items() if c <= most)
        assert votes[row, 1] == inside
    for tree in members.sample(3, random_state=seed):
        place = members.rank(tree)
        assert members[place] == tree
        errors = int((tree.label[_leaves(tree, X)] != y).sum())
        assert members.objective_of(place) == (errors + tree.n_leaves) / n_rows


def _leaves(tree, X):
    from treeml._core.validation import as_table

    return tree.apply(as_table(X, like=tree.columns))


def test_the_portable_kernels_count_the_same():
    settings = {"TREEML_ISA": "portable", "TREEML_ORACLE_CASES": str(max(BATCHES, CASES // 8))}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    names = "enumeration or votes_are or past_64"
    done = subprocess.run(
        [*command, "-k", names, __file__],
        env=os.environ | settings,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_uses_past_64_bits_are_those_of_filters():
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, (60, 9)).astype(np.uint8)
    X = np.column_stack([X, X[:, 0], 1 - X[:, 1]])  # columns that are equal or complementary
    y = X[:, 0] ^ (rng.random(60) < 0.2)
    model = RashomonTreesClassifier(
        max_depth=5, regularization=1 / 60, epsilon=None, max_regret=0.7, time_limit=None
    ).fit(X, y)
    assert model.set_.count > 2**64
    used = model.set_.by_feature()
    for j in range(X.shape[1]):
        assert used[f"x{j}"] == model.set_.count - model.set_.filter(must_not_use=[j]).count
