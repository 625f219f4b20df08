import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from treeml import RiskScoreClassifier, SearchLimitWarning, load
from treeml.study import Study
from treeml.study.card import SIZES, CardSize, choose_size
from treeml.study.examples import examples

BREAKS = {"p", "h3", "h4", "th", "td", "tr", "section", "article", "summary"}


class Lines(HTMLParser):
    """The text of a page, a line for every block and a bar between cells."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        if tag in BREAKS:
            self.text += "|" if tag in ("th", "td") else "\n"


def lines(html):
    parser = Lines()
    parser.feed(html)
    return [line.strip(" |") for line in parser.text.splitlines() if line.strip(" |")]


def number(text):
    return int(text.replace("\N{MINUS SIGN}", "-"))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 320
    X = pd.DataFrame(
        {
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.integers(10, 90, n)),
            "<b>job</b>": rng.choice(["clerk", "<script>", "smith"], n),
            "owner": rng.integers(0, 2, n),
        }
    )
    chance = 0.2 + 0.4 * (X["income"] > 40) + 0.2 * X["owner"]
    return X, pd.Series(np.where(rng.random(n) < chance, "good", "bad"), name="outcome")


@pytest.fixture(scope="module")
def study(table):
    return Study(max_depth=2, cv=3, regularizations=[0.01], time_limit=12).fit(*table)


@pytest.fixture(scope="module")
def page(study):
    return study.to_html()


def test_the_card_is_in_the_comparison(study, table):
    names = study.results_["model"].tolist()
    at = next(i for i, name in enumerate(names) if name.startswith("risk score"))
    assert f"{study.card_.scorecard_.n_terms} line" in names[at]
    row = study.results_.iloc[at]
    X, y = table
    test = study.rows_ == "test"
    assert row["test_accuracy"] == (study.card_.predict(X[test]) == y[test]).mean()
    assert 0.5 < row["cv_mean"] < 1
    assert len(study.card_sizes_) == len(SIZES)
    assert study.card_.scorecard_.score_counts.sum() == (study.rows_ == "training").sum()
    chosen = next(s for s in study.card_sizes_ if s.max_features == study.card_.max_features)
    assert row["cv_mean"] == chosen.mean


def test_the_fewest_lines_within_one_error_are_chosen():
    sizes = [CardSize(3, [0.5, 0.6]), CardSize(5, [0.68, 0.72]), CardSize(7, [0.69, 0.75])]
    assert choose_size(sizes).max_features == 5
    assert choose_size(sizes[:1]).max_features == 3
    assert choose_size([CardSize(3, [0.5]), CardSize(5, [0.7])]).max_features == 5


def test_the_same_questions_are_asked(study):
    assert study.card_.terms_ == study.tree_.binarizer_.predicates_


def test_the_report_shows_card_and_proof(study, page):
    assert 'class="tm-card"' in page
    assert "The risk score" in page
    certificate = study.card_.certificate_
    assert certificate.statement in page
    assert "What is proven of it" in page
    plain = "this is proven" if certificate.status == "optimal" else "left open"
    assert plain in page


def test_the_examples_add_up(study, table, page):
    """From the printed page alone: points to sums, sums to risks, and what is true of the rows."""
    X, y = table
    text = lines(page)
    start = text.index("Ten examples added up")
    risks = {}
    for line in text[: start - 1]:
        cells = line.split("|")
        if len(cells) == 5 and re.fullmatch(r"\S+", cells[0]) and cells[1].endswith("%"):
            risks[cells[0]] = cells[1]
    printed = {}
    for line in study.card_.to_text().splitlines():
        found = re.fullmatch(r"\s*(.+?) \.{3,}\s+(\S+) points?", line)
        if found:
            printed[found[1]] = number(found[2])
    assert len(printed) == study.card_.scorecard_.n_terms
    assert risks
    seen, total, row = [], 0, None
    for line in text[start:]:
        cells = line.split("|")
        if found := re.fullmatch(r"Row (\d+)", line):
            row, total = int(found[1]), 0
            seen.append(row)
        elif cells[0] == "Sum":
            assert number(cells[1]) == total
            assert study.card_.score_points(X.iloc[[row]])[0] == total
        elif len(cells) == 2 and row is not None:
            if cells[0] in printed:
                assert printed[cells[0]] == number(cells[1])
            total += number(cells[1])
        elif found := re.fullmatch(
            r"Line (.+) of the table: risk (.+), so (.+)\. In truth: (.+)\.", line
        ):
            assert risks[found[1]] == found[2]
            assert found[3] == study.card_.predict(X.iloc[[row]])[0]
            assert found[4] == y[row]
            if len(seen) == 10:
                break
    assert len(set(seen)) == 10
    assert (study.rows_[seen] == "test").all()


def test_examples_are_different_and_ascend(study):
    rows = np.arange(len(study.codes_))
    few = examples(study.card_.scorecard_, study.table_, rows, study.codes_, 4)
    assert len(few) == 4
    totals = [number(e.total) for e in few]
    assert totals == sorted(totals)
    assert len({e.lines for e in few}) == 4
    one = examples(study.card_.scorecard_, study.table_, rows[:1], study.codes_)
    assert [e.row for e in one] == [0]


def test_files_of_the_card(study, table, tmp_path):
    study.save(tmp_path)
    assert load(tmp_path / "card.json").predict_proba(table[0]) == pytest.approx(
        study.card_.predict_proba(table[0])
    )
    text = (tmp_path / "card.txt").read_text()
    assert study.card_.to_text() in text
    assert "Certificate" in text
    assert (tmp_path / "card.sql").read_text().startswith("SELECT")


def test_an_open_proof_is_said_plainly(table, monkeypatch):
    def stopped(X, y, *, max_features, binarizer, **_):
        model = RiskScoreClassifier(max_features=max_features, binarizer=clone(binarizer))
        with pytest.warns(SearchLimitWarning):
            return model._set_stop(0).fit(X, y)

    monkeypatch.setattr("treeml.study.study.fit_card", stopped)
    study = Study(max_depth=1, cv=2, regularizations=[0.01]).fit(*table)
    assert study.status_ == "optimal"
    assert study.card_.gap_ > 0
    page = study.to_html()
    assert f"a loss more than {100 * study.card_.gap_:.1f} % smaller" in page
    assert study.card_.certificate_.statement in page


def test_three_classes_have_no_card(table, tmp_path):
    X, y = table
    y = y.where(X["owner"] == 0, "other")
    study = Study(max_depth=1, cv=2, regularizations=[0.01]).fit(X, y)
    assert study.card_ is None
    page = study.to_html()
    assert "None was made: a risk score tells two classes apart, and outcome has 3." in page
    assert "tm-card" not in page
    assert not any(path.name.startswith("card") for path in study.save(tmp_path))


def test_nothing_to_ask_of():
    X = pd.DataFrame({"same": np.ones(60)})
    y = np.repeat(["a", "b"], 30)
    study = Study(max_depth=1, cv=2, regularizations=[0.01]).fit(X, y)
    assert study.card_.scorecard_.n_terms == 0
    assert "no line is true" in study.to_html()
