# Every target works in a fresh clone with Python 3.11+, make and git, and again without network once it has run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check lint types cover fix soak clean

help:  ## say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.installed  ## start the test server, run two workflows, save their pictures in comfywire-demo/
	$(BIN)/comfywire demo

test: $(VENV)/.installed-dev  ## run the tests
	$(BIN)/python -m pytest

check: lint types cover  ## everything that CI checks

lint: $(VENV)/.installed-dev  ## format and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev  ## mypy: src strictly, tests with check_untyped_defs
	$(BIN)/mypy
	MYPYPATH=src $(BIN)/mypy --config-file= --check-untyped-defs --explicit-package-bases tests examples
	cd bench && MYPYPATH=../src ../$(BIN)/mypy --config-file= --check-untyped-defs --explicit-package-bases .

cover: $(VENV)/.installed-dev  ## the tests, with branch coverage
	$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90

soak: $(VENV)/.installed  ## half an hour of random faults; not part of check
	$(BIN)/python bench/soak.py --seconds 1800

fix: $(VENV)/.installed-dev  ## format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what the targets made
	rm -rf $(VENV) .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis

# pip 25.1 is the first that reads [dependency-groups].
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[server]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[server,show]' --group dev
	touch $@
