"""The page of a text: complete, offline, and hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.sequence.stories import stories
from treeml import ARDTLanguageModel

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "Mia had a </script><b onclick='x'>ball & \"cake\".\r\n\u2028"


@pytest.fixture(scope="module", params=[{"adapt": False}, {"n_estimators": 2}])
def model(request: pytest.FixtureRequest) -> ARDTLanguageModel:
    kw: dict[str, Any] = request.param
    return ARDTLanguageModel(tokenizer="word", vocab_size=300, **kw).fit(stories(80))


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("text", [stories(1, seed=4)[0], HOSTILE, ""])
def test_says_what_the_model_says(model: ARDTLanguageModel, text: str) -> None:
    html = model.page(text, title="A <page>")
    data = data_of(html)
    surprise = model.surprise(text)
    assert len(data["tokens"]) == len(surprise) == html.count("data-token=")
    for cell, (_, bits) in zip(data["tokens"], surprise, strict=True):
        assert -math.log2(cell["p"]) == pytest.approx(bits, abs=1e-3)
        shares = sum(expert["share"] for expert in cell["experts"])
        assert shares == pytest.approx(cell["p"], rel=1e-2)
        assert cell["experts"][0]["nodes"]
    assert "A &lt;page&gt;" in html


def test_loads_nothing_and_runs_one_script(model: ARDTLanguageModel) -> None:
    html = model.page(HOSTILE)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert "default-src 'none'" in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"'sha256-{digest}'" in policy[1]
    assert not re.search(r"(src|href)=", html)
    assert "<b onclick" not in html


def test_too_long(model: ARDTLanguageModel) -> None:
    with pytest.raises(ValueError, match="a page holds 2000"):
        model.page("Mia " * 2500)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_click_shows_the_rule(model: ARDTLanguageModel, tmp_path: Path) -> None:
    """In a browser, with the keys too; the policy is taken off, so that a test may click."""
    html = re.sub(r"<meta http-equiv[^>]*>", "", model.page("Mia had a ball."))
    click = (
        "const all = [...document.querySelectorAll('[data-token]')]; all[1].focus();"
        "all[1].click(); document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));"
    )
    file = tmp_path / "page.html"
    file.write_text(html.replace("</body>", f"<script>{click}</script></body>"), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [*command, profile, file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    shown = done.stdout.split('id="rule"')[1].split("</section>")[0]
    token, bits = model.surprise("Mia had a ball.")[2]
    assert f"“{token}”" in shown
    assert f"{bits:.2f} bits" in shown
    assert "all places" in shown
    assert len(re.findall(r'<button[^>]*aria-pressed="true"', done.stdout)) == 1
