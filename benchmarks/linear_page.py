"""The figures of the guides to linear leaves and distilled routers, from the results."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks import distil, linear_safety, linear_trees
from benchmarks.page import Row, read
from benchmarks.runs import RESULTS, ROOT

GUIDES = (ROOT / "docs" / "linear_trees.md", ROOT / "docs" / "distil.md")


def write() -> None:
    """Fill the tables of both guides between their marks."""
    for guide in GUIDES:
        guide.write_text(filled(guide))


def filled(guide: Path) -> str:
    """The text of a guide with the tables of the results."""
    text = guide.read_text()
    for mark, (name, table) in _TABLES[guide.stem].items():
        if not (RESULTS / f"{name}.csv").exists():
            continue
        before, rest = text.split(f"<!-- {mark} -->\n", 1)
        after = rest[rest.index("<!-- end") :]
        text = f"{before}<!-- {mark} -->\n" + "\n".join(table(read(name))) + f"\n{after}"
    return text


def _linear_trees(rows: list[Row]) -> list[str]:
    """R2 by set and model; how many leaves or experts."""
    models = list(linear_trees.MODELS)
    lines = _head("set", "rows x columns", *models)
    for name in dict.fromkeys(row["set"] for row in rows):
        those = {row["model"]: row for row in rows if row["set"] == name}
        shape = next(iter(those.values()))
        cells = [name, f"{shape['rows']} x {shape['columns']}"]
        for model in models:
            row = those[model]
            size = f" ({row['leaves']})" if float(row["leaves"]) else ""
            cells.append(f"{float(row['r2']):.3f}{size}")
        lines.append(_line(cells))
    return lines


def _times(rows: list[Row]) -> list[str]:
    lines = _head("search", "rows", "columns", "cuts", "CPU s")
    return lines + [_line(list(row.values())) for row in rows]


def _safety(rows: list[Row]) -> list[str]:
    """The least and the mean gain over RidgeCV, for each half."""
    lines = _head("half", "sets", "worst", "set of the worst", "mean", "below -.01", "trees chosen")
    for half in linear_safety.HALVES:
        those = [row for row in rows if row["half"] == half]
        gains = [float(row["gain"]) for row in those]
        worst = those[gains.index(min(gains))]
        sizes = [int(size) for row in those for size in row["leaves"].split()]
        cells = [half, str(len(those)), f"{min(gains):.4f}", worst["set"].replace("_", " ")]
        cells += [f"{statistics.mean(gains):.4f}", str(sum(gain < -0.01 for gain in gains))]
        lines.append(_line([*cells, f"{sum(size > 1 for size in sizes)} of {len(sizes)}"]))
    return lines


def _head(*names: str) -> list[str]:
    return [_line(list(names)), _line(["---"] * len(names))]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_TABLES: dict[str, dict[str, tuple[str, Callable[[list[Row]], list[str]]]]] = {
    "linear_trees": {
        "figures": ("linear_trees", _linear_trees),
        "times": ("linear_tree_time", _times),
        "safety": ("linear_safety", _safety),
    },
    "distil": {"figures": ("distil", distil.summary)},
}
