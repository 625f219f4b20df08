"""Limits of growth that is written in NumPy: time, and Ctrl-C."""

from __future__ import annotations

import dataclasses
import time

from treeml._core.control import Control, Status

__all__ = ["GrowthClock"]


class GrowthClock:
    """When growth and moves end: by time, or by Ctrl-C; a second Ctrl-C is raised.

    Parameters
    ----------
    control : Control, default=None
        Its time runs from here on.

    Attributes
    ----------
    status : {"optimal", "time_limit", "interrupted"}
        What has ended them; "optimal": nothing yet.
    """

    def __init__(self, control: Control | None = None) -> None:
        self.control, self._begin, self._polls = control or Control(), time.perf_counter(), 0
        self.status: Status = "optimal"

    def over(self) -> bool:
        """Whether to end; once it is so it stays so."""
        self._polls += 1
        after = self.control.stop_after
        if self.status == "optimal" and (
            self.left.time_limit == 0 or (after is not None and self._polls > after)
        ):
            self.status = "time_limit"
        return self.status != "optimal"

    def interrupt(self, error: KeyboardInterrupt) -> None:
        """Take note of Ctrl-C."""
        if self.status == "interrupted":
            raise error
        self.status = "interrupted"

    @property
    def left(self) -> Control:
        """Limits for what comes next; none of it where this was interrupted."""
        left = self.control.after(self._begin)
        return dataclasses.replace(left, stop_after=0) if self.status == "interrupted" else left
