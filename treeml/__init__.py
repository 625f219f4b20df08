"""The simplest model that is provably as good, every alternative to it, and code to deploy."""

from treeml._core.control import SearchLimitWarning
from treeml._core.version import __version__
from treeml.binarize import Binarizer
from treeml.estimators import (
    ARDTClassifier,
    ARDTLanguageModel,
    BoostedTreesClassifier,
    BoostedTreesRegressor,
    EvolvedTreeClassifier,
    EvolvedTreeRegressor,
    GreedyTreeClassifier,
    GreedyTreeRegressor,
    LinearTreeClassifier,
    LinearTreeRegressor,
    OptimalTreeClassifier,
    OptimalTreeEnsembleClassifier,
    PolicyTreeClassifier,
    RashomonScorecardsClassifier,
    RashomonTreesClassifier,
    RiskScoreClassifier,
    RouterTree,
    ScoreConstraints,
    SLIMClassifier,
    SMOSEClassifier,
    SMOSERegressor,
    SparseLogisticRegression,
    load,
)
from treeml.rashomon import RashomonSet, ScorecardSet
from treeml.search.proposers import CallableProposer, GeneticProposer, ReplayProposer
from treeml.sequence import compile  # noqa: A004

__all__ = [
    "ARDTClassifier",
    "ARDTLanguageModel",
    "Binarizer",
    "BoostedTreesClassifier",
    "BoostedTreesRegressor",
    "CallableProposer",
    "EvolvedTreeClassifier",
    "EvolvedTreeRegressor",
    "GeneticProposer",
    "GreedyTreeClassifier",
    "GreedyTreeRegressor",
    "LinearTreeClassifier",
    "LinearTreeRegressor",
    "OptimalTreeClassifier",
    "OptimalTreeEnsembleClassifier",
    "PolicyTreeClassifier",
    "RashomonScorecardsClassifier",
    "RashomonSet",
    "RashomonTreesClassifier",
    "ReplayProposer",
    "RiskScoreClassifier",
    "RouterTree",
    "SLIMClassifier",
    "SMOSEClassifier",
    "SMOSERegressor",
    "ScoreConstraints",
    "ScorecardSet",
    "SearchLimitWarning",
    "SparseLogisticRegression",
    "__version__",
    "compile",
    "load",
]
