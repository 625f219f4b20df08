"""What the guide to greedy trees shows is what comes out."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "greedy.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


@pytest.fixture(scope="module")
def spaces(page):
    """The names after each block of Python, all run in turn."""
    space: dict = {}
    after = []
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(re.sub(r"print\(.*\)", "", code), space)
        after.append(dict(space))
    return after


def shown(page, name):
    return re.search(rf"<!-- {name} -->\n```text\n(.*?)\n```\n<!-- end -->", page, re.DOTALL)[1]


def test_the_tree_comes_out(page, spaces):
    assert shown(page, "greedy") == spaces[0]["model"].to_text()


def test_the_path_and_the_boosted_model_come_out(spaces):
    path = spaces[1]["path"]
    assert len(path.ccp_alphas) == len(path.n_leaves) == len(path.impurities)
    assert spaces[2]["boosted"].n_estimators_ < 200


def test_the_certificate_comes_out(page, spaces):
    from treeml import Binarizer, OptimalTreeClassifier

    space = spaces[3]
    certificate = space["model"].certificate_
    told = re.sub(r" in [\d.e-]+ s +│", "", certificate.text())
    assert re.sub(r" in [\d.e-]+ s +│", "", shown(page, "guess")) == told
    errors = {"guess": round(certificate.objective * 569)}
    plain = OptimalTreeClassifier(max_depth=3, regularization=0, binarizer=Binarizer(max_bins=4))
    errors["quantile"] = round(plain.fit(space["X"], space["y"]).objective_ * 569)
    sizes = [len(m.binarizer_.predicates_) for m in (plain, space["model"])]
    told = " ".join(page.split())
    assert (
        f"With {sizes[0]} quantile cuts the best tree of depth 3 makes {errors['quantile']}" in told
    )
    assert f"with these {sizes[1]} it makes {errors['guess']}." in told


def test_the_evolved_trees_come_out(spaces):
    evolved, profitable = spaces[-1]["evolved"], spaces[-1]["profitable"]
    assert evolved.score_ >= max(evolved.seed_scores_.values())
    X, y, profit = (spaces[-1][name] for name in ("X", "y", "profit"))
    assert profitable.score_ == profit(y, profitable.predict(X)) > 300
