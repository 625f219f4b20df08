"""Sets of score cards as JSON: a description for other programs, and the file that reads back."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from treeml._core.table import ColumnType
from treeml.ir import LinearTerm, Predicate
from treeml.rashomon.card_members import CardMembers
from treeml.rashomon.card_profile import point_ranges
from treeml.rashomon.scorecard_set import ScorecardSet, TrainingRows

__all__ = ["describe", "read", "write"]

_VERSION = 1
_KIND = "scorecard_set"


def describe(cards: ScorecardSet, members: int) -> str:
    """Size, histogram, ranges of points and the first members."""
    shown = range(min(members, cards.count))
    return json.dumps(
        {
            "format": "treeml",
            "kind": f"{_KIND}_description",
            "schema_version": _VERSION,
            **_bounds(cards),
            "by_objective": [[o, n] for o, n in cards.by_objective().items()],
            "by_n_terms": [[k, n] for k, n in cards.by_n_terms().items()],
            "point_ranges": point_ranges(cards).to_dict("records") if cards else [],
            "members": [
                {"objective": cards.objective_of(i), "model": cards[i].to_dict()} for i in shown
            ],
        },
        indent=1,
        allow_nan=False,
    )


def write(cards: ScorecardSet) -> str:
    """Everything that the set is."""
    members, rows = cards.members, cards.rows
    plain = bool(((rows.values == 0) | (rows.values == 1)).all())
    return json.dumps(
        {
            "format": "treeml",
            "kind": _KIND,
            "schema_version": _VERSION,
            **_bounds(cards),
            "columns": [column.to_dict() for column in cards.columns],
            "terms": [term.to_dict() for term in cards.terms],
            "class_dtype": "object" if cards.classes.dtype == object else cards.classes.dtype.str,
            "width": members.terms.shape[1],
            "member_terms": _text(members.terms),
            "member_points": _text(members.points),
            "intercepts": _text(members.intercepts),
            "scales": _text(members.scales),
            "objectives": _text(members.objectives),
            "zero_one": plain,
            "row_values": _text(rows.values.astype(np.uint8) if plain else rows.values),
            "row_counts": _text(rows.counts),
        },
        allow_nan=False,
    )


def read(text: str) -> ScorecardSet:
    """Inverse of `write`."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a set of score cards: not JSON ({error})") from error
    if not isinstance(data, dict) or data.get("kind") != _KIND:
        raise ValueError(
            f'not a set of score cards of treeml: the entry "kind": "{_KIND}" is missing'
        )
    if data["schema_version"] > _VERSION:
        raise ValueError(
            f"schema_version {data['schema_version']} is newer than {_VERSION}, the newest that "
            "this release reads; upgrade treeml"
        )
    columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
    terms = tuple(
        (Predicate if "test" in term else LinearTerm).from_dict(term, columns)
        for term in data["terms"]
    )
    objectives = _array(data["objectives"], np.float64)
    shape = (len(objectives), data["width"])
    values = _array(data["row_values"], np.uint8 if data["zero_one"] else np.float64)
    counts = _array(data["row_counts"], np.float64).reshape(-1, 2)
    return ScorecardSet(
        CardMembers(
            _array(data["member_terms"], np.int32).reshape(shape),
            _array(data["member_points"], np.int32).reshape(shape),
            _array(data["intercepts"], np.float64),
            _array(data["scales"], np.float64),
            objectives,
        ),
        criterion=data["criterion"],
        terms=terms,
        columns=columns,
        classes=np.asarray(data["classes"], dtype=np.dtype(data["class_dtype"])),
        rows=TrainingRows(values.astype(np.float64).reshape(len(counts), -1), counts),
        objective=data["objective"],
        bound=data["bound"],
        proven_bound=data["proven_bound"],
        free_scale=data["free_scale"],
        drop_trivial=data["drop_trivial"],
        complete=data["complete"],
        status=data["status"],
    )


def _bounds(cards: ScorecardSet) -> dict[str, Any]:
    return {
        "criterion": cards.criterion,
        "classes": cards.classes.tolist(),
        "count": cards.count,
        "complete": cards.complete,
        "status": cards.status,
        "objective": cards.objective,
        "bound": cards.bound,
        "proven_bound": cards.proven_bound,
        "free_scale": cards.free_scale,
        "drop_trivial": cards.drop_trivial,
    }


def _text(array: np.ndarray) -> str:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def _array(text: str, dtype: Any) -> np.ndarray:
    little = np.frombuffer(base64.b64decode(text), dtype=np.dtype(dtype).newbyteorder("<"))
    return little.astype(dtype)
