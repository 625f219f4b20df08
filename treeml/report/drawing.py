"""The picture of a tree: our own inline SVG, drawn from the root on the left to the leaves."""

from __future__ import annotations

import dataclasses
import hashlib
from html import escape

import numpy as np

from treeml.ir import ActionTree, RegressionTree, RoutedModel, RoutingTree, Tree, TreeNodes
from treeml.report.leaf import Leaves, leaves_of
from treeml.report.lettering import amount, class_colour, clean, palette_css, percent, wrap

__all__ = ["amount", "class_colour", "clean", "palette_css", "percent", "tree_html", "tree_svg"]

LINE = 17
INNER_WIDTH, LEAF_WIDTH, GAP_X, GAP_Y, PAD = 196, 172, 62, 14, 12

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


@dataclasses.dataclass(slots=True)
class _Box:
    """Where one node stands: ``y`` is its middle; the subtree reaches from top to bottom."""

    lines: list[str]
    below: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


def _measure(tree: Tree | RegressionTree | ActionTree | RoutingTree, leaves: Leaves) -> list[_Box]:
    boxes = []
    for node in range(tree.n_nodes):
        if tree.predicate[node] >= 0:
            text = tree.predicates[tree.predicate[node]].text()
            lines = wrap(text, INNER_WIDTH - 2 * PAD, strong=True)
            below = [f"{amount(tree.rows[node])} rows"] if tree.rows[0] > 0 else []
            width, bar = INNER_WIDTH, 0
        else:
            lines = wrap(leaves.name(node), LEAF_WIDTH - 40, True, 2)
            below, width, bar = wrap(leaves.rate(node), LEAF_WIDTH - 28, False, 2), LEAF_WIDTH, 8
        boxes.append(_Box(lines, below, width, 2 * PAD + LINE * (len(lines) + len(below)) + bar))
    return boxes


def _place(tree: TreeNodes, boxes: list[_Box], top: float) -> tuple[float, float]:
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


def _edges(tree: Tree | RegressionTree | ActionTree | RoutingTree, boxes: list[_Box]) -> list[str]:
    rows = tree.rows
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


def _node(tree: TreeNodes, node: int, box: _Box, leaves: Leaves) -> list[str]:
    left, top = box.x, box.y - box.height / 2
    first = top + PAD + 12
    below = first + LINE * len(box.lines)
    corner = f'x="{left:.1f}" y="{top:.1f}"'
    area = f'{corner} width="{box.width:g}" height="{box.height:g}" rx="8"'
    if tree.predicate[node] >= 0:
        full = tree.predicates[tree.predicate[node]].text()
        return [
            f"<g><title>{escape(clean(full))}</title>",
            f'<rect class="tm-box" {area}/>',
            *_text(box.lines, left + PAD, first, "tm-strong"),
            *_text(box.below, left + PAD, below, "tm-soft"),
            "</g>",
        ]
    return [
        f"<g><title>{escape(clean(leaves.words(node)))}</title>",
        f'<rect class="tm-leaf" {area}/>',
        f'<rect {corner} width="5" height="{box.height:g}" rx="2.5" style="{leaves.fill(node)}"/>',
        *_text(box.lines, left + 16, first, "tm-strong"),
        *_text(box.below, left + 16, below, "tm-soft"),
        *leaves.bar(node, left + 16, top + box.height - PAD - 5, box.width - 28, 7),
        "</g>",
    ]


def tree_svg(
    tree: Tree | RegressionTree | ActionTree | RoutedModel,
    *,
    title: str = "Decision tree",
    legend: bool = True,
) -> str:
    """Inline SVG of a tree; text stays text, colours are CSS variables with fallbacks.

    Parameters
    ----------
    tree : Tree, RegressionTree or RoutedModel
        The model; of a routed one, whose router is a tree, the leaves show what their experts say.
        Meant for up to about 16 leaves; larger ones only grow taller and wider.
    title : str, default="Decision tree"
        Name of the picture for screen readers and as a tooltip.
    legend : bool, default=True
        Whether a line above the tree says what the colours mean.

    Returns
    -------
    str
        An ``<svg>`` element. It shrinks to three quarters of its size before it needs to scroll.

    Raises
    ------
    ValueError
        For a model that is no single tree.

    Notes
    -----
    Rates are shares of the training rows as counted, also where ``class_weight`` moved the
    prediction; so a leaf may predict a class that fewer than half of its rows have. Numbers are
    bars from 0, darker the greater they are among the leaves.
    """
    payload = leaves_of(tree)
    uid = "tm" + hashlib.sha256(repr(tree.to_dict()).encode()).hexdigest()[:10]
    nodes = _nodes(tree)
    boxes = _measure(nodes, payload)
    width, height = _place(nodes, boxes, 30.0 if legend else 2.0)
    leaves = "one leaf" if nodes.n_leaves == 1 else f"{nodes.n_leaves} leaves"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tm-svg" role="img" '
        f'aria-labelledby="{uid}t {uid}d" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" '
        f'style="width:100%;max-width:{width:.0f}px;min-width:{0.75 * width:.0f}px">',
        f'<title id="{uid}t">{escape(clean(title))}</title>',
        f'<desc id="{uid}d">{escape(_description(nodes, leaves, payload))}</desc>',
        f"<style>{_STYLE}</style>",
        *(payload.legend(INNER_WIDTH + GAP_X + LEAF_WIDTH) if legend else []),
        *_edges(nodes, boxes),
    ]
    for node, box in enumerate(boxes):
        parts += _node(nodes, node, box, payload)
    return "\n".join([*parts, "</svg>"])


def _nodes(
    tree: Tree | RegressionTree | ActionTree | RoutedModel,
) -> Tree | RegressionTree | ActionTree | RoutingTree:
    """The nodes to draw."""
    if not isinstance(tree, RoutedModel):
        return tree
    assert isinstance(tree.router, RoutingTree)  # or it has no leaves
    return tree.router


def _description(tree: TreeNodes, leaves: str, payload: Leaves) -> str:
    """The whole tree in words, for those who do not see the picture."""
    ways = []
    for leaf, path in tree.paths():
        steps = [q.text() if answer else q.complement_text() for q, answer in path]
        ways.append(f"{' and '.join(steps) or 'always'}: {payload.words(leaf)}")
    return clean(f"A decision tree with {leaves}. {'; '.join(ways)}.")


def tree_html(
    tree: Tree | RegressionTree | ActionTree | RoutedModel, *, title: str = "Decision tree"
) -> str:
    """A self-contained snippet for notebooks: the picture on its own ground, light or dark.

    Parameters
    ----------
    tree : Tree, RegressionTree or RoutedModel
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
