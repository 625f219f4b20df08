"""What estimators whose model is a tree with linear leaves have in common."""

from __future__ import annotations

import time
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from treeml._core.control import Control, warn_of_limit, warn_of_stop
from treeml._core.params import Interval, StrOptions
from treeml._core.table import Table, TableError
from treeml._core.validation import check_weights, estimator_table
from treeml.binarize.leaf_columns import LeafColumns
from treeml.certificate import LinearTreeCertificate
from treeml.estimators.base import takes_tables
from treeml.estimators.routed import RoutedBase
from treeml.ir import RoutedModel, RoutingTree
from treeml.search.leaf_model import questions_of, raw_map
from treeml.search.leaf_tasks import LeafTask, SquaredError
from treeml.search.linear_leaves import (
    PENALTIES,
    GrownLeaves,
    LeafSettings,
    SizeScores,
    fit_linear_leaves,
    repeated_folds,
    size_scores,
)
from treeml.search.linear_tree import LinearGrowth
from treeml.search.result import relative_gap

__all__ = ["COMMON", "LinearTreeBase", "Read"]

MOST_LEAVES = 8  # of those that cross-validation chooses among
_REGROW_ROUNDS = 3
_EASIER = "a smaller max_depth or max_cuts makes the proof easier"

COMMON: dict[str, list[Any]] = {
    "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), StrOptions({"cv"})],
    "max_depth": [Interval(Integral, 0, None, closed="left"), None],
    "l2": [Interval(Real, 0, None, closed="neither"), StrOptions({"cv"})],
    "solver": [StrOptions({"greedy", "polish", "regrow", "exact"})],
    "max_cuts": [Interval(Integral, 1, 65534, closed="both")],
    "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
    "min_weight_fraction_leaf": [Interval(Real, 0, 0.5, closed="both")],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "time_limit": [Interval(Real, 0, None, closed="left"), None],
    "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
}


class Read(NamedTuple):
    """Rows of positive weight, as the search takes them."""

    columns: LeafColumns
    task: LeafTask


class LinearTreeBase(RoutedBase):
    """What linear-leaf regressors and classifiers share."""

    max_leaf_nodes: int | Literal["cv"]
    max_depth: int | None
    l2: float | Literal["cv"]
    solver: str
    max_cuts: int
    min_samples_leaf: int
    min_weight_fraction_leaf: float
    categorical_features: Any
    time_limit: float | None
    memory_limit: int | None
    n_features_in_: int
    model_: RoutedModel
    _certificate: LinearTreeCertificate | None
    _clip_margin: float | None = None
    _curvature: float = 1.0
    _class_weights: np.ndarray | None = None

    @property
    def certificate_(self) -> LinearTreeCertificate:
        """The theorem of an exact search.

        Raises
        ------
        AttributeError
            For the other solvers, which prove nothing.
        """
        check_is_fitted(self, "model_")
        if self._certificate is None and self.solver == "exact":
            raise AttributeError(
                "the linear model of all rows was chosen: there is no tree to prove anything about"
            )
        if self._certificate is None:
            raise AttributeError(f'solver="{self.solver}" proves nothing; solver="exact" does')
        return self._certificate

    @available_if(lambda self: isinstance(self, ClassifierMixin))
    def predict_proba(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any
    ) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes); classifiers only."""
        return super().predict_proba(X)

    def apply(self, X: Any) -> np.ndarray:
        """Node index of every row's leaf, shape (n_rows,)."""
        router = self._fitted_model().router
        assert isinstance(router, RoutingTree)
        return router.apply(self._table(X))

    def get_n_leaves(self) -> int:
        """Number of leaves."""
        return self._fitted_model().n_leaves

    def get_depth(self) -> int:
        """Depth of the tree; a single leaf has 0."""
        router = self._fitted_model().router
        assert isinstance(router, RoutingTree)
        return router.depth

    def to_json(self) -> str:
        """Model and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: Any) -> None:
        """Write `to_json` to a file."""
        from pathlib import Path

        Path(path).write_text(self.to_json(), encoding="utf-8")

    def _proven(self) -> dict[str, Any]:
        """What is kept in JSON beside model and parameters."""
        fitted = {"l2": self.l2_, "objective": self.objective_, "status": self.status_}
        certificate = self._certificate
        return {"linear_tree": fitted} | (
            {} if certificate is None else {"certificate": certificate.to_dict()}
        )

    def _restore(self, model: RoutedModel, extra: dict[str, Any]) -> None:
        """Inverse of `_proven`."""
        self.model_, self.n_leaves_ = model, model.n_leaves
        fitted = extra["linear_tree"]
        self.l2_, self.objective_ = fitted["l2"], fitted["objective"]
        self.status_ = fitted["status"]
        self._certificate = None
        if "certificate" in extra:
            self._certificate = LinearTreeCertificate.from_dict(extra["certificate"])
            self.lower_bound_ = self._certificate.lower_bound
            self.gap_ = self._certificate.gap

    def __sklearn_tags__(self) -> Any:
        return takes_tables(super().__sklearn_tags__())

    def _fitted_model(self) -> RoutedModel:
        check_is_fitted(self, "model_")
        return self.model_

    def _table(self, X: Any) -> Table:
        model = self._fitted_model()
        table = estimator_table(self, X, like=model.columns)
        for j in sorted({int(j) for expert in model.experts for j in expert.read}):
            column = table.columns[j]
            if column.missing.any():
                row = int(np.flatnonzero(column.missing)[0])
                raise TableError(
                    f"column {column.type.name!r}, row {row}: the value is missing, but none was "
                    "at fit and the leaves multiply it; fill it in, or leave the row out"
                )
        return table

    def _settings(self, most: int) -> LeafSettings:
        depth = self.max_depth
        if self.solver == "exact" and depth is None:
            depth = 2
        return LeafSettings(
            growth=LinearGrowth(
                max_leaf_nodes=most,
                max_depth=depth,
                sweeps=0 if self.solver == "greedy" else 5,
                regrow_rounds=_REGROW_ROUNDS if self.solver == "regrow" else 0,
                max_cuts=self.max_cuts,
            ),
            exact_depth=depth if self.solver == "exact" and most > 1 and depth else None,
            min_samples_leaf=self.min_samples_leaf,
            min_weight_fraction_leaf=self.min_weight_fraction_leaf,
            clip_margin=self._clip_margin,
        )

    def _most_leaves(self) -> int:
        if self.solver == "exact" and self.max_depth is not None and self.max_depth > 3:
            raise ValueError(
                f'solver="exact" needs a max_depth of at most 3, not {self.max_depth}: deeper '
                'trees are out of its reach; solver="polish" grows them without a proof'
            )
        most = MOST_LEAVES if self.max_leaf_nodes == "cv" else self.max_leaf_nodes
        if self.solver == "exact":
            most = min(most, 2 ** (2 if self.max_depth is None else self.max_depth))
        return 1 if self.max_depth == 0 else most

    def _fit(self, read: Read) -> GrownLeaves:
        """Choose size and penalty, and grow the tree."""
        control = Control(time_limit=self.time_limit, memory_limit=self.memory_limit)
        begin = time.perf_counter()
        columns, task = read
        most = self._most_leaves()
        folds = repeated_folds(columns, task)
        if folds.max() > 0:
            task = task.tuned(columns.design, folds)
        size, l2, self.cv_scores_ = self._chosen(columns, task, folds, most, control)
        settings = self._settings(size)
        rows = np.arange(len(task.weight))
        grown = fit_linear_leaves(columns, task, rows, l2, settings, control.after(begin))
        self.l2_ = l2
        self.status_ = grown.status
        if self.cv_scores_ is not None and self.cv_scores_.status != "optimal":
            kept = "number of leaves and penalty rest on the folds that were completed"
            warn_of_stop(self.cv_scores_.status, control, kept)
            if grown.exact is None and grown.status == "optimal":
                self.status_ = self.cv_scores_.status
        self.findings_ = columns.findings
        cost = grown.models[-1].tree.cost
        self.objective_ = cost / grown.total if grown.total > 0 else 0.0
        self._certificate = None
        if grown.exact is not None:
            bound = grown.exact.lower_bound
            self.lower_bound_ = bound / grown.total if grown.total > 0 else 0.0
            self.gap_ = relative_gap(self.objective_, self.lower_bound_)
            self._certificate = self._certified(grown, columns, task, settings)
            warn_of_limit(self.status_, self.objective_, self.gap_, control, _EASIER)
        else:
            for name in ("lower_bound_", "gap_"):
                vars(self).pop(name, None)  # of an earlier exact fit
            kept = f"the tree of {grown.models[-1].tree.n_leaves} leaves is the best found"
            warn_of_stop(grown.status, control, kept)
        return grown

    def _chosen(
        self,
        columns: LeafColumns,
        task: LeafTask,
        folds: np.ndarray,
        most: int,
        control: Control,
    ) -> tuple[int, float, SizeScores | None]:
        """Most leaves and penalty, by cross-validation where they are not given."""
        penalties = (
            tuple(self._curvature * l2 for l2 in PENALTIES) if self.l2 == "cv" else (self.l2,)
        )
        open_size = self.max_leaf_nodes == "cv" and most > 1
        if folds.max() == 0:
            return 1 if open_size else most, penalties[-1], None
        if not open_size and len(penalties) == 1:
            return most, penalties[0], None
        scores = size_scores(columns, task, folds, penalties, self._settings(most), control)
        if scores.n_folds < 2:
            return 1 if open_size else most, penalties[-1], scores
        size, l2 = scores.one_standard_error() if open_size else scores.of_size(most)
        return size, l2, scores

    def _certified(
        self, grown: GrownLeaves, columns: LeafColumns, task: LeafTask, settings: LeafSettings
    ) -> LinearTreeCertificate:
        assert grown.exact is not None
        design, rows = columns.design, np.arange(len(task.weight))
        common = raw_map(task.root(design, rows), columns)
        asked = questions_of(columns, grown.models[-1].orders, grown.exact.cuts)
        least = settings.min_weight_fraction_leaf * float(task.weight.sum())
        return LinearTreeCertificate.of(
            objective=self.objective_,
            lower_bound=self.lower_bound_,
            gap=self.gap_,
            status=grown.status,
            n_rows=len(task.weight),
            total=grown.total,
            loss="squared_error" if isinstance(task, SquaredError) else "log_loss_bound",
            l2=self.l2_,
            max_depth=settings.exact_depth or 0,
            max_leaf_nodes=settings.growth.max_leaf_nodes,
            min_samples_leaf=settings.min_samples_leaf,
            min_weight_leaf=least,
            max_cuts=self.max_cuts,
            columns=[columns.types[split.index].name for split in columns.splits],
            cuts=[cuts.tolist() for cuts in grown.exact.cuts],
            inputs=[columns.types[j].name for j in columns.linear.tolist()],
            common={
                "coef": common.coef.tolist(),
                "intercept": common.intercept.tolist(),
                "l2": task.root_penalty(design, rows),
            },
            predicates=[question.to_dict() for question in asked],
            class_weight=[] if self._class_weights is None else self._class_weights.tolist(),
            seconds=grown.exact.seconds,
        )

    def _rows(self, X: Any, sample_weight: Any) -> tuple[Table, np.ndarray | None, np.ndarray]:
        """The table, the rows of positive weight (None: all), and their weights."""
        table = estimator_table(self, X, categorical_features=self.categorical_features)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is None:
            return table, None, np.ones(table.n_rows)
        if weights.all():
            return table, None, weights
        kept = weights > 0
        return table.take(kept), kept, weights[kept]
