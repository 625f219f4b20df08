"""Types of ``_ext/sequence.pyx``."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NODE: np.dtype

class Limits:
    def __init__(self, seconds: float = -1.0, stop_after: int = -1, n_threads: int = 1) -> None: ...
    @property
    def stop(self) -> int: ...
    @property
    def raised(self) -> list[BaseException]: ...
    def elapsed(self) -> float: ...

class Texts:
    n_tokens: int
    context: int
    def __init__(
        self,
        traits: NDArray[np.uint8],
        tokens: NDArray[np.uint16],
        lengths: NDArray[np.int64],
        context: int,
        codes: NDArray[np.uint16] | None = None,
    ) -> None: ...
    @property
    def positions(self) -> NDArray[np.int32]: ...
    @property
    def tokens(self) -> NDArray[np.uint16]: ...

class Tree:
    evaluations: int
    def __init__(
        self,
        columns: Sequence[tuple[int, int, int, int]],
        charges: Sequence[float],
        orders: NDArray[np.uint16],
        train: Texts,
        cut_exponent: float,
        equality_exponent: float,
    ) -> None: ...
    def grow(
        self,
        texts: Texts,
        rows: NDArray[np.int32],
        limits: Limits,
        *,
        rows_to_cut: int,
        max_leaves: int,
        suffixes: bool,
        longest: int,
        min_rows: int,
        sweeps: int,
        charge_rate: float,
        cut_cost: float,
        move_cost: float,
        rows_to_screen: int,
    ) -> None: ...
    def fit_weights(
        self, texts: Texts, rows: NDArray[np.int32], limits: Limits, steps: int
    ) -> float: ...
    def log_probabilities(self, texts: Texts, rows: NDArray[np.int32]) -> NDArray[np.float64]: ...
    @property
    def weights(self) -> NDArray[np.float64]: ...
    @weights.setter
    def weights(self, given: NDArray[np.float64]) -> None: ...
    def arrays(self) -> dict[str, np.ndarray]: ...
    def set_arrays(
        self,
        nodes: np.ndarray,
        sets: NDArray[np.uint64],
        start: NDArray[np.int64],
        token: NDArray[np.uint16],
        count: NDArray[np.float32],
        rest: NDArray[np.float64] | None = None,
    ) -> None: ...
    def node_counts(self, node: int) -> tuple[list[tuple[int, float, float]], float, float]: ...
    def leaves(self, texts: Texts, rows: NDArray[np.int32]) -> NDArray[np.int32]: ...
    @property
    def n_nodes(self) -> int: ...
    @property
    def n_counts(self) -> int: ...

class Pruner:
    tree: Tree
    def __init__(self, tree: Tree, novelty: float) -> None: ...
    def prune(self, price: float) -> dict[str, np.ndarray]: ...

class NGram:
    def __init__(self, texts: Texts, rows: NDArray[np.int32], order: int) -> None: ...
    @property
    def n_grams(self) -> int: ...
    def probabilities(self, texts: Texts, rows: NDArray[np.int32]) -> NDArray[np.float64]: ...

class Recollection:
    def __init__(self, texts: Texts, rows: NDArray[np.int32]) -> None: ...

class Mixture:
    def __init__(
        self,
        trees: list[Tree],
        traits: NDArray[np.uint8],
        context: int,
        *,
        document: bool,
        ngram: NGram | None,
        recall: Recollection | None,
        frequency: NDArray[np.float32],
        ranks: NDArray[np.uint16],
        n_encoders: int = 0,
    ) -> None: ...
    def learn(
        self,
        tokens: NDArray[np.uint16],
        lengths: NDArray[np.int64],
        first: NDArray[np.int64],
        limits: Limits,
        steps: int,
        codes: NDArray[np.uint16] | None = None,
    ) -> tuple[float, float]: ...
    def score(
        self,
        tokens: NDArray[np.uint16],
        lengths: NDArray[np.int64],
        limits: Limits,
        codes: NDArray[np.uint16] | None = None,
    ) -> NDArray[np.float64]: ...
    @property
    def mixed(self) -> bool: ...
    @property
    def parameters(self) -> dict[str, np.ndarray]: ...
    @parameters.setter
    def parameters(self, given: dict[str, np.ndarray]) -> None: ...

class Reader:
    n_tokens: int
    def __init__(self, mixture: Mixture) -> None: ...
    def push(self, tokens: NDArray[np.uint16]) -> None: ...
    def set_codes(self, codes: NDArray[np.uint16]) -> None: ...
    def next(self) -> NDArray[np.float64]: ...
    def log_probability(self, token: int) -> float: ...
    def generate(
        self, uniforms: NDArray[np.float64], temperature: float, top_p: float, limits: Limits
    ) -> NDArray[np.uint16]: ...
    def experts(self, token: int) -> tuple[list[tuple[float, float]], float]: ...
    def boosts(
        self, token: int
    ) -> tuple[tuple[float, float, float], int, list[tuple[int, float]]]: ...
    def path(self, tree: int) -> list[tuple[int, int]]: ...
    def repeats(self, token: int) -> list[tuple[int, int, int, float, float]]: ...
