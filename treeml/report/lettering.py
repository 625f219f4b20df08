"""Text and colours of pictures: numbers for reading, widths of text, lines, the palette."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = [
    "FONT_SIZE", "N_COLOURS", "amount", "class_colour", "clean", "palette_css", "percent",
    "text_width", "wrap",
]  # fmt: skip

FONT_SIZE, N_COLOURS = 13, 8
_MAX_LINES = 7

_PALETTE = (
    ("#2b6ca3", "#6fb1e4"),
    ("#c9642a", "#f0a070"),
    ("#3f8a5a", "#7cc796"),
    ("#8a5aa5", "#c39bdc"),
    ("#a3872b", "#d9be66"),
    ("#2f8f95", "#6fcdd2"),
    ("#b04a6a", "#e68fab"),
    ("#66737f", "#a6b1bb"),
)


def palette_css(dark: bool = False) -> str:
    """Declarations of the class colours, ``--tm-c0`` to ``--tm-c7``."""
    return "".join(f"--tm-c{i}:{pair[dark]};" for i, pair in enumerate(_PALETTE))


def class_colour(index: int) -> str:
    """The CSS colour of a class: a variable with a fallback; colours repeat after eight."""
    which = index % N_COLOURS
    return f"var(--tm-c{which},{_PALETTE[which][0]})"


def amount(value: float) -> str:
    """A number of rows (or a sum of weights) for reading: ``1,204`` or ``12.5``."""
    value = float(value)
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage."""
    return f"{100 * float(share):.{digits}f} %"


def clean(text: Any) -> str:
    """Text that XML can hold: control characters become a visible replacement."""
    text = str(text)
    return "".join(
        " " if c in "\t\r\n" else "\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c
        for c in text
    )


def text_width(text: str, strong: bool = False) -> float:
    """Estimated width in pixels at the base size, on the safe side of common system fonts."""
    total = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in "WF":
            total += 1.0
        elif char in "iljtf.,:;|!'()[]{} ":
            total += 0.36
        elif char in "mwMW@%":
            total += 0.92
        elif char.isupper() or char in "<>=+~":
            total += 0.72
        else:
            total += 0.58
    return total * FONT_SIZE * (1.05 if strong else 1.0)


def _pieces(text: str) -> list[str]:
    """Parts between which a line may break: after blanks, commas, slashes, underscores."""
    pieces, start = [], 0
    for i, char in enumerate(text[:-1]):
        if char in " _/,-" and text[i + 1] not in " _/,-":
            pieces.append(text[start : i + 1])
            start = i + 1
    pieces.append(text[start:])
    return pieces


def wrap(text: str, width: float, strong: bool = False, lines: int = _MAX_LINES) -> list[str]:
    """Text as lines no wider than ``width``; words that are too long are cut, the rest elided."""
    out, line = [], ""
    for piece in _pieces(clean(text)):
        while text_width((line + piece).rstrip(), strong) > width:
            if line:
                out.append(line)
                line = ""
                continue
            cut = next(
                (i for i in range(1, len(piece)) if text_width(piece[: i + 1], strong) > width), 1
            )
            if len(piece) <= 1:
                break
            out.append(piece[:cut])
            piece = piece[cut:]
        line += piece
    out.append(line)
    out = [line.strip() for line in out if line.strip()] or ["-"]
    if len(out) > lines:
        last = out[lines - 1]
        while last and text_width(last + " …", strong) > width:
            last = last[:-1]
        out = [*out[: lines - 1], last.rstrip() + " …"]
    return out
