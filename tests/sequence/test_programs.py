"""Compiled programs: errors, limits, exports."""

import dataclasses
import re

import duckdb
import pandas as pd
import pytest

import treeml
from treeml import SearchLimitWarning, ir
from treeml import compile as compiler

FLIP = {("even", 1): "odd", ("odd", 1): "even", ("even", 0): "even", ("odd", 0): "odd"}
ADD_ONE = {
    ("carry", 1): ("carry", 0, "R"),
    ("carry", 0): ("done", 1, "S"),
    ("carry", "_"): ("done", 1, "S"),
}
GATES = {"carry": ("and", "a", "b"), "sum": ("xor", "a", "b")}


def programs():
    return {
        "automaton": (compiler.from_dfa(FLIP, "even", ["odd"]), [1, 0, 1, 1, 1]),
        "of one length": (compiler.from_dfa(FLIP, "even", ["odd"], length=3), [1, 0, 1]),
        "machine": (
            compiler.from_turing_machine(ADD_ONE, "carry", ["done"], blank="_", space=5),
            [1, 1, 0, 1],
        ),
        "circuit": (compiler.from_circuit(["a", "b"], GATES), [1, 1]),
    }


@pytest.mark.parametrize("name", list(programs()))
def test_exports_say_what_the_program_says(name):
    program, x = programs()[name]
    run = program.run(x)
    table = program.table(run)
    rows = [
        {column.type.name: column.values[i] for column in table.columns}
        for i in range(table.n_rows)
    ]
    expected = list(run.generated)
    assert program.tree.predict(table).tolist() == expected
    space: dict = {}
    exec(program.to_python(), space)
    assert [space["next_token"](row) for row in rows] == expected
    frame = pd.DataFrame(rows, dtype=object)
    frame["place"] = range(len(frame))
    got = duckdb.sql(program.to_sql("duckdb", "frame")).fetchall()
    assert [row[-1] for row in sorted(got, key=lambda row: row[-2])] == expected
    again, _ = ir.load(program.to_json())
    assert again == program.tree
    assert again.predict(table).tolist() == expected
    assert "int next_token" in program.to_c()
    assert len(program.rules()) == program.n_leaves
    assert "token_" in program.to_text()
    assert [step.token for step in run.trace] == expected
    assert f"answer: {run.answer}" in run.text()
    assert f"leaves {program.n_leaves} (bound {program.bounds.n_leaves})" in program.report()


def test_save_and_read(tmp_path):
    program, _ = programs()["circuit"]
    program.save(tmp_path / "program.json")
    model, extra = ir.load((tmp_path / "program.json").read_text())
    assert model == program.tree
    assert not extra
    assert not model.counts.any()


def test_parity_needs_six_leaves_at_any_length():
    program = compiler.from_dfa(FLIP, "even", {"even": 0, "odd": 1})
    assert program.n_leaves == 6
    for bits in ([], [1], [0] * 50 + [1] * 51):
        assert program.run(bits).answer == sum(bits) % 2
    check = program.verify(exhaustive=8)
    assert check.ok
    assert check.n_inputs == 2**9 - 1
    assert str(check) == "all 511 inputs, 4,097 tokens compared: no difference"


@pytest.mark.parametrize("name", list(programs()))
def test_a_wrong_tree_is_found(name):
    program, _ = programs()[name]
    assert program.verify(samples=30).ok
    label = program.tree.label.copy()
    label[program.tree.leaves] = 0
    wrong = dataclasses.replace(program, tree=dataclasses.replace(program.tree, label=label))
    check = wrong.verify(samples=30, max_steps=50)
    assert not check.ok
    assert "instead of" in str(check)


def test_missing_entries_are_named():
    table = {k: v for k, v in FLIP.items() if k != ("odd", 0)}
    with pytest.raises(ValueError, match="no transition from state 'odd' on symbol 0"):
        compiler.from_dfa(table, "even", ["odd"])
    with pytest.raises(ValueError, match="no transition from state 'lost' on symbol 1"):
        compiler.from_dfa({**FLIP, ("odd", 0): "lost"}, "even", ["odd"])
    machine = {k: v for k, v in ADD_ONE.items() if k != ("carry", "_")}
    with pytest.raises(ValueError, match="no transition from state 'carry' on symbol '_'"):
        compiler.from_turing_machine(machine, "carry", ["done"], blank="_", space=4)


def test_the_edge_of_the_tape_is_named():
    program, _ = programs()["machine"]
    with pytest.raises(
        ValueError, match="in state 'carry' it moves right from cell 4 of 5, which holds 1"
    ):
        program.run([1] * 5)
    left = {("s", "_"): ("s", "_", "L")}
    program = compiler.from_turing_machine(left, "s", ["h"], blank="_", space=3, head=1)
    with pytest.raises(ValueError, match="in state 's' it moves left from cell 0 of 3"):
        program.run([])


def test_cycles_are_named():
    gates = {"f": ("not", "a"), "g": ("and", "f", "h"), "h": ("not", "k"), "k": ("not", "g")}
    with pytest.raises(ValueError, match="cycle: g -> h -> k -> g"):
        compiler.from_circuit(["a"], gates)
    with pytest.raises(ValueError, match="cycle: g -> g"):
        compiler.from_circuit(["a"], {"g": ("or", "a", "g")})


@pytest.mark.parametrize("name", ["automaton", "of one length", "machine"])
def test_unknown_symbols_are_named(name):
    program, x = programs()[name]
    with pytest.raises(ValueError, match=re.escape("symbol 'c' at place 1 of the input")):
        program.run([x[0], "c", *x[2:]])
    with pytest.raises(ValueError, match=re.escape("symbol [] at place 0 of the input")):
        program.run([[], *x[1:]])


def circuit(gates, outputs=None):
    return lambda: compiler.from_circuit(["a", "b"], gates, outputs)


REFUSED = {
    "state 'x', which is not a state|accepting names 'x'": lambda: compiler.from_dfa(
        FLIP, "even", ["x"]
    ),
    "state 'odd' has no output": lambda: compiler.from_dfa(FLIP, "even", {"even": 1}),
    "length must be at least 1": lambda: compiler.from_dfa(FLIP, "even", [], length=0),
    "symbol 1 and '1' are both written '1'": lambda: compiler.from_dfa(
        {("s", 1): "s", ("s", "1"): "s"}, "s", []
    ),
    "the token 'end' stands for two things": lambda: compiler.from_dfa(
        {("s", "end"): "s"}, "s", []
    ),
    "no symbol at all": lambda: compiler.from_dfa({}, "s", []),
    "max_leaf_nodes=3": lambda: compiler.from_dfa(FLIP, "even", [], max_leaf_nodes=3),
    "space must be at least 2": lambda: compiler.from_turing_machine(
        ADD_ONE, "carry", ["done"], blank="_", space=1
    ),
    "head=7 is not a cell": lambda: compiler.from_turing_machine(
        ADD_ONE, "carry", ["done"], blank="_", space=4, head=7
    ),
    "state 'carry' on symbol 1 is": lambda: compiler.from_turing_machine(
        {**ADD_ONE, ("carry", 1): ("carry", 0, "up")}, "carry", ["done"], blank="_", space=4
    ),
    "gate 'g' reads 'z'": circuit({"g": ("and", "a", "z")}),
    "gate 'g' is of unknown kind 'nix'": circuit({"g": ("nix", "a")}),
    "gate 'g' \\(not\\) needs one operand, not 2": circuit({"g": ("not", "a", "b")}),
    "gate 'g' \\(and\\) needs at least one operand": circuit({"g": ("and",)}),
    "truth table of gate 'g' must have 4 values": circuit({"g": ((0, 1), "a", "b")}),
    "gate 'g' has 17 operands": circuit({"g": ("and", *["a"] * 17)}),
    "'a' is the name of an input and": circuit({"a": ("not", "b")}),
    "output 'z' is not a gate": circuit({"g": ("not", "a")}, ["z"]),
    "at least one gate": circuit({}),
    "at least one input": lambda: compiler.from_circuit([], {"g": ("not", "a")}),
}


@pytest.mark.parametrize("message", list(REFUSED))
def test_what_cannot_be_compiled_is_named(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


@pytest.mark.parametrize(
    ("name", "x", "message"),
    [
        ("of one length", [1], "the input has 1 symbols, the program is for 3"),
        ("machine", [1] * 6, "the input has 6 symbols, the tape 5 cells"),
        ("circuit", [1], "1 values for 2 inputs"),
        ("circuit", [1, 2], "input 'b' must be 0 or 1: 2"),
        ("circuit", {"a": 1}, "input 'b' has no value"),
        ("circuit", {"a": 1, "b": 1, "z": 0}, "'z' is not an input"),
    ],
)
def test_inputs_that_do_not_fit_are_named(name, x, message):
    program, _ = programs()[name]
    with pytest.raises(ValueError, match=message):
        program.run(x)


def test_a_machine_that_does_not_halt_ends_with_a_warning():
    rest = {("s", "_"): ("s", "_", "S")}
    program = compiler.from_turing_machine(rest, "s", ["never"], blank="_", space=2)
    with pytest.warns(SearchLimitWarning, match="max_steps=7 tokens"):
        run = program.run([], max_steps=7)
    assert run.answer is None
    assert not run.finished
    assert run.n_steps == 7


def test_a_comparison_that_would_not_end_is_ended():
    program, _ = programs()["automaton"]
    with pytest.warns(SearchLimitWarning, match="max_inputs=100 inputs were run"):
        check = program.verify(exhaustive=60, max_inputs=100)
    assert check.ok
    assert not check.exhaustive
    assert str(check).startswith("100 inputs")


def test_public_name():
    assert treeml.compile is compiler
