"""Language models of trees: tokens, learned orders, growth, path weights, mixtures, rules."""

from treeml.sequence.explain import ExpertShare, Explanation, NodeShare
from treeml.sequence.language import Language, LearnOptions, learn
from treeml.sequence.orders import learn_orders
from treeml.sequence.recipe import TreeRecipe
from treeml.sequence.tokens import Tokenizer, learn_tokenizer

__all__ = [
    "ExpertShare",
    "Explanation",
    "Language",
    "LearnOptions",
    "NodeShare",
    "Tokenizer",
    "TreeRecipe",
    "learn",
    "learn_orders",
    "learn_tokenizer",
]
