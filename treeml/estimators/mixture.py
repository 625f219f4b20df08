"""Sparse mixtures of linear experts as scikit-learn estimators."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from treeml._core.params import validate_params
from treeml._core.validation import check_numbers, check_squares, check_target, check_weights
from treeml.binarize.leaf_columns import LeafColumns
from treeml.estimators.mixture_base import COMMON, SMOSEBase
from treeml.routing.mixture import Mixture
from treeml.search.leaf_tasks import LogLoss, SquaredError

__all__ = ["SMOSEClassifier", "SMOSERegressor"]


class SMOSERegressor(RegressorMixin, SMOSEBase):
    """A handful of linear experts, one of which answers for each row, and a linear router.

    The router gives every expert a linear score; the expert with the greatest one answers alone,
    with its own linear map. So every prediction is a linear formula, and why this formula is a
    comparison of linear scores. By default cross-validation chooses the number of experts: the
    smallest whose error is within a standard error of the least, or 1, a ridge regression, which
    gives way only to a gain of two standard errors.

    Columns are numbers without missing values: one at fit or at predict is refused with its column
    and row. Constant columns have no coefficient in router or experts; with none but constant
    columns there is one expert, a constant. Collinear columns share their coefficients, and an
    expert may answer for fewer rows than there are columns, since differences from the linear
    model of all rows are penalised. More experts than different rows are refused.

    Parameters
    ----------
    n_experts : int or "cv", default="cv"
        Most experts; those that no row is routed to are left out. "cv": chosen from 1 to 6.
    expert_l2 : float or "cv", default="cv"
        Price of the squared difference between a coefficient of an expert and that of the linear
        model of all rows, in units of row weight, for columns of standard deviation 1. "cv": 1,
        10 or 100.
    expert_max_features, router_max_features : int or None, default=None
        Most columns that each expert multiplies, and that the router reads.
    balance : float, default=0.0
        How strongly experts that answer for few rows are preferred while the mixture is fitted.
    gate : {"softmax", "sparsemax"}, default="softmax"
        Shares of the experts while the mixture is fitted; "sparsemax" needs ``fit_by="gradient"``.
    fit_by : {"em", "kplane", "gradient"}, default="em"
        Expectation and maximisation; rows to the expert of least error in turn with fits; or EM
        followed by L-BFGS on the expected loss.
    n_restarts : int, default=3
        Random starts; a tree with as many linear leaves is one more. The best in training loss,
        one expert a row, is kept.
    time_limit : float or None, default=60.0
        Seconds after which no further start is tried.
    random_state : int, RandomState or None, default=None
        For the random starts.

    Attributes
    ----------
    model_ : RoutedModel
        The model as data: a linear router over linear experts.
    n_experts_ : int
    usage_ : ndarray of float64, shape (n_experts,)
        Share of the training weight that each expert answers for.
    expert_l2_ : float
    objective_ : float
        Penalised training loss of the routed experts, per unit of weight.
    cv_scores_ : SizeScores or None
        Errors of the cross-validation; infinite where a size or penalty was not tried.
    status_ : {"optimal", "time_limit"}
        "optimal": all starts were tried; nothing is proven.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    M. Vincze et al., "SMOSE: sparse mixture of shallow experts for interpretable reinforcement
    learning in continuous control tasks", AAAI 2025; M. Jordan, R. Jacobs, Neural Computation 6
    (1994).

    Examples
    --------
    >>> import numpy as np
    >>> from treeml import SMOSERegressor
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> model = SMOSERegressor(n_experts=2, random_state=0).fit(X, np.abs(X[:, 0] + X[:, 1]))
    >>> model.n_experts_
    2
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**COMMON}

    def __init__(
        self,
        *,
        n_experts: int | Literal["cv"] = "cv",
        expert_l2: float | Literal["cv"] = "cv",
        expert_max_features: int | None = None,
        router_max_features: int | None = None,
        balance: float = 0.0,
        gate: Literal["softmax", "sparsemax"] = "softmax",
        fit_by: Literal["em", "kplane", "gradient"] = "em",
        n_restarts: int = 3,
        time_limit: float | None = 60.0,
        random_state: Any = None,
    ) -> None:
        self.n_experts = n_experts
        self.expert_l2 = expert_l2
        self.expert_max_features = expert_max_features
        self.router_max_features = router_max_features
        self.balance = balance
        self.gate = gate
        self.fit_by = fit_by
        self.n_restarts = n_restarts
        self.time_limit = time_limit
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SMOSERegressor:
        """Fit router and experts.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_columns)
            Finite numbers.
        y : array-like, shape (n_rows,)
            Numbers.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        SMOSERegressor

        Raises
        ------
        ValueError
            For values, a target or weights that cannot be used, naming column and row, or more
            experts than different rows.
        """
        validate_params(self)
        matrix = self._matrix(X, reset=True)
        values = check_squares(check_numbers(y, len(matrix)))
        weights = check_weights(sample_weight, len(matrix))
        weights = np.ones(len(matrix)) if weights is None else weights
        kept = weights > 0
        columns = self._columns(matrix[kept], weights[kept])
        found = self._mixture(columns, SquaredError(values[kept], weights[kept]))
        self._keep(found, columns, "identity")
        return self


class SMOSEClassifier(ClassifierMixin, SMOSEBase):
    """A handful of logistic experts, one of which answers for each row, and a linear router.

    As `SMOSERegressor`, with log loss: experts are logistic regressions.

    Parameters
    ----------
    n_experts, expert_max_features, router_max_features, balance, gate, fit_by, n_restarts
        As for `SMOSERegressor`.
    expert_l2 : float or "cv", default="cv"
        As there; "cv": .25, 2.5 or 25.
    time_limit, random_state
        As there.

    Attributes
    ----------
    model_ : RoutedModel
    n_experts_, usage_, expert_l2_, objective_, cv_scores_, status_
        As for `SMOSERegressor`.
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from treeml import SMOSEClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> SMOSEClassifier(n_experts=2, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**COMMON}
    _curvature = 0.25

    def __init__(
        self,
        *,
        n_experts: int | Literal["cv"] = "cv",
        expert_l2: float | Literal["cv"] = "cv",
        expert_max_features: int | None = None,
        router_max_features: int | None = None,
        balance: float = 0.0,
        gate: Literal["softmax", "sparsemax"] = "softmax",
        fit_by: Literal["em", "kplane", "gradient"] = "em",
        n_restarts: int = 3,
        time_limit: float | None = 60.0,
        random_state: Any = None,
    ) -> None:
        self.n_experts = n_experts
        self.expert_l2 = expert_l2
        self.expert_max_features = expert_max_features
        self.router_max_features = router_max_features
        self.balance = balance
        self.gate = gate
        self.fit_by = fit_by
        self.n_restarts = n_restarts
        self.time_limit = time_limit
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SMOSEClassifier:
        """Fit router and experts.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_columns)
            Finite numbers.
        y : array-like, shape (n_rows,)
            Class labels.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        SMOSEClassifier

        Raises
        ------
        ValueError
            For values, a target or weights that cannot be used, naming column and row, or more
            experts than different rows.
        """
        validate_params(self)
        matrix = self._matrix(X, reset=True)
        self.classes_, codes = check_target(y, len(matrix))
        weights = check_weights(sample_weight, len(matrix))
        weights = np.ones(len(matrix)) if weights is None else weights
        kept = weights > 0
        columns = self._columns(matrix[kept], weights[kept])
        n_classes = len(self.classes_)
        if n_classes == 1:
            self._single(columns)
            return self
        found = self._mixture(columns, LogLoss(codes[kept], n_classes, weights[kept]))
        self._keep(found, columns, "logistic" if n_classes == 2 else "softmax", self.classes_)
        return self

    def _single(self, columns: LeafColumns) -> None:
        """The model of a single class."""
        none = np.zeros((len(columns.linear) + 1, 1))
        self.usage_, self.expert_l2_, self.objective_ = np.ones(1), 0.0, 0.0
        self.n_experts_, self.cv_scores_, self.status_ = 1, None, "optimal"
        self._keep(Mixture(none[None], none, 0.0), columns, "softmax", self.classes_)
