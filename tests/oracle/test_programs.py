"""Compiled programs against machines run by their definitions."""

import itertools
import os
import random

import pytest

from tests.oracle.machines import (
    random_automaton,
    random_circuit,
    random_machine,
    run_automaton,
    run_circuit,
    run_machine,
)
from treeml import SearchLimitWarning
from treeml import compile as compiler
from treeml.predict import apply

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "2000"))
RUNS = 10  # of every machine


def within_bounds(program):
    assert program.n_leaves <= program.bounds.n_leaves
    assert program.depth <= program.bounds.depth


def says_the_same(program, run):
    """The tree of the program, as any tree, and its native path."""
    if run.n_steps:
        table = program.table(run)
        assert program.tree.predict(table).tolist() == list(run.generated)
        assert program.tree.label[apply(program.tree, table)].tolist() == [
            program.tokens.index(token) for token in run.generated
        ]


def test_automata():
    rng = random.Random(0)
    for case in range(max(1, CASES // RUNS)):
        table, symbols = random_automaton(rng)
        states = sorted({q for q, _ in table} | set(table.values()))
        accepting = [q for q in states if rng.random() < 0.5]
        length = rng.choice([None, 1, 2, rng.randint(1, 40)])
        program = compiler.from_dfa(table, 0, accepting, length=length)
        within_bounds(program)
        assert program.n_leaves <= len(states) * (len(symbols) + (length is None))
        for _ in range(RUNS):
            n = rng.randint(0, 40) if length is None else length
            x = rng.choices(symbols, k=n)
            expected = run_automaton(table, 0, x)
            run = program.run(x)
            end = expected[-1] if expected else 0
            verdict = "accept" if end in accepting else "reject"
            tail = [f"answer {verdict}"] if length is None else []
            assert list(run.generated) == [f"state {q}" for q in expected] + tail
            assert run.answer == verdict
        if case % 10 == 0:
            says_the_same(program, run)


def test_turing_machines():
    rng = random.Random(1)
    halted = off = stopped = 0
    for case in range(max(1, CASES // RUNS)):
        table, symbols = random_machine(rng)
        space = rng.randint(2, 12)
        head = rng.randrange(space)
        program = compiler.from_turing_machine(
            table, 0, ["halt"], blank=symbols[-1], space=space, head=head
        )
        within_bounds(program)
        run = None
        for _ in range(RUNS):
            x = rng.choices(symbols, k=rng.randint(0, space))
            tape = x + [symbols[-1]] * (space - len(x))
            most = 12
            expected, stays = run_machine(table, 0, {"halt"}, tape, head, most)
            if not stays:
                off += 1
                with pytest.raises(ValueError, match=r"runs off its tape: in state \d .* cell \d"):
                    program.run(x)
                continue
            ended = expected[-1][1] == "halt"
            halted += ended
            cells = [
                f"{a} [{state}]" if i == at else a
                for tape, state, at in expected
                for i, a in enumerate(tape)
            ]
            if not ended:
                stopped += 1
                if leaves_next(table, expected[-1], space):
                    with pytest.raises(ValueError, match="runs off its tape"):
                        program.run(x, max_steps=most * space)
                    continue
                with pytest.warns(SearchLimitWarning, match=f"max_steps={most * space} "):
                    run = program.run(x, max_steps=most * space)
                assert list(run.generated) == cells
                assert run.answer is None
                continue
            run = program.run(x)
            assert list(run.generated) == cells
            assert run.answer == (tuple(expected[-1][0]), "halt", expected[-1][2])
        if run and case % 10 == 0:
            says_the_same(program, run)
    assert min(halted, off, stopped) > CASES // 100


def leaves_next(table, configuration, space):
    tape, state, head = configuration
    return head + {"L": -1, "S": 0, "R": 1}[table[state, tape[head]][2]] not in range(space)


def test_circuits():
    rng = random.Random(2)
    for case in range(max(1, CASES // RUNS)):
        names, gates = random_circuit(rng)
        program = compiler.from_circuit(names, gates, outputs=list(gates))
        within_bounds(program)
        assert program.n_leaves <= sum(2 ** (len(gate) - 1) for gate in gates.values())
        for _ in range(RUNS):
            values = {name: rng.randint(0, 1) for name in names}
            run = program.run(values)
            assert run.answer == run_circuit(gates, values)
            assert run.n_steps == len(gates)
        if case % 10 == 0:
            says_the_same(program, run)


def test_every_input_of_small_machines():
    rng = random.Random(3)
    runs = 0
    while runs < CASES:
        table, symbols = random_automaton(rng)
        program = compiler.from_dfa(table, 0, [0])
        for n in range(4):
            for x in itertools.product(symbols, repeat=n):
                assert program.run(x).answer == (
                    "accept" if [0, *run_automaton(table, 0, x)][-1] == 0 else "reject"
                )
                runs += 1
        names, gates = random_circuit(rng)
        program = compiler.from_circuit(names[:6], gates_over(gates, names))
        check = program.verify(exhaustive=0)
        assert check.ok
        assert check.n_inputs == 2 ** len(names[:6])
        runs += check.n_inputs


def gates_over(gates, names):
    """The circuit with inputs beyond the sixth replaced by the first."""
    late = set(names[6:])
    return {
        name: (kind, *(names[0] if o in late else o for o in operands))
        for name, (kind, *operands) in gates.items()
    }
