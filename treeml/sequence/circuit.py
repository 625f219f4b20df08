"""Boolean circuits as programs."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from treeml.sequence.decision import Decisions, Position
from treeml.sequence.program import ARDTProgram, SizeBounds
from treeml.sequence.symbols import as_tokens

__all__ = ["Circuit", "Gate", "from_circuit"]

_KINDS: dict[str, Callable[[tuple[int, ...]], int]] = {
    "and": lambda bits: int(all(bits)),
    "or": lambda bits: int(any(bits)),
    "not": lambda bits: 1 - bits[0],
    "nand": lambda bits: 1 - int(all(bits)),
    "nor": lambda bits: 1 - int(any(bits)),
    "xor": lambda bits: sum(bits) % 2,
    "xnor": lambda bits: 1 - sum(bits) % 2,
    "majority": lambda bits: int(2 * sum(bits) > len(bits)),
}
_MOST_OPERANDS = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """A gate with its wires and its truth table.

    Parameters
    ----------
    name : str
    operands : tuple of str
        Inputs and other gates.
    table : tuple of int
        Its value for every combination of the operands, in the order in which these count up as
        binary numbers, the first operand being the highest digit.
    """

    name: str
    operands: tuple[str, ...]
    table: tuple[int, ...]

    def value(self, bits: Sequence[int]) -> int:
        place = 0
        for bit in bits:
            place = 2 * place + bit
        return self.table[place]


@dataclasses.dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit in an order that can be computed; what `from_circuit` compiled.

    Parameters
    ----------
    wires : tuple of str
        Names of the inputs.
    gates : tuple of Gate
        Every gate after its operands.
    outputs : tuple of str
        The gates that are the answer.
    """

    wires: tuple[str, ...]
    gates: tuple[Gate, ...]
    outputs: tuple[str, ...]

    @property
    def name(self) -> str:
        return "circuit"

    @property
    def bounds(self) -> SizeBounds:
        leaves = sum(2 ** len(gate.operands) for gate in self.gates)
        return SizeBounds(leaves, (leaves - 1).bit_length(), f"{len(self.gates)}, one a gate")

    def encode(self, x: Sequence[Any] | Mapping[str, Any]) -> list[str]:
        return [_token(name, bit) for name, bit in zip(self.wires, self._bits(x), strict=True)]

    def finished(self, prompt: Sequence[str], generated: Sequence[str]) -> bool:
        return len(generated) == len(self.gates)

    def answer(self, prompt: Sequence[str], generated: Sequence[str]) -> dict[str, int]:
        names = (*self.wires, *(gate.name for gate in self.gates))
        value = {
            name: int(token == _token(name, 1))
            for name, token in zip(names, (*prompt, *generated), strict=True)
        }
        return {name: value[name] for name in self.outputs}

    def simulate(self, x: Sequence[Any] | Mapping[str, Any], max_steps: int) -> list[str]:
        value = dict(zip(self.wires, self._bits(x), strict=True))
        for gate in self.gates:
            value[gate.name] = gate.value([value[name] for name in gate.operands])
        return [_token(gate.name, value[gate.name]) for gate in self.gates][:max_steps]

    def sample(self, rng: random.Random) -> list[int]:
        return [rng.randint(0, 1) for _ in self.wires]

    def inputs(self, max_length: int) -> Iterator[tuple[int, ...]]:
        return itertools.product((0, 1), repeat=len(self.wires))

    def _bits(self, x: Sequence[Any] | Mapping[str, Any]) -> list[int]:
        if isinstance(x, Mapping):
            unknown = [name for name in x if name not in self.wires]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is not an input: {list(self.wires)}")
            absent = [name for name in self.wires if name not in x]
            if absent:
                raise ValueError(f"input {absent[0]!r} has no value: give 0 or 1")
            x = [x[name] for name in self.wires]
        if len(x) != len(self.wires):
            raise ValueError(f"{len(x)} values for {len(self.wires)} inputs: {list(self.wires)}")
        for name, value in zip(self.wires, x, strict=True):
            if value not in (0, 1):
                raise ValueError(f"input {name!r} must be 0 or 1: {value!r}")
        return [int(value) for value in x]


def from_circuit(
    inputs: Sequence[str],
    gates: Mapping[str, Sequence[Any]],
    outputs: Sequence[str] | None = None,
    *,
    max_leaf_nodes: int = 1_000_000,
) -> ARDTProgram:
    """A Boolean circuit as an auto-regressive decision tree.

    The tree appends the value of one gate after the other. The last token names the gate before,
    so it says which gate is next; the operands of that gate stand at fixed distances.

    Parameters
    ----------
    inputs : sequence of str
        Names of the inputs, at least one.
    gates : mapping of str to sequence
        Every gate as its kind followed by the names of its operands: ``"and"``, ``"or"``,
        ``"not"``, ``"nand"``, ``"nor"``, ``"xor"``, ``"xnor"``, ``"majority"``, or a truth table
        (2^k values for k operands; the first operand is the highest digit). In any order.
    outputs : sequence of str or None, default=None
        The gates whose values are the answer; None: those that no other gate reads.
    max_leaf_nodes : int, default=1_000_000
        A larger tree is refused.

    Returns
    -------
    program : ARDTProgram
        For N gates of at most k operands: at most N 2^k leaves of depth at most
        ceil(log2 N) + k; a run generates N tokens.

    Raises
    ------
    ValueError
        For a cycle, naming its gates; for an operand that is neither input nor gate; for a gate
        of an unknown kind or with the wrong number of operands.

    References
    ----------
    Gan, Galanti, Poggio and Malach, On the Power of Decision Trees in Auto-Regressive Language
    Modeling, NeurIPS 2024 (arXiv 2409.19150), on sparse circuits. The construction is rebuilt
    here, with its own bounds.

    Examples
    --------
    >>> from treeml.sequence import compile
    >>> half_adder = compile.from_circuit(
    ...     ["a", "b"], {"sum": ("xor", "a", "b"), "carry": ("and", "a", "b")}
    ... )
    >>> half_adder.run([1, 1]).answer
    {'sum': 0, 'carry': 1}
    """
    if not inputs:
        raise ValueError("a circuit needs at least one input")
    if not gates:
        raise ValueError("a circuit needs at least one gate")
    wires = tuple(inputs)
    made = _in_order(wires, {name: _gate(name, spec) for name, spec in gates.items()})
    read = {operand for gate in made for operand in gate.operands}
    ends = [name for name in gates if name not in read] if outputs is None else list(outputs)
    for name in ends:
        if name not in gates:
            raise ValueError(f"output {name!r} is not a gate: {list(gates)}")
    source = Circuit(wires, made, tuple(ends))
    names = (*wires, *(gate.name for gate in made))
    tokens = as_tokens(_token(name, bit) for name in names for bit in (0, 1))
    make = Decisions(tokens, max_leaf_nodes)
    place = {name: i for i, name in enumerate(names)}
    cases = {}
    for gate in made:
        before = names[place[gate.name] - 1]
        node = _decide(make, gate, place)
        cases |= {_token(before, bit): node for bit in (0, 1)}
    root = make.choose(Position(1), cases)
    reach = [place[gate.name] - place[operand] for gate in made for operand in gate.operands]
    positions = tuple(Position(k) for k in range(1, max([1, *reach]) + 1))
    return ARDTProgram(make.tree(root, positions), positions, source)


def _token(name: str, bit: int) -> str:
    return f"{name}={bit}"


def _decide(make: Decisions, gate: Gate, place: dict[str, int]) -> int:
    """The decisions of a gate, from its last operand to its first."""
    nodes = [make.say(_token(gate.name, bit)) for bit in gate.table]
    for operand in reversed(gate.operands):
        where = Position(place[gate.name] - place[operand])
        zero, one = _token(operand, 0), _token(operand, 1)
        nodes = [
            make.choose(where, {one: nodes[i + 1], zero: nodes[i]}) for i in range(0, len(nodes), 2)
        ]
    return nodes[0]


def _gate(name: str, spec: Sequence[Any]) -> Gate:
    """A gate, checked."""
    kind, operands = spec[0], tuple(spec[1:])
    if len(operands) > _MOST_OPERANDS:
        raise ValueError(f"gate {name!r} has {len(operands)} operands: at most {_MOST_OPERANDS}")
    if not isinstance(kind, str):
        table = tuple(kind)
        if len(table) != 2 ** len(operands) or any(bit not in (0, 1) for bit in table):
            raise ValueError(
                f"the truth table of gate {name!r} must have {2 ** len(operands)} values 0 or 1 "
                f"for its {len(operands)} operands: {table!r}"
            )
        return Gate(name, operands, tuple(int(bit) for bit in table))
    if kind not in _KINDS:
        raise ValueError(f"gate {name!r} is of unknown kind {kind!r}: one of {sorted(_KINDS)}")
    if not operands or (kind == "not" and len(operands) != 1):
        wanted = "one operand" if kind == "not" else "at least one operand"
        raise ValueError(f"gate {name!r} ({kind}) needs {wanted}, not {len(operands)}")
    every = itertools.product((0, 1), repeat=len(operands))
    return Gate(name, operands, tuple(_KINDS[kind](bits) for bits in every))


def _in_order(wires: tuple[str, ...], gates: dict[str, Gate]) -> tuple[Gate, ...]:
    """Every gate after its operands, otherwise in the given order."""
    twice = [name for i, name in enumerate(wires) if name in gates or name in wires[:i]]
    if twice:
        raise ValueError(f"{twice[0]!r} is the name of an input and of something else")
    known = set(wires)
    for gate in gates.values():
        for operand in gate.operands:
            if operand not in known and operand not in gates:
                raise ValueError(f"gate {gate.name!r} reads {operand!r}: no such input or gate")
    made: list[Gate] = []
    waiting = list(gates.values())
    while waiting:
        ready = [gate for gate in waiting if known.issuperset(gate.operands)]
        if not ready:
            raise ValueError(f"the circuit has a cycle: {' -> '.join(_cycle(waiting))}")
        made += ready
        known.update(gate.name for gate in ready)
        waiting = [gate for gate in waiting if gate.name not in known]
    return tuple(made)


def _cycle(waiting: list[Gate]) -> list[str]:
    """Names along a cycle, each reading the next; every gate that waits reads one that waits."""
    reads = {
        gate.name: next(o for o in gate.operands if any(o == other.name for other in waiting))
        for gate in waiting
    }
    path = [waiting[0].name]
    while (following := reads[path[-1]]) not in path:
        path.append(following)
    return [*path[path.index(following) :], following]
