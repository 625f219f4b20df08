"""Versioned JSON: the one format in which models are kept and exchanged."""

from __future__ import annotations

import json
from typing import Any

from treeml.ir.action_tree import ActionTree
from treeml.ir.ensemble import TreeEnsemble
from treeml.ir.regression_tree import RegressionTree
from treeml.ir.routed_model import RoutedModel
from treeml.ir.scorecard import Scorecard
from treeml.ir.sequence import SequenceModel
from treeml.ir.tree import Tree
from treeml.ir.vote import TreeVote

SCHEMA_VERSION = 1

__all__ = ["SCHEMA_VERSION", "Model", "dump", "load"]

# What exporters read; a language model has its own ways out.
Model = Tree | RegressionTree | TreeVote | ActionTree | TreeEnsemble | Scorecard | RoutedModel

_KINDS = {
    "action_tree": ActionTree,
    "regression_tree": RegressionTree,
    "routed_model": RoutedModel,
    "scorecard": Scorecard,
    "sequence_model": SequenceModel,
    "tree": Tree,
    "tree_ensemble": TreeEnsemble,
    "tree_vote": TreeVote,
}


def dump(model: Model | SequenceModel, **extra: Any) -> str:
    """JSON text of a model; ``extra`` entries (certificate, estimator) stand beside it."""
    document = {"format": "treeml", "schema_version": SCHEMA_VERSION, "model": model.to_dict()}
    return json.dumps(extra | document, indent=1, allow_nan=False)


def load(text: str) -> tuple[Model | SequenceModel, dict[str, Any]]:
    """The model and the other entries of a JSON text.

    Raises
    ------
    ValueError
        Where the text is not JSON, not of treeml, of a newer schema or of an unknown kind.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a treeml model: not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != "treeml":
        raise ValueError('not a treeml model: the entry "format": "treeml" is missing')
    version = document.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ValueError(
            f"schema_version {version!r} is newer than {SCHEMA_VERSION}, the newest that this "
            "release reads; upgrade treeml"
        )
    model = document.get("model")
    kind = model.get("kind") if isinstance(model, dict) else None
    if kind not in _KINDS:
        raise ValueError(f"model kind {kind!r} is not one of {sorted(_KINDS)}")
    extra = {k: v for k, v in document.items() if k not in ("format", "schema_version", "model")}
    return _KINDS[kind].from_dict(document["model"]), extra
