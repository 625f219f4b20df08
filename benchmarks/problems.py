"""Problems: 0/1 matrices with classes, from bundled data or from a folder of csv files."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def bundled() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Real tables that come with treeml and scikit-learn, binarized once for every library."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine

    from treeml import Binarizer
    from treeml.datasets import load_german_credit

    X, y = load_german_credit()
    out = {"german_credit": (Binarizer().fit_transform(X), (y == "bad").to_numpy(np.int32))}
    for load, name in ((load_breast_cancer, "breast_cancer"), (load_wine, "wine")):
        X, y = load(return_X_y=True)
        out[name] = (Binarizer().fit_transform(X), y.astype(np.int32))
    X, y = load_digits(return_X_y=True)
    out["digits_even"] = (Binarizer(max_bins=3).fit_transform(X), (y % 2).astype(np.int32))
    return out


def folder(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every csv(.gz) of a folder: 0/1 columns, and the class as "y" or else the first column."""
    import pandas as pd

    out = {}
    for file in sorted(path.glob("*.csv*")):
        frame = pd.read_csv(file)
        y = frame.pop("y" if "y" in frame else frame.columns[0])
        if frame.isin([0, 1]).all(axis=None):
            out[file.name.split(".")[0]] = (frame.to_numpy(np.int32), y.to_numpy(np.int32))
    return out


def continuous(path: Path | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Tables of numbers: every csv(.gz) of a folder, class "y"; without one, scikit-learn's."""
    import pandas as pd
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine

    if path is None:
        loads = {"breast_cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}
        return {name: load(return_X_y=True) for name, load in loads.items()}
    out = {}
    for file in sorted(path.glob("*.csv*")):
        frame = pd.read_csv(file)
        y = frame.pop("y")
        out[file.name.split(".")[0]] = (frame.to_numpy(np.float64), y.to_numpy(np.int32))
    return out
