"""The plots of docs: python -m benchmarks.plots, in an environment that has matplotlib."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt

from benchmarks.libraries import LIBRARIES
from benchmarks.page import Row, grouped, read
from benchmarks.runs import RESULTS, ROOT

OUT = ROOT / "docs" / "benchmarks"
COLOURS = dict(zip(LIBRARIES, plt.rcParams["axes.prop_cycle"].by_key()["color"], strict=False))


def main() -> None:
    plt.rcParams.update({"svg.hashsalt": "treeml", "font.size": 9, "svg.fonttype": "none"})
    OUT.mkdir(exist_ok=True)
    for name, draw in (("trees", trees), ("gap", gap), ("growth", growth)):
        if (RESULTS / f"{name}.csv").exists():
            figure = draw(read(name))
            figure.savefig(OUT / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")


def panels(names: list[str], columns: int) -> tuple[Any, list[Any]]:
    """A grid of axes, one a name."""
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.6 * columns, 3.0 * lines), layout="constrained", squeeze=False
    )
    flat = list(axes.flat)
    for axis, name in zip(flat, names, strict=False):
        axis.set_title(name)
    for axis in flat[len(names) :]:
        axis.remove()
    return figure, flat[: len(names)]


def legend(figure: Any, axes: list[Any]) -> None:
    """One for all panels."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=len(found))


def trees(rows: list[Row]) -> Any:
    """CPU seconds against depth."""
    done = [row for row in rows if not row["failure"]]
    names = list(dict.fromkeys((row["problem"], row["regularization"]) for row in done))
    titles = [f"{name}, {float(cost):g} a leaf" for name, cost in names]
    figure, axes = panels(titles, 2)
    for (problem, cost), axis in zip(names, axes, strict=True):
        here = [r for r in done if (r["problem"], r["regularization"]) == (problem, cost)]
        for library, colour in COLOURS.items():
            points = [(int(r["depth"]), float(r["cpu_seconds"])) for r in here
                      if r["library"] == library]  # fmt: skip
            if points:
                proof = "o-" if library != "licketysplit" else "x:"
                axis.plot(*zip(*points, strict=True), proof, color=colour, label=library)
        axis.set(yscale="log", xlabel="depth", ylabel="CPU seconds of fit")
        axis.set_xticks(sorted({int(r["depth"]) for r in here}))
    legend(figure, axes)
    return figure


def gap(rows: list[Row]) -> Any:
    """Objective and lower bound against time, without a depth limit."""
    groups = grouped(rows, "problem", "regularization")
    figure, axes = panels([f"{name}, {float(cost):g} a leaf" for name, cost in groups], 2)
    for (problem, cost), axis in zip(groups, axes, strict=True):
        here = [r for r in rows if (r["problem"], r["regularization"]) == (problem, cost)]
        for library, colour in COLOURS.items():
            runs = [r for r in here if r["library"] == library and not r["failure"]]
            if not runs:
                continue
            seconds = [float(r["wall_seconds"]) for r in runs]
            axis.plot(seconds, [float(r["objective"]) for r in runs], "o-", color=colour,
                      label=library)  # fmt: skip
            bounds = [(s, float(r["bound"])) for s, r in zip(seconds, runs, strict=True)
                      if r["bound"]]  # fmt: skip
            if bounds:
                axis.plot(*zip(*bounds, strict=True), "s--", color=colour, mfc="none")
        axis.set(xscale="log", xlabel="wall seconds", ylabel="objective, - - lower bound")
    legend(figure, axes)
    return figure


def growth(rows: list[Row]) -> Any:
    """CPU seconds and memory against rows, columns and depth."""
    kinds = list(dict.fromkeys(row["grows"] for row in rows))
    figure, axes = panels([f"{kind}: {unit}" for unit in ("CPU seconds", "MB") for kind in kinds],
                          len(kinds))  # fmt: skip
    for at, axis in enumerate(axes):
        kind, figure_of = kinds[at % len(kinds)], ("cpu_seconds", "megabytes")[at // len(kinds)]
        for library, colour in COLOURS.items():
            points = [
                (int(r[kind]), max(float(r[figure_of]), 1e-4))
                for r in rows
                if r["grows"] == kind and r["library"] == library and r[figure_of]
            ]
            if points:
                axis.plot(*zip(*points, strict=True), "o-", color=colour, label=library)
        axis.set(yscale="log", xscale="linear" if kind == "depth" else "log", xlabel=kind)
    legend(figure, axes)
    return figure


if __name__ == "__main__":
    main()
