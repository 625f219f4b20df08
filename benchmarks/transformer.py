"""A transformer language model of a million parameters: the peer of models of trees.

Decoder only, on the same tokens, without biases: layer norms, rotary positions, one matrix for the
tokens read and the tokens predicted. A text is read whole, behind an end symbol; a batch holds
texts of like length. Learning is given CPU seconds, not steps: the rates fall to zero as these are
used up. Muon steps matrices, AdamW the rest; products, but those of attention, are in bfloat16.

Continues texts as a worker: python -m benchmarks.transformer, the request as JSON from stdin.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "build" / "transformer"  # by folder of texts and minutes
CURVE = ROOT / "benchmarks" / "results" / "transformer_curve.csv"
MARKS = (1, 2, 4, 8, 15, 22)  # CPU minutes at which the curve is measured, besides the last
END, NOTHING, _LONGEST = 0, -1, 2048


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Of the model and of its learning; chosen on the last tenth of training texts."""

    vocabulary: int = 2048
    width: int = 128
    layers: int = 4
    heads: int = 2
    dropout: float = 0.1
    batch: int = 2048  # tokens, with those that fill up
    minutes: float = 30.0  # of CPU
    warm_up: float = 0.03  # of these
    muon_rate: float = 0.04
    adam_rate: float = 0.006
    decay: float = 0.1
    seed: int = 0


class Block(nn.Module):
    """Attention, then a layer of four times the width, each added to what comes in."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, self.heads = settings.width, settings.heads
        self.drop = nn.Dropout(settings.dropout)
        self.before, self.between = (nn.LayerNorm(width, bias=False) for _ in range(2))
        shapes = ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
        self.three, self.join, self.up, self.down = (nn.Linear(*s, bias=False) for s in shapes)
        for layer in (self.three, self.up):
            nn.init.normal_(layer.weight, std=0.6 / math.sqrt(width))
        for layer in (self.join, self.down):
            nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * settings.layers))

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], past: list | None) -> Tensor:
        n, length, width = x.shape
        three = self.three(self.before(x)).view(n, length, 3, self.heads, -1).float()
        q, k, v = three.permute(2, 0, 3, 1, 4)
        q, k = _turned(q, *turns), _turned(k, *turns)
        if past is not None:  # keys and values of earlier tokens, block by block
            k, v = (torch.cat(pair, 2) for pair in zip(past.pop(0), (k, v), strict=True))
            past.append((k, v))
        with torch.autocast("cpu", enabled=False):
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        x = x + self.drop(self.join(mixed.transpose(1, 2).reshape(n, length, width)))
        return x + self.drop(self.down(functional.gelu(self.up(self.between(x)))))


class Transformer(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.tokens = nn.Embedding(settings.vocabulary, settings.width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.heads = settings.heads
        self.last = nn.LayerNorm(settings.width, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        half = settings.width // settings.heads // 2
        angles = torch.outer(torch.arange(_LONGEST), 1e4 ** (-torch.arange(half) / half))
        self.cos, self.sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
        self.sin[:, :half] *= -1

    def forward(self, tokens: Tensor, past: list | None = None, at: int = 0) -> Tensor:
        """What each place knows of the next token, before the last product."""
        here = slice(at, at + tokens.shape[1])
        x = self.drop(self.tokens(tokens))
        for block in self.blocks:
            x = block(x, (self.cos[here], self.sin[here]), past)
        return self.last(x)

    def losses(self, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Natural logarithms, with their sign changed, of what is not filling."""
        real = wanted != NOTHING
        with torch.autocast("cpu", torch.bfloat16):
            scores = self(tokens)[real] @ self.tokens.weight.T
        return functional.cross_entropy(scores.float(), wanted[real], reduction="none")


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return x * cos + torch.roll(x, x.shape[-1] // 2, -1) * sin


def batches(
    texts: Sequence[np.ndarray], size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Texts behind an end, and with an end behind them; every text once, in a drawn order."""
    lengths = np.array([len(text) + 1 for text in texts])
    noise = 1.0 if rng is None else np.exp(rng.uniform(-0.05, 0.05, len(texts)))
    groups: list[list[int]] = [[]]
    for i in np.argsort(lengths * noise, kind="stable"):
        group = groups[-1]
        if group and (len(group) + 1) * max(lengths[[*group, i]]) > size:
            groups.append(group := [])
        group.append(i)
    if rng is not None:
        rng.shuffle(groups)
    for group in groups:
        read = torch.full((len(group), int(lengths[group].max())), END)
        wanted = torch.full_like(read, NOTHING)
        for row, i in enumerate(group):
            text = torch.from_numpy(np.append(texts[i].astype(np.int64), END))
            read[row, 1 : len(text)] = text[:-1]
            wanted[row, : len(text)] = text
        yield read, wanted


@torch.no_grad()
def score(model: Transformer, texts: Sequence[np.ndarray]) -> tuple[float, int]:
    """Bits of all texts, and how many tokens they have, ends counted."""
    model.eval()
    parts = [model.losses(*batch).double() for batch in batches(texts, 8192)]
    return sum(float(part.sum()) for part in parts) / math.log(2), sum(map(len, parts))


class Learning:
    """A model that learns for some CPU seconds, with a curve of what it says about other texts."""

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.model = Transformer(settings)
        matrices = [p for p in self.model.blocks.parameters() if p.ndim == 2]
        rest = [self.model.tokens.weight, *(p for p in self.model.parameters() if p.ndim == 1)]
        muon = torch.optim.Muon(matrices, settings.muon_rate, weight_decay=settings.decay)
        adam = torch.optim.AdamW(rest, settings.adam_rate, (0.9, 0.98), weight_decay=0.0)
        self.steppers = {muon: settings.muon_rate, adam: settings.adam_rate}
        self.used, self.tokens, self.steps = 0.0, 0, 0

    def run(self, texts: Sequence[np.ndarray]) -> Iterator[float]:
        """Learn; stops at every mark and at the end, and does not count what is done there."""
        limit = 60 * self.settings.minutes
        marks = [60 * mark for mark in MARKS if 60 * mark < limit]
        rng = np.random.default_rng(self.settings.seed)
        stream = (batch for _ in iter(int, 1) for batch in batches(texts, self.settings.batch, rng))
        since = time.process_time()
        while self.used * (1 + 1 / max(self.steps, 1)) < limit:
            self._step(*next(stream), self.used / limit)
            now = time.process_time()
            self.used, since = self.used + now - since, now
            if marks and self.used >= marks[0]:
                yield marks.pop(0)
                since = time.process_time()
        yield limit

    def _step(self, read: Tensor, wanted: Tensor, share: float) -> None:
        warm = self.settings.warm_up
        rate = max(0.01, min(share / warm, (1 - share) / (1 - warm)))
        self.model.train()
        loss = self.model.losses(read, wanted)
        loss.mean().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for stepper, whole in self.steppers.items():
            stepper.param_groups[0]["lr"] = rate * whole
            stepper.step()
            stepper.zero_grad()
        self.tokens, self.steps = self.tokens + len(loss), self.steps + 1


@torch.no_grad()
def draw(
    model: Transformer, prompt: Sequence[int], uniforms: Sequence[float], top_p: float = 1.0
) -> list[int]:
    """What follows a prompt until its end, one uniform number a token, as the trees draw."""
    model.eval()
    out: list[int] = []
    none = torch.empty(1, model.heads, 0, model.cos.shape[1])
    past, at, given = [(none, none)] * len(model.blocks), 0, torch.tensor([[END, *prompt]])
    for uniform in uniforms:
        known = model(given, past, at)[0, -1]
        p = torch.softmax(known @ model.tokens.weight.T, 0).double()
        p, order = torch.sort(p, descending=True, stable=True)
        kept = p[: int((p.cumsum(0) < top_p).sum()) + 1].cumsum(0)
        token = int(order[min(int((kept <= uniform * kept[-1]).sum()), len(kept) - 1)])
        if token == END:
            break
        out.append(token)
        at, given = at + given.shape[1], torch.tensor([[token]])
    return out


def learnt(
    corpus: str, train: list[np.ndarray], dev: list[np.ndarray], n_bytes: int, minutes: float
) -> dict[str, float]:
    """Learn; figures on the other texts, of so many bytes. Model and curve are kept."""
    learning = Learning(Settings(minutes=minutes))
    model = learning.model
    kept = MODELS / f"{corpus}_{minutes:g}.pt"
    MODELS.mkdir(parents=True, exist_ok=True)
    lines = ["cpu_seconds,steps,tokens,bits_per_byte"]
    bits, n, seconds = 0.0, 0, 0.0
    for _ in learning.run(train):
        start = time.process_time()
        bits, n = score(model, dev)
        seconds = time.process_time() - start
        done = f"{learning.used:.1f},{learning.steps},{learning.tokens}"
        lines.append(f"{done},{bits / n_bytes:.4f}")
        if minutes > max(MARKS):
            CURVE.write_text("\n".join(lines) + "\n")
        torch.save(model.state_dict(), kept)
    figures = {"bits": bits, "cpu": learning.used, "tokens_a_second": n / seconds}
    start = time.process_time()
    random = (np.random.default_rng(i).uniform(size=400).tolist() for i in range(20))
    drawn = sum(len(draw(model, dev[0][:1].tolist(), uniforms)) + 1 for uniforms in random)
    figures["drawn_a_second"] = drawn / (time.process_time() - start)
    return figures | {"bytes": kept.stat().st_size}


def main() -> None:
    """Draw what the request asks for: by pairs of a prompt and uniform numbers."""
    request = json.load(sys.stdin)
    torch.set_num_threads(1)
    model = Transformer(Settings())
    model.load_state_dict(torch.load(MODELS / request["model"]))
    print(json.dumps([draw(model, *pair, top_p=request["top_p"]) for pair in request["pairs"]]))


if __name__ == "__main__":
    main()
