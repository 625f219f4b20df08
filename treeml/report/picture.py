"""A tree as an object that notebooks show and that can be written to a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from treeml.ir import ActionTree, RegressionTree, RoutedModel, Tree
from treeml.report.drawing import tree_html, tree_svg

__all__ = ["TreePicture"]


@dataclasses.dataclass(frozen=True, slots=True)
class TreePicture:
    """The picture of a tree.

    Parameters
    ----------
    tree : Tree, RegressionTree or RoutedModel
    title : str
    """

    tree: Tree | RegressionTree | ActionTree | RoutedModel
    title: str = "Decision tree"

    @property
    def svg(self) -> str:
        """The picture as SVG text."""
        return tree_svg(self.tree, title=self.title)

    def save(self, path: str | Path) -> None:
        """Write the picture; the ending ``.svg`` or ``.html`` chooses the format."""
        path = Path(path)
        writers = {".svg": tree_svg, ".html": tree_html}
        if path.suffix not in writers:
            raise ValueError(f"{path.name}: pictures are written as .svg or .html")
        path.write_text(writers[path.suffix](self.tree, title=self.title), encoding="utf-8")

    def _repr_html_(self) -> str:
        return tree_html(self.tree, title=self.title)
