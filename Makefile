# make run    serve the example with the films and say what to try
# make test   every check there is: format, lint, types, layers, tests
# make fuzz   thousands of calls that schemathesis makes up of /openapi.json; takes minutes
# make bench  the benchmarks; they write bench/RESULTS.md, bench/results.json and two pictures, and
#             take about an hour. What Lithair is compared with is installed in .bench
# make bench-quick  whether the hot paths cost more instructions than bench/baseline.json has;
#             under two minutes
#
# Each first makes .venv and installs what pyproject.toml names, again whenever that file has changed.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
RUNS := $(VENV)/.runs

.PHONY: run test fuzz bench bench-quick format clean

run: $(RUNS)
	@$(VENV)/bin/python examples/movies/start.py

test: $(INSTALLED)
	@# Tests start hundreds of processes; where nobody keeps bytecode, each would compile all of it again.
	@$(VENV)/bin/python -m compileall -q lithair tests
	@$(VENV)/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

fuzz: $(INSTALLED)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-40} $(VENV)/bin/python -m pytest -s tests/end_to_end/test_openapi.py

bench: $(INSTALLED)
	@$(VENV)/bin/python -m bench.all

bench-quick: $(INSTALLED)
	@$(VENV)/bin/python -m bench.quick

format: $(INSTALLED)
	@$(VENV)/bin/ruff format lithair tests examples bench
	@$(VENV)/bin/ruff check --fix lithair tests examples bench

clean:
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Whoever only wants to see it run need not wait for what checks and measures it.
$(RUNS): pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(INSTALLED): pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(RUNS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Lithair needs Python 3.11 or later, and $(PYTHON) is not that." \
	         "Name one that is: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) can't make a virtual environment." \
	         "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
