"""``make bench``: optimal trees on 0/1 columns, every library in an environment of its own.

Prints and writes to benchmarks/results/trees.csv, for every problem and depth, the median CPU
seconds of ``fit`` over fresh processes, run in turn, and the objective counted from ``predict``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

from benchmarks.libraries import LIBRARIES, PACKAGES
from benchmarks.problems import bundled, folder

ROOT = Path(__file__).resolve().parent.parent


def python_of(library: str) -> str:
    """The interpreter that has the library; its environment is made the first time."""
    if library not in PACKAGES:
        return sys.executable
    home = ROOT / "build" / "peers" / library
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[library]], check=True)
    return str(python)


def fit(file: str, library: str, depth: int, regularization: float, limit: float) -> dict:
    """One run of the worker."""
    command = [python_of(library), "-m", "benchmarks.worker", file, library]
    command += [str(depth), str(regularization), str(limit)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{library} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of 0/1 csv files, class first")
    parser.add_argument("--depth", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--regularization", type=float, default=0.0)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    problems = folder(options.data) if options.data else bundled()
    rows = []
    for name, (X, y) in problems.items():
        for depth in options.depth:
            rows += compare(name, X.astype(np.int32), y, depth, options)
    out = ROOT / "benchmarks" / "results" / "trees.csv"
    out.parent.mkdir(exist_ok=True)
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def compare(
    name: str, X: np.ndarray, y: np.ndarray, depth: int, options: argparse.Namespace
) -> list:
    """All libraries on one problem, in turn."""
    runs: dict[str, list[dict]] = {library: [] for library in LIBRARIES}
    with tempfile.TemporaryDirectory() as folder_:
        file = str(Path(folder_) / "problem.npz")
        np.savez(file, X=X, y=y)
        for _ in range(options.repeat):
            for library, done in runs.items():
                done.append(fit(file, library, depth, options.regularization, options.limit))
    base = statistics.median(run["cpu"] for run in runs["treeml"])
    rows = []
    for library, done in runs.items():
        cpu = statistics.median(run["cpu"] for run in done)
        row = {
            "problem": name,
            "rows": len(y),
            "columns": X.shape[1],
            "depth": depth,
            "regularization": options.regularization,
            "library": library,
            "cpu_seconds": f"{cpu:.5f}",
            "times_treeml": f"{cpu / base:.1f}",
            "objective": f"{done[0]['objective']:.6f}",
        }
        rows.append(row)
        print(*row.values(), flush=True)
    return rows


if __name__ == "__main__":
    main()
