# Everything from a bare Python 3.11 with pip: `make demo` shows it, `make test` checks it.
# Each makes its own virtual environment under .venv if there is none.
# `make test EXTRAS=dev,torch,train` runs the tests of the torch code too.

PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?= dev
BIN    := $(VENV)/bin
OUT    := out
TESTS  ?= tests
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo install test test-all lint docs site systems clean

demo: $(VENV)/all.stamp
	@PATH="$(abspath $(BIN)):$$PATH" OUT=$(OUT) bash examples/demo.sh

install: $(VENV)/$(EXTRAS).stamp

test: install lint
	$(BIN)/python -m pytest -m "not slow" $(TESTS)

test-all: install lint
	$(BIN)/python -m pytest --durations=20 $(TESTS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install
	$(BIN)/ttscale methods list --markdown > docs/methods.md
	$(BIN)/python -m ttscale.cli.manual > docs/cli.md
	$(BIN)/python -m ttscale.reproduce.protocol.page > docs/systems.md

# The documents as a web site, in out/site; a warning is an error.
site: $(if $(findstring docs,$(EXTRAS)),install,$(VENV)/docs.stamp)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir $(OUT)/site

# Measures every system anew, with the recordings that DATA names, and keeps what came out.
systems: install
	$(BIN)/ttscale reproduce --all --full $(if $(DATA),--data $(DATA)) --save src/ttscale/reproduce/results
	$(MAKE) docs

clean:
	rm -rf $(VENV) $(OUT) .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras. Torch goes first, so that its version is settled before anything asks for it.
$(VENV)/%.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(if $(findstring torch,$*),$(PIP) torch)
	$(PIP) --editable '.[$*]'
	@touch $@
