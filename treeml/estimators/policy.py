"""Policy trees: which action to take, from what every action cost or earned in every row."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin

from treeml._core.params import validate_params
from treeml._core.validation import check_target, check_weights
from treeml.binarize import Binarizer
from treeml.estimators.action_base import ActionTreeBase
from treeml.estimators.callbacks import CallbackSupportMixin, FitTask, with_callbacks

__all__ = ["PolicyTreeClassifier", "check_costs"]


def check_costs(costs: Any, *, name: str = "costs") -> tuple[np.ndarray, np.ndarray]:
    """Costs of every action in every row, and the names of the actions.

    Parameters
    ----------
    costs : array-like or DataFrame, shape (n_rows, n_actions)
        The columns of a frame name the actions.
    name : str
        What they are called in errors.

    Returns
    -------
    costs : ndarray of float64, shape (n_rows, n_actions)
    actions : ndarray, shape (n_actions,)
        Names; 0, 1, ... where there are none.

    Raises
    ------
    ValueError
        Where a cost is missing or infinite (naming row and action), or there is no action.
    """
    names = getattr(costs, "columns", None)
    values = np.asarray(costs)
    if values.dtype.kind not in "biuf":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be numbers: {error}") from error
    if values.ndim != 2 or not values.shape[1]:
        raise ValueError(
            f"{name} must have one row for each row of X and one column for each action; "
            f"their shape is {values.shape}"
        )
    values = values.astype(np.float64)
    actions = np.arange(values.shape[1])
    if names is not None:
        labels = [str(label) for label in names]
        if len(set(labels)) < len(labels):
            raise ValueError(f"two columns of {name} have the same name: {labels}")
        actions = np.array(labels, dtype=object)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, action = bad[0].tolist()
        raise ValueError(
            f"{name}, row {row}, action {actions.tolist()[action]!r}: {values[row, action]} is not "
            "a cost; give every action a finite number, or leave the row out"
        )
    return values, actions


class PolicyTreeClassifier(ClassifierMixin, CallbackSupportMixin, ActionTreeBase):
    """The tree of actions that costs least on the rows it was fitted on, with a proof.

    Every row comes with the cost (or reward) of every action in it, known or estimated, such as
    losses of several models, prices, or doubly robust scores. Minimises ``mean cost +
    regularization * leaves`` over **all** trees of depth ``max_depth`` or less over the predicates
    that the binarizer makes of the table, each leaf with its cheapest action. Where the search is
    ended by ``time_limit`` or Ctrl-C, the tree is the best found, and ``lower_bound_`` and
    ``gap_`` say how much better another one could be.

    Parameters
    ----------
    max_depth : int or None, default=3
        Largest depth; the root has depth 0, so 3 means at most 8 leaves. None: no limit.
    regularization : float, default=0.0
        Cost of a leaf, in units of the costs: a leaf more must lower the mean cost by this much.
    min_samples_leaf : int, default=1
        Fewest rows (of positive weight) in a leaf.
    rewards : bool, default=False
        Whether ``fit`` is given rewards, of which more is better.
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
        Threads of the search; None is 1, -1 all processors.
    verbose : int, default=0
        1: objective and bound over time, on the terminal.

    Attributes
    ----------
    tree_ : ActionTree
        The model as data; every export and picture is made from it.
    objective_, lower_bound_, gap_ : float
        Of the tree; proven for all trees; their difference divided by ``objective_``. The costs of
        a row that has a negative one (as rewards are) count from its least one, so that none of
        these is negative.
    mean_cost_ : float
        Weighted mean of what the tree's actions cost on the training rows, as given; with
        ``rewards`` it is ``mean_reward_``.
    status_ : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    certificate_ : CostCertificate
        The theorem in words, with all that a third party needs to check it.
    n_leaves_ : int
    classes_ : ndarray, shape (n_actions,)
        The actions: names from a frame of costs, otherwise 0, 1, ...
    binarizer_ : Binarizer
        Fitted; its ``predicates_`` are those that the proof is about.
    findings_ : tuple of Finding
        What stands out in the columns of the table.
    result_ : SearchResult
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    See Also
    --------
    treeml.RouterTree : the actions are fitted models.
    treeml.certificate.verify : check a certificate without the search.

    References
    ----------
    J. van der Linden et al., "Necessary and Sufficient Conditions for Optimal Decision Trees using
    Dynamic Programming", NeurIPS 2023, section 5. Z. Zhou, S. Athey and S. Wager, "Offline
    Multi-Action Policy Learning: Generalization and Optimization", Operations Research 71 (2023),
    section 4: what to do with estimated rewards.

    Examples
    --------
    >>> import numpy as np
    >>> from treeml import PolicyTreeClassifier
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> costs = np.array([[0, 2], [0, 3], [4, 1], [1, 1]])
    >>> PolicyTreeClassifier(max_depth=1).fit(X, costs).predict(X)
    array([0, 0, 1, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ActionTreeBase._parameter_constraints,
        "rewards": ["boolean"],
    }

    def __init__(
        self,
        *,
        max_depth: int | None = 3,
        regularization: float = 0.0,
        min_samples_leaf: int = 1,
        rewards: bool = False,
        binarizer: Binarizer | None = None,
        max_leaf_nodes: int | None = None,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        gap_tol: float = 0.0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.max_depth = max_depth
        self.regularization = regularization
        self.min_samples_leaf = min_samples_leaf
        self.rewards = rewards
        self.binarizer = binarizer
        self.max_leaf_nodes = max_leaf_nodes
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.gap_tol = gap_tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PolicyTreeClassifier:
        """Search for the tree.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table: numbers, strings, booleans, categories, missing values.
        y : array-like or DataFrame, shape (n_rows, n_actions) with n_actions > 1, or (n_rows,)
            Cost (with ``rewards``: reward) of every action in every row; the columns of a frame
            name the actions. One column is read as the right action of every row: any other one
            costs 1 (earns 1 less).
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        PolicyTreeClassifier

        Raises
        ------
        ValueError
            For a table, cost or weight that cannot be used, naming row and column.

        Warns
        -----
        SearchLimitWarning
            Where the search ended before the proof.
        """
        validate_params(self)
        task = FitTask(self, X, y, sample_weight)
        rows = self._open(X)
        n_rows = rows.n_rows
        shape = np.asarray(y).shape
        if len(shape) > 1 and shape[1:] != (1,):
            costs, self.classes_ = check_costs(y, name="rewards" if self.rewards else "costs")
            if len(costs) != n_rows:
                raise ValueError(f"costs have {len(costs)} rows, X has {n_rows}")
            if self.rewards:
                costs = 0.0 - costs
        else:
            self.classes_, codes = check_target(y, n_rows)
            costs = (codes[:, None] != np.arange(len(self.classes_))).astype(np.float64)
            costs -= float(self.rewards)
        weights = check_weights(sample_weight, len(costs))
        self._fit_costs(rows, costs, weights, self.classes_, rewards=self.rewards, task=task)
        leaves = self.tree_.leaves
        total = float(self.tree_.costs[leaves, self.tree_.label[leaves]].sum())
        mean = total / float(self.tree_.rows[0])
        for name in ("mean_cost_", "mean_reward_"):
            vars(self).pop(name, None)
        if self.rewards:
            self.mean_reward_ = 0.0 - mean
        else:
            self.mean_cost_ = mean
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Action of every row, shape (n_rows,)."""
        return self._fitted_tree().classes[self._fitted_tree().label[self.apply(X)]]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean of what the actions earn: rewards, or costs times -1; greater is better.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
        y : array-like, shape (n_rows, n_actions) or (n_rows,)
            As in ``fit``; for one column it is the share of right actions.
        sample_weight : array-like, shape (n_rows,), default=None
        """
        shape = np.asarray(y).shape
        if len(shape) != 2 or shape[1] == 1:
            return super().score(X, y, sample_weight)
        values, _ = check_costs(y, name="rewards" if self.rewards else "costs")
        if values.shape[1] != len(self._fitted_tree().classes):
            raise ValueError(
                f"y has {values.shape[1]} actions, the tree {len(self._fitted_tree().classes)}"
            )
        chosen = self._fitted_tree().label[self.apply(X)]
        got = values[np.arange(len(values)), chosen]
        mean = float(np.average(got, weights=check_weights(sample_weight, len(got))))
        return mean if self.rewards else 0.0 - mean
