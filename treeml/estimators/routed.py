"""Routed models behind the methods that estimators have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from treeml import ir
from treeml.ir import RoutedModel
from treeml.routing.answers import RoutedAnswers

__all__ = ["RoutedBase", "RoutedPredictor"]


class RoutedBase(RoutedAnswers, BaseEstimator):
    """An estimator whose fitted model is linear experts behind a router: answers, words, exports.

    What derives from it has `_fitted_model`.
    """


class RoutedPredictor(RoutedBase):
    """A routed model that predicts tables, such as one read from a file; it cannot be fitted.

    Parameters
    ----------
    model : RoutedModel
        The model.
    """

    def __init__(self, model: RoutedModel) -> None:
        self.model = model

    @property
    def classes_(self) -> np.ndarray:
        """The class labels.

        Raises
        ------
        AttributeError
            For a model that predicts numbers.
        """
        if self.model.classes is None:
            raise AttributeError("a model that predicts numbers has no classes_")
        return self.model.classes

    @property
    def n_features_in_(self) -> int:
        return len(self.model.columns)

    def to_json(self) -> str:
        """The model as JSON, which `treeml.load` reads."""
        return ir.dump(self.model)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def _fitted_model(self) -> RoutedModel:
        return self.model
