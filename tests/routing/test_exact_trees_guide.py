"""What the page on exact trees shows is what comes out."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "exact_trees.md"


def shown(page, name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- end -->", page, re.DOTALL)[1]


def test_the_page_shows_what_comes_out():
    page = PAGE.read_text()
    space: dict = {}
    printed = []
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, space)
        printed.append(out.getvalue().rstrip("\n"))
    text, _, statement = printed[0].rpartition("\n")
    # what is fitted may differ in its last digits from one machine to the next
    numbers = r"-?\d+\.?\d*"
    for name, got in [
        ("text", f"```text\n{text}\n```"),
        ("statement", f"> {statement}"),
        ("refusal", f"> {printed[1]}"),
        ("tournament", f"```text\n{printed[2]}\n```"),
    ]:
        expected = shown(page, name)
        assert re.sub(numbers, "#", got) == re.sub(numbers, "#", expected), name
        mine = [float(n) for n in re.findall(numbers, got)]
        theirs = [float(n) for n in re.findall(numbers, expected)]
        assert mine == pytest.approx(theirs, rel=1e-2, abs=1e-2), name
