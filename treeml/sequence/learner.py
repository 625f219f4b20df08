"""From texts to a language model: trees on most texts, their weights on the rest, trees on all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from treeml._ext import sequence as native
from treeml.ir.sequence import EncoderColumn, SequenceModel, SequenceTree
from treeml.sequence.encoders import SequenceEncoder, check_causal, codes_of, column_of
from treeml.sequence.language import Language, as_lists, token_counts, token_shares
from treeml.sequence.orders import learn_orders, token_classes
from treeml.sequence.recipe import TreeRecipe
from treeml.sequence.tokens import END, Kind, Tokenizer, learn_tokenizer

__all__ = ["STEPS", "LearnOptions", "Learner", "learn"]

_FOLD, _LEAST_FOLD, STEPS = 0.1, 200, 120
_QUOTED, _SINCE, _WORD, _WORD_BEFORE, _SENTENCE, _SINCE_TEXT, _LATEST = range(7)
_CLASSED, _CLASSES, _CLASS_CHARGE = "both", 32, 2.0
_SCREENED, _SCREENED_FOR_SETS = 1024, 4096  # rows
_READABLE_ROWS, _SWEEPS, _CUT_COST, _MOVE_COST = 20, 6, 2.0, 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class LearnOptions:
    """What is learnt, and how; see `ARDTLanguageModel`."""

    recipes: tuple[TreeRecipe, ...]
    tokenizer: Kind | Tokenizer = "bpe"
    vocab_size: int = 2048
    context: int = 12
    document: bool = True
    ngram: int | None = None
    fitted: bool = True
    seed: int = 0
    n_threads: int = 1
    time_limit: float | None = None
    stop_after: int | None = None
    say: Callable[[str], object] | None = None
    small: bool = False
    encoders: tuple[SequenceEncoder, ...] = ()

    def limits(self) -> native.Limits:
        return native.Limits(
            -1.0 if self.time_limit is None else float(self.time_limit),
            -1 if self.stop_after is None else self.stop_after,
            self.n_threads,
        )


def learn(texts: Sequence[str], options: LearnOptions) -> tuple[Language, str]:
    """Learn a language model.

    Parameters
    ----------
    texts : sequence of str
        Not empty, and none of them empty.
    options : LearnOptions

    Returns
    -------
    Language
    str
        "optimal" where all steps were made (nothing is proven optimal), else the limit that ended
        them: "time_limit" or "interrupted".
    """
    say = options.say or (lambda line: None)
    limits = options.limits()
    tokenizer = options.tokenizer
    if not isinstance(tokenizer, Tokenizer):
        tokenizer = learn_tokenizer(tokenizer, texts, options.vocab_size)
    tokens, lengths = as_lists(tokenizer.encode(texts))
    say(f"{len(lengths)} texts, {len(tokens)} tokens of {len(tokenizer)} kinds")
    learner = Learner(tokenizer, tokens, lengths, options, limits)
    return learner.run(say)


class Learner:
    """State of one fit."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        tokens: np.ndarray,
        lengths: np.ndarray,
        options: LearnOptions,
        limits: native.Limits,
    ) -> None:
        self.tokenizer, self.tokens, self.lengths = tokenizer, tokens, lengths
        self.options, self.limits = options, limits
        self.n_tokens = len(tokenizer)
        self.counts = token_counts(tokens, lengths, self.n_tokens)
        self._order_tokens()
        self.encoders, self.codes = self._encode()
        self.texts = native.Texts(self.traits, tokens, lengths, options.context, self.codes)
        self.positions = self.texts.positions
        self.first_fold = _fold(lengths)

    def _encode(self) -> tuple[tuple[EncoderColumn, ...], np.ndarray | None]:
        """Encoders as columns, and their codes of all positions, which may not look ahead."""
        if not self.options.encoders:
            return (), None
        names = self.tokenizer.names()
        texts = [[names[t] for t in part] for part in self._split()]
        after = np.insert(self.tokens, np.cumsum(self.lengths), END)
        columns, codes = [], []
        for encoder in self.options.encoders:
            check_causal(encoder, texts)
            found = codes_of(encoder, texts)
            column = column_of(encoder, found, after, self.n_tokens, self.options.seed)
            columns.append(column)
            codes.append(column.ranks[found])
        return tuple(columns), np.ascontiguousarray(np.array(codes, dtype=np.uint16).T)

    def _split(self) -> list[np.ndarray]:
        return np.split(self.tokens, np.cumsum(self.lengths)[:-1])

    def _order_tokens(self) -> None:
        """Orders of tokens, classes cut out of one, and the place of each token in its class."""
        names = tuple(dict.fromkeys(n for recipe in self.options.recipes for n in recipe.orders))
        ended = np.insert(self.tokens, np.cumsum(self.lengths), END).astype(np.int64)
        ranks = learn_orders(ended, self.n_tokens, (*names, _CLASSED), self.options.seed)
        self.classes, place = token_classes(ranks[_CLASSED], self.counts, _CLASSES)
        self.names, self.orders = names, np.array([*(ranks[name] for name in names), place])
        self.traits = np.stack([self.tokenizer.flags(), self.classes])

    @property
    def status(self) -> str:
        return {0: "optimal", 1: "time_limit", 3: "interrupted"}[self.limits.stop]

    def run(self, say: Callable[[str], object]) -> tuple[Language, str]:
        say(f"{len(self.names)} orders of tokens, {1 + int(self.classes.max())} classes")
        kept: list[native.Tree] = []
        final: list[native.Tree] = []
        for number, recipe in enumerate(self.options.recipes, start=1):
            if kept and self.limits.stop:
                break
            tree = self.grow(recipe, fold=True)
            if self.limits.stop and kept:
                break
            kept.append(tree)
            say(f"tree {number}: {tree.n_nodes} nodes on a part of the texts")
        parameters = self._mix(kept, say)
        for recipe, tree in zip(self.options.recipes, kept, strict=False):
            again = tree
            if self.first_fold is not None and not self.limits.stop:
                again = self.grow(recipe, fold=False)
                again.weights = tree.weights
                if self.limits.stop:
                    again = tree  # half a tree on all texts is worse than a whole one on most
            final.append(again)
        say(f"{sum(tree.n_nodes for tree in final)} nodes in all")
        model = SequenceModel(
            vocabulary=self.tokenizer.to_dict(),
            context=self.options.context,
            order_names=self.names,
            orders=self.orders,
            classes=self.classes,
            trees=tuple(
                self._as_data(recipe, tree)
                for recipe, tree in zip(self.options.recipes, final, strict=False)
            ),
            document=self.options.document,
            ngram=self.options.ngram,
            mixture=parameters,
            tokens=self.tokens,
            lengths=self.lengths,
            encoders=self.encoders,
        )
        return Language(model, self.tokenizer, self.options.encoders), self.status

    def columns(self, recipe: TreeRecipe) -> tuple[list[tuple[int, int, int, int]], list[float]]:
        columns, charges = [], []
        for order in map(self.names.index, recipe.orders):
            for back in range(recipe.first, min(recipe.last, self.options.context) + 1):
                columns.append((-1, back, order, self.n_tokens))
                charges.append(float(back - recipe.first))
        if recipe.words:
            order = self.names.index(recipe.orders[0])
            columns += [(_QUOTED, 0, -1, 2), (_SINCE, 0, -1, 32)]
            columns += [(_SINCE_TEXT, 0, -1, 64)]
            words = (_WORD, _WORD_BEFORE, _SENTENCE)
            columns += [(source, 0, order, self.n_tokens) for source in words]
            charges += [1.0, 1.0, 2.0, 1.0, 2.0, 2.0]
        n_classes = 1 + int(self.classes.max())
        if recipe.classes:
            sizes = 1 + np.bincount(self.classes)
            for number in range(2 * n_classes):
                size = int(sizes[number % n_classes])
                columns.append((_LATEST + number, 0, len(self.names), size))
                charges.append(_CLASS_CHARGE)
        for number, encoder in enumerate(self.encoders):
            columns.append((_LATEST + 2 * n_classes + number, 0, -1, encoder.n_codes))
            charges.append(1.0)
        return columns, charges

    def _tree(self, recipe: TreeRecipe) -> native.Tree:
        columns, charges = self.columns(recipe)
        exponents = recipe.cut_exponent, recipe.equality_exponent
        return native.Tree(columns, charges, self.orders, self.texts, *exponents)

    def grow(self, recipe: TreeRecipe, fold: bool) -> native.Tree:
        """On all positions; with ``fold`` on those before the fold, weights fitted on it."""
        readable = recipe.max_leaf_nodes is not None
        tree = self._tree(recipe)
        fold = fold and self.first_fold is not None
        rows = self.positions[: self.first_fold] if fold else self.positions
        tree.grow(
            self.texts,
            rows,
            self.limits,
            rows_to_cut=recipe.rows_to_cut,
            max_leaves=-1 if recipe.max_leaf_nodes is None else recipe.max_leaf_nodes,
            suffixes=not readable,
            longest=self.options.context,
            min_rows=_READABLE_ROWS if readable else 1,
            sweeps=_SWEEPS if readable and not self.options.small else 0,
            charge_rate=recipe.charge,
            cut_cost=_CUT_COST if readable else 0.0,
            move_cost=_MOVE_COST,
            rows_to_screen=_SCREENED_FOR_SETS if readable else _SCREENED,
        )
        if self.options.small:
            _forget_examples(tree)
        if fold and self.options.fitted:
            tree.fit_weights(self.texts, self.positions[self.first_fold :], self.limits, STEPS)
        return tree

    def _mix(self, trees: list[native.Tree], say: Callable[[str], object]) -> dict[str, np.ndarray]:
        ngram = recall = None
        rows = self.positions[: self.first_fold]
        if self.options.ngram is not None:
            ngram = native.NGram(self.texts, rows, self.options.ngram)
        if self.options.document:
            recall = native.Recollection(self.texts, rows)
        mixture = native.Mixture(
            trees,
            self.traits,
            self.options.context,
            document=self.options.document,
            ngram=ngram,
            recall=recall,
            frequency=token_shares(self.counts),
            ranks=np.ascontiguousarray(self.orders[0]),
            n_encoders=len(self.encoders),
        )
        if self.first_fold is not None and self.options.fitted:
            tokens, lengths, first = self.fold_texts()
            codes = self.codes
            if codes is not None:
                codes = codes[len(codes) - len(tokens) - len(lengths) :]
            _, mixed = mixture.learn(tokens, lengths, first, self.limits, STEPS, codes)
            if mixture.mixed:
                n = len(self.positions) - self.first_fold
                say(f"mixture: {-mixed / np.log(2) / n:.4f} bits a token on the rest of the texts")
        return mixture.parameters

    def fold_texts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Texts that reach into the fold, and where in each it begins."""
        ends = np.cumsum(self.lengths + 1)
        assert self.first_fold is not None
        at = int(np.searchsorted(ends, self.first_fold, side="right"))
        begins = ends[at:] - self.lengths[at:] - 1
        first = np.maximum(self.first_fold - begins, 0)
        tokens = self.tokens[int(self.lengths[:at].sum()) :]
        return np.ascontiguousarray(tokens), self.lengths[at:].copy(), first

    def _as_data(self, recipe: TreeRecipe, tree: native.Tree) -> SequenceTree:
        columns, charges = self.columns(recipe)
        return SequenceTree(
            tuple(columns),
            tuple(charges),
            weights=tree.weights,
            cut_exponent=recipe.cut_exponent,
            equality_exponent=recipe.equality_exponent,
            **tree.arrays(),
        )


def _forget_examples(tree: native.Tree) -> None:
    """Paths are no longer compared with training texts, which a small model lacks."""
    arrays = tree.arrays()
    arrays["nodes"]["common"] = 0
    tree.set_arrays(**arrays)


def _fold(lengths: np.ndarray) -> int | None:
    """Number of positions before the last tenth: whole texts where there are enough of them."""
    ends = np.cumsum(lengths + 1)
    n = int(ends[-1])
    if n < 2 * _LEAST_FOLD:
        return None
    cut = int(n * (1 - _FOLD))
    at = int(np.searchsorted(ends, cut))
    whole = int(ends[at])
    return whole if whole <= n - n * _FOLD / 2 else cut
