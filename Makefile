# Every target works in a fresh clone with Python 3.11+, make and git, and again without network once it has run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Containers often forbid bytecode. Each of the suite's workers, and of the hundreds of processes that it starts, would
# compile every module anew: a tenth of the whole.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
FRONTENDS := 1.49.6 1.58.1
PEERS := tests/peers tests/service/api/test_api_comfy_sdk.py

.PHONY: help demo serve test test-browser test-hostile test-ops test-peers check lint types cover docs bench-quick fix soak soak-service clean

help:  ## say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed  ## start the test server, run two workflows, save their pictures in comfywire-demo/
	$(BIN)/comfywire demo

serve: $(VENV)/.installed-service  ## start the job service in front of two test servers
	$(BIN)/comfywire serve --demo

test: $(VENV)/.installed-dev  ## run the tests, but for those of the three targets below
	$(PYTEST) -m 'not hostile' $(addprefix --ignore=,$(PEERS))

test-peers: $(VENV)/.installed-dev  ## run other people's clients, installed by pip and npm, against our servers: none may be missing
	CI=true $(PYTEST) -n 2 $(PEERS)

test-hostile: $(VENV)/.installed-dev  ## run the tests that kill, restart and send requests at random, a minute or more each
	$(PYTEST) -n 2 -m hostile tests/acceptance tests/cli tests/conformance tests/service

test-browser: $(VENV)/.installed-dev  ## the page and ComfyUI's editor in a real browser: Debian's Chromium, which root gets with apt-get
	if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-liberation >/dev/null; fi
	$(BIN)/python -m pip install --quiet --group browser
	npm install --silent --no-audit --no-fund --no-save --prefix .peers/axe axe-core@4.14.1
	for version in $(FRONTENDS); do test -d .peers/frontend-$$version || $(BIN)/python -m pip install --quiet --no-deps \
		--target .peers/frontend-$$version comfyui-frontend-package==$$version || exit; done
	COMFYWIRE_TEST_BROWSER=1 $(BIN)/python -m pytest -n 2 tests/browser

test-ops: $(VENV)/.installed-dev  ## the service behind Debian's PgBouncer, nginx and Caddy, which root gets with apt-get
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -qq -y --no-install-recommends caddy nginx-light pgbouncer >/dev/null; fi
	COMFYWIRE_TEST_OPS=1 $(BIN)/python -m pytest -n 2 tests/ops

check: lint types test  ## format, lint, types and `make test`

lint: $(VENV)/.installed-dev  ## format and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev  ## mypy: src strictly, the rest with check_untyped_defs; bench drives clients that are not installed
	$(BIN)/mypy
	MYPYPATH=src:examples/postcards $(BIN)/mypy --config-file= --check-untyped-defs --explicit-package-bases tests examples
	cd bench && MYPYPATH=../src ../$(BIN)/mypy --config-file= --check-untyped-defs --explicit-package-bases --ignore-missing-imports .

cover: $(VENV)/.installed-dev  ## the tests, half as slow again, and what they do not cover; less than 96 % is a failure
	$(PYTEST) --cov --cov-report= --cov-fail-under=96
	$(BIN)/python -m coverage report

docs: $(VENV)/.installed-dev  ## renew the pages that are made from the code
	$(BIN)/python docs/make_reference.py

bench-quick: $(VENV)/.installed  ## ratios to the least that is possible, beside those published last; minutes; not part of check or CI
	$(BIN)/python bench/quick.py

soak: $(VENV)/.installed  ## half an hour of random faults; not part of check
	$(BIN)/python bench/soak.py --seconds 1800

soak-service: $(VENV)/.installed-dev  ## a quarter of an hour of faults for each database, embedded and own; not part of check
	COMFYWIRE_CHAOS_SECONDS=900 $(PYTEST) -n 0 -s tests/acceptance/test_chaos.py -k whatever

fix: $(VENV)/.installed-dev  ## format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what the targets made
	rm -rf $(VENV) .peers .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis

# pip 25.1 is the first that reads [dependency-groups].
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[server]'
	touch $@

$(VENV)/.installed-service: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[service]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[server-media,show,service,mcp,otel,s3]' --group dev
	# Once, and not by each of the suite's workers at the same time.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q -j 0 src tests
	touch $@
