"""Three tasks of BIG-Bench-Hard by programs, and instances that nobody has seen.

    python -m benchmarks.reasoning --folder bbh --unseen 1000 --seed 0

``--folder`` holds ``boolean_expressions.json``, ``navigate.json`` and
``web_of_lies.json`` of https://github.com/suzgunmirac/BIG-Bench-Hard; without it only unseen
instances are made.
The first two are compiled; the third is learned from traces of chains of one to three people.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from pathlib import Path

from treeml import ARDTClassifier
from treeml import compile as compiler

CLAIM = re.compile(r"(\w+) (?:says (\w+) )?(tells the truth|lies)")
NAMES = [
    "Alva",
    "Bruno",
    "Celia",
    "Dario",
    "Edith",
    "Felix",
    "Greta",
    "Hugo",
    "Irma",
    "Jonas",
    "Karla",
    "Leo",
]


def random_expression(rng, *, words=8, nesting=3):
    """Text of a random expression and its value, found by recursion over its grammar."""
    text, value = _either(rng, words, nesting)
    return f"{text} is", value


def _either(rng, words, nesting):
    parts = [_both(rng, words // 2, nesting) for _ in range(rng.choice([1, 1, 2, 3]))]
    return " or ".join(text for text, _ in parts), any(value for _, value in parts)


def _both(rng, words, nesting):
    parts = [_single(rng, words // 2, nesting) for _ in range(rng.choice([1, 1, 2, 3]))]
    return " and ".join(text for text, _ in parts), all(value for _, value in parts)


def _single(rng, words, nesting):
    kind = rng.random()
    if kind < 0.35:
        text, value = _single(rng, words, nesting)
        return f"not {text}", not value
    if kind < 0.6 and nesting and words:
        text, value = _either(rng, words, nesting - 1)
        return f"( {text} )", value
    value = rng.random() < 0.5
    return str(value), value


def random_walk(rng, *, instructions=8, most_steps=10):
    """Text of a random question and its answer; about half of them lead home."""
    relative = rng.random() < 0.5
    place, ahead, said = 0j, 1j, []
    turns = {"left": 1j, "right": -1j, "around": -1}
    ways = {"forward": 1, "backward": -1, "left": 1j, "right": -1j}
    for _ in range(rng.randint(1, instructions)):
        if not relative and rng.random() < 0.4:
            word = rng.choice(list(turns))
            ahead *= turns[word]
            said.append(f"Turn {word}")
            continue
        n = rng.randint(1, most_steps)
        way = rng.choice(list(ways)) if relative else "forward"
        place += n * ahead * ways[way]
        said.append(_take(n, way if relative else ""))
    if rng.random() < 0.6:  # home again, first along one axis, then along the other
        for axis in (1, 1j):
            left = (place * axis.conjugate()).real if axis == 1 else place.imag
            while left:
                n = int(min(abs(left), most_steps))
                toward = -axis * (1 if left > 0 else -1)
                word = next(w for w, turn in ways.items() if ahead * turn == toward)
                if not relative:
                    if word != "forward":
                        turn = "around" if word == "backward" else word
                        said.append(f"Turn {turn}")
                        ahead *= turns[turn]
                    word = ""
                said.append(_take(n, word))
                place += n * toward
                left -= n * (1 if left > 0 else -1)
    start = "Always face forward. " if relative else ""
    question = "If you follow these instructions, do you return to the starting point? "
    text = f"{question}{start}{'. '.join(said)}.\nOptions:\n- Yes\n- No"
    return text, "Yes" if place == 0 else "No"


def _take(n, way):
    return f"Take {n} step{'s' if n > 1 else ''} {way}".rstrip()


def solve_expression(program, text):
    return program.run(compiler.expression_words(text)).answer


def random_chain(rng, people):
    """Text of a question on who lies, what is true of each in turn, and the answer."""
    names = rng.sample(NAMES, people)
    truthful = [rng.random() < 0.5 for _ in names]
    said = [f"{names[0]} {'tells the truth' if truthful[0] else 'lies'}"]
    for i in range(1, people):
        claim = truthful[i - 1] == truthful[i]  # who tells the truth says what is so
        said.append(f"{names[i]} says {names[i - 1]} {'tells the truth' if claim else 'lies'}")
    text = f"Question: {'. '.join(said)}. Does {names[-1]} tell the truth?"
    return text, truthful, "Yes" if truthful[-1] else "No"


def claims(text):
    """The claims of a question as symbols, whoever makes them; each is about the one before."""
    *said, asked = (s.strip() for s in text.removeprefix("Question:").split(".") if s.strip())
    before, out = None, []
    for sentence in said:
        found = CLAIM.fullmatch(sentence)
        if found is None or found[2] != before:
            raise ValueError(f"{sentence!r} is not a claim about {before}")
        before = found[1]
        out.append(f"{'says _ ' if found[2] else ''}{found[3]}")
    if asked != f"Does {before} tell the truth?":
        raise ValueError(f"{asked!r} does not ask about {before}")
    return out


def learned_web_of_lies(seed=0, chains=100):
    """A program learned from traces of chains of one to three people."""
    rng = random.Random(seed)
    made = [random_chain(rng, rng.randint(1, 3)) for _ in range(chains)]
    traces = [["truthful" if true else "liar" for true in truthful] for _, truthful, _ in made]
    X = [claims(text) for text, _, _ in made]
    return ARDTClassifier().fit(X, [answer for _, _, answer in made], traces)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--unseen", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=0)
    asked = arguments.parse_args()
    expressions, walks = compiler.boolean_expressions(), compiler.navigate(reach=100)
    liars = learned_web_of_lies()
    solve = {
        "boolean_expressions": lambda text: str(solve_expression(expressions, text)),
        "navigate": lambda text: walks.run(text).answer,
        "web_of_lies": lambda text: liars.run(claims(text)).answer,
    }
    known = dict.fromkeys(solve, frozenset())
    for task in solve if asked.folder else ():
        examples = json.loads((asked.folder / f"{task}.json").read_text())["examples"]
        right = sum(solve[task](example["input"]) == example["target"] for example in examples)
        print(f"{task}: {right} of {len(examples)} right")
        known[task] = frozenset(example["input"] for example in examples)
    rng = random.Random(asked.seed)
    for task, make in (
        ("boolean_expressions", random_expression),
        ("navigate", random_walk),
        ("web_of_lies", lambda rng: random_chain(rng, rng.randint(4, 12))),
    ):
        made: dict[str, str] = {}
        while len(made) < asked.unseen:
            text, *_, answer = make(rng)
            if text not in known[task]:
                made[text] = str(answer)
        right = sum(solve[task](text) == answer for text, answer in made.items())
        print(f"{task}, unseen: {right} of {len(made)} right")
    print(expressions.report())
    print(walks.report())
    print(liars.program_.report())


if __name__ == "__main__":
    main()
