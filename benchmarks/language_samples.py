"""Continuations of trees and their peers: python -m benchmarks.language_samples FOLDER.

The transformer is the one that ``python -m benchmarks language`` learnt last. Prompts are the first
four words of the first fifty texts of ``dev.txt``. What is copied is the longest run of tokens of a
continuation that stands in the training texts; what is repeated is the share of its runs of four
tokens that came before in it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.language import MODELS, PACKAGES, texts_of
from benchmarks.runs import python_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "language_samples.md"
_TRANSFORMER = "transformer, 30 CPU minutes"
_PROMPTS, _TOKENS, _TOP_P, _RUN = 50, 60, 0.9, 4


class Copied:
    """Longest runs that training has too."""

    def __init__(self, texts: list[np.ndarray]) -> None:
        self.text = b"\x00\x00".join(t.astype("<u2").tobytes() for t in texts)

    def longest(self, tokens: np.ndarray) -> int:
        """Length in tokens; the run lies within one text, since ends are tokens of their own."""
        best = 0
        for begin in range(len(tokens)):
            while begin + best < len(tokens) and self._has(tokens[begin : begin + best + 1]):
                best += 1
        return best

    def _has(self, run: np.ndarray) -> bool:
        wanted, at = run.astype("<u2").tobytes(), -1
        while (at := self.text.find(wanted, at + 1)) >= 0:
            if at % 2 == 0:
                return True
        return False


def repeated(tokens: np.ndarray) -> float:
    runs = [tuple(tokens[i : i + _RUN].tolist()) for i in range(len(tokens) - _RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def main() -> None:
    from treeml import ARDTLanguageModel

    folder = Path(sys.argv[1])
    train, dev = (texts_of(folder / f"{part}.txt", "line") for part in ("train", "dev"))
    prompts = [" ".join(text.split(" ")[:4]) for text in dev[:_PROMPTS]]
    tree = ARDTLanguageModel().fit(train)
    tokenizer = tree._fitted().tokenizer
    ngram = ARDTLanguageModel(max_leaf_nodes=1, ngram=5, adapt=False).fit(train)
    drawn = {
        "tree and document part": _by_trees(tree, prompts),
        "KN-5": _by_trees(ngram, prompts),
        _TRANSFORMER: _by_transformer(folder.name, tokenizer, prompts),
    }
    copied = Copied(tokenizer.encode(train))
    lines, figures = [], []
    for name, texts in drawn.items():
        encoded = tokenizer.encode(texts)
        spans = [copied.longest(tokens) for tokens in encoded]
        figures.append(
            f"| {name} | {statistics.median(spans):.0f} | {max(spans)} | "
            f"{100 * statistics.mean(map(repeated, encoded)):.1f} % |"
        )
    for i, prompt in enumerate(prompts):
        lines.append(f"{i + 1}. **{prompt}**\n")
        lines += [f"    - {name}:{_plain(texts[i])}" for name, texts in drawn.items()]
    head, tail = PAGE.read_text().split("<!-- samples -->\n")[0], "\n".join(lines)
    table = "| model | copied, median | copied, most | repeated |\n| --- | ---: | ---: | ---: |\n"
    PAGE.write_text(f"{head}<!-- samples -->\n{table}" + "\n".join(figures) + f"\n\n{tail}\n")


def _by_trees(model: Any, prompts: list[str]) -> list[str]:
    return [
        model.generate(p, max_tokens=_TOKENS, top_p=_TOP_P, random_state=i)
        for i, p in enumerate(prompts)
    ]


def _by_transformer(corpus: str, tokenizer: Any, prompts: list[str]) -> list[str]:
    """Drawn with the same numbers, in the environment that has torch."""
    request = {
        "model": f"{corpus}_{MODELS[_TRANSFORMER].minutes:g}.pt",
        "pairs": [
            [tokens.tolist(), np.random.default_rng(i).uniform(size=_TOKENS).tolist()]
            for i, tokens in enumerate(tokenizer.encode(prompts))
        ],
        "top_p": _TOP_P,
    }
    command = [python_of("transformer", PACKAGES["transformer"]), "-m", "benchmarks.transformer"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(request), stdout=subprocess.PIPE, text=True, check=True
    )
    return [tokenizer.decode(tokens) for tokens in json.loads(done.stdout)]


def _plain(text: str) -> str:
    """On one line, without marks that the page would read."""
    return text.replace("\n", " ").replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")


if __name__ == "__main__":
    main()
