"""Machines compiled to trees: automata, Turing machines and circuits (public: `treeml.compile`).

An auto-regressive decision tree reads the last tokens of a sequence and appends the next one. With
the steps of a computation as tokens a small tree computes what no small tree can say at once.
"""

from treeml.sequence.circuit import Circuit, from_circuit
from treeml.sequence.dfa import Automaton, from_dfa
from treeml.sequence.expressions import boolean_expressions, expression_words
from treeml.sequence.navigation import navigate
from treeml.sequence.program import ARDTProgram, ProgramVerification, Run, SizeBounds
from treeml.sequence.turing_machine import Tape, TuringMachine, from_turing_machine

__all__ = [
    "ARDTProgram",
    "Automaton",
    "Circuit",
    "ProgramVerification",
    "Run",
    "SizeBounds",
    "Tape",
    "TuringMachine",
    "boolean_expressions",
    "expression_words",
    "from_circuit",
    "from_dfa",
    "from_turing_machine",
    "navigate",
]
