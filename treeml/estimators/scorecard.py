"""What estimators whose model is a scorecard have in common: reading a table, answers, exports."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from treeml import export
from treeml._core.control import Control, print_progress
from treeml._core.params import HasMethods, Interval, StrOptions, validate_params
from treeml._core.table import ColumnType, Table
from treeml._core.validation import check_target, check_weights, estimator_table
from treeml.binarize import Binarizer, CardTerms, Finding
from treeml.certificate import CardCertificate, hash_rows
from treeml.certificate.certificate import several
from treeml.estimators.score_constraints import ScoreConstraints
from treeml.ir import LinearTerm, Predicate, Scorecard, Term
from treeml.report import CardPicture, card_html
from treeml.search import CardConstraints, CardResult

__all__ = ["CardRows", "ScorecardClassifierBase"]

_EASIER = "a smaller max_features, fewer terms or a larger gap_tol make the proof easier"

MOST_POINTS = 10_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CardRows:
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

    def _explain(self, rows: CardRows, error: ValueError) -> None:
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

    def _search(self, rows: CardRows, control: Control) -> CardResult:
        raise NotImplementedError

    def _certify(
        self, rows: CardRows, result: CardResult, asked: dict[str, Any]
    ) -> CardCertificate:
        raise NotImplementedError

    def _facts(self, rows: CardRows, result: CardResult, asked: dict[str, Any]) -> dict[str, Any]:
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

    def _read(self, X: Any, y: Any, sample_weight: Any) -> CardRows:
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
        return CardRows(terms, matrix, codes, weights, sample, class_weight, rules)

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

    def _set_card(self, rows: CardRows, result: CardResult) -> None:
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

    def to_c(self, **options: Any) -> str:
        """C functions; options of `treeml.export.c`."""
        return export.c(self._fitted_card(), **options)

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
