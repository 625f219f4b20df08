"""One run: an optimal tree of the size that the data support, and a card, compared."""

from __future__ import annotations

import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from treeml._core.table import Table, TableError
from treeml._core.validation import as_table, check_target
from treeml.study.card import choose_size, fit_card, peer_of, score_sizes
from treeml.study.comparison import Row, compare
from treeml.study.peers import Peer, Task, cart_path, peers
from treeml.study.scores import class_weights, score_name
from treeml.study.selection import (
    REGULARIZATIONS,
    Budget,
    Candidate,
    choose,
    grow,
    score_on_folds,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Study"]

Progress = Callable[[str], None]

_LEAST_ROWS = 4  # of a class: two folds of the training part and a test row


class Study:
    """Find the simplest tree that is as good as the data can tell, and what it is worth.

    A stratified test part is set aside. On the rest, trees that are proven optimal are found for
    several depths and costs per leaf; cross-validation with the one-standard-error rule
    (Breiman et al., 1984, section 3.4.3) chooses among them: the fewest leaves whose mean score
    lies within one standard error of the best. For two classes a risk score is fitted too, over
    the same questions and with as many lines as the same rule chooses. CART, a logistic regression
    and a random forest see the same folds, and all meet the test part once.

    Parameters
    ----------
    max_depth : int, default=4
        Largest depth of the trees.
    regularizations : sequence of float or None, default=None
        Costs per leaf that are tried, as shares of all rows; None: from 0.02 down to 0.002.
    class_weight : None, "balanced" or dict, default=None
        Weights of the classes in the objective and in the score: accuracy without, balanced
        accuracy with "balanced", weighted accuracy with a dict.
    test_size : float, default=0.25
        Share of the rows set aside for the test.
    cv : int, default=5
        Number of folds; fewer where a class has fewer rows.
    time_limit : float, default=60
        Seconds that all searches for trees together may take; those for the risk score may take a
        sixth of it more, which also ends its proof.
    random_state : int, default=0
        Seed of the split, the folds, the forest and the resamples.

    Attributes
    ----------
    tree_ : OptimalTreeClassifier
        The chosen tree, fitted on the training part.
    alternative_ : OptimalTreeClassifier or None
        Where the chosen tree has one leaf: the best one by cross-validation that has splits.
    card_ : RiskScoreClassifier or None
        The risk score, fitted on the training part; its ``status_`` and ``gap_`` say what was
        proven of it. None where ``no_card_`` says why.
    no_card_ : str
        Why there is no risk score; empty where there is one.
    results_ : DataFrame
        One row a model: leaves, scores on folds and test part with 95% intervals.
    frontier_ : DataFrame
        One row a candidate tree: depth, regularization, leaves, proof and scores on the folds.
    status_ : {"optimal", "time_limit", "interrupted"}
        Whether every search for trees was completed, or what ended one.
    rows_ : ndarray of str, shape (n_rows,)
        The part that each row is in: "training" or "test".
    classes_ : ndarray, shape (n_classes,)
    """

    tree_: Any
    alternative_: Any
    card_: Any
    results_: pd.DataFrame
    frontier_: pd.DataFrame

    def __init__(
        self,
        *,
        max_depth: int = 4,
        regularizations: Sequence[float] | None = None,
        class_weight: Any = None,
        test_size: float = 0.25,
        cv: int = 5,
        time_limit: float = 60,
        random_state: int = 0,
    ) -> None:
        self.max_depth = max_depth
        self.regularizations = regularizations
        self.class_weight = class_weight
        self.test_size = test_size
        self.cv = cv
        self.time_limit = time_limit
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, source: str = "TABLE", progress: Progress | None = None
    ) -> Study:
        """Run the study.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n_rows, n_columns)
            Raw columns, as `OptimalTreeClassifier.fit` takes them.
        y : array-like, shape (n_rows,)
            Class of each row; the name of a Series becomes the name of the target.
        source : str, default="TABLE"
            What the data are called in the report and in the command that checks the model again.
        progress : callable, default=None
            Called with a line of text at each step.

        Returns
        -------
        Study
            Itself.

        Raises
        ------
        ValueError
            Where the table or the target cannot be used, naming column or rows.
        """
        say = progress or (lambda _: None)
        started = time.monotonic()
        self._prepare(X, y, source)
        self._task, self._path, self._peers = None, [], []
        self.card_, self.card_sizes_, self.no_card_ = None, [], "the study was interrupted before"
        self.status_ = "optimal"
        try:
            self._search(say)
            self._score(say)
            self._compare(say)
        except KeyboardInterrupt:
            if not getattr(self, "candidates_", None):
                raise
            self.status_ = "interrupted"
        self._finish()
        self.seconds_ = time.monotonic() - started
        return self

    def report(self, path: str | pathlib.Path) -> pathlib.Path:
        """Write the report: one html file that needs no network. Returns its path."""
        path = pathlib.Path(path)
        path.write_text(self.to_html(), encoding="utf-8")
        return path

    def to_html(self) -> str:
        """The report as html text."""
        from treeml.study.document import html

        return html(self)

    def save(self, folder: str | pathlib.Path) -> list[pathlib.Path]:
        """Write everything into a folder, which is made where it is missing.

        Returns
        -------
        list of Path
            ``report.html``, ``rules.txt``, ``tree.sql``, ``model.json``, ``certificate.json``
            and ``rows.csv``, which says of every row whether it was in the training part; with a
            risk score also ``card.txt``, ``card.json`` and ``card.sql``.
        """
        from treeml.study.document import save

        return save(self, pathlib.Path(folder))

    def _repr_html_(self) -> str:
        from treeml.report import tree_html

        return tree_html(self.tree_.tree_)

    def _prepare(self, X: Any, y: Any, source: str) -> None:
        """Check the input and set the test part aside."""
        from sklearn.model_selection import train_test_split

        if not 0 < self.test_size < 1:
            raise TableError(f"test_size is {self.test_size}, but must lie between 0 and 1")
        if not (isinstance(self.cv, int) and self.cv >= 2):
            raise TableError(f"cv is {self.cv!r}, but at least 2 folds are needed")
        table = as_table(X)
        self.classes_, codes = check_target(y, table.n_rows)
        counts = np.bincount(codes, minlength=len(self.classes_))
        if len(self.classes_) < 2:
            raise TableError(f"the target has one class only: {self.classes_[0]!r}")
        if counts.min() < _LEAST_ROWS:
            which = self.classes_[int(counts.argmin())]
            raise TableError(
                f"class {which!r} of the target has {counts.min()} rows; a study needs at least "
                f"{_LEAST_ROWS} of each class: leave it out or merge it with another class"
            )
        least = max(len(self.classes_), math.ceil(self.test_size * len(codes)))
        if least > len(codes) - 2 * len(self.classes_):
            raise TableError(f"{len(codes)} rows are too few for {len(self.classes_)} classes")
        self.target_ = str(getattr(y, "name", None) or "the target")
        self.source_ = source
        train, test = train_test_split(
            np.arange(len(codes)),
            test_size=least,
            stratify=codes,
            random_state=self.random_state,
        )
        self._train, self._test = np.sort(train), np.sort(test)
        self.rows_ = np.full(len(codes), "training", dtype=object)
        self.rows_[self._test] = "test"
        self._X, self._codes, self._table = X, codes, table
        self.weights_ = class_weights(self.class_weight, self.classes_, codes[self._train])
        self.score_name_ = score_name(self.class_weight)

    def _search(self, say: Progress) -> None:
        """Optimal trees of the training part, scored on folds."""
        from sklearn.model_selection import StratifiedKFold

        budget = Budget(self.time_limit)
        codes = self._codes[self._train]
        labels = self.classes_[codes]
        say("searching optimal trees")
        self.candidates_, interrupted = grow(
            _take(self._X, self._train),
            labels,
            max_depth=self.max_depth,
            regularizations=self.regularizations or REGULARIZATIONS,
            class_weight=self.class_weight,
            budget=budget,
        )
        if interrupted:
            raise KeyboardInterrupt
        n_folds = min(self.cv, int(np.bincount(codes).min()))
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=self.random_state)
        self.folds_ = list(splitter.split(np.zeros(len(codes)), codes))
        say(f"scoring {len(self.candidates_)} trees on {n_folds} folds")
        interrupted = score_on_folds(
            self.candidates_,
            lambda rows: _take(self._X, self._train[rows]),
            labels,
            codes,
            self.folds_,
            class_weight=self.class_weight,
            weights=self.weights_,
            budget=budget,
        )
        if interrupted:
            raise KeyboardInterrupt

    def _score(self, say: Progress) -> None:
        """A risk score of the size that the folds support."""
        n_classes = len(self.classes_)
        if n_classes != 2:
            why = f"a risk score tells two classes apart, and {self.target_} has {n_classes}"
            self.no_card_ = why
            return
        codes, binarizer = self._codes[self._train], self.candidates_[0].estimator.binarizer_
        labels, budget = self.classes_[codes], Budget(self.time_limit / 6)
        common: Any = {"binarizer": binarizer, "class_weight": self.class_weight, "budget": budget}
        say("scoring cards on the folds")
        self.card_sizes_ = score_sizes(
            lambda rows: _take(self._X, self._train[rows]),
            labels,
            codes,
            self.folds_,
            weights=self.weights_,
            **common,
        )
        self.card_size_ = choose_size(self.card_sizes_)
        most = self.card_size_.max_features
        say(f"searching the best card of {most} lines")
        X = _take(self._X, self._train)
        self.card_, self.no_card_ = fit_card(X, labels, max_features=most, **common), ""
        if self.card_.status_ == "interrupted":
            raise KeyboardInterrupt

    def _compare(self, say: Progress) -> None:
        """The other models, on the same folds."""
        self._task = Task(
            train=self._table.take(self._train),
            codes=self._codes[self._train],
            test=self._table.take(self._test),
            classes=self.classes_,
            folds=self.folds_,
            class_weight=self.class_weight,
            weights=self.weights_,
            random_state=self.random_state,
        )
        say("comparing with CART")
        self._path = cart_path(self._task)
        for peer in peers(self._task, self._path):
            self._peers.append(peer)
            say(f"comparing with {peer.name}")

    def _finish(self) -> None:
        """Choose, and meet the test part."""
        if len({len(c.folds) for c in self.candidates_}) > 1 or self._few_folds():
            for candidate in self.candidates_:
                candidate.folds.clear()
        self.chosen_, self.best_, self.threshold_ = choose(self.candidates_)
        self.tree_, self.alternative_ = self.chosen_.estimator, None
        ours = [self._as_peer(self.chosen_, f"optimal tree, {_leaves(self.chosen_)}", "chosen")]
        if self.chosen_.leaves == 1:
            splits = [c for c in self.candidates_ if c.leaves > 1]
            if splits:
                other, _, _ = _best_only(splits)
                self.alternative_ = other.estimator
                name = f"optimal tree, {_leaves(other)}"
                ours.append(self._as_peer(other, name, "best one with splits on the folds"))
        elif self.best_ is not self.chosen_:
            name = f"optimal tree, {_leaves(self.best_)}"
            ours.append(self._as_peer(self.best_, name, "best on the folds"))
        cards: list[Peer] = []
        if self.card_ is not None:
            cards.append(peer_of(self.card_, self.card_size_, self._table.take(self._test)))
        open_searches = any(not c.proven or c.open_folds for c in self.candidates_)
        if open_searches and self.status_ == "optimal":
            self.status_ = "time_limit"
        self.comparison_: list[Row] = compare(
            [*ours, *cards, *self._peers],
            n_ours=len(ours),
            n_cards=len(cards),
            train_codes=self._codes[self._train],
            test_codes=self._codes[self._test],
            classes=self.classes_,
            weights=self.weights_,
            random_state=self.random_state,
        )
        self._frames()

    def _few_folds(self) -> bool:
        return any(len(c.folds) == 1 for c in self.candidates_)

    def _as_peer(self, candidate: Candidate, name: str, rule: str) -> Peer:
        tree, unseen = candidate.tree, self._table.take(self._test)
        proof = "proven optimal" if candidate.proven else f"gap {candidate.estimator.gap_:.1%}"
        settings = (
            f"{rule}; {proof}; depth <= {candidate.max_depth}, "
            f"cost per leaf {candidate.regularization:g}"
        )
        chance = tree.predict_proba(unseen)[:, 1] if len(self.classes_) == 2 else None
        predicted = tree.label[tree.apply(unseen)]
        return Peer(name, settings, candidate.folds, candidate.leaves, predicted, chance)

    def _frames(self) -> None:
        import pandas as pd

        self.results_ = pd.DataFrame([row.to_dict() for row in self.comparison_])
        rows = [c.to_dict() | {"chosen": c is self.chosen_} for c in self.candidates_]
        self.frontier_ = pd.DataFrame(rows)

    @property
    def table_(self) -> Table:
        """The columns of the whole table, as read."""
        return self._table

    @property
    def cart_path_(self) -> list[tuple[int, list[float]]]:
        """Fold scores of CART for every bound on its leaves."""
        return self._path

    @property
    def codes_(self) -> np.ndarray:
        """Class of every row, as a position in ``classes_``."""
        return self._codes


def _best_only(candidates: Sequence[Candidate]) -> tuple[Candidate, Candidate, float]:
    """The best mean among candidates, proven ones first."""
    _, best, threshold = choose(candidates)
    return best, best, threshold


def _leaves(candidate: Candidate) -> str:
    return "one leaf" if candidate.leaves == 1 else f"{candidate.leaves} leaves"


def _take(X: Any, rows: np.ndarray) -> Any:
    """Raw rows of a frame, an array or a list, of the same kind."""
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return frame[rows.tolist()].to_native()
    return np.asarray(X)[rows] if not isinstance(X, list) else [X[row] for row in rows]
