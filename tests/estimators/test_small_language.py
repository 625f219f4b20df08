from __future__ import annotations

import itertools
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest

import treeml
from tests.sequence.stories import stories
from treeml import ARDTLanguageModel, SearchLimitWarning
from treeml.sequence.small import by_frequency
from treeml.sequence.tokens import learn_tokenizer

VARIANTS: dict[str, dict[str, Any]] = {
    "tree": {"adapt": False, "max_bytes": 4000},
    "adapting": {"max_bytes": 4000},
    "readable": {"max_bytes": 3000, "max_leaf_nodes": 12, "adapt": False},
    "tiny": {"adapt": False, "max_bytes": 900},
}


@pytest.fixture(scope="module")
def models() -> dict[str, ARDTLanguageModel]:
    texts = stories(150)
    common = {"tokenizer": "word", "vocab_size": 300}
    return {name: ARDTLanguageModel(**common | kw).fit(texts) for name, kw in VARIANTS.items()}


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest, models: dict[str, ARDTLanguageModel]) -> Any:
    return models[request.param]


def test_the_file_has_at_most_so_many_bytes(model: ARDTLanguageModel, tmp_path: Any) -> None:
    model.save(tmp_path / "model.json")
    assert model.max_bytes is not None
    n_bytes = (tmp_path / "model.json").stat().st_size
    assert model.size_bytes == n_bytes <= model.max_bytes
    texts = stories(3, seed=9)
    for other in (treeml.load(tmp_path / "model.json"), pickle.loads(pickle.dumps(model))):
        assert isinstance(other, ARDTLanguageModel)
        assert other.get_params() == model.get_params()
        assert other.log_prob(texts).tolist() == model.log_prob(texts).tolist()
        assert other.explain("Mia", " had") == model.explain("Mia", " had")
        assert other.to_json() == model.to_json()
        assert other.to_rules() == model.to_rules()


def test_probabilities(model: ARDTLanguageModel) -> None:
    rng = np.random.default_rng(0)
    for length in (0, 1, 5, 60):
        p = model.next_proba(rng.integers(1, len(model.tokens_), length).tolist())
        assert (p > 0).all()
        assert abs(p.sum() - 1) < 1e-9
    for text in (stories(1, seed=5)[0], "Zoë?! 🌳"):
        tokens = model._fitted().tokenizer.encode([text])[0].tolist()
        log = [math.log(model.next_proba(tokens[:i])[t]) for i, t in enumerate([*tokens, 0])]
        assert model.log_prob([text])[0] == pytest.approx(math.fsum(log), rel=1e-9)


def test_explanations(model: ARDTLanguageModel) -> None:
    for prompt, token in [("Once there was a", " dog"), ("", "Once"), ("Mia was", None)]:
        found = model.explain(prompt, token)
        assert sum(e.share for e in found.experts) == pytest.approx(found.probability, rel=1e-9)
        nodes = [node for expert in found.experts for node in expert.nodes]
        assert math.fsum(n.share for n in nodes) <= found.probability * (1 + 1e-9)
        assert all(node.share >= 0 for node in nodes)
        assert found.sentences == ()
    assert "<html" in model.page("Mia had a boat.")
    assert isinstance(model.generate("Mia"), str)


def test_more_bytes_say_more() -> None:
    texts, fresh = stories(150), stories(30, seed=11)
    bits = [
        ARDTLanguageModel(tokenizer="word", adapt=False, max_bytes=n)
        .fit(texts)
        .bits_per_byte(fresh)
        for n in (800, 1000, 1600)
    ]
    whole = ARDTLanguageModel(tokenizer="word", adapt=False).fit(texts).bits_per_byte(fresh)
    assert all(a > b for a, b in itertools.pairwise(bits))
    assert bits[-1] < 1.05 * whole


@pytest.mark.parametrize("adapt", [False, True])
def test_too_few_bytes(adapt: bool) -> None:
    texts = stories(60)

    def fit(most: int) -> ARDTLanguageModel:
        return ARDTLanguageModel(tokenizer="word", max_bytes=most, adapt=adapt).fit(texts)

    with pytest.raises(ValueError, match=r"max_bytes=200 is too few .* takes (\d+) bytes") as error:
        fit(200)
    found = re.search(r"takes (\d+) bytes", str(error.value))
    assert found is not None
    least = int(found[1])
    model = fit(least)
    assert model.size_bytes <= least
    assert abs(model.next_proba("Mia").sum() - 1) < 1e-9
    with pytest.raises(ValueError, match=f"takes {least} bytes"):
        fit(least - 1)


@pytest.mark.parametrize("other", [{"n_estimators": 2}, {"ngram": 3}])
def test_one_tree_only(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="max_bytes=5000 is for one tree"):
        ARDTLanguageModel(max_bytes=5000, **other).fit(["text"])
    with pytest.raises(ValueError, match="'max_bytes' parameter of ARDTLanguageModel"):
        ARDTLanguageModel(max_bytes=0).fit(["text"])


@pytest.mark.parametrize("text", ["a", "Hello.", "ab" * 30, "🌳"])
@pytest.mark.parametrize("kind", ["word", "char"])
def test_one_text(text: str, kind: Any) -> None:
    model = ARDTLanguageModel(tokenizer=kind, max_bytes=2000).fit([text])
    assert abs(model.next_proba("").sum() - 1) < 1e-9
    assert model.size_bytes <= 2000


def test_stopped_at_any_time() -> None:
    texts = stories(40)
    model = ARDTLanguageModel(tokenizer="word", max_bytes=2000)
    for polls in (0, 1, 40, 150):
        with pytest.warns(SearchLimitWarning, match="what was grown until then"):
            model._set_stop(polls).fit(texts)
        assert model.status_ == "time_limit"
        assert model.size_bytes <= 2000
        assert abs(model.next_proba("Mia").sum() - 1) < 1e-9


def test_the_same_for_any_number_of_threads() -> None:
    texts = stories(40)
    one, several = (
        ARDTLanguageModel(tokenizer="word", max_bytes=2500, n_jobs=n).fit(texts) for n in (1, 2)
    )
    assert one.log_prob(texts).tolist() == several.log_prob(texts).tolist()


@pytest.mark.parametrize("kind", ["bpe", "word", "char"])
def test_renumbered_tokens_are_the_same(kind: Any) -> None:
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    texts = [*stories(30), "Zoë\t🌳"]
    plain = learn_tokenizer(kind, texts, 320)
    other, encoded = by_frequency(plain, texts)
    assert sorted(other.pieces) == sorted(plain.pieces)
    for text, tokens in zip([*texts, "new ÿ 東"], [*encoded, None], strict=True):
        found = other.encode([text])[0]
        assert other.decode(found) == text
        if tokens is not None:
            assert found.tolist() == tokens.tolist()
