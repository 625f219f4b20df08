"""Columns from outside: encoders that say in a code what was read so far.

An encoder may be anything that reads: clusters of topics, parts of speech, who speaks, what a first
line says of all that follows. Its code before a token must not depend on that token or later
ones, which a fit tries on beginnings of some texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from treeml.ir.sequence import EncoderColumn

__all__ = ["CodeReader", "SequenceEncoder", "check_causal", "codes_of", "column_of", "named"]

_TEXTS, _CUTS = 8, 4  # how many are tried
_MOST_CODES = 65535


@runtime_checkable
class SequenceEncoder(Protocol):
    """What `ARDTLanguageModel` asks of an encoder.

    It may have two things more. ``code_names``, a sequence of ``n_codes`` strings, gives codes
    names in rules. ``begin()`` returns an object that reads a text as it grows, whose
    ``push(token)`` gives the code behind one more token; without it, `generate` asks for the codes
    of the whole text again after every token.

    Attributes
    ----------
    name : str
        Letters, digits, ``_``, ``-`` and ``.``; in rules.
    n_codes : int
        Codes are 0 to ``n_codes - 1``.
    ordered : bool
        Whether near codes mean like things. If not, a fit puts them into an order of its own, by
        the tokens that follow.
    """

    name: str
    n_codes: int
    ordered: bool

    def codes(self, tokens: Sequence[str]) -> np.ndarray:
        """The code before each token of a text and at its end.

        Parameters
        ----------
        tokens : sequence of str
            A text, or the beginning of one, as tokens are shown in ``tokens_``.

        Returns
        -------
        ndarray of shape (n_tokens + 1,), int
            Code i may depend on ``tokens[:i]`` only.
        """
        ...


def named(encoders: Sequence[Any] | None) -> tuple[SequenceEncoder, ...]:
    """Encoders that have what the protocol asks; errors name the one that has not."""
    out: list[Any] = [] if encoders is None else list(encoders)
    for number, encoder in enumerate(out):
        for attribute in ("name", "n_codes", "ordered", "codes"):
            if not hasattr(encoder, attribute):
                raise ValueError(
                    f"encoder {number} ({type(encoder).__name__}) has no {attribute!r}: see "
                    "SequenceEncoder"
                )
        name = encoder.name
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
            raise ValueError(
                f"encoder {number}: the name {name!r} is not made of letters, digits, '_', '-', '.'"
            )
        if not 1 <= encoder.n_codes <= _MOST_CODES:
            raise ValueError(
                f"encoder {name!r}: n_codes={encoder.n_codes} is not one of 1 to {_MOST_CODES}"
            )
        labels = getattr(encoder, "code_names", None)
        if labels is not None and len(labels) != encoder.n_codes:
            raise ValueError(
                f"encoder {name!r}: {len(labels)} code_names for n_codes={encoder.n_codes}"
            )
    names = [encoder.name for encoder in out]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two encoders are called {twice[0]!r}: names tell them apart")
    return tuple(out)


def codes_of(
    encoder: SequenceEncoder, texts: Sequence[Sequence[str]], what: str = "text"
) -> np.ndarray:
    """Codes of all positions of texts, one after another, int64; errors name text and place."""
    parts = [np.empty(0, dtype=np.int64)]
    for number, tokens in enumerate(texts):
        codes = np.asarray(encoder.codes(tokens))
        if codes.shape != (len(tokens) + 1,) or codes.dtype.kind not in "iub":
            raise ValueError(
                f"encoder {encoder.name!r}: codes of {what} {number}, which has {len(tokens)} "
                f"tokens, must be {len(tokens) + 1} whole numbers, but have shape {codes.shape} "
                f"and dtype {codes.dtype}"
            )
        wrong = np.flatnonzero((codes < 0) | (codes >= encoder.n_codes))
        if len(wrong):
            at = int(wrong[0])
            raise ValueError(
                f"encoder {encoder.name!r}: code {codes[at]} at place {at} of {what} {number} is "
                f"not one of 0 to {encoder.n_codes - 1}"
            )
        parts.append(codes.astype(np.int64))
    return np.concatenate(parts)


def check_causal(encoder: SequenceEncoder, texts: Sequence[Sequence[str]]) -> None:
    """Later tokens, or that there are some, must not change a code; tried on some texts.

    Raises
    ------
    ValueError
        Where one does.
    """
    sample = [texts[i] for i in range(0, len(texts), max(len(texts) // _TEXTS, 1))][:_TEXTS]
    numbers = list(range(0, len(texts), max(len(texts) // _TEXTS, 1)))[:_TEXTS]
    for number, tokens in zip(numbers, sample, strict=True):
        whole = codes_of(encoder, [tokens])
        for part in range(_CUTS):
            cut = len(tokens) * part // _CUTS
            for after in ([], list(tokens[cut:])[::-1]):
                other = codes_of(encoder, [[*tokens[:cut], *after]], "the beginning of text")
                wrong = np.flatnonzero(other[: cut + 1] != whole[: cut + 1])
                if len(wrong):
                    at = int(wrong[0])
                    raise ValueError(
                        f"encoder {encoder.name!r} looks ahead: the code at place {at} of text "
                        f"{number} is {whole[at]}, but {other[at]} where the text is another from "
                        f"token {cut} on; codes[i] may depend on tokens[:i] only"
                    )


def column_of(
    encoder: SequenceEncoder, codes: np.ndarray, next_tokens: np.ndarray, n_tokens: int, seed: int
) -> EncoderColumn:
    """The encoder as data, its codes in the order in which thresholds will ask for them."""
    from treeml.sequence.orders import order_codes

    n = int(encoder.n_codes)
    ranks = np.arange(n, dtype=np.uint16)
    if not encoder.ordered and n > 2:
        ranks = order_codes(codes, n, next_tokens, n_tokens, seed)
    labels = getattr(encoder, "code_names", None)
    return EncoderColumn(
        encoder.name,
        bool(encoder.ordered),
        ranks,
        None if labels is None else tuple(map(str, labels)),
    )


class CodeReader:
    """Ranks of all encoders at the end of a text that grows."""

    def __init__(
        self,
        encoders: Sequence[SequenceEncoder],
        columns: Sequence[EncoderColumn],
        tokens: Sequence[str],
    ) -> None:
        self._encoders, self._columns, self._tokens = encoders, columns, list(tokens)
        self._readers: list[Any] = [
            getattr(encoder, "begin", lambda: None)() for encoder in encoders
        ]
        self._codes = [self._last(encoder, self._tokens) for encoder in encoders]
        for reader in self._readers:
            if reader is not None:
                for token in self._tokens:
                    reader.push(token)

    @property
    def ranks(self) -> np.ndarray:
        """Of each encoder, for the next token, uint16."""
        pairs = zip(self._columns, self._codes, strict=True)
        return np.array([column.ranks[code] for column, code in pairs], dtype=np.uint16)

    def push(self, token: str) -> None:
        """One more token."""
        self._tokens.append(token)
        for number, (encoder, reader) in enumerate(zip(self._encoders, self._readers, strict=True)):
            if reader is None:
                self._codes[number] = self._last(encoder, self._tokens)
                continue
            code = int(reader.push(token))
            if not 0 <= code < encoder.n_codes:
                raise ValueError(
                    f"encoder {encoder.name!r}: push gave code {code}, which is not one of 0 to "
                    f"{encoder.n_codes - 1}"
                )
            self._codes[number] = code

    @staticmethod
    def _last(encoder: SequenceEncoder, tokens: list[str]) -> int:
        return int(codes_of(encoder, [tokens])[-1])
