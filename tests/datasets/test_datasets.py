"""The tables that come with the package."""

import csv

import numpy as np
import pytest

from treeml.binarize import Binarizer
from treeml.datasets import GERMAN_CREDIT_COSTS, NAMES, data_path, load_german_credit


def test_german_credit():
    X, y = load_german_credit()
    assert X.shape == (1000, 20)
    assert y.value_counts().to_dict() == {"good": 700, "bad": 300}
    assert y.name == "creditability"
    assert not X.isna().any().any()
    assert X.select_dtypes("number").shape[1] == 7
    assert (X["other_debtors_or_guarantors"] == "none").any()
    assert set(GERMAN_CREDIT_COSTS) == {("bad", "good"), ("good", "bad")}


def test_german_credit_as_arrays():
    X, y = load_german_credit(as_frame=False)
    assert isinstance(X, np.ndarray)
    assert (X.shape, X.dtype, y.shape) == ((1000, 20), object, (1000,))


def test_german_credit_makes_a_hundred_predicates():
    binarizer = Binarizer().fit(*load_german_credit())
    assert 60 <= len(binarizer.predicates_) <= 100
    assert binarizer.findings_ == ()


def test_paths():
    for name in NAMES:
        with data_path(name).open(newline="") as lines:
            assert "creditability" in next(csv.reader(lines))
        assert data_path(f"{name}.csv").with_suffix(".md").is_file()
    with pytest.raises(ValueError, match="no bundled table is called 'iris'; there are: german"):
        data_path("iris")
