"""The best model of at most so many bytes: vocabulary and tree chosen for what their file takes.

A tree is grown as ever and then pruned at a price of nats a byte, see sequence_prune.hpp; the price
is the one at which the file just fits. Trees grown on most of the texts say by the rest which
size of vocabulary is best and, of the text so far, which weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from treeml._ext import sequence as native
from treeml.ir.sequence import SequenceModel, SequenceTree
from treeml.ir.small_sequence import (
    rest_from_level,
    share_from_level,
    small_from_bytes,
    small_size,
    to_bytes,
)
from treeml.sequence.language import Language, as_lists
from treeml.sequence.learner import STEPS, Learner, LearnOptions
from treeml.sequence.tokens import END, Tokenizer, learn_tokenizer

__all__ = ["VOCABULARIES", "by_frequency", "fitted_to_size", "learn_small", "small_model"]

Measure = Callable[[int], int]

VOCABULARIES = (257, 384, 512, 1024, 2048, 4096, 8192, 16384)
_START, _START_BYTES, _START_POWER = 2048, 25_000, 0.4  # where the search for one begins
_NOVELTY = 0.5  # of each child of an equality node, rows that would be a token without one
_MIXTURE = 500  # bytes that its weights take, about; less without a fold
_FIRST_PRICE, _LEAST_PRICE, _MOST_PRICE = 3.0, 1e-4, 1e6
_TRIES, _CLOSE = 14, 0.99


def learn_small(
    texts: Sequence[str],
    options: LearnOptions,
    vocab_size: int | None,
    most: int,
    measure: Measure,
) -> tuple[Language, str]:
    """Learn the best model whose file has at most so many bytes.

    Parameters
    ----------
    texts : sequence of str
        Not empty, and none of them empty.
    options : LearnOptions
        With one recipe, whose tree is grown and then pruned.
    vocab_size : int or None
        None: the best one of `VOCABULARIES`.
    most : int
    measure : callable
        Bytes of a file, from those of the packed model in it.

    Returns
    -------
    Language
    str
        As `learn` has it.

    Raises
    ------
    ValueError
        Where not even a single leaf fits; it says what would.
    """
    sizes = VOCABULARIES if vocab_size is None else (vocab_size,)
    return _SmallLearner(texts, options, most, measure).run(sizes)


def _first_part(texts: Sequence[str]) -> list[str]:
    """Those before the last tenth; of a single text, its beginning."""
    ends = np.cumsum([len(text) for text in texts])
    cut = int(ends[-1]) * 9 // 10
    whole = list(texts[: int(np.searchsorted(ends, cut, side="right"))])
    return whole or [texts[0][: max(cut, 1)]]


def by_frequency(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tokenizer, list[np.ndarray]]:
    """The same tokens, bytes first but for those of no use, and the texts in them."""
    encoded = tokenizer.encode(texts)
    counts = np.bincount(np.concatenate(encoded), minlength=len(tokenizer))
    single = [t for t, piece in enumerate(tokenizer.pieces) if len(piece) == 1]
    longer = [t for t, piece in enumerate(tokenizer.pieces) if len(piece) > 1]
    of_use = {t for t in single if counts[t]}
    if tokenizer.kind == "bpe":
        number = {piece: token for token, piece in enumerate(tokenizer.pieces)}
        merges = [[number[half] for half in pair] for pair in tokenizer.merged_pieces()]
        of_use |= {t for pair in merges for t in pair}
        made = (tokenizer.pieces[a] + tokenizer.pieces[b] for a, b in merges)
        longer = list(dict.fromkeys(number[piece] for piece in made))
    used = sorted((t for t in single if t in of_use), key=lambda t: (-counts[t], t))
    unused = sorted(set(single) - of_use, key=lambda t: tokenizer.pieces[t])
    order = [END, *used, *longer, *unused]
    place = np.empty(len(tokenizer), dtype=np.uint16)
    place[order] = np.arange(len(order))
    pieces = [tokenizer.pieces[t] for t in order]
    return Tokenizer(tokenizer.kind, pieces, tokenizer.merges), [place[text] for text in encoded]


def small_model(
    vocabulary: dict,
    context: int,
    columns: Sequence[tuple[int, int, int, int]],
    names: tuple[str, ...],
    orders: np.ndarray,
    classes: np.ndarray,
    pruned: dict[str, np.ndarray],
    n_buckets: int,
) -> SequenceModel:
    """What `native.Pruner` made as a model without a mixture: of columns and orders, those that
    are asked; of an order, the parts that tests tell apart.
    """
    names = (*names, "place")  # of a token in its class
    nodes = pruned["nodes"].copy()
    cut = nodes["column"] >= 0
    asked = np.unique(nodes["column"][cut])
    kept, tables, order_names = [], [], []
    for order in sorted({columns[c][2] for c in asked} - {-1}):
        here = cut & np.isin(nodes["column"], [c for c in asked if columns[c][2] == order])
        tests = np.unique(nodes["test"][here])
        nodes["test"][here] = np.searchsorted(tests, nodes["test"][here])
        tables.append(np.searchsorted(tests, orders[order]))
        order_names.append((order, names[order], len(tests) + 1))
    place = {order: (i, n) for i, (order, _, n) in enumerate(order_names)}
    for column in asked:
        source, back, order, n_codes = columns[column]
        kept.append((source, back, *place[order]) if order >= 0 else (source, back, -1, n_codes))
    nodes["column"][cut] = np.searchsorted(asked, nodes["column"][cut])
    if not any(name == "place" for _, name, _ in order_names):
        classes = np.zeros_like(classes)
    tree = SequenceTree(
        tuple(kept),
        (0.0,) * len(kept),
        nodes,
        np.empty((0, 1), dtype=np.uint64),
        pruned["start"],
        pruned["token"],
        share_from_level(pruned["level"]).astype(np.float32),
        np.array([np.ones(n_buckets), np.zeros(n_buckets)]),
        1.0,
        1.0,
        np.where(np.diff(pruned["start"]) > 0, rest_from_level(pruned["rest"]), 1.0),
    )
    return SequenceModel(
        vocabulary=vocabulary,
        context=context,
        order_names=tuple(name for _, name, _ in order_names),
        orders=np.array(tables, dtype=np.uint16).reshape(len(tables), orders.shape[1]),
        classes=classes,
        trees=(tree,),
        document=False,
        ngram=None,
        mixture={},
        tokens=np.empty(0, dtype=np.uint16),
        lengths=np.empty(0, dtype=np.int64),
    )


def fitted_to_size(
    make: Callable[[float], SequenceModel], measure: Measure, most: int
) -> SequenceModel | None:
    """The model of the lowest price that takes at most ``most`` bytes; None where none does.

    Bytes fall about as a power of the price, so that a few tries come close.
    """
    low, high = math.log(_LEAST_PRICE), math.log(_MOST_PRICE)  # too many bytes, few enough
    sizes: dict[float, int] = {}
    best: SequenceModel | None = None
    best_size, at = -1, math.log(_FIRST_PRICE)
    for number in range(_TRIES):
        model = make(math.exp(at))
        sizes[at] = size = measure(small_size(model))
        if size <= most:
            high = at
            if size > best_size:
                best, best_size = model, size
            if size >= _CLOSE * most or at == low:
                return best
        else:
            low = at
        below = [(p, s) for p, s in sizes.items() if s > most]
        above = [(p, s) for p, s in sizes.items() if s <= most]
        if below and above and number % 4 != 3:
            p, s = max(below)
            q, t = min(above)
            share = (math.log(s) - math.log(most * (1 + _CLOSE) / 2)) / (math.log(s) - math.log(t))
            at = p + min(max(share, 0.02), 0.98) * (q - p)
        elif below and above:
            at = (low + high) / 2
        elif above:
            at = max(at - 3.0, low)
        else:
            at = min(at + 3.0, high)
    return best


class _Candidate:
    """A vocabulary and orders: the tree on most of the texts, what is left of it at the size that
    is asked for, and bits per byte of the rest of the texts.
    """

    def __init__(self, asked: int, learner: Learner, tree: native.Tree) -> None:
        self.asked, self.learner = asked, learner
        self.model: SequenceModel | None = None
        self.bits = math.inf
        self.use(tree)

    def use(self, tree: native.Tree) -> None:
        self.tree = tree
        self.pruner = native.Pruner(tree, _NOVELTY)

    def pruned(self, price: float) -> SequenceModel:
        learner = self.learner
        columns, _ = learner.columns(learner.options.recipes[0])
        return small_model(
            learner.tokenizer.to_dict(),
            learner.options.context,
            columns,
            learner.names,
            learner.orders,
            learner.classes,
            self.pruner.prune(price),
            self.tree.weights.shape[1],
        )


class _SmallLearner:
    """State of one fit."""

    def __init__(
        self, texts: Sequence[str], options: LearnOptions, most: int, measure: Measure
    ) -> None:
        self.texts, self.options, self.most, self.measure = texts, options, most, measure
        self.first = _first_part(texts)  # a large vocabulary would know the words of the others
        self.limits = options.limits()
        self.room = most - _MIXTURE * options.document  # of the tree and its tokens
        self.encoded: dict[int, tuple[Tokenizer, list[np.ndarray]]] = {}
        self.say = options.say or (lambda line: None)

    def run(self, sizes: tuple[int, ...]) -> tuple[Language, str]:
        chosen = self._choose(sizes)
        mixture = self._mixture(chosen) if self.options.document else {}
        learner = chosen.learner
        if learner.first_fold is not None and not self.limits.stop:
            again = learner.grow(learner.options.recipes[0], fold=False)
            again.weights = chosen.tree.weights
            if not self.limits.stop:
                chosen.use(again)

        def make(price: float) -> SequenceModel:
            model = chosen.pruned(price)
            return dataclasses.replace(model, document=self.options.document, mixture=mixture)

        most = self.most
        while (model := fitted_to_size(make, self.measure, most)) is not None:
            if (kept := self._exact(model)) is not None:
                return kept, learner.status
            most -= max(self.measure(len(to_bytes(model))) - self.most, 1)  # was an estimate
        if (kept := self._exact(make(math.inf))) is not None:
            return kept, learner.status
        raise self._too_few(make(math.inf))

    def _exact(self, model: SequenceModel) -> Language | None:
        """What will be read from the file, to the last bit; None where that is too long."""
        packed = to_bytes(model)
        if (n_bytes := self.measure(len(packed))) > self.most:
            return None
        self.say(f"{n_bytes} bytes, {len(model.trees[0].nodes)} nodes")
        return Language(small_from_bytes(packed))

    def _choose(self, sizes: tuple[int, ...]) -> _Candidate:
        """Uphill from the vocabulary that others of so many bytes have had, with one order; then
        with more orders, which cost bytes as well.
        """
        wanted = math.log(_START * (self.most / _START_BYTES) ** _START_POWER)
        at = min(range(len(sizes)), key=lambda i: abs(math.log(sizes[i]) - wanted))
        first = best = self._try(sizes[at], 1)
        while best.model is None and at > 0:
            at -= 1
            best = self._try(sizes[at], 1)
        if best.model is None:
            best.model = best.pruned(math.inf)
            if self.measure(len(to_bytes(best.model))) > self.room:
                raise self._too_few(best.model)
            return best
        if best.learner.first_fold is None:
            return best
        start, climbed = best, False
        for size in sizes[at + 1 :] if best is first else ():
            if self.limits.stop or len(best.learner.tokenizer) < best.asked:
                break
            if (other := self._try(size, 1)).bits >= best.bits:
                break
            best, climbed = other, True
        smaller = [size for size in sizes[:at] if size < len(best.learner.tokenizer)]
        for size in reversed(smaller) if start is first and not climbed else ():
            if self.limits.stop or (other := self._try(size, 1)).bits >= best.bits:
                break
            best = other
        for n_orders in range(2, len(self.options.recipes[0].orders) + 1):
            if not self.limits.stop:
                best = min(best, self._try(best.asked, n_orders), key=lambda one: one.bits)
        if not self.limits.stop:
            n_orders = len(best.learner.options.recipes[0].orders)
            other = self._try(best.asked, n_orders, classes=True)
            best = min(best, other, key=lambda one: one.bits)
        return best

    def _try(self, vocab_size: int, n_orders: int, classes: bool = False) -> _Candidate:
        kind = self.options.tokenizer
        assert not isinstance(kind, Tokenizer)
        if vocab_size not in self.encoded:
            plain = learn_tokenizer(kind, self.first, vocab_size)
            self.encoded[vocab_size] = by_frequency(plain, self.texts)
        tokenizer, encoded = self.encoded[vocab_size]
        recipe = self.options.recipes[0]
        recipe = dataclasses.replace(recipe, orders=recipe.orders[:n_orders], classes=classes)
        options = dataclasses.replace(self.options, recipes=(recipe,))
        learner = Learner(tokenizer, *as_lists(encoded), options, self.limits)
        out = _Candidate(vocab_size, learner, learner.grow(recipe, fold=True))
        out.model = fitted_to_size(out.pruned, self.measure, self.room)
        if out.model is not None and learner.first_fold is not None:
            rows = learner.positions[learner.first_fold :]
            log = Language(out.model).trees[0].log_probabilities(learner.texts, rows)
            length = np.array([max(len(piece), 1) for piece in tokenizer.pieces])
            n_bytes = int(length[learner.texts.tokens[rows]].sum())
            out.bits = -math.fsum(log) / math.log(2) / n_bytes
        asked = f"{n_orders} orders" + " and classes" * classes
        self.say(f"{len(tokenizer)} tokens, {asked}: {out.bits:.4f} bits per byte")
        return out

    def _mixture(self, chosen: _Candidate) -> dict[str, np.ndarray]:
        assert chosen.model is not None
        mixture, learner = Language(chosen.model).new_mixture(document=True), chosen.learner
        if learner.first_fold is None or not self.options.fitted:
            return mixture.parameters | {"document": chosen.tree.weights}
        mixture.learn(*learner.fold_texts(), self.limits, STEPS)
        return mixture.parameters

    def _too_few(self, model: SequenceModel) -> ValueError:
        least = self.measure(len(to_bytes(model)))
        if self.options.document and not model.document:
            least += _MIXTURE
        return ValueError(
            f"max_bytes={self.most} is too few for these texts: the smallest model takes {least} "
            "bytes, most of them for the tokens and the names of parameters"
        )
