# make demo       from raw text to a pretrained model, in about five minutes
# make check      style, types and the fast tests
# make test       the same, and the tests that train or run whole programs
# make test-long  the tests that take minutes
# make torture    attacks the programs at random for hours; see scripts/torture.py --help
# make clean      removes what the others made

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# As many workers as cores, and one thread of TensorFlow's in each; see tests/conftest.py.
PARALLEL := --numprocesses auto --maxprocesses 8 --dist worksteal
MODULES := bert_wwm benchmarks scripts tests $(wildcard *.py)

.PHONY: demo check test test-long torture lint clean

demo: $(VENV)/.demo
	$(BIN)/python scripts/demo.py

check: $(VENV)/.dev lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not long"

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not long"

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest $(PARALLEL) -m long

torture: $(VENV)/.dev
	$(BIN)/python scripts/torture.py

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(MODULES)
	$(BIN)/ruff check $(MODULES)
	$(BIN)/mypy

$(VENV)/.made: scripts/make_venv.sh
	sh scripts/make_venv.sh $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made requirements.txt setup.py pyproject.toml
	@echo "Installing TensorFlow and what the demo needs (a few minutes the first time)"
	$(PIP) -r requirements.txt -e ".[demo]"
	touch $@

$(VENV)/.dev: $(VENV)/.made requirements.txt setup.py pyproject.toml
	@echo "Installing TensorFlow and what the tests need (a few minutes the first time)"
	$(PIP) -r requirements.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo_output build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
