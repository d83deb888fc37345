# The menu: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONFIG ?= digits
WORKDIR ?= runs/$(CONFIG)

.PHONY: help install run test test-unit format check lock

help:  ## This menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements/install.py $(wildcard requirements/*.lock) setup.py
	$(PYTHON) requirements/install.py $(VENV)
	@touch $@

install: $(STAMP)  ## Set up .venv from the lock file that fits this host

run: $(STAMP)  ## Run the whole pipeline on the bundled digits
	$(BIN)/simclr run --config $(CONFIG) --workdir $(WORKDIR)

test: $(STAMP)  ## All tests that need minutes, not hours, on a CPU
	$(BIN)/python -m pytest

test-unit: $(STAMP)  ## The tests without a whole pipeline run
	$(BIN)/python -m pytest -m "not e2e"

format: $(STAMP)  ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(STAMP)  ## Lint and format check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

LOCK := $(BIN)/python -m uv pip compile --quiet --no-header --no-annotate
lock: $(STAMP)  ## Resolve both lock files anew from requirements/*.in
	$(LOCK) --python-version 3.10 --python-platform x86_64-manylinux_2_31 requirements/compatible.in -o requirements/compatible.lock
	$(LOCK) --python-version 3.11 --universal requirements/current.in -o requirements/current.lock
