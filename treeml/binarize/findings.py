"""What a table's columns look like: identifiers, dates, free text, columns that leak the target."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

FindingKind = Literal[
    "identifier", "date", "free text", "constant", "all missing", "rare levels", "leak"
]

__all__ = ["Finding", "FindingKind", "TableWarning", "cannot_tell", "gives_target_away"]
__all__ += ["number_finding", "plain_finding", "text_finding"]

_FEW_ROWS = 20  # below, a column of distinct values says nothing
_LEAK_ROWS, _LEAK_CLASS = 100, 20
_LEAK_ERROR = 0.01  # balanced
_MOST_CODES = 32
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


class TableWarning(UserWarning):
    """A column of the table looks as if it should not be used as it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed about a column.

    Parameters
    ----------
    column : str
        Its name.
    kind : {"identifier", "date", "free text", "constant", "all missing", "rare levels", "leak"}
        What was noticed.
    text : str
        What it means and what to do, without the column's name.
    """

    column: str
    kind: FindingKind
    text: str

    def __str__(self) -> str:
        return f"column {self.column!r} {self.text}"


_TEXTS: dict[FindingKind, str] = {
    "all missing": "has no value at all; it gives no predicate, leave it out",
    "constant": "has the same value everywhere; it gives no predicate, leave it out",
    "date": (
        "holds dates; it gives no predicate, derive numbers or categories from it such as the "
        "year, the weekday or the days since another date"
    ),
    "free text": (
        "holds free text; it gives no predicate, derive features from it such as a topic or "
        "whether a word occurs"
    ),
    "identifier": "looks like an identifier: nearly every row has a value of its own",
    "rare levels": (
        "has only levels rarer than min_frequency; they give no predicate, group them or lower "
        "min_frequency"
    ),
    "leak": (
        "almost alone tells the classes apart; make sure that it is known before the target is"
    ),
}


def plain_finding(column: str, kind: FindingKind) -> Finding:
    """The finding with its standard text."""
    return Finding(column, kind, _TEXTS[kind])


def text_finding(column: str, levels: Sequence[Any], n_known: float) -> Finding | None:
    """Whether a category is a date, free text or an identifier, which give no predicates.

    Parameters
    ----------
    column : str
    levels : sequence
        The distinct levels, in a fixed order.
    n_known : float
        Number of rows (sum of whole weights) with a value.
    """
    some = [v for v in levels[:: max(1, len(levels) // 200)] if isinstance(v, str)]
    if len(levels) > 1 and some:
        dates = sum(_ISO_DATE.fullmatch(v.strip()) is not None for v in some)
        if dates >= 0.95 * len(some):
            return plain_finding(column, "date")
    if n_known < _FEW_ROWS:
        return None
    if some and len(levels) >= 0.5 * n_known:
        spaces = sum(v.count(" ") for v in some) / len(some)
        if spaces >= 3 and sum(map(len, some)) / len(some) >= 20:
            return plain_finding(column, "free text")
    if len(levels) >= 0.95 * n_known:
        finding = plain_finding(column, "identifier")
        return dataclasses.replace(finding, text=finding.text + "; it gives no predicate")
    return None


def number_finding(column: str, values: np.ndarray, n_rows: float) -> Finding | None:
    """Whether a numeric column without gaps numbers the rows; its predicates stay.

    Parameters
    ----------
    column : str
    values : ndarray of float64, shape (n_known,)
        In the order of the rows, without missing values.
    n_rows : float
        Number of rows (sum of whole weights).
    """
    n = len(values)
    if n < _FEW_ROWS or n != n_rows or values[0] == values[-1]:
        return None
    if not ((values[:64] % 1 == 0).all() and (values % 1 == 0).all()):
        return None
    steps = np.diff(values)
    ordered = (steps > 0).all() or (steps < 0).all()
    if not ordered:
        span = values.max() - values.min()
        if span != n - 1 or len(np.unique(values)) != n:
            return None
    finding = plain_finding(column, "identifier")
    return dataclasses.replace(finding, text=finding.text + "; leave it out if it has no meaning")


def gives_target_away(
    codes: np.ndarray,
    n_codes: int,
    classes: np.ndarray,
    weights: np.ndarray | None,
    *,
    numeric: bool,
) -> bool:
    """Whether one column alone predicts the class with a balanced error of at most 1 percent.

    Each code predicts one class, or, of two classes, each side of the best cut of a number.
    Small tables and small classes are never reported, nor are columns that do not also halve
    the error of always predicting the largest class.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        The column's codes, below ``n_codes``.
    n_codes : int
    classes : ndarray of int, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,), or None
    numeric : bool
        Whether the codes are ordered.
    """
    rows = np.bincount(classes)
    rows = rows[rows > 0]
    if len(classes) < _LEAK_ROWS or len(rows) < 2 or rows.min() < _LEAK_CLASS:
        return False
    n_classes = int(classes.max()) + 1
    cell = codes.astype(np.int64) * n_classes + classes
    table = np.bincount(cell, weights, minlength=n_codes * n_classes)
    table = table.reshape(n_codes, n_classes).astype(np.float64)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if len(table) <= _MOST_CODES and len(table) * _LEAK_CLASS <= len(classes) and _tells(table):
        return True
    if not numeric or table.shape[1] > 2 or len(table) < 2:
        return False
    below = np.cumsum(table / table.sum(axis=0), axis=0)
    apart = np.abs(below[:-1, 0] - below[:-1, 1])
    at = int(apart.argmax()) + 1
    if apart[at - 1] < 1 - 3 * _LEAK_ERROR:  # the balanced error of the cut is (1 - apart) / 2
        return False
    return _tells(np.vstack([table[:at].sum(axis=0), table[at:].sum(axis=0)]))


def cannot_tell(
    values: np.ndarray,
    codes: np.ndarray,
    n_codes: int,
    classes: np.ndarray,
    weights: np.ndarray | None,
) -> bool:
    """Whether no cut of a number gives two classes away, as bins often show already.

    Between two neighbouring cuts of the bins the shares of the two classes below a cut move by no
    more than what the bin holds of each. Where that is too much, all cuts are tried. (With few
    distinct values each may tell by itself.)

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows,)
    codes, n_codes, classes, weights
        As for `gives_target_away`; codes of bins in ascending order.
    """
    some = np.sort(values[: 8 * _MOST_CODES])
    if np.count_nonzero(some[1:] > some[:-1]) < _MOST_CODES:
        return False
    cells = codes.astype(np.intp) * 2 + classes
    table = np.bincount(cells, weights, minlength=2 * n_codes).reshape(n_codes, 2)
    totals = table.sum(axis=0)
    if not totals.all():
        return True
    shares = table / totals
    below = np.cumsum(shares, axis=0)
    apart = np.abs(below[:, 0] - below[:, 1]).max() + shares.max()
    if apart < 1 - 3 * _LEAK_ERROR:
        return True
    order = np.argsort(values)
    ordered, signed = values[order], np.array([1.0, -1.0]) / totals
    share = signed[classes] if weights is None else signed[classes] * weights
    cut = np.flatnonzero(ordered[1:] != ordered[:-1])
    apart = np.abs(np.cumsum(share[order])[cut]).max(initial=0.0)
    return bool(apart < 1 - 3 * _LEAK_ERROR - 1e-9)


def _tells(table: np.ndarray) -> bool:
    """Whether a table of weights by class is nearly free of error with one class a row."""
    totals = table.sum(axis=0)
    predicted = (table / totals).argmax(axis=1)
    right = np.zeros(len(totals))
    np.add.at(right, predicted, table[np.arange(len(table)), predicted])
    error = 1 - right.sum() / totals.sum()
    return bool(
        1 - (right / totals).mean() <= _LEAK_ERROR
        and error <= (1 - totals.max() / totals.sum()) / 2
    )
