"""Columns of codes from outside against the definitions, on random texts and random codes."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

from tests.oracle.test_sequences import (
    Case,
    check_tree,
    grow,
    random_case,
    random_weights,
    slow_distribution,
)
from treeml._ext import sequence as native

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "60"))
N_CODES = 6


def coded_case(rng: np.random.Generator) -> tuple[Case, np.ndarray]:
    case = random_case(rng)
    codes = rng.integers(0, N_CODES, (len(case.places), 2)).astype(np.uint16)
    codes[:, 1] = [(row[1] + rng.integers(0, 2)) % N_CODES for row in case.places]  # it knows
    own = 6 + 2 * (1 + int(case.traits[1].max()))
    case.columns += [(own, 0, -1, N_CODES), (own + 1, 0, -1, N_CODES)]
    case.charges += [1.0, 0.0]
    case.stream = native.Texts(case.traits, case.tokens, case.lengths, case.context, codes)
    pairs = zip(case.places, codes.tolist(), strict=True)
    case.places = [(before, token, (*derived, *row)) for (before, token, derived), row in pairs]
    return case, codes


def mixture(case: Case, tree: native.Tree, document: bool) -> native.Mixture:
    return native.Mixture(
        [tree],
        case.traits,
        case.context,
        document=document,
        ngram=None,
        recall=None,
        frequency=np.full(case.n_tokens, 1 / case.n_tokens, dtype=np.float32),
        ranks=np.ascontiguousarray(case.orders[0]),
        n_encoders=2,
    )


@pytest.mark.parametrize("seed", range(CASES // 2))
def test_trees_and_probabilities(seed: int) -> None:
    rng = np.random.default_rng([seed, 20])
    case, _ = coded_case(rng)
    rows_to_cut = int(rng.choice([1, 4, 15]))
    tree = grow(case, rows_to_cut=rows_to_cut)
    options = {"rows_to_cut": rows_to_cut, "min_rows": 1, "rate": 0.2, "cost": 0.0}
    rows_of = check_tree(case, tree, suffixes=True, **options)
    tree.weights = random_weights(rng, tree)
    arrays, weights = tree.arrays(), tree.weights
    mixed = mixture(case, tree, document=False)
    text = rng.integers(1, case.n_tokens, 6)
    codes = rng.integers(0, N_CODES, (7, 2)).astype(np.uint16)
    log = mixed.score(text.astype(np.uint16), np.array([6]), native.Limits(), codes)
    reader = native.Reader(mixed)
    places = case.places_of([text.tolist()])
    for at, (before, token, derived) in enumerate(places):
        reader.set_codes(codes[at])
        p = reader.next()
        place = (before, token, (*derived, *codes[at].tolist()))
        wanted = slow_distribution(case, arrays, rows_of, place, weights)
        np.testing.assert_allclose(p, wanted, rtol=1e-5)
        assert math.exp(log[at]) == pytest.approx(p[token], rel=1e-12)
        reader.push(np.array([token], dtype=np.uint16))


@pytest.mark.parametrize("seed", range(CASES // 6))
def test_texts_one_after_another(seed: int) -> None:
    """Weights are fitted and texts scored with each position's own codes."""
    rng = np.random.default_rng([seed, 21])
    case, codes = coded_case(rng)
    tree = grow(case, rows_to_cut=2)
    mixed = mixture(case, tree, document=True)
    first = np.zeros(len(case.lengths), dtype=np.int64)
    mixed.learn(case.tokens, case.lengths, first, native.Limits(), 5, codes)
    together = mixed.score(case.tokens, case.lengths, native.Limits(), codes)
    at = 0
    for text, length in zip(case.texts, case.lengths.tolist(), strict=True):
        own = np.ascontiguousarray(codes[at : at + length + 1])
        alone = mixed.score(text, np.array([length]), native.Limits(), own)
        assert alone.tolist() == together[at : at + length + 1].tolist()
        at += length + 1
