"""What a proposer may know of a search, and the check of what it proposes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from treeml._core.table import ColumnType
from treeml.ir import Predicate
from treeml.search.leaf_cells import Questions

__all__ = ["ProposalError", "TaskCard", "TaskColumn", "TreeReader", "TreeRecord"]

_LARGEST = sys.float_info.max


@dataclasses.dataclass(frozen=True, slots=True)
class TaskColumn:
    """A column that trees may ask about.

    Parameters
    ----------
    name, kind, unit : str
        As in `ColumnType`.
    test : str
        The test that its values go with: "<=", ">" (0/1 columns) or "in".
    values : tuple
        Thresholds, ascending; or groups of levels, a tuple each.
    missing : bool
        Whether "is missing" may be asked.
    """

    name: str
    kind: str
    unit: str
    test: str
    values: tuple[Any, ...]
    missing: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class TaskCard:
    """What a proposer is told: names, kinds, thresholds and limits, never a row.

    Parameters
    ----------
    columns : tuple of TaskColumn
        Those with at least one question.
    target : str
        Name of the target.
    classes : tuple of str
        Class labels as text; empty for a regression.
    metric : str
        Name of the score, larger is better.
    regularization : float
        What a leaf costs, in units of the score.
    max_depth, max_leaf_nodes, min_samples_leaf : int
        Limits of a tree.
    """

    columns: tuple[TaskColumn, ...]
    target: str
    classes: tuple[str, ...]
    metric: str
    regularization: float
    max_depth: int
    max_leaf_nodes: int
    min_samples_leaf: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for a prompt."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class TreeRecord:
    """A tree that was scored.

    Parameters
    ----------
    tree : dict
        ``{"if": {"column": name, "test": "<=", "value": 41}, "then": tree, "else": tree}``, or
        ``{"leaf": True}``. Tests are "<=" and ">" with a number, "in" with a list of levels, and
        "is missing" without a value.
    objective : float
        Score - regularization * leaves.
    score : float
    n_leaves : int
    origin : str
        Who proposed it.
    generation : int
        When; seeds have 0.
    """

    tree: dict[str, Any]
    objective: float
    score: float
    n_leaves: int
    origin: str
    generation: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for a prompt."""
        return dataclasses.asdict(self)


class ProposalError(ValueError):
    """A proposal that is no tree of the task; the message is the reason it is counted under."""


class TreeReader:
    """Turns JSON trees into questions and back, and says what is wrong with them.

    Parameters
    ----------
    predicates : sequence of Predicate
        The questions there are, by column: cuts ascending.
    columns : tuple of ColumnType
    max_depth, max_leaf_nodes : int
    """

    def __init__(
        self,
        predicates: Sequence[Predicate],
        columns: Sequence[ColumnType],
        *,
        max_depth: int,
        max_leaf_nodes: int,
    ) -> None:
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self._known = {column.name for column in columns}
        self._texts: list[dict[str, Any]] = []
        self._exact: dict[Any, int] = {}
        self._cuts: dict[str, list[tuple[float, int]]] = {}
        for at, predicate in enumerate(predicates):
            name, test, value = predicate.term.name, predicate.test, predicate.value
            question: dict[str, Any] = {"column": name, "test": test}
            if test == "in":
                question["value"] = list(value)
                value = frozenset(value)
            elif test != "is missing":
                question["value"] = value
                self._cuts.setdefault(name, []).append((value, at))
            self._texts.append(question)
            self._exact[name, test, value] = at
        self._tests = {name: {t for n, t, _ in self._exact if n == name} for name in self._known}
        self._levels = {
            name: {level for n, test, v in self._exact if n == name and test == "in" for level in v}
            for name in self._known
        }

    def task_columns(self, columns: Sequence[ColumnType]) -> tuple[TaskColumn, ...]:
        """What a `TaskCard` says of the columns."""
        out = []
        for column in columns:
            tests = self._tests[column.name]
            test = next(iter(sorted(tests - {"is missing"})), "in")
            mine = (q for q in self._texts if q["column"] == column.name and "value" in q)
            values = tuple(tuple(q["value"]) if test == "in" else q["value"] for q in mine)
            if tests:
                missing = "is missing" in tests
                out.append(TaskColumn(column.name, column.kind, column.unit, test, values, missing))
        return tuple(out)

    def write(self, tree: Questions) -> dict[str, Any]:
        """JSON form of questions."""
        if tree is None:
            return {"leaf": True}
        question = self._texts[tree[0]]
        return {"if": question, "then": self.write(tree[1]), "else": self.write(tree[2])}

    def shape(self, tree: Questions) -> Any:
        """The tree with columns in place of questions."""
        if tree is None:
            return None
        return self._texts[tree[0]]["column"], self.shape(tree[1]), self.shape(tree[2])

    def read(self, proposal: Any) -> Questions:
        """Questions of a JSON tree.

        Raises
        ------
        ProposalError
            Where it is not of that form, asks what cannot be asked, or is too large.
        """
        tree, n_leaves = self._read(proposal, self.max_depth)
        if n_leaves > self.max_leaf_nodes:
            raise ProposalError("too many leaves")
        return tree

    def _read(self, node: Any, depth: int) -> tuple[Questions, int]:
        if not isinstance(node, dict):
            raise ProposalError("not a tree")
        if "if" not in node:
            if "leaf" not in node:
                raise ProposalError("not a tree")
            return None, 1
        if depth <= 0:
            raise ProposalError("too deep")
        if "then" not in node or "else" not in node:
            raise ProposalError("not a tree")
        predicate, turned = self._question(node["if"])
        yes, left = self._read(node["then"], depth - 1)
        no, right = self._read(node["else"], depth - 1)
        return (predicate, no, yes) if turned else (predicate, yes, no), left + right

    def _question(self, question: Any) -> tuple[int, bool]:
        """Position of a predicate, and whether yes and no change places."""
        if not isinstance(question, dict):
            raise ProposalError("not a question")
        column, test, value = question.get("column"), question.get("test"), question.get("value")
        if not isinstance(column, str) or column not in self._known:
            raise ProposalError("unknown column")
        tests = self._tests[column]
        if not isinstance(test, str) or not tests:
            raise ProposalError("unknown test")
        if test in ("<=", ">"):
            return self._threshold(column, test, value)
        if test not in tests:
            raise ProposalError("unknown test")
        if test == "in":
            value = self._group(column, value)
        elif value is not None:
            raise ProposalError("wrong type of value")
        return self._exact[column, test, value], False

    def _threshold(self, column: str, test: str, value: Any) -> tuple[int, bool]:
        """The nearest cut; a test that is not the column's own one changes the sides."""
        tests, cuts = self._tests[column], self._cuts.get(column)
        if not cuts:
            raise ProposalError("unknown test")
        turned = test not in tests
        if turned and "is missing" in tests:  # the missing would change sides too
            raise ProposalError("unknown test")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ProposalError("wrong type of value")
        if not -_LARGEST <= value <= _LARGEST:
            raise ProposalError("no finite value")
        at = None if turned else self._exact.get((column, test, value))
        if at is None:
            at = min(cuts, key=lambda cut: (abs(cut[0] - value), cut[0]))[1]
        return at, turned

    def _group(self, column: str, value: Any) -> frozenset[Any]:
        levels = value if isinstance(value, (list, tuple)) else [value]
        try:
            group = frozenset(levels)
        except TypeError as error:
            raise ProposalError("wrong type of value") from error
        if not group <= self._levels[column]:
            raise ProposalError("unknown level")
        if (column, "in", group) not in self._exact:
            raise ProposalError("unknown group of levels")
        return group
