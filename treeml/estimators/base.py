"""What estimators whose model is one tree have in common: reading a table, answers, exports."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from treeml import export, predict
from treeml._core.table import Table
from treeml._core.validation import check_target, check_weights, estimator_table
from treeml.binarize import Binarizer
from treeml.binarize.dataset import BinaryDataset
from treeml.ir import ActionTree, RegressionTree, Tree, TreeNodes
from treeml.report.drawing import tree_html
from treeml.report.picture import TreePicture

__all__ = ["TreeBase", "TreeClassifierBase", "class_weight_array", "takes_tables"]


class TreeBase(BaseEstimator):
    """An estimator whose fitted model is one tree, ``tree_``: answers, words, exports."""

    n_features_in_: int

    def apply(self, X: Any) -> np.ndarray:
        """Node index of every row's leaf, shape (n_rows,)."""
        return predict.apply(self._fitted_tree(), self._table(X))

    def decision_path(self, X: Any) -> Any:
        """Sparse indicator matrix of the nodes that each row visits, shape (n_rows, n_nodes)."""
        return self._path(self._fitted_tree(), self.apply(X))

    @staticmethod
    def _path(tree: TreeNodes, leaf: np.ndarray) -> Any:
        """Indicator of the nodes above each leaf."""
        from scipy.sparse import csr_matrix

        parent = np.full(tree.n_nodes, -1)
        inner = np.flatnonzero(tree.predicate >= 0)
        parent[tree.if_true[inner]] = parent[tree.if_false[inner]] = inner
        rows, nodes = [np.arange(len(leaf))], [leaf.astype(np.intp)]
        while len(rows[-1]):
            above = parent[nodes[-1]]
            rows.append(rows[-1][above >= 0])
            nodes.append(above[above >= 0])
        at = (np.concatenate(rows), np.concatenate(nodes))
        ones = np.ones(len(at[0]), dtype=np.int64)
        return csr_matrix((ones, at), shape=(len(leaf), tree.n_nodes))

    def rules(self) -> Any:
        """One row a leaf, as a DataFrame: the rule in words, prediction and rows."""
        return export.rules(self._fitted_tree())

    def to_text(self) -> str:
        """The tree as indented questions."""
        return export.text(self._fitted_tree())

    def to_python(self, **options: Any) -> str:
        """A Python function without imports; options of `treeml.export.python`."""
        return export.python(self._fitted_tree(), **options)

    def to_sql(self, **options: Any) -> str:
        """An SQL expression or query; options (dialect, table, ...) of `treeml.export.sql`."""
        return export.sql(self._fitted_tree(), **options)

    def to_c(self, **options: Any) -> str:
        """C functions; options of `treeml.export.c`."""
        return export.c(self._fitted_tree(), **options)

    def plot(self, *, title: str = "Decision tree") -> TreePicture:
        """The tree as a picture that notebooks show; ``.save(path)`` writes SVG or HTML."""
        return TreePicture(self._fitted_tree(), title)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        if hasattr(self, "n_features_in_") and "text/html" in bundle:
            bundle["text/html"] += self._pictures()
        return bundle

    def _pictures(self) -> str:
        return tree_html(self._fitted_tree())

    def __sklearn_tags__(self) -> Any:
        return takes_tables(super().__sklearn_tags__())

    def _fitted_tree(self) -> Tree | RegressionTree | ActionTree:
        raise NotImplementedError

    def _table(self, X: Any) -> Table:
        return estimator_table(self, X, like=self._fitted_tree().columns)


def takes_tables(tags: Any) -> Any:
    """Tags of an estimator that reads missing values, strings and categories."""
    tags.input_tags.allow_nan = True
    tags.input_tags.string = True
    tags.input_tags.categorical = True
    return tags


def class_weight_array(class_weight: dict | str | None, classes: np.ndarray) -> Any:
    """A mapping of class weights as an array; "balanced" and None as they are.

    Raises
    ------
    ValueError
        Where it names a class that y does not have, or holds what is no weight.
    """
    if not isinstance(class_weight, dict):
        return class_weight
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(
            f"class_weight names the class {unknown[0]!r}; the classes of y are {labels}"
        )
    weights = np.array([float(class_weight.get(label, 1.0)) for label in labels])
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError("class_weight must hold finite numbers, 0 or above, and not only 0")
    return weights


class TreeClassifierBase(ClassifierMixin, TreeBase):
    """A classifier over the predicates of a table whose fitted model is ``tree_``.

    A subclass has the parameters ``binarizer`` and ``class_weight``, and a ``fit``.
    """

    binarizer: Binarizer | None
    class_weight: dict | str | None
    binarizer_: Binarizer
    classes_: np.ndarray

    @property
    def findings_(self) -> tuple:
        check_is_fitted(self, "binarizer_")
        return self.binarizer_.findings_

    def predict(self, X: Any) -> np.ndarray:
        """Class label of every row, shape (n_rows,)."""
        tree = self._fitted_tree()
        return tree.classes[tree.label[self.apply(X)]]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Share of every class in the row's leaf, weighted by class_weight; (n_rows, n_classes)."""
        return self._fitted_tree().node_proba[self.apply(X)]

    def _fitted_tree(self) -> Tree:
        raise NotImplementedError

    def _read(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[BinaryDataset, np.ndarray, np.ndarray | None]:
        """Columns, classes and weights of the rows of positive weight."""
        if self.binarizer is None and isinstance(X, np.ndarray) and X.ndim == 2 and X.size:
            packed = BinaryDataset.from_zero_one(X)
            if packed is not None:
                self.n_features_in_ = X.shape[1]
                vars(self).pop("feature_names_in_", None)  # of an earlier fit on a frame
                self.classes_, codes = check_target(y, len(X))
                weights = check_weights(sample_weight, len(X))
                self.binarizer_ = Binarizer().fit_zero_one(X.shape[1])
                if weights is not None and not weights.all():
                    kept = weights > 0
                    X, codes, weights = X[kept], codes[kept], weights[kept]
                    packed = BinaryDataset.from_zero_one(X)
                    assert packed is not None
                return packed, codes, weights
        given = self._default_binarizer() if self.binarizer is None else clone(self.binarizer)
        binarizer = cast(Binarizer, given)
        table = estimator_table(self, X, categorical_features=binarizer.categorical_features)
        self.classes_, codes = check_target(y, table.n_rows)
        weights = check_weights(sample_weight, table.n_rows)
        if weights is not None and not weights.all():
            kept = weights > 0
            table, codes, weights = table.take(kept), codes[kept], weights[kept]
        coded = binarizer.fit_encode(table, codes, sample_weight=weights)
        self.binarizer_ = binarizer
        self._check_size(table.n_rows, len(binarizer.intervals_))
        dataset = BinaryDataset.from_codes(
            coded, binarizer.intervals_, binarizer.predicates_, table.n_rows
        )
        return dataset, codes, weights

    def _check_size(self, n_rows: int, n_predicates: int) -> None:
        """Refuse what the search cannot do before it is packed; nothing is by default."""

    def _default_binarizer(self) -> Binarizer:
        return Binarizer()

    def _class_weight(self) -> np.ndarray | str | None:
        return class_weight_array(self.class_weight, self.classes_)
