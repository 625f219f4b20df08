"""Optimal trees as scikit-learn estimators."""

from __future__ import annotations

import dataclasses
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from treeml._core.control import Control, warn_of_limit
from treeml._core.params import HasMethods, Interval, Options, StrOptions, validate_params
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.certificate import Certificate, SizeCertificate, certify, hash_answers
from treeml.estimators.base import TreeClassifierBase
from treeml.estimators.callbacks import CallbackSupportMixin, FitTask, SearchMixin, with_callbacks
from treeml.estimators.sizes import EASIER, SizeProof, fewest_cuts
from treeml.ir import Tree
from treeml.search import (
    SearchResult,
    build_tree,
    class_counts,
    cost_matrix_tree,
    optimal_tree,
)
from treeml.search.cut_examples import refuse_large
from treeml.search.ensemble import EnsembleResult

__all__ = ["OptimalTreeClassifier"]


@dataclasses.dataclass(frozen=True, slots=True)
class _Proof:
    """What a certificate is made from when it is asked for."""

    result: SearchResult
    dataset: BinaryDataset
    binarizer: Binarizer
    codes: np.ndarray
    sample_weight: np.ndarray | None
    parameters: dict[str, Any]
    costs: dict[str, Any] = dataclasses.field(default_factory=dict)  # where classes have a matrix

    def certify(self) -> Certificate:
        dataset, result = self.dataset, self.result
        weights = dataset.weights
        assert dataset.row_of is not None
        heaviest = float(result.class_weight.max())
        answers = dataset.matrix()[dataset.row_of]
        grid = {
            "weight_grid": "every row counts 1" if weights is None else weights.text,
            "rounding": 0.0 if weights is None else weights.rounding * heaviest / result.total,
        } | self.costs
        return certify(
            objective=result.objective,
            lower_bound=result.lower_bound,
            status=result.status,
            n_rows=len(self.codes),
            total=result.total,
            predicates=self.binarizer.predicates_,
            columns=self.binarizer.columns_,
            class_weight=result.class_weight,
            data_hash=hash_answers(
                answers, self.codes, self.sample_weight, len(result.class_weight)
            ),
            seconds=result.seconds,
            cuts=getattr(self.binarizer, "choice_", ""),
            **self.parameters,
            **grid,
        )


class OptimalTreeClassifier(SearchMixin, CallbackSupportMixin, TreeClassifierBase):
    """The decision tree of least error plus cost per leaf, with a proof that none is better.

    Minimises ``errors / total + regularization * leaves`` over **all** trees of depth
    ``max_depth`` or less over the predicates that the binarizer makes of the table. Where the
    search is ended by ``time_limit`` or Ctrl-C, the tree is the best found, and
    ``lower_bound_`` and ``gap_`` say how much better another one could be.

    With ``criterion="size"`` it is the tree of fewest cuts that is right on the training rows, up
    to ``error_budget``, among trees of any depth.

    Parameters
    ----------
    criterion : {"misclassification", "cost", "size"}, default="misclassification"
        What is minimised. "misclassification": rows of the wrong class. "cost": the costs of
        ``cost_matrix``. "size": the number of cuts (leaves less one), which is then
        ``objective_``; depth, regularization and leaf sizes have no part in it and must be left at
        their defaults.
    max_depth : int or None, default=3
        Largest depth; the root has depth 0, so 3 means at most 8 leaves. None: no limit. Not used
        with ``criterion="size"``.
    regularization : float, default=0.002
        Cost of a leaf, in units of the total weight: a leaf more must lower the error rate by
        this much. 0 is allowed.
    min_samples_leaf : int, default=1
        Fewest rows (of positive weight) in a leaf.
    class_weight : dict, "balanced" or None, default=None
        Weight of the errors on each class; "balanced": inversely to its share.
    binarizer : Binarizer or None, default=None
        Makes predicates of the table's columns; it is cloned. None: ``Binarizer()``, and with
        ``criterion="size"`` one with ``method="midpoints"``. A NumPy matrix of zeros and ones is
        taken as it is.
    max_leaf_nodes : int or None, default=None
        Most leaves. None: no limit.
    time_limit : float or None, default=60.0
        Seconds of the search.
    memory_limit : int or None, default=None
        Bytes that the search may allocate.
    error_budget : float, default=0.0
        With ``criterion="size"``: most weight of training rows that may be wrong, besides those
        that no tree gets right because rows of another class answer alike. Class weights count.
    gap_tol : float, default=0.0
        The search may end once the gap is no larger; 0: only with the proof.
    n_jobs : int or None, default=None
        Threads of the search; None is 1, -1 all processors. Objective, bound and status are the
        same for any number; where several trees are optimal, several threads may find another.
    verbose : int, default=0
        1: objective and bound over time, on the terminal. Where scikit-learn has callbacks
        (``set_callbacks``, from 1.9 on), they get the same as tasks "search" with metadata.
    warm_start : bool, default=False
        Keep the search, so that another ``fit`` on the same data goes on where this one ended,
        as after a time limit or for a larger depth.
    cost_matrix : array-like of shape (n_classes, n_classes) or None, default=None
        For ``criterion="cost"``: what predicting class j (column) costs for a row of class i
        (row), in the order of ``classes_``; the objective is the mean cost plus
        ``regularization * leaves``. A class with a negative cost has all its costs counted from
        its least one. Costs of single rows: `PolicyTreeClassifier`.

    Attributes
    ----------
    tree_ : Tree
        The model as data; every export and picture is made from it.
    objective_, lower_bound_, gap_ : float
        Of the tree; proven for all trees; their difference divided by ``objective_``.
    status_ : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    certificate_ : Certificate
        The theorem in words, with all that a third party needs to check it.
    n_leaves_ : int
    binarizer_ : Binarizer
        Fitted; its ``predicates_`` are those that the proof is about.
    findings_ : tuple of Finding
        What stands out in the columns of the table.
    result_ : SearchResult
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    See Also
    --------
    treeml.certificate.verify : check a certificate without the search.

    References
    ----------
    E. Demirović et al., "MurTree: Optimal Decision Trees via Dynamic Programming and Search",
    JMLR 23 (2022). J. van der Linden et al., "Necessary and Sufficient Conditions for Optimal
    Decision Trees using Dynamic Programming", NeurIPS 2023.

    Examples
    --------
    >>> from treeml import OptimalTreeClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> model = OptimalTreeClassifier(max_depth=2).fit(X, y)
    >>> model.status_
    'optimal'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "criterion": [StrOptions({"misclassification", "cost", "size"})],
        "max_depth": [Interval(Integral, 0, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "regularization": [Interval(Real, 0, 1, closed="both")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "binarizer": [HasMethods(["fit_encode", "encode"]), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
        "error_budget": [Interval(Real, 0, None, closed="left")],
        "gap_tol": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "cost_matrix": ["array-like", None],
    }

    def __init__(
        self,
        *,
        criterion: str = "misclassification",
        max_depth: int | None = 3,
        regularization: float = 0.002,
        min_samples_leaf: int = 1,
        class_weight: dict | str | None = None,
        binarizer: Binarizer | None = None,
        max_leaf_nodes: int | None = None,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        error_budget: float = 0.0,
        gap_tol: float = 0.0,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        cost_matrix: Any = None,
    ) -> None:
        self.criterion = criterion
        self.max_depth = max_depth
        self.regularization = regularization
        self.min_samples_leaf = min_samples_leaf
        self.class_weight = class_weight
        self.binarizer = binarizer
        self.max_leaf_nodes = max_leaf_nodes
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.error_budget = error_budget
        self.gap_tol = gap_tol
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start
        self.cost_matrix = cost_matrix

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> OptimalTreeClassifier:
        """Search for the tree.

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
        OptimalTreeClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row.

        Warns
        -----
        SearchLimitWarning
            Where the search ended before the proof.
        """
        validate_params(self)
        self._check_criterion()
        task = FitTask(self, X, y, sample_weight)
        dataset, codes, weights = self._read(X, y, sample_weight)
        if self.criterion == "size":
            control = self._control(task)
            smallest = self._fit_smallest(dataset, codes, weights, control)
            task.end()
            warn_of_limit(smallest.status, smallest.objective, smallest.gap, control, EASIER)
            return self
        dataset = dataset.with_classes(codes, len(self.classes_), weights)
        control = self._control(task)
        asked: dict[str, Any] = {
            "max_depth": self.max_depth,
            "max_leaf_nodes": self.max_leaf_nodes,
            "regularization": self.regularization,
            "min_samples_leaf": self.min_samples_leaf,
            "class_weight": self._class_weight(),
            "control": control,
            "resume": getattr(self, "result_", None) if self.warm_start else None,
            "keep": self.warm_start,
            "without": getattr(self, "_without", ()),
        }
        matrix, costs = self._cost_matrix(), {}
        if matrix is None:
            result = optimal_tree(dataset, **asked)
        else:
            found = cost_matrix_tree(dataset, matrix, **asked)
            result = found.result
            rounding = found.rounding
            if dataset.weights is not None:
                heaviest = float(result.class_weight.max() * (matrix.max() - matrix.min()))
                rounding += dataset.weights.rounding * heaviest / result.total
            costs = {"cost_matrix": matrix, "weight_grid": found.text, "rounding": rounding}
        self.result_: SearchResult | EnsembleResult = result
        self.tree_ = build_tree(
            result.nodes,
            dataset,
            class_counts(dataset, codes, len(self.classes_), weights),
            columns=self.binarizer_.columns_,
            predicate=self.binarizer_.predicate,
            classes=self.classes_,
            class_weight=result.class_weight,
        )
        if matrix is not None:  # the cheapest class, which need not be the most frequent one
            losses = self.tree_.counts * result.class_weight @ matrix
            label = losses.argmin(axis=1).astype(np.int32)
            self.tree_ = dataclasses.replace(self.tree_, label=label)
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = result.gap
        self.status_ = result.status
        self.n_leaves_ = result.n_leaves
        parameters = {
            name: getattr(self, name)
            for name in ("max_depth", "max_leaf_nodes", "regularization", "min_samples_leaf")
        }
        self._certificate: Certificate | SizeCertificate | None = None
        self._proof: _Proof | SizeProof | None = _Proof(
            result, dataset, self.binarizer_, codes, weights, parameters, costs
        )
        task.end()
        warn_of_limit(self.status_, self.objective_, self.gap_, control)
        return self

    def _fit_smallest(
        self,
        dataset: BinaryDataset,
        codes: np.ndarray,
        weights: np.ndarray | None,
        control: Control,
    ) -> EnsembleResult:
        """The tree of fewest cuts, in place of that of least errors plus leaves."""
        proof, (self.tree_,) = fewest_cuts(
            dataset,
            codes,
            weights,
            binarizer=self.binarizer_,
            classes=self.classes_,
            n_estimators=1,
            control=control,
            error_budget=self.error_budget,
            max_cuts=None if self.max_leaf_nodes is None else self.max_leaf_nodes - 1,
            class_weight=self._class_weight(),
        )
        result = self.result_ = proof.result
        self.n_cuts_, self.errors_ = result.n_cuts, result.errors
        self.n_leaves_ = self.tree_.n_leaves
        self.objective_, self.lower_bound_ = result.objective, result.lower_bound
        self.gap_, self.status_ = result.gap, result.status
        self._certificate, self._proof = None, proof
        return result

    def _check_criterion(self) -> None:
        """Parameters that the criterion has no use for must not ask for anything."""
        if self.criterion != "size":
            if self.error_budget != 0:
                raise ValueError('error_budget is for criterion="size"; leave it at 0')
            return
        unused = {
            "max_depth": (3, None),
            "regularization": (0.002,),
            "min_samples_leaf": (1,),
            "gap_tol": (0,),
            "warm_start": (False,),
        }
        for name, default in unused.items():
            if getattr(self, name) not in default:
                raise ValueError(
                    f'{name}={getattr(self, name)!r} has no part in criterion="size"; leave it at '
                    f"{default[0]!r}"
                )

    def _check_size(self, n_rows: int, n_predicates: int) -> None:
        if self.criterion == "size":
            refuse_large(n_rows, n_predicates)

    def _default_binarizer(self) -> Binarizer:
        return Binarizer(method="midpoints") if self.criterion == "size" else Binarizer()

    @property
    def certificate_(self) -> Certificate | SizeCertificate:
        check_is_fitted(self, "tree_")
        if self._certificate is None and self._proof is not None:
            self._certificate = self._proof.certify()
            self._proof = None
        assert self._certificate is not None
        return self._certificate

    def to_json(self) -> str:
        """Model, certificate and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def __getstate__(self) -> Any:
        if getattr(self, "_proof", None) is not None:
            _ = self.certificate_  # training data stay behind
        state: Any = super().__getstate__()
        if "result_" in state and state["result_"].handle is not None:
            state["result_"] = dataclasses.replace(state["result_"], handle=None)
        return state

    def _fitted_tree(self) -> Tree:
        check_is_fitted(self, "tree_")
        return self.tree_

    def _cost_matrix(self) -> np.ndarray | None:
        """The costs of confusing classes; None where every error counts alike."""
        if self.criterion != "cost":
            if self.cost_matrix is not None:
                raise ValueError(
                    f'cost_matrix is given, but criterion is "{self.criterion}"; set '
                    'criterion="cost" to use it'
                )
            return None
        if self.cost_matrix is None:
            raise ValueError(
                'criterion="cost" needs cost_matrix, the cost of predicting each class (column) '
                "for a row of each class (row)"
            )
        matrix = np.asarray(self.cost_matrix, dtype=np.float64)
        n_classes = len(self.classes_)
        if matrix.shape != (n_classes, n_classes):
            raise ValueError(
                f"cost_matrix has shape {matrix.shape}; y has the {n_classes} classes "
                f"{self.classes_.tolist()}, so {(n_classes, n_classes)} is needed"
            )
        bad = np.argwhere(~np.isfinite(matrix))
        if len(bad):
            row, column = bad[0].tolist()
            raise ValueError(f"cost_matrix, row {row}, column {column}: {matrix[row, column]}")
        return matrix
