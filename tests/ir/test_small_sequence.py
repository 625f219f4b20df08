from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest

from tests.sequence.stories import stories
from treeml import ARDTLanguageModel
from treeml.ir.range_coder import RangeDecoder, RangeEncoder, RangeSizes
from treeml.ir.small_sequence import small_from_bytes, small_size, to_bytes


@pytest.mark.parametrize("seed", range(30))
def test_numbers_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoder, sizes, calls = RangeEncoder(), RangeSizes(), []
    for _ in range(int(rng.integers(0, 6))):
        n = int(rng.choice([0, 1, 5, 300]))
        values = (rng.pareto(0.5, n) * rng.choice([1, 50])).clip(0, 2**20).astype(np.int64)
        context = rng.integers(0, 4, n) if rng.random() < 0.5 else None
        first = rng.random(n) < 0.3 if rng.random() < 0.5 else None
        calls.append((values, context, first))
        below = rng.integers(0, 7, n)
        for sink in (encoder, sizes):
            sink.numbers(values, context, first)
            sink.uniform(below, 7)
        calls.append((below, None, None))
    data = encoder.finish()
    assert abs(len(data) - sizes.n_bytes()) <= 2 + len(data) // 500
    decoder = RangeDecoder(data)
    for values, context, first in calls[::2]:
        assert decoder.numbers(len(values), context, first).tolist() == values.tolist()
        at = next(i for i, call in enumerate(calls) if call[0] is values)
        assert decoder.uniform(len(values), 7).tolist() == calls[at + 1][0].tolist()


def test_rare_numbers_cost_more() -> None:
    one, other = RangeSizes(), RangeSizes()
    one.numbers(np.repeat([0, 1], [990, 10]))
    other.numbers(np.arange(1000) % 2)
    assert one.n_bytes() < 20 < 120 < other.n_bytes()


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
@pytest.mark.parametrize("adapt", [False, True])
@pytest.mark.parametrize("most", [1200, 2500])
def test_files_come_back(kind: Any, adapt: bool, most: int) -> None:
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    texts = [*stories(60), "Zoë? 🌳 a\tb"]
    model = ARDTLanguageModel(tokenizer=kind, vocab_size=300, adapt=adapt, max_bytes=most)
    model.fit(texts)
    data = to_bytes(model.model_)
    assert abs(len(data) - small_size(model.model_)) < 8
    again = small_from_bytes(data)
    for field in dataclasses.fields(again):
        if field.name not in ("trees", "mixture"):
            assert np.array_equal(getattr(again, field.name), getattr(model.model_, field.name))
    for name, values in model.model_.mixture.items():
        assert np.array_equal(values, again.mixture[name])
    for field in dataclasses.fields(again.trees[0]):
        one, other = (getattr(m.trees[0], field.name) for m in (again, model.model_))
        assert np.array_equal(one, other), field.name
    assert to_bytes(again) == data


def test_orders_of_lists() -> None:
    """Gaps of any ascending lists, empty ones among them."""
    from treeml.ir.small_sequence import _gaps, _ungapped

    rng = random.Random(0)
    for _ in range(200):
        lists = [sorted(rng.sample(range(50), rng.randrange(6))) for _ in range(rng.randrange(6))]
        lengths = np.array([len(one) for one in lists], dtype=np.int64)
        tokens = np.array([token for one in lists for token in one], dtype=np.int64)
        assert _ungapped(_gaps(tokens, lengths), lengths).tolist() == tokens.tolist()
