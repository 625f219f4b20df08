"""The printed scorecard: points to tick and add up, and the table from score to risk, as HTML."""

from __future__ import annotations

import dataclasses
import importlib.resources
from html import escape
from pathlib import Path

from treeml.export.card_text import (
    cells,
    class_name,
    decision_text,
    notes,
    score_text,
)
from treeml.ir.predicate import LinearTerm, Predicate
from treeml.ir.scorecard import Scorecard
from treeml.report.drawing import clean, palette_css
from treeml.report.page import ground_css

__all__ = ["CardPicture", "card_html"]


def card_html(card: Scorecard, *, title: str | None = None) -> str:
    """A scorecard as a self-contained fragment: the lines to tick, and what the total means.

    The total adds itself up where a browser shows the fragment, without scripts; on paper it is
    an empty box, as it is where a line counts the value of a number.

    Parameters
    ----------
    card : Scorecard
        The model.
    title : str or None, default=None
        Heading; None names the second class, an empty one is left out.

    Returns
    -------
    str
        A ``<div>`` with its style, light or dark; it loads nothing and runs nothing.
    """
    parts = [f"<style>\n{_css()}</style>", '<div class="tm-card">']
    heading = _title(card) if title is None else title
    if heading:
        parts.append(f'<div class="tm-title">{_plain(heading)}</div>')
    if card.terms:
        parts.append('<p class="tm-soft">Tick every line that is true and add up its points.</p>')
        parts += _points(card)
    parts.append(f'<p><span class="tm-key"></span>{_plain(decision_text(card))}</p>')
    parts += [f'<p class="tm-soft">{_plain(note)}</p>' for note in notes(card)]
    parts += _lookup(card)
    return "\n".join([*parts, "</div>"])


@dataclasses.dataclass(frozen=True, slots=True)
class CardPicture:
    """The printed card of a scorecard, which notebooks show and which can be written to a file.

    Parameters
    ----------
    card : Scorecard
    title : str or None
        None names the second class.
    """

    card: Scorecard
    title: str | None = None

    def save(self, path: str | Path) -> None:
        """Write the card as a page; the path must end in ``.html``."""
        path = Path(path)
        if path.suffix != ".html":
            raise ValueError(f"{path.name}: scorecards are written as .html")
        heading = _plain(self.title or _title(self.card))
        page = (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
            f"<title>{heading}</title>\n"
            "<style>:root{color-scheme:light dark}@page{size:A4;margin:14mm}body{margin:16px}"
            "</style>\n</head>\n"
            f"<body>\n{self._repr_html_()}\n</body>\n</html>\n"
        )
        path.write_text(page, encoding="utf-8")

    def _repr_html_(self) -> str:
        return card_html(self.card, title=self.title)


def _css() -> str:
    rules = importlib.resources.files("treeml.report").joinpath("card.css").read_text("utf-8")
    light, dark = ground_css() + palette_css(), ground_css(dark=True) + palette_css(dark=True)
    return (
        f".tm-card {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ .tm-card {{ {dark} }} }}\n"
        # dark ink on white paper would be unreadable: print is always light
        f"@media print {{ .tm-card {{ {light} }} }}\n{rules}"
    )


def _title(card: Scorecard) -> str:
    return f"{'Score for' if card.scale is None else 'Risk of'} {class_name(card)}"


def _plain(text: str) -> str:
    """Text as HTML shows it: escaped, without control characters."""
    return escape(clean(text))


def _points(card: Scorecard) -> list[str]:
    """The table of points: a body for every question, a line for every term."""
    out = [
        '<table class="tm-points">',
        '<thead><tr><th>Question</th><th>Answer</th><th class="tm-n">Points</th></tr></thead>',
    ]
    for column, which in card.by_column().items():
        head = f'<th scope="rowgroup" rowspan="{len(which)}">{_plain(column.name)}</th>'
        lines = [_line(card.terms[j], int(card.points[j])) for j in which]
        out.append("<tbody>")
        out += [f"<tr>{'' if at else head}{line}</tr>" for at, line in enumerate(lines)]
        out.append("</tbody>")
    by_hand = card.column_scores() is None
    total = f'<span class="tm-total{"" if by_hand else " tm-sum"}"></span>'
    out.append(f'<tfoot><tr><td colspan="2">Total</td><td class="tm-n">{total}</td></tr></tfoot>')
    return [*out, "</table>"]


def _line(term: Predicate | LinearTerm, points: int) -> str:
    """Answer and points of a term; the question stands beside it."""
    number = score_text(points)
    if isinstance(term, LinearTerm) and term.term.column.kind == "number":
        unit = _plain(term.term.column.unit)
        blank = '<span class="tm-blank"></span>'
        return f'<td>{blank} {unit}</td><td class="tm-n">{number} <small>each</small></td>'
    words = term.text().removeprefix(term.term.name).strip()
    for plain, sign in (("<= ", "≤ "), ("> ", "> ")):
        words = sign + words.removeprefix(plain) if words.startswith(plain) else words
    box = f'<input type="checkbox" style="--tm-p:{points}"/>'
    return (
        f'<td><label>{box}<span>{_plain(words)}</span></label></td><td class="tm-n">{number}</td>'
    )


def _lookup(card: Scorecard) -> list[str]:
    """The table from score to risk: a line for each score, with its risk as a bar."""
    table = cells(card)
    if not table:
        return []
    name = class_name(card)
    heads = ["Score"]
    if table[0].risk:
        heads += [f"Risk of {name}", ""]
    if table[0].rows:
        heads += ["Training rows", f"of them {name}"]
    out = ['<table class="tm-risk">']
    out.append(f"<thead><tr>{''.join(f'<th>{_plain(head)}</th>' for head in heads)}</tr></thead>")
    out.append("<tbody>")
    for cell in table:
        line = [f'<th scope="row">{_plain(cell.score)}</th>']
        if cell.risk:
            bar = f'<i style="width:{100 * cell.share:.1f}%"></i>'
            line += [f"<td>{_plain(cell.risk)}</td>", f'<td class="tm-bar">{bar}</td>']
        if cell.rows:
            line += [f"<td>{cell.rows}</td>", f"<td>{cell.positive}</td>"]
        mark = ' class="tm-above"' if cell.above else ""
        out.append(f"<tr{mark}>{''.join(line)}</tr>")
    return [*out, "</tbody></table>"]
