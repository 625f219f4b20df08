"""A scorecard in words: points to add up by hand, and the table from score to risk."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from treeml.export.rules import one_line
from treeml.ir.predicate import LinearTerm, Predicate
from treeml.ir.scorecard import Scorecard, ScoreRow

__all__ = [
    "Cell", "cells", "class_name", "decision_text", "notes", "points_text", "score_text", "text",
]  # fmt: skip

_WIDTH, _LEADER, _MOST_CELLS = 96, 64, 20
_SURE = 0.001  # risks below it, and above 1 minus it, are not told apart


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """A score, or neighbouring scores, of the table from score to risk, in words.

    Parameters
    ----------
    score, risk : str
        ``risk`` is empty for a card that gives labels only.
    rows, positive : str
        Training rows, and those of them in the second class; empty where nothing is known of them.
    share : float
        The risk as a number, of a range that of its middle; NaN for labels only.
    above : bool
        Whether the second class is predicted.
    """

    score: str
    risk: str
    rows: str
    positive: str
    share: float
    above: bool


def text(card: Scorecard) -> str:
    """Lines of terms and points, what the total means, and the table from score to risk."""
    name = class_name(card)
    lines = []
    if card.terms:
        lines = [f"Score for {name}: add up the points of every line that is true.", ""]
        lines += [*_term_lines(card), ""]
    lines += [decision_text(card), *notes(card)]
    table = cells(card)
    if table:
        lines += ["", *_table_lines(table, name)]
    return "\n".join(lines)


def class_name(card: Scorecard, which: int = 1) -> str:
    """The name of a class as the object of a sentence: ``bad``, or ``class 1``."""
    name = card.classes.tolist()[which]
    return one_line(name) if isinstance(name, str) else f"class {name}"


def score_text(value: float) -> str:
    """A score with a proper minus; whole where it is, else to six digits."""
    digits = str(int(value)) if value == int(value) else f"{value:.6g}"
    return digits.replace("-", "−", 1) if value < 0 else digits


def points_text(points: int) -> str:
    """Points with their word: ``1 point``, ``−2 points``."""
    return f"{score_text(points)} {'point' if abs(points) == 1 else 'points'}"


def decision_text(card: Scorecard) -> str:
    """What a total means, such as ``5 points or more: bad; fewer: good.``."""
    low, high = class_name(card, 0), class_name(card)
    if not card.terms:
        return f"Always {high if card.threshold < 0 else low}: no points are given."
    by_column = card.column_scores()
    if by_column is None:
        return f"More than {score_text(card.threshold)} points: {high}; otherwise: {low}."
    needed = math.floor(card.threshold) + 1
    if needed > sum(map(max, by_column)):
        return f"No total reaches {high}: always {low}."
    if needed <= sum(map(min, by_column)):
        return f"Every total means {high}."
    return f"{points_text(needed)} or more: {high}; fewer: {low}."


def notes(card: Scorecard) -> list[str]:
    """Sentences on values times points and on missing and unseen values, where they matter."""
    out = []
    for term, points in zip(card.terms, card.points.tolist(), strict=True):
        if isinstance(term, LinearTerm) and term.term.column.kind == "number":
            value = one_line(f"{term.term.name} of 3 {term.term.column.unit}")
            out.append(f'"each" is per unit: {value} counts {points_text(3 * points)}.')
            break
    columns = [term.column for term in card.by_column()]
    subjects = ["a missing value"] if any(column.missing for column in columns) else []
    if any(column.kind == "category" for column in columns):
        subjects.append("a level not seen in training")
    if subjects:
        asked = any(isinstance(t, Predicate) and t.test == "is missing" for t in card.terms)
        besides = ', except where a line says "is missing"' if asked else ""
        out.append(f"{' or '.join(subjects).capitalize()} gives no points{besides}.")
    if card.binned and card.possible_scores() is None:
        out.append("A range of scores begins above its first number and includes its last one.")
    return out


def cells(card: Scorecard, most: int = _MOST_CELLS) -> list[Cell]:
    """The table from score to risk in words; neighbours are put together above ``most``.

    At both ends scores whose risks are all below .1 % (above 99.9 %) are put together too.
    """
    rows = card.lookup()
    sure = [r.risk_high < _SURE for r in rows], [r.risk_low > 1 - _SURE for r in rows]
    n_low, n_high = sum(sure[0]), sum(sure[1])  # risks ascend
    if n_low > 1:
        rows[:n_low] = [dataclasses.replace(_together(rows[:n_low]), low=-math.inf)]
    if n_high > 1:
        rows[-n_high:] = [dataclasses.replace(_together(rows[-n_high:]), high=math.inf)]
    width = math.ceil(len(rows) / most)
    rows = [_together(rows[i : i + width]) for i in range(0, len(rows), width or 1)]
    return [_cell(card, row) for row in rows]


def _together(rows: list[ScoreRow]) -> ScoreRow:
    """Neighbouring rows as one range."""
    low, high = rows[0], rows[-1]
    counts = np.sum([row.counts for row in rows], axis=0).tolist()
    return ScoreRow(low.low, high.high, low.risk_low, high.risk_high, (counts[0], counts[1]))


def _cell(card: Scorecard, row: ScoreRow) -> Cell:
    if row.single:
        score = score_text(row.low)
    elif row.low == -math.inf:
        score = "any" if row.high == math.inf else f"≤ {score_text(row.high)}"
    elif row.high == math.inf:
        score = f"{'>' if card.binned else '≥'} {score_text(row.low)}"
    else:
        score = f"{score_text(row.low)} to {score_text(row.high)}"
    known = len(card.score_values) > 0
    share = (row.risk_low + row.risk_high) / 2
    return Cell(
        score=score,
        risk="" if math.isnan(share) else _risk_text(row),
        rows=_amount(sum(row.counts)) if known else "",
        positive=_amount(row.counts[1]) if known else "",
        share=share,
        above=row.low > card.threshold,
    )


def _risk_text(row: ScoreRow) -> str:
    low, high = _percent(row.risk_low), _percent(row.risk_high)
    if low == high:
        return f"{low} %"
    if row.low == -math.inf:
        return f"{high} %" if high.startswith("<") else f"≤ {high} %"
    if row.high == math.inf:
        return f"{low} %" if low.startswith(">") else f"> {low} %"
    return f"{low.strip('<> ')} to {high.strip('<> ')} %"


def _percent(risk: float) -> str:
    if risk < _SURE:
        return "< 0.1"
    return "> 99.9" if risk > 1 - _SURE else f"{100 * risk:.1f}"


def _amount(weight: float) -> str:
    return f"{weight:,.0f}" if weight == round(weight) else f"{weight:,.1f}"


def _term_lines(card: Scorecard) -> list[str]:
    """One line a term with a leader of dots; terms over one column below its name."""
    points = card.points.tolist()
    rows: list[tuple[str, str]] = []
    for column, which in card.by_column().items():
        if len(which) > 1:
            rows.append((one_line(column.name), ""))
        for j in which:
            term = card.terms[j]
            number, word = points_text(points[j]).split(" ")
            each = isinstance(term, LinearTerm) and term.term.column.kind == "number"
            indent = "  " if len(which) > 1 else ""
            words = f"{number:>3} {word}{' each' if each else ''}"
            rows.append((indent + one_line(term.text()), words))
    width = min(max(len(left) for left, _ in rows), _LEADER) + 6
    lines = [
        f"{left} {'.' * max(width - len(left), 3)} {right}" if right else left
        for left, right in rows
    ]
    return [*lines, f"{'total':>{width + 1}}  ____ points"]


def _table_lines(table: list[Cell], name: str) -> list[str]:
    """The cells as columns, in as many blocks as the width asks for."""
    heads = {"score": "score", "risk": f"risk of {name}", "rows": "rows"}
    heads["positive"] = f"of them {name}"
    heads = {key: head for key, head in heads.items() if any(getattr(c, key) for c in table)}
    first = max(map(len, heads.values()))
    widths = [max(len(getattr(cell, key)) for key in heads) + 3 for cell in table]
    blocks: list[list[int]] = [[]]
    for at, width in enumerate(widths):
        if blocks[-1] and first + sum(widths[i] for i in blocks[-1]) + width > _WIDTH:
            blocks.append([])
        blocks[-1].append(at)
    lines: list[str] = []
    for block in blocks:
        lines += [""] if lines else []
        for key, head in heads.items():
            parts = "".join(f"{getattr(table[i], key):>{widths[i]}}" for i in block)
            lines.append(f"{head:<{first}}{parts}")
    return lines
