"""Libraries: how to install each, and how to fit the same problem with it, at its best settings.

A library is asked for a tree of depth ``max_depth`` or less (None: any) that minimises
``errors / rows + regularization * leaves``. What it cannot do is not asked of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What is asked for."""

    max_depth: int | None
    regularization: float
    time_limit: float
    n_jobs: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Library:
    """How to ask, and how to read the answer.

    Parameters
    ----------
    packages : tuple of str
        To install.
    make : callable
        ``make(task)`` is the estimator; it imports the library.
    proven, leaves : callable
        Of a fitted estimator: whether its search was completed; leaves of its tree.
    bound : callable
        Of a fitted estimator: its lower bound of ``errors / rows + regularization * leaves``.
    dtype : str
        Of the columns, as the library takes them without a conversion.
    depths, regularization : bool
        Whether it knows a depth limit, and a cost per leaf.
    unlimited : bool
        Whether it can do without a depth limit.
    warm : bool
        Whether it compiles at the first fit, which is not timed.
    """

    packages: tuple[str, ...]
    make: Callable[[Task], Any]
    proven: Callable[[Any], bool]
    leaves: Callable[[Any], int]
    bound: Callable[[Any], float] = lambda model: math.nan
    dtype: str = "int32"
    depths: bool = True
    regularization: bool = True
    unlimited: bool = False
    warm: bool = False

    def can(self, task: Task) -> bool:
        depth = self.unlimited if task.max_depth is None else self.depths
        return depth and (self.regularization or not task.regularization)


def _treeml(task: Task) -> Any:
    from treeml import OptimalTreeClassifier

    return OptimalTreeClassifier(**dataclasses.asdict(task))


def _streed(task: Task) -> Any:
    from pystreed import STreeDClassifier

    assert task.max_depth is not None
    limits = {
        "max_depth": task.max_depth,
        "max_num_nodes": 2**task.max_depth - 1,
        "time_limit": task.time_limit,
    }
    if not task.regularization:
        return STreeDClassifier("accuracy", **limits)
    return STreeDClassifier("cost-complex-accuracy", cost_complexity=task.regularization, **limits)


def _gosdt(task: Task) -> Any:
    from gosdt import GOSDTClassifier

    return GOSDTClassifier(
        regularization=task.regularization,
        allow_small_reg=True,
        depth_budget=task.max_depth,
        time_limit=math.ceil(task.time_limit),
    )


def _gosdt_leaves(model: Any) -> int:
    def leaves(node: Any) -> int:
        if not hasattr(node, "left_child"):
            return 1
        return leaves(node.left_child) + leaves(node.right_child)

    return leaves(model.trees_[0].tree)


def _pydl85(task: Task) -> Any:
    from pydl85 import DL85Classifier

    return DL85Classifier(
        max_depth=task.max_depth, min_sup=1, time_limit=math.ceil(task.time_limit)
    )


def _pydl85_leaves(model: Any) -> int:
    def leaves(node: dict) -> int:
        return leaves(node["left"]) + leaves(node["right"]) if "left" in node else 1

    return leaves(model.tree_)


def _pytrees(task: Task) -> Any:
    from pytrees import DL85Classifier

    return DL85Classifier(
        max_depth=task.max_depth,
        min_sup=1,
        max_time=float(task.time_limit),
        heuristic="information_gain",
    )


def _licketysplit(task: Task) -> Any:
    from licketysplit import LicketySPLITClassifier

    return LicketySPLITClassifier(lambda_leaf=task.regularization, depth_budget=task.max_depth)


def _imodels(task: Task) -> Any:
    from imodels import FastSmallTreeClassifier

    return FastSmallTreeClassifier(regularization=task.regularization, time_limit=task.time_limit)


LIBRARIES = {
    "treeml": Library(
        packages=(),
        make=_treeml,
        proven=lambda model: model.status_ == "optimal",
        leaves=lambda model: model.n_leaves_,
        bound=lambda model: model.lower_bound_,
        unlimited=True,
    ),
    "streed": Library(
        packages=("pystreed==1.4.0",),
        make=_streed,
        proven=lambda model: bool(model.fit_result.is_optimal()),
        leaves=lambda model: int(model.fit_result.tree_nodes()) + 1,
    ),
    "gosdt": Library(
        packages=("gosdt==1.0.4", "scikit-learn==1.6.1", "setuptools<81"),
        make=_gosdt,
        proven=lambda model: "CONVERGED" in str(model.result_.status),
        leaves=_gosdt_leaves,
        bound=lambda model: float(model.result_.lowerbound),
        dtype="bool",
        unlimited=True,
    ),
    "pydl8.5": Library(
        packages=("pydl8.5==0.1.8", "setuptools<81"),
        make=_pydl85,
        proven=lambda model: not model.timeout_,
        leaves=_pydl85_leaves,
        regularization=False,
    ),
    "pytrees-rs": Library(
        packages=("pytrees-rs==2.0.0",),
        make=_pytrees,
        proven=lambda model: model.status_ == "optimal",
        leaves=lambda model: int((model.tree_.children_left < 0).sum()),
        regularization=False,
    ),
    "licketysplit": Library(  # a heuristic: no proof
        packages=("licketysplit==0.2.1",),
        make=_licketysplit,
        proven=lambda model: False,
        leaves=lambda model: len(model.leaf_paths()),
        dtype="uint8",
    ),
    "imodels": Library(
        packages=("imodels==3.0.4", "numba", "six"),
        make=_imodels,
        proven=lambda model: bool(model.optimal_),
        leaves=lambda model: int(model.n_leaves_),
        bound=lambda model: float(model.lowerbound_),
        dtype="float64",
        depths=False,
        unlimited=True,
        warm=True,
    ),
}
