from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.sequence.stories import stories
from treeml import ARDTLanguageModel, cli, load


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable:
    def call(*arguments: object, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["treeml", "lm", *map(str, arguments)])
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "lm.json"
    ARDTLanguageModel(tokenizer="word", vocab_size=300).fit(stories(60)).save(path)
    return path


def test_fit_and_score(run: Callable, tmp_path: Path) -> None:
    texts, out = stories(60), tmp_path / "lm.json"
    for name, end in (("unix.txt", "\n"), ("dos.txt", "\r\n"), ("old.txt", "\r")):
        (tmp_path / name).write_bytes(end.join(texts).encode() + end.encode())
    options = ("--tokenizer", "word", "--vocab-size", 300, "-o", out)
    code, said, _ = run("fit", tmp_path / "unix.txt", *options)
    assert code == 0
    assert said.startswith("60 texts, ")
    wanted = load(out).bits_per_byte(texts)
    code, said, _ = run("score", out, *(tmp_path / f for f in ("unix.txt", "dos.txt", "old.txt")))
    assert code == 0
    assert [line[:6] for line in said.splitlines()] == [f"{wanted:.4f}"] * 4
    code, said, _ = run("score", out, "-", "--by", "file", stdin="\n".join(texts).encode())
    assert "1 texts" in said


def test_small_models(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(stories(60)))
    out = tmp_path / "lm.json"
    options = ("--tokenizer", "word", "-o", out, "--max-bytes")
    code, said, _ = run("fit", tmp_path / "texts.txt", *options, 3000)
    assert code == 0
    assert f"{out.stat().st_size:,} bytes" in said
    assert out.stat().st_size <= 3000
    code, _, said = run("fit", tmp_path / "texts.txt", *options, 30)
    assert code
    assert "max_bytes=30 is too few" in said


def test_paragraphs(run: Callable, tmp_path: Path) -> None:
    out = tmp_path / "lm.json"
    options = ("--by", "paragraph", "--tokenizer", "char", "--max-leaf-nodes", 5, "--no-adapt")
    text = b"one\r\nstill one\r\n\r\ntwo\n\n\nthree"
    code, said, _ = run("fit", "-", "-o", out, *options, stdin=text)
    assert code == 0
    assert said.startswith("3 texts")
    assert load(out).get_params()["adapt"] is False


def test_generate_and_explain(run: Callable, model: Path, tmp_path: Path) -> None:
    code, said, _ = run("generate", model, "Once there", "-n", 2, "--seed", 3)
    assert code == 0
    wanted = load(model)
    lines = [wanted.generate("Once there", random_state=seed) for seed in (3, 4)]
    assert said.splitlines() == ["Once there" + line for line in lines]
    code, said, _ = run("explain", model, "Once there", " was")
    assert code == 0
    assert said == wanted.explain("Once there", " was").text + "\n"
    code, _, _ = run("explain", model, "Once there was", "--page", tmp_path / "p.html")
    assert code == 0
    assert "<html" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_bad_input(run: Callable, model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"caf\xe9")
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"\n\n")
    for arguments, message in [
        (("fit", bad, "--tokenizer", "word"), "bad.txt: byte 3 is not UTF-8"),
        (("fit", empty, "--tokenizer", "word"), "the corpus is empty"),
        (("score", model, empty), "no text in it"),
        (("score", tmp_path / "none.json", empty), "No such file"),
        (("generate", model, "--top-p", "0"), "'top_p' parameter"),
        (("explain", model, "a", " b", "--page", tmp_path / "x.html"), "leave out TOKEN"),
    ]:
        code, _, err = run(*arguments)
        assert code == 2
        assert message in err
