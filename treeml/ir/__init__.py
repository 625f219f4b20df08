"""Models as inert data: predicates over table columns, trees over predicates, versioned JSON."""

from treeml.ir.predicate import Predicate, Term
from treeml.ir.schema import SCHEMA_VERSION, dump, load
from treeml.ir.tree import Tree

__all__ = ["SCHEMA_VERSION", "Predicate", "Term", "Tree", "dump", "load"]
