"""Who proposes trees: a seeded genetic proposer, a user's function, stored answers."""

from __future__ import annotations

import copy
import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from treeml.search.proposals import TaskCard, TaskColumn, TreeRecord

__all__ = ["CallableProposer", "GeneticProposer", "Proposer", "ReplayProposer"]

_LEAF: dict[str, Any] = {"leaf": True}


@runtime_checkable
class Proposer(Protocol):
    """Proposes trees for a task, given the best trees so far.

    A proposal is a tree as in `TreeRecord`; beside "if" its root may have an entry "origin", a
    text. Proposals are checked, their leaves are fitted and they are scored by treeml, so a
    proposer can be as wild as it likes. An empty list ends the search.
    """

    def propose(
        self, parents: list[TreeRecord], task: TaskCard, k: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """At most ``k`` trees; ``parents`` are the best ones so far, best first."""
        ...


class GeneticProposer:
    """Crosses and changes the best trees; all it draws comes from the search's generator.

    Parameters
    ----------
    crossover, threshold, split, prune : float, default=0.3, 0.2, 0.4, 0.1
        How often, relative to each other: a subtree is replaced by one of another tree; a
        threshold moves by up to ``jitter`` distinct values, in 3 of 10 cases to any other one
        (a group of levels becomes another question of its column); a leaf is split, or a question
        replaced, at random; a split is taken out.
    tournament : int, default=3
        A parent is the best of that many trees drawn at random.
    jitter : int, default=5

    References
    ----------
    J. Koza, "Genetic Programming", MIT Press 1992. T. Huynh et al., "Decision Tree Induction
    Through LLMs via Semantically-Aware Evolution" (LLEGO), ICLR 2025: the idea that operators may
    be answers of a language model behind one protocol.
    """

    def __init__(
        self,
        *,
        crossover: float = 0.3,
        threshold: float = 0.2,
        split: float = 0.4,
        prune: float = 0.1,
        tournament: int = 3,
        jitter: int = 5,
    ) -> None:
        self.crossover, self.threshold, self.split, self.prune = crossover, threshold, split, prune
        self.tournament, self.jitter = tournament, jitter

    def propose(
        self, parents: list[TreeRecord], task: TaskCard, k: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """``k`` trees, each with the name of its operator."""
        weights = np.array([self.crossover, self.threshold, self.split, self.prune], dtype=float)
        chosen = rng.choice(4, size=k, p=weights / weights.sum()).tolist()
        columns = {column.name: column for column in task.columns}
        operators = (self._crossover, self._threshold, self._split, self._prune)
        names = ("crossover", "threshold", "split", "prune")
        out = []
        for which in chosen if columns else ():
            child = operators[which](self._parent(parents, rng), parents, task, columns, rng)
            child = _shortened(child, task.max_depth, task.max_leaf_nodes, rng)
            out.append({**child, "origin": names[which]})
        return out

    def _parent(self, parents: Sequence[TreeRecord], rng: np.random.Generator) -> dict[str, Any]:
        return parents[int(rng.integers(len(parents), size=self.tournament).min())].tree

    def _crossover(
        self, tree: dict[str, Any], parents: list[TreeRecord], *others: Any
    ) -> dict[str, Any]:
        rng = others[-1]
        place = _pick(_places(tree), rng)
        _, graft = _pick(_places(self._parent(parents, rng)), rng)
        return _replaced(tree, place[0], graft)

    def _threshold(
        self,
        tree: dict[str, Any],
        parents: list[TreeRecord],
        task: TaskCard,
        columns: dict[str, TaskColumn],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        inner = [(way, node) for way, node in _places(tree) if "if" in node]
        if not inner:
            return self._split(tree, parents, task, columns, rng)
        way, node = _pick(inner, rng)
        question = node["if"]
        column = columns[question["column"]]
        if column.test == "in" or "value" not in question or len(column.values) < 2:
            changed = _question(column, rng)
        else:
            at = bisect_left(column.values, question["value"])
            low, high = 0, len(column.values) - 1
            if rng.random() < 0.7:
                low, high = max(low, at - self.jitter), min(high, at + self.jitter)
            to = int(rng.integers(low, high))
            changed = {**question, "value": column.values[to + (to >= at)]}
        return _replaced(tree, way, {**node, "if": changed})

    def _split(self, tree: dict[str, Any], *others: Any) -> dict[str, Any]:
        _, task, _, rng = others
        way, node = _pick(_places(tree), rng)
        question = _question(_pick(task.columns, rng), rng)
        below = (node["then"], node["else"]) if "if" in node else (_LEAF, _LEAF)
        return _replaced(tree, way, {"if": question, "then": below[0], "else": below[1]})

    def _prune(self, tree: dict[str, Any], *others: Any) -> dict[str, Any]:
        return _pruned(tree, others[-1])


class CallableProposer:
    """A user's function as a proposer, such as one that asks a language model.

    Parameters
    ----------
    fn : callable
        ``fn(parents, task, k, rng)`` returns a list of trees, as `Proposer.propose`. What it gets
        are copies; rows are not among it.
    name : str, default="callable"
        The origin of its trees.
    """

    def __init__(self, fn: Callable[..., Any], *, name: str = "callable") -> None:
        self.fn, self.name = fn, name

    def propose(
        self, parents: list[TreeRecord], task: TaskCard, k: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """What the function says."""
        return self.fn(copy.deepcopy(parents), task, k, rng)


class ReplayProposer:
    """Proposes again what a run has stored: the search finds the same tree, offline.

    Parameters
    ----------
    source : path or iterable of str or dict
        JSON lines ``{"generation": 1, "proposals": [...]}``: a file written by ``record``, its
        lines, or ``proposals_`` of an estimator.
    """

    def __init__(self, source: str | Path | Iterable[Any]) -> None:
        if isinstance(source, (str, Path)):
            source = Path(source).read_text(encoding="utf-8").splitlines()
        lines = [json.loads(x) if isinstance(x, str) else x for x in source if x != ""]
        self.lines: list[dict[str, Any]] = lines
        self._next = 0

    def propose(
        self, parents: list[TreeRecord], task: TaskCard, k: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """The proposals of the next line; none when all were used."""
        del parents, task, k, rng
        if self._next >= len(self.lines):
            return []
        self._next += 1
        return self.lines[self._next - 1]["proposals"]


def _places(
    tree: dict[str, Any], way: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every node with the way to it."""
    out = [(way, tree)]
    if "if" in tree:
        out += _places(tree["then"], (*way, "then"))
        out += _places(tree["else"], (*way, "else"))
    return out


def _replaced(tree: dict[str, Any], way: tuple[str, ...], by: dict[str, Any]) -> dict[str, Any]:
    """The tree with another subtree at that place."""
    if not way:
        return by
    return {**tree, way[0]: _replaced(tree[way[0]], way[1:], by)}


def _pruned(tree: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The tree with one split less: a leaf or one of its sides takes the place."""
    inner = [(way, node) for way, node in _places(tree) if "if" in node]
    if not inner:
        return tree
    way, node = _pick(inner, rng)
    return _replaced(tree, way, (_LEAF, node["then"], node["else"])[int(rng.integers(3))])


def _shortened(
    tree: dict[str, Any], max_depth: int, max_leaf_nodes: int, rng: np.random.Generator
) -> dict[str, Any]:
    """The tree within its limits: what is too deep goes, then last splits at random."""
    tree = _cut_off(tree, max_depth)
    places = _places(tree)
    excess = (len(places) + 1) // 2 - max_leaf_nodes
    while excess > 0:
        last = [
            way
            for way, node in _places(tree)
            if "if" in node and "if" not in node["then"] and "if" not in node["else"]
        ]
        tree = _replaced(tree, _pick(last, rng), _LEAF)
        excess -= 1
    return tree


def _cut_off(tree: dict[str, Any], depth: int) -> dict[str, Any]:
    if "if" not in tree:
        return tree
    if depth <= 0:
        return _LEAF
    return {
        **tree,
        "then": _cut_off(tree["then"], depth - 1),
        "else": _cut_off(tree["else"], depth - 1),
    }


def _question(column: TaskColumn, rng: np.random.Generator) -> dict[str, Any]:
    """A question of a column at random."""
    at = int(rng.integers(len(column.values) + column.missing))
    if at == len(column.values):
        return {"column": column.name, "test": "is missing"}
    value = column.values[at]
    if column.test == "in":
        value = list(value)
    return {"column": column.name, "test": column.test, "value": value}


def _pick(items: Sequence[Any], rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]
