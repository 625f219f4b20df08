"""Little stories from a grammar of our own: enough repetition that something can be learnt."""

from __future__ import annotations

import numpy as np

NAMES = ("Mia", "Tom", "Ann", "Bo")
THINGS = ("ball", "cake", "boat", "kite", "hat")
ANIMALS = ("dog", "cat", "owl")
PLACES = ("park", "house", "garden")


def stories(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)

    def pick(words: tuple[str, ...]) -> str:
        return words[rng.integers(len(words))]

    out = []
    for _ in range(n):
        name, thing, animal, place = pick(NAMES), pick(THINGS), pick(ANIMALS), pick(PLACES)
        lines = [f"Once there was a {animal} in the {place}.", f"{name} had a {thing}."]
        lines.append(f'"Is this your {thing}?" said the {animal}.')
        lines += [f"{name} saw the {animal} and ran to the {place}."] * int(rng.integers(0, 2))
        lines.append(pick((f"{name} was happy.", f'"Yes!" said {name}.', f"The {animal} slept.")))
        out.append(" ".join(lines))
    return out
