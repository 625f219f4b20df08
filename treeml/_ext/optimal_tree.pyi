from collections.abc import Callable, Collection

import numpy as np

def isa() -> str: ...

class TreeSearch:
    n_jobs: int
    def __init__(
        self,
        columns: np.ndarray,
        n_rows: int,
        statistics: np.ndarray,
        class_weight: np.ndarray,
        *,
        unit: int,
        leaf_cost: int,
        min_samples_leaf: int,
        n_jobs: int = 1,
        without: Collection[str] = (),
        costs: bool = False,
    ) -> None: ...
    def run(
        self,
        *,
        max_depth: int,
        max_leaf_nodes: int,
        gap_tol: float,
        time_limit: float,
        memory_limit: int,
        stop_after: int,
        callback: Callable[[float, int, int], object] | None = None,
    ) -> tuple[
        int,
        int,
        int,
        list[tuple[int, int, int]],
        dict[str, int],
        list[tuple[float, int, int]],
        list[BaseException],
    ]: ...
