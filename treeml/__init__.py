"""The simplest model that is provably as good, every alternative to it, and code to deploy."""

from treeml._core.control import SearchLimitWarning
from treeml._core.version import __version__
from treeml.binarize import Binarizer
from treeml.estimators import (
    BoostedTreesClassifier,
    BoostedTreesRegressor,
    GreedyTreeClassifier,
    GreedyTreeRegressor,
    OptimalTreeClassifier,
    RashomonTreesClassifier,
    RiskScoreClassifier,
    ScoreConstraints,
    SLIMClassifier,
    SparseLogisticRegression,
    load,
)
from treeml.rashomon import RashomonSet

__all__ = [
    "Binarizer",
    "BoostedTreesClassifier",
    "BoostedTreesRegressor",
    "GreedyTreeClassifier",
    "GreedyTreeRegressor",
    "OptimalTreeClassifier",
    "RashomonSet",
    "RashomonTreesClassifier",
    "RiskScoreClassifier",
    "SLIMClassifier",
    "ScoreConstraints",
    "SearchLimitWarning",
    "SparseLogisticRegression",
    "__version__",
    "load",
]
