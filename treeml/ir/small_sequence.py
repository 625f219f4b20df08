"""A small language model as few bytes: all numbers through one adaptive range coder.

Tokens of a node ascend by how frequent they are at the root and are written as gaps; orders as the
parts that tests tell apart; merges as pairs of tokens; shares on their grid of half powers of
two.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from treeml.ir.range_coder import RangeDecoder, RangeEncoder, RangeSizes

if TYPE_CHECKING:
    from treeml.ir.sequence import SequenceModel, SequenceTree

__all__ = [
    "byte_letters",
    "rest_from_level",
    "share_from_level",
    "small_from_bytes",
    "small_size",
    "to_bytes",
]

_KINDS = ("bpe", "char", "word")
_MIDDLE = 64  # level of a rest of 1
_WEIGHT, _BOOST, _PULL = 64, 16, 16  # steps of 1
_EQUALITY = -2
_CODES = {0: 2, 1: 32, 5: 64}  # of an open quotation, of places in sentence and text
_Sink = RangeEncoder | RangeSizes


def share_from_level(level: np.ndarray) -> np.ndarray:
    """2 to the power of half the level, rounded alike on every machine, float64."""
    level = np.asarray(level, dtype=np.int64)
    return np.ldexp(np.where(level & 1, 1.41421356237309505, 1.0), level >> 1)


def rest_from_level(level: np.ndarray) -> np.ndarray:
    """What is left to the parent, of the same grid, float64."""
    return share_from_level(np.asarray(level, dtype=np.int64) - _MIDDLE)


def byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte in byte-level encoding."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in out)
    return out | {byte: chr(256 + number) for number, byte in enumerate(others)}


def to_bytes(model: SequenceModel) -> bytes:
    """A model whose one tree has rests and no sets."""
    encoder = RangeEncoder()
    _write(model, encoder)
    return encoder.finish()


def small_size(model: SequenceModel) -> int:
    """About the length of `to_bytes`, without making them."""
    sizes = RangeSizes()
    _write(model, sizes)
    return sizes.n_bytes()


def small_from_bytes(data: bytes) -> SequenceModel:
    """Inverse of `to_bytes`."""
    from treeml.ir.sequence import SequenceModel

    source = RangeDecoder(data)
    context, document, n_orders = source.numbers(3).tolist()
    vocabulary = _read_vocabulary(source)
    n_tokens = len(vocabulary["pieces"])
    names, parts = [], []
    for _ in range(n_orders):
        length, n_parts = source.numbers(2).tolist()
        names.append(bytes(source.uniform(length, 256).tolist()).decode())
        parts.append(source.uniform(n_tokens, n_parts))
    orders = np.array(parts, dtype=np.uint16).reshape(n_orders, n_tokens)
    classes = source.uniform(n_tokens, source.numbers(1).tolist()[0]).astype(np.uint8)
    tree = _read_tree(source, orders)
    return SequenceModel(
        vocabulary=vocabulary,
        context=context,
        order_names=tuple(names),
        orders=orders,
        classes=classes,
        trees=(tree,),
        document=bool(document),
        ngram=None,
        mixture=_read_mixture(source) if document else {},
        tokens=np.empty(0, dtype=np.uint16),
        lengths=np.empty(0, dtype=np.int64),
    )


def _write(model: SequenceModel, sink: _Sink) -> None:
    sink.numbers(np.array([model.context, int(model.document), len(model.orders)]))
    _write_vocabulary(model.vocabulary, sink)
    for name, parts in zip(model.order_names, model.orders, strict=True):
        letters = np.frombuffer(name.encode(), np.uint8)
        sink.numbers(np.array([len(letters), int(parts.max()) + 1]))
        sink.uniform(letters, 256)
        sink.uniform(parts, int(parts.max()) + 1)
    sink.numbers(np.array([model.n_classes]))
    sink.uniform(model.classes, model.n_classes)
    _write_tree(model.trees[0], model.orders, len(model.vocabulary["pieces"]), sink)
    if model.document:
        _write_mixture(model.mixture, sink)


def _write_vocabulary(vocabulary: dict[str, Any], sink: _Sink) -> None:
    """Tokens are the end, bytes of use, pieces, and the other bytes."""
    pieces = [base64.b64decode(piece) for piece in vocabulary["pieces"]]
    n_first = next((i for i, p in enumerate(pieces[1:]) if len(p) > 1), 256)
    if n_first == 256:  # bytes only: the last ones that ascend need no mention
        n_first = 255
        while n_first and pieces[n_first] < pieces[n_first + 1]:
            n_first -= 1
    longer = pieces[1 + n_first : len(pieces) - 256 + n_first]
    sink.numbers(np.array([_KINDS.index(vocabulary["kind"]), n_first, len(vocabulary["merges"])]))
    sink.uniform(np.frombuffer(b"".join(pieces[1 : 1 + n_first]), np.uint8), 256)
    if vocabulary["kind"] == "bpe":
        byte = {letter: number for number, letter in byte_letters().items()}
        number = {piece: token for token, piece in enumerate(pieces)}
        for half in (0, 1):
            texts = (bytes(byte[letter] for letter in pair[half]) for pair in vocabulary["merges"])
            sink.numbers(np.array([number[text] for text in texts], dtype=np.int64))
        return
    sink.numbers(np.array([len(longer)]))
    sink.numbers(np.array([len(piece) for piece in longer], dtype=np.int64))
    text = np.frombuffer(b"".join(longer), np.uint8).astype(np.int64)
    sink.numbers(text)


def _read_vocabulary(source: RangeDecoder) -> dict[str, Any]:
    number, n_first, n_merges = source.numbers(3).tolist()
    kind = _KINDS[number]
    first = source.uniform(n_first, 256).tolist()
    pieces = [b"", *(bytes([byte]) for byte in first)]
    merges: list[list[str]] = []
    if kind == "bpe":
        letters, known = byte_letters(), set(pieces)
        left = source.numbers(n_merges).tolist()
        for a, b in zip(left, source.numbers(n_merges).tolist(), strict=True):
            halves = [pieces[a], pieces[b]]
            merges.append(["".join(letters[byte] for byte in half) for half in halves])
            if (piece := halves[0] + halves[1]) not in known:
                known.add(piece)
                pieces.append(piece)
    else:
        lengths = source.numbers(int(source.numbers(1)[0]))
        text = bytes(source.numbers(int(lengths.sum())).tolist())
        ends = np.cumsum(lengths).tolist()
        pieces += [text[end - n : end] for end, n in zip(ends, lengths.tolist(), strict=True)]
    pieces += [bytes([byte]) for byte in range(256) if byte not in first]
    encoded = [base64.b64encode(piece).decode() for piece in pieces]
    return {"kind": kind, "pieces": encoded, "merges": merges}


def _write_tree(tree: SequenceTree, orders: np.ndarray, n_tokens: int, sink: _Sink) -> None:
    nodes = tree.nodes
    assert tree.rest is not None
    n_shares = np.diff(tree.start)
    parent = nodes["parent"][1:]
    cut, equal = nodes["column"] >= 0, nodes["column"] == _EQUALITY
    columns = [part for s, back, order, _ in tree.columns for part in (s + 1, back, order + 1)]
    sink.numbers(np.array([len(nodes), tree.weights.shape[1], len(tree.columns)]))
    sink.numbers(np.array(columns, dtype=np.int64))
    above = nodes["column"][parent] + 2
    sink.numbers(nodes["column"].astype(np.int64) + 2)
    sink.numbers(nodes["test"][cut], nodes["column"][cut].astype(np.int64))
    sink.numbers(nodes["test"][equal])
    sink.numbers(nodes["n_children"][equal] - 1)
    n_children = nodes["n_children"][equal].astype(np.int64)
    children = 1 + np.flatnonzero(equal[parent])
    bits = _bits(n_children)
    sink.numbers(_gaps(nodes["token"][children], n_children), np.repeat(bits, n_children))
    size = np.log2(nodes["n_rows"]).astype(np.int64)
    sink.numbers(np.append(size[:1], size[parent] - size[1:]), np.append(0, 1 + (above == 0)))
    sink.numbers(n_shares, _kind_of(nodes))
    level = np.rint(2 * np.log2(tree.count.astype(np.float64))).astype(np.int64)
    rest = np.rint(2 * np.log2(tree.rest)).astype(np.int64) + _MIDDLE
    bits = _bits(n_shares)
    sink.numbers(rest[n_shares > 0], bits[n_shares > 0])
    n_root = int(n_shares[0])
    sink.numbers(_gaps(tree.token[:n_root], n_shares[:1]))
    sink.numbers(level[:n_root])
    node = np.repeat(np.arange(1, len(nodes)), n_shares[1:])
    every = np.repeat(bits[1:], n_shares[1:])
    tried = []
    for number in range(len(orders) + 1):
        ranks = _ranks(tree.token[:n_root], level[:n_root], n_tokens, orders, number)
        ranks = ranks[tree.token[n_root:]]
        order = np.lexsort((ranks, node))
        gaps = _gaps(ranks[order], n_shares[1:])
        size = RangeSizes()
        size.numbers(gaps, every)
        tried.append((size.bits, number, gaps, order))
    _, number, gaps, order = min(tried, key=lambda way: way[:2])
    sink.numbers(np.array([number]))
    sink.numbers(gaps, every)
    sink.numbers(level[n_root:][order], every, _firsts(n_shares[1:]))


def _read_tree(source: RangeDecoder, orders: np.ndarray) -> SequenceTree:
    from treeml.ir.sequence import NODE_FIELDS, SequenceTree

    n, n_buckets, n_columns = source.numbers(3).tolist()
    parts = source.numbers(3 * n_columns).tolist()
    columns = tuple(
        (s - 1, back, order - 1, int(orders[order - 1].max()) + 1 if order else _CODES[s - 1])
        for s, back, order in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    )
    nodes = np.zeros(n, dtype=[(name, kind) for name, kind in NODE_FIELDS])
    nodes["set"] = nodes["first"] = nodes["parent"] = -1
    column = source.numbers(n).astype(np.int32) - 2
    nodes["column"] = column
    cut, equal = column >= 0, column == _EQUALITY
    nodes["test"][cut] = source.numbers(int(cut.sum()), column[cut].astype(np.int64))
    nodes["test"][equal] = source.numbers(int(equal.sum()))
    nodes["n_children"][cut] = 2
    nodes["n_children"][equal] = source.numbers(int(equal.sum())) + 1
    inner = np.flatnonzero(nodes["n_children"])
    n_children = nodes["n_children"][inner].astype(np.int64)
    nodes["first"][inner] = 1 + np.cumsum(n_children) - n_children
    nodes["parent"][1:] = parent = np.repeat(inner, n_children)
    children = 1 + np.flatnonzero(equal[parent])
    n_children = nodes["n_children"][equal].astype(np.int64)
    gaps = source.numbers(len(children), np.repeat(_bits(n_children), n_children))
    nodes["token"][children] = _ungapped(gaps, n_children)
    steps = source.numbers(n, np.append(0, 1 + equal[parent])).tolist()
    for at in range(1, n):
        steps[at] = steps[parent[at - 1]] - steps[at]
    nodes["n_rows"] = 1 << np.array(steps, dtype=np.int64)
    n_shares = source.numbers(n, _kind_of(nodes))
    bits = _bits(n_shares)
    rest = np.ones(n)
    some = n_shares > 0
    rest[some] = rest_from_level(source.numbers(int(some.sum()), bits[some]))
    token, level = _read_shares(source, n_shares, bits, orders)
    return SequenceTree(
        columns,
        (0.0,) * n_columns,
        nodes,
        np.empty((0, 1), dtype=np.uint64),
        np.append(0, np.cumsum(n_shares)).astype(np.int64),
        token.astype(np.uint16),
        share_from_level(level).astype(np.float32),
        np.array([np.ones(n_buckets), np.zeros(n_buckets)]),
        1.0,
        1.0,
        rest,
    )


def _read_shares(
    source: RangeDecoder, n_shares: np.ndarray, bits: np.ndarray, orders: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_root = int(n_shares[0])
    root = _ungapped(source.numbers(n_root), n_shares[:1])
    root_level = source.numbers(n_root)
    number = int(source.numbers(1)[0])
    by_rank = np.argsort(_ranks(root, root_level, orders.shape[1], orders, number))
    every = np.repeat(bits[1:], n_shares[1:])
    token = by_rank[_ungapped(source.numbers(len(every), every), n_shares[1:])]
    level = source.numbers(len(every), every, _firsts(n_shares[1:]))
    order = np.lexsort((token, np.repeat(np.arange(1, len(n_shares)), n_shares[1:])))
    return np.append(root, token[order]), np.append(root_level, level[order])


def _write_mixture(mixture: dict[str, np.ndarray], sink: _Sink) -> None:
    discount, pull = mixture["document"]
    sink.numbers(np.array([len(mixture["weight"]), len(mixture["boost"]), len(pull)]))
    for values, steps in (
        (mixture["weight"], _WEIGHT),
        (mixture["boost"], _BOOST),
        (np.log(pull), _PULL),
    ):
        whole = np.clip(np.rint(values * steps), -1000, 1000).astype(np.int64)
        sink.numbers(np.where(whole < 0, -2 * whole - 1, 2 * whole), first=_firsts([len(whole)]))
    whole = np.clip(np.floor(discount * 256), 0, 255).astype(np.int64)
    sink.numbers(np.bitwise_xor(whole, np.append(0, whole[:-1])))


def _read_mixture(source: RangeDecoder) -> dict[str, np.ndarray]:
    out = []
    for n, steps in zip(source.numbers(3).tolist(), (_WEIGHT, _BOOST, _PULL), strict=True):
        coded = source.numbers(n, first=_firsts([n]))
        out.append(np.where(coded & 1, -(coded + 1) // 2, coded // 2) / steps)
    weight, boost, pull = out
    whole = np.bitwise_xor.accumulate(source.numbers(len(pull)))
    return {
        "weight": weight.astype(np.float32),
        "boost": boost.astype(np.float32),
        "document": np.array([(whole + 0.5) / 256, np.exp(pull)]),
    }


def _bits(values: np.ndarray) -> np.ndarray:
    """Length of each number in bits."""
    return np.frexp(np.asarray(values, dtype=np.float64))[1].astype(np.int64)


def _kind_of(nodes: np.ndarray) -> np.ndarray:
    """Cut, leaf or equality node, under which of them, and how many rows."""
    kinds = np.minimum(nodes["column"], 0).astype(np.int64) + 2
    above = kinds[np.maximum(nodes["parent"], 0)]
    return (kinds * 3 + above) * 32 + np.log2(nodes["n_rows"]).astype(np.int64)


def _ranks(
    token: np.ndarray, level: np.ndarray, n_tokens: int, orders: np.ndarray, number: int
) -> np.ndarray:
    """Of all tokens by their level at the root, the highest first; with an order (from 1), by it
    among those that are about as frequent, since tokens of a node are alike.
    """
    at_root = np.full(n_tokens, -1, dtype=np.int64)
    at_root[token] = level
    rank = np.empty(n_tokens, dtype=np.int64)
    by_level = np.argsort(-at_root, kind="stable")
    rank[by_level] = np.arange(n_tokens)
    if number:
        rank[np.lexsort((rank, orders[number - 1], _bits(rank + 1) >> 1))] = np.arange(n_tokens)
    return rank


def _firsts(lengths: Any) -> np.ndarray:
    """Whether each entry of lists one after another is the first of its list."""
    lengths = np.asarray(lengths, dtype=np.int64)
    out = np.zeros(int(lengths.sum()), dtype=bool)
    out[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    return out


def _gaps(tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Ascending lists one after another: the first of each, then steps less 1."""
    tokens = tokens.astype(np.int64)
    out = np.diff(tokens, prepend=0) - 1
    first = _firsts(lengths)
    out[first] = tokens[first]
    return out


def _ungapped(gaps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    sums = np.cumsum(gaps + 1)
    first = _firsts(lengths)
    before = sums[first] - gaps[first]
    return sums - np.repeat(before, lengths[lengths > 0])
