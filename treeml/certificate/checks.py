"""What checkers of certificates have in common: sentences, and what a difference ends."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, ClassVar

from treeml.ir.predicate import number_text

__all__ = ["Checks"]


class _RefutedError(Exception):
    """A difference that leaves nothing further to check."""


class Checks:
    """Checks of one certificate, in order.

    Parameters
    ----------
    claim : dict
        The certificate, as its ``to_dict`` gives it.

    Attributes
    ----------
    ok : bool
    bound_checked : bool
        Whether the bound was proved again.
    lines : list of str
        One sentence for every check; those that failed start with ``DIFFERS:``.
    objective : float
        Derived again; NaN where the model could not be run on the table.
    """

    tolerance: ClassVar[float] = 1e-9  # of figures, relative above 1

    def __init__(self, claim: dict[str, Any]) -> None:
        self.claim = claim
        self.ok, self.bound_checked = True, False
        self.lines: list[str] = []
        self.objective = math.nan

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Ends at a difference that stops, and where the certificate cannot be read."""
        try:
            yield
        except _RefutedError:
            return
        except (KeyError, TypeError, IndexError, ValueError) as error:
            fault = f"the certificate cannot be read ({type(error).__name__}: {error})"
            self._check(False, "", fault)

    def _check(self, good: bool, fact: str, differs: str, *, stop: bool = False) -> None:
        self.lines.append(fact if good else f"DIFFERS: {differs}")
        self.ok = self.ok and good
        if stop and not good:
            raise _RefutedError

    def _same(self, what: str, stated: Any, found: float, slack: float | None = None) -> None:
        allowed = self.tolerance if slack is None else slack
        self._check(
            abs(float(stated) - found) <= allowed * max(1.0, abs(found)),
            f"{what} is {number_text(found)}, as stated",
            f"{what} is {number_text(found)}, the certificate states {number_text(stated)}",
        )
