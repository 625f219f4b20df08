"""Searches for trees and scorecards: what they find, and how far it is from the best possible."""

from treeml.search.build import build_action_tree, build_tree, class_counts
from treeml.search.card_constraints import CardConstraints
from treeml.search.card_result import CardResult
from treeml.search.cost_matrix import cost_matrix_tree
from treeml.search.cost_tree import CostGrid, cost_grid, cost_sums, cost_tree
from treeml.search.optimal_tree import optimal_tree
from treeml.search.result import SearchResult
from treeml.search.risk_score import best_subset, risk_score
from treeml.search.slim import slim

__all__ = [
    "CardConstraints",
    "CardResult",
    "CostGrid",
    "SearchResult",
    "best_subset",
    "build_action_tree",
    "build_tree",
    "class_counts",
    "cost_grid",
    "cost_matrix_tree",
    "cost_sums",
    "cost_tree",
    "optimal_tree",
    "risk_score",
    "slim",
]
