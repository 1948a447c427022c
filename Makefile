# Every target sets up what it needs. Overrides: make test PYTHON=python3.12 VENV=/tmp/venv
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: referee docs test-matrix train test sample check bench clean

train: $(VENV)/.ready-train  ## train on MNIST over the simulated ring, against the classical ring
	$(BIN)/qring train --workers 4 --compare

test: $(VENV)/.ready-test $(VENV)/.ready-browser  ## all tests but the slow sweeps
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

sample: $(VENV)/.ready-test  ## the slow sweeps, in their short form
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow --sample

referee: $(VENV)/.ready-test $(VENV)/.ready-sequence  ## rates of links against SeQUeNCe
	$(BIN)/python -m pytest -n 0 tests/referees

check: $(VENV)/.ready-test  ## lint, format, types, layer contracts
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready-test  ## the benchmarks, each with its rival in the same run
	$(BIN)/python benchmarks/bench_import.py
	$(BIN)/python benchmarks/bench_links.py
	$(BIN)/python benchmarks/bench_executor.py
	$(BIN)/python benchmarks/bench_topologies.py
	$(BIN)/python benchmarks/bench_ghz.py
	$(BIN)/python benchmarks/bench_conflict.py
	$(BIN)/python benchmarks/bench_ties.py
	$(BIN)/python benchmarks/bench_tasks.py
	$(BIN)/python benchmarks/bench_circuits.py
	$(BIN)/python benchmarks/bench_privacy.py
	$(BIN)/python benchmarks/bench_flower.py
	$(BIN)/python benchmarks/bench_verification.py
	$(BIN)/python benchmarks/bench_allreduce.py
	$(BIN)/python benchmarks/bench_mpi.py

test-matrix:  ## the core's tests, on every Python 3.10-3.13 that is here
	$(PYTHON) tests/matrix.py

docs: $(VENV)/.ready-test  ## the documentation site, in build/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch goes first: whatever depends on it must find the pinned build already there.
$(VENV)/.ready-torch: constraints.txt | $(BIN)/python
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	touch $@

$(VENV)/.ready-train: pyproject.toml $(VENV)/.ready-torch
	$(PIP) --editable '.[torch,data]'
	touch $@

$(VENV)/.ready-test: pyproject.toml $(VENV)/.ready-torch
	$(PIP) --editable '.[all,docs,dev]'
	touch $@ $(VENV)/.ready-train

# SeQUeNCe needs Python 3.12 or newer and an environment of its own (800 MB).
SEQUENCE_PYTHON ?= python3.12
$(VENV)/.ready-sequence: | $(BIN)/python
	if command -v $(SEQUENCE_PYTHON) >/dev/null; then $(SEQUENCE_PYTHON) -m venv .venv-sequence && \
	  .venv-sequence/bin/python -m pip --disable-pip-version-check install --quiet 'sequence>=1.3,<2'; \
	  else echo "no $(SEQUENCE_PYTHON): the comparison with SeQUeNCe will be skipped"; fi
	touch $@

# The page's tests want a browser; without one they are skipped, and say so.
$(VENV)/.ready-browser: | $(BIN)/python
	command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  timeout 300 sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	  apt-get -qq install -y --no-install-recommends chromium' >/dev/null 2>&1; } || \
	  echo "no chromium: tests of the page will be skipped"
	touch $@
