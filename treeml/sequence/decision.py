"""Decisions over tokens of a growing sequence, and the tree that asks them."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from treeml._core.table import Column, ColumnType, Table
from treeml.ir import Predicate, Term, Tree

__all__ = ["Decisions", "Position", "TreeReader", "token_table"]


class Position(NamedTuple):
    """A place in the sequence, seen from the token to come.

    Parameters
    ----------
    back : int
        How many tokens before the one to come; 1 is the last token.
    after_prompt : bool, default=False
        Whether the length of the prompt is added to ``back``. While tokens are generated, the token
        as far back as the prompt is long runs through the prompt, whatever its length.
    """

    back: int
    after_prompt: bool = False

    @property
    def name(self) -> str:
        """Name of the column: ``token_3_back``; ``unread`` for the prompt's next unread token."""
        if not self.after_prompt:
            return f"token_{self.back}_back"
        if self.back == 0:
            return "unread"
        side = "before" if self.back > 0 else "after"
        return f"unread_{abs(self.back)}_{side}"

    def place(self, length: int, prompt_length: int) -> int:
        """Index of the token in a sequence of ``length`` tokens; negative before its start."""
        return length - self.back - (prompt_length if self.after_prompt else 0)


class _Group(NamedTuple):
    """Cases of a choice that go the same way."""

    depth: int
    order: int
    node: int
    tokens: frozenset[str]
    fallback: bool


class _Ask(NamedTuple):
    """A question of the growing tree: a token at a position is one of several."""

    position: Position
    tokens: tuple[str, ...]
    yes: int
    no: int


class Decisions:
    """Builds a tree from choices among many cases, equal subtrees made once.

    Cases of a choice that go the same way become one group; groups are put together two at a time,
    the two shallowest first (Golumbic, 1976, Combinatorial merging: no other order gives a smaller
    depth), and every question is one ``in``. A choice of g groups of depth at most d so has depth
    at most d + ceil(log2 g), and as many leaves as its groups together.

    Parameters
    ----------
    tokens : sequence of str
        All tokens, in the order in which questions list them.
    max_leaf_nodes : int
        More leaves are refused.
    """

    def __init__(self, tokens: Sequence[str], max_leaf_nodes: int) -> None:
        self.tokens = tuple(tokens)
        self.max_leaf_nodes = max_leaf_nodes
        self._rank = {token: i for i, token in enumerate(self.tokens)}
        self._made: dict[Hashable, int] = {}
        self._nodes: list[str | _Ask] = []
        self._depth: list[int] = []
        self._leaves: list[int] = []

    def say(self, token: str) -> int:
        """The leaf that emits a token."""
        return self._keep(token, 0, 1)

    def choose(self, position: Position, cases: Mapping[str, int], fallback: int = -1) -> int:
        """The node that a token at ``position`` decides.

        Parameters
        ----------
        position : Position
            Where the token stands.
        cases : mapping of str to int
            The node of each token.
        fallback : int, default=-1
            The node of all other tokens, and of none at all before the sequence begins; where it
            is not given, these go with one of the cases.
        """
        by_node: dict[int, set[str]] = {} if fallback < 0 else {fallback: set()}
        for token, node in cases.items():
            by_node.setdefault(node, set()).add(token)
        groups = [
            _Group(self._depth[node], order, node, frozenset(tokens), node == fallback)
            for order, (node, tokens) in enumerate(by_node.items())
        ]
        heapq.heapify(groups)
        order = len(groups)
        while len(groups) > 1:
            a, b = heapq.heappop(groups), heapq.heappop(groups)
            # few tokens are quicker read; what no question names must answer no
            if a.fallback or (not b.fallback and len(b.tokens) < len(a.tokens)):
                a, b = b, a
            named = tuple(sorted(a.tokens, key=self._rank.__getitem__))
            node = self._ask(position, named, a.node, b.node)
            both = a.tokens | b.tokens
            heapq.heappush(groups, _Group(self._depth[node], order, node, both, b.fallback))
            order += 1
        return groups[0].node

    def _ask(self, position: Position, tokens: tuple[str, ...], yes: int, no: int) -> int:
        leaves = self._leaves[yes] + self._leaves[no]
        if leaves > self.max_leaf_nodes:
            raise ValueError(
                f"the program needs more than max_leaf_nodes={self.max_leaf_nodes} leaves; allow "
                "more, or compile a smaller machine"
            )
        depth = 1 + max(self._depth[yes], self._depth[no])
        return self._keep(_Ask(position, tokens, yes, no), depth, leaves)

    def _keep(self, node: str | _Ask, depth: int, leaves: int) -> int:
        if (at := self._made.get(node)) is not None:
            return at
        self._made[node] = len(self._nodes)
        self._nodes.append(node)
        self._depth.append(depth)
        self._leaves.append(leaves)
        return len(self._nodes) - 1

    def tree(self, root: int, positions: Sequence[Position]) -> Tree:
        """The tree below a node, as a model over one column for each position."""
        columns = tuple(ColumnType(p.name, "category", missing=True) for p in positions)
        place = {position: i for i, position in enumerate(positions)}
        predicates: dict[tuple[Position, tuple[str, ...]], int] = {}
        rows: list[list[int]] = []  # predicate, yes, no, label; parents before children
        stack: list[tuple[int, int, int]] = [(root, -1, 0)]
        while stack:
            at, parent, side = stack.pop()
            if parent >= 0:
                rows[parent][side] = len(rows)
            node = self._nodes[at]
            if isinstance(node, str):
                rows.append([-1, -1, -1, self._rank[node]])
                continue
            which = predicates.setdefault((node.position, node.tokens), len(predicates))
            here = len(rows)
            rows.append([which, -1, -1, -1])
            stack.append((node.no, here, 2))
            stack.append((node.yes, here, 1))
        array = np.array(rows, dtype=np.int32)
        for i in range(len(rows) - 1, -1, -1):  # an inner node says what its no side says
            if array[i, 0] >= 0:
                array[i, 3] = array[array[i, 2], 3]
        return Tree(
            columns=columns,
            predicates=tuple(
                Predicate(Term(place[p], columns[place[p]]), "in", tokens)
                for p, tokens in predicates
            ),
            predicate=array[:, 0].copy(),
            if_true=array[:, 1].copy(),
            if_false=array[:, 2].copy(),
            # made without rows: zeros that take no memory
            counts=np.broadcast_to(0.0, (len(rows), len(self.tokens))),
            label=array[:, 3].copy(),
            classes=np.array(self.tokens, dtype=object),
            class_weight=np.ones(len(self.tokens)),
        )


def token_table(
    positions: Sequence[Position], sequence: Sequence[str], prompt_length: int
) -> Table:
    """What a tree reads before every token after the prompt: one row each.

    Parameters
    ----------
    positions : sequence of Position
        The columns.
    sequence : sequence of str
        The prompt, then what follows it.
    prompt_length : int
        Tokens of the prompt.

    Returns
    -------
    table : Table
        ``len(sequence) - prompt_length + 1`` rows, the last of which is of the token to come.
    """
    lengths = range(prompt_length, len(sequence) + 1)
    columns = [
        _column(p, (_at(sequence, n, p.place(n, prompt_length)) for n in lengths))
        for p in positions
    ]
    return Table(tuple(columns), len(lengths))


def _at(sequence: Sequence[str], length: int, place: int) -> Any:
    """The token at a place of the first ``length`` tokens; None outside."""
    return sequence[place] if 0 <= place < length else None


def _column(position: Position, values: Iterable[Any]) -> Column:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return Column(ColumnType(position.name, "category", missing=True), array)


class TreeReader:
    """Walks down a tree over positions, token after token.

    Parameters
    ----------
    tree : Tree
        Over one category column a position; every question is ``in`` or ``is missing``.
    positions : sequence of Position
        The columns.
    """

    def __init__(self, tree: Tree, positions: Sequence[Position]) -> None:
        self.positions = tuple(positions)
        self._questions = [
            (self.positions[p.term.index], frozenset(p.value or ()), p.test == "is missing")
            for p in tree.predicates
        ]
        self._predicate = tree.predicate.tolist()
        self._yes, self._no = tree.if_true.tolist(), tree.if_false.tolist()
        classes = tree.classes.tolist()
        self._says = [classes[label] for label in tree.label.tolist()]

    def next(self, sequence: Sequence[str], prompt_length: int) -> str:
        """The token that the tree says after a sequence."""
        node, length = 0, len(sequence)
        while (which := self._predicate[node]) >= 0:
            yes = self._answer(which, sequence, length, prompt_length)
            node = self._yes[node] if yes else self._no[node]
        return self._says[node]

    def reasons(self, sequence: Sequence[str], prompt_length: int) -> tuple[str, ...]:
        """The tokens that the tree reads after a sequence, with their positions."""
        node, length, read = 0, len(sequence), {}
        while (which := self._predicate[node]) >= 0:
            position = self._questions[which][0]
            place = position.place(length, prompt_length)
            read[position.name] = sequence[place] if 0 <= place < length else "nothing"
            yes = self._answer(which, sequence, length, prompt_length)
            node = self._yes[node] if yes else self._no[node]
        return tuple(f"{name}: {token}" for name, token in read.items())

    def _answer(self, which: int, sequence: Sequence[str], length: int, prompt_length: int) -> bool:
        position, wanted, missing = self._questions[which]
        place = position.place(length, prompt_length)
        if not 0 <= place < length:
            return missing
        return sequence[place] in wanted
