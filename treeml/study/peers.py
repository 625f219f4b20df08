"""The models that a tree is compared with, tuned on the same folds: CART, regression, forest."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from treeml._core.table import Table
from treeml.study.scores import FoldScores, mixture, recalls

__all__ = ["Folds", "Peer", "cart_path", "peers"]

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

_LEAVES = (*range(2, 17), 20, 24, 32)
_STRENGTHS = (0.01, 0.1, 1.0)


@dataclasses.dataclass(slots=True)
class Peer(FoldScores):
    """A model: its name, settings, scores on the folds and predictions for the test rows."""

    name: str
    settings: str
    folds: list[float]
    leaves: int | None
    predicted: np.ndarray
    chance: np.ndarray | None


def fold_score(codes: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """The score of choice on one fold: right answers, weighted by class."""
    rows = np.arange(len(codes))[None, :]
    share = recalls(codes, predicted == codes, rows, len(weights))[0]
    return float(share @ mixture(codes, weights))


def cells(table: Table) -> Any:
    """A pandas frame that scikit-learn's encoders read: floats, and text with "(missing)"."""
    import pandas as pd

    columns = {}
    for at, column in enumerate(table.columns):
        if column.values.dtype == object:
            texts = ["(missing)" if value is None else str(value) for value in column.values]
            columns[f"c{at}"] = np.array(texts, dtype=object)
        else:
            columns[f"n{at}"] = np.asarray(column.values, dtype=np.float64)
    return pd.DataFrame(columns, index=range(table.n_rows))


def _pipeline(frame: Any, model: Any, *, scale: bool) -> Any:
    """Imputation (median and an indicator), one-hot levels, then the model; fitted per fold."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [name for name in frame.columns if name[0] == "n"]
    texts = [name for name in frame.columns if name[0] == "c"]
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    numeric = make_pipeline(impute, StandardScaler()) if scale else impute
    levels = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=40, sparse_output=False
    )
    steps = [("numbers", numeric, numbers), ("levels", levels, texts)]
    used = [step for step in steps if step[2]]
    return make_pipeline(ColumnTransformer(used), model)


def _fit(model: Any, frame: Any, codes: np.ndarray) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        copy: Any = clone(model)
        return copy.fit(frame, codes)


def _on_folds(
    model: Any, frame: Any, codes: np.ndarray, folds: Folds, w: np.ndarray
) -> list[float]:
    scores = []
    for fit_rows, held_out in folds:
        fitted = _fit(model, frame.iloc[fit_rows], codes[fit_rows])
        predicted = fitted.predict(frame.iloc[held_out])
        scores.append(fold_score(codes[held_out], predicted, w))
    return scores


def _weights(class_weight: Any, classes: np.ndarray) -> Any:
    """``class_weight`` for models fitted on class codes."""
    if isinstance(class_weight, dict):
        return {at: class_weight.get(label, 1.0) for at, label in enumerate(classes.tolist())}
    return class_weight


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What every model is given: rows to fit and to test, folds, class weights and the seed."""

    train: Table
    codes: np.ndarray
    test: Table
    classes: np.ndarray
    folds: Folds
    class_weight: Any
    weights: np.ndarray
    random_state: int


def cart_path(task: Task) -> list[tuple[int, list[float]]]:
    """Fold scores of CART for every bound on its leaves."""
    from sklearn.tree import DecisionTreeClassifier

    frame = cells(task.train)
    if not frame.shape[1]:
        return []
    weight = _weights(task.class_weight, task.classes)
    out = []
    for leaves in _LEAVES:
        model = DecisionTreeClassifier(
            max_leaf_nodes=leaves, class_weight=weight, random_state=task.random_state
        )
        pipe = _pipeline(frame, model, scale=False)
        out.append((leaves, _on_folds(pipe, frame, task.codes, task.folds, task.weights)))
    return out


def peers(task: Task, path: Sequence[tuple[int, list[float]]]) -> Iterator[Peer]:
    """CART by the best fold score and by the one-standard-error rule, regression and forest."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    frame, weight = cells(task.train), _weights(task.class_weight, task.classes)
    if not path:
        return
    means = [float(np.mean(scores)) for _, scores in path]
    best = int(np.argmax(means))
    error = float(np.std(path[best][1], ddof=1) / math.sqrt(len(path[best][1])))
    simple = next(i for i, mean in enumerate(means) if mean >= means[best] - error)
    rules = {best: "best on the folds", simple: "one-standard-error rule"}
    if best == simple:
        rules = {best: "best on the folds and one-standard-error rule"}
    for at, rule in rules.items():
        leaves, scores = path[at]
        model = DecisionTreeClassifier(
            max_leaf_nodes=leaves, class_weight=weight, random_state=task.random_state
        )
        yield _peer(
            task,
            f"CART, {leaves} leaves",
            f"{rule}: at most {leaves} leaves",
            model,
            scores,
            scale=False,
        )

    tried = []
    for strength in _STRENGTHS:
        model = LogisticRegression(C=strength, class_weight=weight, max_iter=1000)
        pipe = _pipeline(frame, model, scale=True)
        scores = _on_folds(pipe, frame, task.codes, task.folds, task.weights)
        tried.append((float(np.mean(scores)), scores, strength, model))
    _, scores, strength, model = max(tried, key=lambda entry: entry[0])
    settings = f"scaled, one-hot, C = {strength:g} (best on the folds)"
    yield _peer(task, "logistic regression", settings, model, scores, scale=True)

    model = RandomForestClassifier(200, class_weight=weight, random_state=task.random_state)
    pipe = _pipeline(frame, model, scale=False)
    scores = _on_folds(pipe, frame, task.codes, task.folds, task.weights)
    yield _peer(task, "random forest", "200 trees, as scikit-learn sets it", model, scores, False)


def _peer(
    task: Task, name: str, settings: str, model: Any, scores: list[float], scale: bool
) -> Peer:
    frame = cells(task.train)
    fitted = _fit(_pipeline(frame, model, scale=scale), frame, task.codes)
    unseen = cells(task.test)
    leaves = fitted[-1].get_n_leaves() if hasattr(fitted[-1], "get_n_leaves") else None
    chance = fitted.predict_proba(unseen)[:, 1] if len(task.classes) == 2 else None
    return Peer(name, settings, scores, leaves, fitted.predict(unseen), chance)
