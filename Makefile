# Transformers by Hand. `make help` lists the commands.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export OMP_NUM_THREADS ?= 2
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM = false

NBVAL = --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg

.DEFAULT_GOAL := help
.PHONY: help env demo test lint lessons publish lab sync site clean

help:  ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: $(VENV)/.ready  ## build the environment in .venv (done by the others when needed)

$(VENV)/.ready: pyproject.toml constraints.txt scripts/install.py
	$(PYTHON) scripts/install.py $(VENV)
	@touch $@

demo: env  ## grade a small class: submissions, feedback pages, grades.csv, a table
	$(BIN)/python scripts/demo.py

# Two processes with one thread each are faster than one with two; a file stays in one process.
SPREAD = -n $(TEST_PROCESSES) --dist loadfile
TEST_PROCESSES ?= 2

test: env lint  ## everything that CI runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) $(NBVAL) course

lint: env  ## format, lint and types; notebooks too
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m autograder sync --check

lessons: env  ## run every lesson and compare its stored outputs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) $(NBVAL) course

publish: env  ## execute every lesson and save it with pictures in the widgets' places
	$(BIN)/python scripts/publish.py

lab: env  ## open the lessons in JupyterLab
	$(BIN)/jupyter lab course

sync: env  ## rewrite the assignments' solution regions from solutions/
	$(BIN)/python -m autograder sync

site: env  ## build the guides and the reference into site/
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs site

clean:  ## remove what the demo made; the environment stays
	rm -rf demo site test-artefacts .pytest_cache .ruff_cache .mypy_cache
