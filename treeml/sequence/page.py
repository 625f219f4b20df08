"""A text on one page that loads nothing: coloured by surprise, a rule behind every token."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import math
from typing import Any

import numpy as np

from treeml.report import page
from treeml.sequence.explain import Explanation, explain_next
from treeml.sequence.language import Language
from treeml.sequence.tokens import END

__all__ = ["surprise_page"]

_MOST_TOKENS, _TOP, _BRIGHTEST = 2000, 5, 12.0


def surprise_page(language: Language, text: str, title: str) -> str:
    """The page as html.

    Raises
    ------
    ValueError
        Where the text has more than 2,000 tokens: pages of a longer one would be of no use.
    """
    tokens = language.tokenizer.encode([text])[0]
    if len(tokens) > _MOST_TOKENS:
        raise ValueError(
            f"the text has {len(tokens)} tokens, and a page holds {_MOST_TOKENS}: give a part of it"
        )
    strings: dict[str, int] = {}

    def number(string: str) -> int:
        return strings.setdefault(string, len(strings))

    names = language.tokenizer.names()
    reader = language.reader(tokens[:0])
    codes = language.codes([tokens])
    cells = []
    for at, token in enumerate([*tokens.tolist(), END]):
        p = reader.next()
        found = explain_next(language, reader, p, "", token, 2)
        top = np.argsort(-p, kind="stable")[:_TOP].tolist()
        cells.append(
            {
                "t": names[token],
                "p": _rounded(found.probability),
                "top": [[number(names[t]), _rounded(float(p[t]))] for t in top],
                "experts": _experts(found, number),
                "boosts": [[number(why), _rounded(factor)] for why, factor in found.boosts],
                "seen": [number(sentence) for sentence in found.sentences],
            }
        )
        reader.push(tokens[at : at + 1])
        if codes is not None and at < len(tokens):
            reader.set_codes(codes[at + 1])
    bits = [-math.log2(cell["p"]) for cell in cells]
    n_bytes = len(text.encode()) + 1
    folder = importlib.resources.files("treeml.sequence")
    script = folder.joinpath("page.js").read_text("utf-8")
    data = {"strings": list(strings), "tokens": cells}
    return page(
        title,
        template="page_of_text.html.j2",
        package="treeml.sequence",
        kicker="treeml language model",
        subtitle=f"{sum(bits) / n_bytes:.3f} bits per byte, {len(cells)} tokens with the end",
        style=folder.joinpath("page.css").read_text("utf-8"),
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        cells=[
            {
                "text": "end" if at == len(tokens) else names[token],
                "end": at == len(tokens),
                "shade": round(100 * min(b / _BRIGHTEST, 1.0)),
                "bits": f"{b:.1f}",
            }
            for at, (token, b) in enumerate(zip([*tokens.tolist(), END], bits, strict=True))
        ],
    )


def _experts(found: Explanation, number: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": number(expert.name),
            "alone": _rounded(expert.probability),
            "share": _rounded(expert.share),
            "nodes": [
                [
                    number(node.test),
                    node.n_rows,
                    _rounded(node.count),
                    _rounded(node.share),
                    [[number(name), _rounded(share)] for name, share in node.top],
                ]
                for node in expert.nodes
            ],
        }
        for expert in found.experts
    ]


def _rounded(x: float) -> float:
    return float(f"{x:.4g}")
