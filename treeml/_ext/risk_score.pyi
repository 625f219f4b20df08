from collections.abc import Callable
from typing import Any

import numpy as np

class MergedRows:
    def __init__(
        self, matrix: np.ndarray, codes: np.ndarray, weights: np.ndarray | None
    ) -> None: ...
    def weigh(self, weights: np.ndarray) -> None: ...
    def search(
        self,
        constraints: Any,
        *,
        max_features: int,
        max_logit: float,
        fixed_slope: float,
        real: bool,
        gap_tol: float,
        time_limit: float,
        memory_limit: int,
        stop_after: int,
        callback: Callable[[float, int, int], object] | None = None,
    ) -> tuple[dict[str, Any], list[BaseException]]: ...
