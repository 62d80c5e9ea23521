# make notebooks   execute every notebook from the shipped checkpoints, in place
# make test        run all tests (make test-fast: without notebooks and other processes, a minute or two)
# make lint        check style and types of everything (make format: mend what can be mended)
# make lab         open JupyterLab
# make site        write the executed notebooks as a site, site/index.html
# make course      write the questions as a course, for students, teachers and nbgrader, into course/
# make train       train everything from scratch, into FOLDER; REPLACE=1 then replaces the shipped checkpoints
# make studies     the long studies behind Cambridge (e) and (h): random starts, bounds from both sides, many samples
#                  (an hour each on two cores; .venv/bin/python -m tools.studies bounds makes one of them), into
#                  runs/studies; REPLACE=1 then replaces the shipped results
# make bench       measure the work against other ways of doing it (half an hour on two cores that do nothing else)
# Each sets up .venv first, if need be, with $(PYTHON) >= 3.10.

PYTHON ?= python3
FOLDER ?= runs/$(shell date +%Y-%m-%d-%H%M)
BIN := .venv/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: notebooks test test-fast lint format lab site course train studies bench

notebooks: .venv/ready
	$(BIN)/python -m tools.execute

test: .venv/ready
	$(PYTEST)

test-fast: .venv/ready
	$(PYTEST) -m "not notebook and not slow"

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lab: .venv/ready
	$(BIN)/jupyter lab notebooks

site: .venv/ready
	$(BIN)/python -m tools.site

course: .venv/ready
	$(BIN)/python -m tools.course

train: .venv/ready
	$(BIN)/python -m tools.train --into $(FOLDER) $(if $(REPLACE),--ship --float32)

studies: .venv/ready
	$(BIN)/python -m tools.studies $(if $(REPLACE),--ship)

bench: .venv/ready
	$(BIN)/python benchmarks/bench_training.py
	$(BIN)/python benchmarks/bench_coursework.py
	$(BIN)/python benchmarks/bench_tsne.py
	$(BIN)/python benchmarks/bench_pad.py
	$(BIN)/python benchmarks/growth.py

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "probnn needs Python >= 3.10: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	touch $@
