"""A program computes outside treeml: the exported function in a loop of its own."""

import random

import pytest

from tests.export.test_c import assert_all_predict, needs_compiler
from treeml import compile as compiler


def random_programs():
    rng = random.Random(0)
    table = {(q, a): rng.randrange(6) for q in range(6) for a in "abc"}
    yield compiler.from_dfa(table, 0, [1, 2]), "abcab"
    yield compiler.from_dfa(table, 0, [1, 2], length=4), "abca"
    flip = {("s", a): ("s" if a == "0" else "t", "1", "R") for a in "01"}
    flip |= {("t", a): ("halt", a, "L") for a in "01"}
    yield compiler.from_turing_machine(flip, "s", ["halt"], blank="0", space=6), "0010"
    gates = {"g": ("xor", "a", "b"), "h": ("nand", "g", "b"), "k": ((0, 1, 1, 0), "h", "a")}
    yield compiler.from_circuit(["a", "b"], gates), [1, 0]
    yield compiler.boolean_expressions(1), ["not", "(", "True", "and", "False", ")"]
    yield compiler.navigate(6, 3), ["Take 3 steps", "Turn left", "Take 1 step backward"]


@needs_compiler
def test_in_c(tmp_path):
    models = []
    for program, x in random_programs():
        models.append((program.tree, program.table(program.run(x))))
    assert_all_predict(models, tmp_path)


@pytest.mark.parametrize("which", range(6))
def test_in_python(which):
    program, x = list(random_programs())[which]
    run = program.run(x)
    space: dict = {}
    exec(program.to_python(), space)
    sequence, p = list(run.prompt), len(run.prompt)
    for _ in range(run.n_steps):
        n = len(sequence)
        row = {}
        for k in range(1, 14):
            row[f"token_{k}_back"] = sequence[n - k] if k <= n else None
        for k, name in enumerate(["unread", "unread_1_after", "unread_2_after"]):
            row[name] = sequence[n - p + k] if k < p else None
        sequence.append(space["next_token"](row))
    assert tuple(sequence[p:]) == run.generated
