"""Searches over a `BinaryDataset`: what they find, and how far it is from the best possible."""

from treeml.search.build import build_tree, class_counts
from treeml.search.optimal_tree import optimal_tree
from treeml.search.result import SearchResult

__all__ = ["SearchResult", "build_tree", "class_counts", "optimal_tree"]
