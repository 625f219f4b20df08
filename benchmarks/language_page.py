"""The figures of the guide to language models: python -m benchmarks.language_page."""

from __future__ import annotations

import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "language.md"
RESULTS = ROOT / "benchmarks" / "results" / "language.csv"
CURVE = ROOT / "benchmarks" / "results" / "transformer_curve.csv"
_END = "<!-- end -->"


def table() -> str:
    """Bits per byte of every corpus; CPU, size and speed on the first."""
    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    corpora = list(dict.fromkeys(row["corpus"] for row in rows))
    of = {(row["corpus"], row["model"]): row for row in rows}
    names = list(dict.fromkeys(row["model"] for row in rows))
    head = ["model", *corpora, "CPU s", "+ tokens, orders", "scored a s", "drawn a s", "KB"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name in names:
        first = of[corpora[0], name]
        size = f"{int(first['bytes']) // 1000:,}" if first["bytes"] else ""
        cells = [
            name,
            *(of.get((corpus, name), {}).get("bits_per_byte", "") for corpus in corpora),
            first["cpu_seconds"],
            first["tokenizer_and_orders_seconds"],
            _thousands(first["scored_tokens_a_second"]),
            _thousands(first["drawn_tokens_a_second"]),
            size,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def curve() -> str:
    """Bits per byte of the transformer while it learns."""
    with CURVE.open(newline="") as file:
        points = list(csv.DictReader(file))
    rows = {
        "CPU minutes": [f"{float(point['cpu_seconds']) / 60:.0f}" for point in points],
        "million tokens": [f"{int(point['tokens']) / 1e6:.1f}" for point in points],
        "bits per byte": [point["bits_per_byte"] for point in points],
    }
    head, *lines = (f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())
    return "\n".join([head, "| --- |" + " ---: |" * len(points), *lines]) + "\n"


def filled(text: str) -> str:
    """The page with its tables, each between its mark and the next end."""
    for name, made in (("figures", table()), ("curve", curve())):
        begin = f"<!-- {name} -->\n"
        before, rest = text.split(begin, 1)
        text = before + begin + made + rest[rest.index(_END) :]
    return text


def _thousands(figure: str) -> str:
    return f"{int(figure):,}" if figure else ""


if __name__ == "__main__":
    GUIDE.write_text(filled(GUIDE.read_text()))
