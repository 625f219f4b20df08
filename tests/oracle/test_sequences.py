"""Native trees over sequences against the definitions, on random texts; failures print the seed.

TREEML_ORACLE_CASES: number of random cases of the main test (default 60); the others run a share.
"""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import numpy as np
import pytest

from tests.oracle import slow_sequences as slow
from treeml._ext import sequence as native

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "60"))
LEAF, EQUALITY = -1, -2
CUT, EQUAL = 0.85, 0.5  # exponents


@dataclasses.dataclass
class Case:
    traits: np.ndarray  # flags and classes
    texts: list[np.ndarray]
    context: int
    orders: np.ndarray
    columns: list[tuple[int, int, int, int]]
    charges: list[float]

    def __post_init__(self) -> None:
        self.n_tokens = self.traits.shape[1]
        self.lengths = np.array([len(text) for text in self.texts], dtype=np.int64)
        tokens = np.concatenate(self.texts).astype(np.uint16)
        self.stream = native.Texts(self.traits, tokens, self.lengths, self.context)
        self.tokens = tokens
        self.places = self.places_of([text.tolist() for text in self.texts])

    def places_of(self, texts: list[list[int]]) -> list:
        return slow.places(texts, *self.traits.tolist())

    def tree(self) -> native.Tree:
        return native.Tree(self.columns, self.charges, self.orders, self.stream, CUT, EQUAL)


def random_case(rng: np.random.Generator) -> Case:
    n_tokens = int(rng.integers(3, 10))
    flags = rng.integers(0, 16, n_tokens).astype(np.uint8)
    flags[0] = 0
    classes = rng.integers(0, rng.integers(1, 4), n_tokens).astype(np.uint8)
    share = rng.dirichlet(np.full(n_tokens - 1, 0.7))
    phrases = [rng.choice(n_tokens - 1, rng.integers(1, 5), p=share) + 1 for _ in range(4)]
    texts = []
    for _ in range(int(rng.integers(1, 8))):
        drawn = rng.integers(0, 4, rng.integers(1, 7))
        texts.append(np.concatenate([phrases[i] for i in drawn]).astype(np.uint16))
    context = int(rng.integers(1, 6))
    orders = np.array([rng.permutation(n_tokens) for _ in range(2)], dtype=np.uint16)
    columns = [
        (-1, back, order, n_tokens) for order in (0, 1) for back in range(1, min(3, context) + 1)
    ]
    columns += [(0, 0, -1, 2), (1, 0, -1, 32), (2, 0, 0, n_tokens), (3, 0, 1, n_tokens)]
    columns += [(4, 0, 0, n_tokens), (5, 0, -1, 64)]
    columns += [(6 + i, 0, 1, n_tokens) for i in range(2 * (1 + int(classes.max())))]
    charges = rng.integers(0, 3, len(columns)).astype(float).tolist()
    return Case(np.stack([flags, classes]), texts, context, orders, columns, charges)


def grow(case: Case, limits: native.Limits | None = None, **options: Any) -> native.Tree:
    tree = case.tree()
    given = {
        "rows_to_cut": 1000,
        "max_leaves": -1,
        "suffixes": True,
        "longest": case.context,
        "min_rows": 1,
        "sweeps": 0,
        "charge_rate": 0.2,
        "cut_cost": 0.0,
        "move_cost": 2.0,
        "rows_to_screen": 0,
    }
    tree.grow(case.stream, case.stream.positions, limits or native.Limits(), **given | options)
    return tree


def sides(case: Case, arrays: dict[str, np.ndarray], node: Any, rows: list) -> tuple[list, list]:
    column = case.columns[node["column"]]
    if node["set"] >= 0:
        words = arrays["sets"][node["set"]]
        yes = {c for c in range(column[3]) if int(words[c // 64]) >> (c % 64) & 1}
    else:
        yes = set(range(node["test"] + 1))
    left = [row for row in rows if slow.code(row, column, case.orders) in yes]
    return left, [row for row in rows if slow.code(row, column, case.orders) not in yes]


def gains(case: Case, rows: list, min_rows: int, rate: float, cost: float) -> list[float]:
    """Of the best threshold of each column, after its charges."""
    out = []
    for column, charge in zip(case.columns, case.charges, strict=True):
        found = slow.thresholds(rows, column, case.orders, min_rows)
        best = max(found.values(), default=-math.inf)
        out.append((best - cost) * math.exp(-rate * charge) if best > 1e-9 else -math.inf)
    return out


def check_node(case: Case, arrays: dict[str, np.ndarray], at: int, rows: list, options: dict):
    """Rows of each child; the node's test must be the one that the definition asks for."""
    node = arrays["nodes"][at]
    assert node["n_rows"] == len(rows)
    children = range(node["first"], node["first"] + node["n_children"])
    pure = len({row[1] for row in rows}) == 1
    best = max(gains(case, rows, options["min_rows"], options["rate"], options["cost"]))
    if node["column"] >= 0:
        assert not pure
        left, right = sides(case, arrays, node, rows)
        gain = slow.entropy(left) + slow.entropy(right) - slow.entropy(rows) - options["cost"]
        gain *= math.exp(-options["rate"] * case.charges[node["column"]])
        if node["set"] < 0:
            assert gain == pytest.approx(best, abs=1e-9)
        assert gain >= best - 1e-9  # a set gains more, moves paid or not
        assert min(len(left), len(right)) >= options["min_rows"]
        return dict(zip(children, (left, right), strict=True))
    below = at > 0 and arrays["nodes"]["column"][node["parent"]] == EQUALITY
    if len(rows) > options["rows_to_cut"] and not pure and not below:
        assert best <= 1e-9
    if node["column"] == LEAF:
        return {}
    back = slow.common_suffix(rows, case.context) + 1
    assert node["test"] == back
    out = {}
    for child in children:
        token = arrays["nodes"]["token"][child]
        out[child] = [row for row in rows if slow.back(row, back) == token]
    seen = [slow.back(rows_[0], back) for rows_ in out.values()]
    assert seen == sorted({slow.back(row, back) for row in rows})
    return out


def check_tree(case: Case, tree: native.Tree, suffixes: bool, **options: Any) -> dict[int, list]:
    """Rows of every node."""
    arrays = tree.arrays()
    nodes = arrays["nodes"]
    rows_of = {0: case.places}
    for at in range(len(nodes)):
        found = check_node(case, arrays, at, rows_of[at], options)
        for child, rows in found.items():
            assert nodes["parent"][child] == at
            rows_of[child] = rows
        common = slow.common_suffix(rows_of[at], case.context)
        if not suffixes:
            assert nodes["column"][at] != EQUALITY
            common = 0
        elif nodes["column"][at] == LEAF:
            assert common == case.context  # nothing is left to ask
        assert nodes["common"][at] == common
    assert len(rows_of) == len(nodes)
    check_counts(tree, arrays, rows_of)
    return rows_of


def check_counts(tree: native.Tree, arrays: dict[str, np.ndarray], rows_of: dict[int, list]):
    nodes, counts = arrays["nodes"], {}
    for at in reversed(range(len(nodes))):
        node = nodes[at]
        power = EQUAL if node["column"] == EQUALITY else CUT
        below = [counts[c] for c in range(node["first"], node["first"] + node["n_children"])]
        counts[at] = slow.count(below, rows_of[at], power)
        entries, total, parts = tree.node_counts(at)
        assert [token for token, _, _ in entries] == sorted(counts[at])
        mine = power_of(nodes, at)
        for token, c, part in entries:
            assert c == pytest.approx(counts[at][token], rel=1e-5)
            assert part == pytest.approx(counts[at][token] ** mine, rel=1e-5)
        assert total == pytest.approx(sum(c for _, c, _ in entries), rel=1e-12)
        assert parts == pytest.approx(sum(p for _, _, p in entries), rel=1e-12)


def power_of(nodes: np.ndarray, at: int) -> float:
    parent = nodes["parent"][at]
    return EQUAL if parent >= 0 and nodes["column"][parent] == EQUALITY else CUT


def slow_path(case: Case, arrays: dict[str, np.ndarray], place: Any) -> list[int]:
    nodes, path = arrays["nodes"], [0]
    while True:
        node = nodes[path[-1]]
        children = range(node["first"], node["first"] + node["n_children"])
        if node["column"] >= 0:
            left, _ = sides(case, arrays, node, [place])
            path.append(children[0] if left else children[1])
        elif node["column"] == EQUALITY:
            token = slow.back(place, int(node["test"]))
            found = [c for c in children if nodes["token"][c] == token]
            if not found:
                return path
            path.append(found[0])
        else:
            return path


def slow_distribution(
    case: Case, arrays: dict[str, np.ndarray], rows_of: dict[int, list], place: Any, weights: Any
) -> list[float]:
    nodes = arrays["nodes"]
    p = [1.0 / case.n_tokens] * case.n_tokens
    for at in slow_path(case, arrays, place):
        entries = slice(arrays["start"][at], arrays["start"][at + 1])
        tokens, values = arrays["token"][entries].tolist(), arrays["count"][entries].tolist()
        counts = dict(zip(tokens, values, strict=True))
        common, shared = int(nodes["common"][at]), 0
        example = rows_of[at][0]
        while shared < common and slow.back(place, shared + 1) == slow.back(example, shared + 1):
            shared += 1
        b = slow.bucket(len(rows_of[at]), sum(values), len(counts), shared, common)
        p = slow.step(p, counts, power_of(nodes, at), weights[0, b], weights[1, b])
    return p


def random_weights(rng: np.random.Generator, tree: native.Tree) -> np.ndarray:
    shape = tree.weights.shape
    return np.ascontiguousarray(
        np.array([rng.uniform(0.05, 0.95, shape[1]), rng.lognormal(0, 1, shape[1])])
    )


def mixture(
    case: Case, trees: list[native.Tree], document: bool, ngram: Any, recall: Any = None
) -> native.Mixture:
    share = np.bincount(case.tokens, minlength=case.n_tokens) + 1.0
    share[0] += len(case.texts)
    return native.Mixture(
        trees,
        case.traits,
        case.context,
        document=document,
        ngram=ngram,
        recall=recall,
        frequency=(share / share.sum()).astype(np.float32),
        ranks=np.ascontiguousarray(case.orders[0]),
    )


@pytest.mark.parametrize("seed", range(CASES))
def test_full_trees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng)
    rows_to_cut = int(rng.choice([1, 4, 15]))
    tree = grow(case, rows_to_cut=rows_to_cut)
    options = {"rows_to_cut": rows_to_cut, "min_rows": 1, "rate": 0.2, "cost": 0.0}
    rows_of = check_tree(case, tree, suffixes=True, **options)
    tree.weights = random_weights(rng, tree)
    check_probabilities(rng, case, tree, rows_of)


def check_probabilities(rng: np.random.Generator, case: Case, tree: native.Tree, rows_of: dict):
    """Texts of other tokens: paths end early, too."""
    arrays, weights = tree.arrays(), tree.weights
    mixed = mixture(case, [tree], False, None)
    text = rng.integers(1, case.n_tokens, 6).tolist()
    for place in case.places_of([text]):
        reader = native.Reader(mixed)
        reader.push(np.array(place[0], dtype=np.uint16))
        p = reader.next()
        wanted = slow_distribution(case, arrays, rows_of, place, weights)
        np.testing.assert_allclose(p, wanted, rtol=1e-5)
        assert p.sum() == pytest.approx(1.0, abs=1e-12)
        assert math.exp(reader.log_probability(place[1])) == pytest.approx(p[place[1]], rel=1e-12)


@pytest.mark.parametrize("seed", range(CASES // 2))
def test_readable_trees(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    case = random_case(rng)
    sweeps, leaves = int(rng.choice([0, 3])), int(rng.integers(1, 8))
    min_rows, cost = int(rng.integers(1, 4)), float(rng.choice([0.0, 1.0]))
    tree = grow(
        case,
        max_leaves=leaves,
        suffixes=False,
        min_rows=min_rows,
        sweeps=sweeps,
        cut_cost=cost,
        charge_rate=0.1,
    )
    options = {"rows_to_cut": math.inf, "min_rows": min_rows, "rate": 0.1, "cost": cost}
    rows_of = check_tree(case, tree, suffixes=False, **options)
    nodes = tree.arrays()["nodes"]
    open_ = {0}
    n_leaves = (nodes["column"] == LEAF).sum()
    assert n_leaves <= leaves
    if sweeps:
        return
    # children come in the order in which nodes were divided: always one of the greatest gain
    best = {at: max(gains(case, rows, min_rows, 0.1, cost)) for at, rows in rows_of.items()}
    for first in range(1, len(nodes), 2):
        at = int(nodes["parent"][first])
        assert best[at] >= max(best[other] for other in open_) - 1e-9
        open_ = (open_ - {at}) | {first, first + 1}
    if n_leaves < leaves:
        assert all(best[at] <= 1e-9 for at in open_)


@pytest.mark.parametrize("seed", range(CASES // 3))
def test_sets_gain_what_they_say(seed: int) -> None:
    """A set is taken where it beats the threshold by more than what its moves cost."""
    rng = np.random.default_rng([seed, 2])
    n_tokens = 8
    traits = np.zeros((2, n_tokens), dtype=np.uint8)
    follows = rng.dirichlet(np.full(n_tokens - 1, 0.2), size=n_tokens)
    text = [1]
    for _ in range(600):
        text.append(int(rng.choice(n_tokens - 1, p=follows[text[-1]])) + 1)
    orders = np.array([rng.permutation(n_tokens)], dtype=np.uint16)
    columns = [(-1, 1, 0, n_tokens), (-1, 2, 0, n_tokens)]
    texts = [np.array(text, dtype=np.uint16)]
    case = Case(traits, texts, 4, orders, columns, [0.0, 1.0])
    plain = grow(case, max_leaves=2, suffixes=False, min_rows=20, charge_rate=0.0)
    sets = grow(case, max_leaves=2, suffixes=False, min_rows=20, charge_rate=0.0, sweeps=6)

    def gain(tree: native.Tree) -> float:
        arrays = tree.arrays()
        left, right = sides(case, arrays, arrays["nodes"][0], case.places)
        return slow.entropy(left) + slow.entropy(right) - slow.entropy(case.places)

    root = sets.arrays()["nodes"][0]
    if root["set"] < 0:
        assert gain(sets) == pytest.approx(gain(plain))
    else:
        assert gain(sets) > gain(plain) + 2.0  # one code at least was moved


@pytest.mark.parametrize("seed", range(CASES // 3))
def test_text_so_far(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    case = random_case(rng)
    tree = grow(case, rows_to_cut=5)
    mixed = mixture(case, [tree], True, None)
    text = np.concatenate([case.texts[0], case.texts[-1], case.texts[0]]).astype(np.uint16)
    reader = native.Reader(mixed)
    for i in range(len(text) + 1):
        p = reader.next()
        assert p.sum() == pytest.approx(1.0, abs=1e-9)
        wanted = slow.repeats(text[:i].tolist())
        for token in range(case.n_tokens):
            found = reader.repeats(token)
            assert [(a, b, c) for a, b, c, _, _ in found] == [
                (sum(c.values()), len(c), c[token]) for c in wanted
            ]
            pairs, log_total = reader.experts(token)
            log = sum(weight * log for weight, log in pairs) - log_total
            log += sum(reader.boosts(token)[0])
            assert math.exp(log) == pytest.approx(p[token], rel=1e-4)
        check_experts(case, tree, reader, wanted)
        if i < len(text):
            reader.push(text[i : i + 1])


def check_experts(case: Case, tree: native.Tree, reader: native.Reader, wanted: list) -> None:
    """The document's expert is the first tree, continued."""
    alone = native.Reader(mixture(case, [tree], False, None))
    logs = np.array([[log for _, log in reader.experts(w)[0]] for w in range(case.n_tokens)])
    for column in (0, 1):
        assert np.exp(logs[:, column]).sum() == pytest.approx(1.0, rel=1e-4)
    p = np.exp(logs[:, 0]).tolist()
    for counts, (_, _, _, discount, pull) in zip(wanted, reader.repeats(0), strict=True):
        p = slow.step(p, counts, 0.0, discount, pull)
    np.testing.assert_allclose(np.exp(logs[:, 1]), p, rtol=1e-4)
    assert alone.n_tokens == case.n_tokens


@pytest.mark.parametrize("seed", range(CASES // 3))
def test_screened_trees(seed: int) -> None:
    """Every test is the best of its column, and where few columns are worth it, the best of all."""
    rng = np.random.default_rng([seed, 6])
    case = random_case(rng)
    screen = int(rng.integers(2, 6))
    tree = grow(case, rows_to_cut=2, rows_to_screen=screen)
    arrays, rows = tree.arrays(), {0: case.places}
    for at, node in enumerate(arrays["nodes"]):
        if node["column"] < 0:
            continue
        column = case.columns[node["column"]]
        found = slow.thresholds(rows[at], column, case.orders)
        assert found[node["test"]] == pytest.approx(max(found.values()), abs=1e-9)
        left, right = sides(case, arrays, node, rows[at])
        rows |= {int(node["first"]): left, int(node["first"]) + 1: right}
        if len(rows[at]) < 2 * screen:
            best = max(gains(case, rows[at], 1, 0.2, 0.0))
            charge = case.charges[node["column"]]
            assert found[node["test"]] * math.exp(-0.2 * charge) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("seed", range(CASES // 6))
def test_recall(seed: int) -> None:
    rng = np.random.default_rng([seed, 7])
    n_tokens, context = 12, int(rng.integers(1, 7))
    topics = rng.dirichlet(np.full(n_tokens - 1, 0.4), size=3)
    texts = [
        (rng.choice(n_tokens - 1, rng.integers(1, 25), p=topics[rng.integers(3)]) + 1)
        for _ in range(60)
    ]
    texts = [text.astype(np.uint16) for text in texts]
    orders = rng.permutation(n_tokens)[None].astype(np.uint16)
    columns, charges = [(-1, 1, 0, n_tokens)], [0.0]
    case = Case(np.zeros((2, n_tokens), np.uint8), texts, context, orders, columns, charges)
    recall = native.Recollection(case.stream, case.stream.positions)
    mixed = mixture(case, [grow(case)], True, None, recall)
    boosts = rng.normal(size=25 + 12 + 16).astype(np.float32)
    boosts[0] = 0.0  # of tokens not used before
    mixed.parameters = mixed.parameters | {"boost": boosts}
    text = np.concatenate([texts[0][:6], texts[1], texts[2][-6:]])
    shortest = min(4, context)
    goes_on = slow.going_on(case.places, shortest, [text.tolist()])
    effects = slow.triggers([t.tolist() for t in texts], n_tokens)
    assert effects or seed
    reader = native.Reader(mixed)
    for i in range(len(text) + 1):
        p = reader.next()
        assert p.sum() == pytest.approx(1.0, abs=1e-9)
        used = list(dict.fromkeys(text[:i].tolist()))
        for w in range(n_tokens):
            (_, place, triggered), agree, others = reader.boosts(w)
            wanted = 0.0
            if goes_on[i] is not None and goes_on[i][0] == w:
                assert agree == goes_on[i][1]
                wanted = boosts[25 + min(agree - shortest, 11)]
            assert place == wanted
            mine = {u: effects[u, w] for u in used if (u, w) in effects}
            assert dict(others) == pytest.approx(mine, rel=1e-5)
            total = 2 * sum(mine.values())
            if mine and abs(total - round(total)) > 1e-4:
                band = min(max(math.floor(total) + 8, 0), 15)
                assert triggered == boosts[37 + band]
            assert mine or not triggered
            pairs, log_total = reader.experts(w)
            log = sum(weight * log for weight, log in pairs) - log_total
            log += sum(reader.boosts(w)[0])
            assert math.exp(log) == pytest.approx(p[w], rel=1e-4)
        if i < len(text):
            reader.push(text[i : i + 1])


@pytest.mark.parametrize("seed", range(CASES // 3))
def test_kneser_ney(seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    case = random_case(rng)
    case.context = max(case.context, 4)
    case.__post_init__()
    order = int(rng.integers(1, 6))
    ngram = native.NGram(case.stream, case.stream.positions, order)
    wanted = slow.kneser_ney(case.places, order, case.n_tokens)
    found = ngram.probabilities(case.stream, case.stream.positions)
    np.testing.assert_allclose(found, [wanted(row, row[1]) for row in case.places], rtol=1e-9)
    reader = native.Reader(mixture(case, [grow(case)], False, ngram))
    reader.next()
    logs = [reader.experts(w)[0][1][1] for w in range(case.n_tokens)]
    start = ((), 0, ())
    np.testing.assert_allclose(
        np.exp(logs), [wanted(start, w) for w in range(case.n_tokens)], rtol=1e-4
    )


@pytest.mark.parametrize("seed", range(CASES // 6))
def test_fitted_weights_are_no_worse(seed: int) -> None:
    """The fit lowers the bits of its rows, and says what they are."""
    rng = np.random.default_rng([seed, 5])
    case = random_case(rng)
    positions = case.stream.positions
    half = max(len(positions) // 2, 1)
    tree = case.tree()
    tree.grow(
        case.stream,
        positions[:half],
        native.Limits(),
        rows_to_cut=5,
        max_leaves=-1,
        suffixes=True,
        longest=case.context,
        min_rows=1,
        sweeps=0,
        charge_rate=0.0,
        cut_cost=0.0,
        move_cost=0.0,
        rows_to_screen=0,
    )
    before = -tree.log_probabilities(case.stream, positions[half:]).mean() / math.log(2)
    bits = tree.fit_weights(case.stream, positions[half:], native.Limits(), 60)
    after = -tree.log_probabilities(case.stream, positions[half:]).mean() / math.log(2)
    assert after == pytest.approx(bits, rel=1e-5)
    assert after <= before + 1e-9


@pytest.mark.parametrize("seed", range(CASES // 6))
def test_threads_change_nothing(seed: int) -> None:
    case = random_case(np.random.default_rng([seed, 6]))
    trees = [grow(case, native.Limits(n_threads=n), rows_to_cut=3) for n in (1, 3)]
    for one, other in zip(trees[0].arrays().values(), trees[1].arrays().values(), strict=True):
        assert one.tobytes() == other.tobytes()
