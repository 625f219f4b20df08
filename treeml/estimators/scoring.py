"""Scoring systems as scikit-learn estimators: risk scores and SLIM."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
from scipy.optimize import LinearConstraint
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from treeml import export
from treeml._core.control import Control, print_progress, warn_of_limit
from treeml._core.params import HasMethods, Interval, StrOptions, validate_params
from treeml._core.table import ColumnType, Table
from treeml._core.validation import check_target, check_weights, estimator_table
from treeml.binarize import Binarizer, CardTerms, Finding
from treeml.certificate import CardCertificate, hash_rows
from treeml.certificate.certificate import several
from treeml.estimators.score_constraints import ScoreConstraints
from treeml.ir import LinearTerm, Predicate, Scorecard, Term
from treeml.report import CardPicture, card_html
from treeml.search import CardConstraints, CardResult, risk_score, slim
from treeml.search.risk_score import MAX_LOGIT, TOLERANCE, risk_scores

__all__ = ["RiskScoreClassifier", "SLIMClassifier"]

MOST_POINTS = 10_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What a search for a card is given."""

    terms: tuple[Predicate | LinearTerm, ...] | None  # None: the columns themselves
    matrix: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None  # with class weights
    sample_weight: np.ndarray | None
    class_weight: tuple[float, float]
    constraints: CardConstraints


class ScorecardClassifierBase(ClassifierMixin, BaseEstimator):
    """A classifier of two classes whose fitted model is ``scorecard_``.

    A subclass has the parameters ``max_features``, ``coef_range``, ``constraints``,
    ``class_weight``, ``binarizer`` and those of `Control`, and a ``_search``.
    """

    max_features: int
    coef_range: tuple[int, int]
    constraints: ScoreConstraints | None
    class_weight: dict | str | None
    binarizer: Binarizer | None
    time_limit: float | None
    memory_limit: int | None
    gap_tol: float
    verbose: int
    scorecard_: Scorecard
    classes_: np.ndarray
    n_features_in_: int

    _common_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_features": [Interval(Integral, 0, None, closed="left")],
        "coef_range": [tuple, list],
        "constraints": [HasMethods(["resolve", "statements"]), None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "binarizer": [HasMethods(["fit_table", "encode"]), None],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
        "gap_tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Control:
        validate_params(self)
        rows = self._read(X, y, sample_weight)
        control = Control(
            time_limit=self.time_limit,
            memory_limit=self.memory_limit,
            gap_tol=self.gap_tol,
            progress=print_progress if self.verbose else None,
            stop_after=getattr(self, "_stop_after", None),
        )
        try:
            result = self._search(rows, control)
        except ValueError as error:
            self._explain(rows, error)
            raise
        self.result_ = result
        self._set_card(rows, result)
        self.points_ = result.points
        self.intercept_ = result.intercept
        self.scale_ = result.scale
        self.objective_ = result.objective
        self.lower_bound_ = result.lower_bound
        self.gap_ = result.gap
        self.status_ = result.status
        asked = self.get_params(deep=False)  # as they are now: they may be set before the proof
        self._certificate: CardCertificate | None = None
        self._proof: Callable[[], CardCertificate] | None = lambda: self._certify(
            rows, result, asked
        )
        return control

    def _warn(self, control: Control) -> tuple[Any, ...]:
        """Arguments of `warn_of_limit`; where no proof was asked for, none was cut short."""
        status = self.status_ if self.gap_tol < 1 else "gap_tol"
        return status, self.objective_, self.gap_, control, _EASIER

    def _explain(self, rows: _Rows, error: ValueError) -> None:
        """Where no card obeys the constraints: which ones, in the words of the user."""
        if self.constraints is None or not str(error).startswith("no card"):
            return
        names = [column.name for column in self._columns]
        guilty = self.constraints.conflicts(self.terms_, names, self._range(), self.max_features)
        if guilty is None:  # another limit, which the error names
            return
        raise ValueError(
            f"no card of at most {several(self.max_features, 'term')} obeys the constraints; "
            + (
                f"there would be one without one of these: {'; '.join(guilty)}"
                if guilty
                else f"several of these conflict: {'; '.join(self.constraints.statements())}"
            )
        ) from error

    def _search(self, rows: _Rows, control: Control) -> CardResult:
        raise NotImplementedError

    def _certify(self, rows: _Rows, result: CardResult, asked: dict[str, Any]) -> CardCertificate:
        raise NotImplementedError

    def _facts(self, rows: _Rows, result: CardResult, asked: dict[str, Any]) -> dict[str, Any]:
        """What certificates of all cards state."""
        weights = np.ones(len(rows.codes)) if rows.weights is None else rows.weights
        given = asked["constraints"].statements() if asked["constraints"] is not None else []
        return {
            "objective": result.objective,
            "lower_bound": result.lower_bound,
            "gap": result.gap,
            "status": result.status,
            "n_rows": len(rows.codes),
            "total": float(weights.sum()),
            "terms": [term.to_dict() for term in self.terms_],
            "columns": [column.to_dict() for column in self.scorecard_.columns],
            "low": rows.constraints.low.tolist(),
            "high": rows.constraints.high.tolist(),
            "max_features": int(asked["max_features"]),
            "constraints": given,
            "class_weight": list(rows.class_weight),
            "data_hash": hash_rows(rows.matrix, rows.codes, rows.sample_weight),
            "seconds": result.seconds,
        }

    # Reading

    def _read(self, X: Any, y: Any, sample_weight: Any) -> _Rows:
        low, high = self._range()
        plain = self._plain_matrix(X, y, sample_weight)
        if plain is not None:
            terms, columns, matrix, codes, sample = None, *plain
        else:
            terms, columns, matrix, codes, sample = self._read_table(X, y, sample_weight)
        self._terms = terms
        self._columns = columns
        class_weight = self._class_weights(codes, sample)
        weights = sample
        if class_weight != (1.0, 1.0):
            weights = np.asarray(class_weight)[codes] * (1.0 if sample is None else sample)
        if self.constraints is None:
            rules = CardConstraints.box(matrix.shape[1], low, high)
        else:
            names = [column.name for column in columns]
            rules = self.constraints.resolve(self.terms_, names, (low, high))
        return _Rows(terms, matrix, codes, weights, sample, class_weight, rules)

    def _range(self) -> tuple[int, int]:
        given = tuple(self.coef_range)
        if len(given) != 2 or not all(isinstance(x, Integral) for x in given):
            raise ValueError(f"coef_range must be two integers, least and most, not {given}")
        low, high = int(given[0]), int(given[1])
        if low > high:
            raise ValueError(f"coef_range {given}: the first must not be above the second")
        if max(-low, high) > MOST_POINTS:
            raise ValueError(
                f"coef_range {given}: points must lie between -{MOST_POINTS} and {MOST_POINTS}"
            )
        return low, high

    def _plain_matrix(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[tuple[ColumnType, ...], np.ndarray, np.ndarray, np.ndarray | None] | None:
        """A matrix of finite numbers, taken as it is; None for other tables."""
        if self.binarizer is not None or not isinstance(X, np.ndarray) or X.ndim != 2:
            return None
        if X.dtype.kind not in "biuf" or not X.size:
            return None
        matrix = np.ascontiguousarray(X, dtype=np.float64)
        columns = CardTerms.column_types(matrix)
        if columns is None:  # the table says which value
            return None
        self.n_features_in_ = X.shape[1]
        vars(self).pop("feature_names_in_", None)  # of an earlier fit on a frame
        codes, weights = self._target(y, sample_weight, len(X))
        self.findings_: tuple[Finding, ...] = ()
        vars(self).pop("binarizer_", None)  # of an earlier fit
        if weights is not None and not weights.all():
            kept = weights > 0
            matrix, codes, weights = matrix[kept], codes[kept], weights[kept]
            columns = cast(tuple[ColumnType, ...], CardTerms.column_types(matrix))
        if np.may_share_memory(matrix, X):  # the certificate hashes it later
            matrix = matrix.copy()
        return columns, matrix, codes, weights

    def _read_table(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, tuple[ColumnType, ...], np.ndarray, np.ndarray, np.ndarray | None]:
        binarizer = None if self.binarizer is None else cast(Binarizer, clone(self.binarizer))
        categorical = "from_dtype" if binarizer is None else binarizer.categorical_features
        table = estimator_table(self, X, categorical_features=categorical)
        codes, weights = self._target(y, sample_weight, table.n_rows)
        if weights is not None and not weights.all():
            kept = weights > 0
            table, codes, weights = table.take(kept), codes[kept], weights[kept]
        if binarizer is None:
            vars(self).pop("binarizer_", None)  # of an earlier fit
            read = CardTerms.of_columns(table, codes, weights)
        else:
            self.binarizer_ = binarizer.fit_table(table, codes, sample_weight=weights)
            read = CardTerms.of_predicates(binarizer, table)
        self.findings_ = read.findings
        return read.terms, read.columns, read.matrix, codes, weights

    def _target(
        self, y: Any, sample_weight: Any, n_rows: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        self.classes_, codes = check_target(y, n_rows)
        weights = check_weights(sample_weight, n_rows)
        weights = None if weights is None else weights.copy()  # the certificate hashes them later
        used = codes if weights is None else codes[weights > 0]
        n_classes = len(self.classes_)
        if n_classes > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"a scorecard has two classes and y has {n_classes}; merge or leave out classes"
            )
        if n_classes < 2 or not used.any() or used.all():
            rows = "y contains" if n_classes < 2 else "the rows of positive weight contain"
            only = self.classes_.tolist()[used[0]] if n_classes else "none"
            raise ValueError(
                f"{type(self).__name__} needs samples of 2 classes, but {rows} only one class, "
                f"{only!r}"
            )
        return codes, weights

    def _class_weights(self, codes: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
        if self.class_weight is None:
            return 1.0, 1.0
        if isinstance(self.class_weight, str):
            shares = np.bincount(codes, weights, minlength=2)
            return tuple((shares.sum() / (2 * shares)).tolist())
        labels = self.classes_.tolist()
        unknown = [label for label in self.class_weight if label not in labels]
        if unknown:
            raise ValueError(
                f"class_weight names the class {unknown[0]!r}; the classes of y are {labels}"
            )
        given = [float(self.class_weight.get(label, 1.0)) for label in labels]
        if not all(0 < w < np.inf for w in given):
            raise ValueError("class_weight must hold finite numbers above 0")
        return given[0], given[1]

    # The model

    def _set_card(self, rows: _Rows, result: CardResult) -> None:
        used = np.flatnonzero(result.points)
        terms = self.terms_ if rows.terms is not None else self._linear_terms(used)
        picked = tuple(terms[j] for j in used) if rows.terms is not None else terms
        card = Scorecard(
            columns=self._columns,
            terms=cast(tuple[Predicate | LinearTerm, ...], picked),
            points=result.points[used],
            intercept=result.intercept,
            scale=self._card_scale(result),
            classes=self.classes_,
        )
        scores = np.zeros(len(rows.codes))
        for j in used.tolist():
            scores += float(result.points[j]) * rows.matrix[:, j]
        self.scorecard_ = card.with_counts(scores, rows.codes, rows.sample_weight)

    def _card_scale(self, result: CardResult) -> float | None:
        return result.scale

    def _linear_terms(self, which: np.ndarray) -> tuple[LinearTerm, ...]:
        return tuple(LinearTerm(Term(j, self._columns[j])) for j in which.tolist())

    @property
    def terms_(self) -> tuple[Predicate | LinearTerm, ...]:
        check_is_fitted(self, "_columns")
        if self._terms is None:
            self._terms = self._linear_terms(np.arange(len(self._columns)))
        return self._terms

    @property
    def certificate_(self) -> CardCertificate:
        check_is_fitted(self, "scorecard_")
        if self._certificate is None and self._proof is not None:
            self._certificate = self._proof()
            self._proof = None
        assert self._certificate is not None
        return self._certificate

    def score_points(self, X: Any) -> np.ndarray:
        """Sum of points of every row, shape (n_rows,)."""
        return self._fitted_card().score(self._table(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Above 0 where ``classes_[1]`` is predicted, shape (n_rows,): the log odds, or for a card
        of labels the score with its intercept.
        """
        card = self._fitted_card()
        return card.decision(self._table(X)) / (card.scale or 1.0)

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        return self._fitted_card().predict(self._table(X))

    def to_text(self) -> str:
        """The card as it is printed: points of each term, and what a score means."""
        return export.text(self._fitted_card())

    def rules(self) -> Any:
        """One row a term, as a DataFrame, with its points."""
        return export.rules(self._fitted_card())

    def to_python(self, **options: Any) -> str:
        """A Python function; options of `treeml.export.python`."""
        return export.python(self._fitted_card(), **options)

    def to_sql(self, **options: Any) -> str:
        """An SQL expression or query; options (dialect, table, ...) of `treeml.export.sql`."""
        return export.sql(self._fitted_card(), **options)

    def to_json(self) -> str:
        """Model, certificate and parameters as versioned JSON; `treeml.load` reads it."""
        from treeml.estimators.load import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def plot(self, *, title: str | None = None) -> CardPicture:
        """The card as a picture that notebooks show; ``.save(path)`` writes HTML."""
        return CardPicture(self._fitted_card(), title)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        if hasattr(self, "scorecard_") and "text/html" in bundle:
            bundle["text/html"] += card_html(self.scorecard_)
        return bundle

    def __getstate__(self) -> Any:
        if getattr(self, "_proof", None) is not None:
            _ = self.certificate_  # training data stay behind
        return super().__getstate__()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.classifier_tags.multi_class = False
        return tags

    def _fitted_card(self) -> Scorecard:
        check_is_fitted(self, "scorecard_")
        return self.scorecard_

    def _table(self, X: Any) -> Table:
        return estimator_table(self, X, like=self._fitted_card().columns)

    def _set_stop(self, after_polls: int) -> Any:
        """End the search at a certain poll of its clock: a stop that repeats, for tests."""
        self._stop_after = after_polls
        return self


_EASIER = "a smaller max_features, fewer terms or a larger gap_tol make the proof easier"


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
        rows: _Rows = reader._read(X, y, sample_weight)
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

    def _search(self, rows: _Rows, control: Control) -> CardResult:
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

    def _certify(self, rows: _Rows, result: CardResult, asked: dict[str, Any]) -> CardCertificate:
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

    def _search(self, rows: _Rows, control: Control) -> CardResult:
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

    def _certify(self, rows: _Rows, result: CardResult, asked: dict[str, Any]) -> CardCertificate:
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
