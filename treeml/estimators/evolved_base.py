"""What both estimators of evolved trees have in common: parameters, search, attributes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from treeml import ir
from treeml._core.control import Control, SearchLimitWarning
from treeml._core.params import HasMethods, Interval
from treeml._core.table import Table
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.estimators.base import TreeBase
from treeml.search.evolve import Accepted, Generation, evolve
from treeml.search.leaf_cells import LeafCells, Questions
from treeml.search.proposals import TaskCard, TreeReader
from treeml.search.proposers import GeneticProposer, Proposer
from treeml.search.result import SearchResult, relative_gap

__all__ = ["EvolvedBase", "Seeds", "target_name"]

_DEEPEST, _MOST_LEAVES = 32, 2**16
_KEPT = ("score", "objective", "gap", "proof", "origin", "status", "seed_scores")
Seeds = list[tuple[str, Questions]]


class EvolvedBase(TreeBase):
    """Parameters, search and attributes that both estimators have."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_depth": [Interval(Integral, 0, None, closed="left"), None],
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "n_folds": [Interval(Integral, 1, None, closed="left")],
        "binarizer": [HasMethods(["fit_encode", "encode"]), None],
        "population_size": [Interval(Integral, 2, None, closed="left")],
        "n_generations": [Interval(Integral, 0, None, closed="left")],
        "proposer": [HasMethods(["propose"]), None],
        "record": [str, Path, None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    scoring: str | Callable[..., float]
    max_depth: int | None
    max_leaf_nodes: int | None
    min_samples_leaf: int
    regularization: float
    n_folds: int
    binarizer: Binarizer | None
    population_size: int
    n_generations: int
    proposer: Proposer | None
    record: str | Path | None
    time_limit: float | None
    random_state: Any
    verbose: int
    tree_: Any
    classes_: np.ndarray
    feature_names_in_: np.ndarray
    n_leaves_: int
    history_: tuple[Generation, ...]
    origins_: tuple[Accepted, ...]
    proposals_: list[dict[str, Any]] | None

    @property
    def rejections_(self) -> dict[str, int]:
        """How many proposals were left aside, by reason; the whole search."""
        check_is_fitted(self, "tree_")
        total: dict[str, int] = {}
        for generation in self.history_[1:]:
            for reason, count in generation.rejected.items():
                total[reason] = total.get(reason, 0) + count
        return dict(sorted(total.items()))

    def to_json(self) -> str:
        """Model, score and origin as versioned JSON."""
        parameters = {
            name: value
            for name, value in cast(Any, self).get_params(deep=False).items()
            if value is None or isinstance(value, (str, int, float, bool))
        }
        return ir.dump(
            self._fitted_tree(),
            estimator={
                "name": type(self).__name__,
                "named": hasattr(self, "feature_names_in_"),
                "parameters": parameters,
            },
            evolved={name: getattr(self, f"{name}_") for name in _KEPT},
        )

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def _restored(cls, tree: Any, extra: dict[str, Any]) -> Any:
        """A fitted estimator from what `to_json` wrote; it does not know its history."""
        asked, known = extra["estimator"], extra["evolved"]
        model = cls(**asked["parameters"])
        model.tree_, model.n_leaves_, model.n_features_in_ = tree, tree.n_leaves, len(tree.columns)
        for name in _KEPT:
            setattr(model, f"{name}_", known[name])
        model.history_, model.origins_, model.proposals_ = (), (), None
        if asked["named"]:
            names = [column.name for column in tree.columns]
            model.feature_names_in_ = np.array(names, dtype=object)
        if hasattr(tree, "classes"):
            model.classes_ = tree.classes
        return model

    def _fitted_tree(self) -> Any:
        check_is_fitted(self, "tree_")
        return self.tree_

    def _limits(self) -> tuple[int, int]:
        """Depth and leaves that a tree may have."""
        leaves = _MOST_LEAVES if self.max_leaf_nodes is None else int(self.max_leaf_nodes)
        depth = _DEEPEST if self.max_depth is None else int(self.max_depth)
        return min(depth, leaves - 1, _DEEPEST), leaves

    def _encoded(self, table: Table, classes: np.ndarray | None, weights: np.ndarray | None) -> Any:
        """Code columns and dataset of the training rows; the fitted binarizer is kept."""
        given = Binarizer(max_bins=64) if self.binarizer is None else clone(self.binarizer)
        binarizer = cast(Binarizer, given)
        code_columns = binarizer.fit_encode(table, classes, sample_weight=weights)
        self.binarizer_ = binarizer
        dataset = BinaryDataset.from_codes(
            code_columns, binarizer.intervals_, binarizer.predicates_, table.n_rows
        )
        return code_columns, dataset

    def _generators(self) -> list[np.random.Generator]:
        """Chance of the folds, of the seeds and of the proposers, apart from each other."""
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return np.random.default_rng(seed).spawn(3)

    def _search(
        self,
        cells: LeafCells,
        score: Callable[..., float],
        seeds: Seeds,
        rng: np.random.Generator,
        *,
        target: str,
        classes: tuple[str, ...],
        proven: SearchResult | None,
        start: float,
    ) -> Questions:
        """Evolve, and keep what is to be said about it."""
        binarizer, (depth, leaves) = self.binarizer_, self._limits()
        reader = TreeReader(
            binarizer.predicates_, binarizer.columns_, max_depth=depth, max_leaf_nodes=leaves
        )
        task = TaskCard(
            columns=reader.task_columns(binarizer.columns_),
            target=target,
            classes=classes,
            metric=_name(self.scoring),
            regularization=float(self.regularization),
            max_depth=depth,
            max_leaf_nodes=leaves,
            min_samples_leaf=int(self.min_samples_leaf),
        )
        control = Control(self.time_limit, stop_after=getattr(self, "_stop_after", None))
        keep = self.proposer is not None and not isinstance(self.proposer, GeneticProposer)
        found = evolve(
            seeds,
            cells=cells,
            score=score,
            reader=reader,
            task=task,
            proposer=self.proposer,
            population_size=self.population_size,
            n_generations=self.n_generations,
            upper_bound=np.inf if proven is None else 1.0 - proven.lower_bound - 1e-12,
            rng=rng,
            control=control,
            start=start,
            record=self.record,
            keep_proposals=keep,
            progress=_print_generation if self.verbose else None,
        )
        best = found.record
        self.score_, self.objective_ = best.score, best.objective
        self.n_leaves_, self.origin_ = best.n_leaves, best.origin
        self.status_ = found.status
        self.seed_scores_ = found.seed_scores
        self.history_, self.origins_ = found.history, found.accepted
        self.proposals_ = found.proposals if keep else None
        self.gap_, self.proof_ = _gap(proven, best.objective, _name(self.scoring), self.n_folds)
        if self.verbose:
            print(self.proof_, file=sys.stderr)
        if found.status in ("time_limit", "interrupted"):
            why = "the search was interrupted"
            if found.status == "time_limit":
                why = f"time_limit={self.time_limit} was reached"
            warnings.warn(
                f"{why} in generation {found.history[-1].generation} of {self.n_generations}: the "
                f"tree is the best so far, with a score of {best.score:.6g}",
                SearchLimitWarning,
                stacklevel=3,
            )
        return found.tree

    def _set_stop(self, after_polls: int) -> Any:
        """End the search at a certain poll of its clock: a stop that repeats, for tests."""
        self._stop_after = after_polls
        return self


def target_name(y: Any) -> str:
    """Name of a series, "target" where it has none."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else "target"


def _name(scoring: str | Callable[..., float]) -> str:
    if isinstance(scoring, str):
        return scoring
    return getattr(scoring, "__name__", type(scoring).__name__)


def _gap(
    proven: SearchResult | None, objective: float, metric: str, n_folds: int
) -> tuple[float | None, str]:
    """Distance from the best possible tree, and what is known about it, in words."""
    if proven is not None:
        gap = relative_gap(1.0 - objective, proven.lower_bound)
        return gap, (
            f"gap {100 * gap:.1f} %: every tree of these questions and limits has an error rate + "
            f"regularization * leaves of at least {proven.lower_bound:.6g}, this one has "
            f"{1.0 - objective:.6g}"
        )
    if metric == "accuracy" and n_folds > 1:
        return None, "no gap: a score over folds does not add up over leaves"
    if metric in ("r2", "squared_error", "absolute_error", "accuracy"):
        return None, f"no gap: no bound on {metric} was searched"
    return None, f"no gap: {metric} does not add up over leaves, so that no bound is known"


def _print_generation(generation: Generation) -> None:
    text = (
        f"generation {generation.generation:4d}   objective {generation.objective:.6f}   "
        f"{generation.n_leaves} leaves   {sum(generation.accepted.values()):3d} new   "
        f"best: {generation.origin}"
    )
    print(text, file=sys.stderr, flush=True)
