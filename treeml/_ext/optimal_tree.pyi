import numpy as np

def isa() -> str: ...
def optimal_tree(
    columns: np.ndarray,
    n_rows: int,
    statistics: np.ndarray,
    class_weight: np.ndarray,
    *,
    unit: int,
    leaf_cost: int,
    min_samples_leaf: int,
    max_depth: int,
    time_limit: float,
    stop_after: int,
) -> tuple[int, int, int, list[tuple[int, int, int]], dict[str, int], list[BaseException]]: ...
