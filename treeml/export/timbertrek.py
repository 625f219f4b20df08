"""Trees in the JSON that TimberTrek shows (Wang et al., "TimberTrek", IEEE VIS 2022)."""

from __future__ import annotations

import json as _json
from collections.abc import Sequence
from typing import Any

from treeml.ir import Predicate, Tree

__all__ = ["timbertrek"]


def timbertrek(trees: Sequence[tuple[float, Tree]], predicates: Sequence[Predicate]) -> str:
    """Decision paths of trees with two classes.

    Parameters
    ----------
    trees : sequence of (float, Tree)
        With their objectives. Single leaves are left out: TimberTrek has no place for them.
    predicates : sequence of Predicate
        Numbers the questions.

    Returns
    -------
    str
        JSON for ``timbertrek.visualize(json.loads(text))`` or a file for its page.

    Raises
    ------
    ValueError
        For more than two classes, or trees that predict numbers.
    """
    number = {predicate: str(j) for j, predicate in reversed(list(enumerate(predicates)))}
    paths: dict[str, Any] = {"f": "root", "c": []}
    tree_map: dict[int, list[Any]] = {}
    for at, (objective, tree) in enumerate(trees, start=1):
        if not isinstance(tree, Tree):
            raise ValueError("TimberTrek shows two classes; these trees predict numbers")
        if len(tree.classes) != 2:
            raise ValueError(f"TimberTrek shows two classes; these trees have {len(tree.classes)}")
        if tree.predicate[0] < 0:
            continue
        for _, path in tree.paths():
            _add_path(paths, [number[predicate] for predicate, _ in path], at)
        leaves = tree.leaves
        right = sum(float(tree.counts[leaf, tree.label[leaf]]) for leaf in leaves)
        accuracy = round(right / float(tree.counts[0].sum()), 5)
        tree_map[at] = [_nested(tree, 0, number), round(objective, 5), accuracy]
    features = {
        str(j): [predicate.term.name, _question(predicate), predicate.term.name]
        for j, predicate in enumerate(predicates)
    }
    return _json.dumps({"trie": paths, "featureMap": features, "treeMap": tree_map})


def _add_path(root: dict[str, Any], path: list[str], tree: int) -> None:
    """Hang a tree below the questions of one of its paths."""
    here = root
    for question in path:
        for child in here["c"]:
            if child["f"] == question:
                here = child
                break
        else:
            here["c"].append({"f": question, "c": []})
            here = here["c"][-1]
    if not any(child.get("t") == tree for child in here["c"]):
        here["c"].append({"f": "_", "t": tree})


def _nested(tree: Tree, node: int, number: dict[Predicate, str]) -> dict[str, Any]:
    """Question or sign, rows, and rows answered rightly at leaves; yes first."""
    rows = float(tree.counts[node].sum())
    if tree.predicate[node] < 0:
        right = float(tree.counts[node, tree.label[node]])
        return {"f": ["+" if tree.label[node] else "-", _whole(rows), _whole(right)]}
    children = (int(tree.if_true[node]), int(tree.if_false[node]))
    return {
        "f": [number[tree.predicates[tree.predicate[node]]], _whole(rows), -1],
        "c": [_nested(tree, child, number) for child in children],
    }


def _whole(x: float) -> float | int:
    return int(x) if x == int(x) else x


def _question(predicate: Predicate) -> str:
    """The predicate's text without the name of its column."""
    return predicate.text().removeprefix(predicate.term.name).strip()
