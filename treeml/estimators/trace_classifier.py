"""Classification of sequences by a program that is learned from traces."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from treeml._core.control import Control, SearchLimitWarning
from treeml._core.params import Interval, validate_params
from treeml._core.validation import check_target
from treeml.search.greedy import GrowthLimits
from treeml.sequence.decision import Position
from treeml.sequence.learned import TraceRows, grow_program
from treeml.sequence.program import ARDTProgram, Run
from treeml.sequence.symbols import distinct

__all__ = ["ARDTClassifier"]


class ARDTClassifier(ClassifierMixin, BaseEstimator):
    """Classifies sequences of categories by an auto-regressive decision tree.

    The tree reads a few tokens of the growing sequence and appends the next one, until it says the
    answer. Fitted on traces (what one writes down on the way from a sequence to its label), it
    learns the program that wrote them; without traces the label is the only token that it says.

    Which tokens it reads is found first: of the last ``window`` ones, and of the prompt's unread
    tokens (as far back as the prompt is long, so that sequences of every length are read alike),
    those stay that are needed to settle every token of the traces. With traces of a finite
    automaton these are two, and the program is right on sequences of any length once every
    transition was seen.

    Parameters
    ----------
    window : int, default=2
        Last tokens that may be read.
    lookahead : int, default=1
        Unread tokens of the prompt that may be read; 0: none.
    max_depth : int or None, default=None
        Largest depth of the tree.
    max_leaf_nodes : int or None, default=None
        Most leaves.
    max_steps : int or None, default=None
        Most tokens of a run. None: ten for every token of the prompt, and a hundred.
    end : str, default="end"
        The token that is put behind every sequence.

    Attributes
    ----------
    program_ : ARDTProgram
        Runs with a trace; its tree exports like any tree.
    positions_ : tuple of str
        What it reads.
    settled_ : bool
        Whether these tokens settle every token of the traces.
    n_leaves_ : int
    classes_ : ndarray, shape (n_classes,)

    References
    ----------
    Gan, Galanti, Poggio and Malach, On the Power of Decision Trees in Auto-Regressive Language
    Modeling, NeurIPS 2024 (arXiv 2409.19150). Malach, Auto-Regressive Next-Token Predictors are
    Universal Learners, ICML 2024 (arXiv 2309.06979), on learning from chains of thought.

    Examples
    --------
    >>> from treeml import ARDTClassifier
    >>> bits = ["0", "1", "00", "01", "10", "11"]
    >>> traces = [["even"], ["odd"], ["even"] * 2, ["even", "odd"], ["odd"] * 2, ["odd", "even"]]
    >>> model = ARDTClassifier().fit(bits, [t[-1] for t in traces], traces)
    >>> model.predict(["110100011"]).tolist()
    ['odd']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "window": [Interval(Integral, 0, None, closed="left")],
        "lookahead": [Interval(Integral, 0, None, closed="left")],
        "max_depth": [Interval(Integral, 0, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "max_steps": [Interval(Integral, 1, None, closed="left"), None],
        "end": [str],
    }

    def __init__(
        self,
        *,
        window: int = 2,
        lookahead: int = 1,
        max_depth: int | None = None,
        max_leaf_nodes: int | None = None,
        max_steps: int | None = None,
        end: str = "end",
    ) -> None:
        self.window = window
        self.lookahead = lookahead
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.max_steps = max_steps
        self.end = end

    def fit(
        self, X: Sequence[Sequence[Any]], y: Any, traces: Sequence[Sequence[Any]] | None = None
    ) -> ARDTClassifier:
        """Learn the program.

        Parameters
        ----------
        X : sequence of sequences, or array or frame of shape (n_sequences, length)
            The symbols of every sequence: strings, numbers; lengths may differ.
        y : array-like, shape (n_sequences,)
            Labels.
        traces : sequence of sequences or None, default=None
            What is written behind each sequence before its label.

        Returns
        -------
        ARDTClassifier

        Raises
        ------
        ValueError
            For traces that are not as many as the sequences; for a token of two meanings.
        """
        validate_params(self)
        if self.window + self.lookahead == 0:
            raise ValueError("window=0 and lookahead=0: there is no token to read")
        sequences = _sequences(X, "X")
        self.classes_, codes = check_target(y, len(sequences))
        written = [()] * len(sequences) if traces is None else _sequences(traces, "traces")
        if len(written) != len(sequences):
            raise ValueError(f"{len(written)} traces for {len(sequences)} sequences")
        symbols = distinct((s for x in sequences for s in x), "symbol") if any(sequences) else {}
        labels = distinct(self.classes_.tolist(), "label")
        answers = {f"answer {text}": label for label, text in labels.items()}
        said = list(answers)
        prompts = [[*(symbols[s] for s in x), self.end] for x in sequences]
        steps = [[*map(str, trace), said[code]] for trace, code in zip(written, codes, strict=True)]
        self._check_tokens(set(symbols.values()), steps, answers)
        positions = [Position(1), Position(0, after_prompt=True)][: 2 if self.lookahead else 1]
        positions = [p for p in positions if self.window or p.after_prompt]
        positions += [Position(-k, after_prompt=True) for k in range(1, self.lookahead)]
        positions += [Position(k) for k in range(2, self.window + 1)]
        rows = TraceRows(prompts, steps, positions)
        limits = GrowthLimits(max_depth=self.max_depth, max_leaf_nodes=self.max_leaf_nodes)
        program = grow_program(rows, symbols, self.end, answers, limits, control=Control())
        self.program_ = program
        self.positions_ = tuple(p.name for p in program.positions)
        self.settled_ = rows.settled
        self.n_leaves_ = program.n_leaves
        self._likeliest = self.classes_[np.bincount(codes).argmax()]
        return self

    def run(self, x: Sequence[Any]) -> Run:
        """One sequence with the trace that the program writes behind it."""
        return self._program().run(x, max_steps=self._most(x))

    def predict(self, X: Sequence[Sequence[Any]]) -> np.ndarray:
        """Label of every sequence, shape (n_sequences,).

        Raises
        ------
        ValueError
            For a symbol that training had not seen, naming the sequence and the place.

        Warns
        -----
        SearchLimitWarning
            Where ``max_steps`` ended runs; these get the most frequent label.
        """
        program = self._program()
        out, without = [], []
        for number, x in enumerate(_sequences(X, "X")):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SearchLimitWarning)
                    run = program.run(x, max_steps=self._most(x))
            except ValueError as error:
                raise ValueError(f"sequence {number}: {error}") from error
            if not run.finished:
                without.append(number)
            out.append(run.answer if run.finished else self._likeliest)
        if without:
            warnings.warn(
                f"{len(without)} sequences (the first is number {without[0]}) had no answer after "
                f"max_steps={self.max_steps} tokens and get the most frequent label: the program "
                "runs in circles, or needs more steps",
                SearchLimitWarning,
                stacklevel=2,
            )
        return np.array(out, dtype=self.classes_.dtype)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # sequences of different lengths
        tags.input_tags.string = True
        tags.no_validation = True
        return tags

    def _program(self) -> ARDTProgram:
        check_is_fitted(self, "program_")
        return self.program_

    def _most(self, x: Sequence[Any]) -> int:
        return 100 + 10 * len(x) if self.max_steps is None else self.max_steps

    def _check_tokens(
        self, symbols: set[str], steps: list[list[str]], answers: dict[str, Any]
    ) -> None:
        if self.end in symbols:
            raise ValueError(f"end={self.end!r} is a symbol of X too; choose another end marker")
        for number, trace in enumerate(steps):
            for token in trace[:-1]:
                if token in answers or token == self.end:
                    raise ValueError(
                        f"trace {number} has the token {token!r}, which ends a sequence or a run; "
                        "rename it"
                    )


def _sequences(X: Any, name: str) -> list[Sequence[Any]]:
    """The sequences, as a list; one that is none is refused with its number."""
    if isinstance(X, str):
        raise ValueError(f"{name} is one string: give a list of sequences")
    out = []
    if getattr(X, "ndim", 1) == 2:  # a frame would give its names
        X = np.asarray(X, dtype=object)
    for number, x in enumerate(X):
        if not hasattr(x, "__len__") or not hasattr(x, "__iter__"):
            raise ValueError(f"{name}[{number}] is {x!r}: give a sequence of symbols")
        out.append(x.tolist() if isinstance(x, np.ndarray) else x)
    return out
