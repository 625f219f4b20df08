"""Scoring systems as scikit-learn estimators: risk scores and SLIM."""

from __future__ import annotations

import dataclasses
import time
from numbers import Real
from typing import Any, ClassVar, Literal, cast

import numpy as np
from scipy.optimize import LinearConstraint
from sklearn.base import clone
from sklearn.utils import check_random_state

from treeml._core.control import Control, warn_of_limit
from treeml._core.params import Interval, StrOptions, validate_params
from treeml.binarize import Binarizer
from treeml.certificate import CardCertificate
from treeml.estimators.score_constraints import ScoreConstraints
from treeml.estimators.scorecard import CardRows, ScorecardClassifierBase
from treeml.search import CardResult, risk_score, slim
from treeml.search.risk_score import MAX_LOGIT, TOLERANCE, risk_scores

__all__ = ["RiskScoreClassifier", "SLIMClassifier"]

MOST_POINTS = 10_000


class RiskScoreClassifier(ScorecardClassifierBase):
    """Integer points and a lookup table of risks: the card of least logistic loss, with its gap.

    ``P(classes_[1]) = sigmoid((intercept_ + score) / scale_)``, where the score is the sum of
    points of the terms that hold (or of points times value, for numbers). Points are integers;
    intercept and scale are real and free, since the lookup table hides them.

    Parameters
    ----------
    max_features : int, default=5
        Most terms with points.
    coef_range : tuple of int, default=(-5, 5)
        Least and most points of a term.
    scale : "free" or float, default="free"
        Points per unit of log odds; 1 gives the model class of RiskSLIM.
    constraints : ScoreConstraints, default=None
        Signs and ranges, monotone columns, limits on groups and questions, if-then, and more.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss; risks are then those of the weighted rows.
    binarizer : Binarizer, default=None
        Cuts numbers into predicates, which suits most tables; it is cloned. None: numbers enter
        by their value (a missing one counts 0 and gets a term of its own), levels by predicates.
    max_logit : float, default=500.0
        With a free scale, the most that a term may move the log odds: ``|points| max|x| / scale``.
        It only matters where rows are separable, and then makes the least loss one that exists.
    gap_tol : float, default=0.0
        The search may end once the gap is no larger; 1: no proof at all, only a good card.
    time_limit : float or None, default=60.0
        Seconds of the search.
    memory_limit : int or None, default=None
        Bytes that the search may allocate.
    random_state : int, RandomState or None, default=None
        Not used: the search is deterministic.
    verbose : int, default=0
        1: objective and bound over time, on the terminal.

    Attributes
    ----------
    points_ : ndarray of int64, shape (n_terms,)
        Points of every candidate in ``terms_``; 0 where it is not used.
    intercept_, scale_ : float
    terms_ : tuple of Predicate or LinearTerm
        What could get points, in the order of ``points_``.
    scorecard_ : Scorecard
        The model as data: its used terms, with the training rows by score.
    objective_, lower_bound_, gap_ : float
        Mean logistic loss of the card in nats; proven for all cards; their difference over it.
    status_ : {"optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"}
    certificate_ : CardCertificate
    findings_ : tuple of Finding
    classes_ : ndarray, shape (2,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Only for tables with names.

    References
    ----------
    B. Ustun, C. Rudin, "Learning Optimized Risk Scores", JMLR 20 (2019). J. Liu et al.,
    "FasterRisk", NeurIPS 2022.

    Examples
    --------
    >>> from treeml import Binarizer, RiskScoreClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> model = RiskScoreClassifier(max_features=2, binarizer=Binarizer(max_bins=3)).fit(X, y)
    >>> model.status_
    'optimal'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ScorecardClassifierBase._common_constraints,
        "scale": [StrOptions({"free"}), Interval(Real, 0, None, closed="neither")],
        "max_logit": [Interval(Real, 0, 1e6, closed="right")],
    }

    def __init__(
        self,
        *,
        max_features: int = 5,
        coef_range: tuple[int, int] = (-5, 5),
        scale: Literal["free"] | float = "free",
        constraints: ScoreConstraints | None = None,
        class_weight: dict | str | None = None,
        binarizer: Binarizer | None = None,
        max_logit: float = MAX_LOGIT,
        gap_tol: float = 0.0,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.max_features = max_features
        self.coef_range = coef_range
        self.scale = scale
        self.constraints = constraints
        self.class_weight = class_weight
        self.binarizer = binarizer
        self.max_logit = max_logit
        self.gap_tol = gap_tol
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RiskScoreClassifier:
        """Search for the card.

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
        RiskScoreClassifier

        Raises
        ------
        ValueError
            For a table, target or weight that cannot be used, naming the column and row; where no
            card obeys the constraints.

        Warns
        -----
        SearchLimitWarning
            Where the search ended before the proof.
        """
        control = self._fit(X, y, sample_weight)
        warn_of_limit(*self._warn(control))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Risk of each class, shape (n_rows, 2)."""
        return self._fitted_card().predict_proba(self._table(X))

    def bootstrap(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        n_bootstraps: int = 100,
        random_state: Any = None,
    ) -> Any:
        """How stable the card is: cards of rows drawn with replacement, without proofs.

        The estimator itself is not fitted; rows are read, binarized and merged once for all draws.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        n_bootstraps : int, default=100
        random_state : int, RandomState or None, default=None

        Returns
        -------
        DataFrame
            A row for every term that is used in some card, most used first: ``term``, ``used``
            (share of the cards), ``least``, ``median`` and ``most`` points where it is used.
        """
        import pandas as pd

        reader: Any = clone(self)
        validate_params(reader)
        rows: CardRows = reader._read(X, y, sample_weight)
        weight = np.ones(len(rows.codes)) if rows.weights is None else rows.weights
        rng = check_random_state(random_state)
        share = np.full(len(weight), 1.0 / len(weight))
        draws = (rng.multinomial(len(weight), share) * weight for _ in range(n_bootstraps))
        cards = risk_scores(
            rows.matrix,
            rows.codes,
            (draw for draw in draws if 0 < draw @ rows.codes < draw.sum()),
            max_features=self.max_features,
            constraints=rows.constraints,
            scale=cast(Any, self.scale),
            max_logit=self.max_logit,
            control=Control(time_limit=self.time_limit, gap_tol=1.0),
        )
        points = np.array([card.points for card in cards]).reshape(-1, rows.matrix.shape[1])
        used = points != 0
        lines = [
            {
                "term": reader.terms_[j].text(),
                "used": used[:, j].mean(),
                "least": points[used[:, j], j].min(),
                "median": np.median(points[used[:, j], j]),
                "most": points[used[:, j], j].max(),
            }
            for j in np.flatnonzero(used.any(axis=0)).tolist()
        ]
        names = ["term", "used", "least", "median", "most"]
        frame = pd.DataFrame(lines, columns=names)
        return frame.sort_values("used", ascending=False, ignore_index=True, kind="stable")

    def _search(self, rows: CardRows, control: Control) -> CardResult:
        return risk_score(
            rows.matrix,
            rows.codes,
            rows.weights,
            max_features=self.max_features,
            constraints=rows.constraints,
            scale=cast(Any, self.scale),
            max_logit=self.max_logit,
            control=control,
        )

    def _certify(
        self, rows: CardRows, result: CardResult, asked: dict[str, Any]
    ) -> CardCertificate:
        free = asked["scale"] == "free"
        return CardCertificate(
            loss="logistic",
            scale="free" if free else float(asked["scale"]),
            max_logit=float(asked["max_logit"]) if free else None,
            tolerance=TOLERANCE,
            **self._facts(rows, result, asked),
        )


class SLIMClassifier(ScorecardClassifierBase):
    """Integer points and a threshold: the card of least 0-1 loss, with its gap.

    Predicts ``classes_[1]`` where ``intercept_ + score > 0``. Minimises the weighted share of wrong
    labels plus ``regularization`` for every term, plus a sum of absolute points so small that it
    only breaks ties (so points have no common factor).

    Parameters
    ----------
    max_features : int, default=5
        Most terms with points.
    coef_range : tuple of int, default=(-5, 5)
        Least and most points of a term.
    regularization : float, default=0.0
        Cost of a term, in units of the total weight: a term more must lower the error rate by this
        much.
    constraints : ScoreConstraints, default=None
        Signs and ranges, monotone columns, limits on groups and questions, if-then, and more.
    class_weight : dict, "balanced" or None, default=None
        Weight of the errors on each class.
    max_fpr, min_tpr : float or None, default=None
        Hard limits on the training rows: the largest share of ``classes_[0]`` that may be labelled
        ``classes_[1]``; the least share of ``classes_[1]`` that must be.
    linear_constraints : LinearConstraint or list of them, default=None
        `scipy.optimize.LinearConstraint` over the points of all terms and the intercept, in this
        order; solved as a mixed integer program by HiGHS.
    binarizer : Binarizer, default=None
        As for `RiskScoreClassifier`.
    gap_tol : float, default=0.0
        The search may end once the gap is no larger.
    time_limit : float or None, default=60.0
        Seconds of the search.
    memory_limit : int or None, default=None
        Bytes that the search may allocate.
    random_state : int, RandomState or None, default=None
        Not used: the search is deterministic.
    verbose : int, default=0
        1: objective and bound over time, on the terminal.

    Attributes
    ----------
    points_, intercept_, terms_, scorecard_, status_, certificate_, findings_, classes_
        As for `RiskScoreClassifier`.
    objective_, lower_bound_, gap_ : float
        Of the objective above.
    error_ : float
        Weighted share of wrong labels alone.

    References
    ----------
    B. Ustun, C. Rudin, "Supersparse linear integer models for optimized medical scoring systems",
    Machine Learning 102 (2016).

    Examples
    --------
    >>> from treeml import Binarizer, SLIMClassifier
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> model = SLIMClassifier(max_features=2, binarizer=Binarizer(max_bins=3)).fit(X, y)
    >>> model.status_
    'optimal'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ScorecardClassifierBase._common_constraints,
        "regularization": [Interval(Real, 0, 1, closed="both")],
        "max_fpr": [Interval(Real, 0, 1, closed="both"), None],
        "min_tpr": [Interval(Real, 0, 1, closed="both"), None],
        "linear_constraints": [LinearConstraint, list, tuple, None],
    }

    def __init__(
        self,
        *,
        max_features: int = 5,
        coef_range: tuple[int, int] = (-5, 5),
        regularization: float = 0.0,
        constraints: ScoreConstraints | None = None,
        class_weight: dict | str | None = None,
        max_fpr: float | None = None,
        min_tpr: float | None = None,
        linear_constraints: Any = None,
        binarizer: Binarizer | None = None,
        gap_tol: float = 0.0,
        time_limit: float | None = 60.0,
        memory_limit: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.max_features = max_features
        self.coef_range = coef_range
        self.regularization = regularization
        self.constraints = constraints
        self.class_weight = class_weight
        self.max_fpr = max_fpr
        self.min_tpr = min_tpr
        self.linear_constraints = linear_constraints
        self.binarizer = binarizer
        self.gap_tol = gap_tol
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SLIMClassifier:
        """Search for the card; parameters, errors and warnings as of `RiskScoreClassifier.fit`."""
        control = self._fit(X, y, sample_weight)
        self.error_ = self.result_.error
        warn_of_limit(*self._warn(control))
        return self

    def _search(self, rows: CardRows, control: Control) -> CardResult:
        began = time.perf_counter()
        first = risk_score(  # a card of small logistic loss is a good first one
            rows.matrix,
            rows.codes,
            rows.weights,
            max_features=self.max_features,
            constraints=rows.constraints,
            control=dataclasses.replace(control, gap_tol=1.0, progress=None, stop_after=None),
        )
        spent = time.perf_counter() - began
        interrupted = first.status == "interrupted"
        if interrupted:
            control = dataclasses.replace(control, time_limit=0.0)
        elif control.time_limit is not None:
            left = max(0.0, control.time_limit - spent)
            control = dataclasses.replace(control, time_limit=left)
        result = slim(
            rows.matrix,
            rows.codes,
            rows.sample_weight,
            max_features=self.max_features,
            constraints=rows.constraints,
            regularization=self.regularization,
            class_weight=rows.class_weight,
            max_fpr=self.max_fpr,
            min_tpr=self.min_tpr,
            linear_constraints=self.linear_constraints,
            control=control,
            start=first.points,
        )
        stopped = interrupted and result.status == "time_limit"
        return dataclasses.replace(
            result,
            status="interrupted" if stopped else result.status,
            seconds=spent + result.seconds,
            history=result.history + np.array([spent, 0.0, 0.0]),
        )

    def _card_scale(self, result: CardResult) -> float | None:
        return None

    def _certify(
        self, rows: CardRows, result: CardResult, asked: dict[str, Any]
    ) -> CardCertificate:
        limits = {name: asked[name] for name in ("max_fpr", "min_tpr")}
        facts = self._facts(rows, result, asked)
        if asked["linear_constraints"] is not None:
            facts["constraints"] = [*facts["constraints"], "the linear constraints given"]
        return CardCertificate(
            loss="0-1",
            scale=None,
            regularization=float(asked["regularization"]),
            tie=result.tie,
            limits={name: float(x) for name, x in limits.items() if x is not None},
            **facts,
        )
