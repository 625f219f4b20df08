"""What a tree needs for the parity of n bits, at once and with a trace: docs/parity.svg.

python -m benchmarks.parity
"""

from __future__ import annotations

from itertools import accumulate, product
from pathlib import Path

from treeml import ARDTClassifier, GreedyTreeClassifier

PLOT = Path(__file__).parents[1] / "docs" / "parity.svg"


def leaves(n):
    """Leaves of the tree of all rows of n bits, and of the program learned from their traces."""
    bits = list(product((0, 1), repeat=n))
    odd = [sum(row) % 2 for row in bits]
    traces = [["odd" if ones % 2 else "even" for ones in accumulate(row)] for row in bits]
    program = ARDTClassifier().fit(bits, odd, traces)
    return GreedyTreeClassifier().fit(bits, odd).n_leaves_, program.n_leaves_


def main():
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "treeml", "font.size": 9, "svg.fonttype": "none"})
    counts = list(range(2, 11))
    at_once, with_trace = zip(*map(leaves, counts), strict=True)
    figure, axes = plt.subplots(figsize=(5, 2.8))
    axes.plot(counts, at_once, marker="s", color="#b4552d", label="at once")
    axes.plot(counts, with_trace, marker="o", color="#2d6cb4", label="with a trace")
    axes.set_yscale("log", base=2)
    axes.set_xlabel("bits")
    axes.set_ylabel("leaves")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(PLOT, metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main()
