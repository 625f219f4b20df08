"""Answers, words and exports of whatever has a routed model."""

from __future__ import annotations

from typing import Any

import numpy as np

from treeml import export, predict
from treeml._core.table import Table
from treeml._core.validation import as_table
from treeml.ir import RoutedModel
from treeml.report.picture import TreePicture

__all__ = ["RoutedAnswers"]


class RoutedAnswers:
    """Answers for tables, words, exports and a picture of linear experts behind a router.

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
