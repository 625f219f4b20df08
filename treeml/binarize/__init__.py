"""Tables become yes/no questions: cuts of numbers, levels of categories, missing values."""

from treeml.binarize.binarizer import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.binarize.findings import Finding, TableWarning
from treeml.binarize.terms import CardTerms

__all__ = ["Binarizer", "BinaryDataset", "CardTerms", "Finding", "TableWarning"]
