from __future__ import annotations

import math
import pickle
import random
from typing import Any

import numpy as np
import pytest

import treeml
from tests.sequence.stories import stories
from treeml import ARDTLanguageModel, SearchLimitWarning

VARIANTS: dict[str, dict[str, Any]] = {
    "tree": {"adapt": False},
    "readable": {"adapt": False, "max_leaf_nodes": 30},
    "adapting": {},
    "forest": {"n_estimators": 3, "ngram": 3},
    "char": {"tokenizer": "char"},
}


@pytest.fixture(scope="module")
def models() -> dict[str, ARDTLanguageModel]:
    texts = stories(150)
    common = {"tokenizer": "word", "vocab_size": 300}
    return {name: ARDTLanguageModel(**common | kw).fit(texts) for name, kw in VARIANTS.items()}


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest, models: dict[str, ARDTLanguageModel]) -> Any:
    return models[request.param]


def tokens_of(model: ARDTLanguageModel, text: str) -> list[int]:
    return model._fitted().tokenizer.encode([text])[0].tolist()


def test_probabilities_sum_to_one(model: ARDTLanguageModel) -> None:
    rng = np.random.default_rng(0)
    for length in (0, 1, 5, 60):
        prompt = rng.integers(1, len(model.tokens_), length)
        p = model.next_proba(prompt)
        assert p.shape == (len(model.tokens_),)
        assert (p > 0).all()
        assert abs(p.sum() - 1) < 1e-9


def test_log_prob_is_the_product(model: ARDTLanguageModel) -> None:
    for text in (stories(1, seed=5)[0], "Zoë?! 🌳"):
        tokens = tokens_of(model, text)
        log = [math.log(model.next_proba(tokens[:i])[t]) for i, t in enumerate([*tokens, 0])]
        assert model.log_prob([text])[0] == pytest.approx(math.fsum(log), rel=1e-9)
        bits = [b for _, b in model.surprise(text)]
        np.testing.assert_allclose(bits, -np.array(log) / math.log(2), rtol=1e-9, atol=1e-12)


def test_what_follows_changes_nothing_before(model: ARDTLanguageModel) -> None:
    rng = np.random.default_rng(1)
    language = model._fitted()
    tokens = np.array(tokens_of(model, " ".join(stories(2, seed=6))), dtype=np.uint16)
    known = language.score([tokens])
    for _ in range(5):
        cut = int(rng.integers(1, len(tokens)))
        other = tokens.copy()
        other[cut:] = rng.integers(1, len(model.tokens_), len(tokens) - cut)
        assert language.score([other])[:cut].tolist() == known[:cut].tolist()


def test_texts_do_not_see_each_other(model: ARDTLanguageModel) -> None:
    texts = stories(4, seed=7)
    alone = [model.log_prob([text])[0] for text in texts]
    assert model.log_prob(texts).tolist() == alone


def test_bits_per_byte(model: ARDTLanguageModel) -> None:
    texts = ["Mia had a boat.", "", "Zoë!"]
    n_bytes = sum(len(t.encode()) + 1 for t in texts if t)
    bits = -model.log_prob([t for t in texts if t]).sum() / math.log(2)
    assert model.bits_per_byte(texts) == pytest.approx(bits / n_bytes, rel=1e-12)


def test_shares_sum_to_the_probability(model: ARDTLanguageModel) -> None:
    for prompt, token in [
        ("Once there was a", " dog"),
        ("", "Once"),
        ("Mia was", None),
        ("🌳", ""),
    ]:
        found = model.explain(prompt, token)
        before = tokens_of(model, prompt)
        number = model.tokens_.index(found.token)
        assert found.probability == pytest.approx(model.next_proba(before)[number], rel=1e-12)
        assert sum(e.share for e in found.experts) == pytest.approx(found.probability, rel=1e-9)
        for expert in found.experts:
            if expert.nodes:
                shares = math.fsum(node.share for node in expert.nodes)
                assert shares == pytest.approx(expert.share, rel=1e-9)
                assert all(node.share >= -1e-15 for node in expert.nodes)
        product = math.prod(e.factor for e in found.experts) / found.normaliser
        product *= math.prod(factor for _, factor in found.boosts)
        assert product == pytest.approx(found.probability, rel=1e-4)  # single precision
        assert repr(found.token) in found.text


def test_nodes_of_one_tree_give_its_probability(models: dict[str, ARDTLanguageModel]) -> None:
    """Without a mixture nothing is divided: shares are what the formula adds up."""
    for name in ("tree", "readable"):
        found = models[name].explain("Once there was a", " cat")
        (expert,) = found.experts
        assert expert.weight == 1.0
        assert math.fsum(n.share for n in expert.nodes) == pytest.approx(found.probability)
        assert expert.nodes[0].share > 0
        assert 1 <= len(found.sentences) <= 3


def test_generate(model: ARDTLanguageModel) -> None:
    one = model.generate("Once there was", random_state=3)
    assert one == model.generate("Once there was", random_state=3)
    assert {model.generate("", random_state=i, max_tokens=30) for i in range(5)} != {one}
    assert model.generate("x", max_tokens=0) == ""
    likeliest = model.generate("Once there", temperature=0, max_tokens=1)
    assert likeliest == (" " if model.tokenizer == "char" else " was")
    assert model.generate("Once there", top_p=1e-9, max_tokens=1) == likeliest


def test_draws_have_the_probabilities(models: dict[str, ARDTLanguageModel]) -> None:
    model = models["tree"]
    prompt = "Mia had a"
    p = model.next_proba(prompt)
    found = [model.generate(prompt, max_tokens=1, random_state=i) for i in range(2000)]
    for token in np.argsort(p)[-5:]:
        share = np.mean([text == model.tokens_[token] for text in found])
        assert abs(share - p[token]) < 5 * math.sqrt(p[token] / 2000)
    nucleus = {model.generate(prompt, max_tokens=1, top_p=0.5, random_state=i) for i in range(200)}
    order = np.argsort(-p)
    most = int(np.searchsorted(np.cumsum(p[order]), 0.5)) + 1
    assert nucleus <= {model.tokens_[token] for token in order[:most]}


def test_unseen_prompts_and_line_ends(model: ARDTLanguageModel) -> None:
    for prompt in ("東京", "\r\n\r", "\x00", "ÿ" * 200):
        assert abs(model.next_proba(prompt).sum() - 1) < 1e-9
        assert isinstance(model.generate(prompt, max_tokens=5), str)
        assert np.isfinite(model.log_prob([prompt])[0])
    assert model.log_prob(["a\r\nb"])[0] != model.log_prob(["a\nb"])[0]


def test_a_text_longer_than_the_context(model: ARDTLanguageModel) -> None:
    text = " ".join(stories(60, seed=8))
    assert 0 < model.bits_per_byte([text]) < 4


def test_saved_and_loaded(model: ARDTLanguageModel, tmp_path: Any) -> None:
    model.save(tmp_path / "model.json")
    texts = stories(3, seed=9)
    for other in (treeml.load(tmp_path / "model.json"), pickle.loads(pickle.dumps(model))):
        assert isinstance(other, ARDTLanguageModel)
        assert other.get_params() == model.get_params()
        assert other.log_prob(texts).tolist() == model.log_prob(texts).tolist()
        assert other.explain("Mia", " had") == model.explain("Mia", " had")
        assert other.to_json() == model.to_json()
    assert 0 < model.size_bytes < len(model.to_json())


def test_rules(models: dict[str, ARDTLanguageModel]) -> None:
    model = models["readable"]
    rules = model.to_rules().splitlines()
    assert len(rules) == model.n_leaves_[0] <= 30
    assert all(rule.startswith("if ") for rule in rules)
    assert sum(int(r.rsplit("(", 1)[1].split()[0]) for r in rules) == len(
        model._fitted().train.positions
    )
    assert len(model.to_rules(max_rules=2).splitlines()) == 3
    with pytest.raises(ValueError, match="tree 1 is not one of"):
        model.to_rules(tree=1)


def test_learns_more_than_frequencies(models: dict[str, ARDTLanguageModel]) -> None:
    fresh = stories(30, seed=11)
    bits = {name: model.bits_per_byte(fresh) for name, model in models.items()}
    assert bits["tree"] < 0.6
    assert bits["adapting"] < bits["tree"]  # the same name, thing and animal come again
    assert bits["tree"] < bits["readable"] < 1.5


@pytest.mark.parametrize("jobs", [2, -1])
def test_the_same_for_any_number_of_threads(jobs: int) -> None:
    texts = stories(40)
    one, several = (
        ARDTLanguageModel(tokenizer="word", vocab_size=300, n_jobs=n).fit(texts) for n in (1, jobs)
    )
    assert one.log_prob(texts).tolist() == several.log_prob(texts).tolist()
    assert one.model_.to_dict() == several.model_.to_dict()


def test_random_state() -> None:
    texts = stories(40)

    def fit(seed: int | None) -> float:
        model = ARDTLanguageModel(
            tokenizer="word", vocab_size=300, n_estimators=6, adapt=False, random_state=seed
        )
        return model.fit(texts).log_prob(texts[:1])[0]

    assert fit(1) == fit(1)
    assert fit(1) != fit(2)
    assert np.isfinite(fit(None))


@pytest.mark.parametrize("text", ["a", "Hello.", "ab" * 30, "🌳"])
@pytest.mark.parametrize("kind", ["word", "char"])
@pytest.mark.parametrize("leaves", [None, 4])
def test_one_text(text: str, kind: Any, leaves: int | None) -> None:
    model = ARDTLanguageModel(tokenizer=kind, max_leaf_nodes=leaves).fit([text])
    assert abs(model.next_proba("").sum() - 1) < 1e-9
    assert model.bits_per_byte([text]) < 8
    assert model.explain("", text).experts


def test_one_long_text_has_a_fold_too() -> None:
    text = " ".join(stories(80))
    model = ARDTLanguageModel(tokenizer="word", vocab_size=300).fit([text])
    fixed = ARDTLanguageModel(tokenizer="word", vocab_size=300, smoothing="fixed").fit([text])
    fresh = [" ".join(stories(20, seed=3))]
    assert model.bits_per_byte(fresh) < fixed.bits_per_byte(fresh)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "corpus is empty"),
        (["", ""], "corpus is empty"),
        ("one text", "put a single one in a list"),
        (["a", 3], "text 1 is no str but int"),
        (["ok", "bad \ud800"], "text 1 has a lone surrogate at 4"),
    ],
)
def test_bad_texts(texts: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ARDTLanguageModel(tokenizer="word").fit(texts)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("tokenizer", "letters"),
        ("vocab_size", 256),
        ("vocab_size", 70000),
        ("context", 0),
        ("max_leaf_nodes", 0),
        ("n_estimators", 0),
        ("ngram", 6),
        ("smoothing", "none"),
        ("time_limit", -1),
    ],
)
def test_bad_parameters(parameter: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of ARDTLanguageModel"):
        ARDTLanguageModel(**{"tokenizer": "word", parameter: value}).fit(["text"])


def test_bad_prompts(models: dict[str, ARDTLanguageModel]) -> None:
    model = models["tree"]
    for prompt in ([0], [len(model.tokens_)], [-1]):
        with pytest.raises(ValueError, match="tokens of a prompt are 1 to"):
            model.next_proba(prompt)
    with pytest.raises(ValueError, match="a text or a sequence of whole numbers"):
        model.next_proba([0.5])
    with pytest.raises(ValueError, match="token 99999 is not one of"):
        model.explain("Mia", 99999)
    with pytest.raises(ValueError, match="'top_p' parameter"):
        model.generate("Mia", top_p=0)
    with pytest.raises(ValueError, match="no texts to score"):
        model.bits_per_byte([""])
    with pytest.raises(ValueError, match="not fitted"):
        ARDTLanguageModel().next_proba("a")
    assert model.log_prob([]).shape == (0,)


@pytest.mark.parametrize(("leaves", "most"), [(None, 500), (200, 500)])
def test_stopped_at_any_time(leaves: int | None, most: int) -> None:
    texts = stories(40)
    model = ARDTLanguageModel(
        tokenizer="word", vocab_size=300, n_estimators=2, max_leaf_nodes=leaves
    )
    whole = model.fit(texts).bits_per_byte(texts)
    rng = random.Random(0)
    for polls in [0, 1, 2, *(rng.randrange(3, most) for _ in range(5))]:
        with pytest.warns(SearchLimitWarning, match="what was grown until then"):
            model._set_stop(polls).fit(texts)
        assert model.status_ == "time_limit"
        assert abs(model.next_proba("Mia").sum() - 1) < 1e-9
        assert whole / 2 < model.bits_per_byte(texts) < 9
    assert model._set_stop(10**9).fit(texts).bits_per_byte(texts) == whole
    assert model.status_ == "optimal"


def test_bpe() -> None:
    pytest.importorskip("tokenizers")
    model = ARDTLanguageModel(vocab_size=400, adapt=False).fit(stories(100))
    assert model.bits_per_byte(stories(20, seed=12)) < 0.6
    assert len(model.tokens_) <= 400


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    ARDTLanguageModel(tokenizer="word", verbose=1).fit(stories(40))
    assert "tokens of" in capsys.readouterr().err
