"""Estimators to JSON and back: the one format in which fitted models are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from treeml import ir
from treeml.certificate import (
    CardCertificate,
    Certificate,
    CostCertificate,
    SizeCertificate,
)

__all__ = ["load", "loads", "write"]


def write(model: Any) -> str:
    """JSON of a fitted estimator: the model, its certificate and what it was fitted with."""
    from treeml.estimators.linear_tree_base import LinearTreeBase
    from treeml.estimators.mixture_base import SMOSEBase

    if isinstance(model, (LinearTreeBase, SMOSEBase)):
        return ir.dump(model.model_, estimator=_plain(model), **model._proven())
    if not hasattr(type(model), "certificate_"):
        return ir.dump(_fitted_model(model), estimator=_plain(model))
    fitted: Any = model
    return ir.dump(
        _certified_model(fitted),
        certificate=model.certificate_.to_dict(),
        estimator={
            "name": type(model).__name__,
            "named": hasattr(model, "feature_names_in_"),
            **_points_asked(fitted),
        },
    )


def _certified_model(model: Any) -> ir.Model:
    for name in ("tree_", "ensemble_"):
        if hasattr(model, name):
            return getattr(model, name)
    return model._fitted_card()


def _fitted_model(model: Any) -> ir.Model:
    """The model of an estimator without a certificate."""
    fitted = model._fitted() if hasattr(model, "_fitted") else model._fitted_tree()
    assert isinstance(fitted, (ir.Tree, ir.RegressionTree, ir.TreeEnsemble))
    return fitted


def _plain(model: Any) -> dict[str, Any]:
    """Class and parameters of an estimator without a certificate, those that JSON can hold."""
    parameters = {
        name: value
        for name, value in model.get_params(deep=False).items()
        if value is None or isinstance(value, (str, int, float, bool))
    }
    named = hasattr(model, "feature_names_in_")
    return {"name": type(model).__name__, "named": named, "parameters": parameters}


def _points_asked(model: Any) -> dict[str, Any]:
    """What the certificate of a scorecard has in words only."""
    if not hasattr(model, "scorecard_"):
        return {}
    out: dict[str, Any] = {"coef_range": list(map(int, model.coef_range))}
    if model.constraints is not None:
        out["constraints"] = model.constraints.to_dict()
    return out


def load(path: str | Path) -> Any:
    """Read a model that ``save`` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    estimator
        Of the class that was saved. Predicts, explains and exports as the saved one did; the
        training data are not in it.

    Raises
    ------
    OSError
        Where the file cannot be read.
    ValueError
        Where it holds no model of this release or an older one.
    """
    return loads(Path(path).read_text(encoding="utf-8"))


def loads(text: str) -> Any:
    """`load` from the text itself."""
    model, extra = ir.load(text)
    if "certificate" not in extra or isinstance(model, ir.RoutedModel):
        return _without_certificate(model, extra)
    assert isinstance(model, (ir.Scorecard, ir.Tree, ir.ActionTree, ir.TreeVote))
    if isinstance(model, ir.ActionTree):
        asked = extra.get("estimator", {})
        estimator = _actions(model, CostCertificate.from_dict(extra["certificate"]), asked)
    elif isinstance(model, ir.TreeVote) or "n_cuts" in extra["certificate"]:
        assert not isinstance(model, ir.Scorecard)
        estimator = _smallest(model, SizeCertificate.from_dict(extra["certificate"]))
    elif isinstance(model, ir.Scorecard):
        asked = extra.get("estimator", {})
        estimator = _scorecard(model, CardCertificate.from_dict(extra["certificate"]), asked)
    else:
        estimator = _tree(model, Certificate.from_dict(extra["certificate"]))
    certificate = estimator._certificate
    estimator.classes_ = model.classes
    estimator.objective_ = certificate.objective
    estimator.lower_bound_ = certificate.lower_bound
    estimator.gap_ = certificate.gap
    estimator.status_ = certificate.status
    estimator.n_features_in_ = len(model.columns)
    estimator._proof = None
    if extra.get("estimator", {}).get("named", True):
        estimator.feature_names_in_ = np.array([c.name for c in model.columns], dtype=object)
    return estimator


def _without_certificate(model: ir.Model | ir.SequenceModel, extra: dict[str, Any]) -> Any:
    """An estimator that predicts, explains and exports with the model."""
    from treeml.estimators import (
        autoregressive,
        boosted,
        evolved,
        evolved_regressor,
        greedy,
        linear_tree,
        mixture,
        routed,
    )

    if isinstance(model, ir.SequenceModel):
        return autoregressive.ARDTLanguageModel.from_model(model, extra)
    if isinstance(model, ir.RoutedModel) and "estimator" not in extra:
        return routed.RoutedPredictor(model)
    kinds: dict[str, Any] = {
        kind.__name__: kind
        for kind in (
            evolved.EvolvedTreeClassifier,
            evolved_regressor.EvolvedTreeRegressor,
            greedy.GreedyTreeClassifier,
            greedy.GreedyTreeRegressor,
            boosted.BoostedTreesClassifier,
            boosted.BoostedTreesRegressor,
            linear_tree.LinearTreeClassifier,
            linear_tree.LinearTreeRegressor,
            mixture.SMOSEClassifier,
            mixture.SMOSERegressor,
        )
    }
    asked = extra.get("estimator", {})
    name = asked.get("name")
    if name not in kinds:
        raise ValueError("the model has no certificate; read it with treeml.ir.load")
    if "evolved" in extra:
        return kinds[name]._restored(model, extra)
    known = set(kinds[name]().get_params(deep=False))
    parameters = {k: v for k, v in asked.get("parameters", {}).items() if k in known}
    estimator = kinds[name](**parameters)
    estimator.n_features_in_ = len(model.columns)
    if isinstance(model, ir.TreeEnsemble):
        estimator.ensemble_ = model
        estimator.n_estimators_ = model.n_trees // model.n_outputs
    elif isinstance(model, ir.RoutedModel):
        estimator._restore(model, extra)
    else:
        assert isinstance(model, (ir.Tree, ir.RegressionTree))
        estimator.tree_ = model
        estimator.n_leaves_ = model.n_leaves
    if (classes := getattr(model, "classes", None)) is not None:
        estimator.classes_ = classes
    if asked.get("named", True):
        estimator.feature_names_in_ = np.array([c.name for c in model.columns], dtype=object)
    return estimator


def _class_weight(classes: np.ndarray, weights: list[float]) -> dict[Any, float] | None:
    return None if len(set(weights)) == 1 else dict(zip(classes.tolist(), weights, strict=True))


def _tree(tree: ir.Tree, certificate: Certificate) -> Any:
    from treeml.estimators.tree import OptimalTreeClassifier

    model: Any = OptimalTreeClassifier(
        max_depth=certificate.max_depth,
        max_leaf_nodes=certificate.max_leaf_nodes,
        regularization=certificate.regularization,
        min_samples_leaf=certificate.min_samples_leaf,
        class_weight=_class_weight(tree.classes, certificate.class_weight),
    )
    if certificate.cost_matrix is not None:
        model.set_params(criterion="cost", cost_matrix=certificate.cost_matrix)
    model.tree_ = tree
    model.n_leaves_ = tree.n_leaves
    model._certificate = certificate
    return model


def _actions(tree: ir.ActionTree, certificate: CostCertificate, asked: dict[str, Any]) -> Any:
    from treeml.estimators.policy import PolicyTreeClassifier
    from treeml.estimators.router import RouterTree

    names = ("max_depth", "max_leaf_nodes", "regularization", "min_samples_leaf")
    common = {name: getattr(certificate, name) for name in names}
    model: Any
    if asked.get("name") == "RouterTree":  # the experts are not in the file
        model = RouterTree([(name, None) for name in tree.actions.tolist()], **common)
    else:
        model = PolicyTreeClassifier(rewards=tree.rewards, **common)
    model.tree_ = tree
    model.n_leaves_ = tree.n_leaves
    model._certificate = certificate
    return model


def _smallest(model: ir.Tree | ir.TreeVote, certificate: SizeCertificate) -> Any:
    from treeml.estimators.ensemble import OptimalTreeEnsembleClassifier
    from treeml.estimators.tree import OptimalTreeClassifier

    estimator: Any
    most = certificate.max_cuts
    if isinstance(model, ir.Tree):
        estimator = OptimalTreeClassifier(
            criterion="size",
            error_budget=certificate.error_budget,
            class_weight=_class_weight(model.classes, certificate.class_weight),
            max_leaf_nodes=None if most is None else most + 1,
        )
        estimator.tree_ = model
    else:
        estimator = OptimalTreeEnsembleClassifier(
            n_estimators=certificate.n_estimators,
            criterion=certificate.criterion,
            error_budget=certificate.error_budget,
            regularization=certificate.regularization,
            max_cuts=most,
        )
        estimator.ensemble_, estimator.trees_ = model, model.trees
    estimator.n_leaves_ = model.n_leaves
    estimator.n_cuts_ = certificate.n_cuts
    estimator.errors_ = certificate.errors
    estimator._certificate = certificate
    return estimator


def _scorecard(card: ir.Scorecard, certificate: CardCertificate, asked: dict[str, Any]) -> Any:
    from treeml.estimators.score_constraints import ScoreConstraints
    from treeml.estimators.scoring import RiskScoreClassifier, SLIMClassifier

    common: dict[str, Any] = {
        "max_features": certificate.max_features,
        "class_weight": _class_weight(card.classes, certificate.class_weight),
    }
    if "constraints" in asked:
        common["constraints"] = ScoreConstraints.from_dict(asked["constraints"])
    if "coef_range" in asked:
        common["coef_range"] = tuple(asked["coef_range"])
    elif certificate.low:
        common["coef_range"] = (min(certificate.low), max(certificate.high))
    model: Any
    if certificate.loss == "logistic":
        model = RiskScoreClassifier(scale=certificate.scale or "free", **common)
        if certificate.max_logit is not None:
            model.max_logit = certificate.max_logit
    else:
        limits = {name: certificate.limits.get(name) for name in ("max_fpr", "min_tpr")}
        model = SLIMClassifier(regularization=certificate.regularization, **limits, **common)
    columns = card.columns
    model._terms = tuple(
        (ir.Predicate if "test" in term else ir.LinearTerm).from_dict(term, columns)
        for term in certificate.terms
    )
    place = {term: at for at, term in enumerate(model._terms)}
    model.points_ = np.zeros(len(model._terms), dtype=np.int64)
    model.points_[[place[term] for term in card.terms]] = card.points
    model._columns = columns
    model.scorecard_ = card
    model.intercept_ = card.intercept
    model.scale_ = card.scale or 1.0
    if certificate.loss == "0-1":
        costs = certificate.regularization * card.n_terms
        costs += certificate.tie * float(np.abs(card.points).sum())
        model.error_ = max(0.0, certificate.objective - costs)
    model._certificate = certificate
    return model
