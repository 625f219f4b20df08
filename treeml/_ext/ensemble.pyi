from collections.abc import Callable

import numpy as np

def search(
    columns: np.ndarray,
    chain: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    n_classes: int,
    *,
    n_trees: int,
    largest: bool,
    budget: int,
    error_cost: int,
    cut_cost: int,
    most_cuts: int,
    method: int,
    time_limit: float,
    memory_limit: int,
    stop_after: int,
    callback: Callable[[float, int, int], object] | None = None,
) -> tuple[
    int,
    int,
    int,
    bool,
    list[list[tuple[int, int, int, int]]],
    int,
    dict[str, int],
    list[tuple[float, int, int]],
    list[BaseException],
]: ...
