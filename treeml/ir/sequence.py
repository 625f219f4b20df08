"""A language model as inert data: tokens, their orders, trees over sequences and their mixture."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from typing import Any, ClassVar

import numpy as np

from treeml.ir.small_sequence import small_from_bytes, to_bytes

__all__ = ["NODE_FIELDS", "EncoderColumn", "SequenceModel", "SequenceTree"]

_ARRAYS = ("nodes", "sets", "start", "token", "count", "weights")
NODE_FIELDS = (
    *((name, np.int32) for name in ("parent", "column", "test", "set", "first", "n_children")),
    *((name, np.int32) for name in ("n_rows", "example")),
    *((name, np.uint16) for name in ("token", "common")),
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SequenceTree:
    """A tree over sequences: tests on codes above, equality of a token further back below.

    Parameters
    ----------
    columns : tuple of (int, int, int, int)
        What a test may ask for: source (-1: the tokens, 0 open quotation, 1 tokens since the
        sentence began, 2 first token of the word, 3 of the word before, 4 of the sentence, 5 tokens
        since the text began, 6 on: the latest of each class, the first of each, encoders), tokens
        back, number of the order (-1: none; places within classes follow the orders) and number of
        codes.
    charges : tuple of float
        What growth took off each column's gains.
    nodes : ndarray of shape (n_nodes,)
        Records with ``parent``, ``column`` (-1 leaf, -2 equality of the token ``test`` back),
        ``test`` (greatest code of the first child), ``set`` (its codes, where not -1), ``first``
        child, ``n_children``, ``n_rows``, ``example`` (a position of the training stream),
        ``token`` (of a child of an equality node), ``common`` (tokens before that all rows share).
    sets : ndarray of shape (n_sets, n_words), uint64
    start : ndarray of shape (n_nodes + 1,), int64
        Where each node's counts begin in ``token`` and ``count``.
    token : ndarray, uint16
    count : ndarray, float32
    weights : ndarray of shape (2, n_buckets), float64
        Discount and pull of each bucket.
    cut_exponent, equality_exponent : float
        Power of a child's counts in its parent's, under a cut and under an equality node.
    rest : ndarray of shape (n_nodes,), float64, or None
        Of a small tree, whose counts are shares beside it: what each node leaves to its parent.
    """

    columns: tuple[tuple[int, int, int, int], ...]
    charges: tuple[float, ...]
    nodes: np.ndarray
    sets: np.ndarray
    start: np.ndarray
    token: np.ndarray
    count: np.ndarray
    weights: np.ndarray
    cut_exponent: float
    equality_exponent: float
    rest: np.ndarray | None = None

    @property
    def n_leaves(self) -> int:
        return int((self.nodes["column"] == -1).sum())

    def to_dict(self) -> dict[str, Any]:
        return {
            "columns": [list(column) for column in self.columns],
            "charges": list(self.charges),
            "cut_exponent": self.cut_exponent,
            "equality_exponent": self.equality_exponent,
            "node_fields": list(self.nodes.dtype.names or ()),
            **{name: _pack(getattr(self, name)) for name in _ARRAYS[1:]},
            # field by field: equal values lie side by side, which packs better
            "nodes": {name: _pack(self.nodes[name]) for name in self.nodes.dtype.names or ()},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SequenceTree:
        fields = {name: _unpack(data["nodes"][name]) for name in data["node_fields"]}
        n = len(next(iter(fields.values())))
        nodes = np.empty(n, dtype=[(name, values.dtype) for name, values in fields.items()])
        for name, values in fields.items():
            nodes[name] = values
        return cls(
            tuple((a, b, c, d) for a, b, c, d in data["columns"]),
            tuple(data["charges"]),
            nodes,
            cut_exponent=data["cut_exponent"],
            equality_exponent=data["equality_exponent"],
            **{name: _unpack(data[name]) for name in _ARRAYS[1:]},
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EncoderColumn:
    """A column of codes that an encoder gives, which is not part of the model.

    Parameters
    ----------
    name : str
    ordered : bool
        Whether the encoder says that near codes are alike.
    ranks : ndarray of shape (n_codes,), uint16
        Place of each code in the order that thresholds ask for.
    code_names : tuple of str, or None
    """

    name: str
    ordered: bool
    ranks: np.ndarray
    code_names: tuple[str, ...] | None = None

    @property
    def n_codes(self) -> int:
        return len(self.ranks)

    def to_dict(self) -> dict[str, Any]:
        names = None if self.code_names is None else list(self.code_names)
        ranks = self.ranks.tolist()
        return {"name": self.name, "ordered": self.ordered, "ranks": ranks, "code_names": names}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EncoderColumn:
        names = None if data["code_names"] is None else tuple(data["code_names"])
        return cls(data["name"], data["ordered"], np.array(data["ranks"], dtype=np.uint16), names)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SequenceModel:
    """Trees over sequences, and what stands beside them.

    Parameters
    ----------
    vocabulary : dict
        The tokenizer, as its ``to_dict`` has it.
    context : int
        Tokens back that a path may look.
    order_names : tuple of str
    orders : ndarray of shape (n_orders, n_tokens), uint16
        Rank of each token in each order; in the last row its place within its class.
    classes : ndarray of shape (n_tokens,), uint8
        Class of each token.
    trees : tuple of SequenceTree
    document : bool
        Whether what the text so far has taught is an expert.
    ngram : int or None
        Order of the n-gram among the experts.
    mixture : dict of str to ndarray
        "weight" of each gate and expert, "boost" of tokens used before, "document" weights.
        Empty: as they start.
    tokens, lengths : ndarray, uint16 and int64
        The training texts as tokens, without their ends; none for a small model.
    encoders : tuple of EncoderColumn
        Columns whose codes come from outside, sources from 4 on.
    """

    kind: ClassVar[str] = "sequence_model"

    vocabulary: dict[str, Any]
    context: int
    order_names: tuple[str, ...]
    orders: np.ndarray
    classes: np.ndarray
    trees: tuple[SequenceTree, ...]
    document: bool
    ngram: int | None
    mixture: dict[str, np.ndarray]
    tokens: np.ndarray
    lengths: np.ndarray
    encoders: tuple[EncoderColumn, ...] = ()

    @property
    def small(self) -> bool:
        """Whether it is kept in few bytes, without its training texts."""
        return self.trees[0].rest is not None

    @property
    def n_classes(self) -> int:
        return 1 + int(self.classes.max())

    @property
    def size_bytes(self) -> int:
        """Bytes of what predictions need, packed.

        The training texts are part of it where a path or a text is compared with them or an n-gram
        is made of them, else their part is the frequency of each token.
        """
        compared = self.document or any(tree.nodes["common"].any() for tree in self.trees)
        parts = self.to_dict()
        if not compared and self.ngram is None:
            parts["lengths"] = parts["tokens"] = None
            parts["frequency"] = _pack(np.bincount(self.tokens).astype(np.int32))

        def size(entry: Any) -> int:
            if not isinstance(entry, dict):
                return sum(map(size, entry)) if isinstance(entry, list) else len(str(entry))
            if "zlib" in entry:
                return len(entry["zlib"]) * 3 // 4
            return sum(map(size, entry.values()))

        return size(parts)

    @classmethod
    def packed(cls, text: str) -> dict[str, Any]:
        """What `to_dict` says of a small model, from its bytes in base 85."""
        return {"kind": cls.kind, "small": text}

    def to_dict(self) -> dict[str, Any]:
        if self.small:
            return self.packed(base64.b85encode(to_bytes(self)).decode())
        return {
            "kind": self.kind,
            "vocabulary": self.vocabulary,
            "context": self.context,
            "order_names": list(self.order_names),
            "orders": _pack(self.orders),
            "classes": _pack(self.classes),
            "trees": [tree.to_dict() for tree in self.trees],
            "document": self.document,
            "ngram": self.ngram,
            "mixture": {name: _pack(values) for name, values in self.mixture.items()},
            "tokens": _pack(self.tokens),
            "lengths": _pack(self.lengths),
            **({"encoders": [e.to_dict() for e in self.encoders]} if self.encoders else {}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SequenceModel:
        if "small" in data:
            return small_from_bytes(base64.b85decode(data["small"]))
        return cls(
            data["vocabulary"],
            data["context"],
            tuple(data["order_names"]),
            _unpack(data["orders"]),
            _unpack(data["classes"]),
            tuple(SequenceTree.from_dict(tree) for tree in data["trees"]),
            data["document"],
            data["ngram"],
            {name: _unpack(values) for name, values in data["mixture"].items()},
            _unpack(data["tokens"]),
            _unpack(data["lengths"]),
            tuple(map(EncoderColumn.from_dict, data.get("encoders", ()))),
        )


def _pack(array: np.ndarray) -> dict[str, Any]:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    packed = base64.b64encode(zlib.compress(little.tobytes(), 6)).decode()
    return {"dtype": little.dtype.str, "shape": list(array.shape), "zlib": packed}


def _unpack(data: dict[str, Any]) -> np.ndarray:
    raw = zlib.decompress(base64.b64decode(data["zlib"]))
    dtype = np.dtype(data["dtype"])
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("=")).reshape(data["shape"])
