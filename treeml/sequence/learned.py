"""Programs learned from traces: which tokens to read, and the tree that reads them."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from treeml._core.control import Control
from treeml._core.table import Column, ColumnType, Table
from treeml.binarize.bins import BinnedTable
from treeml.search.greedy import ClassTarget, GrowthLimits, grow_classification_tree
from treeml.sequence.decision import Position
from treeml.sequence.program import ARDTProgram, SizeBounds
from treeml.sequence.symbols import read_symbols

__all__ = ["LearnedMachine", "TraceRows", "grow_program"]


@dataclasses.dataclass(frozen=True, slots=True)
class LearnedMachine:
    """What a learned program knows of its task; it has no definition to compare with.

    Parameters
    ----------
    symbols : dict
        Every symbol of the training prompts with its token.
    end : str
        The token behind a prompt.
    answers : dict of str to object
        The tokens that end a run, with the label that each stands for.
    n_contexts : int
        Distinct rows that the tree was grown on.
    """

    symbols: dict[Any, str]
    end: str
    answers: dict[str, Any]
    n_contexts: int

    @property
    def name(self) -> str:
        return "learned machine"

    @property
    def bounds(self) -> SizeBounds:
        return SizeBounds(self.n_contexts, self.n_contexts - 1, "until an answer")

    def encode(self, x: Sequence[Any]) -> list[str]:
        return [*read_symbols(x, self.symbols), self.end]

    def finished(self, prompt: Sequence[str], generated: Sequence[str]) -> bool:
        return bool(generated) and generated[-1] in self.answers

    def answer(self, prompt: Sequence[str], generated: Sequence[str]) -> Any:
        return self.answers[generated[-1]]

    def simulate(self, x: Sequence[Any], max_steps: int) -> list[str]:
        raise NotImplementedError(_NO_DEFINITION)

    def sample(self, rng: random.Random) -> Any:
        raise NotImplementedError(_NO_DEFINITION)

    def inputs(self, max_length: int) -> Iterator[Any]:
        raise NotImplementedError(_NO_DEFINITION)


_NO_DEFINITION = (
    "a program learned from traces has no definition to be verified against: score it on new "
    "sequences, or compare it with a compiled program"
)


class TraceRows:
    """What stands before every token of the traces.

    Parameters
    ----------
    prompts, traces : list of list of str
        Prompts with their end marker; what was written behind each.
    positions : sequence of Position
        The tokens that may be read, those to be given up first at the end.

    Attributes
    ----------
    settled : bool
        Whether these settle every token of the traces: no two rows are equal with another target.
    """

    def __init__(
        self,
        prompts: list[list[str]],
        traces: list[list[str]],
        positions: Sequence[Position],
    ) -> None:
        self.positions = list(positions)
        self.targets: list[str] = []
        rows: list[tuple[str | None, ...]] = []
        for prompt, trace in zip(prompts, traces, strict=True):
            sequence = [*prompt, *trace]
            for length in range(len(prompt), len(sequence)):
                places = [p.place(length, len(prompt)) for p in self.positions]
                rows.append(tuple(sequence[i] if 0 <= i < length else None for i in places))
                self.targets.append(sequence[length])
        self.rows = rows
        self.settled = self._settled(list(range(len(self.positions))))

    def needed(self) -> list[int]:
        """Columns that settle every token of the traces, none of which can be left out.

        All columns where they contradict each other: the same tokens before two different ones.
        """
        kept = list(range(len(self.positions)))
        if not self.settled:
            return kept
        for column in reversed(range(len(self.positions))):
            fewer = [other for other in kept if other != column]
            if self._settled(fewer):
                kept = fewer
        return kept

    def distinct(self, columns: list[int]) -> tuple[list[tuple], list[str], list[int]]:
        """Distinct rows of some columns with their target, and how often each occurs."""
        counts: dict[tuple[tuple, str], int] = {}
        for row, target in zip(self.rows, self.targets, strict=True):
            key = tuple(row[c] for c in columns), target
            counts[key] = counts.get(key, 0) + 1
        rows = [row for row, _ in counts]
        return rows, [target for _, target in counts], list(counts.values())

    def _settled(self, columns: list[int]) -> bool:
        says: dict[tuple, str] = {}
        return all(
            says.setdefault(tuple(row[c] for c in columns), target) == target
            for row, target in zip(self.rows, self.targets, strict=True)
        )


def grow_program(
    traces: TraceRows,
    symbols: dict[Any, str],
    end: str,
    answers: dict[str, Any],
    limits: GrowthLimits,
    *,
    control: Control | None = None,
) -> ARDTProgram:
    """The program of traces: the tokens that are needed, and a greedy tree over them.

    Where the needed tokens settle the next one, each distinct row counts once, however long the
    traces are: the program is a table to be written small, not a distribution.

    Parameters
    ----------
    traces : TraceRows
    symbols : dict
        Every symbol with its token.
    end : str
        The token behind a prompt.
    answers : dict of str to object
        The tokens that end a run.
    limits : GrowthLimits
        How far the tree grows.
    control : Control or None, default=None
        Threads of the growth.
    """
    columns = traces.needed()
    rows, targets, counts = traces.distinct(columns)
    positions = tuple(traces.positions[c] for c in columns)
    tokens = dict.fromkeys([*symbols.values(), end, *sorted(set(traces.targets)), *answers])
    code = {token: i for i, token in enumerate(tokens)}
    table = Table(
        tuple(_column(p, [row[j] for row in rows]) for j, p in enumerate(positions)), len(rows)
    )
    weights = None if traces.settled else np.array(counts, dtype=np.float64)
    target = ClassTarget(
        np.array([code[t] for t in targets], dtype=np.int32),
        np.array(list(tokens), dtype=object),
        weights,
        np.ones(len(tokens)),
        "entropy",
    )
    binned = BinnedTable.fit(table, sample_weight=weights)
    tree, _ = grow_classification_tree(binned, target, limits, control=control)
    machine = LearnedMachine(symbols, end, answers, len(rows))
    return ARDTProgram(tree, positions, machine)


def _column(position: Position, values: list[str | None]) -> Column:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    missing = any(value is None for value in values)
    return Column(ColumnType(position.name, "category", missing=missing), array)
