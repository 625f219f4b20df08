"""Language models of trees on texts: bits per byte, CPU, size and speed, beside their peers.

A folder has ``train.txt`` and ``dev.txt``; a text is a line, or the whole file. Bits of all texts
with one end symbol each are divided by their UTF-8 bytes + 1 each. CPU is that of `fit` in a fresh
process, tokenizer and learned orders apart; n-gram and transformer have the same tokens.

Run as a worker: python -m benchmarks.language FOLDER TASK-AS-JSON.
"""

from __future__ import annotations

import dataclasses
import json
import math
import resource
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True, slots=True)
class LanguageTask:
    """Parameters of the model; or the n-gram alone where ``order`` is given; or PPMd; or the
    transformer where ``minutes`` of CPU are given."""

    parameters: dict[str, Any]
    order: int | None = None
    ppmd: int | None = None
    minutes: float | None = None
    by: str = "line"
    suffixes_only: bool = False  # an n-gram tree: no thresholds above
    time_limit: float = 600.0


_SIZES = (50, 100, 250, 500, 1000)
_BYTES = {"25 KB": 25_000, "100 KB": 100_000, "1 MB": 1_000_000}

# By what stands before a comma. The transformer's process makes the tokens too, so it needs what
# treeml needs.
_NEEDS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = {
    "PPMd": ("pyppmd==1.3.1",),
    "transformer": ("torch==2.14.1", "tokenizers==0.23.3", *_NEEDS["dependencies"]),
}

MODELS: dict[str, LanguageTask] = {
    "PPMd, order 12": LanguageTask({}, ppmd=12),
    "KN-5": LanguageTask({"adapt": False}, order=5),
    "KN-5 and document part": LanguageTask({"max_leaf_nodes": 1, "ngram": 5}),
    **{
        f"readable tree of {n} leaves": LanguageTask({"max_leaf_nodes": n, "adapt": False})
        for n in _SIZES
    },
    **{
        f"n-gram tree in {size}": LanguageTask({"max_bytes": n, "adapt": False}, suffixes_only=True)
        for size, n in _BYTES.items()
    },
    **{
        f"tree in {size}": LanguageTask({"max_bytes": n, "adapt": False})
        for size, n in _BYTES.items()
    },
    **{
        f"tree and document part in {size}": LanguageTask({"max_bytes": n})
        for size, n in _BYTES.items()
    },
    "tree": LanguageTask({"adapt": False}),
    "tree and document part": LanguageTask({}),
    "tree, document part and KN-5": LanguageTask({"ngram": 5}),
    "forest of 6": LanguageTask({"n_estimators": 6, "adapt": False}),
    "forest of 6 and document part": LanguageTask({"n_estimators": 6}),
    "forest of 6, document part and KN-5": LanguageTask({"n_estimators": 6, "ngram": 5}),
    "transformer, 40 CPU seconds": LanguageTask({}, minutes=2 / 3),
    "transformer, 4 CPU minutes": LanguageTask({}, minutes=4.0),
    "transformer, 30 CPU minutes": LanguageTask({}, minutes=30.0, time_limit=3600.0),
}
# Those that every corpus but the first gets.
_LARGEST = "forest of 6, document part and KN-5"
_ONCE = ("leaves", "forest", " in ", "transformer")
SHORT = (*(n for n in MODELS if not any(word in n for word in _ONCE)), _LARGEST)


def texts_of(file: Path, by: str) -> list[str]:
    text = file.read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line] if by == "line" else [text]


def _timed(make: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return make(), time.process_time() - start


def _ngram(train: list[str], dev: list[str], order: int) -> dict[str, Any]:
    import numpy as np

    from treeml._ext import sequence as native
    from treeml.sequence import learn_tokenizer
    from treeml.sequence.language import as_lists

    tokenizer, first = _timed(lambda: learn_tokenizer("bpe", train, 2048))
    encoded, more = _timed(lambda: tokenizer.encode(train))
    traits = np.stack([tokenizer.flags(), np.zeros(len(tokenizer), dtype=np.uint8)])
    texts = native.Texts(traits, *as_lists(encoded), 12)
    ngram, cpu = _timed(lambda: native.NGram(texts, texts.positions, order))
    fresh = native.Texts(traits, *as_lists(tokenizer.encode(dev)), 12)
    p, score = _timed(lambda: ngram.probabilities(fresh, fresh.positions))
    return {
        "bits": -float(np.log2(p).sum()),
        "cpu": cpu,
        "apart": first + more,
        "tokens_a_second": len(p) / max(score, 1e-9),
        "leaves": ngram.n_grams,
    }


def _small(train: list[str], dev: list[str], task: LanguageTask) -> dict[str, Any]:
    """Of a size in bytes, which has its own search for tokens and orders: CPU is that of all."""
    from unittest.mock import patch

    from treeml import ARDTLanguageModel
    from treeml.estimators import autoregressive
    from treeml.sequence.recipe import SINGLE

    recipes = autoregressive.recipes_for
    if task.suffixes_only:
        recipe = dataclasses.replace(SINGLE, orders=("next",), rows_to_cut=2**31 - 1)
        recipes = lambda *_: (recipe,)  # noqa: E731
    with patch.object(autoregressive, "recipes_for", recipes):
        model, cpu = _timed(lambda: ARDTLanguageModel(**task.parameters).fit(train))
    return _scored(model, dev) | {"cpu": cpu}


def _trees(train: list[str], dev: list[str], parameters: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from treeml import ARDTLanguageModel
    from treeml.sequence import learn_orders, learn_tokenizer
    from treeml.sequence.tokens import END

    tokenizer, apart = _timed(lambda: learn_tokenizer("bpe", train, 2048))
    encoded, more = _timed(lambda: tokenizer.encode(train))
    ended = np.concatenate([np.append(text, END) for text in encoded]).astype(np.int64)
    model, whole = _timed(lambda: ARDTLanguageModel(**parameters).fit(train))
    names = model.model_.order_names
    _, orders = _timed(lambda: learn_orders(ended, len(tokenizer), (*names, "both")))
    return _scored(model, dev) | {
        "cpu": whole - apart - more - orders,
        "apart": apart + more + orders,
    }


def _scored(model: Any, dev: list[str]) -> dict[str, Any]:
    encode = model._fitted().tokenizer.encode
    log, score = _timed(lambda: model._fitted().score(encode(dev)))
    drawn, draw = _timed(lambda: [model.generate("Once", random_state=i) for i in range(20)])
    n_drawn = sum(len(text) + 1 for text in encode(drawn))
    return {
        "bits": -float(log.sum()) / math.log(2),
        "tokens_a_second": len(log) / score,
        "drawn_a_second": n_drawn / draw,
        "leaves": sum(model.n_leaves_),
        "bytes": model.size_bytes,
    }


def _ppmd(train: list[str], dev: list[str], order: int) -> dict[str, Any]:
    """What the second part adds to the first when both are compressed together."""
    import pyppmd

    def size(texts: list[str]) -> int:
        encoder = pyppmd.Ppmd7Encoder(order, 1 << 30)
        return len(encoder.encode("".join(f"{t}\n" for t in texts).encode()) + encoder.flush())

    n_bytes, cpu = _timed(lambda: size(train + dev) - size(train))
    return {"bits": 8.0 * n_bytes, "cpu": cpu}


def _transformer(folder: Path, train: list[str], dev: list[str], minutes: float) -> dict[str, Any]:
    from benchmarks.transformer import learnt
    from treeml.sequence import learn_tokenizer

    tokenizer, first = _timed(lambda: learn_tokenizer("bpe", train, 2048))
    encoded, more = _timed(lambda: tokenizer.encode(train))
    out = learnt(folder.name, encoded, tokenizer.encode(dev), n_bytes(dev), minutes)
    return out | {"apart": first + more}


def n_bytes(texts: list[str]) -> int:
    """Of UTF-8, and one more for the end of each text."""
    return sum(len(text.encode()) + 1 for text in texts)


def main() -> None:
    folder, text = sys.argv[1:]
    task = LanguageTask(**json.loads(text))
    train, dev = (texts_of(Path(folder) / f"{part}.txt", task.by) for part in ("train", "dev"))
    if task.ppmd is not None:
        out = _ppmd(train, dev, task.ppmd)
    elif task.minutes is not None:
        out = _transformer(Path(folder), train, dev, task.minutes)
    elif task.order is not None:
        out = _ngram(train, dev, task.order)
    elif "max_bytes" in task.parameters:
        out = _small(train, dev, task)
    else:
        out = _trees(train, dev, task.parameters)
    out["bits_per_byte"] = out.pop("bits") / n_bytes(dev)
    out["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(out))


if __name__ == "__main__":
    main()
