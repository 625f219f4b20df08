"""The versioned JSON of a model; `treeml.ir.load` reads it back."""

from __future__ import annotations

from typing import Any

from treeml.ir import Tree, dump

__all__ = ["json"]


def json(tree: Tree, **extra: Any) -> str:
    """JSON text of a tree.

    Parameters
    ----------
    tree : Tree
        The model.
    **extra : JSON values
        Entries that stand beside the model, such as a certificate.

    Returns
    -------
    str
        The document described in `treeml.ir.schema`.
    """
    return dump(tree, **extra)
