# Two commands do all on a fresh machine with Python >= 3.11: `make demo` and `make test`.
#   TORCH_INDEX=URL   where torch's wheels come from, e.g. https://download.pytorch.org/whl/cpu or .../whl/cu126
#   PYTHON=python3.12 which Python makes the environment
#   SUITE=physionet48 which suite the demo runs (default mimic48)
#   ARGS="..."        more words for the demo's run, e.g. ARGS="seed=42 data.root=DIR"
# Tests see real data only where BENCH_DATA_ROOT (PhysioNet 2012) and BENCH_OPEN_DATA (the open MIMIC-IV demo) name them;
# `make test-data` runs just those tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUITE := mimic48
PINS := constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(PINS)
TORCH := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),)

.PHONY: demo docs test test-data test-extras test-flower test-fast coverage lint install goals etl clean

demo: $(VENV)/installed
	$(BIN)/bench run suite=$(SUITE) $(ARGS)
	$(BIN)/bench report suite=$(SUITE) --print

# One process per core, one thread each; a file's tests stay together, since they share what they set up.
TESTS := pytest --numprocesses logical --dist loadfile
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m $(TESTS)

test: $(VENV)/installed-dev lint
	$(PYTEST) -m "not extras"

test-data: $(VENV)/installed-dev
	$(PYTEST) -m "data and not extras"

# What needs a large library of its own, in an environment of its own: PyPOTS and all that it brings, and Ray.
test-extras:
	$(MAKE) VENV=.venv-extras .venv-extras/installed-extras
	OMP_NUM_THREADS=1 .venv-extras/bin/python -m $(TESTS) -m extras $(ARGS)

# The rounds of a federation over a network on this machine, in an environment whose pins are its own. About 10 minutes on two busy cores.
test-flower:
	$(MAKE) VENV=.venv-flower PINS=constraints-flower.txt .venv-flower/installed-flower
	OMP_NUM_THREADS=1 .venv-flower/bin/python -m pytest -m extras tests/sites/test_flower.py $(ARGS)

test-fast: $(VENV)/installed-dev lint
	$(PYTEST) -m "not slow and not extras"

# The share of lines that tests run, file by file, workers included; ARGS="tests/grid" measures a part.
coverage: $(VENV)/installed-dev
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m $(TESTS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy bench plugins

# The generated parts of docs/ and the schema of suites, from the code; then the site, into build/site. A broken link fails.
docs: $(VENV)/installed-docs
	$(BIN)/python docs/tables.py
	$(BIN)/bench show suite-schema > suites/schema.json
	$(BIN)/python docs/build_site.py

goals: $(VENV)/installed-dev
	$(BIN)/python benchmarks/goals.py

etl: $(VENV)/installed-dev
	$(BIN)/python benchmarks/etl.py

install: $(VENV)/installed

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/torch: $(VENV)/made $(PINS)
	$(PIP) $(TORCH) torch
	@touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	$(PIP) --editable ".[clinical,pypots,signals,sleep,trees]"
	@touch $@

$(VENV)/installed-dev: $(VENV)/torch pyproject.toml
	$(PIP) --editable ".[clinical,notes,report,signals,sleep,trees,tune,dev]" setuptools wheel
	@touch $@

$(VENV)/installed-extras: $(VENV)/installed-dev
	$(PIP) --editable ".[pypots,ray]"
	@touch $@

$(VENV)/installed-flower: $(VENV)/torch pyproject.toml
	$(PIP) --editable ".[flower]" hypothesis pytest pytest-timeout
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) --editable ".[docs]"
	@touch $@

clean:
	rm -rf $(VENV) .venv-extras .venv-flower build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
