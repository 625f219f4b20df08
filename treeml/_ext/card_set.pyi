from typing import Any

import numpy as np

from treeml.search.card_constraints import CardConstraints

def risk_scores(
    matrix: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray | None,
    constraints: CardConstraints,
    *,
    max_features: int,
    max_logit: float,
    fixed_slope: float,
    epsilon: float,
    regret: float,
    time_limit: float,
    memory_limit: int,
    stop_after: int,
) -> tuple[dict[str, Any], list[BaseException]]: ...
def slim_cards(
    matrix: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    constraints: CardConstraints,
    *,
    max_features: int,
    costs: tuple[int, ...],
    margin: tuple[int, int, int],
    drop_trivial: bool,
    start: list[int],
    time_limit: float,
    memory_limit: int,
    stop_after: int,
    pool_bytes: int,
    table_bytes: int,
) -> tuple[dict[str, Any], list[BaseException]]: ...
