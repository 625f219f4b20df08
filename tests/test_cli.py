import io
import json

import numpy as np
import pandas as pd
import pytest

from treeml import Binarizer, LinearTreeRegressor, RashomonSet, SLIMClassifier, cli


@pytest.fixture
def loans(tmp_path):
    rng = np.random.default_rng(0)
    n = 120
    frame = pd.DataFrame({"income": rng.integers(1, 99, n), "job": rng.choice(["a", "b", "c"], n)})
    frame["bad"] = np.where((frame["income"] > 50) | (frame["job"] == "c"), "no", "yes")
    path = tmp_path / "loans.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments, stdin=""):
        monkeypatch.setattr("sys.argv", ["treeml", *map(str, arguments)])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return end.value.code or 0, out, err

    return call


def test_fit_predict_export_verify(loans, run, tmp_path):
    model = tmp_path / "model.json"
    code, out, err = run("fit", loans, "--target", "bad", "-o", model)
    assert code == 0
    assert "Certificate of optimality" in out
    assert str(model) in err.replace("\n", "")
    code, out, _ = run("predict", model, loans, "--proba")
    assert code == 0
    truth = pd.read_csv(loans)["bad"]
    assert (pd.read_csv(io.StringIO(out))["prediction"] == truth).mean() > 0.95
    code, out, _ = run("predict", model, "-", stdin=loans.read_text())
    assert code == 0
    assert len(out.splitlines()) == 121
    for language in ("text", "python", "c", "sql", "json"):
        code, out, _ = run("export", model, "--to", language)
        assert code == 0
        assert "income" in out
    code, out, _ = run("verify", model, loans, "--target", "bad", "--json")
    assert code == 0
    assert json.loads(out)["ok"]


def test_fit_a_card(loans, run, tmp_path):
    model = tmp_path / "card.json"
    code, out, _ = run(
        *("fit", loans, "--target", "bad", "--model", "card", "--max-features", 2, "-o", model)
    )
    assert code == 0
    assert "Score for yes" in out
    assert "Certificate of optimality" in out
    code, out, _ = run("predict", model, loans, "--proba")
    assert code == 0
    got = pd.read_csv(io.StringIO(out))
    assert np.allclose(got["p_no"] + got["p_yes"], 1)
    assert (got["prediction"] == np.where(got["p_yes"] > 0.5, "yes", "no")).all()
    for language in ("text", "python", "c", "sql", "json"):
        code, out, _ = run("export", model, "--to", language)
        assert code == 0
        assert "income" in out


def test_a_card_of_labels_has_no_probabilities(loans, run, tmp_path):
    table = pd.read_csv(loans)
    slim = SLIMClassifier(max_features=1, binarizer=Binarizer(max_bins=3))
    slim.fit(table[["income", "job"]], table["bad"]).save(tmp_path / "slim.json")
    code, out, _ = run("predict", tmp_path / "slim.json", loans)
    assert code == 0
    assert len(out.splitlines()) == 121
    code, _, err = run("predict", tmp_path / "slim.json", loans, "--proba")
    assert code == 2
    assert "no probabilities" in err


def test_fit_a_card_says_what_it_cannot(loans, run, tmp_path):
    model = tmp_path / "card.json"
    code, _, err = run("fit", loans, "--target", "job", "--model", "card", "-o", model)
    assert code == 2
    assert "'job' has 3 classes" in err
    assert "--model tree" in err
    card = ("fit", loans, "--target", "bad", "--model", "card", "-o", model)
    code, _, err = run(*card, "--max-depth", 3)
    assert code == 2
    assert "--max-depth is no option of --model card" in err
    code, _, err = run("fit", loans, "--target", "bad", "--max-features", 3, "-o", model)
    assert code == 2
    assert "--max-features is no option of --model tree" in err
    assert not model.exists()


def test_rashomon_counts_and_writes(loans, run, tmp_path):
    description, kept = tmp_path / "description.json", tmp_path / "set.json"
    code, out, _ = run(
        *("rashomon", loans, "--target", "bad", "--max-depth", 2, "--epsilon", 0.3, "--top", 2),
        *("--json", description, "--save", kept, "--report", tmp_path / "report.html"),
    )
    assert code == 0
    trees = RashomonSet.load(kept)
    assert f"{trees.count} trees of depth 2 or less" in out
    assert "all of them" in out
    assert "member 1: objective" in out
    assert "trees by number of leaves" in out
    assert "income" in out
    data = json.loads(description.read_text())
    assert data["count"] == str(trees.count)
    assert len(data["members"]) == 2
    assert f"{trees.count:,}" in (tmp_path / "report.html").read_text()


def test_rashomon_says_what_a_limit_left(loans, run):
    code, out, err = run("rashomon", loans, "--target", "bad", "--time", 0, "--max-depth", 4)
    assert code == 0
    assert "0 trees" in out
    assert "the search ended there" in out
    assert "note: time_limit=0.0 was reached" in err


def test_verify_takes_trees_with_linear_leaves(run, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=60), "town": rng.choice(["a", "b", "c"], 60)})
    frame["price"] = np.where(frame.town == "b", 2.5, -1.0) * frame["size"]
    table, model = tmp_path / "homes.csv", tmp_path / "model.json"
    frame.to_csv(table, index=False)
    frame = pd.read_csv(table)
    fitted = LinearTreeRegressor(solver="exact", max_leaf_nodes=2, max_cuts=5, l2=1.0)
    fitted.fit(frame[["size", "town"]], frame.price).save(model)
    code, out, _ = run("verify", model, table, "--target", "price")
    assert code == 0
    assert "is proved again" in out
    frame.assign(price=frame.price + 1.5 * frame.index).to_csv(table, index=False)
    code, out, _ = run("verify", model, table, "--target", "price")
    assert code == 1
    assert "DIFFERS" in out


def test_verify_refutes_other_data(loans, run, tmp_path):
    model = tmp_path / "model.json"
    run("fit", loans, "--target", "bad", "-o", model)
    frame = pd.read_csv(loans)
    frame.loc[:9, "bad"] = "yes"
    frame.to_csv(loans, index=False)
    code, out, _ = run("verify", model, loans, "--target", "bad")
    assert code == 1
    assert out


def test_study_writes_its_files(loans, run, tmp_path):
    folder = tmp_path / "study"
    code, out, err = run("study", loans, "--target", "bad", "--out", folder, "--max-depth", 2)
    assert code == 0
    assert "Certificate" in out
    assert "report.html" in err.replace("\n", "")
    assert (folder / "report.html").stat().st_size > 5000
    code, _, _ = run(
        "verify", folder / "model.json", loans, "--target", "bad", "--rows", folder / "rows.csv"
    )
    assert code == 0


BAD = {
    "no such file": (None, "missing.csv"),
    "empty": ("", "empty"),
    "no rows": ("income,job,bad\n", "no rows"),
    "duplicated": ("income,income,bad\n1,2,a\n2,1,b\n", "'income'"),
    "target missing": ("income,bed\n1,a\n2,b\n", "'bed'"),
    "target has holes": ("income,bad\n1,a\n2,\n3,b\n", "rows: 1"),
    "constant target": ("income,bad\n1,a\n2,a\n", "every row"),
    "continuous target": ("income,bad\n1,0.5\n2,1.25\n3,0.75\n", "continuous"),
    "all missing": ("income,job,bad\n1,,a\n2,,b\n", "'job'"),
    "infinite": ("income,bad\n1,a\ninf,b\n3,a\n", "'income', row 1"),
    "not a table": ('income,bad\n1,a,"\n2,b,c,d,e\n', "not a csv"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2(case, run, tmp_path):
    text, words = BAD[case]
    path = tmp_path / "missing.csv"
    if text is not None:
        path.write_text(text)
    for command in (("fit", path, "-o", tmp_path / "m.json"), ("study", path, "--out", tmp_path)):
        code, out, err = run(*command, "--target", "bad")
        assert code == 2
        assert out == ""
        assert len(err.strip().splitlines()) == 1
        assert words in err


def test_bad_columns_at_predict(loans, run, tmp_path):
    model = tmp_path / "model.json"
    run("fit", loans, "--target", "bad", "-o", model)
    code, _, err = run("predict", model, "-", stdin="job\na\n")
    assert code == 2
    assert "'income'" in err
    code, _, err = run("predict", model, "-", stdin="income,job\nmuch,a\n")
    assert code == 2
    assert "'income', row 0" in err
    (tmp_path / "broken.json").write_text("{")
    code, _, err = run("predict", tmp_path / "broken.json", loans)
    assert code == 2
    assert "not a treeml model" in err


def test_models_without_a_certificate_predict_and_export(run, tmp_path):
    from treeml import BoostedTreesClassifier, load
    from treeml.datasets import load_german_credit

    X, y = load_german_credit()
    file = tmp_path / "boosted.json"
    BoostedTreesClassifier(n_estimators=3, max_depth=2).fit(X, y).save(file)
    code, out, _ = run("predict", file, "german_credit", "--proba")
    assert code == 0
    assert pd.read_csv(io.StringIO(out))["prediction"].tolist() == load(file).predict(X).tolist()
    code, out, _ = run("export", file, "--to", "sql")
    assert code == 0
    assert "CASE" in out
    code, _, err = run("verify", file, "german_credit", "--target", "creditability")
    assert code == 2
    assert "nothing to check" in err
