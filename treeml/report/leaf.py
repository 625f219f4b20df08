"""What the leaves of a picture show: classes with their shares, or numbers."""

from __future__ import annotations

from html import escape
from typing import Protocol

import numpy as np

from treeml.export.outcome import rows_text
from treeml.export.routed_text import expert_text
from treeml.ir import ActionTree, RegressionTree, RoutedModel, RoutingTree, Tree
from treeml.report.lettering import (
    N_COLOURS,
    amount,
    class_colour,
    clean,
    percent,
    text_width,
    wrap,
)

__all__ = ["ActionLeaves", "ClassLeaves", "Leaves", "RoutedLeaves", "ValueLeaves", "leaves_of"]


class Leaves(Protocol):
    """What the picture asks of the nodes of a tree."""

    def name(self, node: int) -> str:
        """What the leaf predicts."""
        ...

    def rate(self, node: int) -> str:
        """Its rows, and how right it is."""
        ...

    def words(self, node: int) -> str:
        """All that is said of the leaf, for descriptions."""
        ...

    def fill(self, node: int) -> str:
        """Its colour as a CSS declaration."""
        ...

    def bar(self, node: int, x: float, y: float, width: float, height: float) -> list[str]:
        """The bar at the foot of the leaf."""
        ...

    def legend(self, width: float) -> list[str]:
        """One line that says what the colours mean, as far as it has room."""
        ...


def leaves_of(tree: Tree | RegressionTree | ActionTree | RoutedModel) -> Leaves:
    """The leaves of a kind of tree.

    Raises
    ------
    ValueError
        For a model that is no single tree.
    """
    if isinstance(tree, Tree):
        return ClassLeaves(tree)
    if isinstance(tree, RegressionTree):
        return ValueLeaves(tree)
    if isinstance(tree, RoutedModel) and isinstance(tree.router, RoutingTree):
        return RoutedLeaves(tree, tree.router)
    if isinstance(tree, ActionTree):
        return ActionLeaves(tree)
    raise ValueError(
        f"a {type(tree).__name__} has no picture as one tree; draw one of its trees, if it has any"
    )


class _NamedLeaves:
    """Leaves that say one of several names, each with a colour."""

    def __init__(self, names: np.ndarray, label: np.ndarray) -> None:
        self.names, self.label = names, label

    def name(self, node: int) -> str:
        return str(self.names[self.label[node]])

    def fill(self, node: int) -> str:
        return f"fill:{class_colour(int(self.label[node]))}"

    def legend(self, width: float) -> list[str]:
        out, x = [], 2.0
        for which, name in enumerate(self.names[:N_COLOURS]):
            text = wrap(str(name), 150, False, 1)[0]
            out.append(
                f'<rect x="{x:.1f}" y="4" width="11" height="11" rx="2" '
                f'style="fill:{class_colour(which)}"/>'
            )
            out.append(_soft(text, x + 17))
            x += 17 + text_width(text) + 18
            if x > width - 100:
                break
        return out


class ClassLeaves(_NamedLeaves):
    """Class and share; the bar is stacked by class."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree.classes, tree.label)
        self.tree = tree

    def rate(self, node: int) -> str:
        counts = self.tree.counts[node]
        rate = counts[self.tree.label[node]] / max(counts.sum(), 1e-300)
        return f"{amount(counts.sum())} rows, {percent(rate)} {self.name(node)}"

    def words(self, node: int) -> str:
        return self.rate(node)

    def bar(self, node: int, x: float, y: float, width: float, height: float) -> list[str]:
        counts = self.tree.counts[node]
        total = counts.sum() or 1.0
        out, left = [], x
        for which in np.flatnonzero(counts):
            part = float(width * counts[which] / total)
            name = f"{clean(self.tree.classes[which])}: {amount(counts[which])}"
            style = f"fill:{class_colour(int(which))}"
            out.append(_bar(left, y, part, height, style, name))
            left += part
        return out


class ActionLeaves(_NamedLeaves):
    """Action and its mean cost; the bar is longer the worse the next best action is there."""

    def __init__(self, tree: ActionTree) -> None:
        super().__init__(tree.actions, tree.label)
        self.tree = tree
        means = np.sort(tree.mean_costs, axis=1)
        self.lead = means[:, min(1, means.shape[1] - 1)] - means[:, 0]

    def rate(self, node: int) -> str:
        word, mean = self.tree.worth(node)
        return f"{amount(self.tree.rows[node])} rows, {word} {_number(mean)}"

    def words(self, node: int) -> str:
        return f"{self.name(node)}, {self.rate(node)}"

    def bar(self, node: int, x: float, y: float, width: float, height: float) -> list[str]:
        most = float(self.lead[self.tree.leaves].max()) or 1.0
        part = max(float(width * self.lead[node] / most), 1.5)
        name = f"the next best action is {_number(self.lead[node])} worse"
        ground = _bar(x, y, width, height, "fill:var(--tm-line,#c3ccd4);fill-opacity:.5", "")
        return [ground, _bar(x, y, part, height, self.fill(node), name)]


class ValueLeaves:
    """A number; the bar runs from 0 to it and is darker the greater the number is."""

    def __init__(self, tree: RegressionTree) -> None:
        self.tree = tree
        values = tree.value[tree.leaves]
        self.least, self.greatest = float(values.min()), float(values.max())

    def name(self, node: int) -> str:
        return _number(self.tree.value[node])

    def rate(self, node: int) -> str:
        return f"{amount(self.tree.rows[node])} rows, error {_number(self.tree.error[node])}"

    def words(self, node: int) -> str:
        return f"{self.name(node)}, {self.rate(node)}"

    def fill(self, node: int) -> str:
        return _shade(self._rise(node))

    def bar(self, node: int, x: float, y: float, width: float, height: float) -> list[str]:
        value = float(self.tree.value[node])
        low, high = min(self.least, 0.0), max(self.greatest, 0.0)
        # halves: the range of two huge numbers may not fit a double
        span = (high / 2 - low / 2) or 1.0
        left, right = ((end / 2 - low / 2) / span for end in sorted((0.0, value)))
        part = max(width * (right - left), 1.5)
        at = min(x + width * left, x + width - part)
        ground = _bar(x, y, width, height, "fill:var(--tm-line,#c3ccd4);fill-opacity:.5", "")
        return [ground, _bar(at, y, part, height, self.fill(node), _number(value))]

    def legend(self, width: float) -> list[str]:
        low, high = _number(self.least), _number(self.greatest)
        if low == high:
            return [_soft(f"always {low}", 2.0)]
        low = f"prediction {low}"
        out, x = [_soft(low, 2.0)], 2.0 + text_width(low) + 4
        for step in range(7):
            out.append(_bar(x + 14 * step, 5, 14, 9, _shade(step / 6), ""))
        return [*out, _soft(high, x + 14 * 7 + 8)]

    def _rise(self, node: int) -> float:
        """Where the value stands between the least and the greatest of the leaves: 0 to 1."""
        span = self.greatest / 2 - self.least / 2
        return float((self.tree.value[node] / 2 - self.least / 2) / span) if span > 0 else 1.0


class RoutedLeaves:
    """The sum that the expert of the leaf predicts with, coloured by the expert."""

    def __init__(self, model: RoutedModel, router: RoutingTree) -> None:
        self.model, self.router = model, router

    def name(self, node: int) -> str:
        return expert_text(self.model, int(self.router.expert[node]))

    def rate(self, node: int) -> str:
        rows = float(self.router.rows[node])
        known = f", {rows_text(rows)}" if self.router.rows[0] > 0 else ""
        return f"expert {self.router.expert[node]}{known}"

    def words(self, node: int) -> str:
        return f"{self.name(node)}, {self.rate(node)}"

    def fill(self, node: int) -> str:
        return f"fill:{class_colour(int(self.router.expert[node]))}"

    def bar(self, node: int, x: float, y: float, width: float, height: float) -> list[str]:
        return []

    def legend(self, width: float) -> list[str]:
        return []


def _number(value: float) -> str:
    """A number for reading: to four digits, with separators of thousands where it is large."""
    value = float(value)
    if 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _shade(rise: float) -> str:
    return f"fill:{class_colour(0)};fill-opacity:{0.2 + 0.8 * rise:.2f}"


def _bar(x: float, y: float, width: float, height: float, style: str, name: str) -> str:
    title = f"<title>{escape(name)}</title>" if name else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.2f}" height="{height:g}" '
        f'style="{style}">{title}</rect>'
    )


def _soft(text: str, x: float) -> str:
    return f'<text class="tm-soft" x="{x:.1f}" y="14">{escape(text)}</text>'
