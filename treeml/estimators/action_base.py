"""What estimators whose model is a tree of actions share: parameters, the search, the proof."""

from __future__ import annotations

import dataclasses
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from treeml._core.control import warn_of_limit
from treeml._core.params import HasMethods, Interval, Options
from treeml._core.table import Table
from treeml._core.validation import estimator_table
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.certificate import CostCertificate, certify_costs, hash_costs, shifted_costs
from treeml.estimators.base import TreeBase
from treeml.estimators.callbacks import FitTask, SearchMixin
from treeml.ir import ActionTree
from treeml.search import SearchResult, build_action_tree, cost_grid, cost_sums, cost_tree

__all__ = ["ActionTreeBase"]


@dataclasses.dataclass(frozen=True, slots=True)
class _Proof:
    """What a certificate is made from when it is asked for."""

    result: SearchResult
    dataset: BinaryDataset
    costs: np.ndarray
    weights: np.ndarray | None
    binarizer: Binarizer
    figures: dict[str, Any]

    def certify(self) -> CostCertificate:
        result, dataset = self.result, self.dataset
        assert dataset.row_of is not None
        answers = dataset.matrix()[dataset.row_of]
        return certify_costs(
            objective=result.objective,
            lower_bound=result.lower_bound,
            status=result.status,
            n_rows=len(self.costs),
            total=result.total,
            predicates=self.binarizer.predicates_,
            columns=self.binarizer.columns_,
            data_hash=hash_costs(answers, self.costs, self.weights),
            seconds=result.seconds,
            cuts=getattr(self.binarizer, "choice_", ""),
            **self.figures,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a fit: a matrix of zeros and ones, packed, or a table."""

    given: np.ndarray | Table
    packed: BinaryDataset | None

    @property
    def n_rows(self) -> int:
        return self.given.n_rows if isinstance(self.given, Table) else len(self.given)

    def take(self, kept: np.ndarray) -> _Rows:
        if isinstance(self.given, Table):
            return _Rows(self.given.take(kept), None)
        return _Rows(self.given[kept], BinaryDataset.from_zero_one(self.given[kept]))


class ActionTreeBase(SearchMixin, TreeBase):
    """A tree over the predicates of a table with an action in every leaf, fitted to costs."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_depth": [Interval(Integral, 0, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "binarizer": [HasMethods(["fit_table", "encode"]), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
        "gap_tol": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "verbose": ["verbose"],
    }

    max_depth: int | None
    max_leaf_nodes: int | None
    regularization: float
    min_samples_leaf: int
    binarizer: Binarizer | None
    time_limit: float | None
    memory_limit: int | None
    gap_tol: float
    n_jobs: int | None
    verbose: int
    binarizer_: Binarizer
    tree_: ActionTree

    @property
    def certificate_(self) -> CostCertificate:
        check_is_fitted(self, "tree_")
        if self._certificate is None and self._proof is not None:
            self._certificate = self._proof.certify()
            self._proof = None
        assert self._certificate is not None
        return self._certificate

    @property
    def findings_(self) -> tuple:
        check_is_fitted(self, "binarizer_")
        return self.binarizer_.findings_

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
        return super().__getstate__()

    def _fitted_tree(self) -> ActionTree:
        check_is_fitted(self, "tree_")
        return self.tree_

    def _open(self, X: Any) -> _Rows:
        """The rows of X: a matrix of zeros and ones as it is, any other as a table."""
        if self.binarizer is None and isinstance(X, np.ndarray) and X.ndim == 2 and X.size:
            packed = BinaryDataset.from_zero_one(X)
            if packed is not None:
                self.n_features_in_ = X.shape[1]
                vars(self).pop("feature_names_in_", None)  # of an earlier fit on a frame
                return _Rows(X, packed)
        given = cast(Binarizer, Binarizer() if self.binarizer is None else self.binarizer)
        table = estimator_table(self, X, categorical_features=given.categorical_features)
        return _Rows(table, None)

    def _encode(self, rows: _Rows, best: np.ndarray, weights: np.ndarray | None) -> BinaryDataset:
        """Columns of rows; ``best``: code of the best action, for binarizers that need classes."""
        if rows.packed is not None:
            self.binarizer_ = Binarizer().fit_zero_one(rows.packed.n_columns)
            return rows.packed
        table = cast(Table, rows.given)
        binarizer = cast(
            Binarizer, Binarizer() if self.binarizer is None else clone(self.binarizer)
        )
        self.binarizer_ = binarizer.fit_table(table, best, sample_weight=weights)
        return BinaryDataset.from_codes(
            binarizer.encode(table), binarizer.intervals_, binarizer.predicates_, table.n_rows
        )

    def _fit_costs(
        self,
        rows: _Rows,
        costs: np.ndarray,
        weights: np.ndarray | None,
        actions: np.ndarray,
        *,
        rewards: bool,
        task: FitTask,
    ) -> np.ndarray:
        """Search for the tree of least costs, shape (n_rows, n_actions); returns the rows used."""
        kept = np.ones(len(costs), dtype=bool) if weights is None else weights > 0
        if weights is not None and not kept.all():
            costs, weights = costs[kept], weights[kept]
            rows = rows.take(kept)
        dataset = self._encode(rows, costs.argmin(axis=1).astype(np.int32), weights)
        shift = shifted_costs(costs)
        with np.errstate(over="ignore"):  # what is too large is refused there
            grid = cost_grid(costs - shift[:, None], weights)
        row_of = dataset.row_of
        assert row_of is not None
        one = np.ones(len(costs)) if weights is None else weights
        total = float(one.sum())
        n_behind = np.bincount(row_of, minlength=dataset.n_rows)
        dataset = dataset.with_statistics(n_behind[None, :])
        control = self._control(task)
        result = cost_tree(
            dataset,
            cost_sums(dataset, grid.values),
            scale=grid.scale,
            total=total,
            max_depth=self.max_depth,
            max_leaf_nodes=self.max_leaf_nodes,
            regularization=self.regularization,
            min_samples_leaf=self.min_samples_leaf,
            control=control,
            without=getattr(self, "_without", ()),
        )
        weighted = costs * one[:, None]
        summed = [np.bincount(row_of, c, dataset.n_rows) for c in weighted.T]
        self.tree_ = build_action_tree(
            result.nodes,
            dataset,
            np.stack(summed, axis=1),
            np.bincount(row_of, one, dataset.n_rows),
            columns=self.binarizer_.columns_,
            predicate=self.binarizer_.predicate,
            actions=actions,
            rewards=rewards,
        )
        self.result_ = result
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = result.gap
        self.status_ = result.status
        self.n_leaves_ = result.n_leaves
        names = ("max_depth", "max_leaf_nodes", "regularization", "min_samples_leaf")
        figures = {name: getattr(self, name) for name in names} | {
            "actions": actions,
            "shift": float((shift * one).sum()) / total,
            "cost_grid": grid.text,
            "rounding": grid.rounding / total,
        }
        self._certificate: CostCertificate | None = None
        self._proof: _Proof | None = _Proof(
            result, dataset, costs, weights, self.binarizer_, figures
        )
        task.end()
        warn_of_limit(self.status_, self.objective_, self.gap_, control)
        return kept
