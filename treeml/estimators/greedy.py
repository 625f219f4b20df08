"""Greedy trees as scikit-learn estimators."""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from treeml._core.control import Control, warn_of_stop
from treeml._core.params import Interval, Options, StrOptions, validate_params
from treeml._core.table import Table
from treeml._core.validation import (
    check_monotonic,
    check_numbers,
    check_target,
    check_weights,
    estimator_table,
)
from treeml.binarize.bins import BinnedTable
from treeml.estimators.base import TreeBase, class_weight_array
from treeml.ir import RegressionTree, Tree
from treeml.search.alternate import alternate
from treeml.search.greedy import (
    ClassTarget,
    GreedyResult,
    GrowthLimits,
    NumberTarget,
    grow_classification_tree,
    grow_regression_tree,
)
from treeml.search.prune import prune, pruning_path

__all__ = ["GreedyTreeClassifier", "GreedyTreeRegressor"]

_ALL_THREADS = Options(Integral, {-1})

_COMMON: dict[str, list[Any]] = {
    "max_depth": [Interval(Integral, 0, None, closed="left"), None],
    "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
    "min_samples_split": [Interval(Integral, 2, None, closed="left")],
    "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
    "min_weight_fraction_leaf": [Interval(Real, 0, 0.5, closed="both")],
    "min_impurity_decrease": [Interval(Real, 0, None, closed="left")],
    "ccp_alpha": [Interval(Real, 0, None, closed="left")],
    "max_bins": [Interval(Integral, 2, 65535, closed="both"), None],
    "monotonic_cst": [dict, "array-like", None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "n_alternations": [Interval(Integral, 0, None, closed="left")],
    "n_jobs": [Interval(Integral, 1, None, closed="left"), _ALL_THREADS, None],
}


class _Grown(NamedTuple):
    """A tree with all that it was grown on."""

    table: Table
    binned: BinnedTable
    target: ClassTarget | NumberTarget
    tree: Any
    result: GreedyResult


class GreedyTree(TreeBase):
    """What greedy classifiers and regressors share."""

    max_depth: int | None
    max_leaf_nodes: int | None
    min_samples_split: int
    min_samples_leaf: int
    min_weight_fraction_leaf: float
    min_impurity_decrease: float
    ccp_alpha: float
    max_bins: int | None
    monotonic_cst: Any
    categorical_features: Any
    n_alternations: int
    n_jobs: int | None

    def to_json(self) -> str:
        """Model and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def get_depth(self) -> int:
        """Depth of the tree; a single leaf has 0."""
        return self._fitted_tree().depth

    def get_n_leaves(self) -> int:
        """Number of leaves."""
        return self._fitted_tree().n_leaves

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each column in all decreases of the impurity, shape (n_columns,)."""
        check_is_fitted(self, "tree_")
        return self._importances / (self._importances.sum() or 1.0)

    def _limits(self) -> GrowthLimits:
        return GrowthLimits(
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_split=self.min_samples_split,
            min_samples_leaf=self.min_samples_leaf,
            min_weight_fraction_leaf=self.min_weight_fraction_leaf,
            min_impurity_decrease=self.min_impurity_decrease,
        )

    def _rows(
        self, X: Any, sample_weight: Any
    ) -> tuple[Table, np.ndarray | None, np.ndarray | None]:
        """The table, the rows of positive weight (None: all), and their weights."""
        if self.n_alternations and self.monotonic_cst is not None:
            raise ValueError("n_alternations must be 0 with monotonic_cst: it would not keep it")
        table = estimator_table(self, X, categorical_features=self.categorical_features)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is None or weights.all():
            return table, None, weights
        kept = weights > 0
        return table.take(kept), kept, weights[kept]

    def _binned(self, table: Table, weights: np.ndarray | None) -> BinnedTable:
        binned = BinnedTable.fit(
            table,
            max_bins=self.max_bins,
            sample_weight=weights,
            n_threads=self._control().n_threads,
        )
        self.findings_ = binned.findings
        return binned

    def _control(self) -> Control:
        return Control(n_jobs=self.n_jobs)

    def _keep(self, grown: _Grown) -> None:
        tree, result = grown.tree, grown.result
        importances = np.zeros(len(tree.columns))
        inner = result.nodes["column"] >= 0
        columns = [tree.predicates[at].term.index for at in tree.predicate[inner]]
        np.add.at(importances, columns, np.maximum(result.nodes["gain"][inner], 0))
        self._importances = importances
        self.status_ = result.status
        warn_of_stop(self.status_, self._control(), "the nodes left are leaves")
        if self.ccp_alpha:
            tree = prune(tree, self.ccp_alpha, self._impurity())
        if self.n_alternations:
            tree, self.objectives_ = alternate(
                tree,
                grown.table,
                grown.binned,
                grown.target,
                n_rounds=self.n_alternations,
                min_samples_leaf=self.min_samples_leaf,
                control=self._control(),
            )
        self.tree_ = tree
        self.n_leaves_ = tree.n_leaves

    def _impurity(self) -> str:
        raise NotImplementedError

    def _grown(self, X: Any, y: Any, sample_weight: Any) -> _Grown:
        raise NotImplementedError

    def cost_complexity_pruning_path(self, X: Any, y: Any, sample_weight: Any = None) -> Bunch:
        """Where minimal cost-complexity pruning takes off the next subtree.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        Bunch
            ``ccp_alphas`` and ``impurities`` (total impurity of the leaves), ascending, and
            ``n_leaves``; each of shape (n_subtrees,). ``ccp_alpha`` of the estimator is ignored.

        References
        ----------
        L. Breiman et al., "Classification and Regression Trees", 1984, chapter 3.
        """
        validate_params(self)
        tree = self._grown(X, y, sample_weight).tree
        alphas, impurities, leaves = pruning_path(tree, self._impurity())
        return Bunch(ccp_alphas=alphas, impurities=impurities, n_leaves=leaves)


class GreedyTreeClassifier(ClassifierMixin, GreedyTree):
    """A decision tree grown greedily on a raw table: split by split, the purest children.

    The same trees as scikit-learn's ``DecisionTreeClassifier(splitter="best")`` on numbers, ties
    aside, in a tenth of the time or less on large tables; and strings, categories and missing
    values as they are. Thresholds are readable numbers between the neighbouring values.

    Parameters
    ----------
    criterion : {"gini", "entropy", "log_loss"}, default="gini"
        Impurity; "log_loss" is another name of "entropy".
    max_depth : int or None, default=None
        Largest depth; the root has depth 0.
    max_leaf_nodes : int or None, default=None
        Most leaves; the tree then grows best first: where the impurity falls most.
    min_samples_split, min_samples_leaf : int, default=2, 1
        Fewest rows of a node that is split, and of a leaf.
    min_weight_fraction_leaf : float, default=0.0
        Least share of a leaf in the weight of all rows, class weights included.
    min_impurity_decrease : float, default=0.0
        Least decrease of the impurity by a split, weighted by the share of the node's rows.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class.
    ccp_alpha : float, default=0.0
        Subtrees whose impurity per leaf is smaller than this are pruned, as in scikit-learn.
    max_bins : int or None, default=None
        Most bins of a number. None: every threshold between two values is looked at, up to
        65,535 distinct values of a column, and as many quantiles above that. 256 is faster.
    monotonic_cst : dict by column, array-like of {-1, 0, 1} or None, default=None
        Columns with which the probability of the second of two classes may only rise or fall.
    categorical_features : "from_dtype" or sequence of str, int or bool, default="from_dtype"
        Columns to take as categories even where they hold numbers.
    n_alternations : int, default=0
        Most rounds of alternating optimisation after growth and pruning: every question is
        chosen anew with the rest of the tree fixed, so that fewer rows are misclassified. The
        tree keeps its shape or gets smaller, and its training error never rises.
    n_jobs : int or None, default=None
        Threads; the tree is the same for any number.

    Attributes
    ----------
    tree_ : Tree
        The model as data.
    n_leaves_ : int
    feature_importances_ : ndarray, shape (n_columns,)
        Before pruning.
    objectives_ : list of float
        With ``n_alternations``: share of misclassified weight before and after each round.
    findings_ : tuple of Finding
        What stands out in the columns of the table.
    status_ : {"optimal", "interrupted"}
        "optimal": every split is the best of its node; "interrupted": Ctrl-C ended the growth.
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    See Also
    --------
    OptimalTreeClassifier : the best tree, with a proof.

    References
    ----------
    L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees", 1984;
    theorem 4.5 for the order of categories.

    Examples
    --------
    >>> from treeml import GreedyTreeClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> GreedyTreeClassifier(max_leaf_nodes=8).fit(X, y).n_leaves_
    8
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        **_COMMON,
    }

    def __init__(
        self,
        *,
        criterion: str = "gini",
        max_depth: int | None = None,
        max_leaf_nodes: int | None = None,
        min_samples_split: int = 2,
        min_samples_leaf: int = 1,
        min_weight_fraction_leaf: float = 0.0,
        min_impurity_decrease: float = 0.0,
        class_weight: dict | str | None = None,
        ccp_alpha: float = 0.0,
        max_bins: int | None = None,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        n_alternations: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.criterion = criterion
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.min_impurity_decrease = min_impurity_decrease
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.max_bins = max_bins
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.n_alternations = n_alternations
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GreedyTreeClassifier:
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
        GreedyTreeClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.
        """
        validate_params(self)
        self._keep(self._grown(X, y, sample_weight))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        tree = self._fitted_tree()
        return tree.classes[tree.label[self.apply(X)]]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Share of every class in the row's leaf, weighted by class_weight; (n_rows, n_classes)."""
        return self._fitted_tree().node_proba[self.apply(X)]

    def _grown(self, X: Any, y: Any, sample_weight: Any) -> _Grown:
        table, kept, weights = self._rows(X, sample_weight)
        self.classes_, codes = check_target(y, table.n_rows if kept is None else len(kept))
        codes = codes if kept is None else codes[kept]
        n_classes = len(self.classes_)
        monotone = check_monotonic(self.monotonic_cst, table.types)
        if monotone is not None and n_classes > 2:
            raise ValueError(
                f"monotonic_cst needs two classes, y has {n_classes}; with more classes no "
                "probability is the one that rises"
            )
        class_weight = class_weight_array(self.class_weight, self.classes_)
        if class_weight is None:
            class_weight = np.ones(n_classes)
        elif isinstance(class_weight, str):
            per_class = np.bincount(codes, weights, minlength=n_classes)
            present = per_class > 0
            class_weight = np.zeros(n_classes)
            class_weight[present] = per_class.sum() / (present.sum() * per_class[present])
        target = ClassTarget(codes, self.classes_, weights, class_weight, self.criterion)
        binned = self._binned(table, weights)
        tree, result = grow_classification_tree(
            binned, target, self._limits(), monotone=monotone, control=self._control()
        )
        return _Grown(table, binned, target, tree, result)

    def _impurity(self) -> str:
        return self.criterion

    def _fitted_tree(self) -> Tree:
        check_is_fitted(self, "tree_")
        return self.tree_


class GreedyTreeRegressor(RegressorMixin, GreedyTree):
    """A regression tree grown greedily on a raw table: split by split, the least loss.

    The same trees as scikit-learn's ``DecisionTreeRegressor(splitter="best")`` on numbers, ties
    aside; and strings, categories and missing values as they are.

    Parameters
    ----------
    criterion : {"squared_error", "absolute_error", "poisson"}, default="squared_error"
        The loss; leaves predict the mean, or the median for "absolute_error". "poisson" (half
        the Poisson deviance) needs targets of 0 or above.
    max_depth, max_leaf_nodes, min_samples_split, min_samples_leaf, min_weight_fraction_leaf
        As for `GreedyTreeClassifier`.
    min_impurity_decrease, ccp_alpha, max_bins, monotonic_cst, categorical_features
        As for `GreedyTreeClassifier`; constraints are on the prediction.
    n_alternations, n_jobs
        As for `GreedyTreeClassifier`; the alternation lowers the squared error.

    Attributes
    ----------
    tree_ : RegressionTree
        The model as data.
    n_leaves_ : int
    feature_importances_ : ndarray, shape (n_columns,)
        Before pruning.
    findings_ : tuple of Finding
    status_ : {"optimal", "interrupted"}
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from treeml import GreedyTreeRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> GreedyTreeRegressor(max_leaf_nodes=6).fit(X, y).get_n_leaves()
    6
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "criterion": [StrOptions({"squared_error", "absolute_error", "poisson"})],
        **_COMMON,
    }

    def __init__(
        self,
        *,
        criterion: str = "squared_error",
        max_depth: int | None = None,
        max_leaf_nodes: int | None = None,
        min_samples_split: int = 2,
        min_samples_leaf: int = 1,
        min_weight_fraction_leaf: float = 0.0,
        min_impurity_decrease: float = 0.0,
        ccp_alpha: float = 0.0,
        max_bins: int | None = None,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        n_alternations: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.criterion = criterion
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.min_impurity_decrease = min_impurity_decrease
        self.ccp_alpha = ccp_alpha
        self.max_bins = max_bins
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.n_alternations = n_alternations
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GreedyTreeRegressor:
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
        GreedyTreeRegressor

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.
        """
        validate_params(self)
        self._keep(self._grown(X, y, sample_weight))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Prediction for every row, shape (n_rows,), float64."""
        return self._fitted_tree().value[self.apply(X)]

    def _grown(self, X: Any, y: Any, sample_weight: Any) -> _Grown:
        table, kept, weights = self._rows(X, sample_weight)
        values = check_numbers(y, table.n_rows if kept is None else len(kept))
        values = values if kept is None else values[kept]
        if self.criterion == "poisson":
            check_counts(values)
        if self.n_alternations and self.criterion != "squared_error":
            raise ValueError(
                f'n_alternations lowers the squared error; with criterion="{self.criterion}" it '
                "must be 0"
            )
        target = NumberTarget(values, weights, self.criterion)
        monotone = check_monotonic(self.monotonic_cst, table.types)
        binned = self._binned(table, weights)
        tree, result = grow_regression_tree(
            binned, target, self._limits(), monotone=monotone, control=self._control()
        )
        return _Grown(table, binned, target, tree, result)

    def _impurity(self) -> str:
        return self.criterion

    def _fitted_tree(self) -> RegressionTree:
        check_is_fitted(self, "tree_")
        return self.tree_


def check_counts(values: np.ndarray) -> None:
    """Refuse targets below 0, and those that are all 0, for a Poisson loss."""
    below = np.flatnonzero(values < 0)
    if below.size:
        raise ValueError(
            f"the Poisson loss needs targets of 0 or above; row {below[0]} has {values[below[0]]}"
        )
    if not values.any():
        raise ValueError("the Poisson loss needs a positive sum of targets; all are 0")
