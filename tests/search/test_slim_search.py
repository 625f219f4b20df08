"""The search for cards of least 0-1 loss: limits, refusals, linear constraints, order of rows."""

import itertools
import os
import signal
import threading
import time

import numpy as np
import pytest
from scipy.optimize import LinearConstraint

from treeml._core.control import Control
from treeml.search.card_constraints import CardConstraints
from treeml.search.slim import slim
from treeml.search.slim_milp import LinearRows, SlimProgram, best_of_program
from treeml.search.slim_packing import packed_errors
from treeml.search.slim_problem import SlimProblem


@pytest.fixture(scope="module")
def hard():
    """Noise over many questions: minutes of search for eight terms."""
    rng = np.random.default_rng(0)
    X = (rng.random((2000, 60)) < 0.5).astype(np.float64)
    return X, (X[:, :8].sum(axis=1) + rng.normal(size=2000) > 4).astype(np.int32)


@pytest.fixture(scope="module")
def reals():
    """Columns of many values, which are searched point by point."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 12))
    return X, (X[:, :5].sum(axis=1) + rng.normal(size=400) > 0).astype(np.int32)


def honest(r, X, y):
    """What must hold of a card whose proof is not complete."""
    error = float(((r.intercept + X @ r.points > 0) != y).mean())
    assert r.error == pytest.approx(error)
    assert r.objective == pytest.approx(error + r.tie * np.abs(r.points).sum(), abs=1e-12)
    assert 0 <= r.lower_bound <= r.objective
    assert r.gap == pytest.approx(1 - r.lower_bound / r.objective)
    assert (np.diff(r.history[:, 0]) >= 0).all()
    assert (np.diff(r.history[:, 1]) <= 0).all()
    assert (np.diff(r.history[:, 2]) >= 0).all()
    assert (r.history[:, 2] <= r.objective + 1e-12).all()


@pytest.mark.parametrize("data", ["hard", "reals"])
@pytest.mark.parametrize("limit", [0.0, 0.4])
def test_time_limit(data, limit, request):
    X, y = request.getfixturevalue(data)
    r = slim(X, y, max_features=8, control=Control(time_limit=limit))
    assert r.status == "time_limit"
    assert r.seconds < limit + 3  # on a machine that does nothing else: .1
    honest(r, X, y)


@pytest.mark.parametrize("limit", [0, 3_000_000])
def test_memory_limit(hard, limit):
    r = slim(*hard, max_features=8, control=Control(memory_limit=limit, stop_after=30_000))
    assert r.status in ("memory_limit", "time_limit") if limit else r.status == "memory_limit"
    assert limit == 0 or r.counters["bytes"] <= limit
    honest(r, *hard)


def test_ctrl_c_returns_the_best_so_far(hard):
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    r = slim(*hard, max_features=8, control=Control(time_limit=60))
    timer.join()
    assert r.status == "interrupted"
    honest(r, *hard)


def test_progress_is_told_and_its_exceptions_end_the_search(hard):
    known = []
    slim(
        *hard, max_features=8, control=Control(time_limit=0.5, progress=lambda *a: known.append(a))
    )
    assert len(known) >= 2
    assert all(lower <= upper for _, upper, lower in known)

    def fail(*known):
        raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        slim(*hard, max_features=8, control=Control(time_limit=20, progress=fail))


def test_gap_tol(hard):
    r = slim(*hard, max_features=3, control=Control(gap_tol=0.3, time_limit=60))
    assert r.status in ("gap_tol", "optimal")
    assert r.gap <= 0.3


def test_stops_repeat(hard):
    first, second = (
        slim(*hard, max_features=6, control=Control(stop_after=3000)) for _ in range(2)
    )
    assert first.status == "time_limit"
    assert (first.points == second.points).all()
    assert first.counters == second.counters


def test_a_card_to_begin_with(hard):
    X, y = hard
    start = np.zeros(60, dtype=np.int64)
    start[:8] = 1
    r = slim(X, y, max_features=8, control=Control(stop_after=0), start=start)
    assert (r.points == start).all()
    assert r.error < 0.25
    honest(r, X, y)


@pytest.mark.parametrize("kind", ["yes_no", "mixed"])
def test_the_order_of_rows_does_not_matter(kind):
    rng = np.random.default_rng(2)
    X = rng.integers(0, 2, (200, 9)).astype(np.float64)
    if kind == "mixed":
        X[:, :2] = np.round(rng.normal(size=(200, 2)), 1)
    y = (X[:, :4].sum(axis=1) + rng.normal(size=200) > 2).astype(np.int32)
    one = slim(X, y, max_features=3)
    order = rng.permutation(200)
    other = slim(X[order], y[order], max_features=3)
    assert one.status == other.status == "optimal"
    assert (one.points == other.points).all()
    assert one.intercept == other.intercept
    assert one.objective == other.objective


def test_the_tie_break_takes_the_smallest_points():
    X = np.array([[0.0], [1], [2], [3]])
    r = slim(X, np.array([0, 0, 1, 1], dtype=np.int32), max_features=1)
    assert r.points.tolist() == [1]
    assert r.intercept == -1.5
    assert r.error == 0
    assert r.objective == r.lower_bound == r.tie


def test_decimals_are_taken_exactly():
    """3 x .1 and .3 are one score, though floating point has two."""
    X = np.array([[0.1, 0.0], [0.0, 0.3], [0.1, 0.3]])
    constraints = CardConstraints(np.array([3, 1]), np.array([3, 1]))
    y = np.array([0, 1, 1], dtype=np.int32)
    r = slim(X, y, max_features=2, constraints=constraints)
    assert r.status == "optimal"
    assert ((r.intercept + X @ r.points > 0) == y).all()


def test_refusals_name_what_conflicts():
    X = np.array([[0.0, 1], [1, 0], [1, 1], [0, 0]])
    y = np.array([0, 1, 1, 0], dtype=np.int32)
    forbidden = CardConstraints(np.array([0, -2]), np.array([0, 2]), required=((0,),))
    with pytest.raises(ValueError, match=r"required \(\(0,\),\); the ranges of points"):
        slim(X, y, max_features=2, constraints=forbidden)
    both = CardConstraints(np.array([-2, -2]), np.array([2, 2]), required=((0,), (1,)))
    with pytest.raises(ValueError, match="max_features=1"):
        slim(X, y, max_features=1, constraints=both)
    noise = np.array([0, 1, 0, 1], dtype=np.int32)
    with pytest.raises(ValueError, match=r"max_fpr=0.0 and min_tpr=1.0"):
        slim(X[[0, 0, 1, 1]], noise, max_features=1, max_fpr=0.0, min_tpr=1.0)
    with pytest.raises(ValueError, match="weight 0"):
        slim(X, y, np.zeros(4), max_features=1)
    with pytest.raises(ValueError, match="has 2 columns; it needs 3"):
        slim(X, y, max_features=1, linear_constraints=LinearConstraint([[1, 1]], 0, 1))
    with pytest.raises(ValueError, match="linear constraints"):
        slim(X, y, max_features=1, linear_constraints=LinearConstraint([[1, 1, 0]], 9, 9))


@pytest.mark.parametrize("seed", range(8))
def test_packed_errors_are_no_more_than_those_of_the_best_card(seed):
    rng = np.random.default_rng([7, seed])
    X = rng.integers(0, 3, (60, 4)).astype(np.float64)
    y = (X[:, 0] + 2 * rng.normal(size=60) > 1).astype(np.int32)
    weight = rng.integers(1, 4, 60).astype(np.float64)
    box = CardConstraints.box(4)
    problem = SlimProblem.make(X, y, weight, 4, box, 0.0, (1.0, 2.0), None, None)
    packed = packed_errors(problem, 5.0)
    assert packed > 0
    equal = [(row == X).all(axis=1) for row in np.unique(X, axis=0)]
    costs = weight * np.where(y == 1, 2, 1)
    certain = sum(min(costs[of & (y == 0)].sum(), costs[of & (y == 1)].sum()) for of in equal)
    best = slim(X, y, weight, max_features=4, class_weight=(1.0, 2.0))
    assert best.status == "optimal"
    assert packed + certain <= best.error * costs.sum() + 1e-6


def test_a_search_that_cannot_end_has_a_bound_all_the_same():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(200, 12))
    y = (rng.random(200) < 0.5).astype(np.int32)
    r = slim(X, y, max_features=8, control=Control(time_limit=1.5))
    assert r.status == "time_limit"
    assert r.lower_bound >= 0.02
    honest(r, X, y)


def best_of_all(X, y, k, low, high, A, least, most):
    """Least number of errors of a card from low to high with some real intercept."""
    best = np.inf
    for points in itertools.product(range(low, high + 1), repeat=X.shape[1]):
        if np.count_nonzero(points) > k:
            continue
        scores = X @ points
        ends = np.unique(scores)
        for below, above in itertools.pairwise([-np.inf, *ends, np.inf]):  # -above < c <= -below
            errors = int(((scores > below) != y).sum())
            if errors < best and some_intercept(A, least, most, points, -above, -below):
                best = errors
    return best


def some_intercept(A, least, most, points, low, high):
    """Whether one of the intercepts above low, up to high, obeys the constraints."""
    strict = low
    for a, lowest, highest in zip(A, least, most, strict=True):
        rest = a[:-1] @ points
        if a[-1] == 0:
            if not lowest <= rest <= highest:
                return False
            continue
        ends = sorted(((lowest - rest) / a[-1], (highest - rest) / a[-1]))
        low, high = max(low, ends[0]), min(high, ends[1])
    return low <= high and high > strict


@pytest.mark.parametrize("seed", range(30))
def test_linear_constraints_against_all_cards(seed):
    rng = np.random.default_rng([3, seed])
    X = rng.integers(0, 2 + seed % 2, (25, 3)).astype(np.float64)
    y = (rng.random(25) < 0.5).astype(np.int32)
    A = rng.integers(-2, 3, (2, 4)).astype(np.float64)
    if seed % 3 == 0:
        A[:, 3] = 0
    least = rng.integers(-3, 1, 2) + rng.choice([0.0, 0.25])
    most = least + rng.choice([0.0, 1.0])
    linear = LinearConstraint(A, least, most)
    expected = best_of_all(X, y, 2, -2, 2, A, least, most)
    box = CardConstraints.box(3, -2, 2)
    if not np.isfinite(expected):
        with pytest.raises(ValueError, match="linear"):
            slim(X, y, max_features=2, constraints=box, linear_constraints=linear)
        return
    r = slim(X, y, max_features=2, constraints=box, linear_constraints=linear)
    values = A @ np.append(r.points, r.intercept)
    assert ((values >= least - 1e-9) & (values <= most + 1e-9)).all()
    assert r.status == "optimal"
    assert round(r.error * 25) == expected
    assert r.lower_bound == r.objective
    for limits in ({"time_limit": 0.0}, {"stop_after": 3}):
        stopped = slim(
            X, y, max_features=2, constraints=box, linear_constraints=[linear],
            control=Control(**limits),
        )  # fmt: skip
        assert stopped.lower_bound <= r.objective + 1e-9
        assert stopped.objective >= r.objective - 1e-9


@pytest.mark.parametrize("on_intercept", [False, True])
def test_the_program_for_highs_finds_the_same(on_intercept):
    rng = np.random.default_rng(9)
    X = rng.integers(0, 3, (40, 4)).astype(np.float64)
    y = (X @ [2, 1, -1, 0] + rng.normal(size=40) > 1).astype(np.int32)
    linear = LinearConstraint([[1, 1, 1, 1, on_intercept]], -0.5, 0.5)
    box = CardConstraints.box(4, -3, 3)
    native = slim(X, y, max_features=3, constraints=box, linear_constraints=linear)
    problem = SlimProblem.make(X, y, np.ones(40), 3, box, 0.0, (1.0, 1.0), None, None)
    program = SlimProgram(problem, LinearRows(problem, [linear]))
    highs = best_of_program(program, None, 0.0, Control(), time.perf_counter())
    assert native.status == highs.status == "optimal"
    assert highs.objective == pytest.approx(native.objective, abs=1e-9)
    assert abs(highs.points.sum() + on_intercept * highs.intercept) <= 0.5 + 1e-9


def test_linear_constraints_that_the_best_card_obeys_cost_nothing():
    rng = np.random.default_rng(4)
    X = rng.integers(0, 2, (80, 8)).astype(np.float64)
    y = (X[:, 0] + X[:, 1] + rng.random(80) > 1.4).astype(np.int32)
    free = slim(X, y, max_features=3)
    wide = LinearConstraint(np.ones((1, 9)), -100, 100)
    bound = slim(X, y, max_features=3, linear_constraints=wide)
    assert bound.status == free.status == "optimal"
    assert bound.objective == free.objective
    assert "mip_nodes" not in bound.counters


def test_linear_constraints_along_with_the_others():
    rng = np.random.default_rng(5)
    X = rng.integers(0, 2, (60, 6)).astype(np.float64)
    y = (X @ [2, 1, 1, -1, 0, 0] + rng.normal(size=60) > 1).astype(np.int32)
    constraints = CardConstraints(
        np.array([0, -3, 2, -3, -3, -3]), np.full(6, 3),
        required=((2, 4),), limits=((((0, 1), (3, 4)), 1),), implications=(((2,), (5,)),),
        order=((1, 0),),
    )  # fmt: skip
    zero = LinearConstraint(np.append(np.ones(6), 0)[None, :], 0, 0)  # points that add up to 0
    r = slim(
        X, y, max_features=3, constraints=constraints, max_fpr=0.5, regularization=0.01,
        linear_constraints=zero, control=Control(time_limit=60),
    )  # fmt: skip
    assert r.status == "optimal"
    assert r.points.sum() == 0
    assert constraints.admits(r.points)
    best = min(
        objective(X, y, np.array(points), 0.01, r.tie)
        for points in itertools.product(range(-3, 4), repeat=6)
        if np.count_nonzero(points) <= 3
        and not sum(points)
        and constraints.admits(np.array(points))
    )
    assert r.objective == pytest.approx(best)


def objective(X, y, points, regularization, tie):
    """Of the best cut that predicts 1 for half of the zeros at most."""
    scores = X @ points
    errors = [
        ((scores > cut) != y).mean()
        for cut in (scores.min() - 1, *scores)
        if (scores > cut)[y == 0].mean() <= 0.5
    ]
    size = np.abs(points).sum()
    return min(errors) + regularization * np.count_nonzero(points) + tie * size


def test_within_ten_seconds_it_proves_what_it_takes_minutes_to_enumerate():
    rng = np.random.default_rng(6)
    X = (rng.random((500, 40)) < 0.3).astype(np.float64)
    y = (X[:, :5] @ [3, 2, 2, -2, 1] + rng.normal(size=500) > 1.5).astype(np.int32)
    start = time.process_time()
    r = slim(X, y, max_features=5)
    assert r.status == "optimal"
    assert time.process_time() - start < 10
