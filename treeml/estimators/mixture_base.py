"""What mixtures of linear experts for numbers and for classes have in common."""

from __future__ import annotations

import time
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from treeml._core.control import Control, warn_of_stop
from treeml._core.params import Interval, StrOptions
from treeml._core.table import Column, ColumnType, Table, TableError
from treeml._core.validation import as_table
from treeml.binarize.leaf_columns import LeafColumns
from treeml.estimators.routed import RoutedBase
from treeml.ir import LinearMap, LinearRouter, RoutedModel
from treeml.routing.mixture import Mixture, MixtureSettings
from treeml.routing.mixture_size import choose_mixture, fit_on_rows
from treeml.search.leaf_model import raw_map
from treeml.search.leaf_tasks import LeafTask
from treeml.search.linear_leaves import folds_of

__all__ = ["COMMON", "SMOSEBase"]

MOST_EXPERTS = 6  # of those that cross-validation chooses among
_PENALTIES = (1.0, 10.0, 100.0)

COMMON: dict[str, list[Any]] = {
    "n_experts": [Interval(Integral, 1, None, closed="left"), StrOptions({"cv"})],
    "expert_l2": [Interval(Real, 0, None, closed="neither"), StrOptions({"cv"})],
    "expert_max_features": [Interval(Integral, 0, None, closed="left"), None],
    "router_max_features": [Interval(Integral, 0, None, closed="left"), None],
    "balance": [Interval(Real, 0, None, closed="left")],
    "gate": [StrOptions({"softmax", "sparsemax"})],
    "fit_by": [StrOptions({"em", "kplane", "gradient"})],
    "n_restarts": [Interval(Integral, 0, None, closed="left")],
    "time_limit": [Interval(Real, 0, None, closed="left"), None],
    "random_state": ["random_state"],
}


class SMOSEBase(RoutedBase):
    """What mixtures for numbers and for classes share."""

    n_experts: int | Literal["cv"]
    expert_l2: float | Literal["cv"]
    expert_max_features: int | None
    router_max_features: int | None
    balance: float
    gate: Literal["softmax", "sparsemax"]
    fit_by: Literal["em", "kplane", "gradient"]
    n_restarts: int
    time_limit: float | None
    random_state: Any
    n_features_in_: int
    model_: RoutedModel
    _curvature: float = 1.0

    @property
    def router_coef_(self) -> np.ndarray:
        """Coefficients of the router's scores, shape (n_experts, n_columns)."""
        return self._router().scores.coef

    @property
    def router_intercept_(self) -> np.ndarray:
        """Constants of the router's scores, shape (n_experts,)."""
        return self._router().scores.intercept

    @property
    def experts_(self) -> tuple[LinearMap, ...]:
        """The experts, over the columns of the table."""
        return self._fitted_model().experts

    @available_if(lambda self: isinstance(self, ClassifierMixin))
    def predict_proba(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any
    ) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes); classifiers only."""
        return super().predict_proba(X)

    def to_json(self) -> str:
        """Model and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def _proven(self) -> dict[str, Any]:
        """What is kept in JSON beside model and parameters."""
        fitted = {"expert_l2": self.expert_l2_, "usage": self.usage_.tolist()}
        return {"mixture": fitted | {"objective": self.objective_, "status": self.status_}}

    def _restore(self, model: RoutedModel, extra: dict[str, Any]) -> None:
        """Inverse of `_proven`."""
        self.model_, self.n_experts_ = model, model.n_experts
        fitted = extra["mixture"]
        self.expert_l2_, self.objective_ = fitted["expert_l2"], fitted["objective"]
        self.usage_, self.status_ = np.array(fitted["usage"]), fitted["status"]

    def _router(self) -> LinearRouter:
        router = self._fitted_model().router
        assert isinstance(router, LinearRouter)
        return router

    def _fitted_model(self) -> RoutedModel:
        check_is_fitted(self, "model_")
        return self.model_

    def _table(self, X: Any) -> Table:
        return _table_of(self._matrix(X, reset=False), self._fitted_model().columns)

    def _matrix(self, X: Any, *, reset: bool) -> np.ndarray:
        """The columns as numbers, shape (n_rows, n_columns)."""
        if not reset:
            check_is_fitted(self, "model_")
        try:
            found: Any = validate_data(
                self, X, dtype=np.float64, reset=reset, ensure_all_finite=False
            )
        except ValueError as error:
            raise _no_number(X, error) from error
        bad = np.argwhere(~np.isfinite(found))
        if bad.size:
            row, at = bad[0].tolist()
            what = "NaN" if np.isnan(found[row, at]) else "infinity"
            raise TableError(
                f"Input X contains {what}: column {self._names(found)[at]!r}, row {row}; experts "
                "and router multiply it: fill it in, or leave the row out"
            )
        return found

    def _names(self, matrix: np.ndarray) -> list[str]:
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(matrix.shape[1])])
        return [str(name) for name in names]

    def _columns(self, matrix: np.ndarray, weights: np.ndarray) -> LeafColumns:
        types = tuple(ColumnType(name, "number") for name in self._names(matrix))
        return LeafColumns.fit(_table_of(matrix, types), weights)

    def _settings(self) -> MixtureSettings:
        if self.gate == "sparsemax" and self.fit_by != "gradient":
            raise ValueError(
                f'gate="sparsemax" needs fit_by="gradient", not "{self.fit_by}": a share of 0 has '
                "no logarithm, which the others need"
            )
        return MixtureSettings(
            fit=self.fit_by,
            gate=self.gate,
            balance=self.balance,
            router_max_features=self.router_max_features,
            expert_max_features=self.expert_max_features,
            n_restarts=self.n_restarts,
        )

    def _mixture(self, columns: LeafColumns, task: LeafTask) -> Mixture:
        """Number of experts and penalty, then the mixture."""
        settings, control = self._settings(), Control(time_limit=self.time_limit)
        begin = time.perf_counter()
        rng = check_random_state(self.random_state)
        fold = folds_of(columns, task)
        if fold.max() > 0:
            task = task.tuned(columns.design, fold[None])
        sizes = tuple(range(1, MOST_EXPERTS + 1)) if self.n_experts == "cv" else (self.n_experts,)
        penalties = tuple(self._curvature * l2 for l2 in _PENALTIES)
        if self.expert_l2 != "cv":
            penalties = (self.expert_l2,)
        size, l2 = sizes[0], penalties[-1]
        self.cv_scores_ = None
        if fold.max() > 0 and len(columns.linear) and (len(sizes) > 1 or len(penalties) > 1):
            size, l2, self.cv_scores_ = choose_mixture(
                columns, task, fold, sizes, penalties, settings, control
            )
        rows, left = np.arange(len(task.weight)), control.after(begin)
        found = fit_on_rows(columns, task, rows, size, l2, settings, rng, left)
        over = control.after(begin).time_limit == 0
        self.status_ = "time_limit" if over else "optimal"
        warn_of_stop(self.status_, control, "the mixture is the best of the starts tried")
        which = found.route(columns.design)
        use = np.bincount(which, task.weight, minlength=found.n_experts)
        self.usage_ = use / task.weight.sum()
        self.expert_l2_, self.n_experts_ = l2, found.n_experts
        self.objective_ = found.cost / float(task.weight.sum())
        return found

    def _keep(
        self,
        found: Mixture,
        columns: LeafColumns,
        link: Literal["identity", "logistic", "softmax"],
        classes: np.ndarray | None = None,
    ) -> None:
        gate = found.gate - found.gate.mean(axis=1, keepdims=True)
        router = LinearRouter(columns.types, raw_map(gate, columns))
        experts = tuple(raw_map(coef, columns) for coef in found.experts)
        self.model_ = RoutedModel(columns.types, router, experts, link, classes)


def _no_number(X: Any, error: ValueError) -> ValueError:
    """The error, naming the column where one holds no numbers."""
    if not str(error).startswith("could not convert"):
        return error
    column = next(c for c in as_table(X).columns if c.values.dtype == object)
    return TableError(
        f"column {column.type.name!r} holds no numbers, which experts and router multiply "
        f"({error}): encode it, or use trees with linear leaves, which ask about categories"
    )


def _table_of(matrix: np.ndarray, types: tuple[ColumnType, ...]) -> Table:
    columns = tuple(Column(t, np.ascontiguousarray(matrix[:, j])) for j, t in enumerate(types))
    return Table(columns, len(matrix))
