"""The Rashomon report of score cards: one page that explains a set of nearly optimal cards."""

from __future__ import annotations

import importlib.resources
from typing import Any

import numpy as np

from treeml._core.table import Column, Table
from treeml._core.validation import as_table
from treeml.export.outcome import one_line
from treeml.ir import Scorecard
from treeml.ir.predicate import number_text
from treeml.rashomon.card_profile import point_ranges, risk_range
from treeml.rashomon.profile import feature_use, row_agreement, short_list
from treeml.rashomon.scorecard_set import ScorecardSet
from treeml.report import card_html, class_colour, page, percent

__all__ = ["card_report_html", "card_report_json"]

_VERSION = 1
_MOST_TERMS, _MOST_CONTESTED, _MOST_VALUES, _MOST_DIFFERENT = 40, 10, 12, 4
_STOPPED = {
    "gap_tol": "the precision of floating point",
    "time_limit": "its time limit",
    "memory_limit": "its memory limit",
    "interrupted": "an interruption",
}


def card_report_json(
    set_: ScorecardSet, X: Any = None, y: Any = None, *, members: int = 200
) -> dict[str, Any]:
    """All figures of the report as JSON data.

    Parameters
    ----------
    set_ : ScorecardSet
        Not empty.
    X : table, shape (n_rows, n_columns), Table or None, default=None
        Rows to say on which of them members disagree, seen in training or not.
    y : array-like, shape (n_rows,), default=None
        The true classes of ``X``.
    members : int, default=200
        Members that are listed, the first ones by objective.

    Returns
    -------
    dict
        Sizes and bounds of the set; ``by_terms``, ``by_objective``, ``points``, ``columns``,
        ``must``, ``never``, ``substitutes``, ``rows`` (None without ``X``), ``members``.

    Raises
    ------
    ValueError
        Where the set is empty, ``members`` is below 1, or ``y`` does not fit to ``X``.
    """
    table, truth = _table(set_, X, y)
    return _figures(set_, table, truth, members)


def card_report_html(
    set_: ScorecardSet,
    X: Any = None,
    y: Any = None,
    *,
    members: int = 200,
    random_state: Any = 0,
) -> str:
    """The report as one page that loads and runs nothing.

    Parameters and errors as in `card_report_json`; ``random_state`` draws among the members where
    the page shows a few that differ.
    """
    table, truth = _table(set_, X, y)
    figures = _figures(set_, table, truth, members)
    different: list[Any] = []
    if table is not None:
        different = short_list(set_, table, _MOST_DIFFERENT, random_state=random_state)[1:]
    simplest = next(iter(set_.simplest().values()))[1]
    shown = [("The best card", set_.best)]
    if simplest != set_.best:
        shown.append(("The simplest card", simplest))
    shown += [("Another card, which differs on many rows", card) for card in different]
    return page(
        "All score cards that are nearly as good",
        template="card_report.html.j2",
        package="treeml.rashomon",
        kicker="treeml Rashomon report",
        subtitle=f"{set_.count:,} score {'card' if set_.count == 1 else 'cards'} for the answers "
        f"{', '.join(figures['classes'])}",
        style=importlib.resources.files("treeml.rashomon")
        .joinpath("report.css")
        .read_text("utf-8"),
        stopped=_STOPPED.get(set_.status, set_.status),
        figures=figures,
        cards=[(name, _objective(set_, card), card_html(card)) for name, card in shown],
        share=_share,
        percent=percent,
        colour=class_colour,
    )


def _table(set_: ScorecardSet, X: Any, y: Any) -> tuple[Table | None, np.ndarray | None]:
    """The rows as typed columns, and their true classes."""
    if X is None:
        if y is not None:
            raise ValueError("y is given without X: give the rows that it belongs to")
        return None, None
    table = X if isinstance(X, Table) else as_table(X, like=set_.columns)
    truth = None if y is None else np.asarray(y).ravel()
    if truth is not None and len(truth) != table.n_rows:
        raise ValueError(f"y has {len(truth)} values and X has {table.n_rows} rows")
    return (table, truth) if table.n_rows else (None, None)


def _figures(
    set_: ScorecardSet, table: Table | None, truth: np.ndarray | None, members: int
) -> dict[str, Any]:
    if members < 1:
        raise ValueError(f"members={members}: list at least one")
    use = feature_use(set_)
    names = sorted(use.counts, key=lambda name: -use.counts[name])
    simplest = set_.simplest()
    return {
        "format": "treeml",
        "kind": "scorecard_set_report",
        "schema_version": _VERSION,
        "criterion": set_.criterion,
        "classes": [str(name) for name in set_.classes.tolist()],
        "count": set_.count,
        "complete": set_.complete,
        "status": set_.status,
        "objective": set_.objective,
        "bound": set_.bound,
        "proven_bound": set_.proven_bound,
        "drop_trivial": set_.drop_trivial,
        "n_terms": len(set_.terms),
        "by_objective": [
            {"objective": at, "count": number, "share": number / set_.count}
            for at, number in set_.by_objective().items()
        ],
        "by_terms": [
            {"terms": n, "count": k, "share": k / set_.count, "objective": simplest[n][0]}
            for n, k in set_.by_n_terms().items()
        ],
        "points": point_ranges(set_).to_dict("records"),
        "columns": [
            {"name": name, "count": use.counts[name], "share": use.shares[name]} for name in names
        ],
        "must": list(use.must),
        "never": list(use.never),
        "substitutes": [list(pair) for pair in use.substitutes],
        "rows": None if table is None else _rows(set_, table, truth, names),
        "members": [_member(set_, place) for place in range(min(members, set_.count))],
    }


def _member(set_: ScorecardSet, place: int) -> dict[str, Any]:
    used = set_.members.terms[place]
    points = set_.members.points[place].tolist()
    return {
        "place": place,
        "objective": set_.objective_of(place),
        "intercept": float(set_.intercepts[place]),
        "scale": float(set_.members.scales[place]) if set_.criterion == "log_loss" else None,
        "points": [
            [set_.terms[j].text(), w] for j, w in zip(used.tolist(), points, strict=True) if w
        ],
    }


def _rows(
    set_: ScorecardSet, table: Table, truth: np.ndarray | None, names: list[str]
) -> dict[str, Any]:
    """How far members agree on the rows, and the rows on which they agree least."""
    found = row_agreement(set_, table)
    risks = risk_range(set_, table) if set_.criterion == "log_loss" else None
    width = np.empty(0) if risks is None else risks[1] - risks[0]
    if risks is None:
        chosen = found.most_contested(_MOST_CONTESTED)
    else:
        chosen = np.argsort(-width, kind="stable")[:_MOST_CONTESTED]
    columns = {column.type.name: column for column in table.columns}
    shown = [columns[name] for name in names if name in columns][:_MOST_VALUES]
    return {
        "n_rows": table.n_rows,
        "n_contested": int(found.contested.sum()),
        "ambiguity": found.ambiguity,
        "widths": _widths(width),
        "widest": float(width.max()) if len(width) else None,
        "typical": float(np.median(width)) if len(width) else None,
        "contested": [
            {
                "row": row,
                "values": [[one_line(c.type.name), _cell(c, row)] for c in shown],
                "shares": found.shares[row].tolist(),
                "consistency": float(found.consistency[row]),
                "best": str(found.classes[found.label[row]]),
                "risk": None if risks is None else [float(end[row]) for end in risks],
                "truth": None if truth is None else str(truth[row]),
            }
            for row in chosen.tolist()
        ],
    }


def _widths(widths: np.ndarray) -> list[dict[str, Any]]:
    """Rows by the width of their range of risks, in steps of a tenth up to the widest."""
    bins = np.minimum((widths * 10).astype(np.intp), 9)
    counts = np.bincount(bins).tolist()
    return [{"from": k / 10, "to": (k + 1) / 10, "rows": n} for k, n in enumerate(counts)]


def _cell(column: Column, row: int) -> str:
    """What a row has in a column, in words."""
    if column.missing[row]:
        return "missing"
    value = column.values[row]
    text = str(value) if column.values.dtype == object else number_text(value)
    return one_line(f"{text} {column.type.unit}")


def _objective(set_: ScorecardSet, card: Scorecard) -> float:
    place = set_.rank(card)
    assert place is not None
    return set_.objective_of(place)


def _share(share: float) -> str:
    """A share in per cent; rounded to neither none nor all where it is neither."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return percent(share, 1)
