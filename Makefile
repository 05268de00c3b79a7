# make demo        from raw text to a pretrained model, in about five minutes
# make check       style, types and the fast tests
# make test        the same, and the tests that train or run whole programs
# make test-2.15   training on TensorFlow 2.15, as TPUs need it, and conversion with transformers 5
# make test-long   the tests that take minutes
# make torture     attacks the programs at random for hours; see python tests/torture --help
# make clean       removes what the others made

VENV := .venv
VENV_2_15 := .venv-2.15
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check
# As many workers as cores, and one thread of TensorFlow's in each; see tests/conftest.py.
PARALLEL := --numprocesses auto --maxprocesses 8 --dist worksteal
MODULES := bert_wwm benchmarks scripts tests $(wildcard *.py)

.PHONY: demo check test test-2.15 test-long torture lint clean

demo: $(VENV)/.demo
	$(BIN)/python scripts/demo.py

check: $(VENV)/.dev lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not long"

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not long"

test-2.15: $(VENV_2_15)/.test $(VENV)/.dev
	BERT_WWM_OTHER_PYTHON=$(abspath $(BIN)/python) $(VENV_2_15)/bin/python -m pytest $(PARALLEL) \
	    -m "not long" tests/model tests/records tests/train tests/convert \
	    tests/finetuning/test_extraction.py tests/programs/test_convert_checkpoint.py \
	    tests/programs/test_extract_features.py tests/programs/test_training_loop.py \
	    $(wildcard tests/programs/test_run_*.py)

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest $(PARALLEL) -m long

torture: $(VENV)/.dev
	$(BIN)/python tests/torture

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(MODULES)
	$(BIN)/ruff check $(MODULES)
	$(BIN)/mypy

$(VENV)/.made: scripts/make_venv.sh
	sh scripts/make_venv.sh $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made requirements.txt setup.py pyproject.toml
	@echo "Installing TensorFlow and what the demo needs (a few minutes the first time)"
	$(BIN)/python $(PIP) -r requirements.txt -e ".[demo]"
	touch $@

$(VENV)/.dev: $(VENV)/.made requirements.txt setup.py pyproject.toml
	@echo "Installing TensorFlow and what the tests need (a few minutes the first time)"
	$(BIN)/python $(PIP) -r requirements.txt -e ".[dev]"
	touch $@

$(VENV_2_15)/.test: scripts/make_venv.sh requirements-tpu.txt setup.py pyproject.toml
	sh scripts/make_venv.sh $(VENV_2_15) python3.11 python3.10
	$(VENV_2_15)/bin/python $(PIP) -r requirements-tpu.txt -e ".[test]"
	$(VENV_2_15)/bin/python $(PIP) torch==2.13.0 "transformers>=5,<6"  # wants a newer hub
	touch $@

clean:
	rm -rf $(VENV) $(VENV_2_15) demo_output build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
