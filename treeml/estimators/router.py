"""Router trees: which of several fitted models to use where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from treeml._core.params import StrOptions, validate_params
from treeml._core.validation import as_table, check_weights
from treeml.binarize import Binarizer
from treeml.estimators.action_base import ActionTreeBase
from treeml.estimators.callbacks import CallbackSupportMixin, FitTask, with_callbacks

__all__ = ["RouterTree"]

_LOSSES = {"squared_error", "absolute_error", "log_loss", "misclassification"}
_LEAST = 1e-15  # probabilities count as no less


class RouterTree(CallbackSupportMixin, ActionTreeBase):
    """The tree that sends every row to one of several fitted models, of least loss, with a proof.

    Minimises ``mean loss + regularization * leaves`` over **all** trees of depth ``max_depth`` or
    less over the predicates of the table, where a row costs the loss of the model it is sent to.
    The tree of one leaf is the best single model, so on the rows it was fitted on a router is
    never worse than that. Models should be fitted on other rows than the router is: on rows that
    a model has learned by heart its loss says nothing.

    Parameters
    ----------
    experts : sequence of fitted models, or of ndarray, default=None
        Models with ``predict`` (``predict_proba`` and ``classes_`` for the log loss), or what they
        predicted for the rows of ``fit``. Names come as ``(name, expert)``. scikit-learn's
        ``clone``, and so its cross-validation, forgets what they learned unless they are in a
        ``sklearn.frozen.FrozenEstimator``.
    loss : {"auto", "squared_error", "absolute_error", "log_loss", "misclassification"} or callable
        ``callable(y, prediction)`` gives the loss of every row, shape (n_rows,). "auto":
        misclassification where all experts are classifiers, or predictions or labels are no
        numbers; squared error otherwise.
    max_depth : int or None, default=3
        Largest depth; the root has depth 0, so 3 means at most 8 leaves. None: no limit.
    regularization : float, default=0.0
        Cost of a leaf, in units of the loss.
    min_samples_leaf : int, default=1
        Fewest rows (of positive weight) in a leaf.
    binarizer : Binarizer or None, default=None
        Makes predicates of the table's columns; it is cloned. None: ``Binarizer()``.
    max_leaf_nodes : int or None, default=None
        Most leaves. None: no limit.
    time_limit, memory_limit, gap_tol, n_jobs, verbose
        As in `PolicyTreeClassifier`.

    Attributes
    ----------
    tree_ : ActionTree
        The model as data; its actions are the names of the experts.
    objective_, lower_bound_, gap_ : float
        Of the tree; proven for all trees; their difference divided by ``objective_``.
    status_ : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    certificate_ : CostCertificate
    expert_losses_ : ndarray of float64, shape (n_experts,)
        Mean training loss of every expert alone.
    best_expert_ : int
        The one of least mean loss.
    loss_ : float
        Mean training loss of the router.
    oracle_loss_ : float
        Mean of the least loss of every row: what no router can beat.
    regret_ : float
        ``loss_ - oracle_loss_``.
    best_regret_ : float
        The same of the best single expert.
    advantage_ : float
        Loss of the best single expert less that of the router; never negative.
    n_leaves_ : int
    binarizer_, findings_, result_, n_features_in_, feature_names_in_
        As in `PolicyTreeClassifier`.

    References
    ----------
    A. Abels, T. Lenaerts, V. Trianni and A. Nowé, "Expertise Trees Resolve Knowledge Limitations
    in Collective Decision-Making", ICML 2023, section 3: partition the contexts, choose the expert
    of each part; here the partition is the best of all.

    Examples
    --------
    >>> import numpy as np
    >>> from treeml import RouterTree
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> y = np.array([0.0, 0.0, 5.0, 5.0])
    >>> low, high = np.zeros(4), np.full(4, 5.0)
    >>> router = RouterTree([low, high], max_depth=1).fit(X, y)
    >>> router.route(X)
    array([0, 0, 1, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ActionTreeBase._parameter_constraints,
        "experts": ["array-like", None],
        "loss": [StrOptions(_LOSSES | {"auto"}), callable],
    }

    def __init__(
        self,
        experts: Sequence[Any] | None = None,
        *,
        loss: str | Callable[[Any, Any], Any] = "auto",
        max_depth: int | None = 3,
        regularization: float = 0.0,
        min_samples_leaf: int = 1,
        binarizer: Binarizer | None = None,
        max_leaf_nodes: int | None = None,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        gap_tol: float = 0.0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.experts = experts
        self.loss = loss
        self.max_depth = max_depth
        self.regularization = regularization
        self.min_samples_leaf = min_samples_leaf
        self.binarizer = binarizer
        self.max_leaf_nodes = max_leaf_nodes
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.gap_tol = gap_tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RouterTree:
        """Search for the tree.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values. Experts are given
            it as it is.
        y : array-like, shape (n_rows,)
            What the experts are to predict.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        RouterTree

        Raises
        ------
        ValueError
            Where there are no experts, an expert does not fit rows or loss (naming it), or a loss
            is not finite (naming expert and row).

        Warns
        -----
        SearchLimitWarning
            Where the search ended before the proof.
        """
        validate_params(self)
        task = FitTask(self, X, y, sample_weight)
        names, experts = self._named()
        rows = self._open(X)
        y = np.asarray(y)
        if y.ndim != 1:
            raise ValueError(f"y must have one value for each row; its shape is {y.shape}")
        n_rows = rows.n_rows
        if len(y) != n_rows:
            raise ValueError(f"y has {len(y)} values, X has {n_rows} rows")
        losses = self._losses(X, y, names, experts)
        weights = check_weights(sample_weight, len(y))
        kept = self._fit_costs(rows, losses, weights, names, rewards=False, task=task)
        tree, used = self.tree_, losses[kept]
        one = np.ones(len(used)) if weights is None else weights[kept]
        total = float(one.sum())
        self.expert_losses_ = tree.costs[0] / total
        self.best_expert_ = int(self.expert_losses_.argmin())
        leaves = tree.leaves
        self.loss_ = float(tree.costs[leaves, tree.label[leaves]].sum()) / total
        self.oracle_loss_ = float((used.min(axis=1) * one).sum()) / total
        least = float(self.expert_losses_[self.best_expert_])
        self.regret_ = max(0.0, self.loss_ - self.oracle_loss_)
        self.best_regret_ = max(0.0, least - self.oracle_loss_)
        self.advantage_ = max(0.0, least - self.loss_)
        return self

    def route(self, X: Any) -> np.ndarray:
        """Index of the expert of every row, shape (n_rows,)."""
        return self._fitted_tree().label[self.apply(X)].astype(np.intp)

    def predict(self, X: Any, predictions: Sequence[Any] | None = None) -> np.ndarray:
        """What the expert of every row predicts, shape (n_rows,).

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
        predictions : sequence of array-like, shape (n_rows,), default=None
            What every expert predicts, where the experts were given as arrays.

        Raises
        ------
        ValueError
            Where the experts are arrays and ``predictions`` are missing.
        """
        names, experts = self._named()
        where = self.route(X)
        if predictions is not None and len(predictions) != len(experts):
            raise ValueError(f"{len(predictions)} predictions for {len(experts)} experts")
        answers = []
        for k in np.unique(where):
            if predictions is not None:
                answers.append((k, np.asarray(predictions[k])))
            elif hasattr(experts[k], "predict"):
                answers.append((k, _answer(str(names[k]), experts[k], X, None)))
            else:
                raise ValueError(
                    f"expert {names[k]!r} is an array of predictions, not a model; give predict "
                    "the predictions of all experts for these rows"
                )
        out = np.empty(len(where), dtype=np.result_type(*(a.dtype for _, a in answers)))
        for k, answer in answers:
            if answer.shape != where.shape:
                raise ValueError(
                    f"expert {names[k]!r} predicts shape {answer.shape} for {len(where)} rows"
                )
            out[where == k] = answer[where == k]
        return out

    def report(self) -> str:
        """Losses of experts, router and oracle in words, one a line."""
        check_is_fitted(self, "loss_")
        lines = [
            f"{name}: mean loss {loss:.6g}" + (" (best single)" if k == self.best_expert_ else "")
            for k, (name, loss) in enumerate(
                zip(self.tree_.actions.tolist(), self.expert_losses_.tolist(), strict=True)
            )
        ]
        return "\n".join(
            [
                *lines,
                f"router: mean loss {self.loss_:.6g}, regret {self.regret_:.6g}",
                f"best expert in every row: mean loss {self.oracle_loss_:.6g} (best single: regret "
                f"{self.best_regret_:.6g})",
            ]
        )

    def _named(self) -> tuple[np.ndarray, list[Any]]:
        """Names and experts, ``expert 0`` and so on where they have none."""
        given = list(self.experts or ())
        if not given:
            raise ValueError("there are no experts; give at least one fitted model")
        pairs = [
            e if isinstance(e, tuple) and len(e) == 2 and isinstance(e[0], str) else None
            for e in given
        ]
        if any(pair is None for pair in pairs):
            return np.array([f"expert {k}" for k in range(len(given))], dtype=object), given
        names = [pair[0] for pair in pairs if pair is not None]
        if len(set(names)) < len(names):
            raise ValueError(f"two experts have the same name: {names}")
        return np.array(names, dtype=object), [pair[1] for pair in pairs if pair is not None]

    def _losses(self, X: Any, y: np.ndarray, names: np.ndarray, experts: list[Any]) -> np.ndarray:
        """Loss of every expert in every row, shape (n_rows, n_experts)."""
        loss = self.loss
        if loss == "auto":
            models = [e for e in experts if hasattr(e, "predict")]
            classify = y.dtype.kind not in "iuf" or (models and all(map(is_classifier, models)))
            loss = "misclassification" if classify else "squared_error"
        columns = []
        for name, expert in zip(names.tolist(), experts, strict=True):
            answer = _answer(name, expert, X, loss)
            given = y
            if loss in ("squared_error", "absolute_error"):
                try:
                    answer, given = answer.astype(np.float64), y.astype(np.float64)
                except (TypeError, ValueError) as error:
                    raise ValueError(
                        f"expert {name!r}, loss {loss!r}: y and predictions must be numbers "
                        f"({error})"
                    ) from error
            if len(answer) != len(y):
                raise ValueError(f"expert {name!r} predicts {len(answer)} rows, y has {len(y)}")
            values = np.asarray(_row_losses(loss, given, answer, expert, name), dtype=np.float64)
            if values.shape != y.shape:
                raise ValueError(
                    f"expert {name!r}: the loss has shape {values.shape}, one value a row is "
                    f"needed, {y.shape}"
                )
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                raise ValueError(
                    f"expert {name!r}, row {bad[0]}: the loss is {values[bad[0]]}, the target "
                    f"{y[bad[0]]}; leave the row out, or the expert"
                )
            columns.append(values)
        return np.stack(columns, axis=1)


def _answer(name: str, expert: Any, X: Any, loss: Any) -> np.ndarray:
    """Predictions of an expert, probabilities for the log loss."""
    if not hasattr(expert, "predict"):
        return np.asarray(expert)
    try:
        if loss == "log_loss" and hasattr(expert, "predict_proba"):
            return np.asarray(expert.predict_proba(X))
        return np.asarray(expert.predict(X))
    except NotFittedError:
        raise
    except ValueError as error:
        for column in as_table(X).columns:
            missing = np.flatnonzero(column.missing)
            if missing.size:
                raise ValueError(
                    f"expert {name!r} does not take these rows; the first missing value is in "
                    f"column {column.type.name!r}, row {missing[0]}: fill such values in, leave "
                    f"the rows out, or give an expert that takes them ({error})"
                ) from error
        raise


def _row_losses(loss: Any, y: np.ndarray, answer: np.ndarray, expert: Any, name: str) -> Any:
    if callable(loss):
        return loss(y, answer)
    if loss != "log_loss" and answer.ndim != 1:
        raise ValueError(
            f"expert {name!r} predicts shape {answer.shape}, one value a row is needed"
        )
    if loss == "squared_error":
        return (y - answer) ** 2
    if loss == "absolute_error":
        return np.abs(y - answer)
    if loss == "misclassification":
        return y != answer
    return _log_loss(y, answer, expert, name)


def _log_loss(y: np.ndarray, answer: np.ndarray, expert: Any, name: str) -> np.ndarray:
    """-log of the probability of the label; arrays hold classes in sorted order."""
    classes = np.asarray(getattr(expert, "classes_", np.unique(y)))
    if answer.ndim == 1:
        answer = np.stack([1.0 - answer, answer], axis=1)  # of the second class
    if answer.shape != (len(y), len(classes)):
        raise ValueError(
            f"expert {name!r} gives probabilities of shape {answer.shape}; needed are the "
            f"{len(classes)} classes {classes.tolist()}"
        )
    order = np.argsort(classes)
    at = np.searchsorted(classes[order], y)
    at = order[np.minimum(at, len(classes) - 1)]
    proba = np.where(classes[at] == y, answer[np.arange(len(y)), at], 0.0)
    return -np.log(np.clip(proba, _LEAST, 1.0))
