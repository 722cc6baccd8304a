# Commands the project keeps. `make help` lists them; README.md says what they are for.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PACKAGES := services operations gateway tools tests clients bench

# The files that an operator's command reads and writes belong to the caller.
OPERATOR = $(COMPOSE) run --rm -T --user "$$(id -u):$$(id -g)" operator

COMPOSE ?= $(shell command -v docker-compose >/dev/null && echo docker-compose || echo docker compose)

export PYTHONPATH := $(CURDIR):$(CURDIR)/clients/python

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## Start the whole stack here, with demo data, in the foreground
	@exec $(BIN)/python -m operations.local_stack

.PHONY: test
test: $(INSTALLED) ## Run the whole suite on real Valkey and Envoy
	$(BIN)/python -m pytest

# bash counts in a variable of that name, so it is taken from the command line only.
.PHONY: fuzz
fuzz: $(INSTALLED) ## Send wrong inputs to a whole suite for a minute: make fuzz SECONDS=900 ARGS="--inputs 1000000"
	@$(BIN)/python -m tests.fuzz --seconds $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60) $(ARGS)

.PHONY: test-grpcio
test-grpcio: $(INSTALLED) ## Run the contract cases with grpcio's server in place of Envoy
	UPBOT_CHECKS_SERVER=grpcio MEMBER_LEVEL_SERVER=grpcio SHOP_LEVEL_SERVER=grpcio \
	  $(BIN)/python -m pytest tests/contract/test_contract.py

.PHONY: test-compose
test-compose: $(INSTALLED) ## Contract and drills on the compose stack: needs a container engine
	$(BIN)/python -m pytest tests/contract/test_contract.py tests/compose --compose
	$(BIN)/python -m pytest tests/drills

.PHONY: drill
drill: $(INSTALLED) ## The drills alone, some ten minutes; figures go to .run/drill/results.json
	$(BIN)/python -m pytest tests/drills

.PHONY: compose-demo
compose-demo: ## Load the demo data into the running compose stack
	@port=$$($(COMPOSE) port gateway 8080); $(OPERATOR) operations.commands.demo --gateway http://127.0.0.1:$${port##*:}

.PHONY: compose-apps
compose-apps: ## The apps of the compose stack: make compose-apps ARGS="list"
	@$(OPERATOR) operations.commands.apps $(ARGS)

.PHONY: compose-members
compose-members: ## Members of the compose stack in and out: make compose-members ARGS="import members.csv"
	@$(OPERATOR) operations.commands.members $(ARGS)

.PHONY: compose-archive
compose-archive: ## The compose stack's store in and out: make compose-archive ARGS="export FILE"
	@$(OPERATOR) operations.commands.archive $(ARGS)

.PHONY: compose-roll
compose-roll: ## Replace every instance of the compose stack by one of the present code, losing no request
	@$(COMPOSE) build -q && COMPOSE="$(COMPOSE)" operations/deployment/roll.bash

.PHONY: check
check: $(INSTALLED) ## Format, lint, types, contracts, drift, gateway configuration
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/python -m tools.generate --check
	@mkdir -p .run
	$(BIN)/python -m tools.generate --image .run/image.binpb
	$(BIN)/buf lint .run/image.binpb --config buf.yaml
	$(BIN)/python -m gateway --validate

.PHONY: format
format: $(INSTALLED) ## Format, and mend what lint can mend
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

.PHONY: generate
generate: $(INSTALLED) ## Write stubs, descriptor set and route table from protos/
	$(BIN)/python -m tools.generate

.PHONY: apps
apps: $(INSTALLED) ## Create, list, rotate and revoke apps: make apps ARGS="list"
	@$(BIN)/python -m operations.commands.apps $(ARGS)

.PHONY: members
members: $(INSTALLED) ## Import or export members: make members ARGS="import members.csv"
	@$(BIN)/python -m operations.commands.members $(ARGS)

.PHONY: bench
bench: $(VENV)/bench ## Measure what a check costs, compared with a baseline and other implementations: some minutes
	@$(BIN)/python -m bench.checks

.PHONY: flame
flame: $(VENV)/bench ## Draw a flame graph of a check: .run/flame.svg
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.flame

$(VENV)/bench: $(INSTALLED) requirements/bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench-state
bench-state: $(INSTALLED) ## Measure what the state costs, with up to 5 million members: some minutes, 3 GB
	@$(BIN)/python -m bench.state

.PHONY: requirements
requirements: $(INSTALLED) ## Pin the newest versions of requirements/*.in, with hashes
	$(BIN)/pip install --quiet uv
	cd requirements && for name in run dev bench; do \
	  ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-header --quiet $$name.in -o $$name.txt || exit 1; done

.PHONY: clean
clean: ## Remove the virtual environment, data and logs
	rm -rf $(VENV) .run .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(INSTALLED): requirements/dev.txt clients/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "levelgate needs Python >= 3.11 as $(PYTHON); name another with make PYTHON=..." >&2; exit 1; }
	@echo "Installing the packages of requirements/dev.txt into $(VENV), once: half a minute or more."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python
	@touch $@
