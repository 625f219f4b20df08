"""The simplest model that is provably as good, every alternative to it, and code to deploy."""

from treeml._core.control import SearchLimitWarning
from treeml._core.version import __version__
from treeml.binarize import Binarizer
from treeml.estimators import OptimalTreeClassifier, load

__all__ = ["Binarizer", "OptimalTreeClassifier", "SearchLimitWarning", "__version__", "load"]
