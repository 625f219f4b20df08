"""Terms and predicates: the questions that every treeml model asks of a row."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from treeml._core.table import ColumnType, Table

Test = Literal["<=", ">", "in", "is missing"]

__all__ = ["LinearForm", "LinearTerm", "Predicate", "Term", "Test", "number_text", "sum_text"]


def number_text(value: float) -> str:
    """Shortest decimal that reads back as the same float, without a trailing ``.0``."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def sum_text(weights: Sequence[float], names: Sequence[str], start: float | None = None) -> str:
    """A weighted sum for reading, numbers to six digits: ``3 + 0.5 age - 2 income``.

    Parameters
    ----------
    weights, names : sequence of float, sequence of str
        What is added up; a weight of 1 is not written.
    start : float or None, default=None
        The number that stands first; None, and 0 where anything follows, for none.
    """
    out = "" if start is None or (start == 0 and len(weights)) else _six_digits(start)
    for weight, name in zip(weights, names, strict=True):
        sign = "-" if weight < 0 else "+" if out else ""
        size = _six_digits(abs(weight))
        part = name if size == "1" else f"{size} {name}"
        out += f" {sign} {part}" if out else f"{sign}{part}"
    return out or "0"


def _six_digits(value: float) -> str:
    return number_text(float(f"{value:.6g}"))


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """What a predicate looks at: one column of the table, or a `LinearForm` of several.

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

    def missing(self, table: Table) -> np.ndarray:
        """Where the value is missing, shape (n_rows,), bool."""
        return table.columns[self.index].missing

    @property
    def parts(self) -> tuple[Term, ...]:
        """The columns that the value is made of."""
        return (self,)


@dataclasses.dataclass(frozen=True, slots=True)
class LinearForm(Term):
    """A weighted sum of number columns, which a predicate asks of as of one more number column.

    The products are added from the first column to the last, each product and each sum rounded to
    a double (none fused), so that every path gives the same floats. Where a column is missing the
    sum is NaN, as is that of infinities of both signs: a missing value, which answers no to
    ``<=`` and ``>``.

    Parameters
    ----------
    terms : tuple of Term
        At least one number or 0/1 column, in ascending order of their index.
    weights : tuple of float
        The weight of each, finite and not 0.

    Attributes
    ----------
    index : int
        Always -1: no column of the table.
    column : ColumnType
        The sum as a number column; its name is the sum in words.

    Raises
    ------
    ValueError
        Where these are not as said.
    """

    index: int = dataclasses.field(init=False)
    column: ColumnType = dataclasses.field(init=False)
    terms: tuple[Term, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.terms or len(self.terms) != len(self.weights):
            raise ValueError("a linear form has at least one column and a weight for each")
        for term, weight in zip(self.terms, self.weights, strict=True):
            if not term.column.numeric:
                raise ValueError(
                    f"column {term.name!r} is of kind {term.column.kind}: a linear form is over "
                    "numbers; ask a predicate of it"
                )
            if not math.isfinite(weight) or weight == 0:
                raise ValueError(f"the weight of {term.name!r} must be finite and not 0: {weight}")
        indices = [term.index for term in self.terms]
        if any(a >= b for a, b in itertools.pairwise(indices)):
            raise ValueError(f"the columns of a linear form must ascend: {indices}")
        object.__setattr__(self, "index", -1)
        name = sum_text(self.weights, [term.name for term in self.terms])
        missing = any(term.column.missing for term in self.terms)
        object.__setattr__(self, "column", ColumnType(name, "number", missing=missing))

    @classmethod
    def of(cls, weights: Sequence[float] | np.ndarray, columns: Sequence[ColumnType]) -> LinearForm:
        """The form with a weight for every column of a table; those of weight 0 are not in it."""
        used = [(j, float(w)) for j, w in enumerate(weights) if w != 0]
        terms = tuple(Term(j, columns[j]) for j, _ in used)
        return cls(terms, tuple(weight for _, weight in used))

    def values(self, table: Table) -> np.ndarray:
        """The sum for every row, NaN where a part is missing; shape (n_rows,), float64."""
        total = np.zeros(table.n_rows)
        with np.errstate(over="ignore", invalid="ignore"):
            for term, weight in zip(self.terms, self.weights, strict=True):
                total += weight * np.asarray(term.values(table), dtype=np.float64)
        return total

    @property
    def parts(self) -> tuple[Term, ...]:
        return self.terms

    def missing(self, table: Table) -> np.ndarray:
        """Where the sum is NaN, shape (n_rows,), bool."""
        return np.isnan(self.values(table))


@dataclasses.dataclass(frozen=True, slots=True)
class Predicate:
    """A question with answer yes or no for every row.

    A missing value, and a level that training had not seen, answer **no** to ``<=``, ``>`` and
    ``in``; only ``is missing`` is true of a missing value. The same holds in every export.

    Parameters
    ----------
    term : Term
        What the question is about: a column, or a `LinearForm` of several, of which ``in`` cannot
        be asked.
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

    def __post_init__(self) -> None:
        if self.test == "in" and isinstance(self.term, LinearForm):
            raise ValueError("a linear form has no levels: ask <=, > or is missing of it")

    def holds(self, table: Table) -> np.ndarray:
        """Answer for every row, shape (n_rows,), bool. The reference for every faster path."""
        values = self.term.values(table)
        if self.test == "is missing":
            return self.term.missing(table)
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
            return f"{name} {self.test} {self.threshold_text()}{unit}"
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
            return f"{name} > {self.threshold_text()}{unit}{missing}"
        if self.test == ">":
            return f"{name} <= {self.threshold_text()}{unit}{missing}"
        if self.term.column.kind == "boolean":
            return f"{name} is {'false' if self.value[0] else 'true'}{missing}"
        if self._is_prefix():
            return f"{name} is above {self.value[-1]}{missing}"
        return f"{name} {self._levels('is not', 'not in')}{missing}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the term is named by its position in the model's table of columns."""
        out: dict[str, Any]
        if isinstance(self.term, LinearForm):
            indices = [term.index for term in self.term.terms]
            out = {"columns": indices, "weights": list(self.term.weights), "test": self.test}
        else:
            out = {"column": self.term.index, "test": self.test}
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
        if "columns" in data:
            terms = tuple(Term(j, columns[j]) for j in data["columns"])
            term: Term = LinearForm(terms, tuple(map(float, data["weights"])))
        else:
            term = Term(data["column"], columns[data["column"]])
        return cls(
            term=term,
            test=data["test"],
            value=tuple(value) if isinstance(value, list) else value,
            label=data.get("label", ""),
        )

    def threshold_text(self) -> str:
        """In full; to six digits, as the weights are, where it belongs to a linear form."""
        linear = isinstance(self.term, LinearForm)
        return _six_digits(self.value) if linear else number_text(self.value)

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
