import xml.etree.ElementTree as ET

import numpy as np
import pytest

from treeml._core.table import ColumnType
from treeml.ir import (
    LinearForm,
    LinearMap,
    LinearRouter,
    Predicate,
    RegressionTree,
    RoutedModel,
    RoutingTree,
    Term,
    Tree,
    TreeEnsemble,
)
from treeml.report import Line, Point, size_chart, tree_html, tree_svg
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


def value_tree(values, name="age"):
    tree = small_tree(name)
    arrays = (tree.predicate, tree.if_true, tree.if_false)
    rows = tree.counts.sum(axis=1)
    return RegressionTree(tree.columns, tree.predicates, *arrays, np.array(values), rows, rows / 8)


def bars(svg):
    """Start and width of the value bars; every second bar at the foot of a leaf is its ground."""
    found = [r for r in ET.fromstring(svg).iter() if r.tag.endswith("rect")]
    found = [r for r in found if r.get("height") == "7"]
    return [(float(r.get("x")), float(r.get("width"))) for r in found]


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


def test_values_are_bars_from_zero():
    (ground, low), (_, high) = (bars(tree_svg(value_tree([0, -1.0, 3])))[i : i + 2] for i in (0, 2))
    start, width = ground
    assert low == pytest.approx((start, width / 4), abs=0.1)
    assert high == pytest.approx((start + width / 4, 3 * width / 4), abs=0.1)


def test_picture_of_values_in_words():
    svg = tree_svg(value_tree([0, 12345.6, -0.25], name="<b>"))
    text = "|".join(t.strip() for t in ET.fromstring(svg).itertext() if t.strip())
    assert "<b> <= 41: 12,346, 10 rows, error 1.25" in text
    assert "|12,346|10 rows, error 1.25|" in text
    assert "|prediction -0.25|12,346|" in text
    assert "<b>" not in svg


@pytest.mark.parametrize("values", [[0, 1.5, 1.5], [0, 0, 0], [0, -1e308, 1e308], [0, 5e-324, 0]])
def test_pictures_of_odd_values(values):
    assert "nan" not in tree_svg(value_tree(np.array(values, dtype=float)))
    assert all(0 < width <= 145 for _, width in bars(tree_svg(value_tree(values))))
    assert "<svg" in tree_html(value_tree(values))


def test_an_ensemble_has_no_single_picture():
    tree = value_tree([0.0, 1, 2])
    model = TreeEnsemble(
        tree.columns, (tree,), np.zeros(1, dtype=np.int32), np.zeros(1), "identity"
    )
    with pytest.raises(ValueError, match="a TreeEnsemble has no picture as one tree"):
        tree_svg(model)


def routed(rows):
    tree = small_tree("age")
    columns = (*tree.columns, ColumnType("income", "number"))
    question = Predicate(LinearForm.of([0.5, -2.0], columns), "<=", 3.0)
    arrays = (tree.predicate, tree.if_true, tree.if_false)
    expert = np.array([0, 1, 0], np.int32)
    router = RoutingTree(columns, (question,), *arrays, expert, np.array(rows))
    experts = (
        LinearMap(np.array([[0.25, 0.0]]), np.array([3.0])),
        LinearMap(np.array([[0.0, 7.0]]), np.array([0.0])),
    )
    return RoutedModel(columns, router, experts)


def test_routed_models():
    svg = tree_svg(routed([5.0, 3, 2]))
    for words in ("0.5 age - 2", "expert 1, 3 rows", "3 + 0.25 age", "7 income", "5 rows"):
        assert words in svg
    ET.fromstring(svg)
    assert "rows" not in tree_svg(routed([0.0, 0, 0]))
    model = routed([0.0, 0, 0])
    scores = LinearRouter(model.columns, LinearMap(np.zeros((2, 2)), np.zeros(2)))
    with pytest.raises(ValueError, match="has no picture as one tree"):
        tree_svg(RoutedModel(model.columns, scores, model.experts))
