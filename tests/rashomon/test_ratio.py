"""Ratio, curve, patterns, ridge volumes and the several-algorithms check: figures and errors."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import qmc

from treeml import RashomonSet, RashomonTreesClassifier
from treeml.datasets import load_german_credit
from treeml.rashomon.hypothesis_space import hypothesis_space
from treeml.rashomon.ratio import (
    CurvePoint,
    RashomonCurve,
    pattern_ratio,
    rashomon_curve,
    rashomon_ratio,
)
from treeml.rashomon.ridge_volume import ridge_volume
from treeml.rashomon.sampled_ratio import sampled_ratio
from treeml.rashomon.several_algorithms import several_algorithms

X, y = load_german_credit()


def small_members(**options):
    rng = np.random.default_rng(0)
    matrix = (rng.random((60, 6)) < 0.5).astype(np.uint8)
    target = (matrix[:, 0] & matrix[:, 1]) ^ (rng.random(60) < 0.1)
    options = {"max_depth": 2, "epsilon": 0.2} | options
    return RashomonTreesClassifier(**options).fit(matrix, target).set_


@pytest.fixture(scope="module")
def members():
    return RashomonTreesClassifier(max_depth=3, epsilon=0.02).fit(X, y).set_


def test_the_ratio_says_what_was_counted(members):
    found = rashomon_ratio(members)
    assert found.count == members.count
    assert found.space == hypothesis_space(members)
    assert found.log10 == pytest.approx(math.log10(found.count) - math.log10(found.space))
    assert f"Of the {found.space} trees of depth 3 or less" in found.theorem
    assert f"{members.count} have an objective of {members.bound:.10g} or less" in found.theorem
    assert rashomon_ratio(members, space=10 * members.count).ratio == Fraction(1, 10)
    part = members.filter(must_use=["duration_in_month"])
    assert rashomon_ratio(part, space=found.space).theorem.endswith("conditions of the filter.")
    assert "no split into two leaves" in rashomon_ratio(small_members(drop_trivial=True)).theorem


def test_an_empty_set_has_the_ratio_0():
    found = rashomon_ratio(small_members().filter(max_leaf_nodes=1))
    assert found.ratio == 0
    assert found.log10 == -math.inf


def test_a_space_smaller_by_its_filter(members):
    shallow = members.filter(max_depth=2)
    assert hypothesis_space(shallow) == hypothesis_space(members, max_depth=2)
    fewer = hypothesis_space(members.filter(must_not_use=["duration_in_month"]), max_depth=2)
    assert fewer < hypothesis_space(shallow)


def test_depth_past_the_rows_adds_nothing():
    members = small_members()
    assert hypothesis_space(members, max_depth=6) == hypothesis_space(members, max_depth=60)


def test_without_a_column_there_are_only_leaves():
    members = small_members().filter(must_not_use=range(6))
    assert rashomon_ratio(members).space == 2
    curve = rashomon_curve(members, max_depths=[0, 3])
    assert [point.space for point in curve.points] == [2, 2]
    assert pattern_ratio(members).space == 2
    assert sampled_ratio(members, n_samples=10, bound=1.0, random_state=0).space == 2
    constant = RashomonTreesClassifier().fit(np.ones((9, 1)), np.arange(9) % 3).set_
    assert rashomon_ratio(constant).space == 3


def test_a_set_from_a_file_has_the_same_ratio(tmp_path):
    members = small_members()
    members.save(tmp_path / "set.json")
    loaded = RashomonSet.load(tmp_path / "set.json")
    assert rashomon_ratio(loaded) == rashomon_ratio(members)
    assert rashomon_curve(loaded) == rashomon_curve(members)


def test_a_time_limit_ends_a_count(members):
    with pytest.raises(TimeoutError, match="smaller max_depth"):
        hypothesis_space(members, max_depth=9, time_limit=0.0)
    curve = rashomon_curve(members, max_depths=[1, 2], time_limit=0.0)
    assert curve.points == ()
    assert curve.ended_by == "time_limit"
    assert "ended the curve" in curve.text


def test_the_risk_falls_and_the_elbow_is_the_corner(members):
    curve = rashomon_curve(members, max_depths=[0, 1, 2], theta=0.01)
    risks = [point.risk for point in curve.points]
    assert risks == sorted(risks, reverse=True)
    assert curve.elbow in (0, 1, 2)
    assert "<- elbow" in curve.text

    def points(risks, logs):
        return tuple(
            CurvePoint(depth, risk, 1, 10**log)
            for depth, (risk, log) in enumerate(zip(risks, logs, strict=True), start=1)
        )

    gamma = points([0.4, 0.2, 0.1, 0.1, 0.1], [3, 3, 4, 10, 20])
    assert RashomonCurve(gamma, 0.01, "error").elbow == 3
    assert RashomonCurve(gamma[:2], 0.01, "error").elbow is None
    flat = points([0.1, 0.1, 0.1], [1, 2, 3])
    assert RashomonCurve(flat, 0.01, "error").elbow == 1


def test_bad_input_of_the_curve(members):
    for depths in ([], [2, 1], [1, 1], [-1]):
        with pytest.raises(ValueError, match="increasing"):
            rashomon_curve(members, max_depths=depths)
    for theta in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="theta"):
            rashomon_curve(members, theta=theta)
    with pytest.raises(ValueError, match="risk"):
        rashomon_curve(members, risk="loss")
    with pytest.raises(ValueError, match="smaller theta"):
        rashomon_curve(members, theta=1e9)


def test_draws_repeat_and_agree_with_the_count():
    members = RashomonTreesClassifier(max_depth=2, epsilon=0.02).fit(X, y).set_
    exact = rashomon_ratio(members)
    found = sampled_ratio(members, n_samples=1000, space=exact.space, random_state=0)
    assert found == sampled_ratio(members, n_samples=1000, space=exact.space, random_state=0)
    assert found.log10_low <= exact.log10 <= found.log10_high
    assert found.interval[0] < found.ratio < found.interval[1]
    assert 1 <= found.effective_sample_size <= found.n_members <= found.n_samples == 1000


def test_a_bound_and_a_depth_of_their_own():
    members, wide = small_members(), small_members(epsilon=0.6, max_depth=3)
    found = sampled_ratio(members, bound=wide.bound, max_depth=3, n_samples=2000, random_state=1)
    exact = rashomon_ratio(wide)
    assert found.space == exact.space
    assert found.log10_low <= exact.log10 <= found.log10_high


def test_no_draw_in_the_set_says_nothing():
    members = small_members()
    found = sampled_ratio(members, n_samples=10, bound=0.0)
    assert found.n_members == 0
    assert (found.ratio, found.log10_high) == (0, 0)
    assert found.log10_low == -math.log10(found.space)
    assert not found.is_reliable


def test_bad_input_of_the_draws():
    members = small_members()
    with pytest.raises(ValueError, match="10 or more"):
        sampled_ratio(members, n_samples=3)
    with pytest.raises(ValueError, match="bound=nan"):
        sampled_ratio(members, bound=math.nan)
    with pytest.raises(ValueError, match="confidence"):
        sampled_ratio(members, confidence=1.0)
    for method in (sampled_ratio, pattern_ratio):
        with pytest.raises(ValueError, match="must_use"):
            method(members.filter(must_use=[0]))


def test_patterns_that_are_too_many_are_a_lower_bound():
    members = small_members()
    exact = pattern_ratio(members)
    assert 0 < exact.ratio < 1
    stopped = pattern_ratio(members, most=exact.space - 1)
    assert stopped.count == exact.count
    assert stopped.count_is_exact
    assert not stopped.space_is_exact
    assert stopped.space <= exact.space
    assert "at least" in stopped.text
    late = pattern_ratio(members, time_limit=0.0)
    assert (late.count, late.count_is_exact, late.space_is_exact) == (0, False, False)
    assert late.space == 1
    assert "at least" not in exact.text


@pytest.mark.parametrize(("n", "p", "alpha"), [(30, 2, 0.5), (20, 3, 2.0), (2, 3, 1.5), (30, 3, 0)])
def test_a_ridge_volume_is_that_of_random_points(n, p, alpha):
    rng = np.random.default_rng([n, p])
    A, b, theta = rng.normal(size=(n, p)), rng.normal(size=n), 0.7
    found = ridge_volume(A, b, theta=theta, alpha=alpha)
    penalty = alpha * np.eye(p)
    np.testing.assert_allclose(found.coef, np.linalg.solve(A.T @ A + penalty, A.T @ b), atol=1e-9)
    reach = found.semi_axes[0]
    unit = 2 * qmc.Sobol(p, seed=0).random(2**15) - 1
    w = found.coef + reach * unit
    loss = ((w @ A.T - b) ** 2).sum(axis=1) + alpha * (w**2).sum(axis=1)
    share = (loss <= found.loss + theta).mean()
    assert math.exp(found.log_volume) == pytest.approx(share * (2 * reach) ** p, rel=0.03)


def test_the_ridge_volume_of_orthonormal_columns_is_that_of_a_ball():
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.normal(size=(20, 4)))[0]
    found = ridge_volume(A, rng.normal(size=20), theta=0.3, alpha=0.2)
    radius = math.sqrt(0.3 / 1.2)
    assert math.exp(found.log_volume) == pytest.approx(math.pi**2 / 2 * radius**4)
    assert found.semi_axes == pytest.approx([radius] * 4)
    assert ridge_volume(A, A[:, 0], theta=0.0, alpha=0.2).log_volume == -math.inf


def test_bad_input_of_the_ridge_volume():
    A = np.ones((5, 2))
    with pytest.raises(ValueError, match="infinite"):
        ridge_volume(A, np.arange(5.0), theta=1.0, alpha=0.0)
    with pytest.raises(ValueError, match="theta=-1"):
        ridge_volume(A, np.arange(5.0), theta=-1.0, alpha=1.0)
    with pytest.raises(ValueError, match="alpha=nan"):
        ridge_volume(A, np.arange(5.0), theta=1.0, alpha=math.nan)
    with pytest.raises(ValueError, match="NaN"):
        ridge_volume(A, np.full(5, np.nan), theta=1.0, alpha=1.0)


def test_learners_that_are_alike_and_apart():
    rng = np.random.default_rng(0)
    easy = (rng.random((90, 5)) < 0.5).astype(np.uint8)
    alike = several_algorithms(easy, easy[:, 0], cv=3, random_state=0)
    assert alike.verdict == "alike"
    assert "no proof" in alike.text
    parity = easy[:, 0] ^ easy[:, 1] ^ easy[:, 2]
    apart = several_algorithms(easy, parity, cv=3, random_state=0)
    assert apart.verdict == "apart"
    assert apart.spread == apart.scores.max() - apart.scores.min()
    assert "does not follow" in apart.text
    table = apart.table
    assert list(table.columns) == ["score", "standard_error", "fold_1", "fold_2", "fold_3"]
    assert len(table) >= 5
    assert table["score"].is_monotonic_decreasing
    assert table["score"].iloc[0] == pytest.approx(
        table.filter(like="fold").iloc[0].mean(), abs=0.01
    )


def test_learners_read_raw_tables_and_repeat():
    part, target = X.iloc[:100], y[:100]
    found = several_algorithms(part, target, cv=2, random_state=3)
    again = several_algorithms(part, target, cv=2, random_state=3)
    assert found.table.equals(again.table)
    wrong = found.scores * (1 - found.scores)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(wrong / 99))


def test_bad_input_of_the_learners():
    part, target = X.iloc[:20], np.arange(20) % 2
    with pytest.raises(ValueError, match="2 folds"):
        several_algorithms(part, target, cv=1)
    with pytest.raises(ValueError, match="only"):
        several_algorithms(part, np.zeros(20, dtype=int))
    with pytest.raises(ValueError, match="'b' has 3 rows"):
        several_algorithms(part, ["b"] * 3 + ["a"] * 17)
