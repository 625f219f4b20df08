import xml.etree.ElementTree as ET

import numpy as np
import pytest

from treeml._core.table import ColumnType
from treeml.ir import Predicate, Term, Tree
from treeml.report import Line, Point, size_chart, tree_svg
from treeml.report.picture import TreePicture


def small_tree(name="<script>alert(1)</script>"):
    column = ColumnType(name, "number", missing=True)
    return Tree(
        columns=(column,),
        predicates=(Predicate(Term(0, column), "<=", 41.0),),
        predicate=np.array([0, -1, -1], np.int32),
        if_true=np.array([1, -1, -1], np.int32),
        if_false=np.array([2, -1, -1], np.int32),
        counts=np.array([[10, 20], [10, 0], [0, 20.0]]),
        label=np.array([1, 0, 1], np.int32),
        classes=np.array(["a & b", "c"]),
        class_weight=np.ones(2),
    )


def test_svg_is_well_formed_and_escaped():
    svg = tree_svg(small_tree())
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "<script" not in svg
    assert "a &amp; b" in svg


def test_svg_shows_every_leaf():
    text = "".join(ET.fromstring(tree_svg(small_tree("age"))).itertext())
    assert "age <= 41" in text
    assert "10 rows" in text
    assert "20 rows" in text


def test_chart_is_well_formed():
    svg = size_chart(
        [Point(2, 0.7, 0.01), Point(4, 0.75, 0.02, chosen=True)], [], [Line("forest", 0.8)]
    )
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "forest" in svg


def test_picture_is_written(tmp_path):
    picture = TreePicture(small_tree())
    picture.save(tmp_path / "tree.svg")
    picture.save(tmp_path / "tree.html")
    assert (tmp_path / "tree.svg").read_text().startswith("<svg")
    assert "<svg" in picture._repr_html_()
    with pytest.raises(ValueError, match=r"tree\.png.*svg"):
        picture.save(tmp_path / "tree.png")
