"""Estimators with scikit-learn's API: thin, the work is done in the stages below."""

from treeml.estimators.load import load
from treeml.estimators.rashomon import RashomonTreesClassifier
from treeml.estimators.tree import OptimalTreeClassifier

__all__ = ["OptimalTreeClassifier", "RashomonTreesClassifier", "load"]
