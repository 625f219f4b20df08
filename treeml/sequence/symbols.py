"""Symbols of inputs as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["as_tokens", "distinct", "read_symbols"]


def distinct(values: Iterable[Any], what: str) -> dict[Any, str]:
    """Values in their order with their texts, which must differ.

    Raises
    ------
    ValueError
        Where there is none, or two values have the same text.
    """
    texts: dict[Any, str] = {}
    owner: dict[str, Any] = {}
    for value in values:
        if not _hashable(value):
            raise ValueError(f"{what} {value!r} is a {type(value).__name__}: give text or numbers")
        if value in texts:
            continue
        text = str(value)
        if text in owner:
            raise ValueError(f"{what} {owner[text]!r} and {value!r} are both written {text!r}")
        owner[text] = value
        texts[value] = text
    if not texts:
        raise ValueError(f"no {what} at all: give at least one")
    return texts


def as_tokens(*groups: Iterable[str]) -> tuple[str, ...]:
    """Tokens of several kinds in one list; the same token in two kinds is refused by name."""
    tokens: dict[str, None] = {}
    for group in groups:
        for token in group:
            if token in tokens:
                raise ValueError(f"the token {token!r} stands for two things; rename one of them")
            tokens[token] = None
    return tuple(tokens)


def read_symbols(x: Sequence[Any], known: Mapping[Any, str]) -> list[str]:
    """The tokens of an input; a symbol that is not known is refused with its place."""
    out = []
    for place, symbol in enumerate(x):
        token = known.get(symbol) if _hashable(symbol) else None
        if token is None:
            raise ValueError(
                f"symbol {symbol!r} at place {place} of the input is not in the alphabet "
                f"{list(known)}"
            )
        out.append(token)
    return out


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
