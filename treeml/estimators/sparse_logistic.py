"""Logistic regression with few coefficients, and how far from the best subset it can be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from treeml._core.control import Control, print_progress, warn_of_limit
from treeml._core.params import Interval, validate_params
from treeml._core.validation import check_target, check_weights
from treeml.search.risk_score import MAX_LOGIT, SubsetResult, best_subset

__all__ = ["SparseLogisticRegression"]


class SparseLogisticRegression(ClassifierMixin, BaseEstimator):
    """Logistic regression with at most ``max_features`` coefficients, chosen with a proof.

    Minimises the mean logistic loss without any penalty; the search and its bound are those of
    `RiskScoreClassifier`, with real coefficients.

    Parameters
    ----------
    max_features : int, default=5
        Most coefficients that are not 0.
    max_logit : float, default=500.0
        The most that a term may move the log odds, ``|coef| max|x|``: where rows are separable,
        the least loss is only attained with such a limit.
    gap_tol : float, default=0.0
        The search may end once the gap is no larger; 1: no proof, only a good subset.
    time_limit : float or None, default=60.0
        Seconds of the search.
    memory_limit : int or None, default=None
        Bytes that the search may allocate.
    verbose : int, default=0
        1: objective and bound over time, on the terminal.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (1, n_features)
    intercept_ : ndarray of float64, shape (1,)
    support_ : ndarray of int64
        Positions of the coefficients that are not 0.
    objective_, lower_bound_, gap_ : float
        Mean logistic loss in nats; proven for all subsets; their difference over it.
    status_ : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
        "optimal": the bound is within 4e-7 of the objective, relative to it.
    result_ : SubsetResult
    classes_ : ndarray, shape (2,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features,)

    References
    ----------
    D. Bertsimas, A. King, R. Mazumder, "Best subset selection via a modern optimization lens",
    Annals of Statistics 44 (2016).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from treeml import SparseLogisticRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> SparseLogisticRegression(max_features=2).fit(X, y).support_
    array([23, 27])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_features": [Interval(Integral, 0, None, closed="left")],
        "max_logit": [Interval(Real, 0, 1e6, closed="right")],
        "gap_tol": [Interval(Real, 0, None, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        max_features: int = 5,
        max_logit: float = MAX_LOGIT,
        gap_tol: float = 0.0,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.max_features = max_features
        self.max_logit = max_logit
        self.gap_tol = gap_tol
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SparseLogisticRegression:
        """Search for the subset.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_features)
            Finite numbers.
        y : array-like, shape (n_rows,)
            Labels of two classes.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        SparseLogisticRegression

        Raises
        ------
        ValueError
            For values, a target or weights that cannot be used.

        Warns
        -----
        SearchLimitWarning
            Where the search ended before the proof.
        """
        validate_params(self)
        matrix: Any = validate_data(self, X, dtype=np.float64)
        self.classes_, codes = check_target(y, len(matrix))
        weights = check_weights(sample_weight, len(matrix))
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"y has {len(self.classes_)} classes"
            )
        if len(self.classes_) < 2:
            raise ValueError(
                "SparseLogisticRegression needs samples of 2 classes, but y contains only one class"
            )
        control = Control(
            time_limit=self.time_limit,
            memory_limit=self.memory_limit,
            gap_tol=self.gap_tol,
            progress=print_progress if self.verbose else None,
        )
        result: SubsetResult = best_subset(
            matrix,
            codes,
            weights,
            max_features=self.max_features,
            max_logit=self.max_logit,
            control=control,
        )
        self.result_ = result
        self.coef_ = result.coef[None, :]
        self.intercept_ = np.array([result.intercept])
        self.support_ = np.flatnonzero(result.coef)
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = result.gap
        self.status_ = result.status
        if self.gap_tol < 1:
            easier = "a smaller max_features or a larger gap_tol make the proof easier"
            warn_of_limit(self.status_, self.objective_, self.gap_, control, easier)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds of ``classes_[1]``, shape (n_rows,)."""
        check_is_fitted(self, "coef_")
        matrix: Any = validate_data(self, X, dtype=np.float64, reset=False)
        return matrix @ self.coef_[0] + self.intercept_[0]

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        logit = self.decision_function(X)
        return self.classes_[(logit > 0).astype(np.intp)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, 2)."""
        logit = self.decision_function(X)
        return np.column_stack([expit(-logit), expit(logit)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
