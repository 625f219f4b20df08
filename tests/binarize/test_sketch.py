"""Quantile sketches: ranks are as exact as they say, however blocks and merges come."""

import itertools
import pickle

import numpy as np
import pytest

from treeml._ext.binning import QuantileSketch

N = 150_000


def inputs():
    rng = np.random.default_rng(0)
    values = {
        "random": rng.normal(size=N),
        "sorted": np.sort(rng.random(N)),
        "falling": np.arange(N, dtype=float)[::-1],
        "constant": np.full(N, 3.5),
        "ties": rng.integers(0, 20, N).astype(float),
        "mostly zero": np.where(rng.random(N) < 0.95, 0.0, rng.normal(size=N)),
        "heavy tails": rng.standard_cauchy(N),
        "narrow": 1e9 + rng.random(N) * 1e-3,
        "neighbours": 1 + rng.integers(0, 2**20, N) * 2.0**-52,
        "few": rng.normal(size=100),
        "one": np.array([-0.0]),
    }
    for name, x in values.items():
        yield pytest.param(x, None, id=name)
        yield pytest.param(x, rng.integers(0, 5, len(x)) + 1.0, id=f"{name}, whole weights")
        yield pytest.param(x, rng.pareto(0.8, len(x)) + 1e-3, id=f"{name}, heavy weights")


def worst_rank(x, weights, sketch, n_ranks=2001):
    """The largest distance of a rank from the ranks of the value that is given for it."""
    weights = np.ones(len(x)) if weights is None else weights
    order = np.argsort(x, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    ranks = np.linspace(0, sketch.total, n_ranks)
    found = sketch.quantile(ranks)
    assert np.isin(found, x).all()
    least = below[np.searchsorted(x[order], found, "left")]
    most = below[np.searchsorted(x[order], found, "right")]
    return max(0, (least - ranks).max(), (ranks - most).max())


def sketched(x, weights, epsilon, n_parts=1):
    sketch = QuantileSketch(epsilon)
    for rows in np.array_split(np.arange(len(x)), n_parts):
        sketch.add(x[rows], None if weights is None else weights[rows])
    return sketch


def check(x, weights, sketch):
    total = len(x) if weights is None else weights.sum()
    assert sketch.total == pytest.approx(total, rel=1e-12)
    assert sketch.rank_error() <= sketch.epsilon * total
    assert worst_rank(x, weights, sketch) <= sketch.rank_error() + 1e-9 * total
    exact = weights is None or (weights % 1 == 0).all()
    if exact:
        assert sketch.total == total
        assert worst_rank(x, weights, sketch) <= sketch.rank_error()


@pytest.mark.parametrize("epsilon", [0.05, 1 / 2048])
@pytest.mark.parametrize(("x", "weights"), list(inputs()))
def test_rank_error_holds(x, weights, epsilon):
    check(x, weights, sketched(x, weights, epsilon))
    check(x, weights, sketched(x, weights, epsilon, n_parts=7))


@pytest.mark.parametrize(("x", "weights"), list(inputs()))
def test_merges_are_as_exact_as_the_whole(x, weights):
    parts = np.array_split(
        np.arange(len(x)), np.ceil(len(x) * np.array([0.01, 0.05, 0.1, 0.5])).astype(int)
    )
    for order in itertools.islice(itertools.permutations(range(len(parts))), 0, None, 37):
        whole = QuantileSketch(0.002)
        for k in order:
            other = sketched(x[parts[k]], None if weights is None else weights[parts[k]], 0.002)
            before = other.total
            whole.merge(other)
            assert other.total == before
        check(x, weights, whole)


def test_merge_of_many_and_with_itself():
    rng = np.random.default_rng(1)
    x = rng.normal(size=70_000)
    blocks = [sketched(x + k, None, 0.01) for k in range(24)]
    while len(blocks) > 1:
        for a, b in zip(blocks[::2], blocks[1::2], strict=False):
            a.merge(b)
        blocks = blocks[::2]
    check(np.concatenate([x + k for k in range(24)]), None, blocks[0])
    blocks[0].prune(1000)
    assert blocks[0].n_entries <= 1000
    assert blocks[0].rank_error() <= 0.011 * blocks[0].total
    twice = sketched(x, None, 0.01)
    twice.merge(twice)
    check(np.concatenate([x, x]), None, twice)


def test_prune_states_its_error():
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=N), rng.integers(1, 4, N).astype(float)
    sketch = sketched(x, weights, 1e-3)
    before = sketch.rank_error()
    for most in (500, 50, 10, 3):
        sketch.prune(most)
        assert sketch.n_entries <= most
        assert worst_rank(x, weights, sketch) <= sketch.rank_error()
        if most == 500:
            assert sketch.rank_error() <= before + sketch.total / (most - 2) / 2
    more = rng.random(N)
    sketch.add(more)
    both, by = np.concatenate([x, more]), np.concatenate([weights, np.ones(N)])
    assert worst_rank(both, by, sketch) <= sketch.rank_error()
    with pytest.raises(ValueError, match="at least 3"):
        sketch.prune(2)


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_adds_merges_and_prunes(seed):
    rng = np.random.default_rng(seed)
    held = [(QuantileSketch(0.01), np.empty(0), np.empty(0)) for _ in range(3)]
    for _ in range(14):
        k, other = rng.integers(0, 3, 2)
        sketch, x, weights = held[k]
        action = rng.choice(["add", "merge", "prune"], p=[0.5, 0.4, 0.1])
        if action == "add":
            more = np.round(
                rng.normal(rng.normal(), size=rng.integers(0, 90_000)), rng.integers(1, 9)
            )
            by = rng.choice([np.ones(len(more)), rng.pareto(1, len(more)), more > 0]).astype(float)
            sketch.add(more, by)
            held[k] = sketch, np.append(x, more), np.append(weights, by)
        elif action == "merge" and len(x) + len(held[other][1]) < 500_000:
            sketch.merge(held[other][0])
            held[k] = sketch, np.append(x, held[other][1]), np.append(weights, held[other][2])
        else:
            sketch.prune(int(rng.integers(3, 400)))
    for sketch, x, weights in held:
        assert sketch.total == pytest.approx(weights.sum(), rel=1e-12)
        if sketch.total:
            rounding = 1e-12 * sketch.total
            assert worst_rank(x, weights, sketch) <= sketch.rank_error() + rounding


def test_small_sketches_are_exact():
    x = np.array([5.0, 1, 3, 1, -2, -0.0, 0.0])
    sketch = sketched(x, None, 0.1)
    assert (sketch.n_entries, sketch.total, sketch.rank_error()) == (5, 7, 0)
    assert sketch.quantile([0, 1, 1.5, 3, 5, 5.5, 7]).tolist() == [-2, -2, 0, 0, 1, 3, 5]
    infinite = sketched(np.array([np.inf, -np.inf, 0.0]), None, 0.1)
    assert infinite.quantile([1, 2, 3]).tolist() == [-np.inf, 0, np.inf]


def test_no_weight_is_no_value():
    sketch = QuantileSketch(0.1)
    sketch.add([1, 2, 3], [0, 2, 0])
    assert (sketch.n_entries, sketch.total) == (1, 2)
    whole, repeated = QuantileSketch(0.01), QuantileSketch(0.01)
    whole.add([1, 2, 3, 4], [3, 1, 0, 2])
    repeated.add([1, 1, 1, 2, 4, 4])
    assert (whole.quantile(range(7)) == repeated.quantile(range(7))).all()


def test_what_is_refused():
    sketch = QuantileSketch(0.1)
    with pytest.raises(ValueError, match="value 1 is NaN"):
        sketch.add([0, np.nan, 1])
    for bad in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="weight 2 is"):
            sketch.add([0, 1, 2], [1, 1, bad])
    with pytest.raises(ValueError, match="weights of shape"):
        sketch.add([0, 1], [1])
    with pytest.raises(ValueError, match="do not merge"):
        sketch.merge(QuantileSketch(0.2))
    for epsilon in (0, 1, np.nan):
        with pytest.raises(ValueError, match="epsilon"):
            QuantileSketch(epsilon)
    assert sketch.total == 0


def test_empty_sketches():
    sketch = QuantileSketch(0.1)
    sketch.add([])
    sketch.merge(QuantileSketch(0.1))
    assert (sketch.n_entries, sketch.total, sketch.rank_error()) == (0, 0, 0)
    with pytest.raises(ValueError, match="empty"):
        sketch.quantile([0])
    sketch.add([2.0])
    sketch.merge(QuantileSketch(0.1))
    assert sketch.quantile([0, 1]).tolist() == [2, 2]


@pytest.mark.parametrize("n", [0, 10, N])
def test_pickles(n):
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=n), rng.random(n)
    sketch = sketched(x, weights, 0.01)
    copy = pickle.loads(pickle.dumps(sketch))
    for each in (sketch, copy):
        each.add([0.25], [2.0])
    assert (copy.total, copy.rank_error()) == (sketch.total, sketch.rank_error())
    ranks = np.linspace(0, copy.total, 99)
    assert (copy.quantile(ranks) == sketch.quantile(ranks)).all()
