"""Constraints on a scorecard in the words of its user: columns and terms by name."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from treeml._core.control import Control
from treeml.ir import LinearTerm, Predicate
from treeml.search import CardConstraints, risk_score

__all__ = ["ScoreConstraints"]

CardTerm = Predicate | LinearTerm


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreConstraints:
    """What a scorecard must look like.

    A name is that of a column of the table, and then stands for all its terms, or the text of one
    term, such as ``"age <= 41"``. Columns of an array without names are ``x0``, ``x1``, ...

    Parameters
    ----------
    points : mapping of str to (int, int), default={}
        Least and most points of a term that is used, instead of the estimator's ``coef_range``;
        (0, 5) allows no negative points.
    monotonic_cst : mapping of str to {-1, 1}, default={}
        For a column: whether the score may only rise (1) or fall (-1) with its value. Levels
        without an order cannot be named.
    ordered : sequence of sequences of str, default=()
        Names of 0/1 columns or terms whose points must not fall along each sequence, as for bins
        that were made before; a bin that is not used has 0 points.
    required, forbidden : sequence of str, default=()
        Of each name required, at least one term is used; of a forbidden one, none.
    any_of : sequence of sequences of str, default=()
        Of each group, at least one name is used.
    groups : sequence of (names, int), default=()
        At most so many of these names are used.
    exclusive : sequence of sequences of str, default=()
        At most one name of each is used.
    max_questions : int or None, default=None
        Most columns of the table that are used, however many terms they have.
    if_then : sequence of (str, str), default=()
        Where the first name is used, so is the second.

    Raises
    ------
    ValueError
        Where a field is not of this form, as where a name stands for a list of names.
    """

    points: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    monotonic_cst: Mapping[str, int] = dataclasses.field(default_factory=dict)
    ordered: Sequence[Sequence[str]] = ()
    required: Sequence[str] = ()
    forbidden: Sequence[str] = ()
    any_of: Sequence[Sequence[str]] = ()
    groups: Sequence[tuple[Sequence[str], int]] = ()
    exclusive: Sequence[Sequence[str]] = ()
    max_questions: int | None = None
    if_then: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        for name in ("points", "monotonic_cst"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name} must be a dict with a name for each key")
        for name, span in self.points.items():
            two = isinstance(span, Sequence) and len(span) == 2
            if not two or not all(isinstance(x, Integral) for x in span):
                raise ValueError(f"points of {name!r} must be two integers, least and most")
        for name, way in self.monotonic_cst.items():
            if way not in (-1, 1):
                raise ValueError(f"monotonic_cst of {name!r} is {way!r}; it must be 1 or -1")
        for name in ("required", "forbidden"):
            _check_names(getattr(self, name), name)
        for name in ("ordered", "any_of", "exclusive", "if_then"):
            given = getattr(self, name)
            if isinstance(given, str) or any(isinstance(some, str) for some in given):
                raise ValueError(f"{name} must be a list of lists of names, not {given!r}")
            for some in given:
                _check_names(some, name)
        if any(len(pair) != 2 for pair in self.if_then):
            raise ValueError("if_then must hold pairs of names")
        for group in self.groups:
            if isinstance(group, str) or len(group) != 2 or not _is_count(group[1]):
                raise ValueError(f"groups must hold (names, most used), not {group!r}")
            _check_names(group[0], "groups")
        if self.max_questions is not None and not _is_count(self.max_questions):
            raise ValueError(f"max_questions must be a count or None, not {self.max_questions!r}")

    def resolve(
        self, terms: Sequence[CardTerm], columns: Sequence[str], coef_range: tuple[int, int]
    ) -> CardConstraints:
        """The same over terms by position.

        Raises
        ------
        ValueError
            For a name that neither a column nor a term has, or a range without a number.
        """
        names = _Names(terms, columns)
        low = np.full(len(terms), coef_range[0], dtype=np.int64)
        high = np.full(len(terms), coef_range[1], dtype=np.int64)
        for name, (least, most) in self.points.items():
            if least > most:
                raise ValueError(f"points of {name!r}: the least, {least}, is above {most}")
            at = list(names.find(name, "points"))
            low[at], high[at] = least, most
        for name, way in self.monotonic_cst.items():
            for j in names.find(name, "monotonic_cst"):
                rises = way * _direction(terms[j], name)
                if rises > 0:
                    low[j] = max(low[j], 0)
                elif rises < 0:
                    high[j] = min(high[j], 0)
        unusable = low > high  # no points are left, as for (1, 5) that may not be positive
        low[unusable] = high[unusable] = 0
        for name in self.forbidden:
            at = list(names.find(name, "forbidden"))
            low[at] = high[at] = 0
        chains = [[names.one(n, "ordered") for n in chain] for chain in self.ordered]
        limits = [
            (tuple(names.find(n, "groups") for n in group), int(most))
            for group, most in self.groups
        ]
        limits += [
            (tuple(names.find(n, "exclusive") for n in group), 1) for group in self.exclusive
        ]
        if self.max_questions is not None:
            limits.append((tuple(names.by_column.values()), int(self.max_questions)))
        required = [names.find(n, "required") for n in self.required]
        required += [
            tuple(j for n in group for j in names.find(n, "any_of")) for group in self.any_of
        ]
        return CardConstraints(
            low=low,
            high=high,
            required=tuple(required),
            limits=tuple(limits),
            implications=tuple(
                (names.find(a, "if_then"), names.find(b, "if_then")) for a, b in self.if_then
            ),
            order=tuple(pair for chain in chains for pair in itertools.pairwise(chain)),
        )

    def conflicts(
        self,
        terms: Sequence[CardTerm],
        columns: Sequence[str],
        coef_range: tuple[int, int],
        max_features: int,
    ) -> list[str] | None:
        """Clauses without any one of which a card would exist; None where one exists as it is.

        Empty where only leaving out several helps.
        """

        def possible(constraints: ScoreConstraints, most: int) -> bool:
            rules = constraints.resolve(terms, columns, coef_range)
            try:
                risk_score(
                    np.zeros((2, len(terms))),
                    np.array([0, 1], dtype=np.int32),
                    max_features=most,
                    constraints=rules,
                    control=Control(time_limit=0.0, gap_tol=1.0),
                )
            except ValueError:
                return False
            return True

        if possible(self, max_features):
            return None
        guilty = []
        if possible(self, len(terms)):
            guilty.append(f"at most {max_features} terms are used (max_features)")
        for one, rest in self._each_left_out():
            if possible(rest, max_features):
                guilty += one.statements()
        return guilty

    def _each_left_out(self) -> Iterator[tuple[ScoreConstraints, ScoreConstraints]]:
        """Each constraint alone, and all the others."""
        for field in dataclasses.fields(self):
            given: Any = getattr(self, field.name)
            parts: list[tuple[Any, Any]] = []
            if isinstance(given, Mapping):
                for key, value in given.items():
                    parts.append(({key: value}, {k: v for k, v in given.items() if k != key}))
            elif isinstance(given, Sequence):
                for at, value in enumerate(given):
                    parts.append(([value], [*given[:at], *given[at + 1 :]]))
            elif given is not None:
                parts.append((given, None))
            for one, rest in parts:
                alone: dict[str, Any] = {field.name: one}
                without: dict[str, Any] = {field.name: rest}
                yield ScoreConstraints(**alone), dataclasses.replace(self, **without)

    def statements(self) -> list[str]:
        """Each constraint as a clause."""
        out = [f"points of {n} are from {a} to {b}" for n, (a, b) in self.points.items()]
        ways = {1: "rises", -1: "falls"}
        out += [f"the score only {ways[w]} with {n}" for n, w in self.monotonic_cst.items()]
        out += ["points do not fall along " + ", ".join(chain) for chain in self.ordered]
        out += [f"{n} is used" for n in self.required]
        out += [f"{n} is not used" for n in self.forbidden]
        out += ["one or more of " + ", ".join(group) + " are used" for group in self.any_of]
        out += [f"at most {most} of {', '.join(names)} are used" for names, most in self.groups]
        out += ["at most one of " + ", ".join(names) + " is used" for names in self.exclusive]
        if self.max_questions is not None:
            columns = "column is" if self.max_questions == 1 else "columns are"
            out.append(f"at most {self.max_questions} {columns} asked for")
        out += [f"{a} is used only with {b}" for a, b in self.if_then]
        return out

    def to_dict(self) -> dict[str, Any]:
        """JSON form; what is empty is left out."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in fields.items() if value or value == 0}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScoreConstraints:
        """Inverse of `to_dict`, also after JSON, which has no tuples."""
        return cls(**{name: _with_tuples(value) for name, value in data.items()})


def _with_tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_tuples(inner) for key, inner in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, (list, tuple)) else value


def _check_names(names: Any, where: str) -> None:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{where} must list names, not {names!r}")


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


class _Names:
    """Which terms a name stands for."""

    def __init__(self, terms: Sequence[CardTerm], columns: Sequence[str]) -> None:
        self.by_column: dict[str, tuple[int, ...]] = {}
        self.by_text: dict[str, tuple[int, ...]] = {}
        self.columns = columns
        for j, term in enumerate(terms):
            name = term.term.name
            self.by_column[name] = (*self.by_column.get(name, ()), j)
            self.by_text.setdefault(term.text(), (j,))

    def find(self, name: str, where: str) -> tuple[int, ...]:
        found = self.by_column.get(name) or self.by_text.get(name)
        if found:
            return found
        if name in self.columns:
            raise ValueError(
                f"{where}: column {name!r} gives no term (it is constant, or nothing can be asked "
                "of it); leave it out of the constraints"
            )
        near = difflib.get_close_matches(str(name), {**self.by_column, **self.by_text}, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"{where}: no column and no term is called {name!r}{hint}")

    def one(self, name: str, where: str) -> int:
        found = self.by_text[name] if name in self.by_text else self.find(name, where)
        if len(found) != 1:
            raise ValueError(
                f"{where}: column {name!r} has {len(found)} terms; name one of them, such as "
                f"{next(t for t, j in self.by_text.items() if j[0] == found[0])!r}"
            )
        return found[0]


def _direction(term: CardTerm, name: str) -> int:
    """1 where the term rises with its column, -1 where it falls, 0 where it asks for missing."""
    if isinstance(term, LinearTerm):
        return 1
    if term.test == "is missing":
        return 0
    if term.test in ("<=", ">"):
        return 1 if term.test == ">" else -1
    levels = list(term.term.column.levels)
    if levels and list(term.value) == levels[: len(term.value)]:
        return -1
    if term.term.column.kind == "boolean":
        return 1 if True in term.value else -1
    raise ValueError(
        f"monotonic_cst: the levels of {name!r} have no order; make it an ordered category"
    )
