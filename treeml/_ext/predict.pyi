import numpy as np

class Rows:
    def __init__(
        self,
        nodes: np.ndarray,
        words: np.ndarray,
        root: np.ndarray,
        sets: np.ndarray,
        columns: list[np.ndarray],
        n_rows: int,
    ) -> None: ...
    def apply(self, n_threads: int) -> np.ndarray: ...
    def add(
        self, value: np.ndarray, output: np.ndarray, score: np.ndarray, n_threads: int
    ) -> None: ...
