"""Boosted trees as scikit-learn estimators."""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from treeml import export, predict
from treeml._core.control import Control, warn_of_stop
from treeml._core.params import Interval, Options, StrOptions, validate_params
from treeml._core.validation import (
    check_monotonic,
    check_numbers,
    check_target,
    check_weights,
    estimator_table,
)
from treeml.binarize.bins import BinnedTable
from treeml.estimators.base import takes_tables
from treeml.estimators.greedy import check_counts
from treeml.ir import TreeEnsemble
from treeml.report.picture import TreePicture
from treeml.search.boosted import BoostingLimits, boosted_trees

__all__ = ["BoostedTreesClassifier", "BoostedTreesRegressor"]

_COMMON: dict[str, list[Any]] = {
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
    "min_child_weight": [Interval(Real, 0, None, closed="left")],
    "l2_regularization": [Interval(Real, 0, None, closed="left")],
    "max_bins": [Interval(Integral, 2, 65535, closed="both"), None],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "monotonic_cst": [dict, "array-like", None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "time_limit": [Interval(Real, 0, None, closed="left"), None],
    "random_state": ["random_state"],
    "n_jobs": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
}


class BoostedTrees(BaseEstimator):
    """What boosted classifiers and regressors share."""

    ensemble_: TreeEnsemble

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        max_depth: int | None = 6,
        max_leaf_nodes: int | None = None,
        min_child_weight: float = 1.0,
        l2_regularization: float = 1.0,
        max_bins: int | None = 256,
        n_iter_no_change: int | None = None,
        validation_fraction: float = 0.1,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        time_limit: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_child_weight = min_child_weight
        self.l2_regularization = l2_regularization
        self.max_bins = max_bins
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.time_limit = time_limit
        self.random_state = random_state
        self.n_jobs = n_jobs

    @property
    def trees_(self) -> tuple:
        """The trees in the order in which they were grown."""
        check_is_fitted(self, "ensemble_")
        return self.ensemble_.trees

    def rules(self) -> Any:
        """One row a leaf of every tree, as a DataFrame."""
        return export.rules(self._fitted())

    def to_text(self) -> str:
        """The trees as indented questions, one after the other."""
        return export.text(self._fitted())

    def to_python(self, **options: Any) -> str:
        """A Python function without imports; options of `treeml.export.python`."""
        return export.python(self._fitted(), **options)

    def to_sql(self, **options: Any) -> str:
        """An SQL expression or query; options (dialect, table, ...) of `treeml.export.sql`."""
        return export.sql(self._fitted(), **options)

    def to_c(self, **options: Any) -> str:
        """C functions; options of `treeml.export.c`."""
        return export.c(self._fitted(), **options)

    def to_json(self) -> str:
        """Model and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def plot(self, tree: int = 0, *, title: str | None = None) -> TreePicture:
        """One of the trees as a picture that notebooks show."""
        chosen = self._fitted().trees[tree]
        return TreePicture(chosen, title or f"Tree {tree} of {len(self.trees_)}")

    def __sklearn_tags__(self) -> Any:
        return takes_tables(super().__sklearn_tags__())

    def _fitted(self) -> TreeEnsemble:
        check_is_fitted(self, "ensemble_")
        return self.ensemble_

    def _score(self, X: Any) -> np.ndarray:
        table = estimator_table(self, X, like=self._fitted().columns)
        return predict.score(self.ensemble_, table, n_threads=Control(n_jobs=self.n_jobs).n_threads)

    def _boost(self, X: Any, y: Any, sample_weight: Any) -> None:
        validate_params(self)
        table = estimator_table(self, X, categorical_features=self.categorical_features)
        target, loss, classes = self._target(y, table.n_rows)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is not None and not weights.all():
            kept = weights > 0
            table, target, weights = table.take(kept), target[kept], weights[kept]
        if loss == "poisson":
            check_counts(target)
        control = Control(n_jobs=self.n_jobs, time_limit=self.time_limit)
        held_out = self._held_out(target, classes)
        binned = BinnedTable.fit(
            table,
            max_bins=self.max_bins,
            sample_weight=weights,
            n_threads=control.n_threads,
        )
        limits = BoostingLimits(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            l2_regularization=self.l2_regularization,
            min_child_weight=self.min_child_weight,
            n_iter_no_change=None if held_out is None else self.n_iter_no_change,
        )
        self.ensemble_, result = boosted_trees(
            binned,
            target,
            loss,
            limits,
            classes=classes,
            sample_weight=weights,
            validation=held_out,
            monotone=check_monotonic(self.monotonic_cst, table.types),
            control=control,
        )
        self.findings_ = binned.findings
        self.n_estimators_ = result.n_rounds
        self.train_loss_ = result.train_loss
        self.validation_loss_ = result.validation_loss
        self.status_ = result.status
        warn_of_stop(self.status_, control, f"the trees of {result.n_rounds} rounds are kept")

    def _target(self, y: Any, n_rows: int) -> tuple[np.ndarray, Any, np.ndarray | None]:
        """Numbers to learn, the loss, and the classes where there are some."""
        raise NotImplementedError

    def _held_out(self, target: np.ndarray, classes: np.ndarray | None) -> np.ndarray | None:
        """Rows that tell when to stop."""
        if self.n_iter_no_change is None:
            return None
        rows = np.arange(len(target))
        common = classes is not None and np.bincount(target.astype(int)).min() > 1
        _, out = train_test_split(
            rows,
            test_size=self.validation_fraction,
            stratify=target if common else None,
            random_state=self.random_state,
        )
        mask = np.zeros(len(target), dtype=bool)
        mask[out] = True
        return mask


class BoostedTreesClassifier(ClassifierMixin, BoostedTrees):
    """Second-order boosted trees: a fair baseline, a teacher, a guesser of thresholds.

    Small on purpose. The same model for any number of threads, on raw tables with strings,
    categories and missing values, and exported to SQL or Python like every other model.

    Parameters
    ----------
    n_estimators : int, default=100
        Rounds; each grows one tree, or one a class with more than two classes.
    learning_rate : float, default=0.1
        What the values of every tree are multiplied by.
    max_depth : int or None, default=6
        Largest depth of a tree.
    max_leaf_nodes : int or None, default=None
        Most leaves of a tree, which then grows best first.
    min_child_weight : float, default=1.0
        Least sum of second derivatives (hessians) in a leaf.
    l2_regularization : float, default=1.0
        Added to that sum where leaves get their value.
    max_bins : int or None, default=256
        Most bins of a number; None: every threshold, up to 65,535 distinct values.
    n_iter_no_change : int or None, default=None
        Stop after so many rounds without a lower loss on held-out rows; the rounds up to the
        lowest one are kept. None: no rows are held out.
    validation_fraction : float, default=0.1
        Share of the rows that are held out for this.
    monotonic_cst : dict by column, array-like of {-1, 0, 1} or None, default=None
        Columns with which the score (of the second of two classes) may only rise or fall.
    categorical_features : "from_dtype" or sequence of str, int or bool, default="from_dtype"
        Columns to take as categories even where they hold numbers.
    time_limit : float or None, default=None
        Seconds after which no tree is added.
    random_state : int, RandomState or None, default=None
        Of the rows that are held out; nothing else is random.
    n_jobs : int or None, default=None
        Threads; the model is the same for any number.

    Attributes
    ----------
    ensemble_ : TreeEnsemble
        The model as data.
    trees_ : tuple of RegressionTree
    n_estimators_ : int
        Rounds that are kept.
    train_loss_, validation_loss_ : ndarray of float64
        Mean loss before each round; of the held-out rows after 0, 1, ... rounds.
    status_ : {"optimal", "time_limit", "interrupted"}
        "optimal" where no limit ended the rounds.
    findings_ : tuple of Finding
        What stands out in the columns of the table.
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    T. Chen, C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016, sections 2-3.
    J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", 2001.

    Examples
    --------
    >>> from treeml import BoostedTreesClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> BoostedTreesClassifier(n_estimators=20).fit(X, y).n_estimators_
    20
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = dict(_COMMON)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BoostedTreesClassifier:
        """Grow the trees.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Class labels.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative.

        Returns
        -------
        BoostedTreesClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.
        """
        self._boost(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self._fitted().predict_of(self._score(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores before the link, shape (n_rows,), or (n_rows, n_classes) with several classes."""
        score = self._score(X)
        return score[:, 0] if score.shape[1] == 1 else score

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of every class, shape (n_rows, n_classes)."""
        return self._fitted().proba_of(self._score(X))

    def _target(self, y: Any, n_rows: int) -> tuple[np.ndarray, Any, np.ndarray | None]:
        self.classes_, codes = check_target(y, n_rows)
        loss = "logistic" if len(self.classes_) == 2 else "softmax"
        return codes.astype(np.float64), loss, self.classes_


class BoostedTreesRegressor(RegressorMixin, BoostedTrees):
    """Second-order boosted regression trees; see `BoostedTreesClassifier`.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        "poisson" predicts the exponential of the score and needs targets of 0 or above.
    n_estimators, learning_rate, max_depth, max_leaf_nodes, min_child_weight
        As for `BoostedTreesClassifier`.
    l2_regularization, max_bins, n_iter_no_change, validation_fraction, monotonic_cst
        As for `BoostedTreesClassifier`.
    categorical_features, time_limit, random_state, n_jobs
        As for `BoostedTreesClassifier`.

    Attributes
    ----------
    ensemble_ : TreeEnsemble
        The model as data.
    trees_ : tuple of RegressionTree
    n_estimators_ : int
    train_loss_, validation_loss_ : ndarray of float64
        Mean squared error, or mean of the prediction minus target times its logarithm.
    status_ : {"optimal", "time_limit", "interrupted"}
    findings_ : tuple of Finding
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "loss": [StrOptions({"squared_error", "poisson"})],
        **_COMMON,
    }

    def __init__(
        self,
        *,
        loss: str = "squared_error",
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        max_depth: int | None = 6,
        max_leaf_nodes: int | None = None,
        min_child_weight: float = 1.0,
        l2_regularization: float = 1.0,
        max_bins: int | None = 256,
        n_iter_no_change: int | None = None,
        validation_fraction: float = 0.1,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        time_limit: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        super().__init__(
            n_estimators=n_estimators,
            learning_rate=learning_rate,
            max_depth=max_depth,
            max_leaf_nodes=max_leaf_nodes,
            min_child_weight=min_child_weight,
            l2_regularization=l2_regularization,
            max_bins=max_bins,
            n_iter_no_change=n_iter_no_change,
            validation_fraction=validation_fraction,
            monotonic_cst=monotonic_cst,
            categorical_features=categorical_features,
            time_limit=time_limit,
            random_state=random_state,
            n_jobs=n_jobs,
        )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BoostedTreesRegressor:
        """Grow the trees.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Numbers.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative.

        Returns
        -------
        BoostedTreesRegressor

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.
        """
        self._boost(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Prediction for every row, shape (n_rows,), float64."""
        return self._fitted().predict_of(self._score(X))

    def _target(self, y: Any, n_rows: int) -> tuple[np.ndarray, Any, np.ndarray | None]:
        return check_numbers(y, n_rows), self.loss, None
