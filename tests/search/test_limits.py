"""Limits of the search, its interruption, and what it tells on the way."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pytest
import sklearn

from treeml import OptimalTreeClassifier
from treeml._core.control import SearchLimitWarning

JOBS = pytest.mark.parametrize("n_jobs", [1, 2])


@pytest.fixture(scope="module")
def hard():
    """Noise over many questions: minutes of search at depth 6."""
    rng = np.random.default_rng(0)
    X = (rng.random((3000, 90)) < 0.5).astype(np.uint8)
    return X, (X[:, :8].sum(axis=1) + rng.normal(size=3000) > 4).astype(int)


def honest(model, X, y):
    """What must hold of a model whose proof is not complete."""
    errors = float((model.predict(X) != y).mean())
    assert model.objective_ == pytest.approx(errors + model.regularization * model.n_leaves_)
    assert 0 <= model.lower_bound_ < model.objective_
    assert model.gap_ == pytest.approx(1 - model.lower_bound_ / model.objective_)
    known = model.result_.history
    assert (np.diff(known[:, 0]) >= 0).all()
    assert (np.diff(known[:, 1]) <= 0).all()
    assert (known[:, 2] <= model.objective_ + 1e-12).all()


@JOBS
@pytest.mark.parametrize("max_depth", [6, None])
def test_time_limit(hard, n_jobs, max_depth):
    model = OptimalTreeClassifier(max_depth=max_depth, time_limit=0.3, n_jobs=n_jobs)
    with pytest.warns(SearchLimitWarning, match="time_limit=0.3 was reached"):
        model.fit(*hard)
    assert model.status_ == "time_limit"
    assert model.result_.seconds < 5  # seconds on a machine that does nothing else: .31
    honest(model, *hard)


@JOBS
def test_no_time_at_all_gives_a_tree(hard, n_jobs):
    model = OptimalTreeClassifier(max_depth=4, time_limit=0, n_jobs=n_jobs)
    with pytest.warns(SearchLimitWarning):
        model.fit(*hard)
    honest(model, *hard)


@JOBS
@pytest.mark.parametrize("limit", [0, 1_000_000, 3_000_000])
def test_memory_limit(hard, n_jobs, limit):
    model = OptimalTreeClassifier(max_depth=6, memory_limit=limit, time_limit=60, n_jobs=n_jobs)
    with pytest.warns(SearchLimitWarning, match=f"memory_limit={limit} was reached"):
        model.fit(*hard)
    assert model.status_ == "memory_limit"
    honest(model, *hard)
    if limit:
        assert model.result_.counters["bytes"] <= limit


@JOBS
def test_ctrl_c_returns_the_best_so_far(hard, n_jobs):
    model = OptimalTreeClassifier(max_depth=6, time_limit=60, n_jobs=n_jobs)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(SearchLimitWarning, match="interrupted"):
        model.fit(*hard)
    timer.join()
    assert model.status_ == "interrupted"
    honest(model, *hard)


def test_a_program_in_its_search_ends_on_sigint(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import numpy as np
            from treeml import OptimalTreeClassifier
            rng = np.random.default_rng(0)
            X, y = rng.integers(0, 2, (5000, 100)), rng.integers(0, 2, 5000)
            print("fitting", flush=True)
            print(OptimalTreeClassifier(max_depth=8, time_limit=None).fit(X, y).status_)
            """
        )
    )
    command = [sys.executable, "-W", "ignore", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "fitting\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "interrupted\n")


@JOBS
def test_gap_tol_ends_with_a_gap_no_larger(hard, n_jobs):
    model = OptimalTreeClassifier(max_depth=None, regularization=0.01, gap_tol=0.9, n_jobs=n_jobs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*hard)
    assert model.status_ in ("gap_tol", "optimal")
    assert model.gap_ <= 0.9


def test_bounds_on_the_terminal(hard, capsys):
    X, y = hard
    OptimalTreeClassifier(max_depth=3, verbose=1).fit(X, y)
    err = capsys.readouterr().err
    assert "objective 0." in err
    assert "lower bound 0." in err


def test_an_exception_of_the_progress_leaves_the_search(hard, monkeypatch):
    def fail(*known):
        raise OSError("no terminal")

    monkeypatch.setattr("treeml.estimators.callbacks.print_progress", fail)
    with pytest.raises(OSError, match="no terminal"):
        OptimalTreeClassifier(max_depth=6, time_limit=20, verbose=1).fit(*hard)


class Watch:
    """A callback that remembers what it was told, and stops when it has heard enough."""

    def __init__(self, enough=None):
        self.enough, self.known, self.calls = enough, [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "fit":
            self.calls.append("begin")

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        if context.task_name == "fit":
            self.calls.append("end")
            self.fitted = fitted_estimator
        else:
            self.known.append(metadata)
        return self.enough is not None and len(self.known) >= self.enough


callbacks = pytest.mark.skipif(
    not hasattr(OptimalTreeClassifier, "set_callbacks"),
    reason=f"scikit-learn {sklearn.__version__} has no callbacks",
)


@callbacks
def test_scikit_learn_callbacks_get_the_bounds(hard):
    X, y = hard
    watch = Watch()
    model = OptimalTreeClassifier(max_depth=3).set_callbacks(watch).fit(X, y)
    assert watch.calls == ["setup", "begin", "end", "teardown"]
    assert watch.known[-1]["objective"] == pytest.approx(model.objective_)
    assert all(known["lower_bound"] <= model.objective_ + 1e-12 for known in watch.known)
    assert (watch.fitted.predict(X) == model.predict(X)).all()


@callbacks
def test_a_callback_ends_the_search(hard):
    model = OptimalTreeClassifier(max_depth=6, time_limit=60).set_callbacks(Watch(enough=3))
    with pytest.warns(SearchLimitWarning, match="interrupted"):
        model.fit(*hard)
    assert model.status_ == "interrupted"
    honest(model, *hard)
