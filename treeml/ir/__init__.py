"""Models as inert data: predicates, trees, ensembles and scorecards, versioned JSON."""

from treeml.ir.ensemble import TreeEnsemble
from treeml.ir.nodes import TreeNodes
from treeml.ir.predicate import LinearTerm, Predicate, Term
from treeml.ir.regression_tree import RegressionTree
from treeml.ir.schema import SCHEMA_VERSION, Model, dump, load
from treeml.ir.scorecard import Scorecard, ScoreRow
from treeml.ir.tree import Tree

__all__ = [
    "SCHEMA_VERSION",
    "LinearTerm",
    "Model",
    "Predicate",
    "RegressionTree",
    "ScoreRow",
    "Scorecard",
    "Term",
    "Tree",
    "TreeEnsemble",
    "TreeNodes",
    "dump",
    "load",
]
