"""Majorities of trees with the fewest cuts, as a scikit-learn estimator."""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from treeml import predict
from treeml._core.control import warn_of_limit
from treeml._core.params import HasMethods, Interval, StrOptions, validate_params
from treeml.binarize import Binarizer
from treeml.certificate import SizeCertificate
from treeml.estimators.base import TreeClassifierBase
from treeml.estimators.callbacks import CallbackSupportMixin, FitTask, SearchMixin, with_callbacks
from treeml.estimators.sizes import EASIER, SizeProof, fewest_cuts
from treeml.ir import TreeVote
from treeml.report.drawing import tree_html
from treeml.report.picture import TreePicture
from treeml.search.cut_examples import refuse_large

__all__ = ["OptimalTreeEnsembleClassifier"]


class OptimalTreeEnsembleClassifier(SearchMixin, CallbackSupportMixin, TreeClassifierBase):
    """The trees with the fewest cuts whose majority is right, with a proof that no fewer will do.

    Among **all** ensembles of ``n_estimators`` trees over the predicates that the binarizer makes
    of the table, the one with the fewest cuts (inner nodes) whose majority vote is right on the
    training rows, up to ``error_budget``. A row is right where more than half of the trees say
    its class. Where the search is ended by a limit or Ctrl-C, the ensemble is the best found and
    ``lower_bound_`` says how many cuts every other one needs at least. The search is exponential
    in the number of cuts: it is meant for tens to a hundred rows, or for rules that are nearly
    without exception.

    Parameters
    ----------
    n_estimators : int, default=3
        Number of trees; odd. 1 is the smallest tree.
    criterion : {"size", "max_size"}, default="size"
        What counts: the cuts of all trees (minimum tree ensemble size), or those of the largest
        tree (minimax tree ensemble size).
    error_budget : float, default=0.0
        Most weight of training rows that may be wrong. Errors that no model avoids, because rows
        of different classes answer all predicates alike, are not counted against it.
    regularization : float or None, default=None
        None: the fewest cuts within the error budget. A number: the least errors / total plus
        this much for every cut that counts; ``error_budget`` must then be 0, and for 0
        ``max_cuts`` must be given.
    max_cuts : int or None, default=None
        Most cuts that count.
    binarizer : Binarizer or None, default=None
        Makes predicates of the table's columns; it is cloned. None:
        ``Binarizer(method="midpoints")``, all cuts between neighbouring values. A NumPy matrix of
        zeros and ones is taken as it is.
    time_limit : float or None, default=60.0
        Seconds of the search.
    memory_limit : int or None, default=None
        Bytes that the search may allocate. What it remembers makes room for what is new, so that
        less memory means more time and the same result.
    verbose : int, default=0
        1: objective and bound over time, on the terminal.

    Attributes
    ----------
    ensemble_ : TreeVote
        The model as data; every export is made from it.
    trees_ : tuple of Tree
    n_cuts_ : int
        Of all trees.
    errors_ : float
        Weight of the training rows without a majority for their class.
    objective_, lower_bound_, gap_ : float
        Cuts that count, or errors / total + regularization x cuts; proven for all ensembles; their
        difference divided by ``objective_``.
    status_ : {"optimal", "time_limit", "memory_limit", "interrupted"}
    certificate_ : SizeCertificate
        The theorem in words, with all that a third party needs to check it.
    n_leaves_ : int
        Of all trees.
    binarizer_ : Binarizer
    findings_ : tuple of Finding
    result_ : EnsembleResult
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    See Also
    --------
    OptimalTreeClassifier : one tree; with ``criterion="size"`` the smallest that is right.
    treeml.certificate.verify : check a certificate without the search.

    References
    ----------
    C. Komusiewicz, P. Kunz, F. Sommer and M. Sorge, "On Computing Optimal Tree Ensembles", ICML
    2023.

    Examples
    --------
    >>> import itertools
    >>> import numpy as np
    >>> from treeml import OptimalTreeEnsembleClassifier
    >>> X = np.array(list(itertools.product([0, 1], repeat=3)))
    >>> y = X.sum(axis=1) > 1
    >>> OptimalTreeEnsembleClassifier(n_estimators=1).fit(X, y).n_cuts_
    5
    >>> OptimalTreeEnsembleClassifier(n_estimators=3).fit(X, y).n_cuts_
    3
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "criterion": [StrOptions({"size", "max_size"})],
        "error_budget": [Interval(Real, 0, None, closed="left")],
        "regularization": [Interval(Real, 0, 1, closed="both"), None],
        "max_cuts": [Interval(Integral, 0, None, closed="left"), None],
        "binarizer": [HasMethods(["fit_table", "encode"]), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        n_estimators: int = 3,
        criterion: Literal["size", "max_size"] = "size",
        error_budget: float = 0.0,
        regularization: float | None = None,
        max_cuts: int | None = None,
        binarizer: Binarizer | None = None,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion: Literal["size", "max_size"] = criterion
        self.error_budget = error_budget
        self.regularization = regularization
        self.max_cuts = max_cuts
        self.binarizer = binarizer
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.verbose = verbose

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> OptimalTreeEnsembleClassifier:
        """Search for the trees.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like, shape (n_rows,)
            Class labels.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; what an error on the row weighs. A weight of 0 is no row.

        Returns
        -------
        OptimalTreeEnsembleClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row; for
            parameters that do not fit each other; where it is proven that ``max_cuts`` are too few
            for the error budget.

        Warns
        -----
        SearchLimitWarning
            Where the search ended before the proof.
        """
        validate_params(self)
        self._check_parameters()
        task = FitTask(self, X, y, sample_weight)
        dataset, codes, weights = self._read(X, y, sample_weight)
        control = self._control(task)
        proof, self.trees_ = fewest_cuts(
            dataset,
            codes,
            weights,
            binarizer=self.binarizer_,
            classes=self.classes_,
            n_estimators=self.n_estimators,
            control=control,
            criterion=self.criterion,
            error_budget=self.error_budget,
            regularization=self.regularization,
            max_cuts=self.max_cuts,
        )
        result = proof.result
        self.result_ = result
        self.ensemble_ = TreeVote(self.binarizer_.columns_, self.trees_)
        self.n_cuts_ = result.n_cuts
        self.n_leaves_ = self.ensemble_.n_leaves
        self.errors_ = result.errors
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = result.gap
        self.status_ = result.status
        self._certificate: SizeCertificate | None = None
        self._proof: SizeProof | None = proof
        task.end()
        warn_of_limit(self.status_, self.objective_, self.gap_, control, EASIER)
        return self

    @property
    def certificate_(self) -> SizeCertificate:
        check_is_fitted(self, "ensemble_")
        if self._certificate is None and self._proof is not None:
            self._certificate = self._proof.certify()
            self._proof = None
        assert self._certificate is not None
        return self._certificate

    def predict(self, X: Any) -> np.ndarray:
        """Class with most votes of every row, shape (n_rows,)."""
        return predict.predict(self._fitted_tree(), self._table(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Share of the votes for every class, shape (n_rows, n_classes)."""
        return predict.predict_proba(self._fitted_tree(), self._table(X))

    def apply(self, X: Any) -> np.ndarray:
        """Node index of every row's leaf in every tree, shape (n_rows, n_estimators)."""
        trees, table = self._fitted_tree().trees, self._table(X)
        return np.column_stack([predict.apply(tree, table) for tree in trees])

    def decision_path(self, X: Any) -> Any:
        """Nodes that each row visits.

        Returns
        -------
        indicator : sparse matrix, shape (n_rows, n_nodes)
            The nodes of all trees, one tree after the other.
        n_nodes_ptr : ndarray, shape (n_estimators + 1,)
            Where the nodes of each tree begin and end.
        """
        from scipy.sparse import hstack

        trees = self._fitted_tree().trees
        leaves = self.apply(X)
        paths = [self._path(tree, leaves[:, i]) for i, tree in enumerate(trees)]
        ends = np.cumsum([0, *(tree.n_nodes for tree in trees)])
        return hstack(paths, format="csr"), ends

    def plot(self, *, tree: int = 0, title: str = "Decision tree") -> TreePicture:
        """One of the trees as a picture that notebooks show."""
        return TreePicture(self._fitted_tree().trees[tree], title)

    def _pictures(self) -> str:
        return "".join(map(tree_html, self._fitted_tree().trees))

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

    def _fitted_tree(self) -> TreeVote:  # pyright: ignore[reportIncompatibleMethodOverride]
        check_is_fitted(self, "ensemble_")
        return self.ensemble_

    def _check_size(self, n_rows: int, n_predicates: int) -> None:
        refuse_large(n_rows, n_predicates)

    def _default_binarizer(self) -> Binarizer:
        return Binarizer(method="midpoints")

    def _check_parameters(self) -> None:
        """What no table of single parameters can say."""
        if self.n_estimators % 2 == 0:
            raise ValueError(
                f"n_estimators={self.n_estimators} is even: half of the trees would be no "
                "majority; give an odd number"
            )
        if self.regularization is not None and self.error_budget > 0:
            raise ValueError(
                "error_budget limits errors and regularization puts a price on cuts instead: give "
                "one of them"
            )
        if self.regularization == 0 and self.max_cuts is None:
            raise ValueError("with regularization=0 cuts cost nothing: give max_cuts too")
