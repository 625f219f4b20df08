"""What the searches for fewest cuts read: rows that some tree must part, chains of cuts."""

from __future__ import annotations

import dataclasses

import numpy as np

from treeml.binarize.dataset import BinaryDataset

__all__ = ["CutExamples", "cut_examples", "refuse_large"]

_MOST_CELLS = 500_000_000
_MOST_COMPARED = 2000  # columns without codes whose chains are worth finding


@dataclasses.dataclass(frozen=True, slots=True)
class CutExamples:
    """What the native search reads.

    Parameters
    ----------
    columns : ndarray of uint64, shape (n_cuts, n_words)
        Rows that answer yes, packed; those of a chain come one after the other, nested.
    chain : ndarray of int32, shape (n_cuts,)
        Number of each cut's chain.
    source : ndarray of intp, shape (n_cuts,)
        Column of the dataset.
    label : ndarray of int32, shape (n_examples,)
        Position in ``classes``.
    weight : ndarray of int64, shape (n_examples,)
        What a wrong answer costs.
    classes : ndarray of intp, shape (n_present,)
        Codes of the classes that some example has.
    unavoidable : int
        Weight of the rows that every model gets wrong and that no example stands for.
    inseparable : int
        Weight of the examples that every model gets wrong, since others answer alike.
    """

    columns: np.ndarray
    chain: np.ndarray
    source: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    classes: np.ndarray
    unavoidable: int
    inseparable: int


def refuse_large(n_rows: int, n_predicates: int) -> None:
    """An error for tables that are far too large to be searched."""
    if n_rows * n_predicates > _MOST_CELLS:
        raise ValueError(
            f"{n_rows:,} rows and {n_predicates:,} predicates are too many for a search for fewest "
            "cuts; take a sample of the rows or a binarizer with fewer bins"
        )


def cut_examples(dataset: BinaryDataset, *, exact_rest: bool) -> CutExamples:
    """Examples of a dataset with class counts.

    Rows with the same answers are one example of the class that is heaviest among them. With two
    classes its weight is what that class has more. With several classes, where a model may choose
    which of them to get wrong, there is one example a class.

    Parameters
    ----------
    dataset : BinaryDataset
    exact_rest : bool
        Whether errors beyond those that cannot be avoided are allowed; only then classes that
        are not the heaviest matter.
    """
    counts = dataset.statistics[:-1]
    present = np.flatnonzero(counts.any(axis=1))
    unavoidable, inseparable = 0, 0
    if len(present) == 2:
        lighter, heavier = counts[present]
        weight = np.abs(heavier - lighter)
        rows = np.flatnonzero(weight)
        codes, weight = present[(heavier > lighter)[rows].astype(np.intp)], weight[rows]
        unavoidable = int(np.minimum(lighter, heavier).sum())
    else:
        most = counts.max(axis=0)
        rest = int((counts.sum(axis=0) - most).sum())
        ties = (((counts == most) & (most > 0)).sum(axis=0) > 1).any()
        if exact_rest or ties:
            rows, codes = np.nonzero(counts.T)
            weight, inseparable = counts[codes, rows], rest
        else:
            rows = np.flatnonzero(most)
            codes, weight = counts.argmax(axis=0)[rows], most[rows]
            unavoidable = rest
    classes, label = np.unique(codes, return_inverse=True)
    columns, chain, source = _cuts(dataset, rows)
    return CutExamples(
        columns=columns,
        chain=chain,
        source=source,
        label=label.astype(np.int32),
        weight=np.ascontiguousarray(weight, dtype=np.int64),
        classes=classes,
        unavoidable=unavoidable,
        inseparable=inseparable,
    )


def _cuts(dataset: BinaryDataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns over the examples that part them, each split once, in chains."""
    refuse_large(len(rows), dataset.n_columns)
    if not len(rows) or not dataset.n_columns:
        nothing = np.zeros(0, dtype=np.int32)
        return np.zeros((0, 1), dtype=np.uint64), nothing, nothing.astype(np.intp)
    words = dataset.columns if len(rows) == dataset.n_rows else _packed(dataset.matrix()[rows])
    sizes = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    full = _packed(np.ones((len(rows), 1), dtype=np.uint8))
    flipped = np.where(words[:, :1] & np.uint64(1), words ^ full, words)  # complements are equal
    splits = flipped.view(np.dtype((np.void, 8 * words.shape[1]))).ravel().tolist()
    first = dict(zip(reversed(splits), range(len(splits) - 1, -1, -1), strict=True))
    kept = np.array(sorted(first.values()), dtype=np.intp)
    kept = kept[(sizes[kept] > 0) & (sizes[kept] < len(rows))]
    if dataset.intervals is None:
        chains = _nested(words, kept.tolist(), sizes)
        source = np.array([j for chain in chains for j in chain], dtype=np.intp)
        chain = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
    else:
        source, chain = _coded(dataset.intervals, kept, sizes)
    return words[source], chain.astype(np.int32), source


def _packed(answers: np.ndarray) -> np.ndarray:
    """Columns of answers, shape (n_rows, n_columns), as words: row r is bit r % 64 of r // 64."""
    bits = np.packbits(answers.T, axis=1, bitorder="little")
    words = np.zeros((answers.shape[1], -(-len(answers) // 64) * 8), dtype=np.uint8)
    words[:, : bits.shape[1]] = bits
    return words.view("<u8").astype(np.uint64)


def _coded(
    intervals: np.ndarray, kept: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chains of the predicates that hold for the lowest codes of one column; others alone."""
    place, low = intervals[kept, 0], intervals[kept, 1]
    key = np.where(low == 0, place, len(intervals) + kept)
    order = np.lexsort((-sizes[kept], key))
    starts = np.diff(key[order], prepend=-1) != 0
    return kept[order], np.cumsum(starts) - 1


def _nested(words: np.ndarray, kept: list[int], sizes: np.ndarray) -> list[list[int]]:
    """Columns of zeros and ones in chains, found greedily from the largest on."""
    if len(kept) > _MOST_COMPARED:
        return [[j] for j in kept]
    chains: list[list[int]] = []
    for j in sorted(kept, key=lambda j: -sizes[j]):
        for chain in chains:
            if not (words[j] & ~words[chain[-1]]).any():
                chain.append(j)
                break
        else:
            chains.append([j])
    return chains
