"""A router's tree with what is known about it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from treeml import ir
from treeml.ir import RoutedModel
from treeml.routing.answers import RoutedAnswers

__all__ = ["RoutedTree"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RoutedTree(RoutedAnswers):
    """A tree in the place of a router: `treeml.routing.distil_router` makes it.

    It answers, speaks and is exported as its model is: ``predict``, ``predict_proba``, ``route``,
    ``rules``, ``to_text``, ``to_python``, ``to_sql``, ``to_c``, ``plot``, ``to_json``.

    Parameters
    ----------
    model : RoutedModel
        A tree over the teacher's experts, which keep their numbers; maps that were fitted anew
        stand behind them.
    report_ : dict
        - ``kind``, ``loss``: as given;
        - ``n_rows``, ``n_leaves``: training rows, leaves;
        - ``fidelity``: share of the rows that are sent to the teacher's expert, or to a map that
          was fitted anew from it;
        - ``cost``, ``teacher_cost``: mean loss over the rows, of the tree and of the teacher;
        - ``regret``: their difference; below 0 where the tree is better than its teacher;
        - ``best_cost``, ``best_single_cost``: mean loss of the best of the teacher's experts in
          every row, and of the best one alone;
        - ``n_refitted``: leaves with a map that was fitted anew;
        - ``grid_cost``, ``lower_bound``, ``gap``: of the search over the grid, for
          ``kind="oblique_exact"`` None, None and 0;
        - ``status``: "optimal", or what ended the search or the moves after it before their end:
          "time_limit" or "interrupted";
        - ``certificate``: what is proven, in words.
    """

    model: RoutedModel
    report_: dict[str, Any]

    @property
    def n_leaves(self) -> int:
        return self.model.n_leaves

    def to_json(self) -> str:
        """The model as JSON, which `treeml.load` reads."""
        return ir.dump(self.model)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def _fitted_model(self) -> RoutedModel:
        return self.model
