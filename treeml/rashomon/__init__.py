"""Rashomon sets: all nearly optimal models of a table, held without listing them."""

from treeml.rashomon.fairness import LeastGap, fairness_range, least_discriminatory
from treeml.rashomon.hypothesis_space import hypothesis_space
from treeml.rashomon.profile import (
    FeatureUse,
    RowAgreement,
    feature_use,
    row_agreement,
    short_list,
)
from treeml.rashomon.ranges import (
    Discrepancy,
    Range,
    Reliance,
    accuracy_range,
    discrepancy,
    reliance_range,
    score_range,
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
    "Discrepancy",
    "FeatureUse",
    "LeastGap",
    "PatternRatio",
    "Range",
    "RashomonCurve",
    "RashomonSet",
    "RatioResult",
    "Reliance",
    "RidgeVolume",
    "RowAgreement",
    "SampledRatio",
    "SeveralAlgorithms",
    "accuracy_range",
    "discrepancy",
    "fairness_range",
    "feature_use",
    "hypothesis_space",
    "least_discriminatory",
    "pattern_ratio",
    "rashomon_curve",
    "rashomon_ratio",
    "reliance_range",
    "ridge_volume",
    "row_agreement",
    "sampled_ratio",
    "score_range",
    "several_algorithms",
    "short_list",
]
