from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import treeml
from tests.sequence.stories import stories
from treeml import ARDTLanguageModel
from treeml.sequence import SequenceEncoder
from treeml.sequence.encoders import CodeReader, check_causal, codes_of, named

_SIGNS = ("!", "?", "%", "&")


class Sign:
    """Which sign a text began with, however long ago: decides what its words are."""

    name, n_codes, ordered = "sign", 5, False
    code_names = ("none", *_SIGNS)

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        first = 1 + _SIGNS.index(tokens[0]) if tokens and tokens[0] in _SIGNS else 0
        return np.array([0] + [first] * len(tokens))


class Length:
    """Tokens so far, in tens; reads as it grows, too."""

    name, n_codes, ordered = "tens", 4, True

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        return np.minimum(np.arange(len(tokens) + 1) // 10, 3)

    def begin(self) -> Length:
        out = Length()
        out.n = 0
        return out

    def push(self, token: str) -> int:
        self.n += 1
        return min(self.n // 10, 3)


class Noise:
    """Of no use: a number made of the last token's text."""

    name, n_codes, ordered = "noise", 600, False

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        return np.array([0, *(sum(map(ord, t)) * 7919 % 600 for t in tokens)])


def signed(n: int, seed: int = 0) -> list[str]:
    """A sign, then words of which every fourth is the sign's own."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        sign = int(rng.integers(len(_SIGNS)))
        own = ("cat", "dog", "owl", "bee")[sign]
        out.append(_SIGNS[sign] + f" the big old {own}" * int(rng.integers(8, 12)))
    return out


def fit(texts: list[str], encoders: Any, **options: Any) -> ARDTLanguageModel:
    given = {"tokenizer": "word", "vocab_size": 300, "adapt": False, "context": 2} | options
    return ARDTLanguageModel(encoders=encoders, **given).fit(texts)


VARIANTS: dict[str, dict[str, Any]] = {
    "tree": {},
    "readable": {"max_leaf_nodes": 12},
    "adapting": {"adapt": True},
    "forest": {"n_estimators": 2, "ngram": 2},
}


@pytest.fixture(scope="module")
def models() -> dict[str, ARDTLanguageModel]:
    texts = signed(120)
    return {name: fit(texts, [Sign(), Length()], **kw) for name, kw in VARIANTS.items()}


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest, models: dict[str, ARDTLanguageModel]) -> Any:
    return models[request.param]


def tokens_of(model: ARDTLanguageModel, text: str) -> list[int]:
    return model._fitted().tokenizer.encode([text])[0].tolist()


def test_protocol() -> None:
    assert all(isinstance(e, SequenceEncoder) for e in (Sign(), Length(), Noise()))


def test_probabilities(model: ARDTLanguageModel) -> None:
    fresh = signed(2, seed=1)
    for text in (*fresh, "Zoë?! 🌳", "&"):
        tokens = tokens_of(model, text)
        log = []
        for i, token in enumerate([*tokens, 0]):
            p = model.next_proba(tokens[:i])
            assert abs(p.sum() - 1) < 1e-9
            log.append(math.log(p[token]))
        assert model.log_prob([text])[0] == pytest.approx(math.fsum(log), rel=1e-9)
    together = model.log_prob(fresh).tolist()
    assert together == [model.log_prob([text])[0] for text in fresh]


def test_what_follows_changes_nothing_before(model: ARDTLanguageModel) -> None:
    rng = np.random.default_rng(1)
    language = model._fitted()
    tokens = np.array(tokens_of(model, signed(1, seed=6)[0]), dtype=np.uint16)
    known = language.score([tokens])
    for _ in range(5):
        cut = int(rng.integers(1, len(tokens)))
        other = tokens.copy()
        other[cut:] = rng.integers(1, len(model.tokens_), len(tokens) - cut)
        assert language.score([other])[:cut].tolist() == known[:cut].tolist()


class _Remainder(Sign):
    """What the number in a text's first word leaves when divided by four."""

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        number = tokens[0][1:] if tokens else ""
        code = 1 + int(number) % 4 if number.isdigit() else 0
        return np.array([0] + [code] * len(tokens))


def test_an_encoder_that_knows() -> None:
    """The animal is decided by the first word, of which there are too many to learn them all."""

    def numbered(n: int, seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, 60, n).tolist()
        own = ("cat", "dog", "owl", "bee")
        return [f"w{i}" + f" the big old {own[i % 4]}" * int(rng.integers(8, 12)) for i in drawn]

    def own_share(model: ARDTLanguageModel) -> float:
        """Of the text's animal, where it comes first."""
        asked = [text.split(" ")[:5] for text in fresh]
        return float(
            np.mean(
                [
                    model.next_proba(" ".join(words[:4]))[model.tokens_.index(" " + words[4])]
                    for words in asked
                ]
            )
        )

    texts, fresh = numbered(500, 0), numbered(30, 2)
    for name in ("tree", "readable"):
        knowing = fit(texts, [_Remainder()], vocab_size=400, **VARIANTS[name])
        assert own_share(knowing) > 0.9
    assert own_share(fit(texts, None, vocab_size=400)) < 0.6
    found = knowing.explain(fresh[0][: fresh[0].rindex(" ")])
    assert found.token == fresh[0][fresh[0].rindex(" ") :], found.text
    code = int(fresh[0].split(" ")[0][1:]) % 4
    assert "sign is " + _SIGNS[code] in found.text
    assert "sign is " in knowing.to_rules()


def test_an_encoder_of_no_use() -> None:
    texts, fresh = stories(100), stories(20, seed=3)
    plain = fit(texts, None, context=12).bits_per_byte(fresh)
    assert fit(texts, [Noise()], context=12).bits_per_byte(fresh) < 1.1 * plain


def test_order_of_the_codes() -> None:
    """Codes that mean the same lie side by side, so that one threshold divides them."""

    texts = signed(120)
    model = fit([t for t in texts if t[0] in "!?"], [_Halves()])
    (column,) = model.model_.encoders
    order = np.argsort(column.ranks).tolist()
    sides = [code % 2 for code in order if code < 6]
    assert sides in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


class _Halves(Sign):
    """Even where the text began with "!", odd with "?"; which of three says nothing."""

    name, n_codes, code_names = "halves", 6, None  # type: ignore[assignment]

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        side = int(bool(tokens) and tokens[0] == "?")
        places = np.arange(len(tokens) + 1)
        return places % 3 * 2 + side * (places > 0)


def test_explanations(model: ARDTLanguageModel) -> None:
    text = signed(1, seed=3)[0]
    for prompt in ("", text[:1], text[:40]):
        found = model.explain(prompt)
        assert sum(e.share for e in found.experts) == pytest.approx(found.probability, rel=1e-9)
        assert found.probability == pytest.approx(
            model.next_proba(prompt)[model.tokens_.index(found.token)], rel=1e-12
        )
        assert found.sentences
    page = model.page(text[:60])
    assert "<html" in page
    bits = sum(b for _, b in model.surprise(text[:60])) / (len(text[:60].encode()) + 1)
    assert f"{bits:.3f} bits per byte" in page


def test_generated_tokens_have_their_probabilities(model: ARDTLanguageModel) -> None:
    """Token by token as by next_proba, with codes that are read as the text grows."""
    text = model.generate("!", max_tokens=40, random_state=5)
    assert text == model.generate("!", max_tokens=40, random_state=5)
    prefix = tokens_of(model, "!")
    for at, uniform in enumerate(np.random.default_rng(5).uniform(size=40)):
        p = model.next_proba(prefix)
        token = min(int(np.searchsorted(np.cumsum(p), uniform, side="right")), len(p) - 1)
        if token == 0:
            break
        prefix.append(token)
        assert at < 40
    assert model._fitted().tokenizer.decode(prefix[1:]) == text


def test_saved_and_loaded(model: ARDTLanguageModel, tmp_path: Any) -> None:
    path = tmp_path / "model.json"
    model.save(path)
    fresh = signed(3, seed=9)
    other = treeml.load(path)
    assert other.to_rules() == model.to_rules()
    for read in (other.next_proba, other.generate, other.explain, other.page, other.surprise):
        with pytest.raises(ValueError, match=r"fitted with the encoders \['sign', 'tens'\]"):
            read("!")
    for read in (other.log_prob, other.bits_per_byte):
        with pytest.raises(ValueError, match="give them to set_encoders first"):
            read(["!"])
    other.set_encoders([Length(), Sign()])
    again = pickle.loads(pickle.dumps(model))
    for copy in (other, again):
        assert copy.log_prob(fresh).tolist() == model.log_prob(fresh).tolist()
        assert copy.explain("! the") == model.explain("! the")
        assert copy.to_json() == model.to_json()


def test_files_without_encoders_stay_as_they_were(tmp_path: Any) -> None:
    model = fit(stories(20), None)
    assert "encoders" not in json.loads(model.to_json())["model"]
    assert model.set_encoders([]) is model


def test_threads_change_nothing() -> None:
    one, other = (fit(signed(60), [Sign(), Noise()], n_jobs=n) for n in (1, 2))
    assert one.model_.to_dict() == other.model_.to_dict()


def wrong(**what: Any) -> Any:
    return type("Wrong", (Sign,), what)()


class _Ahead(Sign):
    name = "ahead"

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        return np.array([*(len(token) % 5 for token in tokens), 0])


class _Total(Sign):
    name = "total"

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        return np.full(len(tokens) + 1, len(tokens) % 5)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (object(), "encoder 0 .object. has no 'name'"),
        (wrong(name="a b"), "the name 'a b' is not made of"),
        (wrong(n_codes=0), "n_codes=0 is not one of"),
        (wrong(n_codes=3), "5 code_names for n_codes=3"),
        (wrong(n_codes=3, code_names=None), "code [34] at place 1 of text 0 is not one of 0 to 2"),
        (wrong(codes=lambda _, t: np.full(len(t) + 1, -1)), "code -1 at place 0 of text 0"),
        (wrong(codes=lambda _, t: np.zeros(len(t), int)), r"must be \d+ whole numbers, but have"),
        (wrong(codes=lambda _, t: np.zeros(len(t) + 1)), "dtype float64"),
        (_Ahead(), "encoder 'ahead' looks ahead: the code at place"),
        (_Total(), "encoder 'total' looks ahead"),
    ],
)
def test_bad_encoders(encoder: Any, message: str) -> None:
    texts = [text for text in signed(40) if text[0] in "%&"]
    with pytest.raises(ValueError, match=message):
        fit(texts, [encoder])


def test_bad_sets_of_encoders(models: dict[str, ARDTLanguageModel]) -> None:
    model = pickle.loads(pickle.dumps(models["tree"]))
    with pytest.raises(ValueError, match="two encoders are called 'sign'"):
        fit(signed(5), [Sign(), Sign()])
    with pytest.raises(ValueError, match="max_bytes is not for models with encoders"):
        fit(signed(5), [Sign()], max_bytes=5000)
    with pytest.raises(
        ValueError, match=r"asks for the encoders \['sign', 'tens'\], and was given"
    ):
        model.set_encoders([Sign()])
    with pytest.raises(ValueError, match="fitted with n_codes=5 and ordered=False, but has 6"):
        model.set_encoders([wrong(n_codes=6, code_names=None), Length()])
    model.set_encoders([wrong(codes=lambda _, t: np.full(len(t) + 1, 7)), Length()])
    with pytest.raises(ValueError, match="code 7 at place 0 of text 0"):
        model.next_proba("a")


def test_readers_agree() -> None:
    """Codes of a text that grows are those of the whole, with `begin` and without."""
    encoders = named([Sign(), Length()])
    columns = fit(signed(20), encoders).model_.encoders
    words = [*"!?", *("the cat " * 20).split(" ")]
    whole = [
        column.ranks[codes_of(e, [words])] for e, column in zip(encoders, columns, strict=True)
    ]
    for begin in (0, 3):
        reader = CodeReader(encoders, columns, words[:begin])
        for at in range(begin, len(words)):
            assert reader.ranks.tolist() == [ranks[at] for ranks in whole]
            reader.push(words[at])
    for a, b in itertools.pairwise(encoders):
        check_causal(a, [words])
        check_causal(b, [words, []])
