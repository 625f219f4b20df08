from collections.abc import Callable

import numpy as np

from treeml.search.card_constraints import CardConstraints

def admits_some_card(constraints: CardConstraints, max_features: int) -> bool: ...
def search(
    matrix: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    constraints: CardConstraints,
    *,
    max_features: int,
    costs: tuple[int, int, int, int, int, int, int, int],
    linear: list[tuple[list[float], float, float, float]],
    start: list[int],
    least_errors: int,
    gap_tol: float,
    time_limit: float,
    memory_limit: int,
    stop_after: int,
    pool_bytes: int,
    table_bytes: int,
    callback: Callable[[float, int, int], object] | None = None,
) -> tuple[
    list[int],
    float,
    int,
    int,
    bool,
    int,
    dict[str, int],
    list[tuple[float, int, int]],
    list[BaseException],
]: ...
