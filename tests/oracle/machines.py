"""Automata, Turing machines and circuits by their definitions; no code of treeml."""


def run_automaton(transitions, start, x):
    """States after every symbol."""
    out = []
    for symbol in x:
        start = transitions[start, symbol]
        out.append(start)
    return out


def run_machine(transitions, start, halting, tape, head, most):
    """(tape, state, head) after every step, and whether the head stayed on the tape."""
    tape, state, out = dict(enumerate(tape)), start, []
    cells = len(tape)
    while state not in halting and len(out) < most:
        state, written, move = transitions[state, tape[head]]
        tape[head] = written
        if move == "R":
            head = head + 1
        elif move == "L":
            head = head - 1
        if head < 0 or head >= cells:
            return out, False
        out.append(([tape[i] for i in range(cells)], state, head))
    return out, True


def run_circuit(gates, values):
    """Value of every gate, by recursion from the gate to the inputs."""
    known = dict(values)

    def value(name):
        if name in known:
            return known[name]
        kind, *operands = gates[name]
        ones = sum(value(o) for o in operands)
        n = len(operands)
        if kind == "and":
            known[name] = 1 if ones == n else 0
        elif kind == "or":
            known[name] = 1 if ones > 0 else 0
        elif kind == "nand":
            known[name] = 0 if ones == n else 1
        elif kind == "nor":
            known[name] = 0 if ones > 0 else 1
        elif kind == "not":
            known[name] = 1 - ones
        elif kind == "xor":
            known[name] = ones & 1
        elif kind == "xnor":
            known[name] = 1 - (ones & 1)
        elif kind == "majority":
            known[name] = 1 if ones > n - ones else 0
        else:
            digits = "".join(str(value(o)) for o in operands)
            known[name] = kind[int(digits or "0", 2)]
        return known[name]

    return {name: value(name) for name in gates}


def random_automaton(rng):
    n, symbols = rng.randint(1, 8), "abcd"[: rng.randint(1, 4)]
    return {(q, a): rng.randrange(n) for q in range(n) for a in symbols}, symbols


def random_machine(rng):
    n, symbols = rng.randint(1, 5), "01_"[: rng.randint(1, 3)]
    moves = rng.choice(["LR", "LRS", "R"])
    to = [*range(n), "halt"]
    return {
        (q, a): (rng.choice(to), rng.choice(symbols), rng.choice(moves))
        for q in range(n)
        for a in symbols
    }, symbols


def random_circuit(rng):
    n, size, k = rng.randint(1, 8), rng.randint(1, 30), rng.randint(1, 4)
    names = [f"x{i}" for i in range(n)]
    gates = {}
    for i in range(size):
        kind = rng.choice(["and", "or", "not", "nand", "nor", "xor", "xnor", "majority", "table"])
        operands = [rng.choice(names) for _ in range(1 if kind == "not" else rng.randint(1, k))]
        if kind == "table":
            kind = tuple(rng.randint(0, 1) for _ in range(2 ** len(operands)))
        gates[f"g{i}"] = (kind, *operands)
        names.append(f"g{i}")
    shuffled = list(gates)
    rng.shuffle(shuffled)
    return names[:n], {name: gates[name] for name in shuffled}
