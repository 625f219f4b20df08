"""Trees over sequences the slow way: by the definitions, with dictionaries and lists."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

END = 0
OPENS, CLOSES, ENDS_SENTENCE, QUOTES = 1, 2, 4, 8


def coarse(n):
    """Codes of how many: to 7 exactly, then four an octave, 63 at most."""
    code = 0
    for octave in range(60):
        for quarter in range(4):
            if n < (4 + quarter + 1) * 2**octave:
                return min(code + 4, 63) if n >= 4 else n
            code += 1
    raise AssertionError


def places(texts, flags, classes):
    """Every place with a next token: (tokens before it in its text, that token, derived)."""
    out = []
    for text in texts:
        quoted, since, word, before, opens = False, 0, END, END, True
        sentence, ended = END, True
        for i, token in enumerate([*text, END]):
            so_far = text[:i]
            of = [[t for t in so_far if classes[t] == c] for c in range(1 + max(classes))]
            latest = tuple(some[-1] if some else END for some in of)
            first = tuple(some[0] if some else END for some in of)
            here = (int(quoted), min(since, 31), word, before, sentence, coarse(i))
            out.append((tuple(so_far), token, here + latest + first))
            flag = flags[token]
            quoted ^= bool(flag & QUOTES)
            since = 0 if flag & ENDS_SENTENCE else since + 1
            if flag & OPENS or opens:
                before, word = word, token
                sentence, ended = token if ended else sentence, False
            ended = ended or bool(flag & ENDS_SENTENCE)
            opens = bool(flag & CLOSES)
    return out


def back(place, k):
    """The token k back; before the text there are end symbols."""
    tokens = place[0]
    return tokens[-k] if k <= len(tokens) else END


def code(place, column, orders):
    source, distance, order, _ = column
    value = back(place, distance) if source < 0 else place[2][source]
    return value if order < 0 else int(orders[order][value])


def entropy(rows):
    """Sum of c log c over the next tokens, minus n log n."""
    counts = Counter(row[1] for row in rows)
    n = len(rows)
    return sum(c * math.log(c) for c in counts.values()) - (n * math.log(n) if n else 0.0)


def thresholds(rows, column, orders, min_rows=1):
    """Gain of every threshold of a column that leaves enough rows on both sides."""
    codes = [code(row, column, orders) for row in rows]
    out = {}
    for at in sorted(set(codes))[:-1]:
        left = [row for row, c in zip(rows, codes, strict=True) if c <= at]
        right = [row for row, c in zip(rows, codes, strict=True) if c > at]
        if len(left) >= min_rows and len(right) >= min_rows:
            out[at] = entropy(left) + entropy(right) - entropy(rows)
    return out


def common_suffix(rows, most):
    """Tokens before that all rows share."""
    k = 0
    while k < most and len({back(row, k + 1) for row in rows}) == 1:
        k += 1
    return k


def count(children, rows, power):
    """Counts of the next token: raw at a leaf, else the sum of the children's powers."""
    if not children:
        return {token: float(n) for token, n in Counter(row[1] for row in rows).items()}
    out = defaultdict(float)
    for child in children:
        for token, c in child.items():
            out[token] += c**power
    return dict(out)


def bucket(n_rows, total, types, agree, common):
    size = min(15, int(math.log2(n_rows)))
    ratio = min(7, int(2 * math.log2(max(1.0, total / types))))
    state = (0 if agree == 0 else 1) if agree < common else (2 if common < 3 else 3)
    return (size * 8 + ratio) * 4 + state


def step(p, counts, power, discount, pull):
    """Probabilities of all tokens after a node, from those before it."""
    total = sum(counts.values())
    parts = {token: c**power for token, c in counts.items()}
    left = discount * sum(parts.values()) + pull * len(counts)
    return [
        (counts.get(w, 0.0) - discount * parts.get(w, 0.0) + left * q)
        / (total + pull * len(counts))
        for w, q in enumerate(p)
    ]


def repeats(text, longest=7):
    """What followed the text's last 1, 2, ... tokens earlier in it: a counter each, to the first
    that never came."""
    out = []
    for length in range(1, min(longest, len(text)) + 1):
        last = text[len(text) - length :]
        found = Counter(
            text[i + length] for i in range(len(text) - length) if text[i : i + length] == last
        )
        if not found:
            break
        out.append(found)
    return out


def going_on(rows, shortest, texts):
    """For each place of texts, in order: the token that training had after the latest place with
    the same tokens before, and how many agree; None where no place is known."""
    places = {}
    for at, row in enumerate(rows):
        places[tuple(back(row, k) for k in range(1, shortest + 1))] = at
    out = []
    for text in texts:
        at, agree = None, 0
        for i in range(len(text) + 1):
            if i:
                if at is not None and rows[at][1] == text[i - 1]:
                    at, agree = at + 1, agree + 1
                else:
                    place = (tuple(text[:i]), END, ())
                    at = places.get(tuple(back(place, k) for k in range(1, shortest + 1)))
                    agree = shortest
            out.append(None if at is None else (rows[at][1], agree))
    return out


def triggers(texts, n_tokens):
    """Logs of how much likelier each token is after the first use of another in a text."""
    ended = [[*text, END] for text in texts]
    share = Counter(token for text in ended for token in text)
    n = sum(share.values())
    out = {}
    for u in range(1, n_tokens):
        after = [text[text.index(u) + 1 :][:512] for text in ended if u in text]
        if len(after) < 5:
            continue
        count, total = Counter(t for text in after for t in text), sum(map(len, after))
        for w, c in count.items():
            expected = total * share[w] / n
            if w not in (u, END) and 2 * (c * math.log(c / expected) - (c - expected)) > 12:
                out[u, w] = math.log((c + 5) / (expected + 5))
    return out


def kneser_ney(rows, order, n_tokens):
    """Interpolated modified Kneser-Ney as a function of a place."""
    grams = [None] * (order + 1)
    grams[order] = Counter((*[back(r, k) for k in range(order - 1, 0, -1)], r[1]) for r in rows)
    for k in range(order - 1, 0, -1):
        grams[k] = Counter(gram[1:] for gram in grams[k + 1])
    discounts = [None] * (order + 1)
    for k in range(1, order + 1):
        n = [0] + [sum(c == j for c in grams[k].values()) for j in (1, 2, 3, 4)]
        y = n[1] / (n[1] + 2 * n[2] + 1e-9)
        discounts[k] = [0.0] + [
            max(0.05, min(j, j - (j + 1) * y * n[j + 1] / max(n[j], 1))) for j in (1, 2, 3)
        ]

    def probability(place, token):
        p = 1.0 / n_tokens
        for k in range(1, order + 1):
            context = tuple(back(place, j) for j in range(k - 1, 0, -1))
            here = {gram[-1]: c for gram, c in grams[k].items() if gram[:-1] == context}
            if not here:
                break
            total, d = sum(here.values()), discounts[k]
            left = sum(min(d[min(c, 3)], c) for c in here.values()) / total
            c = here.get(token, 0)
            p = max(c - d[min(c, 3)], 0) / total + left * p
        return p

    return probability
