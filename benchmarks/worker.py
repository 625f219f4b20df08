"""One fit in a process of its own: python -m benchmarks.worker FILE LIBRARY DEPTH REG LIMIT."""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

from benchmarks.libraries import LIBRARIES, leaves


def main() -> None:
    warnings.filterwarnings("ignore")
    file, library, depth, regularization, limit = sys.argv[1:]
    with np.load(file) as data:
        X, y = np.ascontiguousarray(data["X"]), data["y"]
    model = LIBRARIES[library](int(depth), float(regularization), float(limit))
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    errors = int((np.asarray(model.predict(X)).reshape(-1) != y).sum())  # counted here
    n_leaves = leaves(model)
    objective = errors / len(y) + float(regularization) * n_leaves
    print(
        json.dumps(
            {"cpu": cpu, "wall": wall, "errors": errors, "leaves": n_leaves, "objective": objective}
        )
    )


if __name__ == "__main__":
    main()
