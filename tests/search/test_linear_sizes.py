"""How many leaves a tree with linear leaves gets: folds, deals, and the rule."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from treeml import LinearTreeRegressor
from treeml._core.validation import as_table
from treeml.binarize.leaf_columns import LeafColumns
from treeml.search import linear_leaves
from treeml.search.leaf_tasks import SquaredError
from treeml.search.linear_leaves import (
    FEW_ROWS,
    LeafSettings,
    SizeScores,
    folds_of,
    repeated_folds,
    size_scores,
)
from treeml.search.linear_tree import LinearGrowth

GROW = linear_leaves.fit_linear_leaves


def problem(n: int, seed: int = 0) -> tuple[LeafColumns, SquaredError]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return LeafColumns.fit(as_table(X)), SquaredError(np.abs(X[:, 0]), np.ones(n))


def test_few_rows_are_dealt_several_times_and_equal_rows_stay_together():
    columns, task = problem(50)
    folds = repeated_folds(columns, task)
    assert folds.shape == (3, 50)
    assert np.array_equal(folds[0], folds_of(columns, task))
    for first, second in ((0, 1), (0, 2), (1, 2)):
        together = folds[first] == folds[second]
        assert 0.05 < together.mean() < 0.5
    for fold in folds:
        assert np.bincount(fold).tolist() == [10] * 5
    twice = np.arange(50).repeat(2)
    double = dataclasses.replace(columns, values=columns.values[:, twice])
    again = repeated_folds(double, SquaredError(task.target[twice], np.ones(100)))
    assert np.array_equal(again, folds[:, twice])
    assert repeated_folds(*problem(FEW_ROWS + 1)).shape == (1, FEW_ROWS + 1)
    assert repeated_folds(*problem(4)).shape == (1, 4)  # leaving one out knows one deal


def scores_until(monkeypatch, calls: int) -> SizeScores:
    """Scores of 2 penalties by 5 folds, dealt three times, ended after so many growths."""
    done = [0]

    def ended(*arguments):
        done[0] += 1
        found = GROW(*arguments)
        return dataclasses.replace(found, status="time_limit") if done[0] > calls else found

    monkeypatch.setattr(linear_leaves, "fit_linear_leaves", ended)
    columns, task = problem(60)
    settings = LeafSettings(LinearGrowth(max_leaf_nodes=3))
    return size_scores(columns, task, repeated_folds(columns, task), (1.0, 10.0), settings)


def test_a_limit_keeps_whole_deals_or_the_folds_of_the_first(monkeypatch):
    whole = scores_until(monkeypatch, 99)
    assert (whole.status, whole.errors.shape) == ("optimal", (2, 3, 15))
    part = scores_until(monkeypatch, 23)
    assert (part.status, part.errors.shape) == ("time_limit", (2, 3, 10))
    assert np.array_equal(part.errors, whole.errors[:, :, :10])
    few = scores_until(monkeypatch, 7)
    assert (few.n_folds, few.errors.shape) == (3, (2, 3, 3))
    assert np.array_equal(few.errors, whole.errors[:, :, :3])
    assert (few.fold == -1).sum() == 24
    assert few.one_standard_error()[0] in (1, 2, 3)
    assert scores_until(monkeypatch, 0).n_folds == 0


def made(by_deal: np.ndarray) -> SizeScores:
    """Scores with one penalty and these gains over the linear model, (n_deals, n_sizes, n_rows)."""
    n_deals, _, n = by_deal.shape
    losses = 1.0 - np.concatenate([np.zeros((n_deals, 1, n)), by_deal], axis=1)
    fold = np.stack([np.random.default_rng(k).permutation(n) % 5 for k in range(n_deals)])
    return SizeScores((1.0,), losses[:, None], np.ones(n), fold)


def test_the_linear_model_gives_way_to_two_standard_errors():
    noise = np.random.default_rng(0).normal(size=(1, 1, 400))
    noise = (noise - noise.mean()) / noise.std()
    assert made(0.25 + noise).one_standard_error() == (2, 1.0)
    assert made(0.05 + noise).one_standard_error() == (1, 1.0)
    one_row = np.zeros((1, 1, 400))
    one_row[0, 0, 7] = 50.0  # a mean gain of 1/8, all from one row
    assert made(one_row).one_standard_error() == (1, 1.0)


def test_what_only_one_way_of_dealing_shows_averages_out():
    noise = np.random.default_rng(1).normal(size=(3, 1, 400))
    noise = noise - noise.mean(axis=(1, 2), keepdims=True)
    lucky = np.array([0.3, -0.1, -0.1])[:, None, None] + noise
    assert made(lucky[:1]).one_standard_error() == (2, 1.0)
    assert made(lucky).one_standard_error() == (1, 1.0)


@pytest.mark.parametrize("kind", ["heavy", "leverage", "uneven"])
def test_small_noisy_sets_are_left_to_the_linear_model(kind):
    rng = np.random.default_rng(5)
    n, d = 100, 4
    X = rng.normal(size=(n, d))
    if kind == "leverage":
        X[::30] *= 8
    y = X @ rng.normal(size=d)
    y += {
        "heavy": rng.standard_t(2.5, size=n) * 2,
        "leverage": rng.normal(size=n) * 4,
        "uneven": rng.normal(size=n) * 2 * np.exp(X[:, 0]),
    }[kind]
    gains = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        plain = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15)))
        plain.fit(X[train], y[train])
        ours = LinearTreeRegressor().fit(X[train], y[train])
        gains.append(
            r2_score(y[test], ours.predict(X[test])) - r2_score(y[test], plain.predict(X[test]))
        )
    assert np.mean(gains) > -0.01
