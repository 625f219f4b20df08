"""Models as inert data: predicates over columns, trees and scorecards, versioned JSON."""

from treeml.ir.predicate import LinearTerm, Predicate, Term
from treeml.ir.schema import SCHEMA_VERSION, Model, dump, load
from treeml.ir.scorecard import Scorecard, ScoreRow
from treeml.ir.tree import Tree

__all__ = [
    "SCHEMA_VERSION",
    "LinearTerm",
    "Model",
    "Predicate",
    "ScoreRow",
    "Scorecard",
    "Term",
    "Tree",
    "dump",
    "load",
]
