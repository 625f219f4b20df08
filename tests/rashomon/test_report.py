"""The report says what the set says, and shows hostile names as text."""

import base64
import hashlib
import html.parser
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from treeml import RashomonTreesClassifier, export
from treeml._core.validation import as_table
from treeml.rashomon import RashomonSet, feature_use, row_agreement
from treeml.rashomon.report import report_html, report_json
from treeml.report import tree_svg


def zero_one(seed=0, n_classes=2, n_rows=60, **options):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (n_rows, 5))
    X = np.where(rng.random(X.shape) < 0.5, X, X[:, :1])
    y = (X[:, 0] + (rng.random(n_rows) < 0.3) * rng.integers(0, n_classes, n_rows)) % n_classes
    y[:n_classes] = range(n_classes)
    options = {"max_depth": 2, "epsilon": 0.3, "regularization": 0.03} | options
    return RashomonTreesClassifier(**options).fit(X, y).set_, X, y


def mixed(names=("age", "job", "paid", "since"), labels=("no", "yes"), levels=("a", "b", "c")):
    """Numbers and strings with missing values, yes/no, and a column that gives no question."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame(
        {
            names[0]: np.where(rng.random(50) < 0.2, np.nan, rng.integers(20, 30, 50)),
            names[1]: [rng.choice(levels) if rng.random() < 0.8 else None for _ in range(50)],
            names[2]: rng.random(50) < 0.5,
            names[3]: "2024",
        }
    )
    codes = (X[names[1]] == levels[0]).to_numpy() ^ (rng.random(50) < 0.2)
    y = np.array(labels, dtype=object)[codes.astype(int)]
    model = RashomonTreesClassifier(max_depth=2, epsilon=0.3, regularization=0.04).fit(X, y)
    return model.set_, X, y


class Page(html.parser.HTMLParser):
    """Elements with their attributes, visible text, and what stands in the scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.scripts, self._inside = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text.append(" ".join(data.split()))

    @property
    def words(self):
        return " ".join(text for text in self.text if text)


def check_figures(set_, X, y, figures):
    """Every figure against the set itself."""
    assert figures["count"] == str(set_.count)
    assert (figures["objective"], figures["bound"]) == (set_.objective, set_.bound)
    assert figures["complete"] == set_.complete
    assert {row["leaves"]: int(row["count"]) for row in figures["leaves"]} == set_.by_leaves()
    first = next(iter(set_.simplest().values()))
    assert figures["simplest"]["leaves"] == first[1].n_leaves
    assert figures["simplest"]["objective"] == first[0]
    use = feature_use(set_)
    assert {c["name"]: int(c["count"]) for c in figures["columns"]} == use.counts
    assert {c["name"]: c["share"] for c in figures["columns"]} == use.shares
    assert figures["must"] == list(use.must)
    assert figures["never"] == list(use.never)
    assert [tuple(pair) for pair in figures["substitutes"]] == list(use.substitutes)
    names = [c["name"] for c in figures["columns"]]
    for member in figures["members"]:
        tree = set_[int(member["place"])]
        assert member["objective"] == set_.objective_of(int(member["place"]))
        assert (member["leaves"], member["depth"]) == (tree.n_leaves, tree.node_depth.max())
        assert {names[k] for k in member["uses"]} == {p.term.name for p in tree.predicates}
        rules = export.rules(tree)
        assert [r[0] for r in member["rules"]] == list(rules["rule"])
        assert [r[1] for r in member["rules"]] == [str(name) for name in rules["prediction"]]
        assert [r[2] for r in member["rules"]] == list(rules["rows"])
        shares = [math.nan if r[3] is None else r[3] for r in member["rules"]]
        assert np.array_equal(shares, rules["share"].to_numpy(), equal_nan=True)
    if X is None:
        assert figures["rows"] is figures["differ"] is None
        return
    table = as_table(X, like=set_.columns)
    labels = [set_[int(member["place"])].predict(table) for member in figures["members"]]
    pairs = [(a != b).sum() for k, a in enumerate(labels) for b in labels[k + 1 :]]
    assert figures["differ"] == pairs
    if y is not None:
        assert figures["measures"][0]["values"] == [np.mean(p == np.asarray(y)) for p in labels]
    check_rows(set_, table, figures["rows"])


def check_rows(set_, table, rows):
    found = row_agreement(set_, table)
    assert rows["ambiguity"] == found.ambiguity
    assert rows["n_contested"] == found.contested.sum()
    assert rows["agreed"] + sum(b["rows"] for b in rows["consistency"]) == table.n_rows
    for b in rows["consistency"]:
        inside = (found.consistency >= b["from"]) & (found.consistency < b["to"])
        assert b["rows"] == (inside & found.contested).sum()
    assert [case["row"] for case in rows["contested"]] == found.most_contested(10).tolist()
    votes = set_.votes(table)
    for case in rows["contested"]:
        assert case["votes"] == [str(number) for number in votes[case["row"]]]
        assert case["shares"] == found.shares[case["row"]].tolist()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_figures_are_those_of_the_set(n_classes):
    set_, X, y = zero_one(n_classes=n_classes)
    assert set_.count > 40
    check_figures(set_, X, y, report_json(set_, X, y, members=40))
    check_figures(set_, X, None, report_json(set_, X, members=10_000))
    check_figures(set_, None, None, report_json(set_, members=7))


@pytest.mark.filterwarnings("ignore:.*the same value everywhere")
def test_missing_values_and_strings():
    set_, X, y = mixed()
    figures = report_json(set_, X, y, members=30)
    check_figures(set_, X, y, figures)
    assert figures["not_asked"] == ["since"]
    for case in figures["rows"]["contested"]:
        row = X.iloc[case["row"]]
        values = dict(case["values"])
        assert values["job"] == ("missing" if pd.isna(row["job"]) else row["job"])
        assert values["age"] == ("missing" if np.isnan(row["age"]) else f"{row['age']:g}")
        assert values["paid"] == str(row["paid"])
        assert case["truth"] == y[case["row"]]
    assert "missing" in {v for case in figures["rows"]["contested"] for _, v in case["values"]}


def test_one_member():
    X = np.repeat([[0, 1], [1, 0]], 20, axis=0)
    model = RashomonTreesClassifier(max_depth=1, epsilon=0, labels="majority")
    set_ = model.fit(X[:, :1], X[:, 0]).set_
    assert set_.count == 1
    figures = report_json(set_, X[:, :1])
    check_figures(set_, X[:, :1], None, figures)
    assert figures["differ"] == []
    words = Page(report_html(set_, X[:, :1])).words
    assert "One decision tree is nearly as good" in words
    assert "On all 40 rows every tree gives the same answer" in words
    assert "All trees are listed" in words


def test_listed_members():
    set_, _, _ = zero_one()
    members = report_json(set_, members=21)["members"]
    places = [int(member["place"]) for member in members]
    assert len(set(places)) == 21
    assert places == sorted(places)
    assert places[:11] == list(range(11))
    assert [member["drawn"] for member in members] == [False] * 11 + [True] * 10
    assert report_json(set_, members=21)["members"] == members
    other = report_json(set_, members=21, random_state=1)["members"]
    assert other[:11] == members[:11]
    assert other != members
    every = report_json(set_, members=set_.count)["members"]
    assert [int(member["place"]) for member in every] == list(range(set_.count))
    assert not any(member["drawn"] for member in every)


def test_the_page_has_the_figures(tmp_path):
    set_, X, y = zero_one(n_classes=3)
    set_.report(tmp_path / "report.html", X, y, members=30)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    figures, pictures = (json.loads(script) for script in page.scripts[:2])
    assert figures == report_json(set_, X, y, members=30)
    for count in (set_.count, *set_.by_leaves().values(), *set_.by_feature().values()):
        assert re.search(rf"(?<![\d,]){count:,}(?![\d,])", page.words)
    rows = row_agreement(set_, X)
    assert f"On {rows.contested.sum()} of {len(X)} rows" in page.words
    assert f"{set_.bound:.6g}" in page.words
    assert f"30 of the {set_.count:,} trees are listed" in page.words
    for k, member in enumerate(figures["members"]):
        drawn = "\n".join(pictures["lines"][line] for line in pictures["pictures"][k])
        assert drawn == tree_svg(set_[int(member["place"])])
        assert re.search(r'aria-labelledby="(\w+)t ', drawn)  # where the script finds the id


def test_the_page_loads_nothing_and_admits_one_script():
    set_, X, y = zero_one()
    text = report_html(set_, X, y, members=5)
    page = Page(text)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(page.scripts[2].encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert len(page.scripts) == 3
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "base"}
    assert not [a for _, attributes in page.tags for a in attributes if a in ("src", "href")]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', page.scripts[2]))
    assert wanted <= set(ids)


@pytest.mark.filterwarnings("ignore:.*the same value everywhere")
def test_hostile_names_are_text():
    names = ('<script>x()</script>"', "</script><b onclick='x()'>", "a&amp;b\n{{ 7 * 7 }}", "]]>\\")
    labels = ("<img src=x onerror=x()>", "yes\"'</title></style>")
    levels = ("<svg onload=x()>", "b<!--", "c")
    set_, X, y = mixed(names, labels, levels)
    text = report_html(set_, X, y, members=20)
    page = Page(text)
    assert len(page.scripts) == 3
    figures = json.loads(page.scripts[0])
    assert figures == report_json(set_, X, y, members=20)
    assert {c["name"] for c in figures["columns"]} <= set(names)
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert not {tag for tag, _ in page.tags} & {"img", "b"}
    assert labels[0] in page.words
    assert "{{ 7 * 7 }}" in page.words
    for line in json.loads(page.scripts[1])["lines"]:  # markup that the explorer shows
        assert not re.search(r"<(script|img|b)\b|<svg onload|</?style>?x|<!--", line)


def test_a_set_that_a_limit_ended_and_a_part_of_one():
    set_, _, _ = zero_one()
    part = set_.filter(max_leaf_nodes=3)
    words = Page(report_html(part, members=3)).words
    assert "a part of them" in words
    assert "The set is complete" in words
    saved = json.loads(_saved(set_)) | {"complete": False, "status": "time_limit"}
    words = Page(report_html(_loaded(saved), members=3)).words
    assert "not complete" in words
    assert "its time limit ended the search" in words
    assert "The set is complete" not in words


def _saved(set_):
    from treeml.rashomon.file import write

    return write(set_)


def _loaded(data) -> RashomonSet:
    from treeml.rashomon.file import read

    return read(json.dumps(data))


def test_large_numbers_of_trees():
    from treeml.rashomon.report import _number, _share

    assert _number("123456789012345") == "123,456,789,012,345"
    assert _number("1234567890123456") == "about 1.23 × 10^15"
    assert [_share(s) for s in (0, 1e-9, 0.5, 1 - 1e-9, 1)] == [
        *("0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %"),
    ]


def test_what_cannot_be_reported():
    set_, X, y = zero_one()
    with pytest.raises(ValueError, match="y is given without X"):
        report_json(set_, y=y)
    with pytest.raises(ValueError, match="y has 59 values and X has 60 rows"):
        report_json(set_, X, y[:-1])
    with pytest.raises(ValueError, match="members=0"):
        report_json(set_, members=0)
    with pytest.raises(ValueError, match="empty"):
        report_json(set_.filter(must_use=[0], max_leaf_nodes=1))


def test_groups_are_measured_member_by_member():
    set_, X, y = zero_one(seed=4)
    group = np.array(["left", "right <b>"])[X[:, 4]]
    figures = report_json(set_, X, y, groups=group)
    assert [m["name"] for m in figures["measures"]] == [
        "right on the rows",
        "right in left",
        "right in right <b>",
        "gap between groups",
    ]
    table = as_table(X, like=set_.columns)
    shares = np.array(
        [
            [(tree.predict(table) == y)[group == name].mean() for tree in set_]
            for name in ("left", "right <b>")
        ]
    )
    assert np.array_equal([m["values"] for m in figures["measures"][1:3]], shares)
    assert np.array_equal(figures["measures"][3]["values"], np.ptp(shares, axis=0))
    page = Page(report_html(set_, X, y, groups=group))
    asked = [attrs for tag, attrs in page.tags if tag == "select" and "data-measure" in attrs]
    assert [attrs["data-measure"] for attrs in asked] == ["3"]
    assert not [
        attrs for tag, attrs in Page(report_html(set_, X, y)).tags if "data-measure" in attrs
    ]


def test_groups_that_cannot_be_measured_are_refused():
    set_, X, y = zero_one()
    with pytest.raises(ValueError, match="without X and y"):
        report_json(set_, X, groups=X[:, 0])
    with pytest.raises(ValueError, match="groups has 3 values"):
        report_json(set_, X, y, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="groups has 60 different"):
        report_json(set_, X, y, groups=np.arange(60))
