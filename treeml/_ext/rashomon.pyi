from collections.abc import Collection

import numpy as np

class RashomonSearch:
    def __init__(
        self,
        columns: np.ndarray,
        n_rows: int,
        statistics: np.ndarray,
        class_weight: np.ndarray,
        *,
        leaf_cost: int,
        min_samples_leaf: int,
        traced: np.ndarray | None = None,
    ) -> None: ...
    def optimum(
        self, max_depth: int, *, time_limit: float, memory_limit: int, stop_after: int = -1
    ) -> tuple[int, int, list[tuple[int, int, int]], int, list[BaseException]]: ...

class RashomonSet:
    def __init__(
        self,
        search: RashomonSearch,
        *,
        max_depth: int,
        budget: int,
        optimum: int,
        any_label: bool,
        drop_trivial: bool,
        max_leaves: int = 0,
        excluded: Collection[int] = (),
        marks: Collection[int] = (),
        n_marks: int = 0,
    ) -> None: ...
    def count(
        self, *, time_limit: float, memory_limit: int, stop_after: int = -1
    ) -> tuple[bool, int, list[BaseException]]: ...
    def histogram(self) -> tuple[int, list[list[int]]]: ...
    def select(self, cost: int, part: int, rank: int) -> list[tuple[int, int, int, int]]: ...
    def rank(self, nodes: Collection[tuple[int, int, int, int]]) -> tuple[int, int, int] | None: ...
    def votes(
        self,
        counted: Collection[int],
        *,
        modulus: int,
        time_limit: float,
        memory_limit: int,
        stop_after: int = -1,
    ) -> tuple[bool, list[int], int, list[BaseException]]: ...
    def uses(
        self,
        features: np.ndarray,
        *,
        n_features: int,
        modulus: int,
        time_limit: float,
        memory_limit: int,
        stop_after: int = -1,
    ) -> tuple[bool, list[int], int, list[BaseException]]: ...
    def probabilities(
        self,
        numbers: np.ndarray,
        counted: Collection[int],
        *,
        has_rows: bool,
        time_limit: float,
        memory_limit: int,
        stop_after: int = -1,
    ) -> tuple[bool, list[tuple[int, int]], list[tuple[int, int]], int, list[BaseException]]: ...
    def vectors(
        self,
        numbers: np.ndarray,
        counted: Collection[int],
        *,
        has_rows: bool,
        time_limit: float,
        memory_limit: int,
        stop_after: int = -1,
    ) -> tuple[bool, list[int], list[int], int, list[BaseException]]: ...
    def nearest(
        self,
        scores: np.ndarray,
        counted: Collection[int],
        *,
        goal: int,
        steps: int,
        time_limit: float,
        memory_limit: int,
        stop_after: int = -1,
    ) -> tuple[bool, int, int, list[tuple[int, int, int, int]], int, list[BaseException]]: ...
    def counters(self) -> dict[str, int]: ...

class Ranges:
    def __init__(
        self,
        trees: RashomonSet,
        *,
        of_group: Collection[tuple[int, int]] | None = None,
        n_classes: int = 0,
        chosen: int = 0,
        delta: tuple[int, int] = (0, 1),
        has_rows: bool = False,
    ) -> None: ...
    def find(
        self, scores: np.ndarray, *, time_limit: float, memory_limit: int, stop_after: int = -1
    ) -> tuple[bool, int, list[BaseException]]: ...
    def greatest(self, cost: int, part: int) -> int | None: ...
    def attaining(self, cost: int, part: int) -> list[tuple[int, int, int, int]]: ...
