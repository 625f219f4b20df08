"""Terms and predicates: the questions that every treeml model asks of a row."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml._core.table import ColumnType, Table

Test = Literal["<=", ">", "in", "is missing"]

__all__ = ["LinearTerm", "Predicate", "Term", "Test", "number_text"]


def number_text(value: float) -> str:
    """Shortest decimal that reads back as the same float, without a trailing ``.0``."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """What a predicate looks at: here one column of the table.

    Parameters
    ----------
    index : int
        Position of the column in the fitted table.
    column : ColumnType
        Its name, kind, order of levels and unit.
    """

    index: int
    column: ColumnType

    @property
    def name(self) -> str:
        return self.column.name

    def values(self, table: Table) -> np.ndarray:
        """Values of this term for every row: float64 with NaN, or objects with None."""
        return table.columns[self.index].values


@dataclasses.dataclass(frozen=True, slots=True)
class Predicate:
    """A question with answer yes or no for every row.

    A missing value, and a level that training had not seen, answer **no** to ``<=``, ``>`` and
    ``in``; only ``is missing`` is true of a missing value. The same holds in every export.

    Parameters
    ----------
    term : Term
        What the question is about.
    test : {"<=", ">", "in", "is missing"}
        The comparison.
    value : float, tuple or None
        Threshold of ``<=`` and ``>``; the levels of ``in``; None for ``is missing``.
    label : str, default=""
        Name of a group of levels, such as ``"rare levels"``.
    """

    term: Term
    test: Test
    value: Any = None
    label: str = ""

    def holds(self, table: Table) -> np.ndarray:
        """Answer for every row, shape (n_rows,), bool. The reference for every faster path."""
        values = self.term.values(table)
        if self.test == "is missing":
            return table.columns[self.term.index].missing
        if self.test == "<=":
            return values <= self.value  # NaN compares false
        if self.test == ">":
            return values > self.value
        wanted = set(self.value)
        return np.fromiter((v is not None and v in wanted for v in values), bool, len(values))

    def implies(self, other: Predicate) -> bool:
        """Whether every row that answers yes here answers yes to ``other`` too."""
        if self.term != other.term:
            return False
        if self.test != other.test:
            return False
        if self.test == "<=":
            return self.value <= other.value
        if self.test == ">":
            return self.value >= other.value
        if self.test == "in":
            return set(self.value) <= set(other.value)
        return True

    def text(self) -> str:
        """The question in words, such as ``age <= 41 years``."""
        name, unit = self.term.name, self._unit()
        if self.test == "is missing":
            return f"{name} is missing"
        if self.term.column.kind == "zero_one" and self.test == ">":
            return f"{name} = 1"
        if self.test in ("<=", ">"):
            return f"{name} {self.test} {number_text(self.value)}{unit}"
        if self.term.column.kind == "boolean":
            return f"{name} is {'true' if self.value[0] else 'false'}"
        if self._is_prefix():
            return f"{name} is at most {self.value[-1]}"
        return f"{name} {self._levels('=', 'in')}"

    def complement_text(self) -> str:
        """The answer *no* in words, such as ``age > 41 years or missing``."""
        name, unit = self.term.name, self._unit()
        missing = " or missing" if self.term.column.missing else ""
        if self.test == "is missing":
            return f"{name} is known"
        if self.term.column.kind == "zero_one" and self.test == ">":
            return f"{name} = 0{missing}"
        if self.test == "<=":
            return f"{name} > {number_text(self.value)}{unit}{missing}"
        if self.test == ">":
            return f"{name} <= {number_text(self.value)}{unit}{missing}"
        if self.term.column.kind == "boolean":
            return f"{name} is {'false' if self.value[0] else 'true'}{missing}"
        if self._is_prefix():
            return f"{name} is above {self.value[-1]}{missing}"
        return f"{name} {self._levels('is not', 'not in')}{missing}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the term is named by its position in the model's table of columns."""
        out: dict[str, Any] = {"column": self.term.index, "test": self.test}
        if self.test == "in":
            out["value"] = list(self.value)
        elif self.value is not None:
            out["value"] = float(self.value)
        if self.label:
            out["label"] = self.label
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any], columns: tuple[ColumnType, ...]) -> Predicate:
        """Inverse of `to_dict`, given the model's columns."""
        value = data.get("value")
        return cls(
            term=Term(data["column"], columns[data["column"]]),
            test=data["test"],
            value=tuple(value) if isinstance(value, list) else value,
            label=data.get("label", ""),
        )

    def _unit(self) -> str:
        return f" {self.term.column.unit}" if self.term.column.unit else ""

    def _is_prefix(self) -> bool:
        """Whether the levels are the lowest ones of an ordered category."""
        levels = self.term.column.levels
        return bool(levels) and tuple(self.value) == levels[: len(self.value)]

    def _levels(self, single: str, several: str) -> str:
        if len(self.value) == 1 and not self.label:
            return f"{single} {self.value[0]}"
        levels = "{" + ", ".join(str(v) for v in self.value) + "}"
        return f"{several} {self.label} {levels}" if self.label else f"{several} {levels}"


@dataclasses.dataclass(frozen=True, slots=True)
class LinearTerm:
    """A number as it stands: what it adds to a score is its value times the points.

    A missing value counts as 0 and so adds nothing.

    Parameters
    ----------
    term : Term
        A number or 0/1 column.

    Raises
    ------
    ValueError
        For a column of another kind: levels, booleans and dates enter through predicates.
    """

    term: Term

    def __post_init__(self) -> None:
        if not self.term.column.numeric:
            raise ValueError(
                f"column {self.term.name!r} is of kind {self.term.column.kind}: only numbers "
                "enter a score by their value; ask a predicate of it"
            )

    def values(self, table: Table) -> np.ndarray:
        """Value of every row, 0 where missing; shape (n_rows,), float64."""
        values = self.term.values(table)
        return np.where(np.isnan(values), 0.0, values)

    def text(self) -> str:
        """The column with its unit, such as ``age (years)``; ``smoker = 1`` for a 0/1 column."""
        column = self.term.column
        if column.kind == "zero_one":
            return f"{column.name} = 1"
        return f"{column.name} ({column.unit})" if column.unit else column.name

    def to_dict(self) -> dict[str, Any]:
        """JSON form: a column without a test stands for its value."""
        return {"column": self.term.index}

    @classmethod
    def from_dict(cls, data: dict[str, Any], columns: tuple[ColumnType, ...]) -> LinearTerm:
        """Inverse of `to_dict`, given the model's columns."""
        return cls(Term(data["column"], columns[data["column"]]))
