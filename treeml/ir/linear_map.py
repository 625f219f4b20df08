"""Linear maps of a table's numbers, as data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from treeml._core.table import ColumnType, Table

__all__ = ["LinearMap"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LinearMap:
    """Some outputs, each an intercept plus weighted number columns.

    An output starts at its intercept, and the products are added from the first column to the
    last, each product and each sum rounded to a double (none fused), so that every path gives the
    same floats. A column of coefficient 0 is not read. Where a column that is read is missing, the
    output is NaN.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_outputs, n_columns)
        Finite; 0 for columns that hold no numbers.
    intercept : ndarray of float64, shape (n_outputs,)
        Finite.

    Raises
    ------
    ValueError
        Where these do not fit each other or are not finite.
    """

    coef: np.ndarray
    intercept: np.ndarray

    def __post_init__(self) -> None:
        for name, n_dimensions in (("coef", 2), ("intercept", 1)):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, array)
            if array.ndim != n_dimensions:
                raise ValueError(
                    f"{name} of a linear map has {n_dimensions} dimension(s), not {array.ndim}"
                )
            bad = np.argwhere(~np.isfinite(array))
            if bad.size:
                at = tuple(bad[0].tolist())
                raise ValueError(
                    f"{name} of a linear map must be finite: at {at} it is {array[at]}"
                )
        if len(self.intercept) != len(self.coef) or not len(self.coef):
            raise ValueError(
                f"a linear map has an intercept for each of its outputs, at least one: coef has "
                f"{len(self.coef)} rows, intercept {len(self.intercept)} entries"
            )

    @property
    def n_outputs(self) -> int:
        return len(self.intercept)

    @property
    def read(self) -> np.ndarray:
        """Indices of the columns that some output reads, ascending."""
        return np.flatnonzero(self.coef.any(axis=0))

    def require_numbers(self, columns: tuple[ColumnType, ...]) -> None:
        """Refuse columns that do not fit.

        Raises
        ------
        ValueError
            Where the columns are not as many, or one that is read holds no numbers.
        """
        if self.coef.shape[1] != len(columns):
            raise ValueError(
                f"a linear map over {self.coef.shape[1]} columns does not fit {len(columns)}"
            )
        for j in self.read.tolist():
            if not columns[j].numeric:
                raise ValueError(
                    f"column {columns[j].name!r} is of kind {columns[j].kind}: a linear map reads "
                    "numbers only"
                )

    def values(self, table: Table, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The outputs of some rows, all by default; shape (n_rows, n_outputs), float64."""
        n_rows = np.arange(table.n_rows)[rows].size
        out = np.tile(self.intercept, (n_rows, 1))
        with np.errstate(over="ignore", invalid="ignore"):
            for k, j in zip(*np.nonzero(self.coef), strict=True):
                column = np.asarray(table.columns[j].values[rows], dtype=np.float64)
                out[:, k] += self.coef[k, j] * column
        return out

    def products(self, output: int) -> list[tuple[int, float]]:
        """Column and coefficient of every product of an output, in the order of the sum."""
        row = self.coef[output]
        return [(int(j), float(row[j])) for j in np.flatnonzero(row)]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"coef": self.coef.tolist(), "intercept": self.intercept.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LinearMap:
        """Inverse of `to_dict`."""
        intercept = np.asarray(data["intercept"], dtype=np.float64)
        coef = np.asarray(data["coef"], dtype=np.float64).reshape(len(intercept), -1)
        return cls(coef, intercept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearMap) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.coef.tobytes(), self.intercept.tobytes()))
