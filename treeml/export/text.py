"""Models in words: trees as indented questions or one sentence a leaf, scorecards as points."""

from __future__ import annotations

from treeml.export import card_text
from treeml.export.rules import conditions, leaf_text, one_line
from treeml.ir import Model, Scorecard, Tree

MISSING_RULE = (
    "A missing value, or a level not seen in training, answers no to every question except "
    '"is missing".'
)

__all__ = ["MISSING_RULE", "sentences", "text"]


def text(model: Model) -> str:
    """The model for reading: a tree as indented questions, a scorecard as the printed card.

    Every leaf of a tree stands with class, rows and share of that class. A card has one line a
    term with its points, those over one column together; then how many points mean the second
    class, and the table from score to risk with the training rows at each score.

    Parameters
    ----------
    model : Tree or Scorecard
        The model.

    Returns
    -------
    str
        Lines without a trailing line break; one of them says what missing and unseen values do,
        of a card where it matters.
    """
    return card_text.text(model) if isinstance(model, Scorecard) else _tree_text(model)


def sentences(tree: Tree) -> list[str]:
    """One sentence a leaf, in depth-first order, with the conditions of its path merged.

    Conditions on one column become one: "25 < age <= 41". The rows that a sentence speaks of are
    exactly those of its leaf, missing and unseen values included, where the latter answer no to
    every question except "is missing"; "or missing" is written where training had such values.

    Parameters
    ----------
    tree : Tree
        The model.

    Returns
    -------
    list of str
        Such as "If age <= 41 and (income > 410 or missing), then bad (70 % of 120 rows)."
    """
    out = []
    for leaf, path in tree.paths():
        words = " and ".join(conditions(path))
        head = f"If {words}, then" if words else "Always"
        out.append(f"{head} {leaf_text(tree, leaf)}.")
    return out


def _tree_text(tree: Tree) -> str:
    lines: list[str] = []
    stack: list[tuple[int, int, str]] = [(0, 0, "")]
    while stack:
        node, depth, heading = stack.pop()
        if heading:
            lines.append("    " * (depth - 1) + heading)
        which = int(tree.predicate[node])
        if which < 0:
            lines.append("    " * depth + leaf_text(tree, node))
            continue
        question = tree.predicates[which]
        no, yes = one_line(question.complement_text()), one_line(question.text())
        stack.append((int(tree.if_false[node]), depth + 1, f"else ({no}):"))
        stack.append((int(tree.if_true[node]), depth + 1, f"if {yes}:"))
    if tree.n_nodes == 1:
        return f"always: {lines[0]}"
    return "\n".join([*lines, "", MISSING_RULE])
