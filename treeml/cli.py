"""The command line: from a table to a certified model, its report, predictions and code."""

from __future__ import annotations

import csv
import difflib
import enum
import gzip
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from treeml import cli_language
from treeml._core.version import __version__

__all__ = ["app", "main"]

Frame = Any  # a pandas DataFrame or Series

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The simplest model that is provably as good: optimal trees with a certificate.",
)

app.add_typer(cli_language.app, name="lm")

Table = Annotated[
    str, typer.Argument(help="csv, csv.gz or parquet file, - for csv on stdin, or german_credit")
]
Target = Annotated[str | None, typer.Option("--target", "-t", help="column to predict")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="file to write; else stdout")]
Depth = Annotated[int, typer.Option("--max-depth", min=0, help="largest depth of the tree")]
Seconds = Annotated[float, typer.Option("--time", min=0, help="seconds that searches may take")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="column to leave out; repeatable")]
Rows = Annotated[
    Path | None, typer.Option("--rows", help="rows.csv of a study: training rows only")
]


class Weights(enum.StrEnum):
    """Values of --class-weight."""

    none = "none"
    balanced = "balanced"


class Kind(enum.StrEnum):
    """Values of --model."""

    tree = "tree"
    card = "card"


class Labels(enum.StrEnum):
    """Values of --labels."""

    any = "any"
    majority = "majority"


class Language(enum.StrEnum):
    """Values of --to."""

    text = "text"
    python = "python"
    c = "c"
    sql = "sql"
    json = "json"


class UsageError(Exception):
    """Bad input: one line that names the place."""


def main() -> None:
    """Run a command; bad input ends with one line on stderr and exit code 2."""
    try:
        app()
    except (UsageError, ValueError, OSError) as error:
        _say(f"treeml: {_one_line(error)}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("treeml: interrupted")
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def study(
    table: Table,
    target: Target = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the files")] = Path("study"),
    max_depth: Depth = 4,
    class_weight: Annotated[Weights, typer.Option(help="weights of the classes")] = Weights.none,
    drop: Drop = None,
    time: Seconds = 60.0,
    seed: Annotated[int, typer.Option(help="seed of split, folds and forest")] = 0,
) -> None:
    """Choose the simplest optimal tree and a risk score, compare them, write a report and code."""
    from treeml.study import Study

    X, y = _features(table, target, drop)
    weight = None if class_weight is Weights.none else class_weight.value
    run = Study(max_depth=max_depth, class_weight=weight, time_limit=time, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.fit(X, y, source=table, progress=_progress)
    _say_warnings(caught)
    files = run.save(out)
    typer.echo(run.tree_.to_text())
    typer.echo(run.tree_.certificate_.text())
    for row in run.comparison_:
        typer.echo(f"{row.name:<28} test {run.score_name_} {100 * row.score.value:5.1f} %")
    _say("written: " + ", ".join(str(path) for path in files))
    if run.status_ == "interrupted":
        raise typer.Exit(130)


@app.command()
def fit(
    context: typer.Context,
    table: Table,
    target: Target = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="model file")] = Path("model.json"),
    kind: Annotated[Kind, typer.Option("--model", help="a tree, or a risk score")] = Kind.tree,
    max_depth: Depth = 3,
    regularization: Annotated[float, typer.Option(min=0, max=1, help="cost of a leaf")] = 0.002,
    min_samples_leaf: Annotated[int, typer.Option(min=1, help="fewest rows of a leaf")] = 1,
    max_features: Annotated[int, typer.Option(min=0, help="most lines of a card")] = 5,
    class_weight: Annotated[Weights, typer.Option(help="weights of the classes")] = Weights.none,
    drop: Drop = None,
    time: Seconds = 60.0,
) -> None:
    """Fit one optimal tree or card and write it as JSON; prints rules or points and certificate."""
    from treeml import Binarizer, OptimalTreeClassifier, RiskScoreClassifier

    _refuse_options_of_others(context, kind)
    X, y = _features(table, target, drop)
    common: Any = {
        "class_weight": None if class_weight is Weights.none else class_weight.value,
        "time_limit": time,
    }
    if kind is Kind.card:
        if y.nunique() > 2:
            raise UsageError(
                f"target {y.name!r} has {y.nunique()} classes, and a card tells two apart: merge "
                "or leave out classes, or take --model tree"
            )
        model = RiskScoreClassifier(max_features=max_features, binarizer=Binarizer(), **common)
    else:
        model = OptimalTreeClassifier(
            max_depth=max_depth,
            regularization=regularization,
            min_samples_leaf=min_samples_leaf,
            **common,
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    _say_warnings(caught)
    model.save(output)
    typer.echo(model.to_text())
    typer.echo(model.certificate_.text())
    _say(f"written: {output}")
    if model.status_ == "interrupted":
        raise typer.Exit(130)


@app.command()
def rashomon(
    table: Table,
    target: Target = None,
    max_depth: Depth = 3,
    regularization: Annotated[float, typer.Option(min=0, max=1, help="cost of a leaf")] = 0.01,
    epsilon: Annotated[float, typer.Option(min=0, help="how much worse, relatively")] = 0.05,
    labels: Annotated[Labels, typer.Option(help="labels that leaves may have")] = Labels.any,
    drop_trivial: Annotated[
        bool, typer.Option("--drop-trivial", help="no split into two leaves of one class")
    ] = False,
    class_weight: Annotated[Weights, typer.Option(help="weights of the classes")] = Weights.none,
    drop: Drop = None,
    top: Annotated[int, typer.Option(min=0, help="members to show and write")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="description to write")] = None,
    save: Annotated[Path | None, typer.Option(help="set to write, for RashomonSet.load")] = None,
    report: Annotated[Path | None, typer.Option(help="page to write, with an explorer")] = None,
    time: Seconds = 60.0,
) -> None:
    """Count all nearly optimal trees: how many, which columns they need, the best of them."""
    from treeml import RashomonTreesClassifier

    X, y = _features(table, target, drop)
    model = RashomonTreesClassifier(
        max_depth=max_depth,
        regularization=regularization,
        epsilon=epsilon,
        labels=labels.value,
        drop_trivial=drop_trivial,
        class_weight=None if class_weight is Weights.none else class_weight.value,
        time_limit=time,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    _say_warnings(caught)
    trees = model.set_
    typer.echo(_size(model))
    if trees:
        typer.echo("\ntrees by number of leaves")
        for leaves, number in trees.by_leaves().items():
            typer.echo(f"  {leaves:>3} leaves  {number}")
        typer.echo("\ncolumns that trees use")
        used = sorted(trees.by_feature().items(), key=lambda item: -item[1])
        for name, number in used:
            share = "all" if number == trees.count else f"{_percent(number, trees.count)} %"
            typer.echo(f"  {share if number else 'none':>7}  {name}")
    from treeml import export as languages

    for place, tree in enumerate(trees[:top]):
        typer.echo(f"\nmember {place}: objective {trees.objective_of(place):.6g}")
        typer.echo(languages.text(tree))
    if json_file is not None:
        _write(trees.to_json(members=top) + "\n", json_file)
    if save is not None:
        trees.save(save)
        _say(f"written: {save}")
    if report is not None:
        trees.report(report, X, y)
        _say(f"written: {report}")
    if model.status_ == "interrupted":
        raise typer.Exit(130)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="model file")],
    table: Table,
    output: Output = None,
    proba: Annotated[
        bool, typer.Option("--proba", help="probabilities of the classes too")
    ] = False,
) -> None:
    """Predict the rows of a table; csv with one line a row."""
    import pandas as pd

    from treeml import load

    estimator = load(model)
    if proba and not hasattr(estimator, "predict_proba"):
        raise UsageError(f"{model}: this model predicts no probabilities")
    frame = _model_columns(_read(table), estimator)
    columns: dict[str, Any] = {"prediction": estimator.predict(frame)}
    if proba:
        shares = estimator.predict_proba(frame)
        columns |= {f"p_{label}": shares[:, k] for k, label in enumerate(estimator.classes_)}
    _write(pd.DataFrame(columns).to_csv(index=False), output)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="model file")],
    to: Annotated[Language, typer.Option(help="what to write")] = Language.text,
    dialect: Annotated[str, typer.Option(help="SQL dialect")] = "duckdb",
    table: Annotated[str | None, typer.Option(help="SQL: table to select from")] = None,
    output: Output = None,
) -> None:
    """Write a model as rules, Python, C, SQL or JSON."""
    from treeml import load

    estimator = load(model)
    texts = {
        Language.text: estimator.to_text,
        Language.python: estimator.to_python,
        Language.c: estimator.to_c,
        Language.json: estimator.to_json,
        Language.sql: lambda: estimator.to_sql(dialect=dialect, table=table),
    }
    _write(texts[to]() + "\n", output)


@app.command()
def verify(
    model: Annotated[Path, typer.Argument(help="model file")],
    table: Table,
    target: Target = None,
    rows: Rows = None,
    work: Annotated[float, typer.Option(help="split evaluations to spend on the bound")] = 2e7,
    as_json: Annotated[bool, typer.Option("--json", help="answer as JSON")] = False,
) -> None:
    """Check model and certificate against the training data; exit code 1 where they differ."""
    from sklearn.base import is_regressor

    from treeml import load
    from treeml._core.validation import as_table
    from treeml.certificate import verify as check

    estimator = load(model)
    X, y = _features(table, target, None, numbers=is_regressor(estimator))
    if rows is not None:
        import pandas as pd

        parts = pd.read_csv(rows)
        if list(parts.columns) != ["row", "part"] or len(parts) != len(X):
            raise UsageError(f"{rows}: not the rows.csv of a study of these {len(X)} rows")
        kept = (parts["part"] == "training").to_numpy()
        X, y = X[kept], y[kept]
    data = as_table(_model_columns(X, estimator), like=_columns(estimator))
    result = check(Path(model).read_text(encoding="utf-8"), data, y.to_numpy(), work_budget=work)
    if as_json:
        typer.echo(json.dumps({"ok": result.ok, "lines": list(result.lines)}, indent=1))
    else:
        typer.echo(str(result))
    if not result.ok:
        raise typer.Exit(1)


# Reading and speaking


def _size(model: Any) -> str:
    """How many members, up to where, and whether that is all."""
    trees = model.set_
    number = f"{trees.count} trees" if trees.count != 1 else "1 tree"
    upto = f"{number} of depth {trees.max_depth} or less with an objective up to {trees.bound:.6g}"
    if model.gap_ > 0:
        return (
            f"{upto}: the optimum is not proven; the best tree found has {model.objective_:.6g}, "
            f"and none has less than {model.lower_bound_:.6g}"
        )
    whole = "all of them" if trees.complete else "all up to there, and the search ended there"
    return f"{upto} (optimum {model.objective_:.6g}, leaves cost {trees.regularization:g}): {whole}"


def _percent(part: int, whole: int) -> str:
    """Rounded, but neither to nothing nor to everything."""
    share = 100 * part / whole
    if part and share < 0.1:
        return "<0.1"
    return ">99.9" if part < whole and share > 99.9 else f"{share:.1f}"


def _read(source: str) -> Frame:
    """The table of a file, of stdin or of the package."""
    import pandas as pd

    from treeml.datasets import NAMES, data_path

    path = data_path(source) if source in NAMES and not Path(source).exists() else Path(source)
    where = "stdin" if source == "-" else str(source)
    try:
        if path.suffix in (".parquet", ".pq"):
            return pd.read_parquet(path)
        text = sys.stdin.read() if source == "-" else _text(path)
    except FileNotFoundError:
        raise UsageError(f"{where}: no such file") from None
    except (OSError, EOFError, UnicodeDecodeError, ValueError, ImportError) as error:
        raise UsageError(f"{where}: cannot be read ({_one_line(error)})") from None
    header = next(csv.reader(io.StringIO(text)), [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UsageError(f"{where}: column names occur twice: {', '.join(map(repr, twice))}")
    if not header:
        raise UsageError(f"{where}: the table is empty")
    try:
        frame = pd.read_csv(
            io.StringIO(text), keep_default_na=False, na_values=["", "NA", "NaN", "nan"]
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise UsageError(f"{where}: not a csv table ({_one_line(error)})") from None
    if not len(frame):
        raise UsageError(f"{where}: the table has no rows")
    return frame


def _text(path: Path) -> str:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return file.read()
    return path.read_text(encoding="utf-8-sig")


def _features(
    source: str, target: str | None, drop: list[str] | None, *, numbers: bool = False
) -> tuple[Frame, Frame]:
    """Columns and target of a table; ``numbers``: which may be any."""
    frame = _read(source)
    if target is None and source == "german_credit":
        target = "creditability"
    if target is None:
        raise UsageError(f"--target is missing; columns of {source}: {', '.join(frame.columns)}")
    for name in [target, *(drop or [])]:
        _require(frame, name, source)
    y = frame[target]
    missing = y.index[y.isna()].tolist()
    if missing:
        few = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        raise UsageError(
            f"target {target!r} is missing in {len(missing)} rows: {few}; leave them out"
        )
    if y.nunique() == 1:
        raise UsageError(f"target {target!r} is {y.iloc[0]!r} in every row: nothing to learn")
    if not numbers and y.dtype.kind == "f" and not (y % 1 == 0).all():
        raise UsageError(
            f"target {target!r} is continuous (such as {y[y % 1 != 0].iloc[0]!r}): "
            "cut it into classes first"
        )
    X = frame.drop(columns=[target, *(drop or [])])
    empty = [name for name in X.columns if X[name].isna().all()]
    if empty:
        raise UsageError(
            f"column {empty[0]!r} is all missing; leave it out with --drop {empty[0]!r}"
        )
    return X, y


def _require(frame: Frame, name: str, source: str) -> None:
    if name in frame.columns:
        return
    close = difflib.get_close_matches(name, list(frame.columns), n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise UsageError(f"{source}: no column is called {name!r}{hint}")


def _refuse_options_of_others(context: typer.Context, kind: Kind) -> None:
    """Options that the kind of model does not have are not passed over."""
    others = {
        Kind.tree: ("max_features",),
        Kind.card: ("max_depth", "regularization", "min_samples_leaf"),
    }
    for name in others[kind]:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise UsageError(f"--{name.replace('_', '-')} is no option of --model {kind.value}")


def _columns(estimator: Any) -> Any:
    known = ("tree_", "ensemble_", "scorecard_", "model_")
    kept = next(name for name in known if hasattr(estimator, name))
    return getattr(estimator, kept).columns


def _model_columns(frame: Frame, estimator: Any) -> Frame:
    """The columns that the model was fitted on; others, such as the target, are left out."""
    names = [column.name for column in _columns(estimator)]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise UsageError(
            f"columns of the model are missing in the table: {', '.join(map(repr, missing))}"
        )
    return frame[names]


def _write(text: str, path: Path | None) -> None:
    if path is None:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
        _say(f"written: {path}")


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        _say(line)


def _say_warnings(caught: list[warnings.WarningMessage]) -> None:
    for text in dict.fromkeys(
        str(w.message) for w in caught if issubclass(w.category, UserWarning)
    ):
        _say(f"note: {text}")


def _say(line: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(line, markup=False)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
