"""Models as data frames, and paths of a tree as conditions merged without a change of meaning."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from treeml.export.outcome import one_line
from treeml.ir import (
    ActionTree,
    Model,
    RegressionTree,
    RoutedModel,
    Scorecard,
    Tree,
    TreeEnsemble,
    TreeVote,
)
from treeml.ir.predicate import LinearTerm, Predicate, Term

if TYPE_CHECKING:
    import pandas as pd

Answer = tuple[Predicate, bool]

__all__ = ["Answer", "conditions", "merge", "one_line", "rules"]


def rules(model: Model) -> pd.DataFrame:
    """One row a leaf of a tree, in depth-first order; one row a term of a scorecard, in its order.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, ActionTree, TreeEnsemble, Scorecard or RoutedModel
        The model.

    Returns
    -------
    DataFrame
        Of a tree: ``rule`` (merged conditions in words; "always" for a tree of one leaf),
        ``prediction``, ``rows`` (training rows, or their weight), then for classes ``share`` (of
        the predicted class among them; NaN where there are none) and ``n_<class>`` for every
        class, for numbers ``error`` (their mean loss); ``depth`` and ``leaf`` (node).

        Of an ensemble: ``tree`` (from 1), ``class`` where there are more than two, ``rule``,
        ``value`` (what the leaf adds to the score), ``rows``, ``depth`` and ``leaf``.

        Of a routed model: ``rule``, ``expert`` (as `RoutedModel.route` counts them), ``says`` (its
        sums in words), and of a tree ``rows``, ``depth`` and ``leaf``.
        Of trees that vote: ``tree`` (from 1), then as for a tree.

        Of a scorecard: ``term`` (in words), ``column``, ``points`` and ``per_unit`` (whether the
        points are times the value of the column).
    """
    import pandas as pd

    if isinstance(model, Scorecard):
        return pd.DataFrame(_card_columns(model)).astype({"per_unit": bool})
    if isinstance(model, RoutedModel):
        from treeml.export import routed_text  # which reads `conditions`

        return pd.DataFrame(routed_text.rule_columns(model))
    if isinstance(model, TreeVote):
        frames = [_vote_frame(which, tree) for which, tree in enumerate(model.trees)]
        return pd.concat(frames, ignore_index=True)
    if isinstance(model, TreeEnsemble):
        return pd.DataFrame(_ensemble_columns(model))
    return pd.DataFrame(_leaf_columns(model, _predictions(model)))


def merge(path: Sequence[Answer]) -> list[list[Answer]]:
    """The fewest answers that say the same as a path, one list a term, in order of appearance.

    A conjunction over a number is an interval and a word on missing values; one over levels is a
    set of wanted or unwanted levels and a word on missing values. Both are rebuilt from the
    tightest answers, so that the same rows hold, missing and unseen values included. A path that
    no row can take keeps answers that contradict each other.
    """
    by_term: dict[Term, list[Answer]] = {}
    for predicate, answer in path:
        by_term.setdefault(predicate.term, []).append((predicate, answer))
    return [
        _merge_levels(term, answers) if _over_levels(term) else _merge_numbers(term, answers)
        for term, answers in by_term.items()
    ]


def conditions(path: Sequence[Answer]) -> list[str]:
    """The merged path in words, to be joined by "and"; empty for an empty path.

    What ends in "or missing" stands in brackets where other conditions stand beside it.
    """
    texts = [one_line(text) for answers in merge(path) for text in _texts(answers)]
    if len(texts) == 1:
        return texts
    return [f"({text})" if text.endswith(" or missing") else text for text in texts]


def _leaf_columns(
    tree: Tree | RegressionTree | ActionTree, said: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Columns with an entry for each leaf; ``said`` are those of what the leaves say."""
    leaves = tree.leaves
    texts = {leaf: " and ".join(conditions(path)) or "always" for leaf, path in tree.paths()}
    return {
        "rule": [texts[leaf] for leaf in leaves.tolist()],
        **said,
        "depth": tree.node_depth[leaves],
        "leaf": leaves,
    }


def _predictions(tree: Tree | RegressionTree | ActionTree) -> dict[str, np.ndarray]:
    """What the leaves predict, with rows and how right it is there."""
    leaves = tree.leaves
    if isinstance(tree, RegressionTree):
        rows, error = _whole(tree.rows[leaves]), tree.error[leaves]
        return {"prediction": tree.value[leaves], "rows": rows, "error": error}
    if isinstance(tree, ActionTree):
        means, word = tree.mean_costs[leaves], "cost"
        if tree.rewards:
            means, word = 0.0 - means, "reward"
        columns = {
            "prediction": tree.actions[tree.label[leaves]],
            "rows": _whole(tree.rows[leaves]),
        }
        return columns | {f"{word}_{a}": means[:, k] for k, a in enumerate(tree.actions.tolist())}
    counts, label = _whole(tree.counts[leaves]), tree.label[leaves]
    rows = counts.sum(axis=1)
    share = np.full(len(leaves), math.nan)
    np.divide(counts[np.arange(len(leaves)), label], rows, out=share, where=rows > 0)
    columns = {"prediction": tree.classes[label], "rows": rows, "share": share}
    return columns | {f"n_{name}": counts[:, k] for k, name in enumerate(tree.classes.tolist())}


def _vote_frame(which: int, tree: Tree) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(_leaf_columns(tree, _predictions(tree)))
    frame.insert(0, "tree", which + 1)
    return frame


def _ensemble_columns(ensemble: TreeEnsemble) -> dict[str, Any]:
    n_leaves = np.array([tree.n_leaves for tree in ensemble.trees], dtype=np.int64)
    columns: dict[str, Any] = {"tree": np.repeat(np.arange(1, ensemble.n_trees + 1), n_leaves)}
    if ensemble.link == "softmax":
        columns["class"] = ensemble.required_classes()[np.repeat(ensemble.output, n_leaves)]
    parts = [
        _leaf_columns(tree, {"value": tree.value[tree.leaves], "rows": tree.rows[tree.leaves]})
        for tree in ensemble.trees
    ]
    for name in ("rule", "value", "rows", "depth", "leaf"):
        columns[name] = np.concatenate([part[name] for part in parts]) if parts else []
    if parts:
        columns["rows"] = _whole(columns["rows"])
    return columns


def _whole(numbers: np.ndarray) -> np.ndarray:
    """As integers where all are."""
    return numbers.astype(np.int64) if np.all(numbers == np.floor(numbers)) else numbers


def _card_columns(card: Scorecard) -> dict[str, Any]:
    return {
        "term": [one_line(term.text()) for term in card.terms],
        "column": [term.term.name for term in card.terms],
        "points": card.points,
        "per_unit": [isinstance(term, LinearTerm) for term in card.terms],
    }


def _over_levels(term: Term) -> bool:
    return term.column.kind in ("category", "boolean")


def _missing(answers: Sequence[Answer]) -> tuple[bool, bool, bool]:
    """Whether a missing value is required, refused by name, and refused by any answer."""
    required = any(p.test == "is missing" and answer for p, answer in answers)
    known = any(p.test == "is missing" and not answer for p, answer in answers)
    return required, known, known or any(p.test != "is missing" and yes for p, yes in answers)


def _merge_numbers(term: Term, answers: Sequence[Answer]) -> list[Answer]:
    lows, highs = [], []
    for predicate, answer in answers:
        if predicate.test in ("<=", ">"):
            (highs if (predicate.test == "<=") == answer else lows).append(predicate.value)
    required, _, refused = _missing(answers)
    missing = Predicate(term, "is missing")
    if required and refused:
        return [(missing, True), (missing, False)]
    if required or (not refused and lows and highs and max(lows) >= min(highs)):
        return [(missing, True)]
    merged: list[Answer] = []
    if lows:
        value = max(lows)
        merged.append((Predicate(term, ">" if refused else "<=", value), refused))
    if highs:
        value = min(highs)
        merged.append((Predicate(term, "<=" if refused else ">", value), refused))
    return merged or [(missing, False)]


def _merge_levels(term: Term, answers: Sequence[Answer]) -> list[Answer]:
    required, known, refused = _missing(answers)
    missing = Predicate(term, "is missing")
    if required:
        return [(missing, True), (missing, False)] if refused else [(missing, True)]
    wanted = [p for p, answer in answers if p.test == "in" and answer]
    unwanted = [p for p, answer in answers if p.test == "in" and not answer]
    if wanted:
        question = _wanted(term, wanted, unwanted)
        return [(question, True)] if question.value else list(dict.fromkeys(answers))
    merged: list[Answer] = [(p, False) for p in _unwanted(term, unwanted)]
    if term.column.kind == "boolean" and len({v for p in unwanted for v in p.value}) == 2:
        return [*merged, (missing, False)] if known else [(missing, True)]
    return [*merged, (missing, False)] if known else merged


def _wanted(term: Term, wanted: list[Predicate], unwanted: list[Predicate]) -> Predicate:
    """One question for the levels that all of ``wanted`` hold and none of ``unwanted``."""
    left = set.intersection(*(set(p.value) for p in wanted))
    left -= {level for p in unwanted for level in p.value}
    for predicate in wanted:
        if left == set(predicate.value):
            return predicate
    return Predicate(term, "in", _in_order(term, [v for v in wanted[0].value if v in left]))


def _unwanted(term: Term, unwanted: list[Predicate]) -> list[Predicate]:
    """The fewest questions for the levels of all; named groups stay on their own."""
    distinct = list(dict.fromkeys(unwanted))
    needed = [
        p
        for i, p in enumerate(distinct)
        if not any(
            p.implies(q) and (j < i or not q.implies(p)) for j, q in enumerate(distinct) if j != i
        )
    ]
    plain = [p for p in needed if not p.label]
    if len(plain) > 1 and term.column.kind != "boolean":
        levels = list(dict.fromkeys(level for p in plain for level in p.value))
        plain = [Predicate(term, "in", _in_order(term, levels))]
    return plain + [p for p in needed if p.label]


def _in_order(term: Term, levels: list) -> tuple:
    """The levels in the order of an ordered category; as they are elsewhere."""
    order = term.column.levels
    return tuple(v for v in order if v in levels) if order else tuple(levels)


def _texts(answers: list[Answer]) -> list[str]:
    """The merged answers of one term in words."""
    if len(answers) == 2 and all(p.test in ("<=", ">") for p, _ in answers):
        (low, above), (high, _) = answers
        if low.term.column.kind == "number":
            unit = f" {low.term.column.unit}" if low.term.column.unit else ""
            missing = "" if above or not low.term.column.missing else " or missing"
            between = f"{low.threshold_text()} < {low.term.name} <= {high.threshold_text()}"
            return [f"{between}{unit}{missing}"]
    *levels, (last, yes) = answers
    if levels and last.test == "is missing" and not any([yes, *(answer for _, answer in levels)]):
        return [_known(p).complement_text() for p, _ in levels]  # without "or missing"
    return [_text(p, answer) for p, answer in answers]


def _text(predicate: Predicate, answer: bool) -> str:
    term = predicate.term
    if term.column.kind == "zero_one" and predicate.test in ("<=", ">"):
        yes = predicate if predicate.test == ">" else Predicate(term, ">", predicate.value)
        if answer == (predicate.test == ">"):
            missing = " or missing" if not answer and term.column.missing else ""
            return f"{yes.text()}{missing}"
        return (_known(yes) if answer else yes).complement_text()
    if predicate.test == "in" and answer and (between := _between(predicate)):
        return between
    return predicate.text() if answer else predicate.complement_text()


def _known(predicate: Predicate) -> Predicate:
    """The same question of a column without missing values: its complement does not name them."""
    column = dataclasses.replace(predicate.term.column, missing=False)
    return dataclasses.replace(predicate, term=dataclasses.replace(predicate.term, column=column))


def _between(predicate: Predicate) -> str:
    """Words for several neighbouring levels of an ordered category; empty for others."""
    order, wanted = predicate.term.column.levels, predicate.value
    if predicate.label or len(wanted) < 2 or wanted[0] not in order:
        return ""
    start = order.index(wanted[0])
    if start == 0 or order[start : start + len(wanted)] != tuple(wanted):
        return ""
    return f"{predicate.term.name} is above {order[start - 1]} and at most {wanted[-1]}"
