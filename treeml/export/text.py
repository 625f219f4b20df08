"""Models in words: trees as indented questions or one sentence a leaf, scorecards as points."""

from __future__ import annotations

from treeml.export import card_text, routed_text
from treeml.export.outcome import leaf_text, meaning, one_line, start_text, vote_text
from treeml.export.rules import conditions
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

MISSING_RULE = (
    "A missing value, or a level not seen in training, answers no to every question except "
    '"is missing".'
)

__all__ = ["MISSING_RULE", "sentences", "text"]


def text(model: Model) -> str:
    """The model for reading: a tree as indented questions, a scorecard as the printed card.

    Every leaf of a tree stands with class, rows and share of that class, or with its number, rows
    and mean loss. An ensemble is its trees one after the other, with where the score starts, what
    each leaf adds, and what the score means. A routed model has at every leaf what its expert says,
    numbers to six digits. A card has one line a term with its points, those
    over one column together; then how many points mean the second class, and the table from score
    to risk with the training rows at each score.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, ActionTree, TreeEnsemble, Scorecard or RoutedModel
        The model.

    Returns
    -------
    str
        Lines without a trailing line break; one of them says what missing and unseen values do,
        of a card where it matters.
    """
    if isinstance(model, Scorecard):
        return card_text.text(model)
    if isinstance(model, RoutedModel):
        return "\n".join(routed_text.lines(model))
    if isinstance(model, (TreeEnsemble, TreeVote)):
        lines = _ensemble_lines(model)
        asks = any(tree.n_nodes > 1 for tree in model.trees)
    else:
        lines, asks = _tree_lines(model), model.n_nodes > 1
    return "\n".join([*lines, "", MISSING_RULE] if asks else lines)


def sentences(
    model: Tree | RegressionTree | TreeVote | ActionTree | TreeEnsemble | RoutedModel,
) -> list[str]:
    """One sentence a leaf, in depth-first order, with the conditions of its path merged.

    Conditions on one column become one: "25 < age <= 41". The rows that a sentence speaks of are
    exactly those of its leaf, missing and unseen values included, where the latter answer no to
    every question except "is missing"; "or missing" is written where training had such values.

    Parameters
    ----------
    model : Tree, RegressionTree, TreeVote, TreeEnsemble or RoutedModel
        The model.

    Returns
    -------
    list of str
        Such as "If age <= 41 and (income > 410 or missing), then bad (70 % of 120 rows)." For an
        ensemble the first sentence says where the score starts, the last one what it means, and
        the others begin with the number of their tree. A routed model whose router has scores
        gives a sentence an expert.

    Raises
    ------
    ValueError
        For a scorecard, whose terms are added up one by one.
    """
    if isinstance(model, Scorecard):
        raise ValueError("a scorecard has no leaves to make sentences of: use text")
    if isinstance(model, RoutedModel):
        return routed_text.sentences(model)
    if isinstance(model, TreeVote):
        out = [vote_text(model)]
        for i, tree in enumerate(model.trees):
            out += [f"Tree {i + 1}: {line}." for line in _clauses(tree)]
        return out
    if not isinstance(model, TreeEnsemble):
        return [f"{line[0].upper()}{line[1:]}." for line in _clauses(model)]
    out = [start_text(model)]
    for i, tree in enumerate(model.trees):
        out += [f"{_heading(model, i)}: {line}." for line in _clauses(tree, adds=True)]
    return [*out, meaning(model)]


def _clauses(tree: Tree | RegressionTree | ActionTree, adds: bool = False) -> list[str]:
    """A clause for each leaf, such as ``if age <= 41, then bad (70 % of 120 rows)``."""
    out = []
    for leaf, path in tree.paths():
        words = " and ".join(conditions(path))
        head = f"if {words}, then" if words else "always"
        out.append(f"{head} {'add ' if adds else ''}{leaf_text(tree, leaf, error=not adds)}")
    return out


def _ensemble_lines(ensemble: TreeEnsemble | TreeVote) -> list[str]:
    if isinstance(ensemble, TreeVote):
        lines = [vote_text(ensemble)]
        for i, tree in enumerate(ensemble.trees):
            lines += ["", f"Tree {i + 1}:", *_tree_lines(tree)]
        return lines
    lines = [start_text(ensemble), meaning(ensemble)]
    for i, tree in enumerate(ensemble.trees):
        lines += ["", f"{_heading(ensemble, i)}:", *_tree_lines(tree, adds=True)]
    return lines


def _heading(ensemble: TreeEnsemble, which: int) -> str:
    """The number of a tree, and its class where there are several scores."""
    if ensemble.link != "softmax":
        return f"Tree {which + 1}"
    name = one_line(str(ensemble.required_classes()[ensemble.output[which]]))
    return f"Tree {which + 1} ({name})"


def _tree_lines(tree: Tree | RegressionTree | ActionTree, adds: bool = False) -> list[str]:
    """Questions and leaves; the leaves of an ensemble's tree add their value to the score."""
    lines: list[str] = []
    stack: list[tuple[int, int, str]] = [(0, 0, "")]
    while stack:
        node, depth, heading = stack.pop()
        if heading:
            lines.append("    " * (depth - 1) + heading)
        which = int(tree.predicate[node])
        if which < 0:
            said = leaf_text(tree, node, error=not adds)
            lines.append("    " * depth + ("add " if adds else "") + said)
            continue
        question = tree.predicates[which]
        no, yes = one_line(question.complement_text()), one_line(question.text())
        stack.append((int(tree.if_false[node]), depth + 1, f"else ({no}):"))
        stack.append((int(tree.if_true[node]), depth + 1, f"if {yes}:"))
    return [f"always: {lines[0]}"] if tree.n_nodes == 1 else lines
