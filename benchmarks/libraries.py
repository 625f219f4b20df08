"""Libraries: how to install each, and how to fit the same problem with it."""

from __future__ import annotations

from typing import Any


def streed(max_depth: int, regularization: float, time_limit: float) -> Any:
    from pystreed import STreeDClassifier

    limits = {"max_depth": max_depth, "max_num_nodes": 2**max_depth - 1, "time_limit": time_limit}
    if regularization:
        return STreeDClassifier("cost-complex-accuracy", cost_complexity=regularization, **limits)
    return STreeDClassifier("accuracy", **limits)


def treeml(max_depth: int, regularization: float, time_limit: float) -> Any:
    from treeml import OptimalTreeClassifier

    return OptimalTreeClassifier(
        max_depth=max_depth, regularization=regularization, time_limit=time_limit
    )


def leaves(model: Any) -> int:
    """Leaves of a fitted tree of any of the libraries."""
    if hasattr(model, "n_leaves_"):
        return int(model.n_leaves_)
    return int(model.fit_result.tree_nodes()) + 1


LIBRARIES = {"treeml": treeml, "streed": streed}
PACKAGES = {"streed": ["pystreed==1.4.0"]}
