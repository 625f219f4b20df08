"""A language model made of decision trees."""

from __future__ import annotations

import base64
import dataclasses
import math
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, cast

import numpy as np

from treeml import ir
from treeml._core.control import Control, SearchLimitWarning
from treeml._core.params import Interval, Options, StrOptions, check_values
from treeml.ir.sequence import SequenceModel
from treeml.sequence.encoders import SequenceEncoder, named
from treeml.sequence.explain import Explanation, explain, rules_text
from treeml.sequence.language import Language
from treeml.sequence.learner import LearnOptions, learn
from treeml.sequence.page import surprise_page
from treeml.sequence.recipe import recipes_for
from treeml.sequence.small import learn_small
from treeml.sequence.tokens import END, Kind

__all__ = ["ARDTLanguageModel"]

_VOCAB_SIZE = 2048


class ARDTLanguageModel:
    """Auto-regressive decision trees: what comes next in a text, and the rule behind it.

    The idea is that of Gan, Galanti, Poggio & Malach (On the power of decision trees in
    auto-regressive language modeling, NeurIPS 2024). A tree asks what the last tokens are, by
    thresholds in learned orders of tokens; below, it follows the text back token by token. Each
    node has counts of what came next; a probability mixes those along the path, with weights that
    are fitted on the last tenth of the texts, after which the tree is grown again on all of them.

    Parameters
    ----------
    tokenizer : {"bpe", "char", "word"}, default="bpe"
        Tokens are pieces of words (byte pair encoding, needs the library ``tokenizers``: extra
        ``[text]``), characters, or words. All are lossless: what is unknown is spelled in bytes.
    vocab_size : int or None, default=None
        Most tokens, at least 257 (the end of a text and all bytes). None: 2,048; with
        ``max_bytes``, the number that does best on the last tenth of the texts.
    context : int, default=12
        Tokens back that the suffix nodes of a tree may look.
    max_leaf_nodes : int or None, default=None
        With a number, a readable tree: grown best first, its tests are sets of tokens, and it has
        no nodes below them. None: trees of full depth.
    n_estimators : int, default=1
        Trees of a forest; they differ in orders, columns and growth.
    adapt : bool, default=True
        Whether the text so far teaches: its own repetitions are an expert beside the trees; tokens
        that it has used are likelier, and so is what training recalls of it: the token that
        followed where training went on as this text does, and those that come more often in texts
        with the tokens of this one. Models of ``max_bytes`` recall nothing: they have no texts.
    ngram : int or None, default=None
        Order (at most 5) of a modified Kneser-Ney n-gram among the experts.
    max_bytes : int or None, default=None
        Most bytes of the file that `save` writes. The tree is pruned to what is worth most a byte,
        by what its own smoothed probabilities say (in the manner of Stolcke, Entropy-based
        pruning of backoff language models, 1998). Such a model has one tree, no sets, no n-gram,
        and its file no training texts: `explain` shows no sentences and rounds ``n_rows`` down to
        a power of two.
    encoders : sequence of SequenceEncoder or None, default=None
        What else trees may ask: objects that read a text so far and say a code for it, a topic, a
        part of speech, who speaks; see `treeml.sequence.SequenceEncoder`. They are no part of the
        file: a loaded model asks for them by `set_encoders`. Not together with ``max_bytes``.
    smoothing : {"fitted", "fixed"}, default="fitted"
        Whether weights of paths and experts are fitted on the last tenth of the texts, or stay as
        they start. Texts of fewer than 400 tokens have fixed ones anyway.
    n_jobs : int or None, default=None
        Threads of growth and of fitting weights; the model is the same for any number.
    time_limit : float or None, default=None
        Seconds of wall time of `fit`; the best so far is kept, with a `SearchLimitWarning`.
    random_state : int or None, default=0
        Of the learned orders.
    verbose : int, default=0
        1: every step of `fit` on the terminal.

    Attributes
    ----------
    model_ : ir.SequenceModel
        The model as data.
    tokens_ : list of str
        What each token stands for; the first one ends a text.
    n_leaves_ : list of int
        Leaves of each tree.
    status_ : str
        "optimal" where all steps of `fit` were made (greedy ones: nothing is proven), else the
        limit that ended it.

    Notes
    -----
    Probabilities are those of the tokens that the tokenizer makes of a text; the few other
    ways to spell it in tokens are not added. Not a scikit-learn estimator: its rows are texts.

    Examples
    --------
    >>> from treeml import ARDTLanguageModel
    >>> texts = ["the cat sat on the mat.", "the dog sat on the rug."] * 20
    >>> model = ARDTLanguageModel(tokenizer="word", adapt=False).fit(texts)
    >>> model.generate("the dog", temperature=0)
    ' sat on the rug.'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "tokenizer": [StrOptions({"bpe", "char", "word"})],
        "vocab_size": [Interval(Integral, 257, 65536, closed="both"), None],
        "context": [Interval(Integral, 1, 64, closed="both")],
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "adapt": ["boolean"],
        "ngram": [Interval(Integral, 1, 5, closed="both"), None],
        "max_bytes": [Interval(Integral, 1, None, closed="left"), None],
        "encoders": ["array-like", None],
        "smoothing": [StrOptions({"fitted", "fixed"})],
        "n_jobs": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        tokenizer: Literal["bpe", "char", "word"] = "bpe",
        vocab_size: int | None = None,
        context: int = 12,
        max_leaf_nodes: int | None = None,
        n_estimators: int = 1,
        adapt: bool = True,
        ngram: int | None = None,
        max_bytes: int | None = None,
        encoders: Sequence[SequenceEncoder] | None = None,
        smoothing: Literal["fitted", "fixed"] = "fitted",
        n_jobs: int | None = None,
        time_limit: float | None = None,
        random_state: int | None = 0,
        verbose: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.vocab_size = vocab_size
        self.context = context
        self.max_leaf_nodes = max_leaf_nodes
        self.n_estimators = n_estimators
        self.adapt = adapt
        self.ngram = ngram
        self.max_bytes = max_bytes
        self.encoders = encoders
        self.smoothing = smoothing
        self.n_jobs = n_jobs
        self.time_limit = time_limit
        self.random_state = random_state
        self.verbose = verbose

    def get_params(self) -> dict[str, Any]:
        """Parameters by name."""
        return {name: getattr(self, name) for name in self._parameter_constraints}

    def __repr__(self) -> str:
        default = type(self)().get_params()
        given = ", ".join(f"{k}={v!r}" for k, v in self.get_params().items() if v != default[k])
        return f"{type(self).__name__}({given})"

    def fit(self, texts: Iterable[str]) -> ARDTLanguageModel:
        """Learn from texts.

        Parameters
        ----------
        texts : iterable of str
            One a document; empty ones are left out. Line ends are text like any other.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where a parameter or a text is not what it should be, no text is left, or
            ``max_bytes`` are too few even for a tree of one leaf.
        """
        check_values(self._parameter_constraints, self.get_params(), type(self).__name__)
        if self.max_bytes is not None and (self.n_estimators > 1 or self.ngram is not None):
            raise ValueError(
                f"max_bytes={self.max_bytes} is for one tree: leave n_estimators at 1 and ngram "
                "at None"
            )
        encoders = named(self.encoders)
        if encoders and self.max_bytes is not None:
            raise ValueError("max_bytes is not for models with encoders: leave one of them out")
        kept = _checked(texts)
        if not kept:
            raise ValueError("the corpus is empty: fit needs at least one text that is not")
        control = Control(n_jobs=self.n_jobs)
        seed = self.random_state
        if seed is None:
            seed = int.from_bytes(os.urandom(4), "little")
        options = LearnOptions(
            recipes=recipes_for(self.n_estimators, self.max_leaf_nodes),
            tokenizer=cast(Kind, self.tokenizer),
            vocab_size=_VOCAB_SIZE if self.vocab_size is None else self.vocab_size,
            context=self.context,
            document=bool(self.adapt),
            ngram=self.ngram,
            fitted=self.smoothing == "fitted",
            seed=int(seed),
            n_threads=control.n_threads,
            time_limit=self.time_limit,
            stop_after=getattr(self, "_stop_after", None),
            say=_say if self.verbose else None,
            small=self.max_bytes is not None,
            encoders=encoders,
        )
        if self.max_bytes is None:
            language, self.status_ = learn(kept, options)
        else:
            language, self.status_ = learn_small(
                kept, options, self.vocab_size, self.max_bytes, self._file_bytes
            )
        self._set(language)
        if self.status_ != "optimal":
            reached = f"time_limit={self.time_limit} was reached"
            why = reached if self.status_ == "time_limit" else "fit was interrupted"
            made = len(language.model.trees)
            warnings.warn(
                f"{why}: the model has what was grown until then, {made} of "
                f"{self.n_estimators} trees",
                SearchLimitWarning,
                stacklevel=2,
            )
        return self

    def bits_per_byte(self, texts: Iterable[str]) -> float:
        """Bits that the texts take, with one end symbol each, over their UTF-8 bytes + 1 each.

        Empty texts are left out. Raises `ValueError` where none is left.
        """
        kept = _checked(texts)
        if not kept:
            raise ValueError("no texts to score: all are empty")
        n_bytes = sum(len(text.encode()) + 1 for text in kept)
        return -math.fsum(self._log_probs(kept)) / math.log(2) / n_bytes

    def log_prob(self, texts: Iterable[str]) -> np.ndarray:
        """Natural logarithm of the probability of each text and its end.

        Parameters
        ----------
        texts : iterable of str
            An empty text is one that ends at once.

        Returns
        -------
        ndarray of shape (n_texts,), float64
        """
        checked = _checked(texts, drop=False)
        if not checked:
            return np.empty(0)
        encoded = self._reading().tokenizer.encode(checked)
        log = self._reading().score(encoded)
        begin = np.cumsum([0, *(len(tokens) + 1 for tokens in encoded[:-1])])
        return np.add.reduceat(log, begin)

    def surprise(self, text: str) -> list[tuple[str, float]]:
        """Each token of a text, as text, with the bits that it took; the end comes last."""
        language = self._reading()
        tokens = language.tokenizer.encode(_checked([text], drop=False))[0]
        bits = -language.score([tokens]) / math.log(2)
        names = [language.tokenizer.pieces[t].decode("utf-8", errors="replace") for t in tokens]
        return list(zip([*names, ""], bits.tolist(), strict=True))

    def next_proba(self, prompt: str | Sequence[int] = "") -> np.ndarray:
        """Probability of every token after a prompt.

        Parameters
        ----------
        prompt : str or sequence of int
            The beginning of a text, or its tokens.

        Returns
        -------
        ndarray of shape (n_tokens,), float64
            In the order of ``tokens_``.
        """
        return self._reading().reader(self._prompt(prompt)).next()

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 400,
        temperature: float = 1.0,
        top_p: float = 1.0,
        random_state: int | None = 0,
    ) -> str:
        """Go on with a text until it ends.

        Parameters
        ----------
        prompt : str, default=""
        max_tokens : int, default=400
        temperature : float, default=1.0
            Probabilities are taken to the power of its inverse; 0 is the likeliest token.
        top_p : float, default=1.0
            Only the likeliest tokens that together have this share are drawn from.
        random_state : int or None, default=0

        Returns
        -------
        str
            What follows the prompt.
        """
        checks = {
            "max_tokens": [Interval(Integral, 0, None, closed="left")],
            "temperature": [Interval(Real, 0, None, closed="left")],
            "top_p": [Interval(Real, 0, 1, closed="right")],
        }
        given = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
        check_values(checks, given, "generate")
        language = self._reading()
        uniforms = np.random.default_rng(random_state).uniform(size=max_tokens)
        before = self._prompt(prompt)
        drawn = language.generate(before, uniforms, float(temperature), float(top_p))
        return language.tokenizer.decode(drawn)

    def explain(
        self, prompt: str | Sequence[int], token: str | int | None = None, *, n_sentences: int = 3
    ) -> Explanation:
        """The rule behind a token: paths in words, counts, and each node's share.

        Parameters
        ----------
        prompt : str or sequence of int
        token : str, int or None, default=None
            Its text or number; None: the likeliest. A text of several tokens means its first.
        n_sentences : int, default=3
            Places of the training texts that reach the same leaf.

        Returns
        -------
        Explanation
            ``text`` says it in words; shares add up to ``probability``.
        """
        language = self._reading()
        before = self._prompt(prompt)
        if token is None:
            token = int(np.argmax(language.reader(before).next()))
        elif isinstance(token, str):
            encoded = language.tokenizer.encode(_checked([token], drop=False))[0]
            token = int(encoded[0]) if len(encoded) else END
        elif not 0 <= token < len(language.tokenizer):
            raise ValueError(f"token {token} is not one of 0 to {len(language.tokenizer) - 1}")
        shown = prompt if isinstance(prompt, str) else language.tokenizer.decode(before)
        return explain(language, shown, before, int(token), n_sentences)

    def to_rules(self, *, tree: int = 0, max_rules: int = 1000) -> str:
        """Leaves of a tree as rules, one a line, those that most places reach first."""
        language = self._fitted()
        if not 0 <= tree < len(language.model.trees):
            raise ValueError(f"tree {tree} is not one of 0 to {len(language.model.trees) - 1}")
        return rules_text(language, tree, max_rules)

    def page(self, text: str, *, title: str = "What comes next, and why") -> str:
        """A page (html) that shows a text coloured by surprise; a click shows a token's rule.

        It is one file that loads nothing. A text may have at most 2,000 tokens.
        """
        return surprise_page(self._reading(), _checked([text], drop=False)[0], title)

    @property
    def size_bytes(self) -> int:
        """Bytes of what predictions need, packed as `save` packs it, without base 64; with
        ``max_bytes``, of the file that `save` writes.
        """
        model = self._fitted().model
        return len(self.to_json().encode()) if model.small else model.size_bytes

    def to_json(self) -> str:
        """The model as versioned JSON."""
        return self._json(self._fitted().model, self.status_)

    def _json(self, model: SequenceModel, status: str) -> str:
        parameters = {k: v for k, v in self.get_params().items() if k != "encoders"}
        if model.small:  # of which every byte counts
            default = type(self)().get_params()
            parameters = {k: v for k, v in parameters.items() if v != default[k]}
        estimator = {"name": type(self).__name__, "parameters": parameters}
        return ir.dump(model, estimator=estimator, status=status)

    def _file_bytes(self, n_packed: int) -> int:
        """Of the file of a small model whose numbers take so many, whatever the status will be."""
        text = "x" * len(base64.b85encode(bytes(n_packed)))
        stub: Any = SimpleNamespace(small=True, to_dict=lambda: SequenceModel.packed(text))
        return len(self._json(stub, "interrupted").encode())

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file; `treeml.load` reads it."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def from_model(cls, model: SequenceModel, extra: dict[str, Any]) -> ARDTLanguageModel:
        """A fitted model from what `to_json` wrote."""
        out = cls(**extra["estimator"]["parameters"])
        out.status_ = extra["status"]
        out._set(Language(model))
        return out

    def set_encoders(self, encoders: Sequence[SequenceEncoder]) -> ARDTLanguageModel:
        """Give a loaded model the encoders that it was fitted with, in any order.

        Raises
        ------
        ValueError
            Where they are not the ones that the model asks for, by name, number of codes, and
            whether these are ordered.
        """
        model = self._fitted().model
        given = {encoder.name: encoder for encoder in named(encoders)}
        if sorted(given) != sorted(column.name for column in model.encoders):
            raise ValueError(
                f"the model asks for the encoders {[c.name for c in model.encoders]}, and was "
                f"given {list(given)}"
            )
        for column in model.encoders:
            mine = given[column.name]
            if mine.n_codes != column.n_codes or bool(mine.ordered) != column.ordered:
                raise ValueError(
                    f"encoder {column.name!r} was fitted with n_codes={column.n_codes} and "
                    f"ordered={column.ordered}, but has {mine.n_codes} and {bool(mine.ordered)}"
                )
        self.encoders = [given[column.name] for column in model.encoders]
        self._set(Language(model, self._language.tokenizer, tuple(self.encoders)))
        return self

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in vars(self).items() if k != "_language"}
        if hasattr(self, "_language"):
            model = self._language.model
            state["model_"] = dataclasses.replace(model)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "model_" in state:
            model = state["model_"]
            encoders = named(self.encoders) if model.encoders else ()
            self._set(Language(model, encoders=encoders))

    def _set(self, language: Language) -> None:
        self._language = language
        self.model_ = language.model
        self.tokens_ = language.tokenizer.names()
        self.n_leaves_ = [tree.n_leaves for tree in language.model.trees]

    def _fitted(self) -> Language:
        if not hasattr(self, "_language"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet: call fit first")
        return self._language

    def _reading(self) -> Language:
        """The model where it reads texts, which takes its encoders."""
        language = self._fitted()
        columns = language.model.encoders
        if len(language.encoders) != len(columns):
            raise ValueError(
                f"this model was fitted with the encoders {[c.name for c in columns]}, which its "
                "file does not hold: give them to set_encoders first"
            )
        return language

    def _prompt(self, prompt: str | Sequence[int]) -> np.ndarray:
        language = self._fitted()
        if isinstance(prompt, str):
            return language.tokenizer.encode(_checked([prompt], drop=False))[0]
        tokens = np.asarray(prompt)
        if tokens.size == 0:
            return np.empty(0, dtype=np.uint16)
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise ValueError("a prompt is a text or a sequence of whole numbers, its tokens")
        if tokens.min() <= END or tokens.max() >= len(language.tokenizer):
            raise ValueError(
                f"tokens of a prompt are 1 to {len(language.tokenizer) - 1}: "
                f"{int(tokens.min())} to {int(tokens.max())} were given"
            )
        return tokens.astype(np.uint16)

    def _log_probs(self, texts: list[str]) -> np.ndarray:
        language = self._reading()
        return language.score(language.tokenizer.encode(texts))

    def _set_stop(self, after_polls: int) -> ARDTLanguageModel:
        """End `fit` at a certain poll of its clock: a stop that repeats, for tests."""
        self._stop_after = after_polls
        return self


def _checked(texts: Iterable[str], drop: bool = True) -> list[str]:
    """Texts as a list, the empty ones left out; errors name the text."""
    if isinstance(texts, (str, bytes)):
        raise ValueError("texts must be several: put a single one in a list")
    out = []
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {number} is no str but {type(text).__name__}: {text!r:.60}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text {number} has a lone surrogate at {error.start}, which UTF-8 cannot "
                "hold: read it with the encoding it was written in"
            ) from None
        if text or not drop:
            out.append(text)
    return out


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
