from __future__ import annotations

import ast
import dataclasses
import json
import pathlib

import numpy as np
import pytest

import treeml.certificate
from tests.certificate.built import Built, build
from tests.oracle.brute_force import optimal_cost
from treeml.certificate import verify
from treeml.certificate.dynamic_program import DynamicProgram, OutOfWorkError
from treeml.ir import dump


def run(built: Built, document: str | None = None, **keywords):
    return verify(
        document or built.document(), built.table, built.y, sample_weight=built.weight, **keywords
    )


def differences(found) -> list[str]:
    assert not found.ok
    return [line for line in found.lines if line.startswith("DIFFERS: ")]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_depth": 0},
        {"max_depth": 1},
        {"max_depth": 3, "seed": 1},
        {"max_depth": None, "regularization": 0.05, "seed": 2},
        {"max_depth": None, "regularization": 0.0, "n_rows": 15},
        {"min_samples_leaf": 4, "max_depth": 3, "seed": 3},
        {"min_samples_leaf": 100},
        {"class_weight": (1, 5, 2), "seed": 4},
        {"weight": np.random.default_rng(0).integers(0, 4, 40).astype(np.float64)},
        {"weight": np.random.default_rng(1).random(40), "max_depth": 3},
    ],
)
def test_optimal_trees_pass_and_their_bound_is_proved_again(settings):
    built = build(**settings)
    found = run(built)
    assert found.ok, str(found)
    assert found.bound_checked
    assert found.objective == pytest.approx(built.certificate.objective, abs=1e-12)
    assert any("proved again" in line for line in found.lines)
    order = np.random.default_rng(5).permutation(built.table.n_rows)
    weight = None if built.weight is None else built.weight[order]
    again = verify(
        json.loads(built.document()),
        built.table.take(order),
        built.y[order],
        sample_weight=weight,
    )
    assert again.ok, str(again)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": 0.1, "lower_bound": 0.1}, "the certificate states 0.1"),
        ({"lower_bound": 0.9}, "lies above the objective"),
        ({"lower_bound": 0.01, "gap": 0.0}, "the gap of objective and bound is"),
        ({"lower_bound": 0.0, "gap": 1.0}, 'status is "optimal", but'),
        ({"status": "time_limit"}, "the statement does not fit"),
        ({"total": 41.0}, "the total weight is 40, the certificate states 41"),
        ({"n_rows": 39}, "rows of positive weight is 40, the certificate states 39"),
        ({"max_depth": 1}, "the tree has depth 2, the certificate allows 1"),
        ({"min_samples_leaf": 30}, "the certificate asks for 30 or more"),
        ({"class_weight": [1.0, 2.0, 1.0]}, "the class weights of the certificate"),
        ({"data_hash": "0" * 64}, "the data hash is not"),
        ({"n_predicates": 7}, "10 candidate predicates are listed, stated are 7"),
        ({"regularization": 0.02}, "the objective is"),
        ({"columns": []}, "the columns of the certificate"),
        ({"predicates": None}, "cannot be read"),
    ],
)
def test_changed_certificates_are_named(changes, words):
    found = run(build(), build().document(**changes))
    assert any(words in line for line in differences(found)), str(found)


def test_a_shortened_candidate_list_is_named():
    built = build()
    used = built.tree.predicates[0].to_dict()
    rest = [p for p in built.certificate.predicates if p != used]
    lines = differences(run(built, built.document(predicates=rest, n_predicates=len(rest))))
    assert any("is not a candidate predicate" in line for line in lines)
    assert any("data hash" in line for line in lines)


def test_a_tree_that_is_not_the_best_is_found_out_by_the_bound():
    built = build(nodes=(8, 0, 1))
    lines = differences(run(built))
    assert len(lines) == 1
    assert "is too high: a tree has the objective" in lines[0]
    stated = float(lines[0].split()[-1])
    assert stated == pytest.approx(build().certificate.objective)


def test_a_stopped_search_passes_up_to_the_true_bound():
    best, built = build().certificate.objective, build(nodes=(8, 0, 1))
    objective = built.certificate.objective
    for bound, right in ((best - 0.05, True), (best, True), (best + 0.01, False)):
        stopped = {
            "status": "time_limit",
            "statement": "Not proven optimal: ...",
            "lower_bound": bound,
            "gap": (objective - bound) / objective,
        }
        found = run(built, built.document(**stopped))
        assert found.ok is right, str(found)
        assert found.bound_checked


@pytest.mark.parametrize("what", ["label", "counts", "predicate", "child", "question"])
def test_changed_trees_are_named(what):
    built = build()
    document = json.loads(built.document())
    model = document["model"]
    if what == "label":
        model["label"][-1] = (model["label"][-1] + 1) % 3
        words = "the class of largest weight in it is"
    elif what == "counts":
        model["counts"][1][0] += 1
        words = "node 1 has class counts"
    elif what == "predicate":
        model["predicate"][0] = 17
        words = "asks a predicate that is not there"
    elif what == "child":
        model["if_true"][0] = 0
        words = "the tree is malformed"
    else:
        model["predicates"][0] = {"column": 0, "test": "<=", "value": 19.0}
        words = "is not a candidate predicate"
    found = run(built, json.dumps(document))
    assert any(words in line for line in differences(found)), str(found)


def test_other_data_are_named():
    built = build()
    y = built.y.copy()
    y[0] = "high" if y[0] != "high" else "low"
    lines = differences(verify(built.document(), built.table, y))
    assert any("class counts" in line for line in lines)
    assert any("data hash" in line for line in lines)
    y[0] = "unheard"
    assert "'unheard'" in differences(verify(built.document(), built.table, y))[0]
    fewer = dataclasses.replace(built.table, columns=built.table.columns[1:])
    assert "has 3 columns, the model 4" in differences(verify(built.document(), fewer, built.y))[0]
    turned = dataclasses.replace(built.table, columns=built.table.columns[::-1])
    assert "where the model has" in differences(verify(built.document(), turned, built.y))[0]
    weighted = verify(built.document(), built.table, built.y, sample_weight=np.full(40, 2.0))
    assert any("total weight is 80" in line for line in differences(weighted))


def test_what_cannot_be_checked_is_refused():
    built = build()
    with pytest.raises(ValueError, match='no entry "certificate"'):
        verify(dump(built.tree), built.table, built.y)
    with pytest.raises(ValueError, match="y has shape"):
        verify(built.document(), built.table, built.y[1:])
    with pytest.raises(ValueError, match="sample_weight has shape"):
        verify(built.document(), built.table, built.y, sample_weight=np.ones(3))


def test_the_work_budget_is_kept_and_said():
    built = build(max_depth=3, regularization=0.0)
    for budget in (1.0, 500.0):  # not started, and given up on the way
        found = run(built, work_budget=budget)
        assert found.ok
        assert not found.bound_checked
        assert "bound not re-proved (would need about" in found.lines[-1]
    assert run(built).bound_checked


def test_a_missing_hash_is_said():
    built = build()
    found = run(built, built.document(data_hash=""))
    assert found.ok
    assert any("no data hash" in line for line in found.lines)


def test_the_hash_is_written_down_twice_and_equal():
    rng = np.random.default_rng(6)
    weight = rng.random(200) * rng.integers(0, 2, 200)
    found = run(build(seed=6, n_rows=200, weight=weight, max_depth=1))
    assert "the data hash is that of the table" in found.lines


def test_a_claim_about_deeper_trees_than_were_searched_is_found_out():
    built = build(max_depth=1, regularization=0.005)
    assert run(built).ok
    lines = differences(run(built, built.document(max_depth=3)))
    assert "is too high" in lines[0]


@pytest.mark.parametrize("seed", range(150))
def test_the_naive_program_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    n, p, k = (int(rng.integers(1, high)) for high in (30, 7, 5))
    X, codes, weight = rng.integers(0, 2, (n, p)), rng.integers(0, k, n), rng.integers(1, 4, n)
    depth, least = (0, 1, 2, 3, 4, None)[seed % 6], int(rng.integers(1, 5))
    leaf_cost, leaves = int(rng.integers(0, 6)), (None, 2, 3, 4, 5, 6, 7)[seed % 7]
    best = optimal_cost(
        X.tolist(), codes.tolist(), weight.tolist(), k, depth, leaf_cost, 1, least, [1] * k, leaves
    )
    for limit in (np.inf, best + 0.5, best - 0.5):
        program = DynamicProgram(
            X.astype(bool), codes, weight.astype(np.float64), k, float(leaf_cost), least, leaves
        )
        found = program.least_below(depth, limit, 1e8)
        assert found == best if best < limit else found >= limit


def test_the_naive_program_stops_at_its_budget():
    rng = np.random.default_rng(0)
    program = DynamicProgram(
        rng.random((200, 20)) < 0.5, rng.integers(0, 2, 200), np.full(200, 0.005), 2, 0.001, 1
    )
    with pytest.raises(OutOfWorkError):
        program.least_below(3, np.inf, 1e3)


@pytest.mark.parametrize(
    "module",
    [
        *("verify", "verify_card", "verify_costs", "verify_linear", "verify_size"),
        *("checks", "dynamic_program", "linear_program", "vote_program"),
    ],
)
def test_the_checker_imports_no_search(module):
    source = (pathlib.Path(treeml.certificate.__file__).parent / f"{module}.py").read_text()
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    own = {str(node.module) for node in imported if str(node.module).startswith("treeml")}
    beside = ("checks", "dynamic_program", "linear_program", "verify_card", "verify_costs",
              "verify_linear", "verify_size", "vote_program")  # fmt: skip
    allowed = ("treeml._core.", "treeml.ir.", *(f"treeml.certificate.{name}" for name in beside))
    assert all(name.startswith(allowed) for name in own), own
    assert "import treeml" not in source
