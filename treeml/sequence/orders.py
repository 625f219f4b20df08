"""Learned orders of tokens: alike ones lie side by side, so that a threshold is a class of them."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

__all__ = ["NAMES", "learn_orders", "order_codes", "token_classes"]

NAMES = ("next", "previous", "both", "second")
_RANK, _SPARE, _POWERS, _SWEEPS, _DENSE, _MIXED = 40, 10, 6, 15, 400, 24


def learn_orders(
    tokens: np.ndarray, n_tokens: int, names: tuple[str, ...], seed: int = 0
) -> dict[str, NDArray[np.uint16]]:
    """Rank of every token in each order asked for.

    Rows of bigram counts, square roots of shares, are embedded by a truncated singular value
    decomposition; tokens are then divided in two by the best cut along the first principal
    direction of their embeddings, weighted by frequency, and each part again, to the last one.

    Parameters
    ----------
    tokens : ndarray of shape (n,), int
        All texts, each with its end.
    n_tokens : int
        Size of the vocabulary.
    names : tuple of str
        "next": by the tokens that follow; "previous": by those before; "both"; "second": by those
        two places on; "mixed-1", "mixed-2", ...: random projections of all of them.
    seed : int, default=0
        Of the starting vectors.

    Returns
    -------
    dict of str to ndarray of shape (n_tokens,), uint16
    """
    weight = np.bincount(tokens, minlength=n_tokens) + 1.0
    known: dict[str, np.ndarray] = {}

    def rows(name: str) -> np.ndarray:
        if name not in known:
            distance = 2 if name == "second" else 1
            known[name] = _embedding(tokens, n_tokens, distance, name == "previous", seed)
        return known[name]

    out = {}
    for name in names:
        rng = np.random.default_rng([seed, len(name), *map(ord, name)])
        if name == "both":
            points = np.hstack([rows("next"), rows("previous")])
        elif name.startswith("mixed-"):
            points = np.hstack([rows("next"), 0.7 * rows("previous"), 0.7 * rows("second")])
            points = points @ rng.normal(size=(points.shape[1], _MIXED))
        else:
            points = rows(name)
        out[name] = _order(points, weight, rng)
    return out


def token_classes(
    rank: np.ndarray, counts: np.ndarray, n_classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Cut an order into classes of about the same sum of square roots of counts.

    Parameters
    ----------
    rank : ndarray of shape (n_tokens,), uint16
        Of each token in the order.
    counts : ndarray of shape (n_tokens,), int64
        How often each token comes.
    n_classes : int
        At most 256.

    Returns
    -------
    ndarray of shape (n_tokens,), uint8
        Class of each token.
    ndarray of shape (n_tokens,), uint16
        Place of each token in its class, from 1 on; 0 for the end symbol, which stands for "none".
    """
    ordered = np.argsort(rank, kind="stable")
    mass = np.sqrt(counts[ordered])
    middle = np.cumsum(mass) - mass / 2
    by_rank = np.minimum(middle * n_classes / max(mass.sum(), 1e-9), n_classes - 1).astype(np.uint8)
    first = np.searchsorted(by_rank, by_rank)
    classes, place = np.empty_like(by_rank), np.empty(len(rank), dtype=np.uint16)
    classes[ordered], place[ordered] = by_rank, np.arange(len(rank)) - first + 1
    place[0] = 0
    return classes, place


def order_codes(
    codes: np.ndarray, n_codes: int, next_tokens: np.ndarray, n_tokens: int, seed: int = 0
) -> NDArray[np.uint16]:
    """Rank of every code in an order by the tokens that follow it, as `learn_orders` makes them.

    Parameters
    ----------
    codes, next_tokens : ndarray of shape (n,), int
        A code, and the token behind it.
    n_codes, n_tokens : int
    seed : int, default=0

    Returns
    -------
    ndarray of shape (n_codes,), uint16
    """
    rng = np.random.default_rng(seed)
    counts = csr_matrix(
        coo_matrix((np.ones(len(codes)), (codes, next_tokens)), (n_codes, n_tokens))
    )
    weight = np.bincount(codes, minlength=n_codes) + 1.0
    counts.data = np.sqrt(counts.data / np.repeat(weight, np.diff(counts.indptr)))
    if n_codes <= _DENSE:
        left, values, _ = np.linalg.svd(counts.toarray(), full_matrices=False)
        left, values = left[:, :_RANK], values[:_RANK]
    else:
        left, values = _leading(counts, rng)
    return _order(left * values, weight, rng)


def _embedding(
    tokens: np.ndarray, n_tokens: int, distance: int, transposed: bool, seed: int
) -> np.ndarray:
    before, after = tokens[:-distance], tokens[distance:]
    if transposed:
        before, after = after, before
    out = np.zeros((n_tokens, _RANK))
    seen = np.unique(np.concatenate([before, after]))
    if not len(seen):
        return out
    before, after = np.searchsorted(seen, before), np.searchsorted(seen, after)
    ones, n = np.ones(len(before)), len(seen)
    counts = csr_matrix(coo_matrix((ones, (before, after)), (n, n)))
    total = np.asarray(counts.sum(axis=1)).ravel() + 1.0
    counts.data = np.sqrt(counts.data / np.repeat(total, np.diff(counts.indptr)))
    if n <= _DENSE:
        left, values, _ = np.linalg.svd(counts.toarray())
        left, values = left[:, :_RANK], values[:_RANK]
    else:
        left, values = _leading(counts, np.random.default_rng(seed))
    out[seen, : left.shape[1]] = left * values
    return out


def _leading(matrix: csr_matrix, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Leading left singular vectors and values by subspace iteration (Halko, Martinsson & Tropp,
    Finding structure with randomness, 2011, algorithm 4.4), which repeats; ARPACK may not.
    """
    n = cast(tuple[int, int], matrix.shape)[1]
    basis = np.linalg.qr(matrix @ rng.normal(size=(n, _RANK + _SPARE)))[0]
    for _ in range(_POWERS):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    left, values, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    return (basis @ left)[:, :_RANK], values[:_RANK]


def _order(points: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> NDArray[np.uint16]:
    n = len(points)
    rank = np.empty(n, dtype=np.uint16)
    at = 0
    stack = [np.arange(n)]
    while stack:
        here = stack.pop()
        if len(here) <= 2:
            rank[here] = np.arange(at, at + len(here))
            at += len(here)
            continue
        first, second = _halves(points[here], weight[here], rng)
        stack.append(here[second])
        stack.append(here[first])
    return rank


def _halves(
    points: np.ndarray, weight: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two clusters of least squared error along the first principal direction."""
    centred = points - weight @ points / weight.sum()
    direction = rng.normal(size=points.shape[1])
    for _ in range(_SWEEPS):
        direction = centred.T @ (weight * (centred @ direction))
        direction /= math.sqrt(direction @ direction) + 1e-12
    place = centred @ direction
    by_place = np.argsort(place, kind="stable")
    left = np.cumsum(weight[by_place])
    moment = np.cumsum(weight[by_place] * place[by_place])
    right = left[-1] - left[:-1] + 1e-9
    between = moment[:-1] ** 2 / left[:-1] + (moment[-1] - moment[:-1]) ** 2 / right
    cut = int(np.argmax(between)) + 1
    return by_place[:cut], by_place[cut:]
