"""The cards and figures of the guide are what comes out."""

import re
from pathlib import Path

import numpy as np
import pytest

from treeml import Binarizer, RiskScoreClassifier, ScoreConstraints, SLIMClassifier
from treeml.datasets import load_german_credit

ROOT = Path(__file__).parents[2]
NAMES = {
    "Binarizer": Binarizer,
    "RiskScoreClassifier": RiskScoreClassifier,
    "SLIMClassifier": SLIMClassifier,
    "ScoreConstraints": ScoreConstraints,
}


@pytest.fixture(scope="module")
def page():
    return (ROOT / "docs" / "scores.md").read_text()


@pytest.fixture(scope="module")
def models(page):
    """What the Python of the guide makes, in its order."""
    X, y = load_german_credit()
    made = []
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        space = {"X": X, "y": y, **NAMES}
        exec(code.replace("print(model.to_text())", ""), space)
        made.append(space["model"])
    return made


def shown(page, name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", page, re.DOTALL)[1]


@pytest.mark.parametrize("name", ["card", "constraints", "slim"])
def test_the_cards_come_out(page, models, name):
    model = models[["card", "constraints", "slim"].index(name)]
    assert model.status_ == "optimal"
    assert shown(page, name) == f"```text\n{model.to_text()}\n```"


def test_the_certificate_comes_out(page, models):
    assert shown(page, "certificate").removeprefix("> ") == models[0].certificate_.statement
    shares = np.array([0.3, 0.7])
    assert f"({-(shares * np.log(shares)).sum():.4f} here)" in page


def test_the_readme_runs():
    text = (ROOT / "README.md").read_text()
    code = re.search(r"```python\n(from treeml import Binarizer, Risk.*?)```", text, re.DOTALL)[1]
    X, y = load_german_credit()
    space = {"X": X, "y": y}
    exec(code.replace("print(card.to_text())", ""), space)
    assert space["card"].status_ == "optimal"
    assert space["card"].scorecard_.n_terms == 3
