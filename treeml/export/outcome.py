"""What models say at their end, in words: classes with shares, or numbers with their error."""

from __future__ import annotations

import numpy as np

from treeml.ir import ActionTree, Model, RegressionTree, RoutedModel, Tree, TreeEnsemble, TreeVote
from treeml.ir.predicate import number_text

_ERRORS = {
    "squared_error": "mean squared error",
    "absolute_error": "mean absolute error",
    "poisson": "mean Poisson loss",
}

__all__ = [
    "classes_of", "leaf_text", "meaning", "one_line", "require_classes", "rows_text",
    "start_text", "value_text", "vote_text",
]  # fmt: skip


def classes_of(model: Model) -> np.ndarray | None:
    """The class labels; None for a model that predicts numbers."""
    return None if isinstance(model, RegressionTree) else model.classes


def require_classes(model: Model) -> np.ndarray:
    """The class labels, for what needs probabilities.

    Raises
    ------
    ValueError
        For a model that predicts numbers.
    """
    if isinstance(model, RegressionTree):
        raise ValueError("a regression tree predicts numbers: it has no probabilities")
    if isinstance(model, ActionTree):
        raise ValueError("a tree of actions chooses one by cost: it has no probabilities")
    if isinstance(model, (TreeEnsemble, RoutedModel)):
        return model.required_classes()
    return model.classes


def one_line(text: str) -> str:
    """The text with line breaks and runs of blanks in names replaced by one blank."""
    return " ".join(text.split())


def value_text(value: float) -> str:
    """A number for reading, to six digits."""
    return number_text(float(f"{value:.6g}"))


def rows_text(rows: float) -> str:
    """A number of rows with its word, such as ``120 rows``."""
    if rows == 0:
        return "no rows"
    return f"{number_text(round(rows, 6))} {'row' if rows == 1 else 'rows'}"


def leaf_text(tree: Tree | RegressionTree | ActionTree, node: int, *, error: bool = True) -> str:
    """What a leaf says and of how many rows.

    Parameters
    ----------
    tree : Tree, RegressionTree or ActionTree
        The model.
    node : int
        The leaf.
    error : bool, default=True
        Whether a number stands with its error.

    Returns
    -------
    str
        Such as ``bad (70 % of 120 rows)``, ``call (120 rows, mean cost 3.2)`` or
        ``12.5 (120 rows, mean squared error 3.2)``.
    """
    rows = float(tree.rows[node])
    if isinstance(tree, RegressionTree):
        words = rows_text(rows)
        if error and rows:
            words += f", {_ERRORS[tree.criterion]} {value_text(tree.error[node])}"
        return f"{value_text(tree.value[node])} ({words})"
    name = one_line(str(tree.classes[tree.label[node]]))
    if isinstance(tree, ActionTree):
        word, mean = tree.worth(node)
        worth = f", {word} {value_text(mean)}" if rows else ""
        return f"{name} ({rows_text(rows)}{worth})"
    if rows == 0:  # a tree that was made without rows has none at its root either
        return f"{name} (no rows)" if tree.rows[0] else name
    share = float(tree.counts[node, tree.label[node]]) / rows
    return f"{name} ({_percent(share)} % of {rows_text(rows)})"


def start_text(ensemble: TreeEnsemble) -> str:
    """A sentence on where the score starts and what is added."""
    trees = "what the tree says" if ensemble.n_trees == 1 else "what each tree says"
    if ensemble.link != "softmax":
        return f"The score starts at {value_text(ensemble.base[0])}; add {trees}."
    starts = [
        f"{one_line(str(name))} at {value_text(base)}"
        for name, base in zip(ensemble.required_classes(), ensemble.base, strict=True)
    ]
    return f"Every class has a score, which starts at: {', '.join(starts)}; add {trees}."


def meaning(model: TreeEnsemble | RoutedModel) -> str:
    """A sentence on what the score predicts."""
    if model.classes is None:
        power = "exp(score)" if model.link == "log" else "the score"
        return f"The prediction is {power}."
    if model.link == "softmax":
        return (
            "The class with the greatest score is predicted; probabilities are proportional to "
            "exp(score)."
        )
    low, high = (one_line(str(name)) for name in model.classes)
    return (
        f"A score above 0 means {high}, otherwise {low}; the probability of {high} is "
        "1 / (1 + exp(-score))."
    )


def vote_text(vote: TreeVote) -> str:
    """A sentence on how the answers of the trees become one."""
    if vote.n_trees == 1:
        return "One tree decides."
    if len(vote.classes) <= 2:
        return f"Each of the {vote.n_trees} trees has a vote; the majority decides."
    first = one_line(str(vote.classes[0]))
    return (
        f"Each of the {vote.n_trees} trees has a vote; the class with most votes is predicted, of "
        f"several the first in their order ({first} comes first)."
    )


def _percent(share: float) -> str:
    """Share in percent to one decimal; 0 and 100 only where exact."""
    if share in (0.0, 1.0):
        return "100" if share else "0"
    return number_text(min(max(round(100 * share, 1), 0.1), 99.9))
