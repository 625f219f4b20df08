"""Limits of a search: how long it may run, and what happens when a limit ends it."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Literal

Status = Literal["optimal", "gap_tol", "time_limit", "memory_limit", "interrupted"]

__all__ = [
    "Control",
    "SearchLimitWarning",
    "Status",
    "print_progress",
    "warn_of_limit",
    "warn_of_stop",
]


class SearchLimitWarning(UserWarning):
    """A search ended before its proof: the model is the best found, with its bound."""


@dataclasses.dataclass(frozen=True, slots=True)
class Control:
    """When a search must end.

    Parameters
    ----------
    time_limit : float or None, default=None
        Seconds of wall time; None: no limit.
    memory_limit : int or None, default=None
        Bytes that the search may allocate; None: no limit.
    gap_tol : float, default=0.0
        The search may end when its gap is no larger.
    n_jobs : int or None, default=None
        Threads; None is 1, -1 all processors.
    progress : callable or None, default=None
        ``progress(seconds, objective, lower_bound)`` is called about twenty times a second.
    stop_after : int or None, default=None
        End at this poll of the clock, whatever it shows: a stop that repeats, for tests.
    """

    time_limit: float | None = None
    memory_limit: int | None = None
    gap_tol: float = 0.0
    n_jobs: int | None = None
    progress: Callable[[float, float, float], object] | None = None
    stop_after: int | None = None

    @property
    def n_threads(self) -> int:
        if self.n_jobs is None:
            return 1
        if self.n_jobs > 0:
            return self.n_jobs
        return max(1, (os.cpu_count() or 1) + 1 + self.n_jobs)

    def after(self, begin: float) -> Control:
        """What is left of the time since ``begin``, a reading of `time.perf_counter`."""
        if self.time_limit is None:
            return self
        left = max(0.0, self.time_limit - (time.perf_counter() - begin))
        return dataclasses.replace(self, time_limit=left)


_EASIER = "a smaller max_depth, fewer bins or a larger regularization make the proof easier"


def print_progress(seconds: float, objective: float, lower_bound: float) -> None:
    """One line on the terminal, rewritten in place where it is one."""
    end = "\r" if sys.stderr.isatty() else "\n"
    text = f"{seconds:8.1f} s   objective {objective:.6f}   lower bound {lower_bound:.6f}"
    print(text, end=end, file=sys.stderr, flush=True)


def warn_of_limit(
    status: Status,
    objective: float,
    gap: float,
    control: Control,
    easier: str = _EASIER,
) -> None:
    """Say that a search was not completed, and how good its model is known to be."""
    if status in ("optimal", "gap_tol"):
        return
    warnings.warn(
        f"{_reason(status, control)} before the proof was complete: the model is the best found, "
        f"with objective {objective:.6g} and a gap of {100 * gap:.1f} %; {easier}",
        SearchLimitWarning,
        stacklevel=3,
    )


def warn_of_stop(status: Status, control: Control, kept: str) -> None:
    """Say that growth was ended by a limit, and what is kept of it."""
    if status != "optimal":
        warnings.warn(f"{_reason(status, control)}: {kept}", SearchLimitWarning, stacklevel=4)


def _reason(status: Status, control: Control) -> str:
    return {
        "time_limit": f"time_limit={control.time_limit} was reached",
        "memory_limit": f"memory_limit={control.memory_limit} was reached",
        "interrupted": "the search was interrupted",
    }[status]
