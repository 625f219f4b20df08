"""Trees in words: an indented tree of questions, or one sentence a leaf."""

from __future__ import annotations

from treeml.export.rules import conditions, leaf_text, one_line
from treeml.ir.tree import Tree

MISSING_RULE = (
    "A missing value, or a level not seen in training, answers no to every question except "
    '"is missing".'
)

__all__ = ["MISSING_RULE", "sentences", "text"]


def text(tree: Tree) -> str:
    """The tree as indented questions; every leaf with class, rows and share of that class.

    Parameters
    ----------
    tree : Tree
        The model.

    Returns
    -------
    str
        Lines without a trailing line break; the last one says what missing and unseen values do.
    """
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
