"""Models whose tree can be told exactly, read as layers of a network or as linear scores."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from treeml._core.table import ColumnType
from treeml.ir import LinearMap, LinearRouter, RoutedModel
from treeml.ir.routed_model import RoutedLink

Layer = tuple[np.ndarray, np.ndarray]

__all__ = ["Network", "Scores", "read_bounds", "read_model"]


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """ReLU layers and a linear last one.

    Parameters
    ----------
    columns : tuple of ColumnType
        The inputs.
    layers : list of (ndarray, ndarray)
        Weights, shape (n_inputs, n_units), and biases, shape (n_units,), of every layer.
    link : {"identity", "logistic", "softmax"}
        What the outputs mean.
    classes : ndarray or None
    """

    columns: tuple[ColumnType, ...]
    layers: list[Layer]
    link: RoutedLink = "identity"
    classes: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """Linear scores, the greatest of which decides.

    Parameters
    ----------
    router : LinearRouter
        The scores.
    model : RoutedModel or None
        The experts behind them; None where the winner is a class.
    classes : ndarray or None
        The classes that win.
    """

    router: LinearRouter
    model: RoutedModel | None = None
    classes: np.ndarray | None = None


def read_model(model: Any) -> Network | Scores:
    """A model as a network or as scores.

    Raises
    ------
    ValueError
        Where its numbers are not finite or do not fit each other, or it is another kind of
        function.
    """
    if isinstance(model, RoutedModel):
        if not isinstance(model.router, LinearRouter):
            raise ValueError("the router of this model is a tree already")
        return Scores(model.router, model)
    if isinstance(model, LinearRouter):
        return Scores(model, None, np.arange(model.n_experts))
    if isinstance(model, (list, tuple)):
        return _network(model, None)
    check_is_fitted(model)
    names = getattr(model, "feature_names_in_", None)
    scaling: list[tuple[np.ndarray, np.ndarray]] = []
    if isinstance(model, Pipeline):
        scaling = [
            _scaling(step) for _, step in model.steps[:-1] if step not in (None, "passthrough")
        ]
        model = model.steps[-1][1]
    if hasattr(model, "coefs_") and hasattr(model, "out_activation_"):
        return _perceptron(model, names, scaling)
    if hasattr(model, "coef_") and hasattr(model, "intercept_") and hasattr(model, "classes_"):
        return _linear_classifier(model, names, scaling)
    raise ValueError(
        f"{type(model).__name__} is no ReLU network and no arg-max of linear functions; give an "
        "MLPClassifier, an MLPRegressor, a linear classifier, a RoutedModel with a linear router, "
        "or a list of (weights, bias)"
    )


def read_bounds(bounds: Any, columns: tuple[ColumnType, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the box, shape (n_columns,) each.

    Parameters
    ----------
    bounds : None, (low, high), or array-like of shape (n_columns, 2)
        None for no bounds; a pair holds for every column.
    columns : tuple of ColumnType

    Raises
    ------
    ValueError
        Naming the column whose ends are no range.
    """
    n = len(columns)
    if bounds is None:
        return np.full(n, -np.inf), np.full(n, np.inf)
    ends = np.asarray(bounds, dtype=np.float64)
    if ends.shape == (2,):
        ends = np.tile(ends, (n, 1))
    if ends.shape != (n, 2):
        raise ValueError(
            f"bounds must be None, a pair (low, high) or have the shape {(n, 2)}, not {ends.shape}"
        )
    for column, (low, high) in zip(columns, ends.tolist(), strict=True):
        if not (low <= high and low < np.inf and high > -np.inf):
            raise ValueError(
                f"bounds of column {column.name!r} are no range: {low} to {high}; give the least "
                "value first"
            )
    return ends[:, 0].copy(), ends[:, 1].copy()


def _perceptron(model: Any, names: Any, scaling: list[tuple[np.ndarray, np.ndarray]]) -> Network:
    """A fitted MLPClassifier or MLPRegressor."""
    if model.activation not in ("relu", "identity"):
        raise ValueError(
            f"activation={model.activation!r} is not piecewise linear: only a network with "
            "activation='relu' is a tree with linear leaves"
        )
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    if model.activation == "identity":  # one linear map
        weights, bias = layers[0]
        for after, more in layers[1:]:
            weights, bias = weights @ after, bias @ after + more
        layers = [(weights, bias)]
    classes = getattr(model, "classes_", None)
    out = model.out_activation_
    if out == "logistic" and model.n_outputs_ > 1:
        raise ValueError("a network for several labels at once has no single class to tell")
    links: dict[str, RoutedLink] = {"logistic": "logistic", "softmax": "softmax"}
    if classes is None and out != "identity":
        raise ValueError(f"the output of the network is {out} of a linear map, not linear itself")
    link = "identity" if classes is None else links[out]
    return _network(layers, names, scaling, link, classes)


def _network(
    layers: Sequence[Any],
    names: Any,
    scaling: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    link: RoutedLink = "identity",
    classes: np.ndarray | None = None,
) -> Network:
    if not layers:
        raise ValueError("a network has at least one layer (weights, bias)")
    read = [_layer(layer, at) for at, layer in enumerate(layers)]
    for at, ((before, _), (weights, _)) in enumerate(itertools.pairwise(read)):
        if before.shape[1] != weights.shape[0]:
            raise ValueError(
                f"layer {at} has {before.shape[1]} units, but layer {at + 1} takes "
                f"{weights.shape[0]}: weights have the shape (n_inputs, n_units)"
            )
    read[0] = _rescaled(*read[0], scaling)
    return Network(_columns(read[0][0].shape[0], names), read, link, classes)


def _layer(layer: Any, at: int) -> Layer:
    """Weights and biases of one layer as finite arrays."""
    try:
        weights, bias = layer
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {at} is no pair (weights, bias)") from error
    weights, bias = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    if weights.ndim != 2 or 0 in weights.shape or bias.shape != weights.shape[1:]:
        raise ValueError(
            f"layer {at} has weights of shape {weights.shape} and a bias of shape {bias.shape}; "
            "they must be (n_inputs, n_units) and (n_units,)"
        )
    for name, array in (("weights", weights), ("bias", bias)):
        bad = np.argwhere(~np.isfinite(array))
        if bad.size:
            where = tuple(bad[0].tolist())
            raise ValueError(f"{name} of layer {at} must be finite: at {where} is {array[where]}")
    return weights, bias


def _linear_classifier(
    model: Any, names: Any, scaling: list[tuple[np.ndarray, np.ndarray]]
) -> Scores:
    """Coefficients of a classifier that takes the greatest of linear functions."""
    if hasattr(model, "support_vectors_"):
        raise ValueError(
            f"{type(model).__name__} compares classes in pairs and counts votes: it does not take "
            "the greatest of linear functions, as LinearSVC does"
        )
    coef = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    intercept = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64), len(coef))
    classes = np.asarray(model.classes_)
    if len(classes) == 2 and len(coef) == 1:  # the second class where the function is above 0
        coef, intercept = np.vstack([0 * coef, coef]), np.append(0.0, intercept)
    if len(coef) != len(classes):
        raise ValueError(
            f"{type(model).__name__} has {len(coef)} linear functions for {len(classes)} classes: "
            "it does not take the greatest of them"
        )
    weights, bias = _rescaled(*_layer((coef.T, intercept), 0), scaling)
    columns = _columns(len(weights), names)
    return Scores(LinearRouter(columns, LinearMap(weights.T, bias)), None, classes)


def _scaling(step: Any) -> tuple[np.ndarray, np.ndarray]:
    """Factor and shift of a transformer that multiplies and shifts columns."""
    name = type(step).__name__
    if name == "StandardScaler":
        factor = np.asarray(1.0 / step.scale_ if step.with_std else 1.0)
        return factor, np.asarray(-step.mean_ if step.with_mean else 0.0) * factor
    if name == "MinMaxScaler" and not step.clip:
        return step.scale_, step.min_
    raise ValueError(
        f"step {name} of the pipeline is no multiple of the columns: StandardScaler and "
        "MinMaxScaler (without clip) can be told exactly; give bounds and model behind the others"
    )


def _rescaled(
    weights: np.ndarray, bias: np.ndarray, scaling: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Layer:
    """The layer for columns as they are before scaling."""
    for factor, shift in reversed(scaling):
        bias = bias + np.broadcast_to(shift, len(weights)) @ weights
        weights = np.broadcast_to(factor, len(weights))[:, None] * weights
    return weights, bias


def _columns(n_columns: int, names: Any) -> tuple[ColumnType, ...]:
    given = [f"x{j}" for j in range(n_columns)] if names is None else map(str, names)
    return tuple(ColumnType(name, "number") for name in given)
