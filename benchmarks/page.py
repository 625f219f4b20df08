"""Tables and plots of docs/benchmarks.md, from the results."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable

from benchmarks.libraries import LIBRARIES
from benchmarks.runs import RESULTS, ROOT, python_of
from benchmarks.sets import SETS

Row = dict[str, str]

PAGE = ROOT / "docs" / "benchmarks.md"
_PLOTS = ("matplotlib>=3.9",)


def write() -> None:
    """Fill the tables between their marks, and draw the plots."""
    PAGE.write_text(filled(PAGE.read_text()))
    plots = [python_of("plots", _PLOTS), "-m", "benchmarks.plots"]
    subprocess.run(plots, cwd=ROOT, check=True)


def filled(text: str) -> str:
    """The page with the tables of the results."""
    for name, table in _TABLES.items():
        if not (RESULTS / f"{name}.csv").exists():
            continue
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        after = rest[rest.index("<!-- end -->") :]
        lines = "\n".join(table(read(name)))
        text = f"{before}<!-- {name} -->\n{lines}\n{after}"
    return text


def read(name: str) -> list[Row]:
    """A table of the results."""
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def grouped(rows: list[Row], *keys: str) -> dict[tuple[str, ...], dict[str, Row]]:
    """The rows by keys, and there by library."""
    out: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        out.setdefault(tuple(row[key] for key in keys), {})[row["library"]] = row
    return out


def _trees(rows: list[Row]) -> list[str]:
    others = [name for name in LIBRARIES if any(row["library"] == name for row in rows)]
    lines = _head("problem", "rows x columns", "cost of a leaf", "depth", *others)
    for key, by in grouped(rows, "problem", "regularization", "depth").items():
        ours = by["treeml"]
        best = min(float(row["objective"]) for row in by.values() if row["proven"] == "yes")
        cells = [key[0], f"{ours['rows']} x {ours['columns']}", key[1], key[2]]
        for name in others:
            cells.append(_time(by[name], ours, best) if name in by else "")
        lines.append(_line(cells))
    return lines


def _time(row: Row, ours: Row, best: float) -> str:
    """Seconds, how many times ours, and how much the objective is above the optimum."""
    if row["failure"]:
        return row["failure"]
    cpu, over = float(row["cpu_seconds"]), float(row["objective"]) - best
    text = f"{cpu:.2g} s"
    if row is not ours:
        text += f" ({cpu / float(ours['cpu_seconds']):.3g} x)"
    if over > 1e-6:
        text += f", {100 * over / best:.1f} % worse" if best > 1e-6 else f", {over:.3g} worse"
    return text if row["proven"] == "yes" or over > 1e-6 else text + ", no proof"


def _gap(rows: list[Row]) -> list[str]:
    lines = _head("problem", "cost of a leaf", "library", "limit, s", "used, s", "objective",
                  "lower bound", "proven")  # fmt: skip
    for row in rows:
        shown = [row[key] for key in ("problem", "regularization", "library", "limit")]
        used = row["failure"] or f"{float(row['wall_seconds']):.3g}"
        lines.append(_line([*shown, used, row["objective"], row["bound"], row["proven"]]))
    return lines


def _sets(rows: list[Row]) -> list[str]:
    names = [name for name in SETS if any(row["library"] == name for row in rows)]
    figures = [f"{name}, {unit}" for unit in ("CPU s", "MB") for name in names]
    lines = _head("problem", "rows x columns", "depth", "epsilon", "trees", *figures)
    for key, by in grouped(rows, "problem", "rows", "columns", "depth", "epsilon").items():
        ours = by["treeml"]
        cells = [key[0], f"{key[1]} x {key[2]}", key[3], key[4], _number(ours["trees"])]
        for figure in ("cpu_seconds", "megabytes"):
            for name in names:
                cells.append(_of_set(by.get(name), ours, figure))
        lines.append(_line(cells))
    return lines


def _of_set(row: Row | None, ours: Row, figure: str) -> str:
    """A figure, how many times ours, and whether the number of trees is another one."""
    if row is None:
        return ""
    if row["failure"]:
        return row["failure"] if figure == "cpu_seconds" else ""
    text = f"{float(row[figure]):.2g}"
    if row is ours or figure != "cpu_seconds":
        return text
    text += f" ({float(row[figure]) / float(ours[figure]):.3g} x)"
    return text if row["trees"] == ours["trees"] else f"{text}, {_number(row['trees'])} trees"


def _importance(rows: list[Row]) -> list[str]:
    lines = _head("problem", "rows x columns", "trees", "library", "ranges, CPU s",
                  "distribution, CPU s", "ends differ by", "shares differ by")  # fmt: skip
    for row in rows:
        shown = [
            f"{row['problem']}, {_SAMPLES[row['sample']]}",
            f"{row['rows']} x {row['columns']}",
        ]
        figures = [row[key] for key in ("ends_differ", "shares_differ")]
        used = [_short(row[key]) for key in ("ranges_cpu_seconds", "distribution_cpu_seconds")]
        trees = _number(row["trees"]) if row["trees"] else row["failure"]
        lines.append(_line([*shown, trees, row["library"], *used, *figures]))
    return lines


_SAMPLES = {"0": "as it is", "1": "bootstrap 1", "2": "bootstrap 2"}


def _short(text: str) -> str:
    return f"{float(text):.2g}" if text else ""


def _scores(rows: list[Row]) -> list[str]:
    lines = _head("problem", "rows x columns", "loss", "terms", "library", "CPU s", "first fit, s",
                  "objective", "lower bound", "gap")  # fmt: skip
    for row in rows:
        shown = [row["problem"], f"{row['rows']} x {row['columns']}", row["loss"], row["terms"]]
        figures = [row["failure"] or f"{float(row['cpu_seconds']):.2g}"]
        figures += [f"{float(row['first_seconds']):.2g}" if row["first_seconds"] else ""]
        figures += [row["objective"], row["bound"], _gap_of(row)]
        lines.append(_line([*shown, row["library"], *figures]))
    return lines


def _gap_of(row: Row) -> str:
    if not row["bound"] or not row["objective"]:
        return ""
    objective, bound = float(row["objective"]), float(row["bound"])
    gap = (objective - bound) / objective if objective > 0 else 0.0
    return "closed" if gap < 1e-6 else f"{100 * gap:.1f} %"


def _splits(rows: list[Row]) -> list[str]:
    lines = _head("table", "rows x columns", "model", "library", "wall s", "CPU s", "of treeml",
                  "error or log loss")  # fmt: skip
    for key, by in grouped(rows, "problem", "rows", "columns", "model").items():
        ours = by["treeml"]
        for name, row in by.items():
            times = float(row["wall_seconds"]) / float(ours["wall_seconds"])
            wall, cpu = (f"{float(row[k]):.3g}" for k in ("wall_seconds", "cpu_seconds"))
            loss = f"{float(row['loss']):.5f}"
            shown = [key[0], f"{key[1]} x {key[2]}", key[3], name, wall, cpu, f"{times:.2f} x"]
            lines.append(_line([*shown, loss]))
    return lines


def _guess(rows: list[Row]) -> list[str]:
    lines = _head("problem", "rows x columns", "guess, errors", "ConTree, errors", "guess, CPU s",
                  "ConTree, CPU s", "of guess")  # fmt: skip
    for key, by in grouped(rows, "problem", "rows", "columns").items():
        ours, theirs = by["treeml guess"], by["contree"]
        seconds = [float(row["cpu_seconds"]) for row in (ours, theirs)]
        figures = [ours["errors"], theirs["errors"], *(f"{s:.3g}" for s in seconds)]
        shown = [key[0], f"{key[1]} x {key[2]}", *figures, f"{seconds[1] / seconds[0]:.3g} x"]
        lines.append(_line(shown))
    return lines


def _number(text: str) -> str:
    """A number of trees, short where it is long."""
    return f"{int(text):,}" if len(text) < 13 else f"{int(text):.3e}"


def _growth(rows: list[Row]) -> list[str]:
    names = [name for name in LIBRARIES if any(row["library"] == name for row in rows)]
    figures = [f"{name}, {unit}" for unit in ("CPU s", "MB") for name in names]
    lines = _head("grows", "rows", "columns", "depth", *figures)
    for key, by in grouped(rows, "grows", "rows", "columns", "depth").items():
        cells = list(key)
        for figure in ("cpu_seconds", "megabytes"):
            for name in names:
                row = by[name]
                text = f"{float(row[figure]):.3g}" if row[figure] else "failed"
                unfinished = figure == "cpu_seconds" and row["proven"] != "yes"
                cells.append(f"{text}, no proof" if unfinished else text)
        lines.append(_line(cells))
    return lines


def _head(*names: str) -> list[str]:
    return [_line(names), _line(["---"] * len(names))]


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _costs(rows: list[Row]) -> list[str]:
    """CPU seconds of both libraries and their ratio, by problem, costs and depth."""
    lines = [
        "| problem | rows x columns | costs | depth | treeml | STreeD | ratio |",
        "| --- " * 7 + "|",
    ]
    for key, found in grouped(rows, "problem", "costs", "depth").items():
        ours, peer = found["treeml"], found.get("streed")
        cells = [
            key[0],
            f"{ours['rows']} x {ours['columns']}",
            *key[1:],
            f"{float(ours['cpu_seconds']):.4f}",
        ]
        if peer is None or not peer["cpu_seconds"] or peer["proven"] != "yes":
            cells += ["not proven", ""]
        else:
            times = float(peer["cpu_seconds"])
            cells += [f"{times:.3f}", f"{times / float(ours['cpu_seconds']):.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


_TABLES: dict[str, Callable[[list[Row]], list[str]]] = {
    "trees": _trees,
    "gap": _gap,
    "sets": _sets,
    "importance": _importance,
    "scores": _scores,
    "splits": _splits,
    "guess": _guess,
    "growth": _growth,
    "costs": _costs,
}
