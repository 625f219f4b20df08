# Everything a newcomer needs. `make` lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BUILT := $(VENV)/.built
SOURCES := $(wildcard _ext/*.pyx _ext/*.pxi _ext/include/treeml/*) setup.py pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help build demo test lint types oracle bench docs clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

$(BUILT): $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade -c constraints.txt pip setuptools Cython
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e ".[test,dev]"
	@touch $@

build: $(BUILT)  ## compile the native core and install treeml into .venv

demo: $(BUILT)  ## study the bundled German credit data and write study/report.html
	$(BIN)/treeml study german_credit --out study

test: $(BUILT)  ## run the tests
	$(BIN)/python -m pytest -n auto

oracle: $(BUILT)  ## compare with brute force on many more random cases
	TREEML_ORACLE_CASES=$${TREEML_ORACLE_CASES:-10000} $(BIN)/python -m pytest -n auto tests/oracle tests/export

lint: $(BUILT)  ## check style and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint _ext
	$(BIN)/lint-imports

types: $(BUILT)  ## check the type hints
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(BUILT)  ## compare with other packages, in environments of their own, into benchmarks/results
	$(BIN)/python -m benchmarks

docs: $(BUILT)  ## build the documentation into build/docs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]" --no-build-isolation
	$(BIN)/python -m sphinx -q -W -b html docs build/docs

clean:  ## remove what was built
	rm -rf build dist study *.egg-info treeml/_ext/*.so $(VENV)
