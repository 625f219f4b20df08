"""Rashomon sets: all nearly optimal models of a table, held without listing them."""

from treeml.rashomon.hypothesis_space import hypothesis_space
from treeml.rashomon.profile import (
    FeatureUse,
    RowAgreement,
    feature_use,
    row_agreement,
    short_list,
)
from treeml.rashomon.ratio import (
    CurvePoint,
    PatternRatio,
    RashomonCurve,
    RatioResult,
    pattern_ratio,
    rashomon_curve,
    rashomon_ratio,
)
from treeml.rashomon.ridge_volume import RidgeVolume, ridge_volume
from treeml.rashomon.sampled_ratio import SampledRatio, sampled_ratio
from treeml.rashomon.set import RashomonSet
from treeml.rashomon.several_algorithms import SeveralAlgorithms, several_algorithms

__all__ = [
    "CurvePoint",
    "FeatureUse",
    "PatternRatio",
    "RashomonCurve",
    "RashomonSet",
    "RatioResult",
    "RidgeVolume",
    "RowAgreement",
    "SampledRatio",
    "SeveralAlgorithms",
    "feature_use",
    "hypothesis_space",
    "pattern_ratio",
    "rashomon_curve",
    "rashomon_ratio",
    "ridge_volume",
    "row_agreement",
    "sampled_ratio",
    "several_algorithms",
    "short_list",
]
