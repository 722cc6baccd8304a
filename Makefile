# The commands of this project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PIP := --disable-pip-version-check
PACKAGES := services operations gateway tools tests clients bench

# An operator's command runs as the caller, who owns the files that it reads and writes.
OPERATOR = $(COMPOSE) run --rm -T --user "$$(id -u):$$(id -g)" operator

COMPOSE ?= $(shell command -v docker-compose >/dev/null && echo docker-compose || echo docker compose)

export PYTHONPATH := $(CURDIR):$(CURDIR)/clients/python

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## Run the whole suite on this machine, with demo data, until Ctrl-C
	@exec $(BIN)/python -m operations.local_stack

.PHONY: reset
reset: $(INSTALLED) ## Delete the data and the logs of make run, which then loads fresh demo data
	@$(BIN)/python -m operations.local_stack --reset

.PHONY: unit
unit: $(INSTALLED) ## Run the unit tests, which start no store, in under a minute
	$(BIN)/python -m pytest tests/unit -q

.PHONY: case
case: $(INSTALLED) ## Run the contract cases of one call: make case CASE=member/upgrade_user
	@[ "$(CASE)" ] || { echo "usage: make case CASE=member/upgrade_user" >&2; exit 1; }
	@[ -f "tests/contract/$(CASE).yaml" ] || { \
	  echo "no file tests/contract/$(CASE).yaml: CASE is a file in tests/contract/*/, without .yaml" >&2; exit 1; }
	$(BIN)/python -m pytest tests/contract/test_contract.py -q -k "$(notdir $(CASE)):"

.PHONY: test
test: $(INSTALLED) ## Run all tests that need no container engine
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not alone"
	$(BIN)/python -m pytest -m alone

.PHONY: screenshots
screenshots: $(INSTALLED) ## Write the screenshots of docs/console.md again: needs Chromium
	@$(BIN)/python -m tests.console.screenshots

# bash has a variable SECONDS, so the value is taken only from the command line.
.PHONY: fuzz
fuzz: $(INSTALLED) ## Send wrong inputs to a separate suite for a minute: make fuzz SECONDS=900 ARGS="--inputs 1000000"
	@$(BIN)/python -m tests.fuzz --seconds $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60) $(ARGS)

.PHONY: test-grpcio
test-grpcio: $(INSTALLED) ## Run the contract cases with grpcio's server instead of Envoy
	env $$($(BIN)/python -c "from services.suite import SUITE; \
	  print(*(f'{service.name.upper()}_SERVER=grpcio' for service in SUITE))") \
	  $(BIN)/python -m pytest tests/contract/test_contract.py --sample

.PHONY: test-compose
test-compose: $(INSTALLED) ## Run contract cases and fault-injection tests on containers: needs an engine
	$(BIN)/python -m pytest tests/contract/test_contract.py tests/compose --compose --sample
	$(BIN)/python -m pytest tests/drills

.PHONY: drill
drill: $(INSTALLED) ## Run the fault-injection tests alone: ten minutes; figures in .run/drill/results.json
	$(BIN)/python -m pytest tests/drills

.PHONY: compose-demo
compose-demo: ## Load the demo data into the running compose stack
	@port=$$($(COMPOSE) port gateway 8080); $(OPERATOR) operations.commands.demo --gateway http://127.0.0.1:$${port##*:}

.PHONY: compose-apps
compose-apps: ## Manage the apps of the compose stack: make compose-apps ARGS="list"
	@$(OPERATOR) operations.commands.apps $(ARGS)

.PHONY: compose-members
compose-members: ## Import or export its members: make compose-members ARGS="import members.csv"
	@$(OPERATOR) operations.commands.members $(ARGS)

.PHONY: compose-archive
compose-archive: ## Copy its whole store through a file: make compose-archive ARGS="export FILE"
	@$(OPERATOR) operations.commands.archive $(ARGS)

.PHONY: compose-roll
compose-roll: ## Replace all its instances by the current code, without losing a request
	@$(COMPOSE) build -q && COMPOSE="$(COMPOSE)" operations/deployment/roll.bash

.PHONY: check
check: $(INSTALLED) ## Check format, lint, types, contracts, generated files and gateway configuration
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/python -m tools.generate --check
	@mkdir -p .run
	$(BIN)/python -m tools.generate --image .run/image.binpb
	$(BIN)/buf lint .run/image.binpb --config buf.yaml
	$(BIN)/python -m gateway --validate

.PHONY: format
format: $(INSTALLED) ## Format the code and fix what lint can fix
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

.PHONY: generate
generate: $(INSTALLED) ## Write everything that is generated from protos/, settings and the error catalogue
	$(BIN)/python -m tools.generate

.PHONY: apps
apps: $(INSTALLED) ## Create, list, rotate or revoke apps: make apps ARGS="list"
	@$(BIN)/python -m operations.commands.apps $(ARGS)

.PHONY: members
members: $(INSTALLED) ## Import or export members: make members ARGS="import members.csv"
	@$(BIN)/python -m operations.commands.members $(ARGS)

.PHONY: bench
bench: $(VENV)/bench ## Measure what a check costs, compared with a baseline and other implementations: six minutes
	@$(BIN)/python -m bench.checks

.PHONY: flame
flame: $(VENV)/bench ## Draw a flame graph of a check: .run/flame.svg
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.flame

$(VENV)/bench: $(INSTALLED) requirements/bench.txt
	$(BIN)/pip install $(PIP) --quiet --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench-state
bench-state: $(INSTALLED) ## Measure the cost of the state, with up to 5 million members: minutes, 3 GB
	@$(BIN)/python -m bench.state

.PHONY: requirements
requirements: $(INSTALLED) ## Pin the newest versions of the packages in requirements/*.in, with hashes
	$(BIN)/pip install --quiet uv
	cd requirements && for name in run dev bench; do \
	  ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-header --quiet $$name.in -o $$name.txt || exit 1; done

.PHONY: vendor
vendor: $(INSTALLED) ## Copy the pinned browser libraries from npm into the repository
	$(BIN)/python -m tools.vendor

.PHONY: clean
clean: ## Delete the virtual environment, all data and all logs
	rm -rf $(VENV) .run .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(INSTALLED): requirements/dev.txt clients/python/pyproject.toml
	@$(PYTHON) operations/local_stack/supported.py
	@echo "Installing into the virtual environment $(VENV). This happens once and takes one to three minutes."
	@echo "  1/3 creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "  2/3 installing the packages of requirements/dev.txt"
	@$(BIN)/pip install $(PIP) --require-hashes -r requirements/dev.txt | \
	  sed -u -n -e 's/^Collecting \([^ ]*\).*/      \1/p' -e 's/^Installing .*/      writing the files/p'
	@echo "  3/3 installing clients/python"
	@$(BIN)/pip install $(PIP) --quiet --no-deps --no-build-isolation -e clients/python
	@touch $@
