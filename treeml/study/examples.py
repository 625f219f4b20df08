"""Rows whose points are added up step by step, so that a reader can check a card by hand."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from treeml._core.table import Table
from treeml.export.card_text import Cell, cells, class_name, score_text
from treeml.export.rules import one_line
from treeml.ir import Predicate, Scorecard, Term
from treeml.ir.predicate import number_text

__all__ = ["Example", "examples"]


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One row and its addition, in words.

    Parameters
    ----------
    row : int
        Position in the whole table, counted from 0 as in ``rows.csv``.
    asked : tuple of (str, str)
        The columns that the card asks of, and what the row has there.
    lines : tuple of (str, str)
        The lines of the card that are true of the row, with their points.
    total : str
        Their sum.
    place, risk : str
        The line of the table from score to risk that the sum is on, and the risk printed there.
    truth, predicted : str
        The class that the row has, and the one that the card gives it.
    """

    row: int
    asked: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    total: str
    place: str
    risk: str
    truth: str
    predicted: str


def examples(
    card: Scorecard, table: Table, rows: np.ndarray, codes: np.ndarray, most: int = 10
) -> list[Example]:
    """Rows that different lines are true of, from the least to the largest score.

    Where there are fewer combinations of lines than rows to show, some appear again, first with
    the other class; where there are more, they are spread over the scores.

    Parameters
    ----------
    card : Scorecard
        All its terms are predicates.
    table : Table
        The whole table.
    rows : ndarray of int
        Those of its rows to choose from.
    codes : ndarray of int
        Class of every row of the table, 0 or 1.
    most : int, default=10
        How many, where there are as many.

    Returns
    -------
    list of Example
        By ascending score.
    """
    chosen = _choose(card, table.take(rows), rows, codes[rows], most)
    part = table.take(chosen)
    answers, printed = _answers(card, part), cells(card)
    return [
        _example(card, part, at, row, answers[at], int(codes[row]), printed)
        for at, row in enumerate(chosen.tolist())
    ]


def _answers(card: Scorecard, table: Table) -> np.ndarray:
    """Which lines are true of each row, shape (n_rows, n_terms), bool."""
    out = np.zeros((table.n_rows, card.n_terms), dtype=bool)
    for j, term in enumerate(card.terms):
        assert isinstance(term, Predicate)
        out[:, j] = term.holds(table)
    return out


def _choose(
    card: Scorecard, part: Table, rows: np.ndarray, codes: np.ndarray, most: int
) -> np.ndarray:
    """Rows of `examples`, by ascending score; ``part`` and ``codes`` are of ``rows`` alone."""
    first_class: dict[bytes, int] = {}
    seen: Counter[tuple[bytes, int]] = Counter()
    rounds = []
    for answers, code in zip(map(bytes, _answers(card, part)), codes.tolist(), strict=True):
        other = code != first_class.setdefault(answers, code)
        rounds.append(2 * seen[answers, code] + other)
        seen[answers, code] += 1
    scores = card.score(part)
    order = np.lexsort((scores, rounds))
    if len(first_class) > most:
        spread = np.linspace(0, len(first_class) - 1, most).round().astype(np.intp)
        return rows[order[spread]]
    first = order[:most]
    return rows[first[np.argsort(scores[first], kind="stable")]]


def _example(
    card: Scorecard,
    part: Table,
    at: int,
    row: int,
    answers: np.ndarray,
    code: int,
    printed: list[Cell],
) -> Example:
    pairs = zip(card.terms, card.points.tolist(), answers.tolist(), strict=True)
    lines = [(one_line(term.text()), points) for term, points, true in pairs if true]
    total = sum(points for _, points in lines)
    cell = next(cell for cell in printed if _is_on(total, cell.score))
    return Example(
        row=row,
        asked=tuple(_cell(part, term, at) for term in card.by_column()),
        lines=tuple((text, score_text(points)) for text, points in lines),
        total=score_text(total),
        place=cell.score,
        risk=cell.risk,
        truth=class_name(card, code),
        predicted=class_name(card, int(total > card.threshold)),
    )


def _cell(part: Table, term: Term, at: int) -> tuple[str, str]:
    """Name of a column and what a row has in it."""
    column = part.columns[term.index]
    if column.missing[at]:
        return one_line(column.type.name), "missing"
    value = column.values[at]
    text = str(value) if column.values.dtype == object else number_text(value)
    return one_line(column.type.name), one_line(f"{text} {column.type.unit}")


def _is_on(score: float, place: str) -> bool:
    """Whether a score is on the line of the printed table that begins with ``place``."""
    if place == "any":
        return True
    sign, plain = place[0], place.replace("\u2212", "-")
    if sign in "≤≥>":
        bound = float(plain[1:])
        return {"≤": score <= bound, "≥": score >= bound, ">": score > bound}[sign]
    low, _, high = plain.partition(" to ")
    return float(low) <= score <= float(high or low)
