from collections.abc import Sequence
from typing import Any

import numpy as np

class SplitColumns:
    n_rows: int
    n_columns: int
    def __init__(
        self,
        codes: Sequence[np.ndarray],
        n_codes: Sequence[int],
        has_missing: Sequence[bool],
        category: Sequence[bool],
        asks_above: Sequence[bool],
        monotone: Sequence[int],
        *,
        n_rows: int,
        n_jobs: int = 1,
        by_row: bool = True,
    ) -> None: ...
    def grow(
        self,
        *,
        criterion: int,
        a: np.ndarray | None = None,
        b: np.ndarray | None = None,
        unit_a: float = 1,
        unit_b: float = 1,
        tilt: float = 0,
        y: np.ndarray | None = None,
        class_unit: Sequence[float] = (),
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        by_row: bool = False,
        rows: np.ndarray | None = None,
        allowed: Sequence[bool] | None = None,
        max_depth: int,
        max_leaves: int,
        rows_to_split: int,
        rows_in_leaf: int,
        weight_in_leaf: float = 0,
        least_gain: float = 0,
        time_limit: float = -1,
        stop_after: int = -1,
    ) -> tuple[dict[str, Any], int, list[BaseException]]: ...
    def boost(
        self,
        *,
        loss: int,
        y: np.ndarray,
        weights: np.ndarray | None = None,
        validation: np.ndarray | None = None,
        n_classes: int = 1,
        rounds: int,
        learning_rate: float,
        l2: float,
        least_hessian: float,
        max_depth: int,
        max_leaves: int,
        patience: int,
        allowed: Sequence[bool] | None = None,
        time_limit: float = -1,
        stop_after: int = -1,
    ) -> tuple[
        np.ndarray,
        list[tuple[int, dict[str, Any]]],
        np.ndarray,
        np.ndarray,
        int,
        list[BaseException],
        np.ndarray,
    ]: ...
    def boosted_splits(
        self,
        *,
        loss: int,
        y: np.ndarray,
        weights: np.ndarray | None = None,
        n_classes: int = 1,
        rounds: int,
        learning_rate: float,
        l2: float,
        least_hessian: float,
        max_depth: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[BaseException]]: ...
