"""Charts as inline SVG: drawn by matplotlib, with text as text and colours as CSS variables."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

__all__ = ["Line", "Point", "size_chart"]

# Colours that matplotlib writes, and the variables that replace them.
_COLOURS = {
    "#1c2733": "var(--tm-ink,#1c2733)",
    "#5b6875": "var(--tm-soft,#5b6875)",
    "#c3ccd4": "var(--tm-line,#c3ccd4)",
    "#2b6ca3": "var(--tm-c0,#2b6ca3)",
    "#c9642a": "var(--tm-c1,#c9642a)",
    "#3f8a5a": "var(--tm-c2,#3f8a5a)",
    "#8a5aa5": "var(--tm-c3,#8a5aa5)",
    "#fefefe": "var(--tm-paper,#fefefe)",
}
_INK, _SOFT, _LINE, *_SERIES, _PAPER = _COLOURS
_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Arial", "sans-serif"]


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One model on the chart: its number of leaves, mean score, standard error and mark."""

    leaves: int
    score: float
    error: float = 0.0
    chosen: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A model without leaves (a regression, a forest): a level across the chart."""

    name: str
    score: float


def size_chart(
    trees: Sequence[Point],
    peers: Sequence[Point] = (),
    levels: Sequence[Line] = (),
    *,
    score_name: str = "accuracy",
    threshold: float | None = None,
    title: str = "Score against number of leaves",
) -> str:
    """Cross-validated score against number of leaves.

    Parameters
    ----------
    trees : sequence of Point
        Proven trees, with one standard error up and down; the chosen one is marked.
    peers : sequence of Point, default=()
        Greedy trees by number of leaves.
    levels : sequence of Line, default=()
        Models that have no leaves to count.
    score_name : str, default="accuracy"
        Label of the vertical axis.
    threshold : float or None, default=None
        Best mean less one standard error: a fine line that the rule of choice refers to.
    title : str
        Name of the picture for screen readers.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    options: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "treeml",
        "font.family": "sans-serif",
        "font.size": 10.5,
        "axes.unicode_minus": False,
    }
    with mpl.rc_context(options):
        figure = Figure(figsize=(7.6, 3.9))
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_axes((0.115, 0.14, 0.61, 0.82))
        _draw_levels(axes, levels, threshold)
        _draw_points(axes, trees, peers)
        _dress(axes, trees, peers, score_name)
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.print_svg(stream, metadata=nothing)
    summary = "; ".join(
        f"{p.leaves} leaves {p.score:.3f}{' (chosen)' if p.chosen else ''}" for p in trees
    )
    return _inline(stream.getvalue(), title, f"{score_name}: {summary}")


def _draw_levels(axes: Any, levels: Sequence[Line], threshold: float | None) -> None:
    if threshold is not None:
        axes.axhline(threshold, color=_LINE, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    texts = [(level.score, level.name, _SERIES[2 + i % 2]) for i, level in enumerate(levels)]
    for score, _, colour in texts:
        axes.axhline(score, color=colour, linewidth=1.3, linestyle=(0, (6, 3)), zorder=2)
    if threshold is not None:
        texts.append((threshold, "best less one s.e.", _SOFT))
    axes.margins(y=0.16)
    axes.figure.canvas.draw_idle()
    axes._treeml_texts = texts  # placed once the limits are known


def _draw_points(axes: Any, trees: Sequence[Point], peers: Sequence[Point]) -> None:
    if peers:
        axes.plot(
            [p.leaves for p in peers],
            [p.score for p in peers],
            color=_SERIES[1],
            marker="s",
            markersize=4,
            linewidth=1.2,
            label="CART",
            zorder=3,
        )
    axes.errorbar(
        [p.leaves for p in trees],
        [p.score for p in trees],
        yerr=[p.error for p in trees],
        color=_SERIES[0],
        marker="o",
        markersize=6,
        linewidth=1.8,
        elinewidth=1.1,
        capsize=3,
        label="optimal tree, ± 1 standard error",
        zorder=4,
    )
    chosen = [p for p in trees if p.chosen]
    if chosen:
        axes.plot(
            [p.leaves for p in chosen],
            [p.score for p in chosen],
            linestyle="none",
            marker="o",
            markersize=14,
            markerfacecolor="none",
            markeredgecolor=_INK,
            markeredgewidth=1.6,
            label="chosen",
            zorder=5,
        )


def _dress(axes: Any, trees: Sequence[Point], peers: Sequence[Point], score_name: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    most = max([p.leaves for p in (*trees, *peers)], default=1)
    axes.set_xlim(0.4, most + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}%"))
    axes.set_xlabel("number of leaves", color=_INK)
    axes.set_ylabel(f"{score_name} (cross-validated)", color=_INK, parse_math=False)
    axes.tick_params(colors=_SOFT, labelcolor=_SOFT, length=3)
    axes.grid(axis="y", color=_LINE, linewidth=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_LINE)
    axes.patch.set_visible(False)
    axes.figure.patch.set_visible(False)
    axes.legend(loc="lower right", frameon=False, fontsize=9.5, labelcolor=_INK)
    _label_levels(axes)


def _label_levels(axes: Any) -> None:
    """Names of the levels at the right, moved apart where they would touch."""
    low, high = axes.get_ylim()
    step = 0.062 * (high - low)
    last = -float("inf")
    for score, name, colour in sorted(axes._treeml_texts):
        at = max(score, last + step)
        last = at
        axes.text(
            1.015,
            (at - low) / (high - low),
            name,
            transform=axes.transAxes,
            va="center",
            color=colour,
            fontsize=9.5,
            parse_math=False,
        )


def _inline(svg: str, title: str, description: str) -> str:
    """The drawing as an element: no prolog, no fixed size, colours as variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'font: ([\d.]+)px [^;"]*', rf"font: \1px {', '.join(_FONT)}", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, variable)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width = float(box.group(1)) if box else 547.0
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" class="tm-chart" aria-label="{escape(title)}" '
        f'viewBox="{box.group(0)[9:-1] if box else "0 0 547 281"}" '
        f'style="width:100%;max-width:{1.45 * width:.0f}px;min-width:{width:.0f}px;height:auto">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    )
    return head + svg[svg.index(">") + 1 :].strip()
