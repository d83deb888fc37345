# The menu: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
KFP_STAMP := .venv-kfp/.installed
CONFIG ?= digits
WORKDIR ?= runs/$(CONFIG)
TARGET ?= kubeflow/targets/example.yaml
PIPELINE ?= build/$(CONFIG)/pipeline.yaml

.PHONY: help install install-kfp run test test-unit test-fuzz test-databases bench format check compile update-golden \
	image test-image test-container test-in-image lock

help:  ## This menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements/install.py $(wildcard requirements/*.lock) setup.py
	$(PYTHON) requirements/install.py $(VENV)
	@touch $@

install: $(STAMP)  ## Set up .venv from the lock file that fits this host

$(KFP_STAMP): requirements/install.py requirements/kubeflow.lock
	$(PYTHON) requirements/install.py .venv-kfp kubeflow
	@touch $@

install-kfp: $(KFP_STAMP)  ## Set up .venv-kfp, which compiles pipelines for Kubeflow

run: $(STAMP)  ## Run the whole pipeline on the bundled digits
	$(BIN)/simclr run --config $(CONFIG) --workdir $(WORKDIR)

# Each process gets whole files, because importing TFX takes ten seconds and more, and the tests of a file share their
# set-up. tests/conftest.py says in which order the files run.
PROCESSES ?= 2
SIDE_BY_SIDE := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
UNIT := not e2e and not fuzz
test: $(STAMP) $(KFP_STAMP)  ## All tests that take minutes, not hours, on a CPU
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-unit: $(STAMP) $(KFP_STAMP)  ## The tests without a whole pipeline run
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "$(UNIT)"

test-fuzz: $(STAMP)  ## Ten times as many damaged files as in the other tests, and the largest images
	$(BIN)/python -m pytest -m fuzz tests/components/ingestion

AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo)
test-databases: export PATH := $(PATH):/usr/sbin
test-databases: $(STAMP)  ## ML Metadata on MariaDB: installs Debian's package, starts a server of its own
	command -v mariadbd || { $(AS_ROOT) apt-get update && \
	    $(AS_ROOT) apt-get install --yes --no-install-recommends mariadb-server; }
	$(BIN)/python -m pytest -m databases tests/e2e/test_databases.py

compile: $(STAMP) $(KFP_STAMP)  ## Compile CONFIG for the cluster in TARGET, with one GPU
	$(BIN)/simclr compile --config $(CONFIG) --set pretraining.num_gpus=1 --target $(TARGET) --output $(PIPELINE)

update-golden: $(STAMP) $(KFP_STAMP)  ## Rewrite the golden files: the compiled graph and pipeline
	SIMCLR_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/pipeline/kfp/test_emitter_script.py -k golden
	git --no-pager diff --stat tests/pipeline/golden

DEVICE ?= cpu
COMMIT = $(shell git describe --always --dirty --abbrev=12 --exclude '*')
IMAGE = simclr-pipeline:$(DEVICE)-$(COMMIT)
image:  ## Build the image of this commit: make image DEVICE=gpu IMAGE_ARGUMENTS="--pull"
	docker build --target $(DEVICE) --build-arg REVISION=$(COMMIT) --tag $(IMAGE) $(IMAGE_ARGUMENTS) .

test-image: image $(STAMP)  ## Build the image, compare its graphs with this code's, run a node in it
	SIMCLR_IMAGE=$(IMAGE) $(BIN)/python -m pytest tests/e2e/test_image.py

test-container: image $(STAMP) $(KFP_STAMP)  ## Build the image and run the compiled digits pipeline in containers
	SIMCLR_IMAGE=$(IMAGE) $(BIN)/python -m pytest tests/e2e/test_containers.py

TESTS ?= -m "$(UNIT)"
test-in-image:  ## Run the tests in the image, with the current version set: make test-in-image TESTS="-m e2e"
	docker build --target test --tag simclr-pipeline:test-$(COMMIT) $(IMAGE_ARGUMENTS) .
	docker run --rm --user=1000:1000 --cap-drop=ALL --network=none --volume=$(CURDIR):/source:ro \
		simclr-pipeline:test-$(COMMIT) python -m pytest -p no:cacheprovider $(SIDE_BY_SIDE) $(TESTS)

BENCH_PACKAGES := $(VENV)/benchmarks
$(BENCH_PACKAGES): requirements/bench.txt $(STAMP)
	$(BIN)/python -m uv pip install --quiet --no-deps --target $@ --requirement $<
	@touch $@

bench: $(BENCH_PACKAGES)  ## Compare speed and memory with known libraries: make bench SUBJECTS="nt_xent ingestion"
	NO_ALBUMENTATIONS_UPDATE=1 PYTHONPATH=$(BENCH_PACKAGES) $(BIN)/python -m benchmarks $(SUBJECTS)

format: $(STAMP)  ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(STAMP)  ## Lint, format check and type check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

LOCK := $(BIN)/python -m uv pip compile --upgrade --quiet --no-header --no-annotate
lock: $(STAMP)  ## Resolve the lock files again from requirements/*.in
	$(LOCK) --python-version 3.10 --python-platform x86_64-manylinux_2_31 requirements/compatible.in -o requirements/compatible.lock
	$(LOCK) --python-version 3.11 --universal requirements/current.in -o requirements/current.lock
	$(LOCK) --python-version 3.11 --universal requirements/gpu.in -o requirements/gpu.lock
	$(LOCK) --python-version 3.10 --universal requirements/kubeflow.in -o requirements/kubeflow.lock
