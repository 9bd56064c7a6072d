# `make demo` is a first look, `make gate` the whole, `make test` this project's own. Each sets up .venv when it is missing or
# out of date. `make recipes` trains every recipe that ships, in an hour or several; stopped, it goes on where it was.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
GATE ?=
DEMO := build/demo

.PHONY: demo gate test recipes lint docs build clean

# A project as `assay init` writes it: 245 tickets, a small adapter, few items. What is there is kept, and trained once.
demo: $(INSTALLED)
	test -d $(DEMO) || $(BIN)/assay init $(DEMO)
	cd $(DEMO) && env -u ASSAY_DATA_DIR $(CURDIR)/$(BIN)/pytest suites/ --profile=demo $(GATE)

gate: $(INSTALLED)
	$(BIN)/pytest suites/ --model=smollm2-135m $(GATE)

test: $(INSTALLED)
	$(BIN)/pytest tests/ -n 2

recipes: $(INSTALLED)
	$(BIN)/python -m benchmarks.recipes

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

build: $(INSTALLED)
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
