"""The evolved classification tree: a small tree for any score."""

from __future__ import annotations

import time
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from treeml._core.control import Control
from treeml._core.params import Interval, StrOptions, validate_params
from treeml._core.validation import (
    check_target,
    check_weights,
    estimator_table,
)
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.estimators.base import TreeClassifierBase
from treeml.estimators.evolved_base import EvolvedBase, target_name
from treeml.ir import Tree
from treeml.search.build import build_tree, class_counts
from treeml.search.class_weight import integer_class_weights
from treeml.search.evolution_rows import EvolutionRows, smooth_shares
from treeml.search.leaf_cells import LeafCells
from treeml.search.leaf_scores import (
    CLASS_METRICS,
    ClassScore,
    UserScore,
)
from treeml.search.optimal_tree import optimal_tree
from treeml.search.proposers import Proposer
from treeml.search.result import SearchResult
from treeml.search.seed_trees import GreedyTrees, class_seeds, from_nodes, to_nodes

__all__ = ["EvolvedTreeClassifier"]

_PROOF_POLLS = 5000
_SMOOTHED = ("roc_auc", "average_precision", "log_loss")
_SOFT_SHARE, _FEW_ROWS = 0.8, 10_000


class EvolvedTreeClassifier(EvolvedBase, TreeClassifierBase):
    """A small classification tree for any score: AUC, average precision, or one of your own.

    Maximises ``score - regularization * leaves`` by a seeded genetic search over trees of the
    binarizer's questions. Exact searches need an objective that is a sum over leaves; this one
    takes any, but proves nothing. It starts from greedy trees of several criteria, scikit-learn's
    CART over the same questions and, for ``scoring="accuracy"``, the tree of a short exact
    search; the result is never below any of them.

    Parameters
    ----------
    scoring : str or callable, default="roc_auc"
        "roc_auc", "average_precision" (both with several classes: the mean over each against the
        rest), "accuracy", "balanced_accuracy", "f1" (the second of two classes; else the mean over
        all) and "log_loss" (times -1) are made of the class weights in the leaves. A callable
        ``metric(y_true, prediction)``, larger is better, gets arrays of all rows, and
        ``sample_weight=...`` where rows or classes have weights.
    response_method : {"predict_proba", "predict"}, default="predict_proba"
        Whether a callable gets probabilities (of the second of two classes, else an array of
        shape (n_rows, n_classes)), or labels.
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
    soft_labels : float or "auto", default="auto"
        Share of the probabilities of a cautious boosted model in the labels that the search
        scores; the values of the final leaves are those of the true labels. A small tree that is
        chosen by labels with less noise does better on new rows. "auto": 0.8 for "roc_auc",
        "average_precision" and "log_loss" with up to 10,000 rows, otherwise 0. Not for a
        callable, which needs labels.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class. A row counts by it times its sample weight in every score, in the
        probabilities and in the labels: with "balanced", accuracy is balanced accuracy.
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
    tree_ : Tree
        The model as data; every export and picture is made from it.
    score_ : float
        Of the tree on the training rows, as ``scoring``, ``n_folds`` and ``soft_labels`` have it.
    soft_labels_ : float
        The share that was used.
    objective_ : float
        ``score_ - regularization * n_leaves_``, which is maximised.
    seed_scores_ : dict of str to float
        Objective of every tree that the search started from.
    gap_ : float or None
        For ``scoring="accuracy"`` with one fold the distance to a proven bound,
        ``(error - bound) / error`` with ``error = 1 - objective_``; None for other scores.
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
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    J. Koza, "Genetic Programming: On the Programming of Computers by Means of Natural Selection",
    MIT Press 1992. T. Huynh et al., "Decision Tree Induction Through LLMs via
    Semantically-Aware Evolution", ICLR 2025 (LLEGO): trees as text that a language model
    crosses and changes, which the protocol of ``proposer`` allows. L. Breiman and N. Shang, "Born
    Again Trees", 1996: a tree fitted to what a stronger model says.

    Examples
    --------
    >>> from treeml.datasets import load_german_credit
    >>> from treeml.estimators.evolved import EvolvedTreeClassifier
    >>> X, y = load_german_credit()
    >>> model = EvolvedTreeClassifier(scoring="roc_auc", max_leaf_nodes=6).fit(X, y)
    >>> model.n_leaves_
    6
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scoring": [StrOptions(set(CLASS_METRICS)), callable],
        "response_method": [StrOptions({"predict", "predict_proba"})],
        "soft_labels": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        **EvolvedBase._parameter_constraints,
    }

    def __init__(
        self,
        *,
        scoring: str | Callable[..., float] = "roc_auc",
        response_method: str = "predict_proba",
        max_depth: int | None = 4,
        max_leaf_nodes: int | None = 8,
        min_samples_leaf: int = 10,
        regularization: float = 0.0,
        n_folds: int = 1,
        soft_labels: float | str = "auto",
        class_weight: dict | str | None = None,
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
        self.response_method = response_method
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.regularization = regularization
        self.n_folds = n_folds
        self.soft_labels = soft_labels
        self.class_weight = class_weight
        self.binarizer = binarizer
        self.population_size = population_size
        self.n_generations = n_generations
        self.proposer = proposer
        self.record = record
        self.time_limit = time_limit
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EvolvedTreeClassifier:
        """Search for the tree.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Class labels.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 0 is no row.

        Returns
        -------
        EvolvedTreeClassifier

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
        if self.soft_labels not in (0, "auto") and not isinstance(self.scoring, str):
            raise ValueError("soft_labels needs a score by name: a callable gets true labels")
        features = getattr(self.binarizer, "categorical_features", "from_dtype")
        table = estimator_table(self, X, categorical_features=features)
        self.classes_, codes = check_target(y, table.n_rows)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is not None and not weights.all():
            kept = weights > 0
            table, codes, weights = table.take(kept), codes[kept], weights[kept]
        n_classes = len(self.classes_)
        self.soft_labels_ = self._soft_share(table.n_rows)
        for_folds, for_seeds, for_proposer = self._generators()
        code_columns, dataset = self._encoded(table, codes, weights)
        dataset = dataset.with_classes(codes, n_classes, weights)
        rows = EvolutionRows.make(dataset, code_columns, codes, self.n_folds, for_folds)
        integers, factor = integer_class_weights(
            dataset.statistics[:-1].sum(axis=1), self._class_weight()
        )
        class_weight = integers / factor
        sums = rows.class_sums(codes, n_classes, weights)
        if self.soft_labels_:
            own = np.eye(n_classes)[codes]
            smooth = smooth_shares(code_columns, codes, n_classes, weights)
            sums = rows.share_sums(own + self.soft_labels_ * (smooth - own), weights)
        cells = LeafCells(rows.answers, sums, rows.size, self.min_samples_leaf)
        score = self._score(rows, codes, weights, class_weight)
        depth, leaves = self._limits()
        greedy = GreedyTrees(
            cells, rows.codes, rows.intervals, max_depth=depth, max_leaf_nodes=leaves
        )
        of_classes = sums.reshape(self.n_folds, n_classes, -1).sum(axis=0)
        seeds = class_seeds(
            greedy, of_classes, class_weight, n_random=self.population_size // 2, rng=for_seeds
        )
        proven = self._proven(dataset, depth, leaves)
        if proven is not None:
            seeds.append(("seed: search for the optimal tree", from_nodes(proven.nodes)))
        found = self._search(
            cells,
            score,
            seeds,
            for_proposer,
            target=target_name(y),
            classes=tuple(map(str, self.classes_.tolist())),
            proven=proven,
            start=start,
        )
        self.tree_: Tree = build_tree(
            to_nodes(found),
            dataset,
            class_counts(dataset, codes, n_classes, weights),
            columns=self.binarizer_.columns_,
            predicate=self.binarizer_.predicate,
            classes=self.classes_,
            class_weight=class_weight,
        )
        return self

    def _soft_share(self, n_rows: int) -> float:
        """How much of the boosted model goes into the labels."""
        if self.soft_labels != "auto":
            return float(self.soft_labels)
        return _SOFT_SHARE if self.scoring in _SMOOTHED and n_rows <= _FEW_ROWS else 0.0

    def _score(
        self,
        rows: EvolutionRows,
        codes: np.ndarray,
        weights: np.ndarray | None,
        class_weight: np.ndarray,
    ) -> Callable[..., float]:
        metric = self.scoring if isinstance(self.scoring, str) else "accuracy"
        score = ClassScore(metric, class_weight, self.n_folds)
        if isinstance(self.scoring, str):
            return score
        by_class = class_weight[codes]
        if (by_class == 1).all():
            by_row = weights
        else:
            by_row = by_class if weights is None else by_class * weights
        return UserScore(
            self.scoring,
            score,
            y=self.classes_[codes],
            weight=by_row,
            row_of=rows.row_of,
            fold=rows.fold,
            classes=self.classes_,
            response_method=cast(Any, self.response_method),
        )

    def _proven(self, dataset: BinaryDataset, depth: int, leaves: int) -> SearchResult | None:
        """A short search for the tree of best accuracy, with its bound on all trees."""
        if (
            self.scoring != "accuracy"
            or self.n_folds > 1
            or self.soft_labels_
            or self.regularization > 1
        ):
            return None
        limit = None if self.time_limit is None else self.time_limit / 4
        return optimal_tree(
            dataset,
            max_depth=depth,
            max_leaf_nodes=leaves,
            regularization=self.regularization,
            min_samples_leaf=self.min_samples_leaf,
            class_weight=self._class_weight(),
            control=Control(limit, memory_limit=2**30, stop_after=_PROOF_POLLS),
        )
