"""A model as C functions that need the standard mathematics only."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from treeml._core.version import __version__
from treeml.export import c_syntax
from treeml.export.c_syntax import comment, condition, early_returns, linear_sum, number, string
from treeml.export.outcome import classes_of, require_classes
from treeml.ir import (
    ActionTree,
    LinearRouter,
    LinearTerm,
    Model,
    Predicate,
    RegressionTree,
    RoutedModel,
    Scorecard,
    Tree,
    TreeEnsemble,
    TreeNodes,
    TreeVote,
)
from treeml.ir.predicate import Term

__all__ = ["c"]

_KINDS = {
    "number": "number",
    "zero_one": "0 or 1",
    "boolean": "0 (false) or 1 (true)",
    "date": "days since 1970-01-01",
}


def c(model: Model, function: str = "predict", *, proba: bool = False) -> str:
    """Source of C99 functions that predict one row.

    A row is an array of doubles, one for each column the model was fitted on, as a comment in the
    source lists them: numbers as they are, dates as days since 1970, true and false as 1 and 0,
    levels of a category as the numbers that ``<function>_level(column, text)`` gives (-1 for a
    level that is not known), NaN where missing. Classes are told by their position in
    ``<function>_classes``.

    Every sum is added in the order in which the model's own ``predict`` adds it. Compile without
    ``-ffast-math`` and, where the processor has fused operations, with ``-ffp-contract=off``, so
    that it rounds the same.

    Parameters
    ----------
    model : Tree, RegressionTree, ActionTree, TreeEnsemble, TreeVote, Scorecard or RoutedModel
        The model.
    function : str, default="predict"
        Name of the function, and the beginning of all other names.
    proba : bool, default=False
        Give the probability of every class.

    Returns
    -------
    str
        ``int predict(const double *row)`` for classes, ``double predict(const double *row)`` for
        a number, ``void predict(const double *row, double *out)`` for several numbers or
        probabilities. A routed model has ``int predict_route(const double *row)`` too.

    Raises
    ------
    ValueError
        Where ``function`` is no name in C, a class or level is not a str, int, float or bool, or
        ``proba`` is asked of a model that has none, or of trees that vote.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", function) or function in c_syntax.RESERVED:
        raise ValueError(f"function={function!r} is not a name in C")
    if proba:
        require_classes(model)
    if isinstance(model, TreeVote):
        if proba:
            raise ValueError("C of trees that vote gives labels, no shares: leave proba out")
        model = model.as_scores()
    return _Source(model, function, proba).text()


class _Source:
    """The parts of the source of one model."""

    def __init__(self, model: Model, function: str, proba: bool) -> None:
        self.model, self.function, self.proba = model, function, proba
        self.codes = c_syntax.level_codes(model.columns, _questions(model))

    def text(self) -> str:
        parts = [self._header(), *self._tables(), *self._functions()]
        return "\n\n".join(parts) + "\n"

    def _header(self) -> str:
        lines = [f"/* Written by treeml {__version__}.", ""]
        for j, column in enumerate(self.model.columns):
            kind = _KINDS.get(column.kind, f"{self.function}_level({j}, text)")
            if column.kind == "category" and j not in self.codes:
                kind = "any number where known"
            lines.append(f"   row[{j}]: {comment(column.name)} ({kind})")
        lines += ["", "   A missing value is NaN. */", "#include <math.h>"]
        return "\n".join([*lines, "#include <string.h>"] if self.codes else lines)

    def _tables(self) -> list[str]:
        """Names of classes, numbers of levels."""
        out = []
        if (classes := classes_of(self.model)) is not None:
            names = ", ".join(string(str(c_syntax.scalar(name))) for name in classes)
            out.append(f"const char *const {self.function}_classes[] = {{{names}}};")
        if not self.codes:
            return out
        lines = [f"double {self.function}_level(int column, const char *text) {{"]
        for j, known in self.codes.items():
            lines.append(f"    if (column == {j}) {{")
            for level, code in known.items():
                test = f"strcmp(text, {string(str(level))}) == 0"
                lines.append(f"        if ({test}) return {number(code)};")
            lines.append("    }")
        return [*out, "\n".join([*lines, "    return -1.0;", "}"])]

    def _functions(self) -> list[str]:
        model = self.model
        if isinstance(model, Scorecard):
            return [self._scores([self._card(model)], 1), *self._end(model.threshold)]
        if isinstance(model, TreeEnsemble):
            trees = [
                self._tree(tree, f"_tree_{i + 1}", list(map(number, tree.value.tolist())))
                for i, tree in enumerate(model.trees)
            ]
            base = [
                f"    score[{k}] = {number(start)};" for k, start in enumerate(model.base.tolist())
            ]
            for i, output in enumerate(model.output.tolist()):
                base.append(f"    score[{output}] += {self.function}_tree_{i + 1}(row);")
            row = [] if trees else ["    (void)row;"]
            return [*trees, self._scores(row + base, model.n_outputs), *self._end()]
        if isinstance(model, RoutedModel):
            return [self._route(model), self._experts(model), *self._end()]
        assert not isinstance(model, TreeVote)  # it became an ensemble
        return self._plain_tree(model)

    def _plain_tree(self, tree: Tree | RegressionTree | ActionTree) -> list[str]:
        if isinstance(tree, RegressionTree):
            return [self._tree(tree, "", list(map(number, tree.value.tolist())), static="")]
        if isinstance(tree, ActionTree) or not self.proba:
            return [self._tree(tree, "", list(map(str, tree.label.tolist())), "int", "")]
        leaves = tree.leaves
        place = dict(zip(leaves.tolist(), range(len(leaves)), strict=True))
        outcomes = [str(place.get(node, 0)) for node in range(tree.n_nodes)]
        rows = ",\n".join(
            f"    {{{', '.join(map(number, row))}}}" for row in tree.node_proba[leaves].tolist()
        )
        k = len(tree.classes)
        table = f"static const double {self.function}_shares[][{k}] = {{\n{rows}\n}};"
        body = [
            f"    const double *shares = {self.function}_shares[{self.function}_leaf(row)];",
            f"    for (int k = 0; k < {k}; ++k) out[k] = shares[k];",
        ]
        return [table, self._tree(tree, "_leaf", outcomes, "int"), self._function(body, "void")]

    def _tree(
        self,
        tree: TreeNodes,
        name: str,
        outcomes: list[str],
        returns: str = "double",
        static: str = "static ",
    ) -> str:
        terms = {part for p in tree.predicates for part in p.term.parts}
        names, lines = self._variables(terms)
        lines += early_returns(tree, names, self.codes, outcomes)
        return self._function(lines, returns, name, static)

    def _variables(self, terms: Iterable[Term]) -> tuple[dict[int, str], list[str]]:
        """Names of columns, and the lines that read them."""
        used = sorted(terms, key=lambda term: term.index)
        names = c_syntax.variable_names(used, {self.function})
        lines = [f"    const double {names[t.index]} = row[{t.index}];" for t in used]
        return names, lines or ["    (void)row;"]

    def _function(self, lines: list[str], returns: str, name: str = "", static: str = "") -> str:
        out = ", double *out" if returns == "void" else ""
        head = f"{static}{returns} {self.function}{name}(const double *row{out}) {{"
        return "\n".join([head, *lines, "}"])

    def _scores(self, lines: list[str], n_outputs: int) -> str:
        """The function that writes the scores of a row."""
        head = f"static void {self.function}_scores(const double *row, double *score) {{"
        return "\n".join([head, *lines, "}"])

    def _card(self, card: Scorecard) -> str:
        names, lines = self._variables({term.term for term in card.terms})
        lines.append("    score[0] = 0.0;")
        for term, points in zip(card.terms, card.points.tolist(), strict=True):
            if isinstance(term, LinearTerm):
                value = names[term.term.index]
                test, amount = f"!isnan({value})", f"{number(points)} * {value}"
            else:
                test, amount = condition(term, names, self.codes), number(points)
            lines.append(f"    if ({test}) score[0] += {amount};")
        return "\n".join(lines)

    def _route(self, model: RoutedModel) -> str:
        """The function that says which expert answers."""
        router = model.router
        if not isinstance(router, LinearRouter):
            expert = list(map(str, router.expert.tolist()))
            return self._tree(router, "_route", expert, "int", "")
        terms = [Term(j, model.columns[j]) for j in router.scores.read.tolist()]
        names, lines = self._variables(terms)
        n = router.n_experts
        lines.append(f"    double route[{n}];")
        for k, start in enumerate(router.scores.intercept.tolist()):
            total = linear_sum(start, router.scores.products(k), names)
            lines.append(f"    route[{k}] = {total};")
        return self._function([*lines, *_first_greatest("route", n)], "int", "_route")

    def _experts(self, model: RoutedModel) -> str:
        used = model.used_experts
        read = sorted({j for which in used for j in model.experts[which].read.tolist()})
        names, lines = self._variables(Term(j, model.columns[j]) for j in read)
        lines.append(f"    switch ({self.function}_route(row)) {{")
        for which in used:
            expert = model.experts[which]
            lines.append(f"    {'default' if which == used[-1] else f'case {which}'}:")
            for k, start in enumerate(expert.intercept.tolist()):
                lines.append(
                    f"        score[{k}] = {linear_sum(start, expert.products(k), names)};"
                )
                for limit, sign in zip(model.limits(which, k), "<>", strict=True):
                    if np.isfinite(limit):
                        test = f"score[{k}] {sign} {number(limit)}"
                        lines.append(f"        if ({test}) score[{k}] = {number(limit)};")
            lines.append("        break;")
        return self._scores([*lines, "    }"], model.n_outputs)

    def _end(self, threshold: float = 0.0) -> list[str]:
        """From scores to what is returned."""
        model = self.model
        assert isinstance(model, (Scorecard, TreeEnsemble, RoutedModel))
        n = 1 if isinstance(model, Scorecard) else model.n_outputs
        link = "logistic" if isinstance(model, Scorecard) else model.link
        lines = [f"    double score[{n}];", f"    {self.function}_scores(row, score);"]
        if link in ("identity", "log"):
            if n > 1:
                copy = f"    for (int k = 0; k < {n}; ++k) out[k] = score[k];"
                return [self._function([*lines, copy], "void")]
            value = "exp(score[0])" if link == "log" else "score[0]"
            return [self._function([*lines, f"    return {value};"], "double")]
        if not self.proba:
            if link == "logistic":
                return [
                    self._function([*lines, f"    return score[0] > {number(threshold)};"], "int")
                ]
            return [self._function([*lines, *_first_greatest("score", n)], "int")]
        if link == "softmax":
            return [self._function([*lines, *_softmax(n)], "void")]
        logit = "score[0]"
        if isinstance(model, Scorecard):
            logit = f"({number(model.intercept)} + score[0]) / {number(model.required_scale())}"
        return [
            self._function(
                [
                    *lines,
                    f"    const double logit = {logit};",
                    "    const double odds = exp(-fabs(logit));",
                    "    out[0] = (logit > 0.0 ? odds : 1.0) / (1.0 + odds);",
                    "    out[1] = (logit > 0.0 ? 1.0 : odds) / (1.0 + odds);",
                ],
                "void",
            )
        ]


def _first_greatest(name: str, n: int) -> list[str]:
    """Lines that return the position of the greatest, the first of several; 0 where one is NaN."""
    return [
        "    int greatest = 0;",
        f"    for (int k = 0; k < {n}; ++k) {{",
        f"        if (isnan({name}[k])) return 0;",
        f"        if ({name}[k] > {name}[greatest]) greatest = k;",
        "    }",
        "    return greatest;",
    ]


def _softmax(n: int) -> list[str]:
    """Lines that write probabilities; NaN for all where a score is NaN."""
    return [
        "    double greatest = score[0], total = 0.0;",
        f"    for (int k = 1; k < {n}; ++k)",
        "        if (score[k] > greatest) greatest = score[k];",
        f"    for (int k = 0; k < {n}; ++k) total += out[k] = exp(score[k] - greatest);",
        f"    for (int k = 0; k < {n}; ++k) out[k] /= total;",
    ]


def _questions(model: Model) -> list[Predicate]:
    if isinstance(model, Scorecard):
        return [term for term in model.terms if isinstance(term, Predicate)]
    return list(model.predicates)
