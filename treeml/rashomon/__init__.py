"""Rashomon sets: all nearly optimal models of a table, held without listing them."""

from treeml.rashomon.card_profile import CardChoice, point_ranges, risk_range, select_card
from treeml.rashomon.fairness import LeastGap, fairness_range, least_discriminatory
from treeml.rashomon.hypothesis_space import hypothesis_space
from treeml.rashomon.importance import ImportanceCloud, importance_cloud, importance_extent
from treeml.rashomon.importance_distribution import (
    ImportanceDistribution,
    importance_distribution,
)
from treeml.rashomon.probabilities import (
    ProbabilityRange,
    probability_discrepancy,
    probability_range,
    rashomon_capacity,
)
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
from treeml.rashomon.scorecard_set import ScorecardSet
from treeml.rashomon.selection import GroupCost, Selection, select
from treeml.rashomon.set import RashomonSet
from treeml.rashomon.several_algorithms import SeveralAlgorithms, several_algorithms

__all__ = [
    "CardChoice",
    "CurvePoint",
    "Discrepancy",
    "FeatureUse",
    "GroupCost",
    "ImportanceCloud",
    "ImportanceDistribution",
    "LeastGap",
    "PatternRatio",
    "ProbabilityRange",
    "Range",
    "RashomonCurve",
    "RashomonSet",
    "RatioResult",
    "Reliance",
    "RidgeVolume",
    "RowAgreement",
    "SampledRatio",
    "ScorecardSet",
    "Selection",
    "SeveralAlgorithms",
    "accuracy_range",
    "discrepancy",
    "fairness_range",
    "feature_use",
    "hypothesis_space",
    "importance_cloud",
    "importance_distribution",
    "importance_extent",
    "least_discriminatory",
    "pattern_ratio",
    "point_ranges",
    "probability_discrepancy",
    "probability_range",
    "rashomon_capacity",
    "rashomon_curve",
    "rashomon_ratio",
    "reliance_range",
    "ridge_volume",
    "risk_range",
    "row_agreement",
    "sampled_ratio",
    "score_range",
    "select",
    "select_card",
    "several_algorithms",
    "short_list",
]
