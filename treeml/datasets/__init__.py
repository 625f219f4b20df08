"""Small real tables that come with the package, each with a note on its source and licence."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

__all__ = ["GERMAN_CREDIT_COSTS", "NAMES", "data_path", "load_german_credit"]

NAMES: Final = ("german_credit",)
"""Names of the bundled tables."""

GERMAN_CREDIT_COSTS: Final = MappingProxyType({("bad", "good"): 5, ("good", "bad"): 1})
"""Costs that come with the German credit data, by (true class, predicted class).

A bad customer taken for a good one costs 5, a good one taken for a bad one 1. As a matrix with
the classes in sorted order, rows true and columns predicted: ``[[0, 5], [1, 0]]``.
"""


def data_path(name: str) -> Path:
    """File of a bundled table.

    Parameters
    ----------
    name : str
        One of `NAMES`, with or without ``.csv``.

    Returns
    -------
    Path
        A CSV file whose first line has the column names.

    Raises
    ------
    ValueError
        Where no table has that name.
    """
    stem = name.removesuffix(".csv")
    if stem not in NAMES:
        raise ValueError(f"no bundled table is called {name!r}; there are: {', '.join(NAMES)}")
    return Path(str(files("treeml.datasets") / f"{stem}.csv"))


def load_german_credit(*, as_frame: bool = True) -> tuple[Any, Any]:
    """The German credit table (UCI Statlog, Hans Hofmann, CC BY 4.0).

    1,000 loan applications with 7 numeric and 13 categorical columns; 300 were bad. Source,
    licence and changes are in ``german_credit.md`` beside the data.

    Parameters
    ----------
    as_frame : bool, default=True
        Whether to return pandas objects, or NumPy arrays.

    Returns
    -------
    X : DataFrame, or ndarray of object, shape (1000, 20)
    y : Series, or ndarray of object, shape (1000,)
        ``"good"`` or ``"bad"``, named ``creditability``.

    Examples
    --------
    >>> from treeml.datasets import load_german_credit
    >>> X, y = load_german_credit()
    >>> X.shape
    (1000, 20)
    """
    import pandas as pd

    frame = pd.read_csv(data_path("german_credit"), keep_default_na=False)
    X, y = frame.drop(columns="creditability"), frame["creditability"]
    if as_frame:
        return X, y
    return X.to_numpy(dtype=object), y.to_numpy(dtype=object)
