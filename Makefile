# make demo    from raw text to a pretrained model, in about five minutes
# make test    all tests, and all of make check
# make check   style, types and the fast tests
# make clean   removes what the others made

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MODULES := bert_wwm benchmarks scripts tests $(wildcard *.py)

.PHONY: demo test check lint clean

demo: $(VENV)/.demo
	$(BIN)/python scripts/demo.py

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest

check: $(VENV)/.dev lint
	$(BIN)/python -m pytest -m "not slow"

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
