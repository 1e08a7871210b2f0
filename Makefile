# make serve   set up and serve every bundle in models/ (CPU where there is no GPU)
# make test    set up and pass all tests
# make check   lint, types, imports
# make plans   set up TensorRT-RTX and build the plans of every bundle into plans/; needs no GPU
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
VENV ?= .venv

.PHONY: serve test check plans clean
.DELETE_ON_ERROR:

serve: $(VENV)/.serve
	$(VENV)/bin/carousel serve --host $(HOST) --port $(PORT)

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest

check: $(VENV)/.test
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

plans: $(VENV)/.plans
	$(VENV)/bin/carousel build --all

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[cpu]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.serve

$(VENV)/.plans: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[cpu,plans]'
	@touch $@
