"""Continuations of a tree and an n-gram: python -m benchmarks.language_samples FOLDER.

Prompts are the first four words of the first fifty texts of ``dev.txt``. What is copied is the
longest run of tokens of a continuation that stands in the training texts; what is repeated is the
share of its runs of four tokens that came before in it.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.language import texts_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "language_samples.md"
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
    models: dict[str, Any] = {
        "tree and document part": ARDTLanguageModel().fit(train),
        "KN-5": ARDTLanguageModel(max_leaf_nodes=1, ngram=5, adapt=False).fit(train),
    }
    lines, figures = [], []
    drawn: dict[str, list[str]] = {}
    for name, model in models.items():
        tokenizer = model._fitted().tokenizer
        copied = Copied(tokenizer.encode(train))
        drawn[name] = [
            model.generate(p, max_tokens=_TOKENS, top_p=_TOP_P, random_state=i)
            for i, p in enumerate(prompts)
        ]
        spans, shares = [], []
        for text in drawn[name]:
            tokens = tokenizer.encode([text])[0]
            spans.append(copied.longest(tokens))
            shares.append(repeated(tokens))
        figures.append(
            f"| {name} | {statistics.median(spans):.0f} | {max(spans)} | "
            f"{100 * statistics.mean(shares):.1f} % |"
        )
    for i, prompt in enumerate(prompts):
        lines.append(f"{i + 1}. **{prompt}**\n")
        lines += [f"    - {name}:{_plain(texts[i])}" for name, texts in drawn.items()]
    head, tail = PAGE.read_text().split("<!-- samples -->\n")[0], "\n".join(lines)
    table = "| model | copied, median | copied, most | repeated |\n| --- | ---: | ---: | ---: |\n"
    PAGE.write_text(f"{head}<!-- samples -->\n{table}" + "\n".join(figures) + f"\n\n{tail}\n")


def _plain(text: str) -> str:
    """On one line, without marks that the page would read."""
    return text.replace("\n", " ").replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")


if __name__ == "__main__":
    main()
