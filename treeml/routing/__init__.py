"""Linear experts and their routers; networks and routers as exact trees."""

from treeml.routing.exact_tree import ExactTree, exact_tree

__all__ = ["ExactTree", "exact_tree"]
