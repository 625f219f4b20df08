"""Sequences of tokens: language models of trees, and programs as trees."""

from treeml.sequence import compile  # noqa: A004
from treeml.sequence.encoders import SequenceEncoder
from treeml.sequence.explain import ExpertShare, Explanation, NodeShare
from treeml.sequence.language import Language
from treeml.sequence.learner import LearnOptions, learn
from treeml.sequence.orders import learn_orders
from treeml.sequence.recipe import TreeRecipe
from treeml.sequence.tokens import Tokenizer, learn_tokenizer

__all__ = [
    "ExpertShare",
    "Explanation",
    "Language",
    "LearnOptions",
    "NodeShare",
    "SequenceEncoder",
    "Tokenizer",
    "TreeRecipe",
    "compile",
    "learn",
    "learn_orders",
    "learn_tokenizer",
]
