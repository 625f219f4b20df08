"""Trees with linear leaves as scikit-learn estimators."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from treeml._core.params import Interval, StrOptions, validate_params
from treeml._core.validation import check_numbers, check_squares, check_target
from treeml.binarize.leaf_columns import LeafColumns
from treeml.estimators.base import class_weight_array
from treeml.estimators.linear_tree_base import COMMON, LinearTreeBase, Read
from treeml.ir import LinearMap, RoutedModel, RoutingTree
from treeml.search.leaf_model import leaf_model
from treeml.search.leaf_tasks import LogLoss, SquaredError

__all__ = ["LinearTreeClassifier", "LinearTreeRegressor"]


class LinearTreeRegressor(RegressorMixin, LinearTreeBase):
    """A small tree whose leaves are linear models.

    The linear model of all rows (ridge, by leaving rows out) comes first; each leaf
    may differ from it, at a price for every coefficient, so that few rows stay with the common
    model. A tree grows best first, on the cost that its leaves have once they are fitted; after
    every split all questions are chosen anew at the resolution of the rows. By default
    cross-validation chooses the number of leaves, up to 8: the smallest whose error is within a
    standard error of the least one, or the plain linear model, which gives way only to a gain of
    two standard errors; where rows are few their folds are dealt three times.

    Numbers without missing values enter the maps of the leaves; all columns may be asked about:
    numbers that are missing somewhere, categories, booleans. Rows that miss a value in a column
    that was complete at fit cannot be predicted where a leaf multiplies it: an error names column
    and row. Constant columns have no coefficient, collinear ones share theirs, and a leaf may have
    fewer rows than columns: the penalty makes every leaf's map unique.

    Parameters
    ----------
    max_leaf_nodes : int or "cv", default="cv"
        Most leaves, fewer where rows are few; "cv": chosen from 1 to 8.
    max_depth : int or None, default=None
        Largest depth; the root has depth 0. With ``solver="exact"`` at most 3; None is 2.
    l2 : float or "cv", default="cv"
        Price of the squared difference between a coefficient of a leaf and that of all rows, in
        units of row weight, for columns of standard deviation 1. "cv": 1, 10, 100 or 1000.
    solver : {"polish", "greedy", "regrow", "exact"}, default="polish"
        "greedy": growth alone; "polish": questions are chosen anew after every split; "regrow":
        nodes are also taken out and grown elsewhere, ten times slower and lower in loss; "exact":
        the best tree of depth 2 or 3 over a grid of cuts, with a certificate that says which.
    max_cuts : int, default=32
        Most cuts of a column on the grid. Without "exact" every threshold between two rows is
        tried around the best three cuts of the grid; with it there are at most 255.
    min_samples_leaf : int, default=1
        Fewest rows of a leaf.
    min_weight_fraction_leaf : float, default=0.01
        Least share of a leaf in the weight of all rows.
    clip_margin : float or None, default=0.05
        A leaf predicts within the range of its training rows, widened on either side by this
        share of the range of all targets; None: no limit. The plain linear model has none.
    categorical_features : "from_dtype" or sequence of str, int or bool, default="from_dtype"
        Columns to take as categories even where they hold numbers.
    time_limit : float or None, default=60.0
        Seconds of all fits, those of the cross-validation included.
    memory_limit : int or None, default=None
        Bytes that a search may allocate.

    Attributes
    ----------
    model_ : RoutedModel
        The model as data: a tree over linear experts.
    n_leaves_ : int
    l2_ : float
    objective_ : float
        What the leaves' differences from the linear model of all rows leave of its squared error,
        prices included, as a share of it.
    lower_bound_, gap_ : float
        With ``solver="exact"``: no tree on the grid has a smaller objective; see `certificate_`.
    cv_scores_ : SizeScores or None
        Errors of the cross-validation by penalty, size and fold; of the folds that a limit let
        it complete.
    status_ : {"optimal", "time_limit", "memory_limit", "interrupted"}
        "optimal": the search ended by itself; it proves the tree only with ``solver="exact"``.
    findings_ : tuple of Finding
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    J. Quinlan, "Learning with continuous classes", 1992, for trees with linear leaves. M.
    Carreira-Perpiñán, P. Tavallali, NeurIPS 2018, section 3, for questions chosen anew.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from treeml import LinearTreeRegressor
    >>> X, y = make_friedman1(1000, random_state=0)
    >>> LinearTreeRegressor(max_leaf_nodes=4).fit(X, y).n_leaves_
    4
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **COMMON,
        "clip_margin": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        max_leaf_nodes: int | Literal["cv"] = "cv",
        max_depth: int | None = None,
        l2: float | Literal["cv"] = "cv",
        solver: str = "polish",
        max_cuts: int = 32,
        min_samples_leaf: int = 1,
        min_weight_fraction_leaf: float = 0.01,
        clip_margin: float | None = 0.05,
        categorical_features: Any = "from_dtype",
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
    ) -> None:
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.l2 = l2
        self.solver = solver
        self.max_cuts = max_cuts
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.clip_margin = clip_margin
        self.categorical_features = categorical_features
        self.time_limit = time_limit
        self.memory_limit = memory_limit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearTreeRegressor:
        """Grow the tree.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Numbers.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        LinearTreeRegressor

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.

        Warns
        -----
        SearchLimitWarning
            Where a limit ended the search.
        """
        validate_params(self)
        table, kept, weights = self._rows(X, sample_weight)
        values = check_squares(check_numbers(y, table.n_rows if kept is None else len(kept)))
        values = values if kept is None else values[kept]
        self._clip_margin = self.clip_margin
        columns = LeafColumns.fit(table, weights)
        grown = self._fit(Read(columns, SquaredError(values, weights)))
        self.model_ = leaf_model(grown.models[-1], columns, weights, link="identity")
        self.n_leaves_ = self.model_.n_leaves
        return self


class LinearTreeClassifier(ClassifierMixin, LinearTreeBase):
    """A small tree whose leaves are logistic regressions.

    As `LinearTreeRegressor`, with log loss: the logistic regression of all rows comes first, and
    leaves differ from it at a price. Growth minimises a quadratic bound of the loss, the leaves of
    every size are then fitted to the loss itself, on which cross-validation chooses.

    Parameters
    ----------
    max_leaf_nodes, max_depth, solver, max_cuts, min_samples_leaf
        As for `LinearTreeRegressor`; "exact" is about the quadratic bound of the loss.
    l2 : float or "cv", default="cv"
        As there; "cv": .25, 2.5, 25 or 250.
    min_weight_fraction_leaf, categorical_features, time_limit, memory_limit
        As there.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss; probabilities are then those of the weighted rows.

    Attributes
    ----------
    model_ : RoutedModel
        The model as data: a tree over linear experts, whose scores are log odds (two classes) or
        logits.
    objective_ : float
        Of the quadratic bound, as a share of what it is without any difference between leaves.
    n_leaves_, l2_, cv_scores_, status_, lower_bound_, gap_, findings_
        As for `LinearTreeRegressor`; the scores of the cross-validation are mean log losses.
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    N. Landwehr, M. Hall, E. Frank, "Logistic model trees", Machine Learning 59 (2005), for
    logistic leaves. D. Böhning, "Multinomial logistic regression algorithm", 1992, for the bound.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from treeml import LinearTreeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearTreeClassifier().fit(X, y).predict(X[:2]).tolist()
    [0, 0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **COMMON,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _curvature = 0.25

    def __init__(
        self,
        *,
        max_leaf_nodes: int | Literal["cv"] = "cv",
        max_depth: int | None = None,
        l2: float | Literal["cv"] = "cv",
        solver: str = "polish",
        max_cuts: int = 32,
        min_samples_leaf: int = 1,
        min_weight_fraction_leaf: float = 0.01,
        class_weight: dict | str | None = None,
        categorical_features: Any = "from_dtype",
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
    ) -> None:
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.l2 = l2
        self.solver = solver
        self.max_cuts = max_cuts
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.class_weight = class_weight
        self.categorical_features = categorical_features
        self.time_limit = time_limit
        self.memory_limit = memory_limit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearTreeClassifier:
        """Grow the tree.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Class labels.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        LinearTreeClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.

        Warns
        -----
        SearchLimitWarning
            Where a limit ended the search.
        """
        validate_params(self)
        table, kept, weights = self._rows(X, sample_weight)
        self.classes_, codes = check_target(y, table.n_rows if kept is None else len(kept))
        codes = codes if kept is None else codes[kept]
        weights = self._weighted(codes, weights)
        columns = LeafColumns.fit(table, weights)
        n_classes = len(self.classes_)
        if n_classes == 1:
            self.model_ = self._constant(columns, weights)
        else:
            grown = self._fit(Read(columns, LogLoss(codes, n_classes, weights)))
            link = "logistic" if n_classes == 2 else "softmax"
            self.model_ = leaf_model(
                grown.models[-1], columns, weights, link=link, classes=self.classes_
            )
        self.n_leaves_ = self.model_.n_leaves
        return self

    def _weighted(self, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Row weights times class weights."""
        given = class_weight_array(self.class_weight, self.classes_)
        self._class_weights = np.ones(len(self.classes_))
        if given is None:
            return weights
        if isinstance(given, str):
            per_class = np.bincount(codes, weights, minlength=len(self.classes_))
            present = per_class > 0
            given = np.zeros(len(self.classes_))
            given[present] = per_class.sum() / (present.sum() * per_class[present])
        self._class_weights = given
        weighted = weights * given[codes]
        if not weighted.all():
            label = self.classes_.tolist()[int(codes[np.flatnonzero(weighted == 0)[0]])]
            raise ValueError(
                f"class_weight of {label!r} is 0: leave the rows of this class out, or give it a "
                "positive weight"
            )
        return weighted

    def _constant(self, columns: LeafColumns, weights: np.ndarray) -> RoutedModel:
        """The model of a single class."""
        self.l2_, self.objective_, self.status_ = 0.0, 0.0, "optimal"
        self.cv_scores_, self._certificate = None, None
        self.findings_ = columns.findings
        none = np.array([-1], dtype=np.int32)
        router = RoutingTree(
            columns.types, (), none, none, none, none + 1, np.array([weights.sum()])
        )
        expert = LinearMap(np.zeros((1, len(columns.types))), np.zeros(1))
        return RoutedModel(columns.types, router, (expert,), "softmax", self.classes_)
