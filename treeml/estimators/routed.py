"""Routed models behind the methods that estimators have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from treeml import export, ir, predict
from treeml._core.table import Table
from treeml._core.validation import as_table
from treeml.ir import RoutedModel
from treeml.report.picture import TreePicture

__all__ = ["RoutedBase", "RoutedPredictor"]


class RoutedBase(BaseEstimator):
    """An estimator whose fitted model is linear experts behind a router: answers, words, exports.

    What derives from it has `_fitted_model`.
    """

    def predict(self, X: Any) -> np.ndarray:
        """Class label or number of every row, shape (n_rows,); (n_rows, n_outputs) for several."""
        return predict.predict(self._fitted_model(), self._table(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes).

        Raises
        ------
        ValueError
            For a model that predicts numbers.
        """
        return predict.predict_proba(self._fitted_model(), self._table(X))

    def route(self, X: Any) -> np.ndarray:
        """The expert that answers for every row, shape (n_rows,), int32."""
        return predict.route(self._fitted_model(), self._table(X))

    def rules(self) -> Any:
        """One row a leaf, or an expert with a score, as a DataFrame."""
        return export.rules(self._fitted_model())

    def to_text(self) -> str:
        """Questions or scores, and what each expert says."""
        return export.text(self._fitted_model())

    def to_python(self, **options: Any) -> str:
        """A Python function; options of `treeml.export.python`."""
        return export.python(self._fitted_model(), **options)

    def to_sql(self, **options: Any) -> str:
        """An SQL expression or query; options (dialect, table, ...) of `treeml.export.sql`."""
        return export.sql(self._fitted_model(), **options)

    def to_c(self, **options: Any) -> str:
        """C functions; options of `treeml.export.c`."""
        return export.c(self._fitted_model(), **options)

    def plot(self, *, title: str = "Decision tree") -> TreePicture:
        """The tree of the router as a picture; ``.save(path)`` writes SVG or HTML."""
        return TreePicture(self._fitted_model(), title)

    def _fitted_model(self) -> RoutedModel:
        raise NotImplementedError

    def _table(self, X: Any) -> Table:
        return as_table(X, like=self._fitted_model().columns)


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
