"""The Rashomon report: one page that explains a set of nearly optimal trees, with an explorer."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.resources
import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from treeml import export
from treeml._core.table import Column, Table
from treeml._core.validation import as_table
from treeml.export.outcome import one_line
from treeml.ir import Tree
from treeml.ir.predicate import number_text
from treeml.rashomon.profile import RowAgreement, feature_use, row_agreement
from treeml.rashomon.set import RashomonSet, _below
from treeml.report import amount, class_colour, page, percent, tree_svg
from treeml.search.rashomon import Constraint

__all__ = ["report_html", "report_json"]

_VERSION = 1
_MOST_CONTESTED, _MOST_VALUES, _N_BINS, _MOST_GROUPS = 10, 12, 10, 12
_STOPPED = {
    "time_limit": "its time limit",
    "memory_limit": "its memory limit",
    "interrupted": "an interruption",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Member:
    """A member that the explorer lists; ``drawn`` if it is there by chance, not by its place."""

    place: int
    tree: Tree
    drawn: bool = False


def report_json(
    set_: RashomonSet,
    X: Any = None,
    y: Any = None,
    *,
    groups: Any = None,
    members: int = 200,
    random_state: Any = 0,
) -> dict[str, Any]:
    """All figures of the report as JSON data; numbers of trees are strings, of any length.

    Parameters
    ----------
    set_ : RashomonSet
        Not empty.
    X : table, shape (n_rows, n_columns), Table or None, default=None
        Rows to say on which of them members disagree, seen in training or not.
    y : array-like, shape (n_rows,), default=None
        The true classes of ``X``: adds the accuracy of each listed member on these rows.
    groups : array-like, shape (n_rows,), default=None
        A group of each row of ``X``, 2 to 12 different ones: adds the accuracy of each listed
        member in each group, and the largest difference between two.
    members : int, default=200
        Members that are listed. If the set has more, half are the first ones by objective and the
        others are drawn uniformly from the rest.
    random_state : int, RandomState or None, default=0
        Of the draw.

    Returns
    -------
    dict
        Sizes and bounds of the set; ``leaves``, ``simplest``, ``columns``, ``substitutes``,
        ``rows`` (None without ``X``), ``members`` in the order of their objective, ``measures``
        (one value for each member; ``limit`` where the explorer filters by it), ``differ`` (rows
        of ``X`` on which two members differ, for the pairs (0, 1), (0, 2), ..., (1, 2), ...; None
        without ``X``).

    Raises
    ------
    ValueError
        Where the set is empty, ``members`` is below 1, ``y`` or ``groups`` does not fit to ``X``,
        or the limits of the fit end a count.
    """
    table, truth = _table(set_, X, y)
    group = _groups(table, truth, groups)
    return _figures(set_, table, truth, group, _listed(set_, members, random_state))


def report_html(
    set_: RashomonSet,
    X: Any = None,
    y: Any = None,
    *,
    groups: Any = None,
    members: int = 200,
    random_state: Any = 0,
) -> str:
    """The report as one page that loads nothing; parameters and errors as in `report_json`.

    For 200 members of 4 to 8 leaves it has about 1.5 MB. Its policy (CSP) admits the script of
    the explorer by its hash, and no other.
    """
    table, truth = _table(set_, X, y)
    listed = _listed(set_, members, random_state)
    figures = _figures(set_, table, truth, _groups(table, truth, groups), listed)
    folder = importlib.resources.files("treeml.rashomon")
    script = folder.joinpath("report.js").read_text("utf-8")
    return page(
        "All trees that are nearly as good",
        template="report.html.j2",
        package="treeml.rashomon",
        kicker="treeml Rashomon report",
        subtitle=f"{_number(figures['count'])} decision "
        f"{'tree' if set_.count == 1 else 'trees'} for the answers {', '.join(figures['classes'])}",
        style=folder.joinpath("report.css").read_text("utf-8"),
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_embedded(figures),
        pictures=_embedded(_pictures([member.tree for member in listed])),
        simplest=tree_svg(next(iter(set_.simplest().values()))[1], title="The simplest member"),
        stopped=_STOPPED.get(set_.status, set_.status),
        figures=figures,
        number=_number,
        share=_share,
        amount=amount,
        percent=percent,
        colour=class_colour,
    )


def _table(set_: RashomonSet, X: Any, y: Any) -> tuple[Table | None, np.ndarray | None]:
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


def _groups(table: Table | None, truth: np.ndarray | None, groups: Any) -> np.ndarray | None:
    """The group of each row, as text."""
    if groups is None:
        return None
    if table is None or truth is None:
        raise ValueError(
            "groups are given without X and y: give the rows and classes of the groups"
        )
    group = np.array([str(name) for name in np.asarray(groups).ravel().tolist()], dtype=object)
    if len(group) != table.n_rows:
        raise ValueError(f"groups has {len(group)} values and X has {table.n_rows} rows")
    if not 2 <= len(set(group)) <= _MOST_GROUPS:
        raise ValueError(
            f"groups has {len(set(group))} different values; give 2 to {_MOST_GROUPS} groups"
        )
    return group


def _listed(set_: RashomonSet, members: int, random_state: Any) -> list[_Member]:
    """All members, or the first half of what is asked for and others drawn from the rest."""
    if members < 1:
        raise ValueError(f"members={members}: list at least one")
    first = set_.count if set_.count <= members else (members + 1) // 2
    listed = {place: _Member(place, set_[place]) for place in range(first)}
    random = check_random_state(random_state)
    while len(listed) < min(members, set_.count):
        place = _below(set_.count, random)
        if place not in listed:
            listed[place] = _Member(place, set_[place], drawn=True)
    return [listed[place] for place in sorted(listed)]


# Figures


def _figures(
    set_: RashomonSet,
    table: Table | None,
    truth: np.ndarray | None,
    group: np.ndarray | None,
    listed: list[_Member],
) -> dict[str, Any]:
    use = feature_use(set_)
    names = sorted(use.counts, key=lambda name: -use.counts[name])
    labels = [] if table is None else [member.tree.predict(table) for member in listed]
    return {
        "format": "treeml",
        "kind": "rashomon_report",
        "schema_version": _VERSION,
        **_bounds(set_),
        **_sizes(set_),
        "columns": [
            {"name": name, "count": str(use.counts[name]), "share": use.shares[name]}
            for name in names
        ],
        "must": list(use.must),
        "never": list(use.never),
        "not_asked": [c.name for c in set_.columns if c.name not in use.counts],
        "substitutes": [list(pair) for pair in use.substitutes],
        "rows": None if table is None else _rows(set_, table, truth, names),
        "members": [_member(set_, member, names) for member in listed],
        "measures": _measures(labels, truth, group),
        "differ": None if table is None else _differ(labels, set_.classes),
    }


def _bounds(set_: RashomonSet) -> dict[str, Any]:
    """How many members there are, and up to which objective."""
    return {
        "count": str(set_.count),
        "complete": set_.complete,
        "status": set_.status,
        "part": set_._constraint != Constraint(),
        "objective": set_.objective,
        "best": set_.objective_of(0),
        "bound": set_.bound,
        "regularization": set_.regularization,
        "max_depth": set_.max_depth,
        "n_questions": len(set_.predicates),
        "any_label": bool(set_._search.any_label),
        "classes": [str(name) for name in set_.classes.tolist()],
    }


def _sizes(set_: RashomonSet) -> dict[str, Any]:
    """Members by number of leaves, and the simplest one."""
    simplest = set_.simplest()
    objective, tree = next(iter(simplest.values()))
    return {
        "leaves": [
            {
                "leaves": leaves,
                "count": str(count),
                "share": float(Fraction(count, set_.count)),
                "objective": simplest[leaves][0],
            }
            for leaves, count in set_.by_leaves().items()
            if count
        ],
        "simplest": {"leaves": tree.n_leaves, "objective": objective, "rules": _rules(tree)},
    }


def _rows(
    set_: RashomonSet, table: Table, truth: np.ndarray | None, names: list[str]
) -> dict[str, Any]:
    """How far members agree on the rows, and the rows on which they agree least."""
    found = row_agreement(set_, table)
    chosen = found.most_contested(_MOST_CONTESTED)
    votes = set_.votes(table.take(chosen)) if len(chosen) else []
    columns = {column.type.name: column for column in table.columns}
    shown = [columns[name] for name in names if name in columns][:_MOST_VALUES]
    return {
        "n_rows": table.n_rows,
        "n_contested": int(found.contested.sum()),
        "ambiguity": found.ambiguity,
        "agreed": int((~found.contested).sum()),
        "consistency": _histogram(found),
        "contested": [
            {
                "row": row,
                "values": [[one_line(c.type.name), _cell(c, row)] for c in shown],
                "votes": [str(number) for number in votes[at]],
                "shares": found.shares[row].tolist(),
                "consistency": float(found.consistency[row]),
                "best": str(found.classes[found.label[row]]),
                "truth": None if truth is None else str(truth[row]),
            }
            for at, row in enumerate(chosen.tolist())
        ],
    }


def _histogram(found: RowAgreement) -> list[dict[str, Any]]:
    """Contested rows by consistency, in steps of a tenth, from the least one that occurs."""
    values = found.consistency[found.contested]
    bins = np.minimum((values * _N_BINS).astype(np.intp), _N_BINS - 1)
    counts = np.bincount(bins, minlength=_N_BINS).tolist()
    first = int(bins.min()) if len(bins) else _N_BINS
    return [
        {"from": k / _N_BINS, "to": (k + 1) / _N_BINS, "rows": counts[k]}
        for k in range(first, _N_BINS)
    ]


def _cell(column: Column, row: int) -> str:
    """What a row has in a column, in words."""
    if column.missing[row]:
        return "missing"
    value = column.values[row]
    text = str(value) if column.values.dtype == object else number_text(value)
    return one_line(f"{text} {column.type.unit}")


def _member(set_: RashomonSet, member: _Member, names: list[str]) -> dict[str, Any]:
    tree = member.tree
    return {
        "place": str(member.place),
        "drawn": member.drawn,
        "objective": set_.objective_of(member.place),
        "leaves": tree.n_leaves,
        "depth": int(tree.node_depth.max()),
        "uses": sorted({names.index(predicate.term.name) for predicate in tree.predicates}),
        "rules": _rules(tree),
    }


def _rules(tree: Tree) -> list[list[Any]]:
    """Rule, prediction, rows and share of every leaf, as `export.rules` has them."""
    frame = export.rules(tree)
    pairs = zip(frame["rule"], frame["prediction"], frame["rows"], frame["share"], strict=True)
    return [
        [rule, str(prediction), float(rows), None if math.isnan(share) else float(share)]
        for rule, prediction, rows, share in pairs
    ]


def _measures(
    labels: list[np.ndarray], truth: np.ndarray | None, group: np.ndarray | None
) -> list[dict[str, Any]]:
    """Columns of the explorer with a share for each member: accuracy, of groups, and their gap."""
    if truth is None or not labels:
        return []
    right = np.array([predicted == truth for predicted in labels])
    out: list[dict[str, Any]] = [
        {"name": "right on the rows", "values": right.mean(axis=1).tolist()}
    ]
    if group is None:
        return out
    by_group = []
    for name in sorted(set(group)):
        by_group.append(right[:, group == name].mean(axis=1))
        out.append({"name": f"right in {one_line(name)}", "values": by_group[-1].tolist()})
    gap = np.ptp(by_group, axis=0).tolist()
    out.append({"name": "gap between groups", "values": gap, "limit": True})
    return out


def _differ(labels: list[np.ndarray], classes: np.ndarray) -> list[int]:
    """Number of rows on which each pair of members differs."""
    alike = np.zeros((len(labels), len(labels)))
    n_rows = len(labels[0])
    for start in range(0, n_rows, 4096):
        part = np.array([predicted[start : start + 4096] for predicted in labels])
        for name in classes:
            same = (part == name).astype(np.float64)
            alike += same @ same.T
    return (n_rows - alike[np.triu_indices(len(labels), k=1)]).astype(np.int64).tolist()


# Page


def _pictures(trees: list[Tree]) -> dict[str, Any]:
    """Pictures as line numbers into one table of lines: most lines occur in many pictures."""
    lines: dict[str, int] = {}
    pictures = [
        [lines.setdefault(line, len(lines)) for line in tree_svg(tree).split("\n")]
        for tree in trees
    ]
    return {"lines": list(lines), "pictures": pictures}


def _embedded(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _number(count: str) -> str:
    """A number of trees for reading: all digits up to 15 of them."""
    if len(count) <= 15:
        return f"{int(count):,}"
    return f"about {count[0]}.{count[1:3]} × 10^{len(count) - 1}"


def _share(share: float) -> str:
    """A share of members in per cent; rounded to neither none nor all where it is neither."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return percent(share, 1)
