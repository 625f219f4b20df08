"""Linear experts and their routers; networks and routers as exact trees; distilled routers."""

from treeml.routing.distil import distil_router
from treeml.routing.exact_tree import ExactTree, exact_tree
from treeml.routing.routed_tree import RoutedTree

__all__ = ["ExactTree", "RoutedTree", "distil_router", "exact_tree"]
