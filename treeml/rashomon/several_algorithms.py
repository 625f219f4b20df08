"""Whether unlike learners score alike, which makes a large Rashomon set likely."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from treeml._core.validation import check_target
from treeml.binarize import Binarizer

__all__ = ["SeveralAlgorithms", "several_algorithms"]


@dataclasses.dataclass(frozen=True, slots=True)
class SeveralAlgorithms:
    """Cross-validated accuracies of unlike learners, and how far they are apart.

    Parameters
    ----------
    names : tuple of str
    scores : ndarray, shape (n_learners,)
        Share of right predictions over all rows, each predicted by a model fitted without it.
    standard_errors : ndarray, shape (n_learners,)
        Of the scores, over rows.
    folds : ndarray, shape (n_learners, cv)
        Share of right predictions in each fold.
    spread, spread_error : float
        Best score less worst, and the standard error of that difference over the same rows.
    tolerance : float
    """

    names: tuple[str, ...]
    scores: np.ndarray
    standard_errors: np.ndarray
    folds: np.ndarray
    spread: float
    spread_error: float
    tolerance: float

    @property
    def verdict(self) -> str:
        """Spread "alike" (2 standard errors or less), "close" (the tolerance) or "apart"."""
        if self.spread <= 2 * self.spread_error:
            return "alike"
        return "close" if self.spread <= self.tolerance else "apart"

    @property
    def table(self) -> Any:
        """One learner a row, the best first: a DataFrame with score, error and the folds."""
        import pandas as pd

        columns = {"score": self.scores, "standard_error": self.standard_errors}
        columns |= {f"fold_{k}": scores for k, scores in enumerate(self.folds.T, start=1)}
        frame = pd.DataFrame(columns, index=pd.Index(self.names, name="learner"))
        return frame.sort_values("score", ascending=False, kind="stable")

    @property
    def text(self) -> str:
        """What was found, what follows from it and what does not."""
        best, worst = int(np.argmax(self.scores)), int(np.argmin(self.scores))
        found = (
            f"{len(self.names)} unlike learners are right on {100 * self.scores[worst]:.1f} % "
            f"({self.names[worst]}) to {100 * self.scores[best]:.1f} % ({self.names[best]}) of the "
            f"rows they have not seen: a spread of {100 * self.spread:.1f} points, with a standard "
            f"error of {100 * self.spread_error:.1f}."
        )
        follows = {
            "alike": "These rows do not tell the learners apart. That makes a large Rashomon set, "
            "and a simple model as good as these, likely; it is evidence and no proof.",
            "close": "The spread is larger than chance alone makes it, but small. That makes a "
            "large Rashomon set likely; it is evidence and no proof.",
            "apart": "What the learners can express matters here. A small spread would have made a "
            "large Rashomon set likely; from a large one it does not follow that the set is small.",
        }
        return f"{found} {follows[self.verdict]}"


def several_algorithms(
    X: Any,
    y: Any,
    *,
    cv: int = 5,
    binarizer: Binarizer | None = None,
    tolerance: float = 0.05,
    random_state: Any = None,
) -> SeveralAlgorithms:
    """Score six unlike learners on the same columns and rows.

    [1]_ found that where the Rashomon ratio is large, learners with different function
    classes score alike, on training and on test rows: a check that takes seconds. The learners are
    a logistic regression, a greedy tree, a random forest, boosted trees, nearest neighbours and a
    support vector machine with a Gaussian kernel, as scikit-learn has them. All of them read the
    0/1 columns that trees are made of; the columns are chosen anew in every training part.

    The standard error of a score is the deviation of right and wrong over rows by the square root
    of their number; it leaves out what another draw of training rows would change, so that it is
    rather too small. That of the spread is of the differences between the best and the worst
    learner, row by row.

    Parameters
    ----------
    X : DataFrame or ndarray, shape (n_rows, n_columns)
        A raw table, as the estimators take it.
    y : array-like, shape (n_rows,)
        Class labels.
    cv : int, default=5
        Folds, stratified by class and shuffled.
    binarizer : Binarizer or None, default=None
        None: ``Binarizer()``, and a NumPy matrix of zeros and ones as it is.
    tolerance : float, default=0.05
        A spread that counts as small though it is more than chance.
    random_state : int, RandomState or None

    Returns
    -------
    SeveralAlgorithms

    Raises
    ------
    ValueError
        For a target of one class or with a class of fewer rows than folds; for a table that cannot
        be used.

    References
    ----------
    .. [1] L. Semenova, C. Rudin, R. Parr, "On the Existence of Simpler Machine Learning Models",
       FAccT 2022, arXiv 1908.01755.
    """
    classes, codes = check_target(y, len(X))
    rows = np.bincount(codes, minlength=len(classes))
    if cv < 2:
        raise ValueError(f"cv={cv}: give 2 folds or more")
    if len(classes) < 2:
        raise ValueError(f"y has the class {classes[0]!r} only: there is nothing to tell apart")
    if rows.min() < cv:
        few = int(np.argmin(rows))
        raise ValueError(
            f"the class {classes.tolist()[few]!r} has {rows[few]} rows, fewer than cv={cv} folds: "
            "give a smaller cv"
        )
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    splits = list(StratifiedKFold(cv, shuffle=True, random_state=seed).split(codes, codes))
    plain = binarizer is None and isinstance(X, np.ndarray) and X.ndim == 2
    plain = plain and X.dtype.kind in "biuf" and bool(((X == 0) | (X == 1)).all())
    learners = _learners(seed, len(X))
    right = np.empty((len(learners), len(codes)))
    with threadpool_limits(1):  # sums come out the same on any machine
        for k, learner in enumerate(learners.values()):
            columns = Binarizer() if binarizer is None else clone(binarizer)
            model = learner if plain else make_pipeline(columns, learner)
            right[k] = cross_val_predict(model, X, codes, cv=splits) == codes
    scores = right.mean(axis=1)
    difference = right[np.argmax(scores)] - right[np.argmin(scores)]
    root = math.sqrt(len(codes))
    return SeveralAlgorithms(
        names=tuple(learners),
        scores=scores,
        standard_errors=right.std(axis=1, ddof=1) / root,
        folds=np.array([right[:, test].mean(axis=1) for _, test in splits]).T,
        spread=float(scores.max() - scores.min()),
        spread_error=float(difference.std(ddof=1)) / root,
        tolerance=tolerance,
    )


def _learners(seed: int, n_rows: int) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    return {
        "logistic regression": LogisticRegression(max_iter=5000),
        "greedy tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=seed),
        "random forest": RandomForestClassifier(random_state=seed),
        "boosted trees": HistGradientBoostingClassifier(random_state=seed),
        "nearest neighbours": KNeighborsClassifier(min(15, max(1, n_rows // 4))),
        "support vector machine": SVC(random_state=seed),
    }
