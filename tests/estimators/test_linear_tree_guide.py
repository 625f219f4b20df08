"""What the guide to linear leaves shows is what comes out."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "linear_trees.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


@pytest.fixture(scope="module")
def space(page):
    """The names after all blocks of Python."""
    out: dict = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(re.sub(r"print\(.*\)", "", code), out)
    return out


def shown(page, name):
    return re.search(rf"<!-- {name} -->\n```text\n(.*?)\n```\n<!-- end -->", page, re.DOTALL)[1]


def test_the_tree_comes_out(page, space):
    assert shown(page, "tree") == space["model"].to_text()


def test_the_certificate_comes_out(page, space):
    assert shown(page, "certificate") == space["exact"].certificate_.statement


def test_the_mixture_comes_out(page, space):
    told, now = shown(page, "mixture"), space["mixture"].to_text()
    digits = r"-?\d+\.?\d*"
    assert re.sub(digits, "#", told) == re.sub(digits, "#", now)
    for ours, theirs in zip(re.findall(digits, told), re.findall(digits, now), strict=True):
        assert float(ours) == pytest.approx(float(theirs), rel=0.02, abs=0.5)
