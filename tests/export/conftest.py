from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "200"))


def _load(name: str) -> ModuleType:
    """A module beside this file; tests are no package, so it is loaded by its path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def random_trees() -> ModuleType:
    return _load("random_trees")


@pytest.fixture(scope="session")
def random_cards(random_trees) -> ModuleType:
    return _load("random_cards")


@pytest.fixture(scope="session")
def databases() -> ModuleType:
    return _load("databases")


@pytest.fixture(scope="session")
def cases(random_trees) -> list:
    """Random trees with tables, TREEML_ORACLE_CASES of them; the first has a single leaf."""
    rng = np.random.default_rng(20240)
    types = random_trees.random_types(rng)
    stump = random_trees.random_tree(rng, types, max_depth=0)
    single = random_trees.Case(stump, random_trees.random_table(rng, stump, 5))
    return [single, *(random_trees.random_case(rng) for _ in range(CASES))]


@pytest.fixture(scope="session")
def card_cases(random_cards) -> list:
    """Random scorecards with tables, TREEML_ORACLE_CASES of them."""
    rng = np.random.default_rng(20241)
    return [random_cards.random_case(rng) for _ in range(CASES)]


@pytest.fixture(scope="session")
def number_cases(random_trees) -> list:
    """Random regression trees and ensembles of every link, TREEML_ORACLE_CASES of them."""
    rng = np.random.default_rng(20242)
    kinds = ["tree", "identity", "log", "logistic", "softmax"]
    return [random_trees.random_number_case(rng, kinds[i % 5]) for i in range(CASES)]


@pytest.fixture(scope="session")
def routed_cases(random_trees) -> list:
    """Random routed models of every link, TREEML_ORACLE_CASES of them."""
    rng = np.random.default_rng(20243)
    links = ["identity", "logistic", "softmax"]
    return [random_trees.random_routed_case(rng, links[i % 3]) for i in range(CASES)]
