"""The command line of language models: ``treeml lm fit``, ``score``, ``generate``, ``explain``."""

from __future__ import annotations

import enum
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Language models made of decision trees, on text files.",
)


class Unit(enum.StrEnum):
    """Values of --by: what one text is."""

    line = "line"
    paragraph = "paragraph"
    file = "file"


class Pieces(enum.StrEnum):
    """Values of --tokenizer."""

    bpe = "bpe"
    char = "char"
    word = "word"


Files = Annotated[list[str], typer.Argument(help="text files in UTF-8, - for stdin")]
By = Annotated[Unit, typer.Option("--by", help="what one text is")]
Model = Annotated[Path, typer.Argument(help="file that fit wrote")]
Seed = Annotated[int, typer.Option(min=0, help="seed of what is random")]


@app.command()
def fit(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="model file")] = Path("lm.json"),
    by: By = Unit.line,
    tokenizer: Annotated[Pieces, typer.Option(help="kind of tokens")] = Pieces.bpe,
    vocab_size: Annotated[
        int | None, typer.Option(min=257, help="most tokens; else 2048, or what --max-bytes suits")
    ] = None,
    context: Annotated[int, typer.Option(min=1, help="tokens back that a path may look")] = 12,
    max_leaf_nodes: Annotated[
        int | None, typer.Option(min=1, help="a readable tree with so many leaves")
    ] = None,
    n_estimators: Annotated[int, typer.Option(min=1, help="trees")] = 1,
    adapt: Annotated[bool, typer.Option(help="whether the text so far teaches")] = True,
    ngram: Annotated[int | None, typer.Option(min=1, max=5, help="order of an n-gram")] = None,
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="most bytes of the model file")
    ] = None,
    n_jobs: Annotated[int, typer.Option(help="threads; -1: all")] = 1,
    time: Annotated[float | None, typer.Option(min=0, help="seconds that fit may take")] = None,
    seed: Seed = 0,
) -> None:
    """Learn a language model from text files and write it as JSON."""
    from treeml import ARDTLanguageModel

    texts = [text for file in files for text in _texts(file, by)]
    model = ARDTLanguageModel(
        tokenizer=tokenizer.value,
        vocab_size=vocab_size,
        context=context,
        max_leaf_nodes=max_leaf_nodes,
        n_estimators=n_estimators,
        adapt=adapt,
        ngram=ngram,
        max_bytes=max_bytes,
        n_jobs=n_jobs,
        time_limit=time,
        random_state=seed,
        verbose=int(sys.stderr.isatty()),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(texts)
    for warning in caught:
        _say(f"note: {warning.message}")
    model.save(output)
    leaves = ", ".join(f"{n:,}" for n in model.n_leaves_)
    typer.echo(
        f"{sum(map(bool, texts)):,} texts, {len(model.tokens_):,} tokens; leaves: {leaves}; "
        f"{model.size_bytes:,} bytes"
    )
    _say(f"written: {output}")
    if model.status_ == "interrupted":
        raise typer.Exit(130)


@app.command()
def score(model: Model, files: Files, by: By = Unit.line) -> None:
    """Bits per byte of text files, one end symbol for each text."""
    fitted = _load(model)
    all_bits = all_bytes = 0.0
    for file in files:
        texts = [text for text in _texts(file, by) if text]
        if not texts:
            raise ValueError(f"{file}: no text in it")
        bits = -math.fsum(fitted.log_prob(texts)) / math.log(2)
        n_bytes = sum(len(text.encode()) + 1 for text in texts)
        typer.echo(f"{bits / n_bytes:.4f} bits per byte  {len(texts):8,} texts  {file}")
        all_bits, all_bytes = all_bits + bits, all_bytes + n_bytes
    if len(files) > 1:
        typer.echo(f"{all_bits / all_bytes:.4f} bits per byte  all")


@app.command()
def generate(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="beginning of the text")] = "",
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="texts to make")] = 1,
    max_tokens: Annotated[int, typer.Option(min=0, help="longest continuation")] = 400,
    temperature: Annotated[float, typer.Option(min=0, help="0: the likeliest token")] = 1.0,
    top_p: Annotated[float, typer.Option(max=1, help="share that is drawn from")] = 1.0,
    seed: Seed = 0,
) -> None:
    """Continue a text."""
    fitted = _load(model)
    for at in range(number):
        text = fitted.generate(
            prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            random_state=seed + at,
        )
        typer.echo(prompt + text)


@app.command()
def explain(
    model: Model,
    text: Annotated[str, typer.Argument(help="text, of which the next token is explained")],
    token: Annotated[
        str | None, typer.Argument(help="next token, with its space; else the likeliest")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="html file: the whole text, every token explained")
    ] = None,
) -> None:
    """The rule behind a token, or a page about all tokens of a text."""
    fitted = _load(model)
    if page is None:
        typer.echo(fitted.explain(text, token).text)
        return
    if token is not None:
        raise ValueError("--page explains every token of the text: leave out TOKEN")
    page.write_text(fitted.page(text), encoding="utf-8")
    _say(f"written: {page}")


def _load(path: Path) -> Any:
    from treeml import ARDTLanguageModel, load

    model = load(path)
    if not isinstance(model, ARDTLanguageModel):
        raise ValueError(f"{path}: a {type(model).__name__}, not a language model")
    return model


def _texts(file: str, by: Unit) -> list[str]:
    """Texts of a file; where it is cut, line ends of any system are."""
    raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: byte {error.start} is not UTF-8; convert the file") from None
    if by is Unit.file:
        return [text]
    line_end = r"(?:\r\n|\r(?!\n)|\n)"
    return re.split(line_end if by is Unit.line else line_end + "{2,}", text)


def _say(line: str) -> None:
    typer.echo(line, err=True)
