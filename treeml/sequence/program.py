"""Programs: a tree that reads the last tokens of a sequence and says the next one."""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from treeml import export, ir
from treeml._core.control import SearchLimitWarning
from treeml._core.table import Table
from treeml.ir import Tree
from treeml.sequence.decision import Position, TreeReader, token_table

__all__ = ["ARDTProgram", "ProgramVerification", "Run", "SizeBounds", "Source", "Step"]


@dataclasses.dataclass(frozen=True, slots=True)
class SizeBounds:
    """What the construction promises of the tree, whatever the machine does.

    Parameters
    ----------
    n_leaves, depth : int
        Most leaves and questions in a row.
    steps : str
        Tokens that a run generates, in words.
    """

    n_leaves: int
    depth: int
    steps: str


class Source(Protocol):
    """What a program was compiled from: it writes prompts, and simulates without the tree."""

    @property
    def name(self) -> str: ...

    @property
    def bounds(self) -> SizeBounds: ...

    def encode(self, x: Any) -> list[str]:
        """The prompt of an input, which is checked."""
        ...

    def finished(self, prompt: Sequence[str], generated: Sequence[str]) -> bool:
        """Whether a run is at its end; raises where the machine has broken down."""
        ...

    def answer(self, prompt: Sequence[str], generated: Sequence[str]) -> Any:
        """What a finished run says."""
        ...

    def simulate(self, x: Any, max_steps: int) -> list[str]:
        """The tokens that a run must generate, by the definition of the machine."""
        ...

    def sample(self, rng: random.Random) -> Any:
        """A random input."""
        ...

    def inputs(self, max_length: int) -> Iterator[Any]:
        """Every input (of at most ``max_length`` symbols, where lengths vary)."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One generated token with the tokens that led to it.

    Parameters
    ----------
    token : str
        What was generated.
    reasons : tuple of str
        The tokens that were read on the way to it, with their positions.
    """

    token: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.token}  <-  {', '.join(self.reasons) or 'always'}"


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What a program did with one input.

    Parameters
    ----------
    prompt, generated : tuple of str
        The tokens of the input, and those that the tree appended one by one.
    answer : object
        What they mean; None where the run was ended by ``max_steps``.
    finished : bool
        Whether the run came to its end.
    """

    prompt: tuple[str, ...]
    generated: tuple[str, ...]
    answer: Any
    finished: bool
    program: ARDTProgram = dataclasses.field(repr=False)

    @property
    def n_steps(self) -> int:
        return len(self.generated)

    @property
    def trace(self) -> tuple[Step, ...]:
        """Every generated token with the reasons for it."""
        return self.program.explain(self.prompt, self.generated)

    def text(self) -> str:
        """The trace for reading, a line a token."""
        lines = ["prompt: " + " ".join(self.prompt)]
        lines += [f"{i}. {step}" for i, step in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"answer: {self.answer}"])


@dataclasses.dataclass(frozen=True, slots=True)
class ProgramVerification:
    """What came out where a program was compared with a direct simulation.

    Parameters
    ----------
    n_inputs, n_tokens : int
        Inputs that were run, and tokens that were compared.
    exhaustive : bool
        Whether these were all inputs of at most the length asked for.
    difference : tuple or None
        The first input with a difference, with the generated and the expected tokens.
    """

    n_inputs: int
    n_tokens: int
    exhaustive: bool
    difference: tuple[Any, tuple[str, ...], tuple[str, ...]] | None = None

    @property
    def ok(self) -> bool:
        return self.difference is None

    def __str__(self) -> str:
        which = f"all {self.n_inputs:,}" if self.exhaustive else f"{self.n_inputs:,}"
        checked = f"{which} inputs, {self.n_tokens:,} tokens compared"
        if self.difference is None:
            return f"{checked}: no difference"
        x, got, expected = self.difference
        return f"{checked}: input {x!r} gives {list(got)} instead of {list(expected)}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ARDTProgram:
    """An auto-regressive decision tree that computes: it appends tokens until it has the answer.

    Made by `treeml.compile.from_dfa`, `from_turing_machine` and `from_circuit`.

    Parameters
    ----------
    tree : Tree
        Columns are the tokens that it reads (``token_1_back`` is the last one; ``unread``, where a
        program works for inputs of every length, is the next unread token of the prompt: the one
        as far back as the prompt is long), classes are the tokens. Exports like any tree.
    positions : tuple of Position
        The columns as places in the sequence.
    source : Source
        The machine that it was compiled from.
    """

    tree: Tree
    positions: tuple[Position, ...]
    source: Source
    _reader: TreeReader = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", TreeReader(self.tree, self.positions))

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens of prompts and answers."""
        return tuple(self.tree.classes.tolist())

    @property
    def n_leaves(self) -> int:
        return self.tree.n_leaves

    @property
    def depth(self) -> int:
        return self.tree.depth

    @property
    def bounds(self) -> SizeBounds:
        """Leaves, depth and steps that the construction promises."""
        return self.source.bounds

    def run(self, x: Any, *, max_steps: int = 100_000) -> Run:
        """Compute: let the tree append tokens to the prompt of ``x`` until it is done.

        Parameters
        ----------
        x : object
            A sequence of symbols (automata, tapes) or of 0/1 values (circuits).
        max_steps : int, default=100_000
            Most tokens that are generated.

        Returns
        -------
        run : Run

        Raises
        ------
        ValueError
            For a symbol that the program does not know, or where the machine runs off its tape.

        Warns
        -----
        SearchLimitWarning
            Where ``max_steps`` ended the run; its ``answer`` is then None.
        """
        prompt = self.source.encode(x)
        generated, finished = self._generate(prompt, max_steps)
        if not finished:
            warnings.warn(
                f"max_steps={max_steps} tokens were generated before the {self.source.name} was "
                "done: no answer; allow more steps if it halts",
                SearchLimitWarning,
                stacklevel=2,
            )
        answer = self.source.answer(prompt, generated) if finished else None
        return Run(tuple(prompt), tuple(generated), answer, finished, self)

    def verify(
        self,
        *,
        exhaustive: int | None = None,
        samples: int = 1000,
        max_steps: int = 10_000,
        max_inputs: int = 1_000_000,
        random_state: int = 0,
    ) -> ProgramVerification:
        """Compare runs of the tree, token by token, with a simulation that does not use it.

        Parameters
        ----------
        exhaustive : int or None, default=None
            Run every input of at most this many symbols (all inputs of a circuit); None: random
            ones.
        samples : int, default=1000
            Random inputs, where not exhaustive.
        max_steps : int, default=10_000
            Tokens that are compared of each run.
        max_inputs : int, default=1_000_000
            Most inputs that are run.
        random_state : int, default=0
            Seed of the random inputs.

        Returns
        -------
        verification : ProgramVerification
            ``ok`` says whether there was no difference.

        Warns
        -----
        SearchLimitWarning
            Where ``max_inputs`` ended an exhaustive comparison; ``exhaustive`` is then False.
        """
        if exhaustive is None:
            rng = random.Random(random_state)
            inputs: Iterator[Any] = (self.source.sample(rng) for _ in range(samples))
        else:
            inputs = self.source.inputs(exhaustive)
        every = exhaustive is not None
        n_inputs = n_tokens = 0
        for x in inputs:
            if n_inputs >= max_inputs:
                every = False
                warnings.warn(
                    f"max_inputs={max_inputs} inputs were run, not all there are; allow more, or "
                    "shorter ones",
                    SearchLimitWarning,
                    stacklevel=2,
                )
                break
            expected, trouble = _outcome(lambda x=x: self.source.simulate(x, max_steps))
            got, mine = _outcome(lambda x=x: self._generate(self.source.encode(x), max_steps)[0])
            n_inputs += 1
            n_tokens += len(expected)
            if got != expected or mine != trouble:
                difference = (x, tuple(got) or (mine,), tuple(expected) or (trouble,))
                return ProgramVerification(n_inputs, n_tokens, False, difference)
        return ProgramVerification(n_inputs, n_tokens, every)

    def table(self, run: Run) -> Table:
        """What the tree read before every generated token, a row each; for exported programs."""
        sequence = (*run.prompt, *run.generated)
        return token_table(self.positions, sequence, len(run.prompt)).take(slice(0, run.n_steps))

    def explain(self, prompt: Sequence[str], generated: Sequence[str]) -> tuple[Step, ...]:
        """The questions and answers behind every generated token."""
        sequence, known = (*prompt, *generated), len(prompt)
        return tuple(
            Step(sequence[n], self._reader.reasons(sequence[:n], known))
            for n in range(known, len(sequence))
        )

    def to_text(self) -> str:
        """The tree in words."""
        return export.text(self.tree)

    def rules(self) -> pd.DataFrame:
        """A rule a leaf, as a frame."""
        return export.rules(self.tree)

    def to_python(self, function: str = "next_token") -> str:
        """Source of a Python function from a row of tokens to the next token."""
        return export.python(self.tree, function)

    def to_sql(self, dialect: str = "duckdb", table: str | None = None) -> str:
        """SQL that gives the next token of every row of tokens."""
        return export.sql(self.tree, dialect, table)

    def to_c(self, function: str = "next_token") -> str:
        """C source of a function from a row of tokens to the next token."""
        return export.c(self.tree, function)

    def to_json(self) -> str:
        """Versioned JSON of the tree; `treeml.ir.load` reads it."""
        return ir.dump(self.tree)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def report(self) -> str:
        """Size of the tree beside what the construction promises."""
        bounds = self.bounds
        return "\n".join(
            [
                f"program of a {self.source.name}: {len(self.tokens)} tokens",
                f"reads {', '.join(p.name for p in self._read())}",
                f"leaves {self.n_leaves} (bound {bounds.n_leaves})",
                f"depth {self.depth} (bound {bounds.depth})",
                f"steps: {bounds.steps}",
            ]
        )

    def _read(self) -> list[Position]:
        used = sorted({predicate.term.index for predicate in self.tree.predicates})
        return [self.positions[column] for column in used]

    def _generate(self, prompt: list[str], max_steps: int) -> tuple[list[str], bool]:
        sequence, known, generated = list(prompt), len(prompt), []
        while not (finished := self.source.finished(prompt, generated)):
            if len(generated) >= max_steps:
                break
            token = self._reader.next(sequence, known)
            generated.append(token)
            sequence.append(token)
        return generated, finished


def _outcome(compute: Any) -> tuple[list[str], str]:
    """What a run gives: tokens, or the error that it ends with."""
    try:
        return list(compute()), ""
    except ValueError as error:
        return [], str(error)
