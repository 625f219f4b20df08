"""Runs: one fit in a fresh process of the library's own environment, libraries in turn."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.costs import COSTS, CostTask
from benchmarks.ensembles import ENSEMBLES, EnsembleTask
from benchmarks.importance import IMPORTANCES, ImportanceTask
from benchmarks.language import PACKAGES, LanguageTask
from benchmarks.libraries import LIBRARIES, Task
from benchmarks.scores import SCORES, ScoreTask
from benchmarks.sets import SETS, SetTask
from benchmarks.splits import SPLITS, SplitTask

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
_MOST_BYTES = 16 << 30
_LONG = 10.0  # a run that takes longer is not repeated


def python_of(name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment with these packages, which is made the first time."""
    if not packages:
        return Path(sys.executable)
    home = ROOT / "build" / "peers" / name.replace(" ", "_")
    python = home / "bin" / "python"
    done = home / "packages.txt"
    if not done.exists() or done.read_text() != "\n".join(packages):
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        done.write_text("\n".join(packages))
    return python


def save(folder: Path, name: str, X: np.ndarray, y: np.ndarray, **more: np.ndarray) -> Path:
    """The problem as a file for the workers."""
    file = folder / f"{name}.npz"
    arrays: dict[str, Any] = {"X": X.astype(np.uint8), "y": y, **more}
    np.savez(file, **arrays)
    return file


def fit(file: Path, library: str, task: Task) -> dict:
    """One fit of a tree; a failure is an answer too."""
    return _run("benchmarks.worker", file, library, LIBRARIES[library].packages, task)


def count(file: Path, library: str, task: SetTask) -> dict:
    """One count of a set."""
    return _run("benchmarks.sets", file, library, SETS[library][0], task)


def importance(file: Path, library: str, task: ImportanceTask) -> dict:
    """Importances over the sets of some bootstraps."""
    return _run("benchmarks.importance", file, library, IMPORTANCES[library][0], task, grace=600.0)


def score(file: Path, library: str, task: ScoreTask) -> dict:
    """One fit of a scorecard; one library compiles itself for minutes the first time."""
    return _run("benchmarks.scores", file, library, SCORES[library][1], task, grace=600.0)


def cost(file: Path, library: str, task: CostTask) -> dict:
    """One fit of a tree of actions."""
    return _run("benchmarks.costs", file, library, COSTS[library][0], task)


def split(file: Path, library: str, task: SplitTask) -> dict:
    """One fit of a greedy or boosted model, with as many threads as the task says."""
    return _run("benchmarks.splits", file, library, SPLITS[library][0], task, threads=task.threads)


def smallest(file: Path, library: str, task: EnsembleTask) -> dict:
    """Searches for ensembles of fewest cuts, on all samples of a table."""
    searches = len(task.rows) * len(task.trees) * task.seeds
    grace = 60.0 + 2 * searches * task.time_limit
    return _run("benchmarks.ensembles", file, library, ENSEMBLES[library][0], task, grace=grace)


def by_solver(file: Path) -> list[int | None]:
    """Answers of the SAT solver to the instances of a file, in one process."""
    python = python_of("SAT", ENSEMBLES["SAT"][0])
    command = [str(python), "-m", "benchmarks.ensembles", str(file), "agree", ""]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1].removeprefix("@"))


def language(folder: Path, name: str, task: LanguageTask) -> dict:
    """One language model, learnt and scored."""
    kind = name.split(",")[0]
    packages = PACKAGES.get(kind, ())
    return _run("benchmarks.language", folder, kind, packages, task, named=False)


def _run(
    module: str,
    file: Path,
    library: str,
    packages: tuple[str, ...],
    task: (
        Task
        | SetTask
        | ImportanceTask
        | ScoreTask
        | SplitTask
        | CostTask
        | EnsembleTask
        | LanguageTask
    ),
    grace: float = 60.0,
    threads: int = 1,
    named: bool = True,
) -> dict:
    try:
        python = python_of(library, packages)
    except (subprocess.CalledProcessError, OSError):
        return {"failure": "not installed"}
    command = [str(python), "-m", module, str(file), *([library] if named else [])]
    command.append(json.dumps(dataclasses.asdict(task)))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=2 * task.time_limit + grace,
            preexec_fn=_cap_memory,
        )
    except subprocess.TimeoutExpired:
        return {"failure": "killed: ignores its time limit"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"failure": last[:80]}
    return json.loads(done.stdout.strip().splitlines()[-1].removeprefix("@"))


def _cap_memory() -> None:
    """No library may take the machine down."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))


def in_turn(
    file: Path,
    libraries: Iterable[str],
    task: Any,
    repeat: int,
    run: Callable[[Path, str, Any], dict] = fit,
    long: float = _LONG,
) -> dict[str, dict]:
    """Medians of ``repeat`` runs of each library; A, B, C, A, B, C, ..., so that all see the same
    weather. A run of more than ``long`` CPU seconds is not repeated."""
    runs: dict[str, list[dict]] = {name: [] for name in libraries}
    for turn in range(repeat):
        for name, done in runs.items():
            if turn and ("failure" in done[0] or done[0]["cpu"] > long):
                continue
            done.append(run(file, name, task))
    out = {}
    for name, done in runs.items():
        good = [run for run in done if "failure" not in run]
        if not good:
            out[name] = done[0]
            continue
        median = {
            key: statistics.median(run[key] for run in good)
            for key in ("cpu", "first", "wall", "megabytes", "loss")
            if key in good[0]
        }
        out[name] = good[0] | median | {"runs": len(good)}
    return out


def read(name: str) -> list[dict]:
    """A table of the results; empty where there is none yet."""
    if not (RESULTS / name).exists():
        return []
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def write(name: str, rows: list[dict]) -> None:
    """The rows as a table of the results."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
