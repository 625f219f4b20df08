"""What the page on the ratio shows is what comes out."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "ratio.md"


def shown(page, name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", page, re.DOTALL)[1]


def test_the_page_shows_what_comes_out():
    page = PAGE.read_text()
    space: dict = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]:
        exec(re.sub(r"print\(.*\)", "", code), space)
    assert shown(page, "theorem") == f"> {space['ratio'].theorem}"
    assert shown(page, "curve") == f"```text\n{space['curve'].text}\n```"
