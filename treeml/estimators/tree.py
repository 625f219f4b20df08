"""Optimal trees as scikit-learn estimators."""

from __future__ import annotations

import dataclasses
import sys
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from treeml import export
from treeml._core.control import Control, warn_of_limit
from treeml._core.params import HasMethods, Interval, Options, StrOptions
from treeml._core.table import Table
from treeml._core.validation import check_target, check_weights, estimator_table
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.certificate import Certificate, certify, hash_answers
from treeml.estimators.callbacks import CallbackSupportMixin, FitTask, with_callbacks
from treeml.ir import Tree
from treeml.report.drawing import tree_html
from treeml.report.picture import TreePicture
from treeml.search import SearchResult, optimal_tree

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

    def certify(self) -> Certificate:
        dataset, result = self.dataset, self.result
        weights = dataset.weights
        assert dataset.row_of is not None
        heaviest = float(result.class_weight.max())
        answers = dataset.matrix()[dataset.row_of]
        return certify(
            objective=result.objective,
            lower_bound=result.lower_bound,
            status=result.status,
            n_rows=len(self.codes),
            total=result.total,
            predicates=self.binarizer.predicates_,
            columns=self.binarizer.columns_,
            class_weight=result.class_weight,
            weight_grid="every row counts 1" if weights is None else weights.text,
            rounding=0.0 if weights is None else weights.rounding * heaviest / result.total,
            data_hash=hash_answers(
                answers, self.codes, self.sample_weight, len(result.class_weight)
            ),
            seconds=result.seconds,
            **self.parameters,
        )


class OptimalTreeClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """The decision tree of least error plus cost per leaf, with a proof that none is better.

    Minimises ``errors / total + regularization * leaves`` over **all** trees of depth
    ``max_depth`` or less over the predicates that the binarizer makes of the table. Where the
    search is ended by ``time_limit`` or Ctrl-C, the tree is the best found, and
    ``lower_bound_`` and ``gap_`` say how much better another one could be.

    Parameters
    ----------
    max_depth : int or None, default=3
        Largest depth; the root has depth 0, so 3 means at most 8 leaves. None: no limit.
    regularization : float, default=0.002
        Cost of a leaf, in units of the total weight: a leaf more must lower the error rate by
        this much. 0 is allowed.
    min_samples_leaf : int, default=1
        Fewest rows (of positive weight) in a leaf.
    class_weight : dict, "balanced" or None, default=None
        Weight of the errors on each class; "balanced": inversely to its share.
    binarizer : Binarizer or None, default=None
        Makes predicates of the table's columns; it is cloned. None: ``Binarizer()``. A NumPy
        matrix of zeros and ones is taken as it is.
    max_leaf_nodes : int or None, default=None
        Most leaves. None: no limit.
    time_limit : float or None, default=60.0
        Seconds of the search.
    memory_limit : int or None, default=None
        Bytes that the search may allocate.
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
        "max_depth": [Interval(Integral, 0, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "regularization": [Interval(Real, 0, 1, closed="both")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "binarizer": [HasMethods(["fit_table", "encode"]), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
        "gap_tol": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        *,
        max_depth: int | None = 3,
        regularization: float = 0.002,
        min_samples_leaf: int = 1,
        class_weight: dict | str | None = None,
        binarizer: Binarizer | None = None,
        max_leaf_nodes: int | None = None,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        gap_tol: float = 0.0,
        n_jobs: int | None = None,
        verbose: int = 0,
        warm_start: bool = False,
    ) -> None:
        self.max_depth = max_depth
        self.regularization = regularization
        self.min_samples_leaf = min_samples_leaf
        self.class_weight = class_weight
        self.binarizer = binarizer
        self.max_leaf_nodes = max_leaf_nodes
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.gap_tol = gap_tol
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start

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
        self._validate_params()
        task = FitTask(self, X, y, sample_weight)
        dataset, codes, weights = self._read(X, y, sample_weight)
        dataset = dataset.with_classes(codes, len(self.classes_), weights)
        control = self._control(task)
        result = optimal_tree(
            dataset,
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            regularization=self.regularization,
            min_samples_leaf=self.min_samples_leaf,
            class_weight=self._class_weight(),
            control=control,
            resume=getattr(self, "result_", None) if self.warm_start else None,
            keep=self.warm_start,
            without=getattr(self, "_without", ()),
        )
        self.result_ = result
        self.tree_ = self._tree(result, dataset, codes, weights)
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = result.gap
        self.status_ = result.status
        self.n_leaves_ = result.n_leaves
        parameters = {
            name: getattr(self, name)
            for name in ("max_depth", "max_leaf_nodes", "regularization", "min_samples_leaf")
        }
        self._certificate: Certificate | None = None
        self._proof: _Proof | None = _Proof(
            result, dataset, self.binarizer_, codes, weights, parameters
        )
        task.end()
        warn_of_limit(self.status_, self.objective_, self.gap_, control)
        return self

    @property
    def certificate_(self) -> Certificate:
        check_is_fitted(self, "tree_")
        if self._certificate is None and self._proof is not None:
            self._certificate = self._proof.certify()
            self._proof = None
        assert self._certificate is not None
        return self._certificate

    @property
    def findings_(self) -> tuple:
        check_is_fitted(self, "tree_")
        return self.binarizer_.findings_

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self._fitted_tree().predict(self._table(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Share of every class in the row's leaf, weighted by class_weight; (n_rows, n_classes)."""
        return self._fitted_tree().predict_proba(self._table(X))

    def apply(self, X: Any) -> np.ndarray:
        """Node index of every row's leaf, shape (n_rows,)."""
        return self._fitted_tree().apply(self._table(X))

    def decision_path(self, X: Any) -> Any:
        """Sparse indicator matrix of the nodes that each row visits, shape (n_rows, n_nodes)."""
        from scipy.sparse import csr_matrix

        tree, leaf = self.tree_, self.apply(X)
        visits = np.zeros((tree.n_nodes, tree.n_nodes), dtype=bool)  # [leaf, node]
        parent = np.full(tree.n_nodes, -1)
        inner = np.flatnonzero(tree.predicate >= 0)
        parent[tree.if_true[inner]] = parent[tree.if_false[inner]] = inner
        for node in range(tree.n_nodes):
            if node:
                visits[node] = visits[parent[node]]
            visits[node, node] = True
        return csr_matrix(visits)[leaf].astype(np.int64)

    def rules(self) -> Any:
        """One row a leaf, as a DataFrame: the rule in words, prediction, rows and counts."""
        return export.rules(self._fitted_tree())

    def to_text(self) -> str:
        """The tree as indented questions."""
        return export.text(self._fitted_tree())

    def to_python(self, **options: Any) -> str:
        """A Python function without imports; options of `treeml.export.python`."""
        return export.python(self._fitted_tree(), **options)

    def to_sql(self, **options: Any) -> str:
        """An SQL expression or query; options (dialect, table, ...) of `treeml.export.sql`."""
        return export.sql(self._fitted_tree(), **options)

    def to_json(self) -> str:
        """Model, certificate and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def plot(self, *, title: str = "Decision tree") -> TreePicture:
        """The tree as a picture that notebooks show; ``.save(path)`` writes SVG or HTML."""
        return TreePicture(self._fitted_tree(), title)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        if hasattr(self, "tree_") and "text/html" in bundle:
            bundle["text/html"] += tree_html(self.tree_)
        return bundle

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

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

    def _table(self, X: Any) -> Table:
        return estimator_table(self, X, like=self._fitted_tree().columns)

    def _control(self, task: FitTask) -> Control:
        shown = [_print_progress] if self.verbose else []
        if task.watched:
            shown.append(task.step)

        def progress(*known: float) -> None:
            for show in shown:
                show(*known)

        return Control(
            time_limit=self.time_limit,
            memory_limit=self.memory_limit,
            gap_tol=self.gap_tol,
            n_jobs=self.n_jobs,
            progress=progress if shown else None,
            stop_after=getattr(self, "_stop_after", None),
        )

    def _set_stop(self, after_polls: int) -> OptimalTreeClassifier:
        """End the search at a certain poll of its clock: a stop that repeats, for tests."""
        self._stop_after = after_polls
        return self

    def _leave_out(self, *bounds: str) -> OptimalTreeClassifier:
        """Search without these bounds (`treeml.search.optimal_tree`), for tests."""
        self._without = bounds
        return self

    def _read(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[BinaryDataset, np.ndarray, np.ndarray | None]:
        """Columns, classes and weights of the rows of positive weight."""
        if self.binarizer is None and isinstance(X, np.ndarray) and X.ndim == 2 and X.size:
            packed = BinaryDataset.from_zero_one(X)
            if packed is not None:
                self.n_features_in_ = X.shape[1]
                vars(self).pop("feature_names_in_", None)  # of an earlier fit on a frame
                self.classes_, codes = check_target(y, len(X))
                weights = check_weights(sample_weight, len(X))
                self.binarizer_ = Binarizer().fit_zero_one(X.shape[1])
                if weights is not None and not weights.all():
                    kept = weights > 0
                    X, codes, weights = X[kept], codes[kept], weights[kept]
                    packed = BinaryDataset.from_zero_one(X)
                    assert packed is not None
                return packed, codes, weights
        given = Binarizer() if self.binarizer is None else clone(self.binarizer)
        binarizer = cast(Binarizer, given)
        table = estimator_table(self, X, categorical_features=binarizer.categorical_features)
        self.classes_, codes = check_target(y, table.n_rows)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is not None and not weights.all():
            kept = weights > 0
            table, codes, weights = table.take(kept), codes[kept], weights[kept]
        self.binarizer_ = binarizer.fit_table(table, codes, sample_weight=weights)
        dataset = BinaryDataset.from_codes(
            binarizer.encode(table), binarizer.intervals_, binarizer.predicates_, table.n_rows
        )
        return dataset, codes, weights

    def _class_weight(self) -> np.ndarray | str | None:
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        labels = self.classes_.tolist()
        unknown = [label for label in self.class_weight if label not in labels]
        if unknown:
            raise ValueError(
                f"class_weight names the class {unknown[0]!r}; the classes of y are {labels}"
            )
        weights = np.array([float(self.class_weight.get(label, 1.0)) for label in labels])
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError("class_weight must hold finite numbers, 0 or above, and not only 0")
        return weights

    def _tree(
        self,
        result: SearchResult,
        dataset: BinaryDataset,
        codes: np.ndarray,
        weights: np.ndarray | None,
    ) -> Tree:
        """The IR of a result, with the class counts of every node."""
        nodes = result.nodes
        assert dataset.row_of is not None
        leaf = np.zeros(dataset.n_rows, dtype=np.int32)
        for node, (column, if_true, if_false) in enumerate(nodes):
            if column >= 0:
                here = np.flatnonzero(leaf == node)
                leaf[here] = np.where(dataset.column(column)[here], if_true, if_false)
        n_classes = len(self.classes_)
        cells = leaf[dataset.row_of].astype(np.int64) * n_classes + codes
        counts = np.bincount(cells, weights, minlength=len(nodes) * n_classes)
        counts = counts.reshape(len(nodes), n_classes).astype(np.float64)
        for node in range(len(nodes) - 1, -1, -1):
            if nodes[node, 0] >= 0:
                counts[node] = counts[nodes[node, 1]] + counts[nodes[node, 2]]
        used = sorted({int(column) for column in nodes[:, 0] if column >= 0})
        place = {column: at for at, column in enumerate(used)} | {-1: -1}
        return Tree(
            columns=self.binarizer_.columns_,
            predicates=tuple(self.binarizer_.predicate(j) for j in used),
            predicate=np.array([place[int(column)] for column in nodes[:, 0]], dtype=np.int32),
            if_true=np.ascontiguousarray(nodes[:, 1]),
            if_false=np.ascontiguousarray(nodes[:, 2]),
            counts=counts,
            label=(counts * result.class_weight).argmax(axis=1).astype(np.int32),
            classes=self.classes_,
            class_weight=np.asarray(result.class_weight, dtype=np.float64),
        )


def _print_progress(seconds: float, objective: float, lower_bound: float) -> None:
    """One line on the terminal, rewritten in place where it is one."""
    end = "\r" if sys.stderr.isatty() else "\n"
    text = f"{seconds:8.1f} s   objective {objective:.6f}   lower bound {lower_bound:.6f}"
    print(text, end=end, file=sys.stderr, flush=True)
