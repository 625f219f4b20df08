"""Walks in words: does one return to the start? A program with three registers."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Iterator, Sequence

from treeml.sequence.decision import Decisions, Position
from treeml.sequence.program import ARDTProgram, SizeBounds
from treeml.sequence.symbols import as_tokens

__all__ = ["Navigation", "navigate"]

_HEADINGS = ("north", "east", "south", "west")
_AHEAD = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
_TURNS = {"forward": 0, "right": 1, "backward": 2, "left": 3}
_TURN_WORDS = {"right": 1, "around": 2, "left": 3}
_END, _NOTHING = "end", "."
_TAKE = re.compile(r"take (\d+) steps?(?: (forward|backward|left|right))?")


@dataclasses.dataclass(frozen=True, slots=True)
class Navigation:
    """Walks of steps and turns; what `navigate` compiled.

    Parameters
    ----------
    reach : int
        Farthest that either coordinate may come from 0.
    most_steps : int
        Most steps of one instruction.
    """

    reach: int
    most_steps: int

    @property
    def name(self) -> str:
        return "walk"

    @property
    def bounds(self) -> SizeBounds:
        headings = 4 * (3 + 4 * self.most_steps)
        places = 2 * (2 * self.most_steps + 1) * (2 * self.reach + 1)
        return SizeBounds(
            headings + places + 4,
            (32 * headings + 4 * places - 1).bit_length(),
            "three an instruction, and the answer",
        )

    def encode(self, x: str | Sequence[str]) -> list[str]:
        sentences = _sentences(x) if isinstance(x, str) else list(x)
        prompt = []
        for sentence in sentences:
            prompt += self._instruction(sentence, len(prompt) // 3)
        return [*prompt, _END]

    def finished(self, prompt: Sequence[str], generated: Sequence[str]) -> bool:
        if generated and generated[-1].endswith("out of reach"):
            number = (len(generated) - 1) // 3
            raise ValueError(
                f"instruction {number} goes more than {self.reach} steps away from the start "
                f"({generated[-1]}); compile navigate with a larger reach"
            )
        return len(generated) == len(prompt)

    def answer(self, prompt: Sequence[str], generated: Sequence[str]) -> str:
        return generated[-1]

    def simulate(self, x: str | Sequence[str], max_steps: int) -> list[str]:
        prompt, out = self.encode(x), []
        heading, place = 0, [0, 0]
        for verb, what, way in zip(*(prompt[i:-1:3] for i in range(3)), strict=True):
            move, count = "stay", 0
            if verb == "turn":
                heading = (heading + _TURN_WORDS[what]) % 4
            else:
                count = int(what)
                move = _HEADINGS[(heading + _TURNS[way]) % 4]
                for axis in range(2):
                    place[axis] += count * _AHEAD[move][axis]
            out.append(_move(_HEADINGS[heading], move, count))
            for axis, name in enumerate("xy"):
                out.append(self._coordinate(name, place[axis]))
                if abs(place[axis]) > self.reach:
                    self.finished(prompt, out)
        return [*out, "No" if any(place) else "Yes"][:max_steps]

    def sample(self, rng: random.Random) -> list[str]:
        """A walk that comes home about half the time and stays within reach."""
        out, room = [], self.reach
        for _ in range(rng.randint(0, 8)):
            if rng.random() < 0.3:
                out.append(f"Turn {rng.choice(list(_TURN_WORDS))}")
            elif room:
                count = rng.randint(1, min(self.most_steps, room))
                room -= count
                out.append(f"Take {count} steps {rng.choice(list(_TURNS))}")
        if room >= self.reach / 2 and rng.random() < 0.5:  # the same way back
            back = [s for s in out if s.startswith("Take")]
            out = [s for s in out if not s.startswith("Turn")]
            out += [_opposite(s) for s in rng.sample(back, len(back))]
        return out

    def inputs(self, max_length: int) -> Iterator[list[str]]:
        """Every walk of at most ``max_length`` instructions of one or two steps, and turns."""
        single = [f"Turn {word}" for word in _TURN_WORDS]
        counts = range(1, min(2, self.most_steps) + 1)
        single += [f"Take {n} steps {way}" for n in counts for way in _TURNS]
        for length in range(max_length + 1):
            yield from map(list, itertools.product(single, repeat=length))

    def _coordinate(self, name: str, value: int) -> str:
        return f"{name}={value}" if abs(value) <= self.reach else f"{name} out of reach"

    def _instruction(self, sentence: str, place: int) -> list[str]:
        text = sentence.lower().strip()
        if text == "always face forward":
            return []
        if text.startswith("turn ") and text[5:] in _TURN_WORDS:
            return ["turn", text[5:], _NOTHING]
        found = _TAKE.fullmatch(text)
        if found is None:
            raise ValueError(
                f"instruction {place} is not known: {sentence!r}; say 'Turn left', 'Turn right', "
                "'Turn around', 'Take 3 steps' or 'Take 3 steps backward'"
            )
        count = int(found[1])
        if not 1 <= count <= self.most_steps:
            raise ValueError(
                f"instruction {place} has {count} steps: 1 to {self.most_steps} are known; "
                "compile navigate with a larger most_steps"
            )
        return ["take", str(count), found[2] or "forward"]


def navigate(reach: int = 64, most_steps: int = 10) -> ARDTProgram:
    """A program that follows walking instructions and says whether they lead home.

    An instruction is three tokens (``take 7 left``, ``turn around .``), and so is what the tree
    appends for it: where one now faces and the move by compass, then x, then y. So the unread
    instruction is always as far back as the prompt is long, and old registers are three back.

    Parameters
    ----------
    reach : int, default=64
        Farthest that either coordinate may come from 0.
    most_steps : int, default=10
        Most steps of one instruction.

    Returns
    -------
    program : ARDTProgram
        Runs on a text such as "Take 3 steps. Turn around. Take 3 steps." (what stands before a
        question mark and behind the first line is not read), or on a list of sentences. Answers
        "Yes" or "No".

    Raises
    ------
    ValueError
        When run: for a sentence that is no instruction, and where a coordinate passes ``reach``,
        naming the instruction.

    Examples
    --------
    >>> from treeml.sequence.navigation import navigate
    >>> navigate(reach=5).run("Take 3 steps. Turn around. Take 3 steps.").answer
    'Yes'
    """
    if reach < 1 or most_steps < 1:
        raise ValueError(f"reach={reach} and most_steps={most_steps} must be at least 1")
    source = Navigation(reach, most_steps)
    counts = [str(n) for n in range(1, most_steps + 1)]
    moves = {
        _move(heading, move, n): (heading, move, n)
        for heading in _HEADINGS
        for move, n in [("stay", 0), *itertools.product(_HEADINGS, range(1, most_steps + 1))]
    }
    far = range(-reach, reach + 1)
    places = {name: [source._coordinate(name, v) for v in (*far, reach + 1)] for name in ("x", "y")}
    words = ["take", "turn", *counts, *_TURNS, "around", _NOTHING, _END]
    tokens = as_tokens(words, moves, places["x"], places["y"], ["Yes", "No"])
    make = Decisions(tokens, 1_000_000)
    first = _facing(make, moves, most_steps)
    x = _place(make, source, moves, 0)
    y = _place(make, source, moves, 1)
    # after a move comes x, after x comes y, and otherwise the next instruction
    root = make.choose(
        Position(1), dict.fromkeys(moves, x) | dict.fromkeys(places["x"], y), fallback=first
    )
    positions = (*(Position(k) for k in (1, 2, 3)), *(Position(-k, True) for k in (0, 1, 2)))
    return ARDTProgram(make.tree(root, positions), positions, source)


def _facing(make: Decisions, moves: dict[str, tuple[str, str, int]], most_steps: int) -> int:
    """The heading and the move by compass; the answer where no instruction is left."""
    by_heading: dict[int, int] = {}
    for at, heading in enumerate(_HEADINGS):
        turned = {
            word: make.say(_move(_HEADINGS[(at + by) % 4], "stay", 0))
            for word, by in _TURN_WORDS.items()
        }
        taken = {}
        for way, by in _TURNS.items():
            move = _HEADINGS[(at + by) % 4]
            steps = {str(n): make.say(_move(heading, move, n)) for n in range(1, most_steps + 1)}
            taken[way] = make.choose(Position(-1, True), steps)
        by_heading[at] = make.choose(
            Position(0, True),
            {
                "turn": make.choose(Position(-1, True), turned),
                "take": make.choose(Position(-2, True), taken),
            },
        )
    old = {token: by_heading[_HEADINGS.index(heading)] for token, (heading, _, _) in moves.items()}
    go_on = make.choose(Position(3), old, fallback=by_heading[0])
    no = make.say("No")
    home = make.choose(Position(2), {"x=0": make.say("Yes")}, fallback=no)
    # without any instruction the last token is the end marker, and one is home
    home = make.choose(Position(1), {"y=0": home, _END: make.say("Yes")}, fallback=no)
    return make.choose(Position(0, True), {_END: home}, fallback=go_on)


def _place(
    make: Decisions, source: Navigation, moves: dict[str, tuple[str, str, int]], axis: int
) -> int:
    """A coordinate from its old value, three back, and the move."""
    name, far = "xy"[axis], range(-source.reach, source.reach + 1)
    by_change: dict[int, int] = {}
    cases = {}
    for token, (_, move, n) in moves.items():
        change = n * _AHEAD[move][axis] if n else 0
        if change not in by_change:
            new = {v: make.say(source._coordinate(name, v + change)) for v in far}
            old = {source._coordinate(name, v): node for v, node in new.items()}
            by_change[change] = make.choose(Position(3), old, fallback=new[0])
        cases[token] = by_change[change]
    return make.choose(Position(axis + 1), cases)


def _move(heading: str, move: str, count: int) -> str:
    return f"facing {heading}" if not count else f"facing {heading}, {count} {move}"


def _sentences(text: str) -> list[str]:
    """The instructions of a question: behind its question mark, on its first line."""
    text = text.split("\n")[0]
    text = text.rsplit("?", 1)[-1]
    return [part.strip() for part in text.split(".") if part.strip()]


def _opposite(sentence: str) -> str:
    pairs = {"forward": "backward", "backward": "forward", "left": "right", "right": "left"}
    *words, way = sentence.split()
    return " ".join([*words, pairs[way]])
