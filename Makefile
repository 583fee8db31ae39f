# Everything from a bare Python 3.11 with pip: `make demo` shows it, `make test` checks it.
# Each makes its own virtual environment under .venv if there is none.

PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?= dev
BIN    := $(VENV)/bin
OUT    := out
TESTS  ?= tests
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-all lint docs bench clean

demo: $(VENV)/demo.stamp
	@PATH="$(abspath $(BIN)):$$PATH" OUT=$(OUT) bash examples/demo.sh

test: $(VENV)/test.stamp lint
	$(BIN)/python -m pytest -m "not slow" $(TESTS)

test-all: $(VENV)/test.stamp lint
	$(BIN)/python -m pytest

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/test.stamp
	$(BIN)/ttscale methods list --markdown > docs/methods.md
	$(BIN)/python -m ttscale.cli.manual > docs/cli.md

clean:
	rm -rf $(VENV) $(OUT) .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[all]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[$(EXTRAS)]'
	@touch $@
