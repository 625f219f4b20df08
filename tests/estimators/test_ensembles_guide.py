"""The figures of the guide to the fewest cuts are what comes out."""

from __future__ import annotations

import csv
import itertools
import statistics
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from treeml import OptimalTreeClassifier, OptimalTreeEnsembleClassifier

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ensembles.md").read_text()


def block(name: str) -> str:
    """What stands between two marks."""
    return PAGE.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0]


def results() -> list[dict[str, str]]:
    with (ROOT / "benchmarks" / "results" / "ensembles.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sample():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = np.random.RandomState(0).permutation(len(X))[:90]
    return X.iloc[rows], y.iloc[rows].map({0: "malignant", 1: "benign"})


def test_three_questions_vote(sample):
    one = OptimalTreeClassifier(criterion="size").fit(*sample)
    three = OptimalTreeEnsembleClassifier(n_estimators=3).fit(*sample)
    assert (one.n_cuts_, one.status_, three.n_cuts_, three.status_) == (4, "optimal", 3, "optimal")
    assert [tree.n_leaves for tree in three.trees_] == [2, 2, 2]
    assert block("vote") == f"```text\n{three.to_text()}\n```\n"
    assert f"> {three.certificate_.statement}\n" in PAGE


def test_rows_that_may_be_wrong(sample):
    for line in block("budget").strip().splitlines()[2:]:
        budget, *cuts = (int(cell) for cell in line.strip("|").split("|"))
        for n_estimators, expected in zip((1, 3), cuts, strict=True):
            model = OptimalTreeEnsembleClassifier(n_estimators=n_estimators, error_budget=budget)
            assert model.fit(*sample).n_cuts_ == expected
            assert model.status_ == "optimal"


def test_majority_of_bits():
    for line in block("bits").strip().splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        bits = int(cells[0])
        X = np.array(list(itertools.product([0, 1], repeat=bits)), dtype=np.uint8)
        assert int(cells[1]) == len(X)
        for n_estimators, cell in zip((1, 3, 5, 7), cells[2:], strict=True):
            if cell:
                model = OptimalTreeEnsembleClassifier(n_estimators=n_estimators)
                model.fit(X, X.sum(axis=1) > bits / 2)
                assert (model.n_cuts_, model.status_) == (int(cell), "optimal")


def _proven(n: str) -> dict[tuple[str, str], dict[str, int]]:
    """Cuts of treeml by sample and number of trees, where proven."""
    out: dict[tuple[str, str], dict[str, int]] = {}
    for row in results():
        if row["library"] == "treeml" and row["rows"] == n and row["cuts"]:
            out.setdefault((row["problem"], row["seed"]), {})[row["trees"]] = int(row["cuts"])
    return out


def samples_table() -> str:
    """How many cuts three trees save, over the samples of 30 rows."""
    saved = [cuts["1"] - cuts["3"] for cuts in _proven("30").values() if len(cuts) == 2]
    lines = ["| cuts of one tree less those of three | samples |", "| --- | --- |"]
    lines += [f"| {k} | {saved.count(k)} |" for k in sorted(set(saved))]
    open_ = len(_proven("30")) - len(saved)
    if open_:
        lines.append(f"| three trees not solved in the time of the benchmark | {open_} |")
    return "\n".join(lines) + "\n"


def sat_table() -> str:
    """CPU seconds of both, by the number of cuts."""
    found: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
    for row in results():
        if row["trees"] == "3" and row["rows"] in ("30", "60"):
            key = (row["problem"], row["rows"], row["seed"])
            found.setdefault(key, {})[row["library"]] = row
    lines = [
        "| cuts | samples | treeml, median s | most | SAT, median s | ratio, median | least |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, low, high in (("up to 5", 0, 5), ("6 and more", 6, 99)):
        pairs = [
            (float(run["treeml"]["cpu_seconds"]), float(run["SAT"]["cpu_seconds"]))
            for run in found.values()
            if run["treeml"]["cuts"] and run["SAT"]["cuts"]
            and low <= int(run["treeml"]["cuts"]) <= high
        ]  # fmt: skip
        if not pairs:
            continue
        ours, theirs = zip(*pairs, strict=True)
        ratios = [b / max(a, 1e-4) for a, b in pairs]
        lines.append(
            f"| {name} | {len(pairs)} | {statistics.median(ours):.4f} | {max(ours):.4f} | "
            f"{statistics.median(theirs):.4f} | {statistics.median(ratios):.0f} | "
            f"{min(ratios):.1f} |"
        )
    one_only = [
        name for name in ("treeml", "SAT")
        for run in found.values() if run[name]["cuts"] and not all(r["cuts"] for r in run.values())
    ]  # fmt: skip
    neither = sum(not any(r["cuts"] for r in run.values()) for run in found.values())
    lines.append("")
    lines.append(
        f"Both prove these. {one_only.count('treeml')} more samples are proven by treeml alone, "
        f"{one_only.count('SAT')} by SAT alone, {neither} by neither in the time of the benchmark."
    )
    return "\n".join(lines) + "\n"


def test_the_guide_shows_the_results_of_the_benchmark():
    assert block("samples") == samples_table()
    assert block("sat") == sat_table()
    haberman = [cuts for (name, _), cuts in _proven("30").items() if name == "haberman"]
    assert {"1": 9, "3": 8} in haberman


def test_proven_answers_agree_and_bounds_are_valid():
    known: dict[tuple[str, ...], int] = {}
    for row in results():
        key = (row["problem"], row["rows"], row["seed"], row["trees"])
        if row["cuts"]:
            assert known.setdefault(key, int(row["cuts"])) == int(row["cuts"]), row
    for row in results():
        key = (row["problem"], row["rows"], row["seed"], row["trees"])
        assert int(row["bound"]) <= known.get(key, 99), row


if __name__ == "__main__":
    model = OptimalTreeEnsembleClassifier()
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = np.random.RandomState(0).permutation(len(X))[:90]
    model.fit(X.iloc[rows], y.iloc[rows].map({0: "malignant", 1: "benign"}))
    page = PAGE
    made = {"samples": samples_table(), "sat": sat_table()}
    made["vote"] = f"```text\n{model.to_text()}\n```\n"
    for name, text in made.items():
        page = page.replace(f"<!-- {name} -->\n{block(name)}", f"<!-- {name} -->\n{text}")
    (ROOT / "docs" / "ensembles.md").write_text(page)
