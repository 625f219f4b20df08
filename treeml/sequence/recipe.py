"""What a tree over sequences may ask and how it grows; the trees of a forest."""

from __future__ import annotations

import dataclasses

__all__ = ["FOREST", "READABLE", "SINGLE", "TreeRecipe", "recipes_for"]


@dataclasses.dataclass(frozen=True, slots=True)
class TreeRecipe:
    """Columns, growth and counts of one tree.

    Parameters
    ----------
    orders : tuple of str
        Learned orders that a token is looked up in; see `learn_orders`.
    first, last : int
        Tokens back that are asked for by their rank.
    words : bool
        Whether word, previous word, what the sentence began with, places in sentence and text, and
        open quotation are columns.
    classes : bool
        Whether the latest and the first token of each class are columns.
    rows_to_cut : int
        Nodes with more rows are divided by a column, others by the nearest token that differs.
    charge : float
        Gains are multiplied by ``exp(-charge * distance)``.
    max_leaf_nodes : int or None
        With a number the tree is grown best first, with sets, and has no further leaves.
    cut_exponent, equality_exponent : float
        Of a child's counts in its parent's.
    """

    orders: tuple[str, ...] = ("next", "both", "second")
    first: int = 1
    last: int = 4
    words: bool = True
    classes: bool = True
    rows_to_cut: int = 400
    charge: float = 0.2
    max_leaf_nodes: int | None = None
    cut_exponent: float = 0.85
    equality_exponent: float = 0.5


SINGLE = TreeRecipe()
READABLE = TreeRecipe(charge=0.0, max_leaf_nodes=1000, cut_exponent=0.7)

# Unlike in orders, distances and growth, so that their errors differ.
FOREST = (
    SINGLE,
    TreeRecipe(("both",), 1, 5, True, False, 20, 0.5, None, 0.85, 0.7),
    TreeRecipe(("next",), 1, 1, False, False, 2**31 - 1, 0.0, None, 0.85, 0.7),
    TreeRecipe(("next", "both"), 1, 4, True, True, 0, 0.0, 4000, 0.9, 0.7),
    TreeRecipe(("next",), 2, 5, True, True, 60, 0.3, None, 0.88, 0.7),
    TreeRecipe(("mixed-1",), 1, 6, True, True, 100, 0.2, None, 0.85, 0.7),
)


def recipes_for(n_trees: int, max_leaf_nodes: int | None = None) -> tuple[TreeRecipe, ...]:
    """Recipes of a forest: those of `FOREST`, then ones with further random orders."""
    out = []
    for number in range(n_trees):
        if max_leaf_nodes is not None:
            orders = READABLE.orders if number == 0 else ("next", f"mixed-{number}")
            recipe = dataclasses.replace(READABLE, max_leaf_nodes=max_leaf_nodes, orders=orders)
        elif number < len(FOREST):
            recipe = FOREST[number]
        else:
            orders = (f"mixed-{number - len(FOREST) + 2}",)
            recipe = dataclasses.replace(FOREST[-1], orders=orders)
        out.append(recipe)
    return tuple(out)
