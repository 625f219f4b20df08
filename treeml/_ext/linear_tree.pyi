from collections.abc import Iterable
from typing import Any

import numpy as np

class LinearTrees:
    def __init__(
        self,
        design: np.ndarray,
        target: np.ndarray,
        weight: np.ndarray | None,
        mass: np.ndarray | None,
        values: np.ndarray,
        *,
        ridge: float,
        ridge_constant: float,
        min_rows: int,
        min_weight: float,
        max_cuts: int,
    ) -> None: ...
    def cuts(self) -> list[np.ndarray]: ...
    def grow(
        self,
        nodes: Iterable[tuple[int, float, int, int]] | None,
        *,
        max_leaves: int,
        max_depth: int,
        sweeps: int,
        regrow_rounds: int,
        time_limit: float,
        memory_limit: int,
        stop_after: int,
    ) -> tuple[dict[str, Any], list[BaseException]]: ...
    def exact(
        self,
        *,
        max_depth: int,
        max_leaves: int,
        time_limit: float,
        memory_limit: int,
        stop_after: int,
    ) -> tuple[dict[str, Any], list[BaseException]]: ...
