"""What is compared, and the table that each comparison writes."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.costs import COSTS, CostTask, make_costs
from benchmarks.ensembles import (
    ENSEMBLES,
    EnsembleTask,
    by_every_method,
    tiny_instance,
    write_instances,
)
from benchmarks.importance import IMPORTANCES, ImportanceTask, furthest
from benchmarks.language import MODELS, SHORT
from benchmarks.libraries import LIBRARIES, Task
from benchmarks.runs import (
    by_solver,
    cost,
    count,
    importance,
    in_turn,
    language,
    read,
    save,
    score,
    smallest,
    split,
    write,
)
from benchmarks.scores import SCORES, ScoreTask
from benchmarks.sets import SETS, SetTask
from benchmarks.splits import SPLITS, SplitTask, first_split_table, generated, repeated

Problems = dict[str, tuple[np.ndarray, np.ndarray]]


def trees(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Time, memory and objective of every library that can do the task, by depth."""
    rows = []
    for name, (X, y) in problems.items():
        file = save(place, name, X, y)
        for regularization in options.regularization:
            over: set[str] = set()  # libraries that did not finish a smaller depth
            for depth in options.depth:
                task = Task(depth, regularization, options.limit)
                asked = [n for n in options.library if LIBRARIES[n].can(task) and n not in over]
                for library, run in in_turn(file, asked, task, options.repeat).items():
                    rows.append(
                        _shape(name, X)
                        | {"depth": depth, "regularization": regularization}
                        | _result(library, run)
                    )
                    print(*rows[-1].values(), flush=True)
                    if "failure" in run or run["wall"] >= 0.9 * options.limit:
                        over.add(library)
    write("trees.csv", rows)


def gap(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """No depth limit: what each library has after a time, and how much of it is proven."""
    rows = []
    for name, (X, y) in problems.items():
        file = save(place, name, X, y)
        for regularization in (0.01, 0.005):
            finished: set[str] = set()
            for limit in (1.0, 3.0, 10.0, 30.0, 60.0):
                task = Task(None, regularization, limit)
                asked = [n for n in options.library if LIBRARIES[n].can(task) and n not in finished]
                for library, run in in_turn(file, asked, task, 1).items():
                    rows.append(
                        _shape(name, X)
                        | {"regularization": regularization, "limit": limit}
                        | _result(library, run)
                    )
                    print(*rows[-1].values(), flush=True)
                    if run.get("proven"):
                        finished.add(library)
    write("gap.csv", rows)


def sets(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Time, memory and number of trees of Rashomon sets, by depth and epsilon."""
    rows = []
    for name, (X, y) in problems.items():
        file = save(place, name, X, y)
        leaf_cost = max(1, round(options.set_regularization * len(y)))
        over: set[str] = set()
        for depth in options.set_depth:
            optimum = _optimum(X, y, depth, leaf_cost)
            for epsilon in options.epsilon:
                task = SetTask(depth, leaf_cost, epsilon, options.limit, optimum)
                asked = [n for n in SETS if n not in over]
                found = in_turn(file, asked, task, options.repeat, count)
                for library, run in found.items():
                    if "failure" in run or run["cpu"] > options.limit:
                        over.add(library)
                    rows.append(
                        _shape(name, X)
                        | {"depth": depth, "leaf_cost": leaf_cost, "epsilon": epsilon}
                        | {"library": library}
                        | {"cpu_seconds": f"{run['cpu']:.5f}" if "cpu" in run else ""}
                        | {"megabytes": f"{run['megabytes']:.1f}" if "cpu" in run else ""}
                        | {"trees": run.get("count", ""), "failure": run.get("failure", "")}
                    )
                    print(*rows[-1].values(), flush=True)
        write("sets.csv", rows)


def importances(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Importance of every column over all members of a set, on the rows and on two bootstraps."""
    rows = []
    for name, (X, y) in problems.items():
        n, depth, epsilon = len(y), options.set_depth[0], options.epsilon[0]
        random = np.random.default_rng(0)
        draws = np.vstack([np.arange(n), random.integers(0, n, (2, n))])
        leaf_cost = max(1, round(options.set_regularization * n))
        best = [_optimum(X[drawn], y[drawn], depth, leaf_cost) for drawn in draws]
        bounds = tuple(int(cost * (1 + epsilon) + 1e-9) for cost in best)
        file = save(place, name, X, y, draws=draws)
        task = ImportanceTask(depth, leaf_cost, bounds, options.limit)
        found = {library: importance(file, library, task) for library in IMPORTANCES}
        for library, run in found.items():
            for sample, answer in enumerate(run.get("answers", [{}] * len(draws))):
                ours = found["treeml"].get("answers", [{}] * len(draws))[sample]
                rows.append(
                    _shape(name, X)
                    | {"depth": depth, "leaf_cost": leaf_cost, "epsilon": epsilon}
                    | {"sample": sample, "library": library, "trees": answer.get("trees", "")}
                    | _importance_figures(answer, ours)
                    | {"failure": run.get("failure", "")}
                )
                print(*rows[-1].values(), flush=True)
        write("importance.csv", rows)


def _importance_figures(answer: dict, ours: dict) -> dict:
    """Times, and the greatest differences from ours."""
    names = ("ranges_cpu_seconds", "distribution_cpu_seconds", "ends_differ", "shares_differ")
    if not answer or not ours:
        return dict.fromkeys(names, "")
    apart = np.abs(np.array(answer["ends"]) - np.array(ours["ends"])).max()
    shares = max(furthest(a, b) for a, b in zip(answer["mass"], ours["mass"], strict=True))
    figures = (*(f"{cpu:.4f}" for cpu in answer["cpu"]), str(apart), f"{shares:.1e}")
    return dict(zip(names, figures, strict=True))


def costs(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Trees of actions from costs of every row: time and cost, by depth."""
    rows = []
    for name, (X, y) in problems.items():
        for kind, n_actions in (("uniform", 3), ("losses", 4)):
            file = save(place, f"{name}-{kind}", X, make_costs(X, y, kind, n_actions))
            over: set[str] = set()
            for depth in options.depth:
                asked = [library for library in COSTS if library not in over]
                task = CostTask(depth, options.limit)
                for library, run in in_turn(file, asked, task, options.repeat, cost).items():
                    known = "cpu" in run
                    if not known or run["wall"] >= 0.9 * options.limit:
                        over.add(library)
                    rows.append(
                        _shape(name, X)
                        | {"costs": kind, "actions": n_actions, "depth": depth}
                        | {"library": library}
                        | {"cpu_seconds": f"{run['cpu']:.5f}" if known else ""}
                        | {"cost": f"{run['cost']:.9g}" if known else ""}
                        | {"proven": ("yes" if run["proven"] else "no") if known else ""}
                        | {"runs": run.get("runs", 0), "failure": run.get("failure", "")}
                    )
                    print(*rows[-1].values(), flush=True)
        write("costs.csv", rows)


def scores(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Scorecards by number of terms: log loss, and 0-1 loss with five terms."""
    rows = []
    for name, (X, y) in problems.items():
        if len(np.unique(y)) != 2:
            continue
        file = save(place, name, X, y)
        tasks = [ScoreTask("logistic", k, options.limit) for k in options.terms]
        for task in [*tasks, ScoreTask("0-1", 5, options.limit)]:
            asked = [n for n, (loss, *_) in SCORES.items() if loss == task.loss]
            for library, run in in_turn(file, asked, task, options.repeat, score).items():
                known = "cpu" in run
                bound = run.get("bound")
                rows.append(
                    _shape(name, X)
                    | {"loss": task.loss, "terms": task.terms, "library": library}
                    | {"cpu_seconds": f"{run['cpu']:.5f}" if known else ""}
                    | {"first_seconds": f"{run['first']:.5f}" if known else ""}
                    | {"megabytes": f"{run['megabytes']:.1f}" if known else ""}
                    | {"objective": f"{run['objective']:.7f}" if known else ""}
                    | {"bound": "" if bound is None else f"{bound:.7f}"}
                    | {"failure": run.get("failure", "")}
                )
                print(*rows[-1].values(), flush=True)
        write("scores.csv", rows)


def splits(place: Path, options: argparse.Namespace) -> None:
    """Greedy and boosted trees on a million rows, and the first splits of small tables."""
    tables = {"generated": generated()}
    if options.table:
        tables[f"{options.table.name.split('.')[0]}, repeated"] = repeated(options.table)
    rows = []
    for name, (X, y) in tables.items():
        file = place / "splits.npz"
        np.savez(file, X=X, y=y)
        for model in ("tree", "boosted"):
            asked = [n for n, (_, models, _) in SPLITS.items() if model in models]
            found = in_turn(file, asked, SplitTask(model), options.repeat, split, long=30.0)
            for library, run in found.items():
                rows.append(
                    _shape(name, X)
                    | {"model": model, "library": library}
                    | {"wall_seconds": f"{run['wall']:.3f}" if "wall" in run else ""}
                    | {"cpu_seconds": f"{run['cpu']:.3f}" if "cpu" in run else ""}
                    | {"loss": f"{run['loss']:.6f}" if "loss" in run else ""}
                    | {"runs": run.get("runs", 0), "failure": run.get("failure", "")}
                )
                print(*rows[-1].values(), flush=True)
        write("splits.csv", rows)
    _first_splits(place)


def guess(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Depth 4 over guessed cuts, and over all thresholds within a minute."""
    rows = []
    for name, (X, y) in problems.items():
        file = place / "guess.npz"
        np.savez(file, X=X, y=y)
        asked = [n for n, (_, models, _) in SPLITS.items() if "depth 4" in models]
        task = SplitTask("depth 4", time_limit=60.0, threads=1)
        for library, run in in_turn(file, asked, task, options.repeat, split).items():
            rows.append(
                _shape(name, X)
                | {"library": library}
                | {"cpu_seconds": f"{run['cpu']:.5f}" if "cpu" in run else ""}
                | {"errors": round(run["loss"] * len(y)) if "loss" in run else ""}
                | {"failure": run.get("failure", "")}
            )
            print(*rows[-1].values(), flush=True)
    write("guess.csv", rows)


def _first_splits(place: Path) -> None:
    """Whether 50 random tables are split as XGBoost's exact method splits them."""
    margins = [
        split(place, library, SplitTask("first split"))["margins"]
        for library in ("treeml", "xgboost")
    ]
    rows = []
    for seed, (ours, theirs) in enumerate(zip(*margins, strict=True)):
        X, _, weight = first_split_table(seed)
        apart = float(np.abs(np.subtract(ours, theirs)).max())
        rows.append(
            {
                "seed": seed,
                "rows": X.shape[0],
                "columns": X.shape[1],
                "missing": f"{np.isnan(X).mean():.3f}",
                "weighted": "no" if weight is None else "yes",
                "same": "yes" if apart < 1e-4 else "no",
                "largest_difference": f"{apart:.1e}",
            }
        )
    write("first_splits.csv", rows)
    print(sum(row["same"] == "yes" for row in rows), "of 50 first splits are the same")


def _optimum(X: np.ndarray, y: np.ndarray, depth: int, leaf_cost: int) -> int:
    """Least errors + leaf_cost x leaves."""
    from treeml import OptimalTreeClassifier

    model = OptimalTreeClassifier(max_depth=depth, regularization=leaf_cost / len(y)).fit(X, y)
    return round(model.objective_ * len(y))


def growth(place: Path, options: argparse.Namespace) -> None:
    """Time and memory as rows, columns or depth grow; the rest stays as it is."""
    rows = []
    middle = {"rows": 10_000, "columns": 50, "depth": 4}
    grown = {
        "rows": (1_000, 10_000, 100_000, 1_000_000),
        "columns": (25, 50, 100, 200),
        "depth": (2, 3, 4, 5),
    }
    asked = [name for name in ("treeml", "streed") if name in options.library]
    for what, sizes in grown.items():
        for size in sizes:
            at = middle | {what: size}
            X, y = noisy_rule(at["rows"], at["columns"])
            file = save(place, "growth", X, y)
            task = Task(at["depth"], 0.0, 10 * options.limit)
            for library, run in in_turn(file, asked, task, min(3, options.repeat)).items():
                rows.append({"grows": what} | at | _result(library, run))
                print(*rows[-1].values(), flush=True)
    write("growth.csv", rows)


def noisy_rule(n_rows: int, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers of graded frequency, neighbours alike, and a class that a rule of five of them
    explains but for one row in ten."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n_rows, n_columns))
    hidden[:, 1:] += hidden[:, :-1]
    X = (hidden > np.quantile(hidden, np.linspace(0.2, 0.8, n_columns), axis=0).diagonal()).astype(
        np.uint8
    )
    rule = (X[:, 0] & X[:, 7]) | (X[:, 13] & X[:, 18]) | (X[:, 4] & 1 - X[:, 22])
    return X, np.where(rng.random(n_rows) < 0.1, 1 - rule, rule).astype(np.int32)


def ensembles(place: Path, problems: Problems, options: argparse.Namespace) -> None:
    """Fewest cuts of trees that vote, on samples of tables."""
    rows = []
    for name, (X, y) in problems.items():
        file = place / "ensembles.npz"
        np.savez(file, X=X, y=y)
        for library in ENSEMBLES:
            trees = (1, 3) if library == "treeml" else (3,)
            task = EnsembleTask((30, 60), trees, options.seeds, options.limit)
            found = smallest(file, library, task)
            for run in found.get("runs", [{"failure": found.get("failure", "")}]):
                cpu = run.pop("cpu", None)
                seconds = {"cpu_seconds": "" if cpu is None else f"{cpu:.5f}"}
                empty = dict.fromkeys(("rows", "seed", "trees", "cuts", "bound", "failure"), "")
                cells = {k: "" if v is None else v for k, v in run.items()}
                rows.append({"problem": name, "library": library} | empty | seconds | cells)
                print(*rows[-1].values(), flush=True)
        write("ensembles.csv", rows)


def agreement(place: Path, options: argparse.Namespace) -> None:
    """Whether every method and the SAT solver have the same answer on tiny random instances."""
    instances = [tiny_instance(seed) for seed in range(options.instances)]
    ours = [by_every_method(instance) for instance in instances]
    file = place / "instances.jsonl"
    write_instances(file, instances)
    theirs = by_solver(file)
    apart = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != {b}]
    print(len(instances), "instances;", len(apart), "on which some answer differs:", apart[:10])


def _shape(name: str, X: np.ndarray) -> dict:
    return {"problem": name, "rows": X.shape[0], "columns": X.shape[1]}


def _result(library: str, run: dict) -> dict:
    """The columns of a run, empty where it failed."""
    if "failure" in run:
        empty = dict.fromkeys(
            ("cpu_seconds", "wall_seconds", "megabytes", "objective", "bound", "leaves"), ""
        )
        return {"library": library} | empty | {"proven": "", "runs": 0, "failure": run["failure"]}
    bound = "" if run["bound"] is None else f"{run['bound']:.6f}"
    return {
        "library": library,
        "cpu_seconds": f"{run['cpu']:.5f}",
        "wall_seconds": f"{run['wall']:.5f}",
        "megabytes": f"{run['megabytes']:.1f}",
        "objective": f"{run['objective']:.6f}",
        "bound": bound,
        "leaves": run["leaves"],
        "proven": "yes" if run["proven"] else "no",
        "runs": run["runs"],
        "failure": "",
    }


def texts(options: argparse.Namespace) -> None:
    """Bits per byte, CPU and size of language models, on each folder of texts.

    Where some models are named, the rows of the others stay as they are.
    """
    rows = read("language.csv") if options.model else []
    asked = options.model or MODELS
    for number, folder in enumerate(options.texts):
        for name, task in MODELS.items():
            if name not in asked or (number and name not in SHORT):
                continue
            same = {"corpus": folder.name, "model": name}
            rows = [row for row in rows if not same.items() <= row.items()]
            run = language(folder, name, dataclasses.replace(task, by=options.by))
            rows.append(
                {
                    "corpus": folder.name,
                    "by": options.by,
                    "model": name,
                    "bits_per_byte": _figure(run, "bits_per_byte", 4),
                    "cpu_seconds": _figure(run, "cpu", 2),
                    "tokenizer_and_orders_seconds": _figure(run, "apart", 2),
                    "scored_tokens_a_second": _figure(run, "tokens_a_second", 0),
                    "drawn_tokens_a_second": _figure(run, "drawn_a_second", 0),
                    "leaves": run.get("leaves", ""),
                    "bytes": run.get("bytes", ""),
                    "peak_megabytes": _figure(run, "megabytes", 0),
                    "failure": run.get("failure", ""),
                }
            )
            print(*rows[-1].values(), flush=True)
    place = list(MODELS)
    corpora = list(dict.fromkeys(row["corpus"] for row in rows))
    rows.sort(key=lambda row: (corpora.index(row["corpus"]), place.index(row["model"])))
    write("language.csv", rows)


def _figure(run: dict, key: str, digits: int) -> str:
    return f"{run[key]:.{digits}f}" if key in run else ""
