"""Limits of a search: how long it may run, and what happens when a limit ends it."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Literal

Status = Literal["optimal", "time_limit", "memory_limit", "interrupted"]

__all__ = ["Control", "SearchLimitWarning", "Status", "warn_of_limit"]


class SearchLimitWarning(UserWarning):
    """A search ended before its proof: the model is the best found, with its bound."""


@dataclasses.dataclass(frozen=True, slots=True)
class Control:
    """When a search must end.

    Parameters
    ----------
    time_limit : float or None, default=None
        Seconds of wall time; None: no limit.
    stop_after : int or None, default=None
        End at this poll of the clock, whatever it shows: a stop that repeats, for tests.
    """

    time_limit: float | None = None
    stop_after: int | None = None


def warn_of_limit(status: Status, objective: float, gap: float, time_limit: float | None) -> None:
    """Say that a search was not completed, and how good its model is known to be."""
    if status == "optimal":
        return
    why = {
        "time_limit": f"time_limit={time_limit} was reached",
        "memory_limit": "the memory limit was reached",
        "interrupted": "the search was interrupted",
    }[status]
    warnings.warn(
        f"{why} before the proof was complete: the model is the best found, with objective "
        f"{objective:.6g} and a gap of {100 * gap:.1f} %; a smaller max_depth, fewer bins or a "
        "larger regularization make the proof easier",
        SearchLimitWarning,
        stacklevel=3,
    )
