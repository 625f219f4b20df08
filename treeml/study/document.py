"""What a study leaves behind: the report and the files beside it."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treeml import export
from treeml.export.card_text import class_name, score_text
from treeml.ir.predicate import number_text
from treeml.report import Line, Point, card_html, page, percent, size_chart, tree_svg
from treeml.study.examples import examples
from treeml.study.scores import Estimate

if TYPE_CHECKING:
    from treeml.study.comparison import Row
    from treeml.study.study import Study

__all__ = ["html", "save"]

_STOPPED = {"time_limit": "the time limit", "interrupted": "an interruption"}


def save(study: Study, folder: Path) -> list[Path]:
    """Write the report and what is used without it; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    model = study.tree_
    rows = "\n".join(["row,part", *(f"{at},{part}" for at, part in enumerate(study.rows_))])
    sentences = "\n".join(
        f"{at}. {text}" for at, text in enumerate(export.sentences(model.tree_), 1)
    )
    files = {
        "report.html": html(study),
        "rules.txt": f"{model.to_text()}\n\nAs sentences:\n{sentences}\n",
        "tree.sql": model.to_sql(table="input") + "\n",
        "model.json": model.to_json(),
        "certificate.json": model.certificate_.to_json(),
        "rows.csv": rows + "\n",
    }
    if study.card_ is not None:
        files |= {
            "card.txt": f"{study.card_.to_text()}\n\n{study.card_.certificate_.text()}\n",
            "card.json": study.card_.to_json(),
            "card.sql": study.card_.to_sql(table="input", proba=True) + "\n",
        }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def html(study: Study) -> str:
    """The report as one page."""
    model, certificate = study.tree_, study.tree_.certificate_
    return page(
        f"The simplest tree for {study.target_}",
        template="study.html.j2",
        package="treeml.study",
        kicker="treeml study",
        subtitle=f"{study.source_}: {len(study.codes_):,} rows, "
        f"{len(study.table_.columns)} columns",
        verdict=_verdict(study),
        proven=model.status_ == "optimal",
        facts=_data_facts(study),
        findings=[str(finding) for finding in model.findings_],
        classes=_class_balance(study),
        picture=tree_svg(model.tree_, title=f"Decision tree for {study.target_}"),
        alternative=None if study.alternative_ is None else tree_svg(study.alternative_.tree_),
        sentences=export.sentences(model.tree_),
        certificate=certificate,
        certificate_facts=_certificate_facts(certificate),
        command=f"treeml verify model.json {shlex.quote(study.source_)} "
        f"--target {shlex.quote(study.target_)} --rows rows.csv",
        chart=_chart(study),
        rows=[_row(row) for row in study.comparison_],
        score_name=study.score_name_,
        frontier=_frontier(study),
        card=None if study.card_ is None else _card(study),
        no_card=study.no_card_,
        limits=_limits(study),
    )


def _verdict(study: Study) -> str:
    ours, *others = study.comparison_
    model = study.tree_
    leaves = "one leaf" if model.n_leaves_ == 1 else f"{model.n_leaves_} leaves"
    proof = (
        "proven optimal on the training rows"
        if model.status_ == "optimal"
        else f"within {model.gap_:.1%} of the best possible on the training rows"
    )
    card = next((row for row in others if row.kind == "card"), None)
    score = ""
    if card:
        score = f" A {card.name.replace(',', ' of', 1)} reaches {percent(card.score.value, 1)}."
    if model.n_leaves_ == 1:
        return (
            f"No tree beats the constant answer by cross-validation: always "
            f"“{study.classes_[model.tree_.label[0]]}” has a test {study.score_name_} of "
            f"{_score(ours.score)}. The best tree with splits is shown beside it.{score}"
        )
    peers = ", ".join(
        f"{row.name} {percent(row.score.value, 1)}" for row in others if row.kind == "peer"
    )
    base = next((row for row in others if row.kind == "baseline"), None)
    against = f" ({base.name}: {percent(base.score.value, 1)})" if base else ""
    beside = f" Beside it: {peers}." if peers else ""
    return (
        f"A tree of {leaves}, {proof}, reaches a test {study.score_name_} of "
        f"{_score(ours.score)}{against}.{score}{beside}"
    )


def _score(estimate: Estimate) -> str:
    value = percent(estimate.value, 1)
    if math.isnan(estimate.low):
        return value
    return f"{value} (95 % interval {percent(estimate.low, 1)} to {percent(estimate.high, 1)})"


def _data_facts(study: Study) -> list[tuple[str, str, str]]:
    table = study.table_
    kinds = Counter(column.type.kind for column in table.columns)
    words = {"number": "numbers", "zero_one": "0/1", "category": "categories", "boolean": "yes/no"}
    kinds_text = ", ".join(f"{n} {words.get(kind, kind)}" for kind, n in kinds.most_common())
    missing = [c for c in table.columns if c.type.missing]
    cells = sum(int(c.missing.sum()) for c in missing)
    worst = max(missing, key=lambda c: int(c.missing.sum()), default=None)
    most = f"most in {worst.type.name}" if worst else "no column has any"
    model = study.tree_
    return [
        (
            "Rows",
            f"{table.n_rows:,}",
            f"{len(study._train):,} to learn from, {len(study._test):,} to test",
        ),
        ("Columns", str(len(table.columns)), kinds_text),
        ("Missing cells", f"{cells:,}", most),
        ("Questions", str(len(model.binarizer_.predicates_)), "made of the columns"),
    ]


def _class_balance(study: Study) -> str:
    counts = Counter(study.codes_.tolist())
    parts = (
        f"{study.classes_[k]}: {n:,} ({percent(n / len(study.codes_))})"
        for k, n in sorted(counts.items())
    )
    return ", ".join(parts)


def _certificate_facts(certificate: Any) -> list[tuple[str, str, str]]:
    depth = "none" if certificate.max_depth is None else str(certificate.max_depth)
    return [
        ("Objective", f"{certificate.objective:.6g}", "error rate plus cost of leaves"),
        ("Lower bound", f"{certificate.lower_bound:.6g}", f"gap {certificate.gap:.1%}"),
        ("Status", certificate.status.replace("_", " "), f"in {certificate.seconds:.3g} s"),
        ("Largest depth", depth, f"{number_text(certificate.regularization)} per leaf"),
    ]


def _chart(study: Study) -> str:
    trees = [
        Point(c.leaves, c.mean, c.error, chosen=c is study.chosen_)
        for c in study.candidates_
        if c.folds
    ]
    peers = [
        Point(leaves, sum(scores) / len(scores)) for leaves, scores in study.cart_path_ if scores
    ]
    levels = [
        Line(row.name, row.cv_mean)
        for row in study.comparison_
        if row.kind != "baseline" and row.leaves is None and not math.isnan(row.cv_mean)
    ]
    if not trees:
        return ""
    threshold = None if math.isnan(study.threshold_) else study.threshold_
    return size_chart(trees, peers, levels, score_name=study.score_name_, threshold=threshold)


def _row(row: Row) -> dict[str, Any]:
    """One model of the comparison as texts."""

    def cell(estimate: Estimate) -> tuple[str, str]:
        if math.isnan(estimate.value):
            return "–", ""
        if math.isnan(estimate.low):
            return f"{100 * estimate.value:.1f}", ""
        return (
            f"{100 * estimate.value:.1f}",
            f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}",
        )

    cv = "–" if math.isnan(row.cv_mean) else f"{100 * row.cv_mean:.1f}"
    error = "" if math.isnan(row.cv_error) else f"± {100 * row.cv_error:.1f}"
    return {
        "name": row.name,
        "settings": row.settings,
        "ours": row.kind in ("ours", "card"),
        "leaves": "–" if row.leaves is None else str(row.leaves),
        "cells": [
            (cv, error),
            cell(row.accuracy),
            cell(row.balanced),
            cell(row.auc),
            cell(row.difference),
        ],
    }


def _frontier(study: Study) -> list[dict[str, Any]]:
    return [
        {
            "leaves": c.leaves,
            "depth": c.max_depth,
            "regularization": number_text(c.regularization),
            "objective": f"{c.estimator.objective_:.4f}",
            "proof": "proven" if c.proven else f"gap {c.estimator.gap_:.1%}",
            "cv": "–" if math.isnan(c.mean) else f"{100 * c.mean:.1f} ± {100 * c.error:.1f}",
            "chosen": c is study.chosen_,
        }
        for c in sorted(study.candidates_, key=lambda c: (c.leaves, c.max_depth))
    ]


def _card(study: Study) -> dict[str, Any]:
    """The risk score: the card, what is proven of it in plain words, and rows added up."""
    model = study.card_
    certificate, card = model.certificate_, model.scorecard_
    drawn = examples(card, study.table_, study._test, study.codes_)
    return {
        "html": card_html(card),
        "proven": certificate.status == "optimal",
        "plainly": _proof_of_card(study),
        "certificate": certificate,
        "facts": [
            ("Loss", f"{certificate.objective:.6g}", "mean logistic loss, training rows"),
            ("Lower bound", f"{certificate.lower_bound:.6g}", f"gap {certificate.gap:.1%}"),
            ("Status", certificate.status.replace("_", " "), f"in {certificate.seconds:.3g} s"),
            ("Lines", str(card.n_terms), f"of {len(certificate.terms)} possible ones"),
        ],
        "sizes": [
            (
                size.max_features,
                f"{100 * size.mean:.1f} ± {100 * size.error:.1f}",
                size.max_features == certificate.max_features,
            )
            for size in study.card_sizes_
        ],
        "name": class_name(card),
        "weighted": len(set(certificate.class_weight)) > 1,
        "examples": drawn,
    }


def _proof_of_card(study: Study) -> str:
    certificate = study.card_.certificate_
    kind = (
        f"card of at most {certificate.max_features} lines over the {len(certificate.terms)} "
        f"questions, with whole points from {score_text(min(certificate.low, default=0))} to "
        f"{score_text(max(certificate.high, default=0))}"
    )
    if certificate.status == "optimal":
        return f"No other {kind} fits the training rows better: this is proven."
    stopped = _STOPPED.get(certificate.status, "a limit")
    return (
        f"This is the best card that was found before {stopped} ended the proof. No {kind} can "
        f"have a loss more than {percent(certificate.gap, 1)} smaller. That is what the proof left "
        "open; a better card is not known."
    )


def _limits(study: Study) -> list[str]:
    """What was not proven, in sentences."""
    certificate = study.tree_.certificate_
    open_ones = [c for c in study.candidates_ if not c.proven]
    lines = [
        f"The proof is about the {certificate.n_rows:,} training rows and the "
        f"{certificate.n_predicates} questions made of the columns: other cut points of the "
        "numbers and deeper trees were not considered. It says nothing by itself about new rows; "
        "the test scores do.",
        "Depth and cost per leaf were chosen by cross-validation with the one-standard-error rule; "
        "that choice is an estimate, not a proof.",
    ]
    if study.tree_.status_ != "optimal":
        lines.append(
            f"The search for the chosen tree was ended by {_STOPPED[study.tree_.status_]}: a "
            f"better tree may exist, but none with an objective below "
            f"{certificate.lower_bound:.6g}."
        )
    if open_ones:
        lines.append(
            f"{len(open_ones)} of the {len(study.candidates_)} candidate trees were not proven "
            "optimal."
        )
    if study.card_ is not None:
        proof = "is proven" if study.card_.status_ == "optimal" else "is not proven"
        lines.append(
            f"That no risk score of its size has a smaller loss {proof}. Its risks are fitted to "
            "the training rows; how many of them each one rests on stands beside it."
        )
    if study.status_ == "interrupted":
        lines.append("The study was interrupted: later comparisons are missing.")
    lines.append(
        "A missing value, or a level not seen in training, answers no to every question except "
        "“is missing”; every export does the same."
    )
    return lines
