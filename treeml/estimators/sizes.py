"""What estimators of fewest cuts have in common: trees as data, and what their proof is about."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from treeml._core.control import Control
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.certificate import SizeCertificate, hash_answers
from treeml.ir import Tree
from treeml.search import build_tree, class_counts
from treeml.search.ensemble import EnsembleResult, optimal_ensemble

__all__ = ["EASIER", "SizeProof", "fewest_cuts"]

EASIER = "fewer rows or cuts, or a larger error_budget, make the proof easier"


@dataclasses.dataclass(frozen=True, slots=True)
class SizeProof:
    """What a certificate is made from when it is asked for."""

    result: EnsembleResult
    dataset: BinaryDataset
    binarizer: Binarizer
    codes: np.ndarray
    sample_weight: np.ndarray | None
    class_weight: np.ndarray
    criterion: Literal["size", "max_size"]
    error_budget: float
    regularization: float | None
    max_cuts: int | None

    def certify(self) -> SizeCertificate:
        """The certificate."""
        dataset, result = self.dataset, self.result
        assert dataset.row_of is not None
        weights = dataset.weights
        answers = dataset.matrix()[dataset.row_of]
        difference = max(0.0, result.objective - result.lower_bound)
        return SizeCertificate(
            criterion=self.criterion,
            n_estimators=len(result.trees),
            objective=result.objective,
            lower_bound=result.lower_bound,
            gap=difference / result.objective if result.objective > 0 else 0.0,
            status=result.status,
            n_cuts=result.n_cuts,
            errors=result.errors,
            unavoidable=result.unavoidable,
            error_budget=float(self.error_budget),
            regularization=None if self.regularization is None else float(self.regularization),
            max_cuts=None if self.max_cuts is None else int(self.max_cuts),
            n_rows=len(self.codes),
            total=result.total,
            predicates=[predicate.to_dict() for predicate in self.binarizer.predicates_],
            columns=[column.to_dict() for column in self.binarizer.columns_],
            how=result.how,
            weight_grid="every row counts 1" if weights is None else weights.text,
            class_weight=self.class_weight.tolist(),
            data_hash=hash_answers(answers, self.codes, self.sample_weight, len(self.class_weight)),
            cuts=getattr(self.binarizer, "choice_", ""),
            seconds=result.seconds,
        )


def fewest_cuts(
    dataset: BinaryDataset,
    codes: np.ndarray,
    weights: np.ndarray | None,
    *,
    binarizer: Binarizer,
    classes: np.ndarray,
    n_estimators: int,
    control: Control,
    criterion: Literal["size", "max_size"] = "size",
    error_budget: float = 0.0,
    regularization: float | None = None,
    max_cuts: int | None = None,
    class_weight: np.ndarray | str | None = None,
) -> tuple[SizeProof, tuple[Tree, ...]]:
    """Search, and the trees as data with the rows of every node."""
    question: dict[str, Any] = {
        "criterion": criterion,
        "error_budget": error_budget,
        "regularization": regularization,
        "max_cuts": max_cuts,
    }
    of_class = _class_weights(class_weight, codes, len(classes), weights)
    errors = weights
    if class_weight is not None:
        errors = of_class[codes] * (1.0 if weights is None else weights)
    dataset = dataset.with_classes(codes, len(classes), errors)
    result = optimal_ensemble(dataset, n_estimators=n_estimators, control=control, **question)
    counts = class_counts(dataset, codes, len(classes), weights)
    trees = tuple(
        build_tree(
            nodes[:, :3],
            dataset,
            counts,
            columns=binarizer.columns_,
            predicate=binarizer.predicate,
            classes=classes,
            class_weight=of_class,
            labels=nodes[:, 3],
        )
        for nodes in result.trees
    )
    proof = SizeProof(result, dataset, binarizer, codes, weights, of_class, **question)
    return proof, trees


def _class_weights(
    class_weight: np.ndarray | str | None,
    codes: np.ndarray,
    n_classes: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Weight of an error on each class, shape (n_classes,)."""
    if class_weight is None:
        return np.ones(n_classes)
    if not isinstance(class_weight, str):
        return np.asarray(class_weight, dtype=np.float64)
    per_class = np.bincount(codes, weights, n_classes)
    present = per_class > 0
    out = np.zeros(n_classes)
    out[present] = per_class.sum() / (present.sum() * per_class[present])
    return out
