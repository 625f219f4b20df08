"""The figures of the guide to language models: python -m benchmarks.language_page."""

from __future__ import annotations

import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "language.md"
RESULTS = ROOT / "benchmarks" / "results" / "language.csv"
_BEGIN, _END = "<!-- figures -->\n", "<!-- end -->"


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


def filled(text: str) -> str:
    before, rest = text.split(_BEGIN, 1)
    return before + _BEGIN + table() + rest[rest.index(_END) :]


def _thousands(figure: str) -> str:
    return f"{int(figure):,}" if figure else ""


if __name__ == "__main__":
    GUIDE.write_text(filled(GUIDE.read_text()))
