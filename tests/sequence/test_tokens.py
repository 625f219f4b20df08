from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.sequence.stories import stories
from treeml.sequence.orders import learn_orders
from treeml.sequence.tokens import END, Tokenizer, learn_tokenizer

HARD = [
    "",
    " ",
    "a\r\nb\rc\n",
    "naïve “café” — 東京 🌳",
    "\ttabs  and   spaces ",
    "<eos><end>",
    "\x00\x01",
]
KINDS = ("bpe", "char", "word")


def tokenizer(kind: str, vocab_size: int = 300) -> Tokenizer:
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    return learn_tokenizer(kind, stories(40), vocab_size)


@pytest.mark.parametrize("kind", KINDS)
def test_lossless(kind: str) -> None:
    ours = tokenizer(kind)
    for text in [*HARD, *stories(5, seed=9)]:
        tokens = ours.encode([text])[0]
        assert END not in tokens
        assert ours.decode(tokens) == text
    again = Tokenizer.from_dict(ours.to_dict())
    for one, other in zip(ours.encode(HARD), again.encode(HARD), strict=True):
        assert one.tolist() == other.tolist()
    assert len(ours) <= 300
    assert len(ours.flags()) == len(ours.names()) == len(ours)


def test_flags_say_what_pieces_do() -> None:
    ours = tokenizer("word")
    flags = dict(zip(ours.names(), ours.flags().tolist(), strict=True))
    opens, closes, sentence, quotes = (1, 2, 4, 8)
    assert flags[" the"] == opens
    assert flags[" "] & closes
    assert flags["."] == sentence
    assert flags['"'] == quotes
    assert flags["<end>"] == 0


def test_bpe_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"treeml-interpretable\[text\]"):
        learn_tokenizer("bpe", ["text"], 300)


@pytest.mark.parametrize("n_tokens", [3, 40, 200])
def test_orders_are_permutations_and_repeat(n_tokens: int) -> None:
    rng = np.random.default_rng(n_tokens)
    tokens = rng.integers(0, n_tokens, 500)
    names = ("next", "previous", "both", "second", "mixed-1", "mixed-2")
    ranks = learn_orders(tokens, n_tokens, names, seed=1)
    for name in names:
        assert sorted(ranks[name].tolist()) == list(range(n_tokens))
    again = learn_orders(tokens, n_tokens, names[::-1], seed=1)
    for name in names:
        assert again[name].tolist() == ranks[name].tolist()


def test_alike_tokens_lie_side_by_side() -> None:
    """Two classes that follow each other: every order keeps them apart."""
    rng = np.random.default_rng(0)
    tokens = np.empty(4000, dtype=np.int64)
    tokens[::2], tokens[1::2] = rng.integers(0, 10, 2000), rng.integers(10, 20, 2000)
    names = ("next", "previous", "both")
    for ranks in learn_orders(tokens, 20, names).values():
        assert (ranks[:10] < 10).all() or (ranks[:10] >= 10).all()
