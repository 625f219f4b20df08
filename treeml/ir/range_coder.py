"""Whole numbers as few bits: an adaptive range coder (Martin, Range encoding, 1979).

A number below 16 is a symbol of its own; above, its length and second highest bit are one, and its
other bits follow as they are. Symbols are as frequent as they have been so far in the same context.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate

import numpy as np

__all__ = ["RangeDecoder", "RangeEncoder", "RangeSizes"]

_SYMBOLS, _DIRECT = 64, 16
_STEP = 24  # how much more frequent a symbol is each time it comes
_TOP, _BOTTOM, _MASK = 1 << 56, 1 << 48, (1 << 64) - 1
_AFTER = 18  # levels before that are told apart; the first of a list has none


def _split(value: int) -> tuple[int, int]:
    """Symbol, and how many bits follow it."""
    if value < _DIRECT:
        return value, 0
    length = value.bit_length()
    return _DIRECT + 2 * (length - 5) + (value >> (length - 2) & 1), length - 2


class RangeEncoder:
    """Writes numbers; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._low, self._range = 0, _MASK
        self._out = bytearray()
        self._stream = 0
        self._counts: dict[tuple[int, int], list[int]] = {}

    def numbers(
        self, values: np.ndarray, context: np.ndarray | None = None, first: np.ndarray | None = None
    ) -> None:
        """A stream of numbers of 0 or more, each with a context that the reader knows before it.

        With ``first`` (whether a list begins), what comes before in a list is context as well.
        """
        self._stream += 1
        contexts = [0] * len(values) if context is None else context.tolist()
        firsts = None if first is None else first.tolist()
        before = 0
        for i, value in enumerate(values.tolist()):
            key = contexts[i]
            if firsts is not None:
                key = key * (_AFTER + 1) + (0 if firsts[i] else min(before, _AFTER - 1) + 1)
                before = value
            counts = self._counts.setdefault((self._stream, key), [1] * _SYMBOLS)
            symbol, n_bits = _split(value)
            below = sum(counts[:symbol])
            self._encode(below, counts[symbol], below + sum(counts[symbol:]))
            counts[symbol] += _STEP
            if n_bits:
                self._encode(value & ((1 << n_bits) - 1), 1, 1 << n_bits)

    def uniform(self, values: np.ndarray, n: int) -> None:
        """Numbers below ``n``, all of which are as frequent."""
        for value in values.tolist():
            self._encode(value, 1, n)

    def finish(self) -> bytes:
        """As few bytes as tell the last range from its neighbours."""
        n_bytes = next(n for n in range(9) if self._tail(n) < self._low + self._range)
        return bytes(self._out) + (self._tail(n_bytes) & _MASK).to_bytes(8, "big")[:n_bytes]

    def _tail(self, n_bytes: int) -> int:
        """The least place in the last range whose other bytes are 0."""
        unit = 1 << (64 - 8 * n_bytes)
        return -(-self._low // unit) * unit

    def _encode(self, below: int, count: int, total: int) -> None:
        unit = self._range // total
        self._low = (self._low + below * unit) & _MASK
        self._range = count * unit
        while True:
            if (self._low ^ (self._low + self._range)) >= _TOP:
                if self._range >= _BOTTOM:
                    return
                self._range = -self._low & (_BOTTOM - 1)
            self._out.append(self._low >> 56)
            self._low = self._low << 8 & _MASK
            self._range <<= 8


class RangeDecoder:
    """Reads what a `RangeEncoder` wrote, in the same order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 8
        self._low, self._range = 0, _MASK
        self._code = int.from_bytes(data[:8].ljust(8, b"\0"), "big")
        self._stream = 0
        self._counts: dict[tuple[int, int], list[int]] = {}

    def numbers(
        self, n: int, context: np.ndarray | None = None, first: np.ndarray | None = None
    ) -> np.ndarray:
        self._stream += 1
        contexts = [0] * n if context is None else context.tolist()
        firsts = None if first is None else first.tolist()
        before = 0
        out = []
        for i in range(n):
            key = contexts[i]
            if firsts is not None:
                key = key * (_AFTER + 1) + (0 if firsts[i] else min(before, _AFTER - 1) + 1)
            counts = self._counts.setdefault((self._stream, key), [1] * _SYMBOLS)
            ends = list(accumulate(counts))
            unit = self._range // ends[-1]
            place = min((self._code - self._low & _MASK) // unit, ends[-1] - 1)
            symbol = bisect_right(ends, place)
            self._remove(ends[symbol] - counts[symbol], counts[symbol], unit)
            counts[symbol] += _STEP
            value = symbol
            if symbol >= _DIRECT:
                n_bits = (symbol - _DIRECT) // 2 + 3
                value = (2 + (symbol & 1)) << n_bits | self._bits(1 << n_bits)
            before = value
            out.append(value)
        return np.array(out, dtype=np.int64)

    def uniform(self, n_values: int, n: int) -> np.ndarray:
        return np.array([self._bits(n) for _ in range(n_values)], dtype=np.int64)

    def _bits(self, total: int) -> int:
        unit = self._range // total
        place = min((self._code - self._low & _MASK) // unit, total - 1)
        self._remove(place, 1, unit)
        return place

    def _remove(self, below: int, count: int, unit: int) -> None:
        self._low = (self._low + below * unit) & _MASK
        self._range = count * unit
        while True:
            if (self._low ^ (self._low + self._range)) >= _TOP:
                if self._range >= _BOTTOM:
                    return
                self._range = -self._low & (_BOTTOM - 1)
            byte = self._data[self._at] if self._at < len(self._data) else 0
            self._at += 1
            self._code = (self._code << 8 & _MASK) | byte
            self._low = self._low << 8 & _MASK
            self._range <<= 8


class RangeSizes:
    """In place of an encoder: bits that it would write, in closed form."""

    def __init__(self) -> None:
        self.bits = 0.0

    def numbers(
        self, values: np.ndarray, context: np.ndarray | None = None, first: np.ndarray | None = None
    ) -> None:
        if not len(values):
            return
        values = np.asarray(values, dtype=np.int64)
        key = np.zeros(len(values), dtype=np.int64) if context is None else context
        if first is not None:
            before = np.minimum(np.append(0, values[:-1]), _AFTER - 1) + 1
            key = key * (_AFTER + 1) + np.where(first, 0, before)
        length = np.frexp(values.astype(np.float64))[1].astype(np.int64)
        more = np.maximum(length - 2, 0)
        large = _DIRECT + 2 * (length - 5) + (values >> more & 1)
        symbol = np.where(values < _DIRECT, values, large)
        _, key = np.unique(key, return_inverse=True)
        table = np.bincount(key * _SYMBOLS + symbol, minlength=_SYMBOLS * (key.max() + 1))
        table = table.reshape(-1, _SYMBOLS)
        self.bits += _adaptive_bits(table) + float(more[values >= _DIRECT].sum())

    def uniform(self, values: np.ndarray, n: int) -> None:
        self.bits += len(values) * math.log2(n)

    def n_bytes(self) -> int:
        return math.ceil(self.bits / 8)


def _adaptive_bits(table: np.ndarray) -> float:
    """Of counts by context and symbol: what all of them take in any order."""
    from scipy.special import gammaln

    prior = 1 / _STEP
    of_symbols = gammaln(table + prior) - gammaln(prior)
    total = table.sum(axis=1)
    of_all = gammaln(total + prior * _SYMBOLS) - gammaln(prior * _SYMBOLS)
    return float((of_all - of_symbols.sum(axis=1)).sum() / math.log(2))
