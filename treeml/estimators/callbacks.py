"""scikit-learn's callbacks, where it has them: progress of a search as subtasks of ``fit``.

Every step of a search is a task "search" below the estimator's "fit", whose metadata are the
``seconds``, the ``objective`` and the ``lower_bound`` known then. A callback that answers True
ends the search, as Ctrl-C does: the model is the best so far, with its bound.
"""

from __future__ import annotations

from typing import Any, Self

from treeml._core.control import Control, print_progress

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks  # from 1.9 on
except ImportError:  # pragma: no cover - older scikit-learn
    CallbackSupportMixin = type("CallbackSupportMixin", (), {})

    def with_callbacks(method: Any) -> Any:
        """The method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "FitTask", "SearchMixin", "with_callbacks"]


class FitTask:
    """The task "fit" of an estimator, as its callbacks see it; without any it does nothing."""

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        begin = getattr(estimator, "_init_callback_context", None)
        self._context = None if begin is None else begin(max_subtasks=None)
        self._estimator = estimator
        weights = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data: dict[str, Any] = {"X": X, "y": y, "metadata": weights}
        if self._context is not None:
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    @property
    def watched(self) -> bool:
        """Whether there is a callback to tell of steps."""
        return self._context is not None and bool(getattr(self._estimator, "_skl_callbacks", ()))

    def step(self, seconds: float, objective: float, lower_bound: float) -> None:
        """Tell of a step of the search."""
        if self._context is None:
            return
        known = {"seconds": seconds, "objective": objective, "lower_bound": lower_bound}
        task = self._context.subcontext(task_name="search")
        task.call_on_fit_task_begin(estimator=self._estimator, metadata=known)
        if task.call_on_fit_task_end(estimator=self._estimator, metadata=known):
            raise KeyboardInterrupt

    def end(self) -> None:
        """Tell of the fitted estimator."""
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self._estimator,
                **self._data,
                reconstruction_attributes=lambda: {
                    name: value
                    for name, value in vars(self._estimator).items()
                    if name.endswith("_") and not name.startswith("_")
                },
            )


class SearchMixin:
    """An estimator whose fit is one search: its limits and progress, and stops for tests."""

    time_limit: float | None
    memory_limit: int | None
    verbose: int

    def _control(self, task: FitTask) -> Control:
        shown = [print_progress] if self.verbose else []
        if task.watched:
            shown.append(task.step)

        def progress(*known: float) -> None:
            for show in shown:
                show(*known)

        return Control(
            time_limit=self.time_limit,
            memory_limit=self.memory_limit,
            gap_tol=getattr(self, "gap_tol", 0.0),
            n_jobs=getattr(self, "n_jobs", None),
            progress=progress if shown else None,
            stop_after=getattr(self, "_stop_after", None),
        )

    def _set_stop(self, after_polls: int) -> Self:
        """End the search at a certain poll of its clock: a stop that repeats, for tests."""
        self._stop_after = after_polls
        return self

    def _leave_out(self, *bounds: str) -> Self:
        """Search without these bounds, for tests."""
        self._without = bounds
        return self
