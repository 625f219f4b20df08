"""The rule behind a token: the path of each tree in words, and what each node gave."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator

import numpy as np

from treeml._ext import sequence as native
from treeml.ir.sequence import EncoderColumn, SequenceTree
from treeml.sequence.language import Language

__all__ = [
    "ExpertShare",
    "Explanation",
    "NodeShare",
    "explain",
    "explain_next",
    "rules_text",
    "tests_of",
]

_LEAF, _EQUALITY = -1, -2
_TOP, _FEW, _MOST_ROWS = 5, 6, 5000
_SOURCES = (
    "an open quotation",
    "tokens since the sentence began",
    "this word",
    "the word before",
    "the first word of the sentence",
    "tokens since the text began",
)
_SINCE_TEXT, _LATEST, _SAMPLES = 5, 6, 3


@dataclasses.dataclass(frozen=True, slots=True)
class NodeShare:
    """A node of a path.

    Parameters
    ----------
    test : str
        What leads to it from the node before.
    n_rows : int
        Places of the training texts that reach it; for the text so far, its own.
    n_types : int
        Different tokens seen there.
    count : float
        Of the token, as the node counts it.
    top : tuple of (str, float)
        Its most frequent tokens, with their share of the counts.
    share : float
        What the node gave to the probability.
    """

    test: str
    n_rows: int
    n_types: int
    count: float
    top: tuple[tuple[str, float], ...]
    share: float


@dataclasses.dataclass(frozen=True, slots=True)
class ExpertShare:
    """An expert of the mixture.

    Parameters
    ----------
    name : str
    probability : float
        That it gives the token by itself.
    weight : float
        Power of that probability in the product.
    factor : float
        ``probability ** weight``.
    share : float
        Its part of the probability, see `Explanation`.
    nodes : tuple of NodeShare
        They add up to ``share``; empty for experts that are no tree.
    """

    name: str
    probability: float
    weight: float
    factor: float
    share: float
    nodes: tuple[NodeShare, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """Why a token has its probability.

    A mixture multiplies: the probability is the product of the factors of all experts and of
    ``boosts`` (reasons with a factor each: the text has used the token before, training went on
    with it after the same tokens, it goes with others in the text), divided by ``normaliser``, the
    sum of these products over all tokens. To add up instead, the probability is divided among the
    experts in proportion to weight x probability (negative weights get nothing); within a tree each
    node's share is exact, because its weights are shares of 1. With one tree and no document part
    there is one expert and nothing to divide.
    """

    prompt: str
    token: str
    probability: float
    experts: tuple[ExpertShare, ...]
    boosts: tuple[tuple[str, float], ...]
    normaliser: float
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """In words, for people."""
        lines = [f"{self.token!r} after {self.prompt[-60:]!r}: probability {self.probability:.4g}"]
        for expert in self.experts:
            lines.append(
                f"{expert.name}: alone {expert.probability:.4g}, weight {expert.weight:.3g}, "
                f"share {expert.share:.4g}"
            )
            for node in expert.nodes:
                top = ", ".join(f"{name!r} {100 * part:.1f} %" for name, part in node.top)
                lines.append(
                    f"  {node.test}: {node.n_rows} places, counted {node.count:.3g} times"
                    f"{'; ' + top if top else ''}; share {node.share:.4g}"
                )
        if len(self.experts) > 1:
            lines += [f"{reason}: factor {factor:.3g}" for reason, factor in self.boosts]
            lines.append(f"normaliser {self.normaliser:.4g}")
        lines += [f"seen in training: {sentence}" for sentence in self.sentences]
        return "\n".join(lines)


def explain(
    language: Language, prompt: str, before: np.ndarray, token: int, n_sentences: int = 3
) -> Explanation:
    """Explain the probability of ``token`` after the tokens ``before``."""
    reader = language.reader(before)
    return explain_next(language, reader, reader.next(), prompt, token, n_sentences)


def explain_next(
    language: Language,
    reader: native.Reader,
    p: np.ndarray,
    prompt: str,
    token: int,
    n_sentences: int,
) -> Explanation:
    """`explain` where a reader stands, which has just said that all tokens have ``p``."""
    probability = float(p[token])
    names = language.tokenizer.names()
    model = language.model
    trees = range(len(model.trees))
    if not language.mixture.mixed:
        nodes = _tree_nodes(language, 0, reader.path(0), token, 1.0)
        experts = (ExpertShare("tree", probability, 1.0, probability, probability, tuple(nodes)),)
        boosts, normaliser = (), 1.0
    else:
        pairs, total_log = reader.experts(token)
        labels = [f"tree {t + 1}" for t in trees]
        labels += ["the text so far"] * model.document
        labels += [f"{model.ngram}-gram"] * (model.ngram is not None)
        labels.append("frequency of the token")
        claims = np.array([max(weight, 0.0) * math.exp(log) for weight, log in pairs])
        claims = claims * (probability / claims.sum())
        found = []
        for number, (name, (weight, log)) in enumerate(zip(labels, pairs, strict=True)):
            share, alone = float(claims[number]), math.exp(log)
            nodes = _expert_nodes(language, reader, name, number, token)
            scale = share / math.fsum(node.share for node in nodes) if nodes else 0.0
            nodes = [dataclasses.replace(node, share=node.share * scale) for node in nodes]
            factor = math.exp(weight * log)
            found.append(ExpertShare(name, alone, weight, factor, share, tuple(nodes)))
        experts, normaliser = tuple(found), math.exp(total_log)
        boosts = _boosts(reader, token, names)
    leaf = reader.path(0)[-1][0]
    sentences = () if model.small else _sentences(language, leaf, token, n_sentences)
    return Explanation(prompt, names[token], probability, experts, boosts, normaliser, sentences)


def _boosts(reader: native.Reader, token: int, names: list[str]) -> tuple[tuple[str, float], ...]:
    logs, agree, others = reader.boosts(token)
    strongest = sorted(others, key=lambda other: (-abs(other[1]), other[0]))[:_FEW]
    with_ = ", ".join(f"{names[t]!r} ({math.exp(ratio):.2g} times)" for t, ratio in strongest)
    reasons = (
        "used before",
        f"training went on with it after the same {agree} tokens",
        f"goes with {with_}",
    )
    pairs = zip(reasons, logs, strict=True)
    return tuple((reason, math.exp(log)) for reason, log in pairs if log)


def _expert_nodes(
    language: Language, reader: native.Reader, name: str, number: int, token: int
) -> list[NodeShare]:
    if number < len(language.model.trees):
        return _tree_nodes(language, number, reader.path(number), token, 1.0)
    if name != "the text so far":
        return []
    # shortest context first, like the nodes of a tree; the first tree stands before them
    later: list[NodeShare] = []
    left = 1.0
    contexts = reader.repeats(token)
    for length in range(len(contexts), 0, -1):
        total, types, count, discount, pull = contexts[length - 1]
        below = total + pull * types
        kept = (count - discount * (count > 0)) / below
        test = (
            f"the last {length} tokens came before" if length > 1 else "the last token came before"
        )
        later.append(NodeShare(test, total, types, float(count), (), left * kept))
        left *= (discount + pull) * types / below
    first = _tree_nodes(language, 0, reader.path(0), token, left)
    share = math.fsum(node.share for node in first)
    return [dataclasses.replace(first[-1], test="what tree 1 says", share=share), *later[::-1]]


def _tree_nodes(
    language: Language, number: int, path: list[tuple[int, int]], token: int, left: float
) -> list[NodeShare]:
    """Nodes from the root down with their shares, the uniform distribution first."""
    tree, data = language.trees[number], language.model.trees[number]
    names = language.tokenizer.names()
    weights = data.weights
    tests = ["all places", *(test for _, test in tests_of(language, data, [n for n, _ in path]))]
    out = []
    for (node, bucket), test in zip(reversed(path), reversed(tests), strict=True):
        entries, total, parts = tree.node_counts(node)
        discount, pull = weights[0, bucket], weights[1, bucket] * len(entries)
        below = total + pull
        mine = next(((c, part) for t, c, part in entries if t == token), (0.0, 0.0))
        share = left * (mine[0] - discount * mine[1]) / below
        ranked = sorted(entries, key=lambda entry: (-entry[1], entry[0]))[:_TOP]
        top = tuple((names[t], count / total) for t, count, _ in ranked)
        rows = int(data.nodes["n_rows"][node])
        out.append(NodeShare(test, rows, len(entries), mine[0], top, share))
        left *= (discount * parts + pull) / below
    out.append(NodeShare("any token", 0, len(names), 0.0, (), left / len(names)))
    return out[::-1]


def tests_of(language: Language, tree: SequenceTree, path: list[int]) -> Iterator[tuple[int, str]]:
    """Each node of a path after the first, with the test that leads to it in words.

    Tests of the same token add up: the words say what is left of all of them.
    """
    nodes, names, model = tree.nodes, language.tokenizer.names(), language.model
    allowed: dict[tuple[int, int], np.ndarray] = {}
    frequency, n_own = language.counts, _LATEST + 2 * model.n_classes
    for parent, child in itertools.pairwise(path):
        here = nodes[parent]
        if here["column"] == _EQUALITY:
            yield child, f"{_place(-1, int(here['test']))} is {names[nodes['token'][child]]!r}"
            continue
        source, back, order, n_codes = tree.columns[here["column"]]
        yes = np.zeros(n_codes, dtype=bool)
        if here["set"] >= 0:
            bits = np.unpackbits(tree.sets[here["set"]].view(np.uint8), bitorder="little")
            yes[:] = bits[:n_codes]
        else:
            yes[: here["test"] + 1] = True
        if child != here["first"]:
            yes = ~yes
        none = yes[0]
        if order >= 0:
            ranks = model.orders[order]
            yes = yes[np.minimum(ranks, n_codes - 1)]
            if source >= _LATEST:  # other tokens never stand there, but for the end: none yet
                yes &= model.classes == (source - _LATEST) % model.n_classes
                yes[0] = none
        encoder = model.encoders[source - n_own] if source >= n_own else None
        if encoder is not None:
            yes = yes[encoder.ranks]
        kept = allowed.get((source, back), np.ones(len(yes), dtype=bool)) & yes
        allowed[source, back] = kept
        if encoder is not None:
            yield child, _code_in_words(encoder, kept)
            continue
        where = _place(source, back) if source < _LATEST else _class_place(source, language, names)
        yield child, _in_words(source, where, kept, names if order >= 0 else None, frequency)


def _place(source: int, back: int) -> str:
    if source >= 0:
        return _SOURCES[source]
    return "the last token" if back == 1 else f"the token {back} back"


def _class_place(source: int, language: Language, names: list[str]) -> str:
    """The latest or the first token of a class, which its most frequent tokens stand for."""
    classes, frequency = language.model.classes, language.counts
    which, number = divmod(source - _LATEST, language.model.n_classes)
    members = np.flatnonzero(classes == number)
    few = members[np.argsort(-frequency[members], kind="stable")][:_SAMPLES]
    alike = ", ".join(repr(names[t]) for t in few)
    more = ", ..." if len(members) > _SAMPLES else ""
    return f"the {('latest', 'first')[which]} of {{{alike}{more}}}"


def _code_in_words(encoder: EncoderColumn, kept: np.ndarray) -> str:
    codes = np.flatnonzero(kept).tolist()
    shown = list(map(str, range(len(kept)))) if encoder.code_names is None else encoder.code_names
    if not codes:
        return f"{encoder.name} is none"
    if encoder.ordered and len(codes) > 1 and codes[-1] - codes[0] == len(codes) - 1:
        high = "or more" if codes[-1] == len(kept) - 1 else f"to {shown[codes[-1]]}"
        return f"{encoder.name}: {shown[codes[0]]} {high}"
    few = ", ".join(shown[code] for code in codes[:_FEW])
    more = f" and {len(codes) - _FEW} more" if len(codes) > _FEW else ""
    return f"{encoder.name} is one of {few}{more}" if len(codes) > 1 else f"{encoder.name} is {few}"


def _in_words(
    source: int, where: str, kept: np.ndarray, names: list[str] | None, frequency: np.ndarray
) -> str:
    codes = np.flatnonzero(kept)
    if names is None:
        if len(kept) == 2:
            return where if codes.tolist() == [1] else f"no {where.removeprefix('an ')}"
        ends = codes[0], codes[-1]
        if source == _SINCE_TEXT:
            ends = _fewest(ends[0]), _fewest(ends[1] + 1) - 1
        high = "or more" if codes[-1] == len(kept) - 1 else f"to {ends[1]}"
        return f"{where}: {ends[0]} {high}"
    seen = codes[frequency[codes] > 0]
    codes = seen if len(seen) else codes
    ranked = codes[np.argsort(-frequency[codes], kind="stable")]
    shown = ["none yet" if not c and source >= _LATEST else repr(names[c]) for c in ranked[:_FEW]]
    few = ", ".join(shown)
    more = f" and {len(ranked) - _FEW} more" if len(ranked) > _FEW else ""
    return f"{where} is one of {few}{more}" if len(ranked) > 1 else f"{where} is {few}"


def _fewest(code: int) -> int:
    """The least number that a coarse code stands for, see ``coarse`` of sequence_stream.hpp."""
    return code if code < 8 else (4 + code % 4) << (code // 4 - 1)


def _sentences(language: Language, node: int, token: int, most: int) -> tuple[str, ...]:
    """Places of the training texts that reach the node, those that go on with the token first."""
    nodes = language.model.trees[0].nodes
    below, n_rows = [node], 0
    found = []
    for at in below:  # grows while it is read
        first = nodes["first"][at]
        below.extend(range(first, first + nodes["n_children"][at]))
        found.append(language.rows_at(at))
        n_rows += len(found[-1])
        if n_rows > _MOST_ROWS:
            break
    stream = language.stream
    rows = np.sort(np.concatenate(found))
    rows = rows[np.argsort(stream[rows] != token, kind="stable")][:most]
    return tuple(_around(language, stream, int(row)) for row in rows)


def _around(language: Language, stream: np.ndarray, row: int, width: int = 14) -> str:
    begin, end = row, row
    while begin > 0 and stream[begin - 1] and row - begin < width:
        begin -= 1
    while end < len(stream) and stream[end] and end - row < width // 2:
        end += 1
    decode = language.tokenizer.decode
    before, here, after = stream[begin:row], stream[row : row + 1], stream[row + 1 : end]
    shown = decode(here) if stream[row] else "<end>"
    return " ".join(f"{decode(before)}[{shown}]{decode(after) if stream[row] else ''}".split())


def rules_text(language: Language, number: int = 0, max_rules: int = 1000) -> str:
    """Leaves of a tree as rules, those that most places reach first."""
    tree = language.model.trees[number]
    names = language.tokenizer.names()
    leaves = np.flatnonzero(tree.nodes["column"] == _LEAF)
    order = np.argsort(-tree.nodes["n_rows"][leaves], kind="stable")
    lines = []
    for leaf in leaves[order][:max_rules].tolist():
        path = [leaf]
        while path[-1]:
            path.append(int(tree.nodes["parent"][path[-1]]))
        last: dict[str, str] = {}
        for _, test in tests_of(language, tree, path[::-1]):
            last[test.split(" is ")[0].split(":")[0].removeprefix("no ")] = test
        entries = slice(int(tree.start[leaf]), int(tree.start[leaf + 1]))
        token, count = tree.token[entries], tree.count[entries]
        ranked = np.argsort(-count, kind="stable")[:_TOP]
        share = count / count.sum()
        then = ", ".join(f"{names[token[i]]!r} {100 * share[i]:.0f} %" for i in ranked)
        condition = " and ".join(last.values()) or "always"
        lines.append(f"if {condition}: {then} ({tree.nodes['n_rows'][leaf]} places)")
    if len(leaves) > max_rules:
        lines.append(f"... and {len(leaves) - max_rules} rules of fewer places")
    return "\n".join(lines) + "\n"
