"""One-tape Turing machines as programs."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from treeml.sequence.decision import Decisions, Position
from treeml.sequence.program import ARDTProgram, SizeBounds
from treeml.sequence.symbols import as_tokens, distinct, read_symbols

__all__ = ["Tape", "TuringMachine", "from_turing_machine"]

_STEP = {"L": -1, "S": 0, "R": 1}


class Tape(NamedTuple):
    """What a machine leaves behind.

    Parameters
    ----------
    symbols : tuple
        The cells.
    state : object
        The state in which it halted.
    head : int
        The cell of the head.
    """

    symbols: tuple[Any, ...]
    state: Any
    head: int


@dataclasses.dataclass(frozen=True, slots=True)
class TuringMachine:
    """A complete machine; what a program of `from_turing_machine` was compiled from.

    Parameters
    ----------
    states, symbols : dict
        Every state and symbol with its text.
    transitions : dict of (state, symbol) to (state, symbol, move)
    start : object
    halting : frozenset
    blank : object
        Fills the tape behind the input.
    space : int
        Cells of the tape.
    head : int
        The cell in which the head starts.
    """

    states: dict[Any, str]
    symbols: dict[Any, str]
    transitions: dict[tuple[Any, Any], tuple[Any, Any, str]]
    start: Any
    halting: frozenset[Any]
    blank: Any
    space: int
    head: int

    @property
    def name(self) -> str:
        return "Turing machine"

    @property
    def bounds(self) -> SizeBounds:
        n, g, h = len(self.states), len(self.symbols), len(self.halting)
        stays = any(move == "S" for _, _, move in self.transitions.values())
        leaves = g * (1 + h + (n if stays else 0))  # at the head, cases that go the same way
        sideways = 1 + n.bit_length()  # ceil(log2(n + 1)) for the right, one more for both
        depth = _log2(g * 2**sideways + leaves)
        steps = f"{self.space}, one a cell, for a step of the machine"
        return SizeBounds(g * (2 * n + 1) + leaves, depth, steps)

    def cell(self, symbol: Any, state: Any = None) -> str:
        """The token of a cell, with the state where the head is."""
        text = self.symbols[symbol]
        return text if state is None else f"{text} [{self.states[state]}]"

    def encode(self, x: Sequence[Any]) -> list[str]:
        prompt = read_symbols(x, self.symbols)
        if len(prompt) > self.space:
            raise ValueError(
                f"the input has {len(prompt)} symbols, the tape {self.space} cells; compile the "
                "machine with more space"
            )
        prompt += [self.symbols[self.blank]] * (self.space - len(prompt))
        here = x[self.head] if self.head < len(x) else self.blank
        prompt[self.head] = self.cell(here, self.start)
        return prompt

    def finished(self, prompt: Sequence[str], generated: Sequence[str]) -> bool:
        if len(generated) % self.space:
            return False
        cells = generated[-self.space :] if generated else prompt
        tape = self._decode(cells)
        if tape.state in self.halting:
            return True
        self._check_move(tape.symbols[tape.head], tape.state, tape.head)
        return False

    def answer(self, prompt: Sequence[str], generated: Sequence[str]) -> Tape:
        return self._decode(generated[-self.space :] if generated else prompt)

    def simulate(self, x: Sequence[Any], max_steps: int) -> list[str]:
        self.encode(x)
        tape = [*x, *[self.blank] * (self.space - len(x))]
        state, head, out = self.start, self.head, []
        while state not in self.halting:
            self._check_move(tape[head], state, head)
            if len(out) >= max_steps:
                break
            state, tape[head], move = self.transitions[state, tape[head]]
            head += _STEP[move]
            out += [self.cell(a, state if i == head else None) for i, a in enumerate(tape)]
        return out[:max_steps]

    def sample(self, rng: random.Random) -> list[Any]:
        return rng.choices(list(self.symbols), k=rng.randint(0, self.space))

    def inputs(self, max_length: int) -> Iterator[tuple[Any, ...]]:
        for length in range(min(max_length, self.space) + 1):
            yield from itertools.product(self.symbols, repeat=length)

    def _check_move(self, symbol: Any, state: Any, head: int) -> None:
        move = self.transitions[state, symbol][2]
        if not 0 <= head + _STEP[move] < self.space:
            side = "left" if move == "L" else "right"
            raise ValueError(
                f"the machine runs off its tape: in state {state!r} it moves {side} from cell "
                f"{head} of {self.space}, which holds {symbol!r}; compile it with more space, or "
                "start the head further in"
            )

    def _decode(self, cells: Sequence[str]) -> Tape:
        plain = {self.cell(a): a for a in self.symbols}
        heads = {self.cell(a, q): (a, q) for a in self.symbols for q in self.states}
        head = next((i for i, token in enumerate(cells) if token in heads), -1)
        if head < 0:
            raise ValueError(f"no cell has the head: {list(cells)}; the tree is another machine's")
        state = heads[cells[head]][1]
        symbols = tuple(plain[t] if t in plain else heads[t][0] for t in cells)
        return Tape(symbols, state, head)


def from_turing_machine(
    transitions: Mapping[tuple[Any, Any], tuple[Any, Any, str]],
    start: Any,
    halting: Collection[Any],
    *,
    blank: Any,
    space: int,
    head: int = 0,
    max_leaf_nodes: int = 1_000_000,
) -> ARDTProgram:
    """A Turing machine on a tape of ``space`` cells as an auto-regressive decision tree.

    A step of the machine is a new copy of its tape, cell by cell. A cell of the copy depends on
    three cells of the tape before: its own, ``space`` tokens back, and its two neighbours; the
    token of a cell is its symbol, with the state where the head is.

    Parameters
    ----------
    transitions : mapping of (state, symbol) to (state, symbol, move)
        What is written and where the head goes: "L", "R" or "S" (stays). Complete for all states
        that do not halt.
    start : object
        The first state.
    halting : collection of states
        Where the machine stops.
    blank : object
        The symbol behind the input.
    space : int
        Cells of the tape, at least 2.
    head : int, default=0
        The cell in which the head starts.
    max_leaf_nodes : int, default=1_000_000
        A larger tree is refused.

    Returns
    -------
    program : ARDTProgram
        Its answers are `Tape` objects. At most G (2 Q + H + 2) leaves for Q states, H
        of them halting, and G symbols (G Q more where the head may stay), of depth
        O(log Q + log G); a run of T steps generates T times ``space`` tokens.

    Raises
    ------
    ValueError
        For a missing transition, naming state and symbol, and for a move that is none of L, R, S.
        When run: where the head leaves the tape, naming state and cell.

    References
    ----------
    Gan, Galanti, Poggio and Malach, On the Power of Decision Trees in Auto-Regressive Language
    Modeling, NeurIPS 2024 (arXiv 2409.19150), on simulating Turing machines. The construction is
    rebuilt here, with its own bounds.
    """
    source = _machine(dict(transitions), start, frozenset(halting), blank, space, head)
    tokens = as_tokens(
        (source.cell(a) for a in source.symbols),
        (source.cell(a, q) for a in source.symbols for q in source.states),
    )
    make = Decisions(tokens, max_leaf_nodes)
    cases = {}
    for symbol in source.symbols:
        cases[source.cell(symbol)] = _entered(make, source, symbol)
        for state in source.states:
            cases[source.cell(symbol, state)] = make.say(_left_behind(source, symbol, state))
    root = make.choose(Position(space), cases)
    positions = tuple(Position(k) for k in range(1, space + 2))
    return ARDTProgram(make.tree(root, positions), positions, source)


def _left_behind(source: TuringMachine, symbol: Any, state: Any) -> str:
    """The next token of the head's own cell."""
    if state in source.halting:
        return source.cell(symbol, state)
    after, written, move = source.transitions[state, symbol]
    return source.cell(written, after if move == "S" else None)


def _entered(make: Decisions, source: TuringMachine, symbol: Any) -> int:
    """The next token of a cell without the head: it may come in from either side."""
    from_left: dict[str, int] = {}
    from_right: dict[str, int] = {}
    for (state, neighbour), (after, _, move) in source.transitions.items():
        if state in source.halting or move == "S":
            continue
        cases = from_left if move == "R" else from_right
        cases[source.cell(neighbour, state)] = make.say(source.cell(symbol, after))
    stays = make.say(source.cell(symbol))
    right = make.choose(Position(source.space - 1), from_right, fallback=stays)
    return make.choose(Position(source.space + 1), from_left, fallback=right)


def _machine(
    table: dict[tuple[Any, Any], tuple[Any, Any, str]],
    start: Any,
    halting: frozenset[Any],
    blank: Any,
    space: int,
    head: int,
) -> TuringMachine:
    """The machine, checked."""
    if space < 2:
        raise ValueError(f"space must be at least 2 cells: {space}")
    if not 0 <= head < space:
        raise ValueError(f"head={head} is not a cell of a tape of {space} cells")
    for (state, symbol), entry in table.items():
        if len(entry) != 3 or entry[2] not in _STEP:
            raise ValueError(
                f"the transition of state {state!r} on symbol {symbol!r} is {entry!r}: it must be "
                '(state, symbol, move), the move one of "L", "R", "S"'
            )
    others = sorted(halting, key=str)
    states = distinct(
        [start, *(q for q, _ in table), *(e[0] for e in table.values()), *others], "state"
    )
    symbols = distinct([*(a for _, a in table), *(e[1] for e in table.values()), blank], "symbol")
    for state, symbol in itertools.product(states, symbols):
        if state not in halting and (state, symbol) not in table:
            raise ValueError(
                f"no transition from state {state!r} on symbol {symbol!r}: add it, or name the "
                "state as halting"
            )
    return TuringMachine(states, symbols, table, start, halting, blank, space, head)


def _log2(n: int) -> int:
    """The least k with 2^k >= n."""
    return (n - 1).bit_length()
