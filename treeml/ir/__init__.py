"""Models as inert data: predicates, trees, ensembles, scorecards, routed models, versioned JSON."""

from treeml.ir.action_tree import ActionTree
from treeml.ir.ensemble import TreeEnsemble
from treeml.ir.linear_map import LinearMap
from treeml.ir.nodes import TreeNodes
from treeml.ir.predicate import LinearForm, LinearTerm, Predicate, Term
from treeml.ir.regression_tree import RegressionTree
from treeml.ir.routed_model import RoutedModel
from treeml.ir.router import LinearRouter, RoutingTree
from treeml.ir.schema import SCHEMA_VERSION, Model, dump, load
from treeml.ir.scorecard import Scorecard, ScoreRow
from treeml.ir.sequence import SequenceModel, SequenceTree
from treeml.ir.tree import Tree
from treeml.ir.vote import TreeVote

__all__ = [
    "SCHEMA_VERSION",
    "ActionTree",
    "LinearForm",
    "LinearMap",
    "LinearRouter",
    "LinearTerm",
    "Model",
    "Predicate",
    "RegressionTree",
    "RoutedModel",
    "RoutingTree",
    "ScoreRow",
    "Scorecard",
    "SequenceModel",
    "SequenceTree",
    "Term",
    "Tree",
    "TreeEnsemble",
    "TreeNodes",
    "TreeVote",
    "dump",
    "load",
]
