"""The page on costs shows what its code prints."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re

import benchmarks.page

GUIDE = pathlib.Path(benchmarks.page.ROOT) / "docs" / "costs.md"


def filled(text: str) -> str:
    """The page with the output of every example below it."""
    scope: dict = {}

    def run(match: re.Match) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(match["code"], scope)
        printed = out.getvalue().strip()
        return f"{match['before']}<!-- {match['name']} -->\n```text\n{printed}\n```\n<!-- end -->"

    block = r"(?P<before>```python\n(?P<code>.*?)```\n\n)<!-- (?P<name>\w+) -->\n.*?<!-- end -->"
    return re.sub(block, run, text, flags=re.DOTALL)


def test_examples_print_what_is_shown():
    assert filled(GUIDE.read_text(encoding="utf-8")) == GUIDE.read_text(encoding="utf-8")
