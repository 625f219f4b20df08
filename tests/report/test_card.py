import xml.etree.ElementTree as ET

import numpy as np
import pytest

from treeml._core.table import ColumnType
from treeml.ir import LinearTerm, Predicate, Scorecard, Term
from treeml.report import CardPicture, card_html


def card(*, name="age", scale=1.5, linear=False):
    age = Term(0, ColumnType(name, "number", unit="years", missing=True))
    job = Term(1, ColumnType("job", "category"))
    terms = [Predicate(age, "<=", 25.0), Predicate(age, "is missing"), Predicate(job, "in", ("a",))]
    terms += [LinearTerm(age)] if linear else []
    model = Scorecard(
        columns=(age.column, job.column),
        terms=tuple(terms),
        points=np.array([3, -2, 1, 2][: len(terms)]),
        intercept=-2.5,
        scale=scale,
        classes=np.array(["a & b", "<c>"]),
    )
    return model.with_counts(np.array([3.0, 4.0, 0.0]), np.array([1, 1, 0]))


def parse(fragment):
    """The fragment as a tree, without its style."""
    return ET.fromstring(fragment[fragment.index('<div class="tm-card"') :])


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("scale", [1.5, None])
def test_card_is_well_formed_and_escaped(scale, linear):
    fragment = card_html(card(name="<script>alert(1)</script>\x07", scale=scale, linear=linear))
    text = "".join(parse(fragment).itertext())
    assert "<script" not in fragment
    assert "<c>" in text
    assert "http" not in fragment


def test_card_has_a_box_for_every_line():
    root = parse(card_html(card()))
    boxes = root.findall(".//input")
    assert [box.get("style") for box in boxes] == ["--tm-p:3", "--tm-p:-2", "--tm-p:1"]
    questions = root.findall(".//tbody/tr/th[@scope='rowgroup']")
    assert [(q.text, q.get("rowspan")) for q in questions] == [("age", "2"), ("job", "1")]
    text = " ".join(root.itertext())
    for words in ("≤ 25 years", "is missing", "= a", "−2", "3 points or more: <c>; fewer: a & b."):
        assert words in text
    assert root.find(".//span[@class='tm-total tm-sum']") is not None


def test_table_of_risks():
    root = parse(card_html(card()))
    rows = [[cell.text for cell in row] for row in root.findall(".//table[@class='tm-risk']//tr")]
    assert rows[0] == ["Score", "Risk of <c>", None, "Training rows", "of them <c>"]
    assert [row[0] for row in rows[1:]] == ["−2", "−1", "0", "1", "3", "4"]
    assert rows[3] == ["0", "15.9 %", None, "1", "0"]
    marked = root.findall(".//tr[@class='tm-above']")
    assert [row[0].text for row in marked] == ["3", "4"]


def test_values_are_written_by_hand():
    root = parse(card_html(card(linear=True)))
    assert root.find(".//span[@class='tm-blank']") is not None
    assert root.find(".//span[@class='tm-total tm-sum']") is None
    assert "each" in "".join(root.itertext())


def test_labels_only_and_no_terms():
    root = parse(card_html(card(scale=None)))
    assert root[0].text == "Score for <c>"
    assert root.find(".//td[@class='tm-bar']") is None
    none = Scorecard((), (), np.empty(0, dtype=np.int64), 1.0, 1.0, np.array([0, 1]))
    text = "".join(parse(card_html(none, title="Nothing")).itertext())
    assert "Nothing" in text
    assert "Always class 1" in text
    assert "Risk of" not in "".join(parse(card_html(none, title="")).itertext()).split("Score")[0]


def test_picture_is_written(tmp_path):
    picture = CardPicture(card(), title="For <you>")
    picture.save(tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert 'charset="utf-8"' in page
    assert "<title>For &lt;you&gt;</title>" in page
    assert picture._repr_html_() in page
    with pytest.raises(ValueError, match=r"card\.png.*html"):
        picture.save(tmp_path / "card.png")
