"""What the page on distilled routers shows is what comes out."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from benchmarks import distil
from benchmarks.page import read

PAGE = Path(__file__).parents[2] / "docs" / "distil.md"


def shown(page, name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- end -->", page, re.DOTALL)[1]


def outcomes(page):
    """What the blocks of the page print, as the page shows it."""
    space: dict = {}
    printed = []
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, space)
        printed.append(f"```text\n{out.getvalue().rstrip()}\n```")
    return dict(zip(("tree", "certificate", "sparse"), printed, strict=True))


def test_the_page_shows_what_comes_out():
    page = PAGE.read_text()
    numbers = r"-?\d+\.?\d*(?:e-?\d+)?"
    for name, got in outcomes(page).items():
        expected = shown(page, name)
        # what is fitted may differ in its last digits from one machine to the next
        assert re.sub(numbers, "#", got) == re.sub(numbers, "#", expected), name
        mine = [float(n) for n in re.findall(numbers, got)]
        theirs = [float(n) for n in re.findall(numbers, expected)]
        assert mine == pytest.approx(theirs, rel=0.02, abs=0.5), name


def test_the_page_shows_the_figures():
    assert shown(PAGE.read_text(), "figures") == "\n".join(distil.summary(read("distil")))


def test_no_variant_of_cart_is_below():
    for line in distil.summary(read("distil"))[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[4] == "0", line
