"""Deterministic finite automata as programs."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from treeml.sequence.decision import Decisions, Position
from treeml.sequence.program import ARDTProgram, SizeBounds
from treeml.sequence.symbols import as_tokens, distinct, read_symbols

__all__ = ["Automaton", "from_dfa"]

_LAST, _UNREAD = Position(1), Position(0, after_prompt=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Automaton:
    """A complete automaton; what a program of `from_dfa` was compiled from.

    Parameters
    ----------
    states, symbols : dict
        Every state and symbol with its token.
    transitions : dict of (state, symbol) to state
    start : object
    outputs : dict
        What the automaton says where its input ends, for every state.
    length : int or None
        Symbols of an input; None for any number.
    end : str
        The token behind the input, where lengths vary.
    """

    states: dict[Any, str]
    symbols: dict[Any, str]
    transitions: dict[tuple[Any, Any], Any]
    start: Any
    outputs: dict[Any, Any]
    length: int | None
    end: str

    @property
    def name(self) -> str:
        return "finite automaton"

    @property
    def answers(self) -> dict[Any, str]:
        """The distinct outputs with their tokens, where the program itself says them."""
        texts = distinct(self.outputs.values(), "output")
        return {value: f"answer {text}" for value, text in texts.items()}

    @property
    def bounds(self) -> SizeBounds:
        n, k = len(self.states), len(self.symbols)
        if self.length is not None:
            depth = _log2(n) + _log2(k)
            return SizeBounds(n * k, depth, f"{self.length}, one a symbol")
        depth = _log2(n) + _log2(k + 1)
        return SizeBounds(n * (k + 1), depth, "one a symbol, and the answer")

    def encode(self, x: Sequence[Any]) -> list[str]:
        prompt = read_symbols(x, self.symbols)
        if self.length is None:
            return [*prompt, self.end]
        if len(prompt) != self.length:
            raise ValueError(
                f"the input has {len(prompt)} symbols, the program is for {self.length}; compile "
                "it with length=None for inputs of any length"
            )
        return prompt

    def finished(self, prompt: Sequence[str], generated: Sequence[str]) -> bool:
        return len(generated) == len(prompt)  # the end marker is answered too

    def answer(self, prompt: Sequence[str], generated: Sequence[str]) -> Any:
        last = generated[-1]
        if self.length is None:
            return next(value for value, token in self.answers.items() if token == last)
        return next(self.outputs[state] for state, token in self.states.items() if token == last)

    def simulate(self, x: Sequence[Any], max_steps: int) -> list[str]:
        self.encode(x)
        state, out = self.start, []
        for symbol in x:
            state = self.transitions[state, symbol]
            out.append(self.states[state])
        if self.length is None:
            out.append(self.answers[self.outputs[state]])
        return out[:max_steps]

    def sample(self, rng: random.Random) -> list[Any]:
        length = rng.randint(0, 40) if self.length is None else self.length
        return rng.choices(list(self.symbols), k=length)

    def inputs(self, max_length: int) -> Iterator[tuple[Any, ...]]:
        lengths = range(max_length + 1) if self.length is None else [self.length]
        for length in lengths:
            yield from itertools.product(self.symbols, repeat=length)


def from_dfa(
    transitions: Mapping[tuple[Any, Any], Any],
    start: Any,
    accepting: Collection[Any] | Mapping[Any, Any],
    *,
    length: int | None = None,
    end: str = "end",
    max_leaf_nodes: int = 1_000_000,
) -> ARDTProgram:
    """A deterministic finite automaton as an auto-regressive decision tree.

    The tree appends the state after every symbol of the input. It reads two tokens: the last one,
    which is the state, and the next unread symbol. For inputs of one length n that symbol always
    stands n back, since the sequence grows by one token with every symbol read. For inputs of
    every length an end marker closes the prompt; the unread symbol is as far back as the prompt is
    long (the column ``unread``), and where it is the end marker the tree says the answer.

    Parameters
    ----------
    transitions : mapping of (state, symbol) to state
        Complete: an entry for every state and symbol.
    start : object
        The state before the first symbol.
    accepting : collection of states, or mapping of state to output
        Where the answer is "accept" (all other states: "reject"); or the answer of every state.
    length : int or None, default=None
        Symbols of an input; None for inputs of every length.
    end : str, default="end"
        The end marker, where lengths vary.
    max_leaf_nodes : int, default=1_000_000
        A larger tree is refused.

    Returns
    -------
    program : ARDTProgram
        With at most Q S leaves (Q (S + 1) with the end marker) of depth at most
        ceil(log2 Q) + ceil(log2 S), for Q states and S symbols. Symbols that lead to the
        same state share a leaf.

    Raises
    ------
    ValueError
        For a missing transition, naming state and symbol; for a state that no transition is
        defined for; for an accepting state that does not exist.

    References
    ----------
    Gan, Galanti, Poggio and Malach, On the Power of Decision Trees in Auto-Regressive Language
    Modeling, NeurIPS 2024 (arXiv 2409.19150), on simulating automata. The construction is rebuilt
    here, with its own bounds.

    Examples
    --------
    >>> from treeml.sequence import compile
    >>> flip = {("even", 1): "odd", ("odd", 1): "even", ("even", 0): "even", ("odd", 0): "odd"}
    >>> parity = compile.from_dfa(flip, "even", {"even": "even", "odd": "odd"})
    >>> parity.run([1, 0, 1, 1]).answer
    'odd'
    """
    if length is not None and length < 1:
        raise ValueError(f"length must be at least 1 or None: {length}")
    table = dict(transitions)
    states = distinct([start, *(q for q, _ in table), *table.values()], "state")
    symbols = distinct((a for _, a in table), "symbol")
    for state, symbol in itertools.product(states, symbols):
        if (state, symbol) not in table:
            raise ValueError(
                f"no transition from state {state!r} on symbol {symbol!r}: add it, to a state that "
                "is never left where the input must not go on so"
            )
    source = Automaton(
        states={state: f"state {text}" for state, text in states.items()},
        symbols=symbols,
        transitions=table,
        start=start,
        outputs=_outputs(accepting, states),
        length=length,
        end=end,
    )
    if length is not None:
        return _fixed_length(source, length, max_leaf_nodes)
    return _any_length(source, max_leaf_nodes)


def _fixed_length(source: Automaton, length: int, max_leaf_nodes: int) -> ARDTProgram:
    tokens = as_tokens(source.symbols.values(), source.states.values())
    positions = tuple(Position(k) for k in range(1, length + 1))
    make = Decisions(tokens, max_leaf_nodes)
    after = {state: _read(make, source, state, positions[-1], {}) for state in source.states}
    if length == 1:  # the last token is the symbol itself
        return ARDTProgram(make.tree(after[source.start], positions), positions, source)
    cases = {source.states[state]: node for state, node in after.items()}
    root = make.choose(_LAST, cases, fallback=after[source.start])
    return ARDTProgram(make.tree(root, positions), positions, source)


def _any_length(source: Automaton, max_leaf_nodes: int) -> ARDTProgram:
    answers = source.answers
    tokens = as_tokens(
        source.symbols.values(), [source.end], source.states.values(), answers.values()
    )
    make = Decisions(tokens, max_leaf_nodes)
    after = {
        state: _read(
            make, source, state, _UNREAD, {source.end: make.say(answers[source.outputs[state]])}
        )
        for state in source.states
    }
    cases = {source.states[state]: node for state, node in after.items()}
    root = make.choose(_LAST, cases, fallback=after[source.start])
    positions = (_LAST, _UNREAD)
    return ARDTProgram(make.tree(root, positions), positions, source)


def _read(
    make: Decisions, source: Automaton, state: Any, where: Position, more: dict[str, int]
) -> int:
    """What a state does with the unread token."""
    cases = {
        token: make.say(source.states[source.transitions[state, symbol]])
        for symbol, token in source.symbols.items()
    }
    return make.choose(where, cases | more)


def _outputs(
    accepting: Collection[Any] | Mapping[Any, Any], states: dict[Any, str]
) -> dict[Any, Any]:
    """The answer of every state."""
    unknown = [state for state in accepting if state not in states]
    if unknown:
        raise ValueError(f"accepting names {unknown[0]!r}, which is not a state: {list(states)}")
    if not isinstance(accepting, Mapping):
        return {state: "accept" if state in accepting else "reject" for state in states}
    silent = [state for state in states if state not in accepting]
    if silent:
        raise ValueError(f"state {silent[0]!r} has no output: give one for every state")
    return {state: accepting[state] for state in states}


def _log2(n: int) -> int:
    """The least k with 2^k >= n."""
    return (n - 1).bit_length()
