"""A language model that reads: its data, and the native objects that look into them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from treeml._ext import sequence as native
from treeml.ir.sequence import EncoderColumn, SequenceModel, SequenceTree
from treeml.sequence.encoders import CodeReader, SequenceEncoder, codes_of
from treeml.sequence.tokens import END, Tokenizer

__all__ = ["Language", "as_lists", "token_counts", "token_shares"]


class Language:
    """A fitted language model: the data, and the native objects that read it."""

    def __init__(
        self,
        model: SequenceModel,
        tokenizer: Tokenizer | None = None,
        encoders: tuple[SequenceEncoder, ...] = (),
    ) -> None:
        self.model, self.encoders = model, encoders
        self.tokenizer = tokenizer or Tokenizer.from_dict(model.vocabulary)
        self.traits = np.stack([self.tokenizer.flags(), model.classes])
        self._train: native.Texts | None = None
        ngram = recall = None
        if model.ngram is not None:
            ngram = native.NGram(self.train, self.train.positions, model.ngram)
        if model.document and not model.small:
            recall = native.Recollection(self.train, self.train.positions)
        self.trees = [self._native(tree) for tree in model.trees]
        self.mixture = self.new_mixture(model.document, ngram, recall)
        if model.mixture:
            self.mixture.parameters = model.mixture

    def new_mixture(
        self,
        document: bool,
        ngram: native.NGram | None = None,
        recall: native.Recollection | None = None,
    ) -> native.Mixture:
        """The experts with weights as they start."""
        model = self.model
        ranks = np.arange(len(self.tokenizer)) if model.small else model.orders[0]
        return native.Mixture(
            self.trees,
            self.traits,
            model.context,
            document=document,
            ngram=ngram,
            recall=recall,
            frequency=token_shares(self.counts),
            ranks=np.ascontiguousarray(ranks, dtype=np.uint16),
            n_encoders=len(model.encoders),
        )

    @property
    def train(self) -> native.Texts:
        """The training texts as a stream, without codes of encoders."""
        if self._train is None:
            model = self.model
            self._train = native.Texts(self.traits, model.tokens, model.lengths, model.context)
        return self._train

    def codes(self, texts: Sequence[np.ndarray]) -> np.ndarray | None:
        """Ranks of encoders' codes, a row a position; None where there are no encoders."""
        return _ranks(self.encoders, self.model.encoders, texts, self.tokenizer.names())

    @functools.cached_property
    def stream(self) -> np.ndarray:
        """Tokens of the training texts with what stands before and behind each, uint16."""
        return self.train.tokens

    def rows_at(self, leaf: int) -> np.ndarray:
        """Training positions that reach a leaf of the first tree, ascending, int32."""
        rows, leaves = self._rows_by_leaf
        begin, end = np.searchsorted(leaves, [leaf, leaf + 1])
        return rows[begin:end]

    @functools.cached_property
    def _rows_by_leaf(self) -> tuple[np.ndarray, np.ndarray]:
        train, model = self.train, self.model
        if self.encoders:
            codes = self.codes(np.split(model.tokens, np.cumsum(model.lengths)[:-1]))
            train = native.Texts(self.traits, model.tokens, model.lengths, model.context, codes)
        rows = train.positions
        leaves = self.trees[0].leaves(train, rows)
        order = np.argsort(leaves, kind="stable")
        return rows[order], leaves[order]

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """How often training has each token, int64; of a small model, shares at the root."""
        if self.model.small:
            entries, total, rest = self.trees[0].node_counts(0)
            out = np.full(len(self.tokenizer), rest / total / len(self.tokenizer))
            for token, count, _ in entries:
                out[token] += count / total
            return out
        return token_counts(self.model.tokens, self.model.lengths, len(self.tokenizer))

    def score(self, texts: Sequence[np.ndarray]) -> np.ndarray:
        """Natural logarithm of the probability of every token and end, text after text."""
        limits = native.Limits()
        out = self.mixture.score(*as_lists(texts), limits, self.codes(texts))
        if limits.raised:
            raise limits.raised[0]
        return out

    def generate(
        self, tokens: np.ndarray, uniforms: np.ndarray, temperature: float, top_p: float
    ) -> np.ndarray:
        """What follows the tokens, drawn with a uniform number each, without the end."""
        limits = native.Limits()
        reader = self.reader(tokens)
        if self.encoders:
            drawn = self._generate(reader, tokens, uniforms, (temperature, top_p), limits)
        else:
            drawn = reader.generate(uniforms, temperature, top_p, limits)
        if limits.raised:
            raise limits.raised[0]
        return drawn[drawn != END]

    def _generate(
        self,
        reader: native.Reader,
        tokens: np.ndarray,
        uniforms: np.ndarray,
        how: tuple[float, float],
        limits: native.Limits,
    ) -> np.ndarray:
        """Token by token, since encoders must see each."""
        names, drawn = self.tokenizer.names(), []
        codes = CodeReader(self.encoders, self.model.encoders, [names[t] for t in tokens])
        for at in range(len(uniforms)):
            found = reader.generate(uniforms[at : at + 1], *how, limits)
            if not len(found) or found[0] == END:
                break
            drawn.append(found[0])
            codes.push(names[found[0]])
            reader.set_codes(codes.ranks)
        return np.array(drawn, dtype=np.uint16)

    def reader(self, tokens: np.ndarray) -> native.Reader:
        """At the end of an unfinished text."""
        reader = native.Reader(self.mixture)
        reader.push(np.ascontiguousarray(tokens, dtype=np.uint16))
        if (codes := self.codes([tokens])) is not None:
            reader.set_codes(codes[-1])
        return reader

    def _native(self, tree: SequenceTree) -> native.Tree:
        out = native.Tree(
            tree.columns,
            tree.charges,
            self.model.orders,
            self.train,
            tree.cut_exponent,
            tree.equality_exponent,
        )
        out.set_arrays(tree.nodes, tree.sets, tree.start, tree.token, tree.count, tree.rest)
        out.weights = tree.weights
        return out


def as_lists(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All tokens in a row, and how many each text has."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    tokens = np.concatenate(texts) if len(texts) else np.empty(0, dtype=np.uint16)
    return np.ascontiguousarray(tokens, dtype=np.uint16), lengths


def token_counts(tokens: np.ndarray, lengths: np.ndarray, n_tokens: int) -> np.ndarray:
    """How often each token comes, ends among them, int64."""
    counts = np.bincount(tokens, minlength=n_tokens)
    counts[END] += len(lengths)
    return counts


def token_shares(counts: np.ndarray) -> np.ndarray:
    """Shares of tokens, those that training lacks a little above 0."""
    share = 1e-6 + counts / counts.sum()
    return (share / share.sum()).astype(np.float32)


def _ranks(
    encoders: Sequence[SequenceEncoder],
    columns: Sequence[EncoderColumn],
    texts: Sequence[np.ndarray],
    names: list[str],
) -> np.ndarray | None:
    """Of all positions of texts, a row each, uint16."""
    if not encoders:
        return None
    words = [[names[t] for t in tokens] for tokens in texts]
    pairs = zip(encoders, columns, strict=True)
    ranks = [column.ranks[codes_of(encoder, words)] for encoder, column in pairs]
    return np.ascontiguousarray(np.array(ranks, dtype=np.uint16).T)
