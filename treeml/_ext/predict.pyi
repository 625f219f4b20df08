import numpy as np

_Sums = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

class Rows:
    def __init__(
        self,
        nodes: np.ndarray,
        words: np.ndarray,
        root: np.ndarray,
        sets: np.ndarray,
        columns: list[np.ndarray],
        n_rows: int,
        sums: _Sums,
    ) -> None: ...
    def apply(self, n_threads: int) -> np.ndarray: ...
    def add(
        self, value: np.ndarray, output: np.ndarray, score: np.ndarray, n_threads: int
    ) -> None: ...
    def greatest(self, n_threads: int) -> np.ndarray: ...
    def outputs(
        self, sums: _Sums, expert: np.ndarray, score: np.ndarray, n_threads: int
    ) -> None: ...
