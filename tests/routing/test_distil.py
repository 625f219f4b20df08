"""Routers distilled into trees: what is reported, what is never worse, what is refused."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import treeml
from treeml import LinearTreeRegressor, SearchLimitWarning, SMOSEClassifier, predict
from treeml._core.validation import as_table
from treeml.ir import LinearForm, LinearMap, LinearRouter, RoutedModel
from treeml.routing import RoutedTree, distil_router, exact_tree
from treeml.routing.expert_costs import expert_costs
from treeml.search import cost_cuts
from treeml.search.growth_clock import GrowthClock

KINDS = ["axis", "oblique_exact", "oblique_sparse"]


def teacher(
    rng: np.random.Generator, X, n_experts: int, link="identity", n_outputs=1, reads=None
) -> RoutedModel:
    """A random mixture over the columns of a table; ``reads``: the columns it multiplies."""
    types = as_table(X).types
    used = np.zeros(len(types))
    used[list(range(len(types)) if reads is None else reads)] = 1

    def linear(n: int) -> LinearMap:
        return LinearMap(rng.normal(size=(n, len(types))) * used, 0.3 * rng.normal(size=n))

    classes = None if link == "identity" else np.array(["a", "b", "c"])[: max(2, n_outputs)]
    experts = tuple(linear(n_outputs) for _ in range(n_experts))
    return RoutedModel(types, LinearRouter(types, linear(n_experts)), experts, link, classes)


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return teacher(rng, X, 4), X


def cart_costs(X, costs, leaves):
    """Cost of every variant of CART, leaves with their cheapest expert."""
    two = np.partition(costs.values, 1, axis=1)
    regret = two[:, 1] - two[:, 0]
    fits = [DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=0).fit(X, costs.values)]
    for label in (costs.values.argmin(axis=1), costs.teacher):
        for weight in (None, regret):
            tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
            fits.append(tree.fit(X, label, sample_weight=weight))
    for fit in fits:
        leaf = fit.apply(X)
        yield sum(costs.values[leaf == k].sum(axis=0).min() for k in np.unique(leaf))


def test_training_cost_is_never_above_any_cart():
    below = above_best = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(int(rng.integers(30, 120)), int(rng.integers(2, 5))))
        model = teacher(rng, X, int(rng.integers(2, 6)))
        y, leaves = rng.normal(size=len(X)), int(rng.integers(3, 9))
        loss = ("action", "routing", "target")[seed % 3]
        costs = expert_costs(model, as_table(X), y, None, loss)
        tree = distil_router(model, X, y, max_leaf_nodes=leaves, loss=loss, max_cuts=16)
        least = min(cart_costs(X, costs, leaves)) / len(X)
        assert tree.n_leaves <= leaves
        assert tree.report_["cost"] <= least * (1 + 1e-12), seed
        above_best += least > costs.values.min(axis=1).mean() + 1e-12
        below += tree.report_["cost"] < least * (1 - 1e-9)
    assert below >= 0.8 * above_best > 15


@pytest.mark.parametrize("loss", ["action", "routing", "target", "q"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_report_is_what_the_tree_does(mixture, kind, loss):
    model, X = mixture
    rng = np.random.default_rng(1)
    y, q = rng.normal(size=len(X)), rng.normal(size=(len(X), 4))
    tree = distil_router(model, X, y, q, kind, loss=loss)
    report, rows = tree.report_, np.arange(len(X))
    outputs = np.stack([X @ e.coef[0] + e.intercept[0] for e in model.experts], axis=1)
    old = (X @ model.router.scores.coef.T + model.router.scores.intercept).argmax(axis=1)
    costs = {
        "action": (outputs - outputs[rows, old][:, None]) ** 2,
        "routing": (np.arange(4) != old[:, None]).astype(float),
        "target": (outputs - y[:, None]) ** 2,
        "q": q.max(axis=1, keepdims=True) - q,
    }[loss]
    new = tree.route(X)
    assert report["cost"] == pytest.approx(costs[rows, new].mean())
    assert report["teacher_cost"] == pytest.approx(costs[rows, old].mean())
    assert report["regret"] == pytest.approx(report["cost"] - report["teacher_cost"])
    assert report["fidelity"] == pytest.approx((new == old).mean())
    assert report["best_cost"] == pytest.approx(costs.min(axis=1).mean())
    assert report["best_single_cost"] == pytest.approx(costs.mean(axis=0).min())
    assert (report["kind"], report["loss"]) == (kind, loss)
    assert report["n_leaves"] == tree.n_leaves == tree.model.n_leaves
    assert report["n_rows"] == len(X)
    assert np.allclose(tree.predict(X), outputs[rows, new], atol=1e-12)
    router = tree.model.router
    leaf = predict.apply(router, as_table(X))
    assert router.rows[router.leaves].tolist() == [(leaf == k).sum() for k in router.leaves]
    if kind == "oblique_exact":
        assert (report["fidelity"], report["gap"], report["grid_cost"]) == (1, 0, None)
        assert report["certificate"] == exact_tree(model).statement()
        return
    assert report["status"] == "optimal"
    assert report["lower_bound"] == report["grid_cost"]
    assert report["cost"] <= report["grid_cost"] * (1 + 1e-12)
    for k in router.leaves:
        sums = costs[leaf == k].sum(axis=0)
        assert sums[router.expert[k]] <= sums.min() * (1 + 1e-12)
    for yes, no in zip(router.if_true, router.if_false, strict=True):
        if yes >= 0 and router.predicate[yes] < 0 and router.predicate[no] < 0:
            assert router.expert[yes] != router.expert[no]


@pytest.mark.parametrize("seed", range(8))
def test_the_exact_tree_chooses_as_the_mixture_everywhere(seed):
    rng = np.random.default_rng(seed)
    n_columns = int(rng.integers(1, 5))
    X = rng.normal(size=(50, n_columns))
    link = ["identity", "logistic", "softmax"][seed % 3]
    model = teacher(rng, X, int(rng.integers(1, 6)), link, 3 if link == "softmax" else 1)
    tree = distil_router(model, X, kind="oblique_exact")
    far = rng.normal(size=(3000, n_columns)) * rng.choice([0.1, 1, 100], (3000, 1))
    table = as_table(far)
    assert np.array_equal(tree.route(far), model.route(table))
    ours, theirs = predict.score(tree.model, table), model.score(table)
    assert np.abs(ours - theirs).max() <= 1e-12
    assert np.array_equal(tree.predict(far), model.predict(table))


def test_a_sparse_form_is_all_of_a_router_of_two_columns():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 5))
    types = as_table(X).types
    scores = LinearMap(np.array([[0.0] * 5, [1.0, 0, -2.0, 0, 0]]), np.array([0.0, 0.2]))
    maps = tuple(LinearMap(rng.normal(size=(1, 5)), np.zeros(1)) for _ in range(2))
    model = RoutedModel(types, LinearRouter(types, scores), maps)
    sparse = distil_router(model, X, kind="oblique_sparse")
    assert (sparse.report_["cost"], sparse.report_["fidelity"], sparse.n_leaves) == (0, 1, 2)
    assert distil_router(model, X).report_["cost"] > 0


@pytest.mark.parametrize("most", [2, 3])
def test_forms_have_few_columns_and_a_sparse_tree_is_no_worse(mixture, most):
    model, X = mixture
    sparse = distil_router(model, X, kind="oblique_sparse", max_form_columns=most)
    forms = [p.term for p in sparse.model.predicates if isinstance(p.term, LinearForm)]
    assert forms
    assert all(2 <= len(form.terms) <= most for form in forms)
    assert sparse.report_["cost"] < distil_router(model, X).report_["cost"]


@pytest.mark.parametrize(
    ("link", "n_outputs"), [("identity", 1), ("logistic", 1), ("softmax", 2), ("softmax", 3)]
)
@pytest.mark.parametrize("loss", ["action", "target"])
def test_a_leaf_is_refitted_where_that_pays(link, n_outputs, loss):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(200, 3))
    model = teacher(rng, X, 3, link, n_outputs)
    y = X[:, 0] * X[:, 1] if model.classes is None else rng.choice(model.classes, 200)
    plain = distil_router(model, X, y, max_leaf_nodes=3, loss=loss)
    fitted = distil_router(model, X, y, max_leaf_nodes=3, loss=loss, refit_leaves=True)
    table = as_table(X)
    assert fitted.report_["n_refitted"] > 0
    assert fitted.report_["cost"] < plain.report_["cost"]
    assert fitted.report_["fidelity"] == plain.report_["fidelity"]
    score = predict.score(fitted.model, table)
    if loss == "action":
        paid = ((score - model.score(table)) ** 2).sum(axis=1)
    elif model.classes is None:
        paid = (fitted.predict(X) - y) ** 2
    else:
        at = np.searchsorted(model.classes, y)
        paid = -np.log(fitted.predict_proba(X)[np.arange(200), at])
    assert fitted.report_["cost"] == pytest.approx(paid.mean())
    kept = {k for k in fitted.model.used_experts if k < 3}
    assert len(kept) + fitted.report_["n_refitted"] >= len(fitted.model.used_experts)
    assert "fitted anew" in fitted.report_["certificate"]


def test_a_refit_that_does_not_pay_is_left():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(100, 2))
    model = teacher(rng, X, 2)
    tree = distil_router(model, X, kind="oblique_exact", refit_leaves=True)
    assert tree.report_["n_refitted"] == 0
    assert tree.model.n_experts == 2


def test_values_of_the_losses_give_the_tree_of_the_losses(mixture):
    model, X = mixture
    costs = expert_costs(model, as_table(X), None, None, "action").values
    by_q = distil_router(model, X, q=-costs, loss="q")
    assert by_q.report_["cost"] == pytest.approx(distil_router(model, X).report_["cost"])


def test_estimators_are_teachers_and_trees_too():
    rng = np.random.default_rng(6)
    X = rng.uniform(-1, 1, (300, 3))
    y = np.where(X[:, 0] > 0, X[:, 1], -2 * X[:, 2])
    grown = LinearTreeRegressor(max_leaf_nodes=3, l2=1.0).fit(X, y)
    tree = distil_router(grown, X)
    assert tree.report_["fidelity"] == 1
    assert np.array_equal(tree.predict(X), grown.predict(X))
    with pytest.raises(ValueError, match="use kind='axis'"):
        distil_router(grown, X, kind="oblique_sparse")
    assert grown.model_.clip is not None
    other = np.sin(3 * X[:, 1])
    fitted = distil_router(grown, X, other, loss="target", max_leaf_nodes=2, refit_leaves=True)
    assert fitted.report_["n_refitted"] > 0
    assert fitted.report_["cost"] == pytest.approx(((fitted.predict(X) - other) ** 2).mean())
    labels = (y > 0).astype(int)
    mixed = SMOSEClassifier(n_experts=2, expert_l2=1.0, n_restarts=1, random_state=0)
    told = distil_router(mixed.fit(X, labels), X, labels, loss="target")
    assert told.predict_proba(X).shape == (300, 2)


def test_categories_and_missing_values_may_be_asked_about():
    rng = np.random.default_rng(7)
    n = 240
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "city": rng.choice(["Bern", "Chur", "Thun"], n),
            "age": np.where(rng.random(n) < 0.3, np.nan, rng.uniform(0, 80, n)),
        }
    )
    model = teacher(rng, frame, 3, reads=[0])
    best = np.where(frame.age.isna(), 2, np.where(frame.city == "Chur", 1, 0))
    tree = distil_router(model, frame, q=np.eye(3)[best], loss="q", max_leaf_nodes=3)
    assert tree.report_["cost"] == 0
    assert np.array_equal(tree.route(frame), best)
    assert "age is missing" in tree.to_text()
    assert "city" in tree.to_text()
    gaps = frame.assign(size=frame["size"].where(frame.index != 5))
    with pytest.raises(ValueError, match=r"column 'size', row 5: the value is missing"):
        distil_router(model, gaps)


def test_exports_say_the_same(mixture):
    model, X = mixture
    for kind in KINDS:
        tree = distil_router(model, X, kind=kind, refit_leaves=kind == "axis")
        assert isinstance(tree, RoutedTree)
        scope: dict = {}
        exec(tree.to_python(), scope)
        rows = [dict(zip(("x0", "x1", "x2", "x3"), row, strict=True)) for row in X[:50].tolist()]
        assert [scope["predict"](row) for row in rows] == tree.predict(X[:50]).tolist()
        with sqlite3.connect(":memory:") as data:
            data.execute("create table t (x0 real, x1 real, x2 real, x3 real)")
            data.executemany("insert into t values (?, ?, ?, ?)", X[:50].tolist())
            got = data.execute(f"select {tree.to_sql(dialect='sqlite')} from t").fetchall()
        assert [row[0] for row in got] == tree.predict(X[:50]).tolist()
        assert "double" in tree.to_c()
        assert len(tree.rules()) == tree.n_leaves
        assert "<svg" in tree.plot().svg


def test_it_is_read_again(mixture, tmp_path):
    model, X = mixture
    tree = distil_router(model, X)
    tree.save(tmp_path / "tree.json")
    assert np.array_equal(treeml.load(tmp_path / "tree.json").predict(X), tree.predict(X))


def test_it_comes_out_the_same_again_and_in_other_units(mixture):
    model, X = mixture
    tree = distil_router(model, X, kind="oblique_sparse")
    assert distil_router(model, X, kind="oblique_sparse").model == tree.model
    larger = tuple(LinearMap(e.coef * 4, e.intercept * 4) for e in model.experts)
    scaled = distil_router(RoutedModel(model.columns, model.router, larger), X)
    assert np.array_equal(scaled.route(X), distil_router(model, X).route(X))


def test_constant_columns_and_single_rows_give_one_leaf():
    rng = np.random.default_rng(8)
    X = np.ones((20, 2))
    model = teacher(rng, X, 3)
    for kind in ("axis", "oblique_sparse"):
        tree = distil_router(model, X, kind=kind, refit_leaves=True)
        assert (tree.n_leaves, tree.report_["regret"]) == (1, 0)
    assert distil_router(model, rng.normal(size=(1, 2))).n_leaves == 1


def test_over_time_there_is_a_tree_and_a_warning(mixture):
    model, X = mixture
    with pytest.warns(SearchLimitWarning, match="time_limit=0"):
        tree = distil_router(model, X, time_limit=0.0)
    report = tree.report_
    assert report["status"] == "time_limit"
    assert report["lower_bound"] <= report["grid_cost"]
    assert report["cost"] <= report["best_single_cost"] * (1 + 1e-12)
    assert "No tree among" in report["certificate"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["action", "target"])
def test_weights_are_repeated_rows(kind, loss):
    rng = np.random.default_rng(13)
    X = rng.integers(-8, 9, (120, 3)) / 4
    model, y = teacher(rng, X, 4), rng.integers(-8, 9, 120) / 4
    weight = rng.integers(0, 4, 120)
    often = np.repeat(np.arange(120), weight)
    options = {"kind": kind, "loss": loss, "max_leaf_nodes": None if kind == KINDS[1] else 5}
    for refit_leaves in (False, True):
        options["refit_leaves"] = refit_leaves
        one = distil_router(model, X, y, sample_weight=weight, **options)
        other = distil_router(model, X[often], y[often], **options)
        if kind != "oblique_sparse":  # there forms of the same cost tie, but for rounding
            assert one.model.router == other.model.router
            assert np.allclose(one.predict(X), other.predict(X), atol=1e-9)
        assert one.model.router.rows[0] == weight.sum()
        for name in ("teacher_cost", "best_cost", "best_single_cost", "grid_cost", "lower_bound"):
            assert one.report_[name] == pytest.approx(other.report_[name], abs=1e-9)
        for name in () if refit_leaves else ("cost", "regret"):
            assert one.report_[name] == pytest.approx(other.report_[name], abs=1e-9)
    assert one.report_["n_rows"] == (weight > 0).sum()
    assert distil_router(model, X, y, sample_weight=np.full(120, 2.0), **options).model.router.rows[
        0
    ] == pytest.approx(240)


def test_leaves_have_enough_rows(mixture):
    model, X = mixture
    table, least = as_table(X), 40
    for kind in ("axis", "oblique_sparse"):
        tree = distil_router(model, X, kind=kind, min_samples_leaf=least, max_cuts=8)
        router = tree.model.router
        assert tree.n_leaves > 2
        assert np.bincount(predict.apply(router, table))[router.leaves].min() >= least
        assert f"of at least {least} rows" in tree.report_["certificate"]
    small = distil_router(model, X, max_cuts=8).model.router
    assert small.rows[small.leaves].min() < least
    assert distil_router(model, X, min_samples_leaf=151).n_leaves == 1


def test_ctrl_c_gives_the_tree_so_far(mixture, monkeypatch):
    model, X = mixture
    polls, over = itertools.count(), GrowthClock.over

    def pressed(clock):
        ended = over(clock)
        if next(polls) == 60:
            signal.raise_signal(signal.SIGINT)
        return ended

    monkeypatch.setattr(GrowthClock, "over", pressed)
    with pytest.warns(SearchLimitWarning, match="interrupted"):
        tree = distil_router(model, X)
    assert tree.report_["status"] == "interrupted"
    assert 1 < tree.n_leaves <= 8
    assert tree.report_["cost"] < tree.report_["best_single_cost"]


def test_a_limit_after_the_proof_is_told_too(mixture, monkeypatch):
    model, X = mixture
    searched = cost_cuts._grid_optimum

    def then_over(rows, *rest):
        found = searched(rows, *rest)
        rows.clock.status = "time_limit"
        return found

    monkeypatch.setattr(cost_cuts, "_grid_optimum", then_over)
    with pytest.warns(SearchLimitWarning, match="the grid was searched to its end"):
        report = distil_router(model, X, max_leaf_nodes=3).report_
    assert (report["status"], report["gap"]) == ("time_limit", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "round"}, "kind must be one of"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"max_leaf_nodes": 0}, "max_leaf_nodes must be at least 1"),
        ({"max_leaf_nodes": 301}, "more than the 300 rows of X"),
        ({"max_form_columns": 1}, "max_form_columns must be at least 2"),
        ({"max_cuts": 0}, "max_cuts must be at least 1"),
        ({"min_samples_leaf": 0}, "min_samples_leaf must be at least 1"),
        ({"min_samples_leaf": 2, "kind": "oblique_exact"}, "leave it at 1"),
        ({"sample_weight": np.full(300, -1.0)}, "sample_weight, row 0: -1.0 is not a weight"),
        ({"sample_weight": np.ones(7)}, r"sample_weight.shape == \(7,\)"),
        ({"leaf_l2": 0.0}, "leaf_l2 must be positive"),
        ({"loss": "target"}, "give y"),
        ({"loss": "target", "y": np.zeros(7)}, "7"),
        ({"loss": "q"}, "needs q"),
        ({"loss": "q", "q": np.zeros((300, 3))}, r"shape \(300, 4\).*not \(300, 3\)"),
        ({"loss": "q", "q": np.full((300, 4), np.nan)}, "q, row 0, expert 0: nan"),
        ({"kind": "oblique_exact", "max_leaf_nodes": 2}, "more than max_leaf_nodes=2"),
    ],
)
def test_what_cannot_be_used_is_refused(mixture, options, message):
    model, X = mixture
    with pytest.raises(ValueError, match=message):
        distil_router(model, X, **options)


def test_tables_and_models_that_cannot_be_used_are_refused(mixture):
    model, X = mixture
    with pytest.raises(ValueError, match="LinearTreeRegressor is no routed model"):
        distil_router(LinearTreeRegressor(), X)
    with pytest.raises(ValueError, match="0 sample"):
        distil_router(model, X[:0])
    with pytest.raises(ValueError, match="3 features"):
        distil_router(model, X[:, :3])
    gaps = X.copy()
    gaps[4, 1] = np.nan
    with pytest.raises(ValueError, match="column 'x1', row 4: the value is missing"):
        distil_router(model, gaps)
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"the loss is inf; scale"):
        distil_router(model, X * 1e200)
    rng = np.random.default_rng(9)
    classes = teacher(rng, X, 2, "logistic")
    with pytest.raises(ValueError, match="y, row 1: 'z' is none of the teacher's classes"):
        distil_router(classes, X, ["a", "z"] * 150, loss="target")
    several = teacher(rng, X, 2, n_outputs=2)
    with pytest.raises(ValueError, match=r"y must have the shape \(300, 2\)"):
        distil_router(several, X, np.zeros(300), loss="target")


def test_the_certificate_says_which_cuts_it_is_about(mixture):
    model, X = mixture
    some = distil_router(model, X[:60], max_leaf_nodes=3, max_cuts=4).report_
    every = distil_router(model, X[:60], max_leaf_nodes=3, max_cuts=60).report_
    assert "over a grid of" in some["certificate"]
    assert some["certificate"].endswith("among trees off the grid it is not proven.")
    assert "over all 236 cuts of single columns" in every["certificate"]
    assert "not proven" not in every["certificate"]
    assert every["cost"] == pytest.approx(every["lower_bound"])
    assert every["cost"] <= some["cost"] <= some["grid_cost"] * (1 + 1e-12)
    deep = distil_router(model, X[:60], max_leaf_nodes=6, max_cuts=60).report_
    assert deep["certificate"].endswith("among deeper trees it is not proven.")


def test_rows_may_have_gaps_and_levels_that_the_teacher_has_not_seen():
    rng = np.random.default_rng(10)
    n = 90
    seen = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": ["u", "v"] * 45})
    model = teacher(rng, seen, 2, reads=[0])
    rows = seen.assign(b=np.where(np.arange(n) % 3 == 0, np.nan, 1.0), c=["u", "w", None] * 30)
    best = (np.arange(n) % 3 == 0).astype(int)
    tree = distil_router(model, rows, q=np.eye(2)[best], loss="q")
    assert tree.report_["cost"] == 0
    assert tree.n_leaves == 2
    scope: dict = {}
    exec(tree.to_python(), scope)
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    assert [scope["predict"](row) for row in records] == tree.predict(rows).tolist()
    assert [c.kind for c in tree.model.columns] == ["number", "number", "category"]
    assert [c.missing for c in tree.model.columns] == [False, True, True]


def test_a_number_that_is_0_or_1_by_chance_stays_a_number():
    rng = np.random.default_rng(12)
    model = teacher(rng, rng.normal(size=(20, 2)), 2, reads=[0])
    X = np.column_stack([rng.normal(size=40), np.arange(40) % 2])
    tree = distil_router(model, X, q=np.eye(2)[1 - np.arange(40) % 2], loss="q")
    assert "x1 <= 0.5" in tree.to_text()
    assert tree.report_["cost"] == 0
    assert np.array_equal(tree.route(np.array([[0.0, -3.0], [0, 0.7]])), [1, 0])


def test_several_outputs_are_told_together():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(120, 2))
    model = teacher(rng, X, 3, n_outputs=2)
    y = rng.normal(size=(120, 2))
    tree = distil_router(model, X, y, loss="target", max_leaf_nodes=4, refit_leaves=True)
    assert tree.predict(X).shape == (120, 2)
    paid = ((tree.predict(X) - y) ** 2).sum(axis=1).mean()
    assert tree.report_["cost"] == pytest.approx(paid)
