"""Linear experts and the router that chooses one for every row, as data."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Literal

import numpy as np

from treeml._core.table import ColumnType, Table
from treeml.ir.linear_map import LinearMap
from treeml.ir.links import logistic_proba, softmax_proba
from treeml.ir.predicate import Predicate, Term
from treeml.ir.router import LinearRouter, Router, RoutingTree, first_greatest

RoutedLink = Literal["identity", "logistic", "softmax"]

__all__ = ["RoutedLink", "RoutedModel"]

_ROUTERS: dict[str, Any] = {kind.kind: kind for kind in (RoutingTree, LinearRouter)}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RoutedModel:
    """One linear expert answers for a row; a router, a tree or linear scores, says which.

    Mixtures of experts, the trees that they are distilled into, trees with linear leaves and
    trees of networks all predict through this class. The scores of a row are the outputs of its
    expert, kept within the expert's range if it has one. What is predicted follows by the link:

    - ``identity``: the scores themselves, one or several numbers;
    - ``logistic``: the second class where the score is above 0, with probability
      ``1 / (1 + exp(-score))``;
    - ``softmax``: the class with the greatest score, the first of several; probabilities are
      proportional to ``exp(score)``.

    A missing value in a column that the expert reads makes its score NaN. Then numbers and
    probabilities are NaN (NULL in SQL) and the class is the first one. What a missing value does
    in the router is said there: it answers no to the questions of a tree, and linear scores send
    it to the first expert.

    Parameters
    ----------
    columns : tuple of ColumnType
        The columns of the table it was fitted on, those of the router.
    router : RoutingTree or LinearRouter
        Says which expert answers.
    experts : tuple of LinearMap
        At least one; all with as many outputs as there are scores.
    link : {"identity", "logistic", "softmax"}
        From scores to predictions. Logistic has one score, softmax one for each class.
    classes : ndarray or None, shape (n_classes,)
        The class labels; None for numbers.
    clip : ndarray of float64 or None, shape (n_experts, n_outputs, 2)
        Least and greatest score of each expert; -inf and inf where there is no limit.

    Raises
    ------
    ValueError
        Where these do not fit each other.
    """

    kind: ClassVar[str] = "routed_model"

    columns: tuple[ColumnType, ...]
    router: Router
    experts: tuple[LinearMap, ...]
    link: RoutedLink = "identity"
    classes: np.ndarray | None = None
    clip: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.link not in ("identity", "logistic", "softmax"):
            raise ValueError(f"link {self.link!r} is not one of identity, logistic, softmax")
        if (self.link == "identity") != (self.classes is None):
            raise ValueError(
                f"link {self.link!r} {'has no' if self.classes is not None else 'needs'} classes"
            )
        if self.link == "logistic" and self.n_classes != 2:
            raise ValueError(f"link 'logistic' has two classes, not {self.n_classes}")
        if self.router.columns != self.columns:
            raise ValueError("the router of a routed model shares its columns")
        if not self.experts or self.router.n_experts > self.n_experts:
            raise ValueError(
                f"the router chooses among {self.router.n_experts} experts, of which there are "
                f"{len(self.experts)}"
            )
        expected = {"identity": self.experts[0].n_outputs, "logistic": 1, "softmax": self.n_classes}
        for expert in self.experts:
            expert.require_numbers(self.columns)
            if expert.n_outputs != expected[self.link]:
                raise ValueError(
                    f"every expert has {expected[self.link]} output(s) here, not {expert.n_outputs}"
                )
        self._check_clip()

    def _check_clip(self) -> None:
        if self.clip is None:
            return
        if self.clip.shape != (self.n_experts, self.n_outputs, 2):
            raise ValueError(
                f"clip must have the shape {(self.n_experts, self.n_outputs, 2)}, "
                f"not {self.clip.shape}"
            )
        low, high = self.clip[..., 0], self.clip[..., 1]
        if not ((low <= high) & (low < math.inf) & (high > -math.inf)).all():  # false for NaN
            raise ValueError("clip must hold the least score before the greatest, no NaN")

    @property
    def n_experts(self) -> int:
        return len(self.experts)

    @property
    def n_outputs(self) -> int:
        """Number of scores."""
        return self.experts[0].n_outputs

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for numbers."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def n_leaves(self) -> int:
        """Leaves of the tree; with linear scores the experts."""
        return self.n_experts if isinstance(self.router, LinearRouter) else self.router.n_leaves

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """The distinct questions of the router; none where it has linear scores."""
        return self.router.predicates if isinstance(self.router, RoutingTree) else ()

    @property
    def used_experts(self) -> tuple[int, ...]:
        """The experts that the router can choose, ascending."""
        if isinstance(self.router, LinearRouter):
            return tuple(range(self.router.n_experts))
        return tuple(np.unique(self.router.expert[self.router.leaves]).tolist())

    @property
    def read(self) -> tuple[Term, ...]:
        """The columns that router or experts read, in their order."""
        indices = {part.index for p in self.predicates for part in p.term.parts}
        if isinstance(self.router, LinearRouter):
            indices.update(self.router.scores.read.tolist())
        for which in self.used_experts:
            indices.update(self.experts[which].read.tolist())
        return tuple(Term(j, self.columns[j]) for j in sorted(indices))

    def required_classes(self) -> np.ndarray:
        """The classes, for what needs probabilities.

        Raises
        ------
        ValueError
            For a model that predicts numbers.
        """
        if self.classes is None:
            raise ValueError(
                "a routed model with link 'identity' predicts numbers: it has no probabilities"
            )
        return self.classes

    def limits(self, expert: int, output: int) -> tuple[float, float]:
        """Least and greatest score of an expert; infinite where there is no limit."""
        if self.clip is None:
            return -math.inf, math.inf
        low, high = self.clip[expert, output].tolist()
        return low, high

    def route(self, table: Table) -> np.ndarray:
        """Expert of every row, shape (n_rows,), int32."""
        return self.router.route(table)

    def score(self, table: Table) -> np.ndarray:
        """Outputs of each row's expert within its range, shape (n_rows, n_outputs), float64."""
        expert = self.route(table)
        out = np.empty((table.n_rows, self.n_outputs))
        for which in np.unique(expert).tolist():
            rows = np.flatnonzero(expert == which)
            out[rows] = self.experts[which].values(table, rows)
        return self.clipped(out, expert)

    def clipped(self, scores: np.ndarray, expert: np.ndarray) -> np.ndarray:
        """Scores kept within the range of their experts; NaN stays NaN.

        Parameters
        ----------
        scores : ndarray of float64, shape (n_rows, n_outputs)
        expert : ndarray of int32, shape (n_rows,)
        """
        if self.clip is None:
            return scores
        low, high = self.clip[expert, :, 0], self.clip[expert, :, 1]
        return np.where(scores < low, low, np.where(scores > high, high, scores))

    def predict(self, table: Table) -> np.ndarray:
        """Class label or number of every row, shape (n_rows,); (n_rows, n_outputs) for several."""
        return self.predict_of(self.score(table))

    def predict_proba(self, table: Table) -> np.ndarray:
        """Class probabilities of every row, shape (n_rows, n_classes).

        Raises
        ------
        ValueError
            For a model that predicts numbers.
        """
        self.required_classes()
        return self.proba_of(self.score(table))

    def predict_of(self, score: np.ndarray) -> np.ndarray:
        """What scores mean: class labels or numbers.

        Parameters
        ----------
        score : ndarray of float64, shape (n_rows, n_outputs)
            From `score` or a faster path.
        """
        if self.classes is None:
            return score[:, 0] if self.n_outputs == 1 else score
        if self.link == "logistic":
            return self.classes[(score[:, 0] > 0).astype(np.intp)]
        return self.classes[first_greatest(score)]

    def proba_of(self, score: np.ndarray) -> np.ndarray:
        """Class probabilities of scores, shape (n_rows, n_classes).

        Parameters
        ----------
        score : ndarray of float64, shape (n_rows, n_outputs)
            From `score` or a faster path.

        Raises
        ------
        ValueError
            For a model that predicts numbers.
        """
        self.required_classes()
        with np.errstate(over="ignore", invalid="ignore"):  # infinite scores give NaN
            return logistic_proba(score[:, 0]) if self.link == "logistic" else softmax_proba(score)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; a range without a limit has null there."""
        router = {k: v for k, v in self.router.to_dict().items() if k != "columns"}
        classes, clip = self.classes, self.clip
        labels = (
            {}
            if classes is None
            else {
                "classes": classes.tolist(),
                "class_dtype": "object" if classes.dtype == object else classes.dtype.str,
            }
        )
        return {
            "kind": self.kind,
            "columns": [column.to_dict() for column in self.columns],
            "router": router,
            "experts": [expert.to_dict() for expert in self.experts],
            "link": self.link,
            **labels,
            "clip": None if clip is None else _without_infinity(clip),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RoutedModel:
        """Inverse of `to_dict`."""
        router = {**data["router"], "columns": data["columns"]}
        classes, clip = data.get("classes"), data.get("clip")
        if clip is not None:
            clip = np.array(clip, dtype=np.float64)  # null is NaN
            for side, infinite in enumerate((-math.inf, math.inf)):
                clip[..., side][np.isnan(clip[..., side])] = infinite
        return cls(
            columns=tuple(ColumnType.from_dict(column) for column in data["columns"]),
            router=_ROUTERS[router["kind"]].from_dict(router),
            experts=tuple(map(LinearMap.from_dict, data["experts"])),
            link=data["link"],
            classes=None if classes is None else np.asarray(classes, np.dtype(data["class_dtype"])),
            clip=clip,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RoutedModel) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.experts, self.link))


def _without_infinity(clip: np.ndarray) -> list[list[list[float | None]]]:
    """The ranges with None where there is no limit: JSON has no infinity."""
    return [
        [[end if math.isfinite(end) else None for end in ends] for ends in expert]
        for expert in clip.tolist()
    ]
