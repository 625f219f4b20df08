"""The guide shows the figures of the results, and they say what it says."""

from __future__ import annotations

import csv

from benchmarks.language import MODELS
from benchmarks.language_page import GUIDE, RESULTS, filled


def test_figures_are_those_of_the_results() -> None:
    assert filled(GUIDE.read_text()) == GUIDE.read_text()


def test_one_tree_beats_the_ngram_on_every_corpus() -> None:
    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == set(MODELS)
    for corpus in {row["corpus"] for row in rows}:
        bits = {r["model"]: float(r["bits_per_byte"]) for r in rows if r["corpus"] == corpus}
        assert bits["tree"] < bits["KN-5"]
