from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "200"))


def _load() -> ModuleType:
    """The generator beside this file; tests are no package, so it is loaded by its path."""
    spec = importlib.util.spec_from_file_location(
        "random_trees", Path(__file__).with_name("random_trees.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["random_trees"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def random_trees() -> ModuleType:
    return _load()


@pytest.fixture(scope="session")
def cases(random_trees) -> list:
    """Random trees with tables, TREEML_ORACLE_CASES of them; the first has a single leaf."""
    rng = np.random.default_rng(20240)
    types = random_trees.random_types(rng)
    stump = random_trees.random_tree(rng, types, max_depth=0)
    single = random_trees.Case(stump, random_trees.random_table(rng, stump, 5))
    return [single, *(random_trees.random_case(rng) for _ in range(CASES))]
