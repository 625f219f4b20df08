"""Texts to tokens and back, without loss: bytes, and pieces of text worth a token of their own."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from treeml.ir.small_sequence import byte_letters

__all__ = ["END", "Kind", "Tokenizer", "learn_tokenizer"]

Kind = Literal["bpe", "char", "word"]
END = 0  # the token that ends every text
_BYTES = 257  # the end and all bytes
_WORDS = re.compile(r" ?\w+| ?[^\w\s]+|\s")
_OPENS, _CLOSES, _ENDS_SENTENCE, _QUOTES = 1, 2, 4, 8


class Tokenizer:
    """Token 0 ends a text, every other one stands for some bytes; all bytes have a token.

    Parameters
    ----------
    kind : {"bpe", "char", "word"}
        Pieces of words (byte pair encoding), characters, or words with the space before them.
    pieces : sequence of bytes
        What each token stands for; empty for token 0.
    merges : sequence of (str, str)
        Of byte pair encoding, in the letters that stand for bytes.
    """

    def __init__(
        self, kind: Kind, pieces: Sequence[bytes], merges: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.kind: Kind = kind
        self.pieces = list(pieces)
        self.merges = [(a, b) for a, b in merges]
        self._byte = np.zeros(256, dtype=np.uint16)
        self._token: dict[str, int] = {}
        for token, piece in enumerate(self.pieces):
            if len(piece) == 1:
                self._byte[piece[0]] = token
            if token and kind != "bpe":
                text = piece.decode("utf-8", errors="replace")
                if text.encode() == piece:
                    self._token[text] = token
        self._bpe = _bpe_model(self.pieces, self.merges) if kind == "bpe" else None

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Tokens of each text, uint16, without the end."""
        texts = list(texts)
        if self._bpe is not None:
            encoded = self._bpe.encode_batch(texts)
            return [np.array(e.ids, dtype=np.uint16) + np.uint16(1) for e in encoded]
        return [self._pieces_of(text) for text in texts]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens; bytes that are no text become the replacement character."""
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", errors="replace")

    def names(self) -> list[str]:
        """Each token as it is shown."""
        return ["<end>", *(piece.decode("utf-8", errors="replace") for piece in self.pieces[1:])]

    def flags(self) -> np.ndarray:
        """What each token says about word, sentence and quotation, uint8."""
        out = np.zeros(len(self), dtype=np.uint8)
        for token, piece in enumerate(self.pieces[1:], start=1):
            text = piece.decode("utf-8", errors="replace")
            opens = len(text) > 1 and text[0] == " "
            quotes = sum(text.count(mark) for mark in '"“”')
            out[token] = (
                _OPENS * opens
                + _CLOSES * text[-1].isspace()
                + _ENDS_SENTENCE * any(mark in text for mark in ".!?")
                + _QUOTES * (quotes % 2)
            )
        return out

    def merged_pieces(self) -> list[tuple[bytes, bytes]]:
        """Merges of byte pair encoding as what they put together."""
        byte = {letter: number for number, letter in byte_letters().items()}
        return [
            (bytes(byte[letter] for letter in a), bytes(byte[letter] for letter in b))
            for a, b in self.merges
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "pieces": [base64.b64encode(piece).decode() for piece in self.pieces],
            "merges": [list(pair) for pair in self.merges],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Tokenizer:
        pieces = [base64.b64decode(piece) for piece in data["pieces"]]
        return cls(data["kind"], pieces, [(a, b) for a, b in data["merges"]])

    def _pieces_of(self, text: str) -> np.ndarray:
        out: list[int] = []
        for piece in text if self.kind == "char" else _WORDS.findall(text):
            token = self._token.get(piece)
            if token is None:
                out.extend(self._byte[byte] for byte in piece.encode())
            else:
                out.append(token)
        return np.array(out, dtype=np.uint16)


def learn_tokenizer(kind: Kind, texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """The tokenizer of at most ``vocab_size`` tokens that the texts suggest.

    Parameters
    ----------
    kind : {"bpe", "char", "word"}
        "bpe" needs the library ``tokenizers`` (extra ``[text]``).
    texts : sequence of str
    vocab_size : int
        At least 257: the end and all bytes. The others are the most frequent ones.

    Raises
    ------
    ImportError
        Where ``kind`` is "bpe" and the library is not installed.
    """
    if kind == "bpe":
        return _learn_bpe(texts, vocab_size)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text if kind == "char" else _WORDS.findall(text))
    several = ((piece, n) for piece, n in counts.items() if len(piece.encode()) > 1)
    ranked = sorted(several, key=lambda item: (-item[1], item[0]))
    pieces = [piece.encode() for piece, n in ranked[: vocab_size - _BYTES] if n > 1]
    return Tokenizer(kind, [b"", *(bytes([byte]) for byte in range(256)), *pieces])


def _learn_bpe(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    library = _library()
    model = library.Tokenizer(library.models.BPE())
    model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    vocabulary = sorted(model.get_vocab().items(), key=lambda item: item[1])
    letters = byte_letters()
    byte = {letter: number for number, letter in letters.items()}
    pieces = [bytes(byte[letter] for letter in name) for name, _ in vocabulary]
    names = {name for name, _ in vocabulary}
    merges = _merges(model, names)
    return Tokenizer("bpe", [b"", *pieces], merges)


def _merges(model: Any, names: set[str]) -> list[tuple[str, str]]:
    import json

    given = json.loads(model.to_str())["model"]["merges"]
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in given]
    return [(a, b) for a, b in pairs if a + b in names]


def _bpe_model(pieces: Sequence[bytes], merges: Sequence[tuple[str, str]]) -> Any:
    library = _library()
    letters = byte_letters()
    vocabulary = {
        "".join(letters[byte] for byte in piece): number for number, piece in enumerate(pieces[1:])
    }
    model = library.Tokenizer(library.models.BPE(vocab=vocabulary, merges=list(merges)))
    model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return model


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise ImportError(
            'tokenizer="bpe" needs the library tokenizers: install treeml-interpretable[text], or '
            'ask for tokenizer="word" or "char"'
        ) from error
    return tokenizers
