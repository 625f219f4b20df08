"""``make bench``: trees, sets and scorecards, every library in an environment of its own.

Fifteen studies, each with its table in benchmarks/results: ``trees`` (time, memory and objective by
depth), ``gap`` (without a depth limit: objective and bound against time), ``sets`` (time, memory
and size of Rashomon sets), ``importance`` (of columns, over all members of sets), ``scores`` (loss,
bound and time of scorecards), ``splits`` (greedy and boosted trees on a million rows), ``guess``
(trees over guessed thresholds against trees over all), ``growth`` (time and memory against rows,
columns and depth), ``costs`` (trees of actions from per-row costs), ``ensembles`` (fewest cuts
of trees that vote, against a SAT solver), ``linear`` (trees with linear leaves and mixtures by
nested cross-validation), ``safety`` (the former where a tree can only do harm), ``distil`` (routers
as trees, against CART) and ``language`` (bits per byte of language models, on folders of texts).
``agreement``, only by its name, asks every method and the solver the same tiny
instances.
``page`` makes the tables and plots of docs from them, ``guides`` those of the guides to linear
leaves and distilled routers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import distil, linear_page, linear_safety, linear_trees, page, studies
from benchmarks.libraries import LIBRARIES
from benchmarks.problems import bundled, continuous, folder


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    names = ["trees", "gap", "sets", "importance", "scores", "splits", "guess", "growth", "costs"]
    names += ["ensembles", "linear", "safety", "distil", "language", "page", "guides"]
    asked_by_name = ["agreement"]
    parser.add_argument("study", nargs="*", help=f"of {names}; all where none is named")
    parser.add_argument("--data", type=Path, help="folder of 0/1 csv files, class first")
    parser.add_argument(
        "--numbers", type=Path, help="folder of csv files of numbers, class y first"
    )
    parser.add_argument("--regression", type=Path, help="folder of csv files of numbers, target y")
    parser.add_argument("--table", type=Path, help="csv of a real table, class last, for splits")
    parser.add_argument(
        "--texts", type=Path, nargs="*", default=[], help="folders of train.txt and dev.txt"
    )
    parser.add_argument("--model", nargs="*", default=[], help="models of language; else all")
    parser.add_argument("--by", choices=["line", "file"], default="line", help="what one text is")
    parser.add_argument("--library", nargs="+", choices=list(LIBRARIES), default=list(LIBRARIES))
    parser.add_argument("--depth", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--regularization", type=float, nargs="+", default=[0.0, 0.01])
    parser.add_argument("--set-depth", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--set-regularization", type=float, default=0.01)
    parser.add_argument("--epsilon", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--terms", type=int, nargs="+", default=[3, 5, 7, 10])
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of a fit")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--instances", type=int, default=2000, help="for agreement")
    parser.add_argument("--seeds", type=int, default=3, help="samples of a table, for ensembles")
    options = parser.parse_args()
    wrong = [name for name in options.study if name not in names + asked_by_name]
    if wrong:
        parser.error(f"no study {wrong[0]!r}; there are {names}")
    chosen = options.study or names
    with tempfile.TemporaryDirectory() as place:
        problems = folder(options.data) if options.data else bundled()
        if "trees" in chosen:
            studies.trees(Path(place), problems, options)
        if "gap" in chosen:
            studies.gap(Path(place), problems, options)
        if "sets" in chosen:
            studies.sets(Path(place), problems, options)
        if "importance" in chosen:
            studies.importances(Path(place), problems, options)
        if "scores" in chosen:
            studies.scores(Path(place), problems, options)
        if "splits" in chosen:
            studies.splits(Path(place), options)
        if "guess" in chosen:
            studies.guess(Path(place), continuous(options.numbers), options)
        if "growth" in chosen:
            studies.growth(Path(place), options)
        if "costs" in chosen:
            studies.costs(Path(place), problems, options)
        if "ensembles" in chosen:
            studies.ensembles(Path(place), continuous(options.numbers), options)
        if "agreement" in options.study:
            studies.agreement(Path(place), options)
    if "linear" in chosen:
        linear_trees.nested(options.regression, list(linear_trees.MODELS))
        linear_trees.search_times()
    if "safety" in chosen:
        linear_safety.safety()
    if "distil" in chosen:
        distil.distilled()
    if "language" in chosen and options.texts:
        studies.texts(options)
    if "page" in chosen:
        page.write()
    if "guides" in chosen:
        linear_page.write()


if __name__ == "__main__":
    main()
