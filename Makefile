# make serve   set up and serve every bundle in models/ on the CPU
# make serve EXTRA=gpu VENV=.venv-gpu   the same on a data-centre GPU; EXTRA=gpu-rtx on a GeForce RTX
# make test    set up and pass all tests, on all cores; those of Redis need its server (apt install redis-server)
# make check   lint, types, imports
# make plans   set up TensorRT-RTX and build the plans of every bundle into plans/; needs no GPU
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
VENV ?= .venv
EXTRA ?= cpu
# Of the tests; one more than cores, since some wait: for a server to end, for another process to build a plan.
WORKERS ?= $$(($$(getconf _NPROCESSORS_ONLN) + 1))

.PHONY: serve test check plans clean
.DELETE_ON_ERROR:

# Every test that starts a server would compile it again, and so would every `make serve`.
unexport PYTHONDONTWRITEBYTECODE

serve: $(VENV)/.serve-$(EXTRA)
	CAROUSEL_GRPC_PORT=$${CAROUSEL_GRPC_PORT:-$$(($(PORT) + 1))} $(VENV)/bin/carousel serve --host $(HOST) --port $(PORT)

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal

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

$(VENV)/.serve-$(EXTRA): pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[$(EXTRA)]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.serve-cpu

$(VENV)/.plans: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[cpu,plans]'
	@touch $@
