"""Programs learned from traces: parity, automata, addition; exact on longer sequences."""

import os
import pickle
import random
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from treeml import ARDTClassifier, SearchLimitWarning
from treeml import compile as compiler
from treeml.ir import load

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "400"))


def parity_data(most):
    flip = {("even", "1"): "odd", ("odd", "1"): "even", ("even", "0"): "even", ("odd", "0"): "odd"}
    program = compiler.from_dfa(flip, "even", {"even": "even", "odd": "odd"})
    X = ["".join(x) for x in program.source.inputs(most)]
    traces = [[t.removeprefix("state ") for t in program.run(x).generated[:-1]] for x in X]
    return X, [program.run(x).answer for x in X], traces


def random_automaton(rng):
    n, symbols = rng.randint(2, 8), "abc"[: rng.randint(1, 3)]
    table = {(q, a): rng.randrange(n) for q in range(n) for a in symbols}
    return table, symbols, compiler.from_dfa(table, 0, [q for q in range(n) if rng.random() < 0.5])


def seen(table, x):
    """What a sequence goes through: token written last, and symbol read."""
    state, last, out = 0, "nothing yet", set()
    for symbol in x:
        out.add((last, symbol))
        state = last = table[state, symbol]
    return out | {(last, "end")}


def all_there_is(table, symbols):
    """What all sequences together go through."""
    reached, waiting = {"nothing yet"}, ["nothing yet"]
    while waiting:
        last = waiting.pop()
        for after in (table[0 if last == "nothing yet" else last, a] for a in symbols):
            if after not in reached:
                reached.add(after)
                waiting.append(after)
    return {(last, symbol) for last in reached for symbol in (*symbols, "end")}


def test_parity_is_learned_exactly():
    X, y, traces = parity_data(4)
    model = ARDTClassifier().fit(X, y, traces)
    assert model.positions_ == ("token_1_back", "unread")
    assert model.settled_
    assert model.n_leaves_ == 6  # as many as the compiled program has
    for x in ["1" * 101, "0" * 50 + "1" * 50, *compiler_inputs(12)]:
        assert model.run(x).answer == ("odd" if x.count("1") % 2 else "even")


def compiler_inputs(length):
    rng = random.Random(0)
    return ["".join(rng.choices("01", k=length)) for _ in range(CASES)]


def test_parity_without_traces_is_not_learned():
    X, y, _ = parity_data(4)
    model = ARDTClassifier(window=4, lookahead=4).fit(X, y)
    assert model.score(X, y) > 0.9  # by heart
    longer = compiler_inputs(12)
    truth = ["odd" if x.count("1") % 2 else "even" for x in longer]
    assert model.score(longer, truth) < 0.7


def test_automata_are_learned_exactly():
    """Once every transition was seen, on three times the length and beyond."""
    rng = random.Random(1)
    runs = 0
    while runs < CASES:
        table, symbols, program = random_automaton(rng)
        most, left, X = 12, all_there_is(table, symbols), []
        while len(X) < 3000 and (left or len(X) < 20):
            X.append("".join(rng.choices(symbols, k=rng.randint(0, most))))
            left -= seen(table, X[-1])
        if left:
            continue
        done = [program.run(x) for x in X]
        model = ARDTClassifier(window=3, lookahead=2)
        model.fit(X, [run.answer for run in done], [run.generated[:-1] for run in done])
        assert model.settled_
        assert set(model.positions_) <= {"token_1_back", "unread"}
        assert model.n_leaves_ <= program.bounds.n_leaves
        for _ in range(20):
            x = "".join(rng.choices(symbols, k=rng.randint(0, 3 * most)))
            assert model.run(x).generated == program.run(x).generated
            runs += 1


def addition(a, b, width):
    """Columns of a sum from the right, what one writes under each, and the last carry."""
    columns, trace, carry = [], [], 0
    for place in range(width):
        x, y = a >> place & 1, b >> place & 1
        total = x + y + carry
        carry = total >> 1
        columns.append(f"{x}+{y}")
        trace.append(f"write {total & 1} carry {carry}")
    return columns, trace, carry


def test_binary_addition_is_learned_exactly():
    short = [addition(a, b, n) for n in range(5) for a in range(2**n) for b in range(2**n)]
    X, traces, y = zip(*short, strict=True)
    model = ARDTClassifier().fit(X, y, traces)
    assert model.positions_ == ("token_1_back", "unread")
    rng = random.Random(0)
    for _ in range(CASES):
        width = rng.randint(1, 40)
        a, b = rng.randrange(2**width), rng.randrange(2**width)
        columns, _, _ = addition(a, b, width)
        run = model.run(columns)
        digits = [int(token.split()[1]) for token in run.generated[:-1]]
        total = sum(digit << place for place, digit in enumerate([*digits, run.answer]))
        assert total == a + b


def test_the_tree_says_what_the_program_says():
    """Also before the sequence begins, where columns are missing."""
    rng = random.Random(2)
    for _ in range(20):
        X = ["".join(rng.choices("ab", k=rng.randint(0, 3))) for _ in range(30)]
        y = [rng.randint(0, 2) for _ in X]
        traces = [rng.choices("xyz", k=rng.randint(0, 4)) for _ in X]
        model = ARDTClassifier(window=4, lookahead=3, max_steps=20).fit(X, y, traces)
        for x in X:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SearchLimitWarning)
                run = model.run(x)
            said = model.program_.tree.predict(model.program_.table(run))
            assert said.tolist() == list(run.generated)


def test_as_an_estimator():
    X, y, traces = parity_data(3)
    model = ARDTClassifier(window=3)
    assert clone(model).get_params() == model.get_params()
    model.fit([list(x) for x in X], np.array(y), traces)
    assert model.predict(X).tolist() == y
    assert model.score(X, y) == 1
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(X).tolist() == y
    tree, _ = load(model.program_.to_json())
    assert tree == model.program_.tree
    numbers = ARDTClassifier().fit([[int(c) for c in x] for x in X], y, traces)
    assert numbers.predict([np.array([1, 0, 1, 1])]).tolist() == ["odd"]
    frame = pd.DataFrame([["0", "1"], ["1", "1"]], columns=["first", "second"])
    assert model.predict(frame).tolist() == ["odd", "even"]
    assert "until an answer" in model.program_.report()
    with pytest.raises(NotImplementedError, match="has no definition"):
        model.program_.verify()


def test_traces_that_contradict_each_other_give_the_likeliest():
    X, y = ["a", "a", "a", "b"], [1, 1, 0, 0]
    model = ARDTClassifier().fit(X, y)
    assert not model.settled_
    assert model.predict(["a", "b"]).tolist() == [1, 0]


def test_a_program_that_runs_in_circles():
    model = ARDTClassifier(max_leaf_nodes=1, max_steps=5)
    model.fit(["ab"], [0], [["q", "q"]])  # the one leaf says q
    with pytest.warns(SearchLimitWarning, match=r"1 sequences \(the first is number 0\)"):
        assert model.predict(["ab"]).tolist() == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], [1], [["x"], ["y"]]), "2 traces for 1 sequences"),
        ((["a", 3], [1, 2]), "X[1] is 3: give a sequence"),
        (("ab", [1, 2]), "X is one string"),
        (([["end"], "a"], [1, 2]), "end='end' is a symbol of X too"),
        ((["a", "b"], [1, 2], [["answer 1"], []]), "trace 0 has the token 'answer 1'"),
        (([[(1, [])]], [1]), "symbol (1, []) is a tuple: give text or numbers"),
        (([[1, "1"]], [1]), "symbol 1 and '1' are both written '1'"),
    ],
)
def test_what_cannot_be_learned_from_is_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ARDTClassifier().fit(*arguments)


def test_unknown_symbols_and_parameters_are_named():
    X, y, traces = parity_data(2)
    model = ARDTClassifier().fit(X, y, traces)
    with pytest.raises(ValueError, match="sequence 1: symbol 'z' at place 2 of the input"):
        model.predict(["01", "01z"])
    with pytest.raises(ValueError, match=r"sequence 0: symbol .* at place 0 of the input"):
        model.predict([[(1, [])]])
    with pytest.raises(ValueError, match="there is no token to read"):
        ARDTClassifier(window=0, lookahead=0).fit(X, y)
    with pytest.raises(ValueError, match="window"):
        ARDTClassifier(window=-1).fit(X, y)
