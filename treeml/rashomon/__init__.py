"""Rashomon sets: all nearly optimal models of a table, held without listing them."""

from treeml.rashomon.profile import (
    FeatureUse,
    RowAgreement,
    feature_use,
    row_agreement,
    short_list,
)
from treeml.rashomon.set import RashomonSet

__all__ = [
    "FeatureUse",
    "RashomonSet",
    "RowAgreement",
    "feature_use",
    "row_agreement",
    "short_list",
]
