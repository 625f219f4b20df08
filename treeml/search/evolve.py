"""A seeded genetic search for small trees under scores that no dynamic program can maximise."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np

from treeml._core.control import Control
from treeml.search.leaf_cells import Cell, LeafCells, Questions
from treeml.search.proposals import ProposalError, TaskCard, TreeReader, TreeRecord
from treeml.search.proposers import GeneticProposer, Proposer

__all__ = ["Accepted", "Evolution", "Generation", "evolve"]

Status = Literal["finished", "optimal", "time_limit", "interrupted"]


@dataclasses.dataclass(frozen=True, slots=True)
class Generation:
    """What a generation did.

    Parameters
    ----------
    generation : int
        0 for the seeds.
    objective, score : float
        Of the best tree so far.
    n_leaves : int
    origin : str
        Who proposed the best tree so far.
    n_proposed : int
    accepted, rejected : dict of str to int
        New trees of the population by origin; proposals left aside by reason: what is wrong with
        them, "duplicate", or "no better" than those that it competes with.
    """

    generation: int
    objective: float
    score: float
    n_leaves: int
    origin: str
    n_proposed: int
    accepted: dict[str, int]
    rejected: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """A tree that entered the population, without its questions."""

    generation: int
    origin: str
    objective: float
    n_leaves: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Evolution:
    """What an evolution found.

    Parameters
    ----------
    tree : Questions
        The best tree.
    record : TreeRecord
        Its JSON form, score and origin.
    status : {"finished", "optimal", "time_limit", "interrupted"}
    seed_scores : dict of str to float
        Objective of each seed.
    history : tuple of Generation
    accepted : tuple of Accepted
    proposals : list of dict
        ``{"generation": g, "proposals": [...]}``, for `ReplayProposer`.
    seconds : float
    """

    tree: Questions
    record: TreeRecord
    status: Status
    seed_scores: dict[str, float]
    history: tuple[Generation, ...]
    accepted: tuple[Accepted, ...]
    proposals: list[dict[str, Any]]
    seconds: float


class _Stop(Exception):  # noqa: N818
    """The time is up."""


class _Clock:
    """Says when the time is up; every look at it is one poll of `Control.stop_after`."""

    def __init__(self, control: Control, start: float | None) -> None:
        self._control = control
        self._start = time.perf_counter() if start is None else start
        self._polls = 0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def poll(self) -> None:
        self._polls += 1
        limit, polls = self._control.time_limit, self._control.stop_after
        if (polls is not None and self._polls > polls) or (
            limit is not None and self.seconds >= limit
        ):
            raise _Stop


@dataclasses.dataclass(slots=True)
class _Population:
    """The best trees so far, best first, no two with the same leaves.

    Of trees that ask about the same columns in the same places only the best few stay, an eighth
    of all: otherwise the first good tree soon fills the population with its like.
    """

    cells: LeafCells
    score: Callable[[Sequence[Cell]], float]
    reader: TreeReader
    regularization: float
    most: int
    best: list[tuple[Questions, TreeRecord]] = dataclasses.field(default_factory=list)
    shapes: list[Any] = dataclasses.field(default_factory=list)
    seed_scores: dict[str, float] = dataclasses.field(default_factory=dict)
    seen: dict[Any, float] = dataclasses.field(default_factory=dict)

    def rank(self, tree: Questions, origin: str, generation: int) -> TreeRecord:
        """Score a tree and let it in where it is good enough.

        Raises
        ------
        ProposalError
            With the reason why it stays outside.
        """
        known = self.seen.get(tree)
        if known is None:
            asked = tree
            tree, leaves = self.cells.leaves(asked)
            rows = frozenset(cell.mark for cell in leaves)
            known = self.seen.get(rows)
            if known is None:
                score = float(self.score(leaves))
                objective = score - self.regularization * len(leaves)
                self.seen[asked] = self.seen[tree] = self.seen[rows] = objective
                return self._insert(tree, score, len(leaves), origin, generation)
            self.seen[asked] = known
        if not generation and math.isfinite(known):
            self.seed_scores[origin] = known
        raise ProposalError("duplicate")

    def _insert(
        self, tree: Questions, score: float, n_leaves: int, origin: str, generation: int
    ) -> TreeRecord:
        objective = score - self.regularization * n_leaves
        if not math.isfinite(score):
            raise ProposalError("score not finite")
        if not generation:
            self.seed_scores[origin] = objective
        shape = self.reader.shape(tree)
        alike = [at for at, other in enumerate(self.shapes) if other == shape]
        crowded = len(alike) >= max(2, self.most // 8)
        if crowded or len(self.best) == self.most:
            worst = alike[-1] if crowded else -1
            if not self._before(objective, n_leaves, self.best[worst]):
                raise ProposalError("no better")
            del self.best[worst], self.shapes[worst]
        record = TreeRecord(self.reader.write(tree), objective, score, n_leaves, origin, generation)
        at = len(self.best)
        while at and self._before(objective, n_leaves, self.best[at - 1]):
            at -= 1
        self.best.insert(at, (tree, record))
        self.shapes.insert(at, shape)
        return record

    @staticmethod
    def _before(objective: float, n_leaves: int, other: tuple[Questions, TreeRecord]) -> bool:
        """Better, or as good and smaller; of equals the earlier one stays in front."""
        return (-objective, n_leaves) < (-other[1].objective, other[1].n_leaves)


@dataclasses.dataclass(slots=True)
class _Run:
    """The generations of an evolution and the notes that are taken of them."""

    people: _Population
    proposer: Proposer
    task: TaskCard
    rng: np.random.Generator
    clock: _Clock
    progress: Callable[[Generation], object] | None
    keep: bool
    seed_scores: dict[str, float] = dataclasses.field(default_factory=dict)
    history: list[Generation] = dataclasses.field(default_factory=list)
    accepted: list[Accepted] = dataclasses.field(default_factory=list)
    proposals: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def plant(self, seeds: Sequence[tuple[str, Questions]]) -> None:
        """Score the seeds and let the best of them in."""
        rejected: Counter[str] = Counter()
        seeds = [*seeds, ("seed: single leaf", None)]
        try:
            for name, tree in seeds:
                self._enter(rejected, name, 0, lambda tree=tree: tree)
        finally:
            if self.people.best:
                self._close(0, len(seeds), rejected)
        if not self.people.best:
            raise ValueError(
                "the score of every tree to start from is infinite or not a number; the metric "
                "must give a finite number"
            )

    def generation(self, number: int, file: TextIO | None) -> bool:
        """Ask for proposals and rank them; False where there are none."""
        self.clock.poll()
        people = self.people
        parents = [record for _, record in people.best]
        answer = self.proposer.propose(parents, self.task, people.most, self.rng)
        proposals = _as_json(self.proposer, answer)
        line = {"generation": number, "proposals": proposals}
        if proposals and self.keep:
            self.proposals.append(line)
        if proposals and file is not None:
            file.write(json.dumps(line) + "\n")
            file.flush()
        rejected: Counter[str] = Counter()
        asked = 0
        try:
            for proposal in proposals:
                self.clock.poll()
                asked += 1
                origin = _origin(self.proposer, proposal)
                self._enter(rejected, origin, number, lambda p=proposal: people.reader.read(p))
        finally:
            if asked:
                self._close(number, asked, rejected)
        return bool(proposals)

    def _enter(
        self,
        rejected: Counter[str],
        origin: str,
        generation: int,
        tree: Callable[[], Questions],
    ) -> None:
        try:
            new = self.people.rank(tree(), origin, generation)
        except ProposalError as reason:
            rejected[str(reason)] += 1
        else:
            self.accepted.append(Accepted(generation, origin, new.objective, new.n_leaves))

    def _close(self, generation: int, n_proposed: int, rejected: Counter[str]) -> None:
        best = self.people.best[0][1]
        new = Counter(a.origin for a in self.accepted if a.generation == generation)
        figures = (best.objective, best.score, best.n_leaves, best.origin)
        counts = dict(sorted(new.items())), dict(sorted(rejected.items()))
        self.history.append(Generation(generation, *figures, n_proposed, *counts))
        if self.progress is not None:
            self.progress(self.history[-1])


def evolve(
    seeds: Sequence[tuple[str, Questions]],
    *,
    cells: LeafCells,
    score: Callable[[Sequence[Cell]], float],
    reader: TreeReader,
    task: TaskCard,
    proposer: Proposer | None = None,
    population_size: int = 40,
    n_generations: int = 100,
    upper_bound: float = math.inf,
    rng: np.random.Generator,
    control: Control | None = None,
    start: float | None = None,
    record: str | Path | None = None,
    keep_proposals: bool = True,
    progress: Callable[[Generation], object] | None = None,
) -> Evolution:
    """Let trees propose trees, generation by generation; keep the best of all.

    The objective is score - regularization * leaves. All trees of the seeds and all proposals
    compete; the ``population_size`` best ones with different leaves, at most an eighth of them
    with the same columns in the same places, are the parents of the next generation. The best
    tree always stays, so the result is never below its best seed.

    Parameters
    ----------
    seeds : sequence of (str, Questions)
        Names and trees; a single leaf is always among them.
    cells : LeafCells
    score : callable
        Score of the leaves of a tree; larger is better.
    reader : TreeReader
    task : TaskCard
    proposer : Proposer or None, default=None
        None: `GeneticProposer`.
    population_size, n_generations : int
        A generation asks for ``population_size`` proposals.
    upper_bound : float, default=inf
        No tree has a larger objective; one that has it ends the search.
    rng : Generator
        All chance of the proposer.
    control : Control, default=None
        Time limit.
    start : float, default=None
        Reading of ``time.perf_counter`` from which the time counts; None: now.
    record : path, default=None
        File for the proposals, a JSON line a generation, written as they come.
    keep_proposals : bool, default=True
        Whether the result holds the proposals.
    progress : callable, default=None
        Called after each generation.

    Returns
    -------
    Evolution

    Raises
    ------
    ValueError
        Where the score of every seed is infinite or not a number.
    """
    people = _Population(cells, score, reader, task.regularization, population_size)
    proposer = GeneticProposer() if proposer is None else copy.copy(proposer)
    clock = _Clock(control or Control(), start)
    run = _Run(people, proposer, task, rng, clock, progress, keep_proposals)
    status: Status = "finished"
    with nullcontext() if record is None else Path(record).open("w", encoding="utf-8") as file:
        try:
            run.plant(seeds)
            for number in range(1, n_generations + 1):
                done = people.best[0][1].objective >= upper_bound
                if done or not run.generation(number, file):
                    break
        except _Stop:
            status = "time_limit"
        except KeyboardInterrupt:
            if not people.best:
                raise
            status = "interrupted"
    tree, best = people.best[0]
    if best.objective >= upper_bound:
        status = "optimal"
    return Evolution(
        tree=tree,
        record=best,
        status=status,
        seed_scores=people.seed_scores,
        history=tuple(run.history),
        accepted=tuple(run.accepted),
        proposals=run.proposals,
        seconds=clock.seconds,
    )


def _as_json(proposer: Proposer, answer: Any) -> list[Any]:
    """Proposals as they are stored and read again; None stands for what is not JSON."""
    if type(proposer) is GeneticProposer:
        return answer
    if not isinstance(answer, (list, tuple)):
        answer = [] if answer is None else [answer]
    out = []
    for proposal in answer:
        try:
            out.append(json.loads(json.dumps(proposal, default=_plain)))
        except (TypeError, ValueError, RecursionError):
            out.append(None)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _origin(proposer: Proposer, proposal: Any) -> str:
    """Name of the proposer, and what the proposal says of itself."""
    name = getattr(proposer, "name", type(proposer).__name__.removesuffix("Proposer").lower())
    said = proposal.get("origin") if isinstance(proposal, dict) else None
    return f"{name}: {said[:40]}" if isinstance(said, str) else str(name)
