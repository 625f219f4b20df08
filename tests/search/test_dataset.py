import numpy as np
import pytest

from treeml._core.exact import integer_weights
from treeml.binarize import BinaryDataset
from treeml.search import optimal_tree


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (200, 5)), rng.integers(0, 3, 200)


def test_equal_rows_are_stored_once_in_an_order_of_their_own(rows):
    X, y = rows
    one = BinaryDataset.from_zero_one(X).with_classes(y, 3)
    assert one.n_rows == len(np.unique(X, axis=0))
    assert np.array_equal(one.matrix()[one.row_of], X)
    assert one.statistics[:3].sum() == one.statistics[3].sum() == 200
    order = np.random.default_rng(1).permutation(200)
    other = BinaryDataset.from_zero_one(X[order]).with_classes(y[order], 3)
    assert np.array_equal(one.columns, other.columns)
    assert np.array_equal(one.statistics, other.statistics)


def test_counts_add_up_across_shards(rows):
    X, y = rows
    whole = BinaryDataset.from_zero_one(X).with_classes(y, 3)
    parts = [BinaryDataset.from_zero_one(X[k]).with_classes(y[k], 3) for k in (y < 1, y >= 1)]
    merged = parts[0].merge(parts[1])
    assert np.array_equal(merged.columns, whole.columns)
    assert np.array_equal(merged.statistics, whole.statistics)
    found = [optimal_tree(d, max_depth=3, regularization=0.01) for d in (whole, merged)]
    assert found[0].objective == found[1].objective
    assert np.array_equal(found[0].nodes, found[1].nodes)


def test_other_values_are_refused():
    assert BinaryDataset.from_zero_one(np.array([[0, 2], [1, 1]])) is None
    assert BinaryDataset.from_zero_one(np.array([[0, np.nan], [1, 1]])) is None


@pytest.mark.parametrize(
    ("weights", "values", "scale"),
    [
        ([2.0, 4.0, 6.0], [1, 2, 3], 0.5),
        ([0.5, 0.25, 1.0], [2, 1, 4], 4.0),
        ([0.0, 1.0], [0, 1], 1.0),
    ],
)
def test_weights_on_a_grid_stay_exact(weights, values, scale):
    exact = integer_weights(np.array(weights))
    assert exact.values.tolist() == values
    assert exact.scale == scale
    assert exact.rounding == 0


def test_other_weights_are_rounded_as_stated():
    weights = np.random.default_rng(0).random(50)
    exact = integer_weights(weights)
    assert abs(exact.values / exact.scale - weights).sum() == pytest.approx(exact.rounding)
    assert 0 < exact.rounding < 1e-6
    with pytest.raises(ValueError, match="row 1"):
        integer_weights(np.array([1e9 / 3, 1e-9]))
