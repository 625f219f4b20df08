"""Estimators to JSON and back: the one format in which fitted models are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from treeml import ir
from treeml.certificate import Certificate

if TYPE_CHECKING:
    from treeml.estimators.tree import OptimalTreeClassifier

__all__ = ["load", "loads", "write"]


def write(model: OptimalTreeClassifier) -> str:
    """JSON of a fitted estimator: the tree, its certificate and what it was fitted with."""
    return ir.dump(
        model._fitted_tree(),
        certificate=model.certificate_.to_dict(),
        estimator={"name": type(model).__name__, "named": hasattr(model, "feature_names_in_")},
    )


def load(path: str | Path) -> OptimalTreeClassifier:
    """Read a model that ``save`` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    OptimalTreeClassifier
        Predicts, explains and exports as the saved one did; the training data are not in it.

    Raises
    ------
    OSError
        Where the file cannot be read.
    ValueError
        Where it holds no model of this release or an older one.
    """
    return loads(Path(path).read_text(encoding="utf-8"))


def loads(text: str) -> OptimalTreeClassifier:
    """`load` from the text itself."""
    from treeml.estimators.tree import OptimalTreeClassifier

    tree, extra = ir.load(text)
    if "certificate" not in extra:
        raise ValueError("the model has no certificate; read it with treeml.ir.load")
    certificate = Certificate.from_dict(extra["certificate"])
    weights = certificate.class_weight
    model: Any = OptimalTreeClassifier(
        max_depth=certificate.max_depth,
        max_leaf_nodes=certificate.max_leaf_nodes,
        regularization=certificate.regularization,
        min_samples_leaf=certificate.min_samples_leaf,
        class_weight=None
        if len(set(weights)) == 1
        else dict(zip(tree.classes.tolist(), weights, strict=True)),
    )
    model.tree_ = tree
    model.classes_ = tree.classes
    model.objective_ = certificate.objective
    model.lower_bound_ = certificate.lower_bound
    model.gap_ = certificate.gap
    model.status_ = certificate.status
    model.n_leaves_ = tree.n_leaves
    model.n_features_in_ = len(tree.columns)
    if extra.get("estimator", {}).get("named", True):
        model.feature_names_in_ = np.array([c.name for c in tree.columns], dtype=object)
    model._certificate = certificate
    model._proof = None
    return model
