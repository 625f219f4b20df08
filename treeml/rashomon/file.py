"""Rashomon sets as JSON: a description for other programs, and the file that reads back."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import numpy as np

from treeml._core.control import Control
from treeml._core.table import ColumnType
from treeml.binarize.dataset import BinaryDataset
from treeml.ir import Predicate, Tree
from treeml.rashomon.set import RashomonSet
from treeml.search.rashomon import Constraint, RashomonSearch

__all__ = ["describe", "read", "write"]

_VERSION = 1


def describe(trees: RashomonSet, listed: list[tuple[float, Tree]]) -> str:
    """Size, histogram and some members. Numbers of trees are strings: they may be long."""
    search = trees._search
    return json.dumps(
        {
            "format": "treeml",
            "kind": "rashomon_set_description",
            "schema_version": _VERSION,
            "count": str(trees.count),
            "complete": trees.complete,
            "status": trees.status,
            "objective": None if search.optimum is None else trees.objective,
            "bound": trees.bound,
            "regularization": trees.regularization,
            "max_depth": trees.max_depth,
            "min_samples_leaf": search.min_samples_leaf,
            "labels": "any" if search.any_label else "majority",
            "drop_trivial": search.drop_trivial,
            "by_objective": [[o, str(n)] for o, n in trees.by_objective().items()],
            "members": [{"objective": o, "model": tree.to_dict()} for o, tree in listed],
        },
        indent=1,
        allow_nan=False,
    )


def write(trees: RashomonSet) -> str:
    """Everything that the set is counted from, and its histogram."""
    search, dataset = trees._search, trees._search.dataset
    constraint = trees._constraint
    return json.dumps(
        {
            "format": "treeml",
            "kind": "rashomon_set",
            "schema_version": _VERSION,
            "columns": [column.to_dict() for column in trees.columns],
            "predicates": [predicate.to_dict() for predicate in trees.predicates],
            "classes": trees.classes.tolist(),
            "class_dtype": "object" if trees.classes.dtype == object else trees.classes.dtype.str,
            "n_rows": dataset.n_rows,
            "packed_columns": _text(dataset.columns),
            "statistics": _text(dataset.statistics),
            "class_counts": _text(trees._class_counts.astype(np.float64)),
            "search": {
                name: getattr(search, name)
                for name in (
                    *("max_depth", "min_samples_leaf", "any_label", "drop_trivial"),
                    *("total", "leaf_cost", "optimum"),
                )
            },
            "weights": search.weights.tolist(),
            "class_weight": search.class_weight.tolist(),
            "budget": trees._budget,
            "levels": [[cost, part, str(number)] for cost, part, number in trees._levels],
            "complete": trees.complete,
            "status": trees.status,
            "constraint": {
                "excluded": sorted(constraint.excluded),
                "required": [sorted(columns) for columns in constraint.required],
                "max_leaf_nodes": constraint.max_leaf_nodes,
                "max_depth": constraint.max_depth,
            },
            "time_limit": trees._control.time_limit,
            "memory_limit": trees._control.memory_limit,
        },
        allow_nan=False,
    )


def read(text: str) -> RashomonSet:
    """Inverse of `write`."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a Rashomon set: not JSON ({error})") from error
    if not isinstance(data, dict) or data.get("kind") != "rashomon_set":
        raise ValueError(
            'not a Rashomon set of treeml: the entry "kind": "rashomon_set" is missing'
        )
    if data["schema_version"] > _VERSION:
        raise ValueError(
            f"schema_version {data['schema_version']} is newer than {_VERSION}, the newest that "
            "this release reads; upgrade treeml"
        )
    columns = tuple(ColumnType.from_dict(column) for column in data["columns"])
    predicates = tuple(Predicate.from_dict(p, columns) for p in data["predicates"])
    n_classes = len(data["classes"])
    dataset = BinaryDataset(
        predicates,
        _array(data["packed_columns"], np.uint64).reshape(len(predicates), -1),
        data["n_rows"],
        None,
        _array(data["statistics"], np.int64).reshape(n_classes + 1, -1),
    )
    search = RashomonSearch.__new__(RashomonSearch)
    for name, value in data["search"].items():
        setattr(search, name, value)
    search.dataset = dataset
    search.weights = np.array(data["weights"], dtype=np.int64)
    search.class_weight = np.array(data["class_weight"], dtype=np.float64)
    search._native = None
    constraint = data["constraint"]
    trees = RashomonSet(
        search,
        data["budget"],
        None,
        class_counts=_array(data["class_counts"], np.float64).reshape(-1, n_classes),
        columns=columns,
        predicates=functools.partial(tuple, predicates),
        classes=np.asarray(data["classes"], dtype=np.dtype(data["class_dtype"])),
        control=Control(time_limit=data["time_limit"], memory_limit=data["memory_limit"]),
        complete=data["complete"],
        status=data["status"],
        constraint=Constraint(
            excluded=frozenset(constraint["excluded"]),
            required=tuple(frozenset(columns) for columns in constraint["required"]),
            max_leaf_nodes=constraint["max_leaf_nodes"],
            max_depth=constraint["max_depth"],
        ),
    )
    trees._set_levels([(cost, part, int(number)) for cost, part, number in data["levels"]])
    return trees


def _text(array: np.ndarray) -> str:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def _array(text: str, dtype: Any) -> np.ndarray:
    little = np.frombuffer(base64.b64decode(text), dtype=np.dtype(dtype).newbyteorder("<"))
    return little.astype(dtype)
