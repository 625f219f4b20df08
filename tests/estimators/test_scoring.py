"""RiskScoreClassifier and SLIMClassifier: tables, weights, files, exports, limits, errors."""

import os
import pickle
import signal
import sqlite3
import threading

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint
from sklearn.base import clone

import treeml
from treeml import (
    Binarizer,
    RiskScoreClassifier,
    ScoreConstraints,
    SearchLimitWarning,
    SLIMClassifier,
)
from treeml.binarize.findings import TableWarning
from treeml.datasets import load_german_credit
from treeml.ir import LinearTerm

COARSE = Binarizer(max_bins=3)
BOTH = pytest.mark.parametrize("kind", [RiskScoreClassifier, SLIMClassifier])
SETTINGS = [
    RiskScoreClassifier(max_features=2, binarizer=COARSE),
    RiskScoreClassifier(max_features=3, binarizer=COARSE, scale=1.0, class_weight="balanced"),
    RiskScoreClassifier(
        max_features=3,
        coef_range=(-50, 50),
        constraints=ScoreConstraints(required=["duration_in_month", "age_in_years"]),
        gap_tol=1,
    ),
    SLIMClassifier(max_features=2, binarizer=COARSE),
    SLIMClassifier(
        max_features=2, binarizer=COARSE, max_fpr=0.4, class_weight={"bad": 3, "good": 1}
    ),
    SLIMClassifier(max_features=3, regularization=0.001),
]


@pytest.fixture(scope="module")
def german():
    return load_german_credit()


@pytest.fixture(scope="module")
def few(german):
    """Five of the columns: proofs take milliseconds."""
    X, y = german
    names = ["status_of_existing_checking_account", "duration_in_month", "purpose"]
    return X[[*names, "credit_amount", "age_in_years"]], y


@pytest.fixture(scope="module", params=range(len(SETTINGS)), ids=lambda i: f"setting{i}")
def model(request, german):
    return clone(SETTINGS[request.param]).fit(*german)


def mixed(n_rows=240, seed=0):
    """Numbers, strings, booleans, a 0/1 column, categories with an order; missing ones."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 70, n_rows).astype(float)
    job = rng.choice(["nurse", "cook", "pilot"], n_rows).astype(object)
    size = rng.choice(["S", "M", "L"], n_rows)
    smoker = rng.integers(0, 2, n_rows)
    flag = rng.random(n_rows) < 0.5
    logit = (age - 45) / 8 + 2 * (job == "cook") + 1.5 * (size == "L") - flag
    y = np.where(rng.random(n_rows) < 1 / (1 + np.exp(-logit)), "yes", "no")
    age[::11] = np.nan
    job[::13] = None
    table = pd.DataFrame(
        {
            "age": age,
            "job": job,
            "size": pd.Categorical(size, ["S", "M", "L"], ordered=True),
            "smoker": smoker,
            "flag": flag,
            "home": pd.Categorical(rng.choice(["rent", "own"], n_rows)),
        }
    )
    return table, y


def weighted_loss(model, X, y, weight):
    """Mean logistic loss from the probabilities of the labels."""
    of_label = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return float(-(weight * np.log(of_label)).sum() / weight.sum())


def row_weights(model, y):
    """Weights of classes, for every row."""
    if model.class_weight is None:
        return np.ones(len(y))
    if model.class_weight == "balanced":
        share = {c: len(y) / (2 * (y == c).sum()) for c in model.classes_}
        return np.array([share[c] for c in y])
    return np.array([float(model.class_weight[c]) for c in y])


# What is minimised, and what is said of it


def test_the_objective_is_that_of_the_predictions(model, german):
    X, y = german
    weight = row_weights(model, y)
    points, decision = model.score_points(X), model.decision_function(X)
    assert points == pytest.approx(decision * model.scale_ - model.intercept_, abs=1e-9)
    assert (model.predict(X) == model.classes_[(decision > 0).astype(int)]).all()
    if isinstance(model, RiskScoreClassifier):
        expected = weighted_loss(model, X, y, weight)
        assert model.predict_proba(X)[:, 1] == pytest.approx(1 / (1 + np.exp(-decision)))
    else:
        wrong = float(weight[model.predict(X) != y].sum() / weight.sum())
        assert model.error_ == pytest.approx(wrong, abs=1e-12)
        used, size = np.count_nonzero(model.points_), np.abs(model.points_).sum()
        expected = wrong + model.regularization * used + model.certificate_.tie * size
        assert not hasattr(model, "predict_proba")
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.lower_bound_ <= model.objective_
    gap = (model.objective_ - model.lower_bound_) / model.objective_
    assert model.gap_ == pytest.approx(gap, abs=1e-12)
    if model.gap_tol == 0:
        assert model.status_ == "optimal"


def test_the_card_holds_what_the_attributes_say(model, german):
    X, y = german
    card, used = model.scorecard_, np.flatnonzero(model.points_)
    assert len(used) <= model.max_features
    low, high = model.coef_range
    assert ((low <= model.points_) & (model.points_ <= high)).all()
    assert card.terms == tuple(model.terms_[j] for j in used)
    assert card.points.tolist() == model.points_[used].tolist()
    assert (card.intercept, card.classes.tolist()) == (model.intercept_, ["bad", "good"])
    assert len(model.points_) == len(model.terms_)
    assert card.score_counts.sum(axis=0).tolist() == [(y == c).sum() for c in model.classes_]
    if not card.binned:
        scores, rows = np.unique(model.score_points(X), return_counts=True)
        assert (card.score_values.tolist(), card.score_counts.sum(axis=1).tolist()) == (
            scores.tolist(),
            rows.tolist(),
        )


def test_the_false_positive_rate_is_kept_and_named(german):
    X, y = german
    free = SLIMClassifier(max_features=2, binarizer=COARSE).fit(X, y)
    tight = clone(free).set_params(max_fpr=0.3, min_tpr=0.5).fit(X, y)
    bad, good = X[y == "bad"], X[y == "good"]
    assert (free.predict(bad) == "good").mean() > 0.3 >= (tight.predict(bad) == "good").mean()
    assert (tight.predict(good) == "good").mean() >= 0.5
    text = tight.certificate_.statement
    assert "the false positive rate is at most 0.3" in text
    assert "the true positive rate is at least 0.5" in text
    with pytest.raises(ValueError, match=r"max_fpr=0\.0.*min_tpr=1\.0"):
        clone(free).set_params(max_fpr=0.0, min_tpr=1.0).fit(X, y)


def test_statements_name_what_was_asked(few):
    X, y = few
    free = RiskScoreClassifier(max_features=2, binarizer=COARSE).fit(X, y)
    assert free.certificate_.statement.startswith(
        "No scorecard with points from -5 to 5 for at most 2 of these 20 terms, any intercept and "
        "any scale with which no term moves the log odds by more than 500 has a smaller mean "
        "logistic loss on the 1,000 training rows than 0.5"
    )
    rules = ScoreConstraints(required=["purpose"], max_questions=2)
    fixed = clone(free).set_params(
        scale=2, coef_range=(-3, 4), constraints=rules, class_weight="balanced"
    )
    text = fixed.fit(X, y).certificate_.statement
    for words in (
        "points from -3 to 4",
        "any intercept and scale 2,",
        "such that purpose is used and at most 2 columns are asked for,",
        "weighted mean logistic loss",
    ):
        assert words in text


def test_no_statement_of_a_rate_is_above_the_rate_of_the_card(german):
    """The tie-break is part of the objective: alone it is false of the card itself."""
    model = SLIMClassifier(max_features=2, binarizer=COARSE).fit(*german)
    certificate = model.certificate_
    assert certificate.lower_bound > model.error_
    assert f"counting {certificate.tie:.3g} a point (which only breaks ties)" in str(
        certificate.statement
    )
    costly = clone(model).set_params(regularization=0.01).fit(*german)
    assert "counting 0.01 a term, than" in costly.certificate_.statement


def test_the_certificate_is_of_the_fit_whatever_comes_after(german):
    X, y = german
    matrix = X.select_dtypes("number").to_numpy().astype(float)
    for kind in (RiskScoreClassifier, SLIMClassifier):
        model = kind(max_features=2, gap_tol=1, coef_range=(-2, 2))
        weight = np.ones(len(y))
        expected = clone(model).fit(matrix, y, weight).certificate_.to_dict()
        changed = matrix.copy()
        model.fit(changed, y, weight)
        changed[:] = 0.0
        weight[:] = 2.0
        model.set_params(max_features=7, constraints=ScoreConstraints(max_questions=1))
        if kind is RiskScoreClassifier:
            model.set_params(scale=3.0, max_logit=1.0)
        else:
            model.set_params(regularization=0.5, max_fpr=0.1)
        found = model.certificate_.to_dict()
        assert found | {"seconds": 0} == expected | {"seconds": 0}


# Tables


@BOTH
def test_a_matrix_is_read_like_a_frame_of_its_columns(kind):
    rng = np.random.default_rng(3)
    columns = [(rng.integers(0, 2, 200), rng.integers(-9, 9, 200) / 4) for _ in range(2)]
    matrix = np.column_stack([column for pair in columns for column in pair])
    y = (matrix[:, 1] + matrix[:, 2] + rng.normal(size=200) > 0.4).astype(int)
    plain = kind(max_features=2, coef_range=(-2, 2)).fit(matrix, y)
    names = [f"x{j}" for j in range(4)]
    framed = clone(plain).fit(pd.DataFrame(matrix, columns=names), y)
    with_nan = clone(plain).fit(np.vstack([matrix, np.full(4, np.nan)]), [*y, 0], [1] * 200 + [0])
    for other in (framed, with_nan):
        assert other.scorecard_ == plain.scorecard_
        assert other.terms_ == plain.terms_
        assert other.points_.tolist() == plain.points_.tolist()
        assert other.certificate_.data_hash == plain.certificate_.data_hash
        assert other.certificate_.statement == plain.certificate_.statement
    frame = pd.DataFrame(matrix, columns=names)
    assert (framed.predict(frame) == plain.predict(matrix)).all()
    assert [t.text() for t in plain.terms_] == ["x0 = 1", "x1", "x2 = 1", "x3"]
    assert clone(plain).fit(matrix.astype(np.float32), y).points_.tolist() == list(plain.points_)


@BOTH
@pytest.mark.parametrize("binarizer", [None, COARSE])
def test_mixed_tables(kind, binarizer):
    X, y = mixed()
    model = kind(max_features=3, coef_range=(-3, 3), binarizer=binarizer, gap_tol=0.3).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.7
    texts = [term.text() for term in model.terms_]
    for text in (
        "age is missing",
        "job = cook",
        "job is missing",
        "size is at most S",
        "smoker = 1",
        "flag is true",
    ):
        assert text in texts
    assert any(isinstance(t, LinearTerm) for t in model.terms_) == (binarizer is None)
    for j in np.flatnonzero(model.points_):  # the column of the matrix is what predict reads
        column = model.terms_[j]
        table = model._table(X)
        held = column.values(table) if isinstance(column, LinearTerm) else column.holds(table)
        assert len(held) == len(X)
    new = X.head(3).assign(job=["never seen", None, "cook"], age=[np.nan, 1e6, -1e6])
    assert len(model.predict(new)) == 3
    with pytest.raises(ValueError, match="same order"):
        model.predict(new[new.columns[::-1]])


@BOTH
def test_unseen_and_missing_values_give_no_points(kind):
    X = pd.DataFrame({"a": [1.0, np.nan, 3.0, 5.0] * 10, "b": ["x", "y", "z", None] * 10})
    y = X["b"].isin(["x", "z"]).to_numpy()
    model = kind(max_features=2).fit(X, y)
    assert (model.predict(X) == y).all()
    none = pd.DataFrame({"a": [0.0, 0.0], "b": ["never seen", "never seen"]})
    assert model.score_points(none).tolist() == [0.0, 0.0]
    rules = ScoreConstraints(required=["a"], forbidden=["b"], points={"a is missing": (0, 0)})
    linear = kind(max_features=1, constraints=rules).fit(X, y)
    assert [term.text() for term in linear.scorecard_.terms] == ["a"]
    missing = pd.DataFrame({"a": [np.nan, 0.0], "b": ["x", "x"]})
    assert linear.score_points(missing).tolist() == [0.0, 0.0]


@BOTH
def test_columns_that_say_nothing_are_found_and_left_out(kind):
    X, y = mixed()
    odd = X.assign(same=1.0, empty=np.nan, place=np.arange(len(X)), day="2024-01-01")
    odd.loc[odd.index[::2], "day"] = "2024-01-02"
    with pytest.warns(TableWarning, match="'same' has the same value"):
        model = kind(max_features=1, gap_tol=1).fit(odd, y)
    found = {finding.column: finding.kind for finding in model.findings_}
    assert found == {
        "same": "constant",
        "empty": "all missing",
        "place": "identifier",
        "day": "date",
    }
    assert not {"same", "empty", "day"} & {term.term.name for term in model.terms_}
    assert model.n_features_in_ == 10
    model.set_params(constraints=ScoreConstraints(required=["same"]))
    with (
        pytest.warns(TableWarning),
        pytest.raises(ValueError, match="column 'same' gives no term"),
    ):
        model.fit(X.assign(same=1), y)


# Weights


@BOTH
@pytest.mark.parametrize("binarizer", [None, COARSE])
def test_rows_of_weight_0_are_no_rows(kind, binarizer):
    X, y = mixed()
    strange = X.head(4).assign(
        age=[1e9, np.nan, -5.0, 0.5], job="spy", smoker=[7, 0.5, -1, 2], home=None
    )
    more = pd.concat([strange.astype(X.dtypes.to_dict() | {"smoker": float}), X])
    model = kind(max_features=2, binarizer=binarizer, coef_range=(-2, 2), gap_tol=0.5)
    alone = clone(model).fit(X, y)
    joined = clone(model).fit(more, np.r_[["yes"] * 4, y], np.r_[np.zeros(4), np.ones(len(y))])
    assert joined.terms_ == alone.terms_
    assert joined.scorecard_ == alone.scorecard_
    assert joined.certificate_.data_hash == alone.certificate_.data_hash
    assert joined.certificate_.n_rows == len(y)


@BOTH
@pytest.mark.parametrize("class_weight", [None, "balanced", {"yes": 0.7, "no": 1.9}])
def test_weights_are_repeats(kind, class_weight):
    X, y = mixed(120)
    times = np.random.default_rng(2).integers(0, 4, len(y))
    model = kind(max_features=2, coef_range=(-2, 2), class_weight=class_weight, binarizer=COARSE)
    weighted = clone(model).fit(X, y, times)
    repeated = clone(model).fit(X.loc[np.repeat(X.index, times)], np.repeat(y, times))
    assert weighted.points_.tolist() == repeated.points_.tolist()
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-9)
    one, other = weighted.certificate_, repeated.certificate_
    assert one.data_hash == other.data_hash
    assert one.total == pytest.approx(other.total)
    assert weighted.scorecard_.score_counts.tolist() == repeated.scorecard_.score_counts.tolist()
    heavier = clone(model).fit(X, y, times * 2.5)
    assert heavier.points_.tolist() == weighted.points_.tolist()
    assert heavier.objective_ == pytest.approx(weighted.objective_, rel=1e-9)


@BOTH
def test_class_weights(kind, few):
    X, y = few
    plain = kind(max_features=2, binarizer=COARSE).fit(X, y)
    balanced = clone(plain).set_params(class_weight="balanced").fit(X, y)
    same = clone(plain).set_params(class_weight={"bad": 1000 / 600, "good": 1000 / 1400}).fit(X, y)
    assert balanced.points_.tolist() == same.points_.tolist()
    assert balanced.objective_ == pytest.approx(same.objective_)
    assert balanced.certificate_.class_weight == pytest.approx([1000 / 600, 1000 / 1400])
    missed = [(m.predict(X[y == "bad"]) == "good").sum() for m in (plain, balanced)]
    assert missed[1] < missed[0]
    doubled = clone(plain).set_params(class_weight={"bad": 2, "good": 2}).fit(X, y)
    assert doubled.objective_ == pytest.approx(plain.objective_)
    assert doubled.certificate_.total == 2000
    for given, words in (
        ({"ugly": 2}, "'ugly'; the classes of y are"),
        ({"bad": 0}, "finite numbers above 0"),
        ({"bad": np.inf}, "finite numbers above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            clone(plain).set_params(class_weight=given).fit(X, y)


# Files and exports


def test_saved_models_are_the_same(model, german, tmp_path):
    X, _ = german
    model.save(tmp_path / "card.json")
    loaded = treeml.load(tmp_path / "card.json")
    for again in (loaded, pickle.loads(pickle.dumps(model))):
        assert type(again) is type(model)
        assert (again.predict(X) == model.predict(X)).all()
        assert (again.decision_function(X) == model.decision_function(X)).all()
        if isinstance(model, RiskScoreClassifier):
            assert (again.predict_proba(X) == model.predict_proba(X)).all()
        else:
            assert again.error_ == pytest.approx(model.error_, abs=1e-12)
        assert again.points_.tolist() == model.points_.tolist()
        assert again.terms_ == model.terms_
        assert again.scorecard_ == model.scorecard_
        assert again.certificate_ == model.certificate_
        assert again.to_json() == model.to_json()
        for name in ("objective_", "lower_bound_", "gap_", "status_", "intercept_", "scale_"):
            assert getattr(again, name) == getattr(model, name)
    kept = ("max_features", "coef_range", "regularization", "scale", "max_logit", "max_fpr")
    for name in set(kept) & set(model.get_params()):
        assert loaded.get_params()[name] == model.get_params()[name]
    with pytest.raises(ValueError, match="purpose"):
        loaded.predict(X.drop(columns="purpose"))


def test_constraints_are_saved(german, tmp_path):
    rules = ScoreConstraints(
        points={"duration_in_month": (-2, 0)},
        required=("duration_in_month",),
        groups=((("purpose", "job"), 1),),
        max_questions=2,
    )
    model = RiskScoreClassifier(max_features=2, binarizer=COARSE, constraints=rules, gap_tol=1)
    model.fit(*german).save(tmp_path / "card.json")
    again = treeml.load(tmp_path / "card.json")
    assert again.constraints == rules
    assert again.coef_range == (-5, 5)
    assert again.to_json() == model.to_json()


def test_pickles_leave_the_data_behind(german):
    X, y = german
    model = RiskScoreClassifier(max_features=1, gap_tol=1).fit(X, y)
    assert len(pickle.dumps(model)) < 60_000


def run_python(model, **options):
    scope = {}
    exec(compile(model.to_python(**options), "<export>", "exec"), scope)
    return scope["predict"]


def test_python_says_what_predict_says(model, german):
    X, _ = german
    rows = X.to_dict("records")
    predict = run_python(model)
    assert [predict(row) for row in rows] == model.predict(X).tolist()
    if isinstance(model, RiskScoreClassifier):
        proba = run_python(model, proba=True)
        found = [list(proba(row).values()) for row in rows]
        np.testing.assert_allclose(found, model.predict_proba(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_sql_says_what_predict_says(model, german, dialect):
    X, _ = german
    if dialect == "duckdb":
        connection = duckdb.connect()
        connection.register("data", X.assign(n=range(len(X))))
    else:
        connection = sqlite3.connect(":memory:")
        X.assign(n=range(len(X))).to_sql("data", connection, index=False)
    query = model.to_sql(dialect=dialect)
    found = connection.execute(f"SELECT {query} FROM data ORDER BY n").fetchall()
    assert [row[0] for row in found] == model.predict(X).tolist()
    if isinstance(model, RiskScoreClassifier):
        query = model.to_sql(dialect=dialect, proba=True)
        found = connection.execute(f"SELECT {query} FROM data ORDER BY n").fetchall()
        np.testing.assert_allclose(found, model.predict_proba(X), rtol=0, atol=1e-12)
    connection.close()


def test_texts_and_pictures(model, tmp_path):
    terms = [term.text() for term in model.scorecard_.terms]
    assert model.rules()["term"].tolist() == terms
    assert model.rules()["points"].tolist() == model.scorecard_.points.tolist()
    assert all(text.split(" ")[0] in model.to_text() for text in terms)
    assert "points" in model.to_text()
    model.plot(title="Credit").save(tmp_path / "card.html")
    assert "Credit" in (tmp_path / "card.html").read_text()
    assert model.scorecard_.terms[0].term.name in model._repr_mimebundle_()["text/html"]


# Limits


@BOTH
@pytest.mark.parametrize(
    ("limit", "status"), [({"time_limit": 0}, "time_limit"), ({"memory_limit": 0}, "memory_limit")]
)
def test_a_limit_that_is_hit_leaves_a_card_and_a_warning(kind, limit, status, german):
    X, y = german
    model = kind(**limit)
    ((name, value),) = limit.items()
    with pytest.warns(SearchLimitWarning, match=rf"{name}={value} was reached.*gap of") as seen:
        model.fit(X, y)
    assert seen[0].filename == __file__
    assert model.status_ == status
    assert 0 <= model.lower_bound_ < model.objective_
    assert np.count_nonzero(model.points_) <= 5
    assert (model.predict(X) == y).mean() > 0.6
    assert model.certificate_.statement.startswith("Not proven optimal")


@BOTH
def test_a_stop_that_repeats(kind, german):
    model = kind(binarizer=Binarizer())._set_stop(3)
    with pytest.warns(SearchLimitWarning, match="time_limit"):
        model.fit(*german)
    with pytest.warns(SearchLimitWarning):
        again = kind(binarizer=Binarizer())._set_stop(3).fit(*german)
    assert again.points_.tolist() == model.points_.tolist()
    assert again.lower_bound_ == model.lower_bound_


@BOTH
def test_a_gap_that_is_small_enough_needs_no_warning(kind, german):
    rough = kind(binarizer=Binarizer(), gap_tol=1, max_features=4).fit(*german)
    assert rough.status_ in ("gap_tol", "optimal")
    half = kind(binarizer=COARSE, gap_tol=0.5, max_features=2).fit(*german)
    assert half.gap_ <= 0.5 + 1e-12


@pytest.fixture(scope="module")
def hard():
    """Noise: no proof in any time."""
    rng = np.random.default_rng(0)
    X = (rng.random((2000, 120)) < 0.5).astype(float)
    return X, (X[:, :12].sum(axis=1) + 2 * rng.normal(size=2000) > 6).astype(int)


@BOTH
def test_ctrl_c_returns_the_best_so_far(kind, hard):
    model = kind(max_features=8, time_limit=30)
    timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(SearchLimitWarning, match="interrupted"):
        model.fit(*hard)
    timer.join()
    assert model.status_ == "interrupted"
    assert model.result_.seconds < 15  # alone on a machine: .7
    assert np.count_nonzero(model.points_) > 0
    assert "the search was interrupted" in model.certificate_.statement


def test_ctrl_c_in_the_first_card_ends_the_whole_search(hard, monkeypatch):
    """SLIM begins with a risk score; the search that follows is not begun anew."""
    import dataclasses

    from treeml.estimators import scoring

    def interrupted(*args, **options):
        return dataclasses.replace(find(*args, **options), status="interrupted")

    find = scoring.risk_score
    monkeypatch.setattr(scoring, "risk_score", interrupted)
    with pytest.warns(SearchLimitWarning, match="interrupted"):
        model = SLIMClassifier(max_features=8, time_limit=30).fit(*hard)
    assert model.status_ == "interrupted"
    assert model.result_.seconds < 10


@BOTH
def test_progress_is_shown(kind, few, capsys):
    kind(max_features=2, verbose=1).fit(*few)
    assert "lower bound" in capsys.readouterr().err


# What is refused, and corner cases


@BOTH
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coef_range": (5, -5)}, "the first must not be above the second"),
        ({"coef_range": (-5, 5, 1)}, "two integers"),
        ({"coef_range": (-0.5, 5)}, "two integers"),
        ({"coef_range": (-20_000, 5)}, "between -10000 and 10000"),
        ({"coef_range": 5}, "coef_range"),
        ({"max_features": -1}, "max_features"),
        ({"constraints": {"required": ["a"]}}, "constraints"),
        ({"binarizer": "quantile"}, "binarizer"),
        ({"gap_tol": -1}, "gap_tol"),
        ({"class_weight": "heavy"}, "class_weight"),
    ],
)
def test_parameters_that_make_no_sense(kind, options, words, german):
    with pytest.raises(ValueError, match=words):
        kind(**options).fit(*german)


@pytest.mark.parametrize("options", [{"scale": 0}, {"scale": "wide"}, {"max_logit": 0}])
def test_scales_that_make_no_sense(options, german):
    with pytest.raises(ValueError, match=next(iter(options))):
        RiskScoreClassifier(**options).fit(*german)


@BOTH
def test_targets_that_are_refused(kind, german):
    X, y = german
    three = np.where(np.arange(len(y)) % 3 == 0, "ugly", y)
    with pytest.raises(ValueError, match="two classes and y has 3"):
        kind().fit(X, three)
    with pytest.raises(ValueError, match="y contains only one class, 'good'"):
        kind().fit(X, np.full(len(y), "good"))
    with pytest.raises(ValueError, match="rows of positive weight contain only one class, 'bad'"):
        kind().fit(X, y, (y == "bad").astype(float))
    with pytest.raises(ValueError, match="row 7"):
        kind().fit(X, y, np.where(np.arange(len(y)) == 7, -1, 1))


@BOTH
def test_tables_that_are_refused(kind, german):
    X, y = german
    with pytest.raises(ValueError, match="'credit_amount', row 0"):
        kind().fit(X.assign(credit_amount=np.inf), y)
    matrix = np.ones((20, 2))
    matrix[3, 1] = np.inf
    with pytest.raises(ValueError, match="'x1', row 3"):
        kind().fit(matrix, np.arange(20) % 2)
    matrix[3, 1] = 1e300
    assert kind().fit(matrix, np.arange(20) % 2).predict(matrix).sum() == 1
    model = kind(max_features=1, gap_tol=1).fit(X, y)
    with pytest.raises(ValueError, match="purpose"):
        model.predict(X.rename(columns={"purpose": "aim"}))


@BOTH
def test_before_fit(kind, german):
    for ask in ("terms_", "certificate_"):
        with pytest.raises(Exception, match="not fitted"):
            getattr(kind(), ask)
    for ask in ("to_text", "to_json", "to_sql", "rules", "plot"):
        with pytest.raises(Exception, match="not fitted"):
            getattr(kind(), ask)()


@BOTH
def test_a_card_without_terms(kind, german):
    X, y = german
    model = kind(max_features=0).fit(X, y)
    assert model.status_ == "optimal"
    assert model.scorecard_.terms == ()
    assert (model.predict(X) == "good").all()
    if kind is RiskScoreClassifier:
        assert model.predict_proba(X)[:, 1] == pytest.approx(0.7, abs=1e-6)
        assert model.objective_ == pytest.approx(-0.7 * np.log(0.7) - 0.3 * np.log(0.3))
    else:
        assert model.objective_ == pytest.approx(0.3)
    assert "for at most 0 of these" in model.certificate_.statement
    assert run_python(model)({}) == "good"
    assert treeml.ir.load(model.to_json())[0] == model.scorecard_
    constant = kind().fit(np.ones((10, 2)), [0] * 3 + [1] * 7)
    assert (constant.predict(np.ones((10, 2))) == 1).all()
    with pytest.warns(TableWarning, match="no value at all"):
        nothing = kind().fit(pd.DataFrame({"a": [None] * 6}), [0, 1, 1] * 2)
    assert nothing.predict(pd.DataFrame({"a": [1.0]})).tolist() == [1]
    assert "these 0 terms" in nothing.certificate_.statement


@BOTH
def test_rows_that_a_card_separates(kind):
    X = np.arange(20.0).reshape(-1, 1)
    y = (X[:, 0] > 9).astype(int)
    model = kind().fit(X, y)
    assert (model.predict(X) == y).all()
    assert model.status_ == "optimal"
    if kind is SLIMClassifier:
        assert model.error_ == 0
    else:
        assert model.objective_ < 1e-3
    assert np.isfinite(model.decision_function(X)).all()


def test_linear_constraints(german):
    X, y = german
    free = SLIMClassifier(max_features=2, binarizer=COARSE, coef_range=(-2, 2)).fit(X, y)
    n_terms = len(free.points_)
    row = np.r_[np.ones(n_terms), 0.0]
    total = int(free.points_.sum())
    bound = SLIMClassifier(
        max_features=2,
        binarizer=COARSE,
        coef_range=(-2, 2),
        linear_constraints=LinearConstraint(row, total + 1, np.inf),
        time_limit=2,
        gap_tol=1,
    ).fit(X, y)
    assert bound.points_.sum() >= total + 1
    assert bound.objective_ >= free.objective_ - 1e-9
    assert "the linear constraints given" in bound.certificate_.constraints


@BOTH
def test_params_and_clones(kind, few):
    X, y = few
    rules = ScoreConstraints(required=["purpose"])
    model = kind(max_features=1, constraints=rules, gap_tol=1, binarizer=COARSE)
    copy = clone(model)
    assert copy.constraints == rules
    assert copy.get_params()["constraints"] is not None
    copy.set_params(constraints=ScoreConstraints(forbidden=["purpose"]), binarizer__max_bins=4)
    assert model.constraints is rules
    assert {t.term.name for t in model.fit(X, y).scorecard_.terms} == {"purpose"}
    assert "purpose" not in {t.term.name for t in copy.fit(X, y).scorecard_.terms}
    assert "required" in repr(model)


@BOTH
def test_a_second_fit_forgets_the_first(kind, german):
    X, y = german
    model = kind(max_features=1, binarizer=COARSE, gap_tol=1).fit(X, y)
    first = model.certificate_
    matrix = np.column_stack([np.arange(30) % 2, np.arange(30) % 3]).astype(float)
    model.set_params(binarizer=None).fit(matrix, np.arange(30) % 2)
    assert not hasattr(model, "feature_names_in_")
    assert not hasattr(model, "binarizer_")
    assert model.certificate_.data_hash != first.data_hash
    assert [t.text() for t in model.terms_] == ["x0 = 1", "x1"]
