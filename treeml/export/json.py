"""The versioned JSON of a model; `treeml.ir.load` reads it back."""

from __future__ import annotations

from typing import Any

from treeml.ir import Model, dump

__all__ = ["json"]


def json(model: Model, **extra: Any) -> str:
    """JSON text of a model.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, ActionTree, TreeEnsemble, Scorecard or RoutedModel
        The model.
    **extra : JSON values
        Entries that stand beside the model, such as a certificate.

    Returns
    -------
    str
        The document described in `treeml.ir.schema`.
    """
    return dump(model, **extra)
