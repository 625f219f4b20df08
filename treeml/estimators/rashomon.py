"""All nearly optimal trees as a scikit-learn estimator."""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from treeml._core.control import Control, SearchLimitWarning, Status
from treeml._core.params import HasMethods, Interval, StrOptions, validate_params
from treeml.binarize import Binarizer
from treeml.estimators.base import TreeClassifierBase
from treeml.ir import Tree
from treeml.rashomon import RashomonSet
from treeml.search import class_counts
from treeml.search.rashomon import RashomonSearch

__all__ = ["RashomonTreesClassifier"]


class RashomonTreesClassifier(TreeClassifierBase):
    """All decision trees that are nearly as good as the best one.

    Counts **every** tree of depth ``max_depth`` or less whose objective, errors / total +
    ``regularization`` x leaves, is at most (1 + ``epsilon``) times the least one, which is proven.
    ``set_`` answers how many they are, which features they need, which of them are simplest, and
    gives any of them.

    Parameters
    ----------
    max_depth : int, default=3
        Largest depth; the root has depth 0, so 3 means at most 8 leaves.
    regularization : float, default=0.01
        Cost of a leaf, in units of the total weight. The nearest multiple of 1 / total is used,
        and at least one of them (``set_.regularization`` says what it is).
    epsilon : float or None, default=0.05
        Members have an objective of at most (1 + epsilon) times the least one; the decimal as it
        is written counts, and the bound is exact.
    max_regret : float or None, default=None
        Instead of ``epsilon``: how much more than the least objective a member may have.
    labels : {"any", "majority"}, default="any"
        Labels that a leaf may have: every class, or that of largest weight (the first of equals).
    drop_trivial : bool, default=False
        Leave out trees with a split into two leaves of one class.
    min_samples_leaf : int, default=1
        Fewest rows (of positive weight) in a leaf.
    class_weight : dict, "balanced" or None, default=None
        Weight of the errors on each class.
    predict_by : {"best", "vote"}, default="best"
        Who predicts: the first member, or all of them. The probabilities of a vote are the exact
        shares of the members.
    binarizer : Binarizer or None, default=None
        Makes predicates of the table's columns; it is cloned. None: ``Binarizer()``. A NumPy
        matrix of zeros and ones is taken as it is.
    resolution : float or None, default=None
        Weights are rounded to multiples of 1 / resolution. Costs are counted one by one, so that
        weights need a common grid that is not too fine; None: they are taken as they are.
    time_limit : float or None, default=60.0
        Seconds of the count. A limit ends it with all members up to a smaller bound
        (``set_.bound``, ``set_.complete``).
    memory_limit : int or None, default=None
        Bytes that the count may allocate.

    Attributes
    ----------
    set_ : RashomonSet
    tree_ : Tree
        The best tree: the first member.
    objective_, lower_bound_, gap_ : float
        Of the best tree.
    status_ : {"optimal", "time_limit", "memory_limit", "interrupted"}
        "optimal": the best tree is proven, and the set complete.
    n_leaves_ : int
    binarizer_ : Binarizer
    findings_ : tuple of Finding
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)

    See Also
    --------
    OptimalTreeClassifier : one tree, for larger depths and finer objectives.

    References
    ----------
    R. Xin et al., "Exploring the Whole Rashomon Set of Sparse Decision Trees", NeurIPS 2022.

    Examples
    --------
    >>> from treeml import RashomonTreesClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> model = RashomonTreesClassifier(max_depth=2, epsilon=0.02).fit(X, y)
    >>> model.set_.complete
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_depth": [Interval(Integral, 0, None, closed="left")],
        "regularization": [Interval(Real, 0, 1, closed="right")],
        "epsilon": [Interval(Real, 0, None, closed="left"), None],
        "max_regret": [Interval(Real, 0, None, closed="left"), None],
        "labels": [StrOptions({"any", "majority"})],
        "drop_trivial": ["boolean"],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "predict_by": [StrOptions({"best", "vote"})],
        "binarizer": [HasMethods(["fit_encode", "encode"]), None],
        "resolution": [Interval(Real, 0, None, closed="neither"), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        max_depth: int = 3,
        regularization: float = 0.01,
        epsilon: float | None = 0.05,
        max_regret: float | None = None,
        labels: str = "any",
        drop_trivial: bool = False,
        min_samples_leaf: int = 1,
        class_weight: dict | str | None = None,
        predict_by: str = "best",
        binarizer: Binarizer | None = None,
        resolution: float | None = None,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
    ) -> None:
        self.max_depth = max_depth
        self.regularization = regularization
        self.epsilon = epsilon
        self.max_regret = max_regret
        self.labels = labels
        self.drop_trivial = drop_trivial
        self.min_samples_leaf = min_samples_leaf
        self.class_weight = class_weight
        self.predict_by = predict_by
        self.binarizer = binarizer
        self.resolution = resolution
        self.time_limit = time_limit
        self.memory_limit = memory_limit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RashomonTreesClassifier:
        """Prove the optimum and count the set.

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
        RashomonTreesClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used; for weights without a
            common grid.

        Warns
        -----
        SearchLimitWarning
            Where a limit ended the count.
        """
        validate_params(self)
        if (self.epsilon is None) == (self.max_regret is None):
            raise ValueError("give one of epsilon and max_regret, and None for the other")
        start = time.perf_counter()
        dataset, codes, weights = self._read(X, y, sample_weight)
        n_classes = len(self.classes_)
        sums = dataset.with_classes(codes, n_classes, self._rounded(weights))
        counts = sums.statistics[:-1].T
        if weights is not None:
            counts = class_counts(dataset, codes, n_classes, weights)
        search = RashomonSearch(
            sums,
            max_depth=self.max_depth,
            regularization=self.regularization,
            min_samples_leaf=self.min_samples_leaf,
            class_weight=self._rounded_classes(counts),
            any_label=self.labels == "any",
            drop_trivial=self.drop_trivial,
        )
        control = Control(
            time_limit=self.time_limit,
            memory_limit=self.memory_limit,
            stop_after=getattr(self, "_stop_after", None),
        )
        cost, lower, nodes, status = search.find_optimum(control)
        self.objective_ = search.objective(cost)
        self.lower_bound_ = search.objective(lower)
        self.gap_ = (cost - lower) / cost if cost else 0.0
        self.set_ = self._count(search, counts, lower, status, control, start)
        self.status_ = self.set_.status
        self._found = None if self.set_ else self.set_.build(nodes)
        if self.status_ != "optimal":
            self._warn()
        return self

    @property
    def tree_(self) -> Tree:
        check_is_fitted(self, "set_")
        return self.set_.best if self._found is None else self._found

    @property
    def n_leaves_(self) -> int:
        return self.tree_.n_leaves

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,); of equal shares the first class."""
        if self.predict_by == "best":
            return super().predict(X)
        table = self._table(X)
        votes = self.set_.votes(table)
        return self.classes_[[max(range(len(row)), key=row.__getitem__) for row in votes.tolist()]]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Share of every class, shape (n_rows, n_classes).

        In the row's leaf of the best tree, weighted by class_weight; with ``predict_by="vote"``
        among the members.
        """
        if self.predict_by == "best":
            return super().predict_proba(X)
        table = self._table(X)
        return self.set_.vote_shares(table)

    def _fitted_tree(self) -> Tree:
        return self.tree_

    def _count(
        self,
        search: RashomonSearch,
        counts: np.ndarray,
        lower: int,
        status: Status,
        control: Control,
        start: float,
    ) -> RashomonSet:
        budget, counted = lower - 1, None  # without a proof, only that nothing is below the bound
        complete = False
        if search.optimum is not None:
            wanted = search.budget(epsilon=self.epsilon, max_regret=self.max_regret)
            limits = control
            if control.time_limit is not None:
                rest = control.time_limit - (time.perf_counter() - start)
                limits = dataclasses.replace(control, time_limit=max(0.0, rest))
            counted, reached, status = search.count_as_far(wanted, limits)
            budget = search.optimum - 1 if reached is None else reached
            complete = reached == wanted
        return RashomonSet(
            search,
            budget,
            counted,
            class_counts=counts,
            columns=self.binarizer_.columns_,
            predicates=functools.partial(getattr, self.binarizer_, "predicates_"),
            classes=self.classes_,
            control=Control(time_limit=self.time_limit, memory_limit=self.memory_limit),
            complete=complete,
            status=status,
        )

    def _rounded(self, weights: np.ndarray | None) -> np.ndarray | None:
        """Row weights in whole units of the resolution."""
        if weights is None or self.resolution is None:
            return weights
        units = np.rint(weights * self.resolution)
        lost = np.flatnonzero((units == 0) & (weights > 0))
        if lost.size:
            raise ValueError(
                f"sample_weight: row {lost[0]} has the weight {weights[lost[0]]:g}, which a "
                f"resolution of {self.resolution:g} rounds to 0; give a larger one"
            )
        return units

    def _rounded_classes(self, counts: np.ndarray) -> np.ndarray | str | None:
        """Class weights in whole units of the resolution."""
        weights = self._class_weight()
        if self.resolution is None or weights is None:
            return weights
        if isinstance(weights, str):
            per_class = counts.sum(axis=0)
            weights = per_class.sum() / (
                np.count_nonzero(per_class) * np.maximum(per_class, 1e-300)
            )
            weights[per_class == 0] = 0.0
        units = np.rint(weights * self.resolution)
        if not units.any():
            raise ValueError(
                f"a resolution of {self.resolution:g} rounds all class weights to 0; "
                "give a larger one"
            )
        return units

    def _warn(self) -> None:
        limit = {
            "time_limit": f"time_limit={self.time_limit} was reached",
            "memory_limit": f"memory_limit={self.memory_limit} was reached",
        }.get(self.status_, "the count was interrupted")
        warnings.warn(
            f"{limit}: the set has all {self.set_.count} trees up to an objective of "
            f"{self.set_.bound:.6g} and none beyond; a smaller epsilon or max_depth, fewer bins or "
            "a larger regularization make the count easier",
            SearchLimitWarning,
            stacklevel=3,
        )
