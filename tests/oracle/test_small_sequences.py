"""Pruned trees over sequences against the definitions, on random texts; failures print the seed."""

from __future__ import annotations

import itertools
import math
import os
from typing import Any

import numpy as np
import pytest

from tests.oracle.test_sequences import Case, grow, mixture, random_case, random_weights
from treeml._ext import sequence as native
from treeml.ir.small_sequence import rest_from_level, share_from_level
from treeml.sequence.small import small_model

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "60"))
ENTRY = 1.3  # bytes of a token, as sequence_prune.hpp has it


def teacher(rng: np.random.Generator, case: Case, **options: Any) -> native.Tree:
    """A tree whose paths are not compared with training, with any weights."""
    tree = grow(case, **options)
    arrays = tree.arrays()
    arrays["nodes"]["common"] = 0
    tree.set_arrays(**arrays)
    tree.weights = random_weights(rng, tree)
    return tree


def as_tree(case: Case, pruned: dict[str, np.ndarray], n_buckets: int) -> native.Tree:
    tree = case.tree()
    count = share_from_level(pruned["level"]).astype(np.float32)
    rest = rest_from_level(pruned["rest"])
    sets = np.empty((0, 1), dtype=np.uint64)
    tree.set_arrays(pruned["nodes"], sets, pruned["start"], pruned["token"], count, rest)
    tree.weights = np.array([np.ones(n_buckets), np.zeros(n_buckets)])
    return tree


def distribution(case: Case, tree: native.Tree, tokens: list[int]) -> np.ndarray:
    reader = native.Reader(mixture(case, [tree], False, None))
    reader.push(np.array(tokens, dtype=np.uint16))
    return reader.next()


@pytest.mark.parametrize("seed", range(CASES // 2))
def test_for_nothing_all_stays(seed: int) -> None:
    """At price 0 the small tree says what the large one does, up to its grid."""
    rng = np.random.default_rng([seed, 10])
    case = random_case(rng)
    tree = teacher(rng, case, rows_to_cut=int(rng.choice([1, 4, 15])))
    pruner = native.Pruner(tree, float(rng.choice([0.0, 0.5, 0.9])))
    small = as_tree(case, pruner.prune(0.0), tree.weights.shape[1])
    for text in (*case.texts, rng.integers(1, case.n_tokens, 6)):
        at = int(rng.integers(0, len(text) + 1))
        wanted, found = (distribution(case, t, text[:at].tolist()) for t in (tree, small))
        assert found.sum() == pytest.approx(1.0, abs=1e-12)
        assert np.abs(np.log2(found / wanted)).max() < 0.51


def kept_and_best(seed: int) -> tuple[float, float]:
    """Of one leaf, nats less the price: of the tokens it keeps, and of the best choice there is."""
    rng = np.random.default_rng([seed, 11])
    case = random_case(rng)
    tree = teacher(rng, case, rows_to_cut=10**6, suffixes=False)
    price = float(rng.choice([0.1, 0.5, 2.0]))
    pruned = native.Pruner(tree, 0.5).prune(price)
    assert len(pruned["nodes"]) == 1
    p = distribution(case, tree, [])
    n, v = len(case.stream.positions), case.n_tokens

    def worth(kept: tuple[int, ...]) -> float:
        others = [w for w in range(v) if w not in kept]
        out = sum(n * p[w] * math.log(p[w] * v) for w in kept) - ENTRY * price * len(kept)
        spare = float(p[others].sum())
        return out + n * spare * math.log(spare * v / len(others)) if others else -math.inf

    subsets = (c for k in range(v) for c in itertools.combinations(range(v), k))
    allowed = [
        kept
        for kept in subsets
        if all(p[w] * (v - len(kept)) > 1 - p[list(kept)].sum() for w in kept)
    ]
    found, best = worth(tuple(pruned["token"].tolist())), max(map(worth, allowed))
    assert found <= best + 1e-6
    return found, best


def test_what_a_node_keeps() -> None:
    """A fixed point, which need not be the best choice: nearly always it is, and little is lost."""
    found, best = np.array([kept_and_best(seed) for seed in range(max(CASES // 2, 100))]).T
    assert (found >= best - 1e-6).mean() > 0.75
    assert found.sum() >= 0.98 * best.sum()


@pytest.mark.parametrize("seed", range(CASES // 2))
def test_what_is_not_asked_goes(seed: int) -> None:
    """Columns, orders and ranks that no test tells apart: probabilities stay, to the last bit."""
    rng = np.random.default_rng([seed, 12])
    case = random_case(rng)
    tree = teacher(rng, case, rows_to_cut=int(rng.choice([1, 4])))
    pruned = native.Pruner(tree, 0.5).prune(float(rng.choice([0.0, 0.02, 0.2, math.inf])))
    n_buckets = tree.weights.shape[1]
    vocabulary = {
        "kind": "word",
        "pieces": ["", *(f"{w:04d}" for w in range(1, case.n_tokens))],
        "merges": [],
    }
    model = small_model(
        vocabulary,
        case.context,
        case.columns,
        ("a", "b"),
        case.orders,
        case.traits[1],
        pruned,
        n_buckets,
    )
    assert model.small
    plain = as_tree(case, pruned, n_buckets)
    (data,) = model.trees
    again = native.Tree(data.columns, data.charges, model.orders, case.stream, 1.0, 1.0)
    again.set_arrays(data.nodes, data.sets, data.start, data.token, data.count, data.rest)
    again.weights = data.weights
    for text in case.texts:
        at = int(rng.integers(0, len(text) + 1))
        one, other = (distribution(case, t, text[:at].tolist()) for t in (plain, again))
        assert one.tolist() == other.tolist()
    used = {column for column in pruned["nodes"]["column"].tolist() if column >= 0}
    assert len(data.columns) == len(used)
    assert len(model.orders) == len({case.columns[c][2] for c in used} - {-1})


@pytest.mark.parametrize("seed", range(CASES // 3))
def test_dearer_is_smaller(seed: int) -> None:
    rng = np.random.default_rng([seed, 13])
    case = random_case(rng)
    pruner = native.Pruner(teacher(rng, case, rows_to_cut=2), 0.5)
    sizes = [len(pruner.prune(price)["token"]) for price in (0.0, 0.1, 1.0, 10.0, math.inf)]
    assert sizes[-1] == 0
    assert all(a >= b for a, b in itertools.pairwise(sizes))
