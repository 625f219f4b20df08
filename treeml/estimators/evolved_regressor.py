"""The evolved regression tree: a small tree for any score."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin

from treeml._core.params import StrOptions, validate_params
from treeml._core.validation import check_numbers, check_weights, estimator_table
from treeml.binarize import Binarizer
from treeml.estimators.evolved_base import EvolvedBase, target_name
from treeml.ir import RegressionTree
from treeml.search.evolution_rows import EvolutionRows, value_tree
from treeml.search.leaf_cells import LeafCells
from treeml.search.leaf_scores import VALUE_METRICS, UserScore, ValueScore
from treeml.search.proposers import Proposer
from treeml.search.seed_trees import GreedyTrees, to_nodes, value_seeds

__all__ = ["EvolvedTreeRegressor"]


class EvolvedTreeRegressor(RegressorMixin, EvolvedBase):
    """A small regression tree for any score: R², absolute error, or one of your own.

    The search is that of `EvolvedTreeClassifier`.

    Parameters
    ----------
    scoring : str or callable, default="r2"
        "r2", "squared_error", "absolute_error" (both the mean, times -1; leaves predict the median
        for the latter, the mean otherwise), or ``metric(y_true, prediction)``, larger is better,
        which gets ``sample_weight=...`` where rows have weights.
    max_depth : int or None, default=4
        Largest depth; the root has depth 0. None: 32.
    max_leaf_nodes : int or None, default=8
        Most leaves. None: no limit.
    min_samples_leaf : int, default=10
        Fewest rows (of positive weight) in a leaf. A small tree that is fitted to a score that
        looks at ranks overfits first of all by small leaves.
    regularization : float, default=0.0
        Cost of a leaf, in units of the score.
    n_folds : int, default=1
        1: the score of the training rows. More: the mean over so many folds of the score of the
        fold's rows, where the leaves have the values of the other rows; the questions are chosen
        by all rows all the same, so this is no cross-validation of the tree.
    binarizer : Binarizer or None, default=None
        Makes the questions of the table's columns; it is cloned. None: ``Binarizer(max_bins=64)``.
    population_size : int, default=40
        Trees that a generation keeps, and proposals that it asks for.
    n_generations : int, default=100
        0: the best of the seeds.
    proposer : Proposer or None, default=None
        Proposes trees (`treeml.search.proposers.Proposer`): ``GeneticProposer()`` where None,
        `CallableProposer` for a function of your own, such as one that asks a language model,
        `ReplayProposer` for stored proposals. It learns names, thresholds and limits, and the
        trees so far with their scores; never a row.
    record : path or None, default=None
        File for all proposals, a JSON line a generation, which `ReplayProposer` reads.
    time_limit : float or None, default=60.0
        Seconds of the search; the best tree so far is kept.
    random_state : int, RandomState instance or None, default=0
        The same number gives the same tree.
    verbose : int, default=0
        1: a line a generation on the terminal, and in the end what is known of the gap.

    Attributes
    ----------
    tree_ : RegressionTree
        The model as data; every export and picture is made from it.
    score_ : float
        Of the tree on the training rows, as ``scoring`` and ``n_folds`` have it.
    objective_ : float
        ``score_ - regularization * n_leaves_``, which is maximised.
    seed_scores_ : dict of str to float
        Objective of every tree that the search started from.
    gap_ : float or None
        None: no bound is searched.
    proof_ : str
        What is known about the gap, in words.
    status_ : {"finished", "optimal", "time_limit", "interrupted"}
    origin_ : str
        Who proposed the tree: a seed, or the proposer and its operator.
    origins_ : tuple of Accepted
        Origin, generation and objective of every tree that was ever among the best.
    history_ : tuple of Generation
        The best tree, proposals accepted and rejected, by generation.
    rejections_ : dict of str to int
        Proposals that were left aside, by reason.
    proposals_ : list of dict or None
        All proposals, for `ReplayProposer`; None for the genetic proposer, which the seed repeats
        (``record`` stores them too).
    n_leaves_ : int
    binarizer_ : Binarizer
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    J. Koza, "Genetic Programming: On the Programming of Computers by Means of Natural Selection",
    MIT Press 1992. T. Huynh et al., "Decision Tree Induction Through LLMs via
    Semantically-Aware Evolution", ICLR 2025 (LLEGO): trees as text that a language model
    crosses and changes, which the protocol of ``proposer`` allows.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scoring": [StrOptions(set(VALUE_METRICS)), callable],
        **EvolvedBase._parameter_constraints,
    }

    def __init__(
        self,
        *,
        scoring: str | Callable[..., float] = "r2",
        max_depth: int | None = 4,
        max_leaf_nodes: int | None = 8,
        min_samples_leaf: int = 10,
        regularization: float = 0.0,
        n_folds: int = 1,
        binarizer: Binarizer | None = None,
        population_size: int = 40,
        n_generations: int = 100,
        proposer: Proposer | None = None,
        record: str | Path | None = None,
        time_limit: float | None = 60.0,
        random_state: Any = 0,
        verbose: int = 0,
    ) -> None:
        self.scoring = scoring
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.regularization = regularization
        self.n_folds = n_folds
        self.binarizer = binarizer
        self.population_size = population_size
        self.n_generations = n_generations
        self.proposer = proposer
        self.record = record
        self.time_limit = time_limit
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EvolvedTreeRegressor:
        """Search for the tree.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Finite numbers.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 0 is no row.

        Returns
        -------
        EvolvedTreeRegressor

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row; where
            the metric gives no finite number for any seed.

        Warns
        -----
        SearchLimitWarning
            Where a limit or Ctrl-C ended the search: the tree is the best so far.
        """
        validate_params(self)
        start = time.perf_counter()
        features = getattr(self.binarizer, "categorical_features", "from_dtype")
        table = estimator_table(self, X, categorical_features=features)
        values = check_numbers(y, table.n_rows)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is not None and not weights.all():
            kept = weights > 0
            table, values, weights = table.take(kept), values[kept], weights[kept]
        for_folds, for_seeds, for_proposer = self._generators()
        code_columns, dataset = self._encoded(table, None, weights)
        by_rows = self.scoring == "absolute_error"
        rows = EvolutionRows.make(
            dataset, code_columns, values, self.n_folds, for_folds, merge=not by_rows
        )
        metric = self.scoring if isinstance(self.scoring, str) else "squared_error"
        weight = np.ones(len(values)) if weights is None else weights
        score = ValueScore(metric, values, weight, rows.fold, self.n_folds)
        sums = score.statistics(rows.row_of, rows.n_rows)
        cells = LeafCells(rows.answers, sums, rows.size, self.min_samples_leaf)
        depth, leaves = self._limits()
        greedy = GreedyTrees(
            cells, rows.codes, rows.intervals, max_depth=depth, max_leaf_nodes=leaves
        )
        of_rows = sums.reshape(self.n_folds, 3, -1).sum(axis=0)
        seeds = value_seeds(greedy, of_rows, n_random=self.population_size // 2, rng=for_seeds)
        used: Callable[..., float] = score
        if not isinstance(self.scoring, str):
            used = UserScore(
                self.scoring,
                score,
                y=values,
                weight=weights,
                row_of=rows.row_of,
                fold=rows.fold,
                classes=None,
                response_method="predict",
            )
        found = self._search(
            cells,
            used,
            seeds,
            for_proposer,
            target=target_name(y),
            classes=(),
            proven=None,
            start=start,
        )
        self.tree_: RegressionTree = value_tree(
            to_nodes(found),
            rows,
            score,
            columns=self.binarizer_.columns_,
            predicate=self.binarizer_.predicate,
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Value of every row's leaf, shape (n_rows,), float64."""
        return self._fitted_tree().value[self.apply(X)]
