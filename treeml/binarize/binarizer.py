"""The binarizer: a table's columns become predicates and ordered code columns."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections import Counter
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from treeml._core.params import Interval, StrOptions
from treeml._core.table import Column, ColumnType, Table
from treeml._core.validation import check_target, check_weights, estimator_table
from treeml.binarize.codes import NumberCode
from treeml.binarize.findings import (
    Finding,
    TableWarning,
    cannot_tell,
    gives_target_away,
    plain_finding,
)
from treeml.binarize.guess import guessed_cuts
from treeml.binarize.plan import ZERO_ONE, Code, Rules, plan_column
from treeml.ir import Predicate, Term

__all__ = ["Binarizer"]


class Binarizer(TransformerMixin, BaseEstimator):
    """Turn a table into yes/no predicates that read well.

    Numbers are cut (``age <= 41``), categories give one predicate a level (``job = clerk``) with
    the rare ones together, ordered categories one a prefix (``size is at most M``), 0/1 columns,
    booleans and strings of two levels a single one. A column with missing values also gives ``is
    missing``. A missing value and a level unknown at fit answer no to everything else. Constant
    columns, dates, identifiers and free text give no predicate; ``findings_`` says so.

    Parameters
    ----------
    method : {"quantile", "midpoints", "entropy", "guess"}, default="quantile"
        Where numbers are cut: into bins of nearly equal weight; between any two neighbouring
        values (``max_bins`` is not used); where the classes differ most and the split pays
        for its description length [1]_; or where a small boosted model of the classes splits
        with most gain [2]_. The last two need ``y``.
    max_bins : int or None, default=8
        Most bins of a numeric column, one more than its cuts; None sets no limit. Of guessed
        cuts there may be so many on average: a column that matters gets more of them.
    categorical_features : "from_dtype" or sequence of str, int or bool, default="from_dtype"
        Columns to take as categories even where they hold numbers, by name, position or mask.
    min_frequency : float, default=0.01
        Levels with a smaller share of the weight are grouped into one predicate, "rare levels".
    max_levels : int or None, default=10
        Most predicates of a category; its lightest levels join the rare ones.
    units : dict of str to str, default=None
        Unit of a column by name, shown behind numbers.

    Attributes
    ----------
    predicates_ : tuple of Predicate
        In the order of the columns; cuts ascending, ``is missing`` last.
    columns_ : tuple of ColumnType
        The columns at fit.
    intervals_ : ndarray of int32, shape (n_predicates, 3)
        For each predicate the position of its code column in `encode`, and the first and last
        code for which it holds.
    code_columns_ : ndarray of int32, shape (n_code_columns,)
        Position in the table of each code column.
    n_codes_ : ndarray of int32, shape (n_code_columns,)
        Number of codes of each code column, those of unseen and missing values included.
    findings_ : tuple of Finding
        Columns that look unfit for learning, and why.
    n_features_in_ : int
    feature_names_in_ : ndarray of object, shape (n_columns,)
        Only where the table had names.

    References
    ----------
    .. [1] Fayyad and Irani, "Multi-interval discretization of continuous-valued attributes for
       classification learning", IJCAI 1993.
    .. [2] McTavish et al., "Fast sparse decision tree optimization via reference ensembles",
       AAAI 2022.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions({"quantile", "midpoints", "entropy", "guess"})],
        "max_bins": [Interval(Integral, 2, None, closed="left"), None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "min_frequency": [Interval(Real, 0, 1, closed="left")],
        "max_levels": [Interval(Integral, 2, None, closed="left"), None],
        "units": [dict, None],
    }

    def __init__(
        self,
        *,
        method: str = "quantile",
        max_bins: int | None = 8,
        categorical_features: Any = "from_dtype",
        min_frequency: float = 0.01,
        max_levels: int | None = 10,
        units: dict[str, str] | None = None,
    ) -> None:
        self.method = method
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency
        self.max_levels = max_levels
        self.units = units

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Choose the predicates.

        Parameters
        ----------
        X : table, shape (n_rows, n_columns)
            A frame, an array or nested lists.
        y : array-like, shape (n_rows,), default=None
            Classes; needed by ``method="entropy"`` and ``method="guess"``, otherwise used for
            ``findings_`` only.
        sample_weight : array-like, shape (n_rows,), default=None
            Rows of weight 0 are ignored.

        Returns
        -------
        Binarizer
            Itself.

        Raises
        ------
        TableError
            Where the table cannot be read; the message names column and row.
        ValueError
            Where a parameter, the target or a weight is not valid.
        """
        self._validate_params()
        table = estimator_table(self, X, categorical_features=self.categorical_features)
        return self.fit_table(table, self._codes_of(y, table.n_rows), sample_weight)

    def fit_table(
        self, table: Table, y_codes: np.ndarray | None = None, sample_weight: Any = None
    ) -> Self:
        """`fit` for a table that has been read already.

        Parameters
        ----------
        table : Table
        y_codes : ndarray of int, shape (n_rows,), default=None
            Class of every row, from 0.
        sample_weight : array-like, shape (n_rows,), default=None

        Returns
        -------
        Binarizer
            Itself.
        """
        self.fit_encode(table, y_codes, sample_weight)
        return self

    def fit_encode(
        self, table: Table, y_codes: np.ndarray | None = None, sample_weight: Any = None
    ) -> list[np.ndarray]:
        """`fit_table`, then `encode` of the same table.

        Parameters
        ----------
        table, y_codes, sample_weight
            As for `fit_table`.

        Returns
        -------
        list of ndarray of uint16 or uint32, each of shape (n_rows,)
        """
        self._validate_params()
        if self._needs_classes and y_codes is None:
            raise ValueError(
                f'method="{self.method}" chooses the cuts by the classes: Binarizer requires y to '
                "be passed, but the target y is None"
            )
        weights = check_weights(sample_weight, table.n_rows)
        training = _retyped(table)
        if weights is not None and not weights.all():
            used = weights > 0
            weights = weights[used]
            y_codes = None if y_codes is None else y_codes[used]
            training = _retyped(table.take(used))
        self._set_columns(training)
        findings: list[Finding] = []
        coded: list[tuple[int, Code]] = []
        guessed = None
        if self.method == "guess":
            assert y_codes is not None
            guessed = guessed_cuts(training, y_codes, weights, self.max_bins)
        rules = Rules(self.method, self.max_bins, self.min_frequency, self.max_levels, guessed)
        for index, column in enumerate(training.columns):
            code, finding = plan_column(index, column, weights, y_codes, rules)
            findings += [] if finding is None else [finding]
            if code is not None:
                coded.append((index, code))
        self._set_codes(coded)
        codes = [code.encode(training.columns[index]) for index, code in coded]
        findings += self._leaks(training, codes, y_codes, weights)
        self.findings_ = tuple(findings)
        if findings and table.named:
            warnings.warn("; ".join(map(str, findings)), TableWarning, stacklevel=4)
        return codes if training.n_rows == table.n_rows else self.encode(table)

    def fit_zero_one(self, n_columns: int) -> Self:
        """`fit` for a matrix of zeros and ones without names: one predicate ``> .5`` a column.

        Constant columns keep their predicate, as every other one.
        """
        self.n_features_in_ = n_columns
        self.columns_, coded, intervals = _zero_one_columns(n_columns)
        self._keep_codes(list(coded), intervals)
        self.findings_ = ()
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Answers of all predicates.

        Parameters
        ----------
        X : table, shape (n_rows, n_columns)

        Returns
        -------
        ndarray of uint8, shape (n_rows, n_predicates)
            1 for yes.

        Raises
        ------
        TableError
            Where the table differs from the one at fit.
        """
        check_is_fitted(self)
        table = estimator_table(
            self, X, like=self.columns_, categorical_features=self.categorical_features
        )
        codes = self.encode(table)
        out = np.empty((len(self.intervals_), table.n_rows), dtype=np.uint8)
        for answers, (place, lo, hi) in zip(out, self.intervals_.tolist(), strict=True):
            np.logical_and(codes[place] >= lo, codes[place] <= hi, out=answers.view(bool))
        return np.ascontiguousarray(out.T)

    def encode(self, table: Table) -> list[np.ndarray]:
        """Code columns of a table with the columns at fit.

        Parameters
        ----------
        table : Table
            Read with ``like=binarizer.columns_``.

        Returns
        -------
        list of ndarray of uint16 or uint32, each of shape (n_rows,)
            One for each column that has predicates. A number's code is the number of its cuts
            below the value; a category's the position of its level, then one code for unseen
            levels; the top code stands for missing.
        """
        check_is_fitted(self)
        return [code.encode(table.columns[index]) for index, code in self._coded]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Texts of the predicates, each different from the others.

        Parameters
        ----------
        input_features : array-like of str, shape (n_columns,), default=None
            Names of the columns where the table had none.

        Returns
        -------
        ndarray of object, shape (n_predicates,)
        """
        check_is_fitted(self)
        predicates = self.predicates_
        if input_features is not None:
            names = np.asarray(input_features, dtype=object)
            known = getattr(self, "feature_names_in_", None)
            if known is not None and not np.array_equal(known, names):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(names) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(names)}"
                )
            predicates = tuple(_renamed(p, str(names[p.term.index])) for p in predicates)
        return _unique_texts(predicates)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = self._needs_classes
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _needs_classes(self) -> bool:
        return self.method in ("entropy", "guess")

    @property
    def choice_(self) -> str:
        """How the cuts of numbers were chosen, in words; empty where there are no numbers."""
        check_is_fitted(self)
        if not any(column.kind == "number" for column in self.columns_):
            return ""
        bins = "" if self.max_bins is None else f", at most {self.max_bins} bins a column"
        return {
            "quantile": f"numbers are cut into bins of nearly equal weight{bins}",
            "midpoints": "numbers are cut between any two neighbouring values",
            "entropy": f"numbers are cut where the classes differ most{bins}",
            "guess": "numbers are cut where a boosted reference model split with most gain: "
            "trees with other cuts are not compared",
        }[self.method]

    def _codes_of(self, y: Any, n_rows: int) -> np.ndarray | None:
        """Class of every row; None where y has no classes and none are needed."""
        if self._needs_classes:
            return None if y is None else check_target(y, n_rows)[1]
        if y is None:
            return None
        check_consistent_length(range(n_rows), y)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                classes = type_of_target(y) in ("binary", "multiclass")
                return check_target(y, n_rows)[1] if classes else None
        except (TypeError, ValueError):  # a target of another sort: nothing to find in it
            return None

    def _set_columns(self, training: Table) -> None:
        units = self.units or {}
        unknown = sorted(set(units) - {c.name for c in training.types})
        if unknown:
            raise ValueError(f"units: no column is called {', '.join(map(repr, unknown))}")
        self.columns_ = tuple(
            dataclasses.replace(c, unit=units.get(c.name, c.unit)) for c in training.types
        )
        self.n_features_in_ = len(self.columns_)
        if training.named:
            self.feature_names_in_ = np.array([c.name for c in self.columns_], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def predicates_(self) -> tuple[Predicate, ...]:
        """The questions, in the order of the columns; made when they are first asked for."""
        check_is_fitted(self)
        if self._predicates is None:
            self._predicates = tuple(
                predicate
                for index, code in self._coded
                for predicate, _ in code.predicates(Term(index, self.columns_[index]))
            )
        return self._predicates

    def predicate(self, j: int) -> Predicate:
        """``predicates_[j]``, without making the others."""
        if self._predicates is not None:
            return self._predicates[j]
        place, *interval = self.intervals_[j].tolist()
        index, code = self._coded[place]
        questions = code.predicates(Term(index, self.columns_[index]))
        return next(predicate for predicate, lies in questions if list(lies) == interval)

    def _set_codes(self, coded: list[tuple[int, Code]]) -> None:
        predicates: list[Predicate] = []
        intervals: list[tuple[int, int, int]] = []
        for place, (index, code) in enumerate(coded):
            for predicate, interval in code.predicates(Term(index, self.columns_[index])):
                predicates.append(predicate)
                intervals.append((place, *interval))
        self._keep_codes(coded, np.array(intervals, dtype=np.int32).reshape(-1, 3))
        self._predicates = tuple(predicates)

    def _keep_codes(self, coded: list[tuple[int, Code]], intervals: np.ndarray) -> None:
        self._coded = coded
        self._predicates: tuple[Predicate, ...] | None = None
        self.intervals_ = intervals
        self.code_columns_ = np.array([index for index, _ in coded], dtype=np.int32)
        self.n_codes_ = np.array([code.n_codes for _, code in coded], dtype=np.int32)

    def _leaks(
        self,
        training: Table,
        coded: list[np.ndarray],
        y_codes: np.ndarray | None,
        weights: np.ndarray | None,
    ) -> list[Finding]:
        """Columns that give the target away."""
        if y_codes is None:
            return []
        found = []
        two = bool(y_codes.max() == 1)
        for (index, code), codes in zip(self._coded, coded, strict=True):
            values, n_codes = training.columns[index].values, code.n_codes
            numeric = isinstance(code, NumberCode)
            if numeric and two:  # the best cut need not be one of the predicates
                if cannot_tell(values, codes, n_codes, y_codes, weights):
                    continue
                distinct, codes = np.unique(values, return_inverse=True)
                n_codes = len(distinct)
            if gives_target_away(codes, n_codes, y_codes, weights, numeric=numeric):
                found.append(plain_finding(self.columns_[index].name, "leak"))
        return found


@functools.lru_cache(maxsize=16)
def _zero_one_columns(
    n_columns: int,
) -> tuple[tuple[ColumnType, ...], tuple[tuple[int, Code], ...], np.ndarray]:
    """Columns x0, x1, ... of zeros and ones, their codes and intervals."""
    columns = tuple(ColumnType(f"x{j}", "zero_one") for j in range(n_columns))
    (_, (lowest, highest)), *_ = ZERO_ONE.predicates(Term(0, columns[0]))
    intervals = np.empty((n_columns, 3), dtype=np.int32)
    intervals[:, 0] = np.arange(n_columns)
    intervals[:, 1:] = lowest, highest
    intervals.flags.writeable = False
    return columns, tuple((j, ZERO_ONE) for j in range(n_columns)), intervals


def _retyped(table: Table) -> Table:
    """The table with column types that speak of its own rows only."""
    columns = []
    for column in table.columns:
        kind, missing = column.type.kind, column.missing
        if kind == "number":
            known = column.values[~missing]
            if len(known) and ((known[:64] == 0) | (known[:64] == 1)).all():
                kind = "zero_one" if ((known == 0) | (known == 1)).all() else kind
        same = dataclasses.replace(column.type, kind=kind, missing=bool(missing.any()))
        columns.append(Column(same, column.values))
    return Table(tuple(columns), table.n_rows, table.named)


def _renamed(predicate: Predicate, name: str) -> Predicate:
    term = predicate.term
    column: ColumnType = dataclasses.replace(term.column, name=name)
    return dataclasses.replace(predicate, term=Term(term.index, column))


def _unique_texts(predicates: tuple[Predicate, ...]) -> np.ndarray:
    """Texts of predicates; the second of two equal ones also says where its column stands."""
    out: list[str] = []
    seen: Counter[str] = Counter()
    for predicate in predicates:
        text = predicate.text()
        while seen[text]:
            text = f"{text} (column {predicate.term.index})"
        seen[text] += 1
        out.append(text)
    return np.array(out, dtype=object)
