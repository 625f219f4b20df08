"""The picture of a tree: our own inline SVG, drawn from the root on the left to the leaves."""

from __future__ import annotations

import dataclasses
import hashlib
import unicodedata
from html import escape
from typing import Any

import numpy as np

from treeml.ir.tree import Tree

__all__ = ["amount", "class_colour", "clean", "percent", "tree_html", "tree_svg"]

FONT_SIZE, LINE = 13, 17
INNER_WIDTH, LEAF_WIDTH, GAP_X, GAP_Y, PAD = 196, 172, 62, 14, 12
N_COLOURS = 8
_MAX_LINES = 7

_STYLE = """
.tm-svg{font:13px/1.3 var(--tm-font,system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif);\
display:block;height:auto}
.tm-svg text{fill:var(--tm-ink,#1c2733)}
.tm-svg .tm-soft{fill:var(--tm-soft,#5b6875);font-size:12px}
.tm-svg .tm-strong{font-weight:600}
.tm-svg .tm-edge{fill:none;stroke:var(--tm-line,#c3ccd4);stroke-linecap:round}
.tm-svg .tm-box{fill:var(--tm-paper,#fff);stroke:var(--tm-line,#c3ccd4);stroke-width:1.2}
.tm-svg .tm-leaf{fill:var(--tm-panel,#f4f6f8);stroke:none}
"""
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


def _width(text: str, strong: bool = False) -> float:
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


def _wrap(text: str, width: float, strong: bool = False, lines: int = _MAX_LINES) -> list[str]:
    """Text as lines no wider than ``width``; words that are too long are cut, the rest elided."""
    out, line = [], ""
    for piece in _pieces(clean(text)):
        while _width((line + piece).rstrip(), strong) > width:
            if line:
                out.append(line)
                line = ""
                continue
            cut = next(
                (i for i in range(1, len(piece)) if _width(piece[: i + 1], strong) > width), 1
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
        while last and _width(last + " …", strong) > width:
            last = last[:-1]
        out = [*out[: lines - 1], last.rstrip() + " …"]
    return out


@dataclasses.dataclass(slots=True)
class _Box:
    """Where one node stands: ``y`` is its middle; the subtree reaches from top to bottom."""

    lines: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


def _measure(tree: Tree) -> list[_Box]:
    boxes = []
    for node in range(tree.n_nodes):
        if tree.predicate[node] >= 0:
            text = tree.predicates[tree.predicate[node]].text()
            lines = _wrap(text, INNER_WIDTH - 2 * PAD, strong=True)
            boxes.append(_Box(lines, INNER_WIDTH, 2 * PAD + LINE * (len(lines) + 1)))
        else:
            lines = _wrap(str(tree.classes[tree.label[node]]), LEAF_WIDTH - 40, True, 2)
            rate = _wrap(_rate_text(tree, node), LEAF_WIDTH - 28, False, 2)
            height = 2 * PAD + LINE * (len(lines) + len(rate)) + 8
            boxes.append(_Box([*lines, *rate], LEAF_WIDTH, height))
    return boxes


def _place(tree: Tree, boxes: list[_Box], top: float) -> tuple[float, float]:
    """Give every box its place below ``top``; returns the width and the bottom of the picture."""
    depth = tree.node_depth
    for node, box in enumerate(boxes):
        box.x = 2 + int(depth[node]) * (INNER_WIDTH + GAP_X)
    extent = np.zeros((tree.n_nodes, 2))

    def shift(node: int, by: float) -> None:
        stack = [node]
        while stack:
            at = stack.pop()
            boxes[at].y += by
            extent[at] += by
            if tree.predicate[at] >= 0:
                stack += [int(tree.if_true[at]), int(tree.if_false[at])]

    for node in range(tree.n_nodes - 1, -1, -1):  # children come after their parent
        box = boxes[node]
        if tree.predicate[node] < 0:
            box.y, extent[node] = box.height / 2, (0.0, box.height)
            continue
        yes, no = int(tree.if_true[node]), int(tree.if_false[node])
        shift(no, extent[yes, 1] + GAP_Y - extent[no, 0])
        box.y = (boxes[yes].y + boxes[no].y) / 2
        low = min(extent[yes, 0], box.y - box.height / 2)
        high = max(extent[no, 1], box.y + box.height / 2)
        extent[node] = (low, high)
    shift(0, top - extent[0, 0])
    return max(box.x + box.width for box in boxes) + 2, float(extent[0, 1]) + 2


def _rate_text(tree: Tree, node: int) -> str:
    counts = tree.counts[node]
    label = tree.classes[tree.label[node]]
    rate = counts[tree.label[node]] / max(counts.sum(), 1e-300)
    return f"{amount(counts.sum())} rows, {percent(rate)} {label}"


def _bar(tree: Tree, node: int, x: float, y: float, width: float, height: float) -> list[str]:
    """The classes of a node as one stacked bar."""
    counts = tree.counts[node]
    total = counts.sum() or 1.0
    out, left = [], x
    for which in np.flatnonzero(counts):
        part = float(width * counts[which] / total)
        name = escape(f"{clean(tree.classes[which])}: {amount(counts[which])}")
        out.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{part:.2f}" height="{height:g}" '
            f'style="fill:{class_colour(int(which))}"><title>{name}</title></rect>'
        )
        left += part
    return out


def _edges(tree: Tree, boxes: list[_Box]) -> list[str]:
    rows = tree.counts.sum(axis=1)
    out = []
    for node in np.flatnonzero(tree.predicate >= 0):
        parent = boxes[node]
        for child, answer in ((tree.if_true[node], "yes"), (tree.if_false[node], "no")):
            box = boxes[child]
            x0, y0, x1, y1 = parent.x + parent.width, parent.y, box.x, box.y
            thick = 1.5 + 6 * float(rows[child] / max(rows[0], 1e-300))
            middle = (x0 + x1) / 2
            out.append(
                f'<path class="tm-edge" style="stroke-width:{thick:.1f}" '
                f'd="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} '
                f'{x1:.1f} {y1:.1f}"/>'
            )
            at = y1 - thick / 2 - 5 if answer == "yes" else y1 + thick / 2 + 14
            out.append(
                f'<text class="tm-soft" x="{x1 - 5:.1f}" y="{at:.1f}" text-anchor="end">'
                f"{answer}</text>"
            )
    return out


def _text(lines: list[str], x: float, y: float, kind: str) -> list[str]:
    return [
        f'<text class="{kind}" x="{x:.1f}" y="{y + LINE * i:.1f}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    ]


def _node(tree: Tree, node: int, box: _Box) -> list[str]:
    left, top = box.x, box.y - box.height / 2
    first = top + PAD + 12
    if tree.predicate[node] >= 0:
        full = tree.predicates[tree.predicate[node]].text()
        below = first + LINE * len(box.lines)
        rows = f"{amount(tree.counts[node].sum())} rows"
        return [
            f"<g><title>{escape(clean(full))}</title>",
            f'<rect class="tm-box" x="{left:.1f}" y="{top:.1f}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="8"/>',
            *_text(box.lines, left + PAD, first, "tm-strong"),
            *_text([rows], left + PAD, below, "tm-soft"),
            "</g>",
        ]
    label = int(tree.label[node])
    n_names = len(_wrap(str(tree.classes[label]), LEAF_WIDTH - 40, True, 2))
    names, rate = box.lines[:n_names], box.lines[n_names:]
    inside = box.width - 28
    return [
        f"<g><title>{escape(clean(_rate_text(tree, node)))}</title>",
        f'<rect class="tm-leaf" x="{left:.1f}" y="{top:.1f}" width="{box.width:g}" '
        f'height="{box.height:g}" rx="8"/>',
        f'<rect x="{left:.1f}" y="{top:.1f}" width="5" height="{box.height:g}" rx="2.5" '
        f'style="fill:{class_colour(label)}"/>',
        *_text(names, left + 16, first, "tm-strong"),
        *_text(rate, left + 16, first + LINE * len(names), "tm-soft"),
        *_bar(tree, node, left + 16, top + box.height - PAD - 5, inside, 7),
        "</g>",
    ]


def _legend(tree: Tree) -> list[str]:
    """One line that names the colours of the classes, as far as it has room."""
    out, x = [], 2.0
    for which, name in enumerate(tree.classes[:N_COLOURS]):
        text = _wrap(str(name), 150, False, 1)[0]
        out.append(
            f'<rect x="{x:.1f}" y="4" width="11" height="11" rx="2" '
            f'style="fill:{class_colour(which)}"/>'
        )
        out.append(f'<text class="tm-soft" x="{x + 17:.1f}" y="14">{escape(text)}</text>')
        x += 17 + _width(text) + 18
        if x > INNER_WIDTH + GAP_X + LEAF_WIDTH - 100:
            break
    return out


def tree_svg(tree: Tree, *, title: str = "Decision tree", legend: bool = True) -> str:
    """Inline SVG of a tree; text stays text, colours are CSS variables with fallbacks.

    Parameters
    ----------
    tree : Tree
        The model. Meant for up to about 16 leaves; larger ones only grow taller and wider.
    title : str, default="Decision tree"
        Name of the picture for screen readers and as a tooltip.
    legend : bool, default=True
        Whether a line above the tree names the colours of the classes.

    Returns
    -------
    str
        An ``<svg>`` element. It shrinks to three quarters of its size before it needs to scroll.

    Notes
    -----
    Rates are shares of the training rows as counted, also where ``class_weight`` moved the
    prediction; so a leaf may predict a class that fewer than half of its rows have.
    """
    boxes = _measure(tree)
    width, height = _place(tree, boxes, 30.0 if legend else 2.0)
    uid = "tm" + hashlib.sha256(repr(tree.to_dict()).encode()).hexdigest()[:10]
    leaves = "one leaf" if tree.n_leaves == 1 else f"{tree.n_leaves} leaves"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tm-svg" role="img" '
        f'aria-labelledby="{uid}t {uid}d" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" '
        f'style="width:100%;max-width:{width:.0f}px;min-width:{0.75 * width:.0f}px">',
        f'<title id="{uid}t">{escape(clean(title))}</title>',
        f'<desc id="{uid}d">{escape(_description(tree, leaves))}</desc>',
        f"<style>{_STYLE}</style>",
        *(_legend(tree) if legend else []),
        *_edges(tree, boxes),
    ]
    for node, box in enumerate(boxes):
        parts += _node(tree, node, box)
    return "\n".join([*parts, "</svg>"])


def _description(tree: Tree, leaves: str) -> str:
    """The whole tree in words, for those who do not see the picture."""
    ways = []
    for leaf, path in tree.paths():
        steps = [q.text() if answer else q.complement_text() for q, answer in path]
        ways.append(f"{' and '.join(steps) or 'always'}: {_rate_text(tree, leaf)}")
    return clean(f"A decision tree with {leaves}. {'; '.join(ways)}.")


def tree_html(tree: Tree, *, title: str = "Decision tree") -> str:
    """A self-contained snippet for notebooks: the picture on its own ground, light or dark.

    Parameters
    ----------
    tree : Tree
        The model.
    title : str, default="Decision tree"
        Name of the picture.

    Returns
    -------
    str
        A ``<div>`` with its style; wide trees scroll inside it.
    """
    light = (
        "--tm-ink:#1c2733;--tm-soft:#5b6875;--tm-line:#c3ccd4;--tm-paper:#fff;--tm-panel:#f4f6f8;"
    )
    dark = (
        "--tm-ink:#e6ebf0;--tm-soft:#a3afba;--tm-line:#4a5763;--tm-paper:#161c22;"
        "--tm-panel:#212a32;"
    )
    return (
        "<style>"
        f".tm-tree{{{light}{palette_css()}background:var(--tm-paper);padding:12px;"
        "border-radius:8px;overflow-x:auto;max-width:100%;box-sizing:border-box}"
        f"@media (prefers-color-scheme:dark){{.tm-tree{{{dark}{palette_css(True)}}}}}"
        f'</style>\n<div class="tm-tree">\n{tree_svg(tree, title=title)}\n</div>'
    )
