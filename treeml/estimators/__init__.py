"""Estimators with scikit-learn's API: thin, the work is done in the stages below."""

from treeml.estimators.autoregressive import ARDTLanguageModel
from treeml.estimators.boosted import BoostedTreesClassifier, BoostedTreesRegressor
from treeml.estimators.ensemble import OptimalTreeEnsembleClassifier
from treeml.estimators.evolved import EvolvedTreeClassifier
from treeml.estimators.evolved_regressor import EvolvedTreeRegressor
from treeml.estimators.greedy import GreedyTreeClassifier, GreedyTreeRegressor
from treeml.estimators.linear_tree import LinearTreeClassifier, LinearTreeRegressor
from treeml.estimators.load import load
from treeml.estimators.mixture import SMOSEClassifier, SMOSERegressor
from treeml.estimators.policy import PolicyTreeClassifier
from treeml.estimators.rashomon import RashomonTreesClassifier
from treeml.estimators.rashomon_cards import RashomonScorecardsClassifier
from treeml.estimators.router import RouterTree
from treeml.estimators.score_constraints import ScoreConstraints
from treeml.estimators.scoring import RiskScoreClassifier, SLIMClassifier
from treeml.estimators.sparse_logistic import SparseLogisticRegression
from treeml.estimators.trace_classifier import ARDTClassifier
from treeml.estimators.tree import OptimalTreeClassifier

__all__ = [
    "ARDTClassifier",
    "ARDTLanguageModel",
    "BoostedTreesClassifier",
    "BoostedTreesRegressor",
    "EvolvedTreeClassifier",
    "EvolvedTreeRegressor",
    "GreedyTreeClassifier",
    "GreedyTreeRegressor",
    "LinearTreeClassifier",
    "LinearTreeRegressor",
    "OptimalTreeClassifier",
    "OptimalTreeEnsembleClassifier",
    "PolicyTreeClassifier",
    "RashomonScorecardsClassifier",
    "RashomonTreesClassifier",
    "RiskScoreClassifier",
    "RouterTree",
    "SLIMClassifier",
    "SMOSEClassifier",
    "SMOSERegressor",
    "ScoreConstraints",
    "SparseLogisticRegression",
    "load",
]
