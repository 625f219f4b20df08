"""What the page on programs shows is what comes out."""

import contextlib
import io
import re
from pathlib import Path

from benchmarks import parity

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
SHOWN = ["tree", "run", "check", "refusal", "machine", "circuit", "learned", "parity", "reasoning"]


def printed(page):
    space: dict = {}
    out = []
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(code, space)
        out.append(said.getvalue().rstrip("\n"))
    return dict(zip(SHOWN, out, strict=True))


def filled(page):
    """The page with what its code prints."""
    for name, text in printed(page).items():
        before, block = page.split(f"<!-- {name} -->\n")
        _, after = block.split("<!-- end -->", 1)
        page = f"{before}<!-- {name} -->\n```text\n{text}\n```\n<!-- end -->{after}"
    return page


def test_the_page_shows_what_comes_out():
    page = PAGE.read_text()
    assert filled(page) == page


def test_the_plot_of_parity():
    assert [parity.leaves(n) for n in (2, 3, 5)] == [(4, 6), (8, 6), (32, 6)]
    assert "<svg" in parity.PLOT.read_text()
