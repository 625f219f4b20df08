"""What mixtures, trees with linear leaves, routers and distilled routers say to bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from treeml import (
    LinearTreeClassifier,
    LinearTreeRegressor,
    RouterTree,
    SMOSEClassifier,
    SMOSERegressor,
)
from treeml.routing import distil_router

MIXTURES = [
    lambda **more: SMOSERegressor(**{"n_experts": 2, "expert_l2": 1.0} | more, random_state=0),
    lambda **more: SMOSEClassifier(**{"n_experts": 2, "expert_l2": 1.0} | more, random_state=0),
]
TREES = [
    lambda **more: LinearTreeRegressor(**{"max_leaf_nodes": 3, "l2": 1.0} | more),
    lambda **more: LinearTreeClassifier(**{"max_leaf_nodes": 3, "l2": 1.0} | more),
]
ALL = MIXTURES + TREES
KINDS = ("axis", "oblique_sparse")


def rows(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and a target of 0 and 1 that is one for all estimators."""
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, (X[:, 0] + np.abs(X[:, 1]) > 0.5).astype(int)


def holed(X: np.ndarray, value: float = np.nan) -> np.ndarray:
    out = X.copy()
    out[3, 1] = value
    return out


@pytest.fixture(scope="module")
def experts():
    X, y = rows()
    return [("line", LinearRegression().fit(X, y)), ("mean", DummyRegressor().fit(X, y))]


@pytest.fixture(scope="module")
def teacher():
    return SMOSERegressor(n_experts=3, expert_l2=1.0, random_state=0).fit(*rows())


@pytest.mark.parametrize("make", MIXTURES)
def test_a_mixture_refuses_what_it_cannot_multiply_and_says_where(make):
    X, y = rows()
    model = make().fit(X, y)
    named = pd.DataFrame(X, columns=["a", "b", "c"])
    for call in (
        lambda value: make().fit(holed(X, value), y),
        lambda v: model.predict(holed(X, v)),
    ):
        with pytest.raises(ValueError, match=r"contains NaN: column 'x1', row 3.*fill it in"):
            call(np.nan)
        with pytest.raises(ValueError, match="contains infinity: column 'x1', row 3"):
            call(-np.inf)
    with pytest.raises(ValueError, match="column 'b', row 3"):
        make().fit(named.mask(np.isnan(holed(X))), y)
    with pytest.raises(ValueError, match=r"column 'c' holds no numbers.*'u'.*linear leaves"):
        make().fit(named.assign(c=["u", "v"] * 20), y)


@pytest.mark.parametrize("make", MIXTURES)
def test_more_experts_than_different_rows_are_refused(make):
    X, y = rows()
    with pytest.raises(
        ValueError, match="41 experts need as many different rows, but there are 40"
    ):
        make(n_experts=41).fit(X, y)
    with pytest.raises(ValueError, match=r"41 experts need .* but there are 40"):
        make(n_experts=41).fit(np.vstack([X, X]), np.append(y, y))


@pytest.mark.parametrize("make", TREES)
def test_a_tree_has_fewer_leaves_where_rows_are_few(make):
    X, y = rows()
    assert 1 < make(max_leaf_nodes=500).fit(X, y).n_leaves_ <= 40


@pytest.mark.parametrize("make", TREES)
def test_a_tree_asks_about_columns_with_gaps_but_does_not_multiply_them(make):
    X, y = rows()
    model = make().fit(holed(X), y)
    assert all(1 not in expert.read for expert in model.model_.experts)
    assert np.isfinite(model.predict(holed(X))).all()
    with pytest.raises(ValueError, match="column 'x1', row 3: the value is missing"):
        make().fit(X, y).predict(holed(X))
    with pytest.raises(ValueError, match="infinity: column 'x1', row 3"):
        make().fit(holed(X, np.inf), y)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("chosen", [False, True])
def test_constant_columns_leave_one_constant(make, chosen):
    X, y = np.ones((40, 3)), rows()[1]
    by_cv = {name: "cv" for name in make().get_params() if name in ("n_experts", "max_leaf_nodes")}
    model = make(**by_cv if chosen else {}).fit(X, y)
    assert model.model_.n_experts == 1
    answer = model.predict_proba(X)[:, 1] if hasattr(model, "classes_") else model.predict(X)
    assert np.allclose(answer, y.mean())


@pytest.mark.parametrize("make", ALL)
def test_a_constant_column_has_no_coefficient(make):
    X, y = rows()
    X[:, 1] = 7.0
    model = make().fit(X, y)
    assert all((expert.coef[:, 1] == 0).all() for expert in model.model_.experts)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("l2", [1e-12, 1.0])
def test_collinear_columns_share_their_coefficient(make, l2):
    X, y = rows(120)
    name = "expert_l2" if "expert_l2" in make().get_params() else "l2"
    twice = np.column_stack([X, X, X[:, :1] + X[:, 1:2]])
    model, plain = (make(**{name: l2}).fit(Z, y) for Z in (twice, X))
    assert model.score(twice, y) > plain.score(X, y) - 0.05
    for expert in model.model_.experts:
        assert np.isfinite(expert.coef).all()
        assert l2 < 1 or np.allclose(expert.coef[:, 2], expert.coef[:, 5])


@pytest.mark.parametrize("make", ALL)
def test_leaves_with_fewer_rows_than_columns_have_one_answer(make):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(24, 30)), np.arange(24) % 2
    model = make().fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert np.array_equal(model.predict(X), make().fit(X, y).predict(X))
    assert max(np.abs(expert.coef).max() for expert in model.model_.experts) < 10


@pytest.mark.parametrize("make", ALL)
def test_numbers_may_be_large_but_not_a_target_whose_squares_are_infinite(make):
    X, y = rows()
    model = make().fit(X * 1e200, y)
    assert abs(model.score(X * 1e200, y) - make().fit(X, y).score(X, y)) < 0.1
    assert max(np.abs(expert.coef).max() for expert in model.model_.experts) > 0
    if not hasattr(make(), "predict_proba"):
        with pytest.raises(ValueError, match=r"target y, row 2: 1e\+200 is too large"):
            make().fit(X, np.where(np.arange(40) == 2, 1e200, y))


def test_a_router_names_experts_and_places(experts):
    X, y = rows()
    words = "expert 'line' does not take these rows.*column 'x1', row 3: fill such values in"
    with pytest.raises(ValueError, match=words):
        RouterTree(experts).fit(holed(X), y)
    model = RouterTree(experts, max_depth=2).fit(X, y)
    assert set(model.route(X)) == {0, 1}
    with pytest.raises(ValueError, match=words):
        model.predict(holed(X))
    with pytest.raises(ValueError, match="'line', row 2: the loss is nan, the target nan; leave"):
        RouterTree(experts).fit(X, np.where(np.arange(40) == 2, np.nan, y))


def test_a_router_without_anything_to_ask_is_the_best_expert(experts):
    X, y = np.ones((40, 3)), rows()[1]
    model = RouterTree(experts).fit(X, y)
    assert (model.tree_.n_leaves, model.best_expert_) == (1, 1)
    many = [(f"e{k}", np.full(4, float(k))) for k in range(9)]
    assert RouterTree(many).fit(rows()[0][:4], np.arange(4.0)).loss_ == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_distilled_router_of_few_or_equal_rows(teacher, kind):
    X, _ = rows()
    assert distil_router(teacher, np.ones((40, 3)), kind=kind).n_leaves == 1
    assert distil_router(teacher, X[:2], kind=kind).n_leaves <= 2
    tree = distil_router(teacher, X[:9], kind=kind, refit_leaves=True)
    assert np.isfinite(tree.predict(X)).all()
    with pytest.raises(ValueError, match="column 'x1', row 3: the value is missing"):
        distil_router(teacher, holed(X), kind=kind)
    assert np.flatnonzero(np.isnan(distil_router(teacher, X, kind=kind).predict(holed(X)))) == [3]


@pytest.mark.parametrize("kind", KINDS)
def test_a_distilled_router_of_collinear_columns(kind):
    X, y = rows(120)
    twice = np.column_stack([X, X, X[:, :1] + X[:, 1:2]])
    model = SMOSERegressor(n_experts=3, expert_l2=1.0, random_state=0).fit(twice, y)
    tree = distil_router(model, twice, kind=kind, refit_leaves=True, leaf_l2=1e-9)
    assert np.isfinite(tree.predict(twice)).all()
    assert tree.report_["cost"] <= tree.report_["best_single_cost"]


def test_a_mixture_of_constant_columns_has_a_tree_of_one_leaf():
    X, y = np.ones((20, 2)), rows()[1][:20]
    model = SMOSERegressor(n_experts=3, random_state=0).fit(X, y)
    for kind in (*KINDS, "oblique_exact"):
        tree = distil_router(model, X, kind=kind)
        assert tree.n_leaves == 1
        assert np.allclose(tree.predict(X), y.mean())
