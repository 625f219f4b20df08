"""Boolean expressions and walks: instances that a script makes, and broken ones."""

import itertools
import os
import random

import pytest

from benchmarks.reasoning import (
    claims,
    learned_web_of_lies,
    random_chain,
    random_expression,
    random_walk,
    solve_expression,
)
from treeml import compile as compiler

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "500"))


def test_unseen_expressions():
    program = compiler.boolean_expressions()
    assert program.n_leaves <= program.bounds.n_leaves
    assert program.depth <= program.bounds.depth
    rng, said = random.Random(0), set()
    for _ in range(CASES):
        text, value = random_expression(rng)
        assert solve_expression(program, text) is value, text
        said.add((value, "(" in text, "not not" in text))
    assert len(said) == 8


def test_every_short_text_is_an_expression_or_said_not_to_be_one():
    program = compiler.boolean_expressions(1)
    check = program.verify(exhaustive=3)
    assert check.ok
    for words in program.source.inputs(4):
        text = " ".join(words)
        answer = program.run(words).answer
        levels = itertools.accumulate({"(": 1, ")": -1}.get(word, 0) for word in words)
        if max(levels, default=0) > 1:
            continue  # nested deeper
        try:
            expected = eval(text)  # words of a fixed alphabet
        except (SyntaxError, TypeError):
            expected = None
        if not isinstance(expected, bool) or "( )" in text:  # Python knows empty brackets
            expected = "not an expression"
        assert answer == expected, text


def test_the_trace_of_an_expression_is_what_is_left_of_it():
    program = compiler.boolean_expressions(1)
    run = program.run(compiler.expression_words("not (True and False) or False is"))
    assert [token.removeprefix("state ") for token in run.generated] == [
        "not",
        "not (",
        "not ( True",
        "not (",
        "not ( False",
        "True",
        "True or",
        "True or False",
        "answer True",
    ]


def test_brackets_beyond_the_limit_are_said():
    program = compiler.boolean_expressions(1)
    assert program.run(["(", "(", "True", ")", ")"]).answer == "nested deeper than 1"
    with pytest.raises(ValueError, match="symbol 'xor' at place 1"):
        program.run(["True", "xor", "True"])
    with pytest.raises(ValueError, match="nesting must be at least 0"):
        compiler.boolean_expressions(-1)


def test_unseen_walks():
    program = compiler.navigate(reach=100)
    assert program.n_leaves <= program.bounds.n_leaves
    assert program.depth <= program.bounds.depth
    rng, said = random.Random(0), []
    for _ in range(CASES):
        text, answer = random_walk(rng)
        assert program.run(text).answer == answer, text
        said.append(answer)
    assert 0.3 < said.count("Yes") / len(said) < 0.9


def test_every_short_walk():
    program = compiler.navigate(reach=6, most_steps=2)
    assert program.n_leaves <= program.bounds.n_leaves
    assert program.depth <= program.bounds.depth
    check = program.verify(exhaustive=3)
    assert check.ok
    assert check.n_inputs == 1 + 11 + 11**2 + 11**3
    assert program.verify(samples=300).ok
    assert program.run("").answer == "Yes"


def test_walks_that_are_not_understood():
    program = compiler.navigate(reach=5, most_steps=4)
    with pytest.raises(ValueError, match="instruction 1 is not known: 'Jump'"):
        program.run("Always face forward. Take 1 step. Jump.")
    with pytest.raises(ValueError, match="instruction 0 has 5 steps: 1 to 4 are known"):
        program.run("Take 5 steps.")
    with pytest.raises(ValueError, match="instruction 1 goes more than 5 steps away"):
        program.run("Take 4 steps left. Take 2 steps left. Take 1 step.")
    with pytest.raises(ValueError, match="must be at least 1"):
        compiler.navigate(reach=0)


def test_who_lies_is_learned_from_short_chains():
    model = learned_web_of_lies()
    assert model.settled_
    rng = random.Random(1)
    for _ in range(CASES):
        text, truthful, answer = random_chain(rng, rng.randint(1, 12))
        run = model.run(claims(text))
        assert run.answer == answer, text
        assert [token == "truthful" for token in run.generated[:-1]] == truthful
    with pytest.raises(ValueError, match="is not a claim about Ann"):
        claims("Question: Ann lies. Bob says Carl lies. Does Bob tell the truth?")
