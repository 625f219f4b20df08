"""Boolean expressions in words, evaluated by an automaton whose states are what is left to do."""

from __future__ import annotations

import re

from treeml.sequence.dfa import from_dfa
from treeml.sequence.program import ARDTProgram

__all__ = ["boolean_expressions", "expression_words"]

_SYMBOLS = ("True", "False", "and", "or", "not", "(", ")")
_WRONG = "not an expression"

# What a level still waits to do with its next operand; "" does nothing.
_Pending = str
_State = tuple[tuple[_Pending, ...], str, bool]  # levels outside, this level, operand next?


def boolean_expressions(nesting: int = 3) -> ARDTProgram:
    """A program that evaluates Boolean expressions, word by word.

    The state after every word is the expression so far, simplified: ``not ( False and`` or
    ``True``. Precedence is that of Python: not, and, or.

    Parameters
    ----------
    nesting : int, default=3
        Most brackets within each other; four times as many states for one more.

    Returns
    -------
    program : ARDTProgram
        Runs on the words of an expression (see `expression_words`) of any length. Answers True
        or False; "not an expression" for what is none, "nested deeper than 3" for more brackets.

    Examples
    --------
    >>> from treeml.sequence.expressions import boolean_expressions, expression_words
    >>> program = boolean_expressions(nesting=1)
    >>> program.run(expression_words("not ( True and False ) is")).answer
    True
    """
    if nesting < 0:
        raise ValueError(f"nesting must be at least 0: {nesting}")
    deep = f"nested deeper than {nesting}"
    start: _State = ((), "", True)
    table: dict[tuple[str, str], str] = {}
    outputs: dict[str, bool | str] = {_WRONG: _WRONG, deep: deep}
    waiting: list[_State] = [start]
    seen: set[_State] = {start}
    while waiting:
        state = waiting.pop()
        outputs[_text(state)] = _value(state)
        for symbol in _SYMBOLS:
            after = _after(state, symbol)
            if isinstance(after, str):
                table[_text(state), symbol] = after
                continue
            if len(after[0]) > nesting:
                table[_text(state), symbol] = deep
                continue
            table[_text(state), symbol] = _text(after)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    for sink in (_WRONG, deep):
        table |= {(sink, symbol): sink for symbol in _SYMBOLS}
    return from_dfa(table, _text(start), outputs)


def expression_words(text: str) -> list[str]:
    """The words and brackets of an expression; a closing "is" is left out."""
    words = re.findall(r"[()]|[^\s()]+", text)
    return words[:-1] if words and words[-1] == "is" else words


def _text(state: _State) -> str:
    outside, level, _ = state
    words = [word for out in outside for word in (out, "(")]
    return " ".join(word for word in (*words, level) if word) or "nothing"


def _value(state: _State) -> bool | str:
    outside, level, operand = state
    return _WRONG if outside or operand else level != "False"


def _after(state: _State, symbol: str) -> _State | str:
    """The state after a word; text where that is the end of it."""
    outside, level, operand = state
    if operand:
        if symbol == "not":
            return outside, {"": "not", "not": ""}.get(level, level), True
        if symbol == "(":
            return (*outside, level), "", True
        if symbol in ("True", "False"):
            return outside, _with_operand(level, symbol == "True"), False
        return _WRONG
    if symbol == "and":
        return outside, {"True": "", "False": "False and"}.get(level, "True or"), True
    if symbol == "or":
        return outside, "" if level == "False" else "True or", True
    if symbol == ")" and outside:
        return outside[:-1], _with_operand(outside[-1], level != "False"), False
    return _WRONG


def _with_operand(pending: _Pending, value: bool) -> str:
    """A level whose operand has come: its value, or "True or False" where that is settled."""
    if pending == "True or":
        return "True or False"
    if pending == "False and":
        return "False"
    return str(value != (pending == "not"))
