"""Where numbers are cut, and the number that stands for a cut."""

from decimal import Decimal

import numpy as np
import pytest

from treeml.binarize.cuts import (
    distinct_values,
    entropy_boundaries,
    quantile_boundaries,
    thresholds,
)


def cuts_of(values):
    distinct = np.unique(np.asarray(values, dtype=np.float64))
    return thresholds(distinct, np.arange(len(distinct) - 1)).tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], [1]),
        ([-2, -1], [-2]),
        ([-1, 2], [0]),
        ([18, 45, 46], [31, 45]),
        ([0.5, 1.5], [1]),
        ([0.1, 0.2], [0.15]),
        ([1.2, 1.9, 2.1], [1.5, 2]),
        ([-0.25, 0.5], [0]),
        ([1234.5, 1303.25], [1270]),
        ([0.001, 1000.5], [500]),
        ([1e-12, 3e-12], [2e-12]),
        ([1.5e300, 2.5e300], [2e300]),
        ([-1.5e-300, -0.5e-300], [-1e-300]),
        ([-1.7e308, 1.7e308], [0]),
    ],
)
def test_readable_thresholds(values, expected):
    assert cuts_of(values) == expected


def test_adjacent_floats():
    for low in (1.0, 0.1, -0.1, 123456.789, 1e300, -1e300, 5e-324, 0.0, -5e-324, 2.0**53, 1e22):
        high = np.nextafter(low, np.inf)
        (cut,) = cuts_of([low, high])
        assert low <= cut < high
    assert str(cuts_of([-5e-324, 5e-324])[0]) == "0.0"


def test_thresholds_lie_between_their_neighbours():
    rng = np.random.default_rng(0)
    for scale in (1e-308, 1e-30, 1e-3, 1.0, 1e6, 1e15, 1e17, 1e300):
        distinct = np.unique(rng.normal(size=400) * scale)
        cuts = thresholds(distinct, np.arange(len(distinct) - 1))
        assert (distinct[:-1] <= cuts).all()
        assert (cuts < distinct[1:]).all()


def test_thresholds_are_the_shortest_decimals():
    rng = np.random.default_rng(1)
    distinct = np.unique(rng.normal(size=60))
    cuts = thresholds(distinct, np.arange(len(distinct) - 1))
    for low, high, cut in zip(distinct, distinct[1:], cuts, strict=False):
        quarter = (high - low) / 4
        digits = len(Decimal(repr(float(cut))).normalize().as_tuple().digits)
        for fewer in range(1, digits):
            shorter = float(f"{(low + high) / 2:.{fewer - 1}e}")
            assert not low + quarter < shorter < high - quarter


def test_distinct_values_and_weights():
    values = np.array([3.0, 1.0, 3.0, -0.0, 0.0])
    distinct, totals = distinct_values(values, None)
    assert distinct.tolist() == [0, 1, 3]
    assert totals.tolist() == [2, 1, 2]
    assert distinct_values(values, np.arange(5.0))[1].tolist() == [7, 1, 2]
    by_class = distinct_values(values, None, np.array([0, 1, 1, 0, 0]))[1]
    assert by_class.tolist() == [[2, 0], [0, 1], [1, 1]]


def test_few_values_are_all_separated():
    assert quantile_boundaries(np.array([5.0, 1, 1]), 3).tolist() == [0, 1]
    assert quantile_boundaries(np.ones(50), None).tolist() == list(range(49))
    assert quantile_boundaries(np.ones(1), 8).tolist() == []


def test_quantiles_of_equal_weights():
    assert quantile_boundaries(np.ones(100), 4).tolist() == [24, 49, 74]


def test_quantiles_take_the_nearest_boundary():
    # total 12, targets 4 and 8; weights before the gaps: 3, 5, 9, 10, 11
    assert quantile_boundaries(np.array([3.0, 2, 4, 1, 1, 1]), 3).tolist() == [0, 2]


@pytest.mark.parametrize("place", [0, 50, 99])
def test_a_heavy_value_leaves_its_bins_to_the_rest(place):
    totals = np.ones(100)
    totals[place] = 1000
    boundaries = quantile_boundaries(totals, 8)
    assert len(boundaries) == 7
    bins = np.add.reduceat(totals, [0, *(boundaries + 1)])
    assert np.sort(bins)[-2] <= 60


def test_entropy_finds_the_class_border():
    counts = np.zeros((40, 2))
    counts[:25, 0] = counts[25:, 1] = 3
    assert entropy_boundaries(counts, None).tolist() == [24]


def test_entropy_finds_nothing_in_noise():
    rng = np.random.default_rng(0)
    counts = np.eye(2)[rng.integers(0, 2, 500)]
    assert entropy_boundaries(counts, None).tolist() == []


def test_entropy_takes_the_best_cuts_first():
    labels = np.repeat([0, 1, 2, 0], [100, 100, 100, 30])
    counts = np.eye(3)[labels]
    assert entropy_boundaries(counts, None).tolist() == [99, 199, 299]
    assert len(entropy_boundaries(counts, 3)) == 2


def test_entropy_of_tiny_columns():
    assert entropy_boundaries(np.array([[1.0, 0.0]]), None).tolist() == []
    assert entropy_boundaries(np.array([[0.4, 0.0], [0.0, 0.4]]), None).tolist() == []
