import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from treeml._core.table import TableError
from treeml.study import Study

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 240
    X = pd.DataFrame(
        {
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.integers(10, 90, n)),
            "<b>job</b>": rng.choice(["clerk", "<script>", "smith"], n),
        }
    )
    good = (X["income"] > 40) ^ (rng.random(n) < 0.1)
    return X, pd.Series(np.where(good, "good", "bad"), name="outcome")


@pytest.fixture(scope="module")
def study(table):
    return Study(max_depth=2, cv=3, regularizations=[0.01, 0.02]).fit(*table, source="loans.csv")


def test_choice_is_proven_and_useful(study):
    assert study.status_ == "optimal"
    assert study.tree_.status_ == "optimal"
    assert study.tree_.n_leaves_ >= 2
    assert study.frontier_["chosen"].sum() == 1
    chosen = study.frontier_[study.frontier_["chosen"]].iloc[0]
    best = study.frontier_.loc[study.frontier_["cv_mean"].idxmax()]
    assert chosen["cv_mean"] >= best["cv_mean"] - best["cv_error"] - 1e-12
    assert chosen["leaves"] <= best["leaves"]


def test_test_rows_are_set_aside(study, table):
    assert study.tree_.tree_.counts[0].sum() == (study.rows_ == "training").sum()
    assert len(study.rows_) == len(table[0])


def test_report_is_one_clean_page(study, tmp_path):
    html = study.report(tmp_path / "r.html").read_text()
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "<script" not in html
    assert "<b>job" not in html
    assert not re.search(r'(?:src|href)\s*=\s*"https?:', html)
    for part in ("Verdict", "The certificate", "What was not proven", "proven optimal"):
        assert part in html


def test_files(study, tmp_path):
    names = {path.name for path in study.save(tmp_path / "new" / "folder")}
    assert {"report.html", "rules.txt", "tree.sql", "certificate.json", "model.json"} <= names
    certificate = json.loads((tmp_path / "new" / "folder" / "certificate.json").read_text())
    assert certificate["status"] == "optimal"


def test_useless_columns_give_a_plain_verdict():
    rng = np.random.default_rng(1)
    X, y = pd.DataFrame({"noise": rng.random(120)}), rng.choice(["a", "b"], 120, p=[0.85, 0.15])
    study = Study(max_depth=2, cv=3, regularizations=[0.01]).fit(X, y)
    if study.tree_.n_leaves_ == 1:
        assert "No tree beats" in study.to_html()
    assert "optimal" in study.to_html()


def test_bad_input(table):
    X, y = table
    with pytest.raises(TableError, match="one class"):
        Study().fit(X, pd.Series(["a"] * len(X)))
    with pytest.raises(TableError, match="test_size"):
        Study(test_size=2).fit(X, y)
