"""All nearly optimal score cards as a scikit-learn estimator."""

from __future__ import annotations

import dataclasses
import time
import warnings
from numbers import Real
from typing import Any, ClassVar, Literal, cast

import numpy as np
from sklearn.utils.metaestimators import available_if

from treeml._core.control import Control, SearchLimitWarning
from treeml._core.params import Interval, StrOptions, validate_params
from treeml.binarize import Binarizer
from treeml.certificate import CardCertificate
from treeml.estimators.score_constraints import ScoreConstraints
from treeml.estimators.scorecard import CardRows, ScorecardClassifierBase
from treeml.rashomon.card_members import CardMembers
from treeml.rashomon.scorecard_set import Criterion, ScorecardSet, TrainingRows
from treeml.search import CardResult, risk_score, slim
from treeml.search.card_sets import CardSetResult, near_risk_scores, near_slim_cards
from treeml.search.result import relative_gap
from treeml.search.risk_score import MAX_LOGIT, TOLERANCE

__all__ = ["RashomonScorecardsClassifier"]

_FOR_OPTIMUM = 0.5  # of the time, until cards are collected around the best one known


class RashomonScorecardsClassifier(ScorecardClassifierBase):
    """All score cards that are nearly as good as the best one.

    Finds **every** vector of integer points for at most ``max_features`` terms whose objective is
    at most (1 + ``epsilon``) times the least one, which is proven on the way. ``set_`` says which
    terms they need, between which limits their points lie, whose risk depends on the pick, and
    gives any of them as a `Scorecard`, to export as every card.

    A set is fitted anew, by an estimator of its own, rather than asked of a fitted
    `RiskScoreClassifier`: it needs the training rows, which fitted models do not keep.

    Parameters
    ----------
    criterion : {"log_loss", "misclassification"}, default="log_loss"
        What is minimised: the mean logistic loss, as by `RiskScoreClassifier`, where the best
        intercept and scale belong to the points; or the share of wrong labels, as by
        `SLIMClassifier`, where each threshold makes another card.
    max_features : int, default=3
        Most terms with points.
    coef_range : tuple of int, default=(-5, 5)
        Least and most points of a term.
    epsilon : float or None, default=0.01
        Members have an objective of at most (1 + epsilon) times the least one.
    max_regret : float or None, default=None
        Instead of ``epsilon``: how much more than the least objective a member may have.
    regularization : float, default=0.0
        Cost of a term, with ``criterion="misclassification"`` only.
    drop_trivial : bool, default=True
        With ``criterion="misclassification"``, leave out cards that label all training rows as they
        would without one of their terms: there any points would do.
    scale : "free" or float, default="free"
        Points per unit of log odds, with ``criterion="log_loss"`` only. A given one makes multiples
        of points different cards.
    constraints : ScoreConstraints, default=None
        Signs and ranges, monotone columns, limits on groups and questions, if-then, and more.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the objective.
    binarizer : Binarizer, default=None
        As for `RiskScoreClassifier`.
    max_logit : float, default=500.0
        As for `RiskScoreClassifier`.
    time_limit : float or None, default=60.0
        Seconds of the search. A limit ends it with the cards found, and says up to which objective
        none is missing (``set_.proven_bound``, ``set_.complete``).
    memory_limit : int or None, default=None
        Bytes that the search may allocate; a card takes about 100.

    Attributes
    ----------
    set_ : ScorecardSet
    scorecard_ : Scorecard
        The best card: the first member.
    points_ : ndarray of int64, shape (n_terms,)
        Of the best card, for every candidate in ``terms_``.
    intercept_, scale_ : float
    terms_ : tuple of Predicate or LinearTerm
    objective_, lower_bound_, gap_ : float
        Of the best card.
    status_ : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
        "optimal": the best card is proven, and the set complete.
    certificate_ : CardCertificate
        Of the best card.
    findings_ : tuple of Finding
    classes_ : ndarray, shape (2,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    See Also
    --------
    RiskScoreClassifier, SLIMClassifier : one card, for more terms.
    RashomonTreesClassifier : all nearly optimal trees.

    References
    ----------
    B. Ustun, C. Rudin, "Learning Optimized Risk Scores", JMLR 20 (2019); C. Marx, F. Calmon, B.
    Ustun, "Predictive Multiplicity in Classification", ICML 2020, which bounds the disagreement of
    nearly optimal linear models by integer programs, one for each row.

    Examples
    --------
    >>> from treeml import Binarizer, RashomonScorecardsClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> model = RashomonScorecardsClassifier(max_features=2, binarizer=Binarizer(max_bins=3))
    >>> model.fit(X, y).set_.complete
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{
            name: allowed
            for name, allowed in ScorecardClassifierBase._common_constraints.items()
            if name not in ("gap_tol", "random_state", "verbose")
        },
        "criterion": [StrOptions({"log_loss", "misclassification"})],
        "epsilon": [Interval(Real, 0, None, closed="left"), None],
        "max_regret": [Interval(Real, 0, None, closed="left"), None],
        "regularization": [Interval(Real, 0, 1, closed="both")],
        "drop_trivial": ["boolean"],
        "scale": [StrOptions({"free"}), Interval(Real, 0, None, closed="neither")],
        "max_logit": [Interval(Real, 0, 1e6, closed="right")],
    }

    def __init__(
        self,
        *,
        criterion: Criterion = "log_loss",
        max_features: int = 3,
        coef_range: tuple[int, int] = (-5, 5),
        epsilon: float | None = 0.01,
        max_regret: float | None = None,
        regularization: float = 0.0,
        drop_trivial: bool = True,
        scale: Literal["free"] | float = "free",
        constraints: ScoreConstraints | None = None,
        class_weight: dict | str | None = None,
        binarizer: Binarizer | None = None,
        max_logit: float = MAX_LOGIT,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
    ) -> None:
        self.criterion: Criterion = criterion
        self.max_features = max_features
        self.coef_range = coef_range
        self.epsilon = epsilon
        self.max_regret = max_regret
        self.regularization = regularization
        self.drop_trivial = drop_trivial
        self.scale = scale
        self.constraints = constraints
        self.class_weight = class_weight
        self.binarizer = binarizer
        self.max_logit = max_logit
        self.time_limit = time_limit
        self.memory_limit = memory_limit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RashomonScorecardsClassifier:
        """Find the set, and prove the optimum with it.

        Parameters
        ----------
        X : DataFrame or ndarray, shape (n_rows, n_columns)
            A raw table, or a matrix of numbers.
        y : array-like, shape (n_rows,)
            Labels of two classes; points speak for the second in sorted order.
        sample_weight : array-like, shape (n_rows,), default=None
            Non-negative; a weight of 2 is a row twice, a weight of 0 no row.

        Returns
        -------
        RashomonScorecardsClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used; where no card obeys the constraints.

        Warns
        -----
        SearchLimitWarning
            Where a limit ended the search.
        """
        validate_params(self)
        self._check_together()
        rows = self._read(X, y, sample_weight)
        control = Control(
            time_limit=self.time_limit,
            memory_limit=self.memory_limit,
            stop_after=getattr(self, "_stop_after", None),
        )
        try:
            found = self._collect(rows, control)
        except ValueError as error:
            self._explain(rows, error)
            raise
        if not len(found.objectives):
            raise ValueError(f"{found.status} ended the search before it had a card: allow more")
        self.set_ = self._made(rows, found)
        result = self._best(rows, found)
        self._set_card(rows, result)
        self.points_ = result.points
        self.intercept_ = result.intercept
        self.scale_ = result.scale
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = relative_gap(result.objective, result.lower_bound)
        self.status_ = result.status
        asked = self.get_params(deep=False)
        self._certificate = None
        self._proof = lambda: self._certify(rows, result, asked)
        if not found.complete:
            self._warn_of_set()
        return self

    @available_if(lambda self: self.criterion == "log_loss")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Risk of each class by the best card, shape (n_rows, 2)."""
        return self._fitted_card().predict_proba(self._table(X))

    def _check_together(self) -> None:
        if (self.epsilon is None) == (self.max_regret is None):
            raise ValueError("give one of epsilon and max_regret, and None for the other")
        if self.criterion == "log_loss" and self.regularization:
            raise ValueError(
                'regularization is for criterion="misclassification"; with a logistic loss limit '
                "max_features"
            )
        if self.criterion == "misclassification" and self.scale != "free":
            raise ValueError('scale is for criterion="log_loss": cards of labels have none')

    def _collect(self, rows: CardRows, control: Control) -> CardSetResult:
        margin: dict[str, Any] = {"epsilon": self.epsilon, "max_regret": self.max_regret}
        space: dict[str, Any] = {
            "max_features": self.max_features,
            "constraints": rows.constraints,
        }
        if self.criterion == "log_loss":
            return near_risk_scores(
                rows.matrix,
                rows.codes,
                rows.weights,
                scale=cast(Any, self.scale),
                max_logit=self.max_logit,
                control=control,
                **space,
                **margin,
            )
        began = time.perf_counter()
        costs: dict[str, Any] = {
            "regularization": self.regularization,
            "class_weight": rows.class_weight,
        }
        first = risk_score(
            rows.matrix,
            rows.codes,
            rows.weights,
            control=dataclasses.replace(control, gap_tol=1.0, stop_after=None),
            **space,
        )
        limit = control.time_limit
        best = slim(
            rows.matrix,
            rows.codes,
            rows.sample_weight,
            control=dataclasses.replace(
                control, time_limit=None if limit is None else limit * _FOR_OPTIMUM
            ),
            start=first.points,
            **costs,
            **space,
        )
        if "interrupted" in (first.status, best.status):
            control = dataclasses.replace(control, time_limit=0.0)
        elif limit is not None:
            spent = time.perf_counter() - began
            control = dataclasses.replace(control, time_limit=max(0.0, limit - spent))
        found = near_slim_cards(
            rows.matrix,
            rows.codes,
            rows.sample_weight,
            control=control,
            drop_trivial=self.drop_trivial,
            start=best.points,
            **costs,
            **space,
            **margin,
        )
        if "interrupted" in (first.status, best.status):
            found = dataclasses.replace(found, status="interrupted")
        return found

    def _made(self, rows: CardRows, found: CardSetResult) -> ScorecardSet:
        return ScorecardSet(
            CardMembers(
                found.terms, found.points, found.intercepts, found.scales, found.objectives
            ),
            criterion=self.criterion,
            terms=self.terms_,
            columns=self._columns,
            classes=self.classes_,
            rows=TrainingRows.merged(rows.matrix, rows.codes, rows.sample_weight),
            objective=found.optimum,
            bound=found.bound,
            proven_bound=found.proven_bound,
            free_scale=self.scale == "free",
            drop_trivial=self.drop_trivial and self.criterion == "misclassification",
            complete=found.complete,
            status=found.status,
        )

    def _best(self, rows: CardRows, found: CardSetResult) -> CardResult:
        """The first member as the result of a search for one card."""
        points = np.zeros(rows.matrix.shape[1], dtype=np.int64)
        used = found.terms[0] >= 0
        points[found.terms[0, used]] = found.points[0, used]
        objective = float(found.objectives[0])
        proven = found.complete or found.proven_bound >= objective
        return CardResult(
            points=points,
            intercept=float(found.intercepts[0]),
            scale=float(found.scales[0]),
            objective=objective,
            lower_bound=objective if proven else found.proven_bound,
            status=found.status,
            seconds=found.seconds,
            counters=found.counters,
            history=np.empty((0, 3)),
        )

    def _card_scale(self, result: CardResult) -> float | None:
        return result.scale if self.criterion == "log_loss" else None

    def _certify(
        self, rows: CardRows, result: CardResult, asked: dict[str, Any]
    ) -> CardCertificate:
        facts = self._facts(rows, result, asked)
        if asked["criterion"] == "misclassification":
            return CardCertificate(
                loss="0-1", scale=None, regularization=float(asked["regularization"]), **facts
            )
        free = asked["scale"] == "free"
        return CardCertificate(
            loss="logistic",
            scale="free" if free else float(asked["scale"]),
            max_logit=float(asked["max_logit"]) if free else None,
            tolerance=TOLERANCE,
            **facts,
        )

    def _warn_of_set(self) -> None:
        limit = {
            "time_limit": f"time_limit={self.time_limit} was reached",
            "memory_limit": f"memory_limit={self.memory_limit} was reached",
            "gap_tol": "some cards are too steep for floating point",
        }.get(self.status_, "the search was interrupted")
        known = self.set_
        warnings.warn(
            f"{limit}: the set has {known.count} cards up to an objective of {known.bound:.6g}, of "
            f"which only those below {known.proven_bound:.6g} are sure to be all; a smaller "
            "epsilon, max_features or coef_range, or fewer terms make the search easier",
            SearchLimitWarning,
            stacklevel=3,
        )
