"""One fit in a process of its own: python -m benchmarks.worker FILE LIBRARY TASK-AS-JSON.

Prints JSON: CPU and wall seconds of ``fit``, what the process grew by meanwhile, and errors and
objective counted here, from ``predict``.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries import LIBRARIES, Task


def main() -> None:
    warnings.filterwarnings("ignore")
    file, name, text = sys.argv[1:]
    task, library = Task(**json.loads(text)), LIBRARIES[name]
    with np.load(file) as data:
        X, y = np.ascontiguousarray(data["X"].astype(library.dtype)), data["y"].astype(np.int32)
    if library.warm:
        library.make(Task(None, 0.05, 30.0)).fit(X[:200], y[:200])
    model = library.make(task)
    before = forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    grown = kib("VmHWM") - before
    errors = int((np.asarray(model.predict(X)).reshape(-1) != y).sum())
    leaves = int(library.leaves(model))
    out: dict[str, Any] = {
        "cpu": cpu,
        "wall": wall,
        "megabytes": grown / 1024,
        "errors": errors,
        "leaves": leaves,
        "objective": errors / len(y) + task.regularization * leaves,
        "proven": bool(library.proven(model)),
        "bound": library.bound(model),
    }
    if not math.isfinite(out["bound"]):
        out["bound"] = out["objective"] if out["proven"] else None
    if name == "treeml":
        out["history"] = model.result_.history.tolist()
    print(json.dumps(out))


def kib(field: str) -> int:
    """A line of the process's memory status."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field))


def forget_peak() -> int:
    """Resident memory now; the peak is counted from here."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return kib("VmHWM")
    return kib("VmRSS")


if __name__ == "__main__":
    main()
