# `make demo` and `make test` each do their own set-up; nothing else has to be run first.
.DEFAULT_GOAL := help
.PHONY: help install demo test unit check format lint types contracts bench wheels constraints clean

BIN := .venv/bin
INSTALLED := .venv/.installed
export PYTHON

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## .venv with every pinned package, hashes checked

$(INSTALLED): constraints.txt pyproject.toml scripts/install.sh
	@scripts/install.sh
	@touch $@

demo: $(INSTALLED) ## a whole exchange in one process, with everything verified at the end
	@$(BIN)/bhx demo $(ARGS)

test: $(INSTALLED) ## every test, on a real RabbitMQ and a real PostgreSQL
	@BHX_REQUIRE_SERVICES=1 $(BIN)/python -m tests.services
	@BHX_REQUIRE_SERVICES=1 $(BIN)/python -m pytest $(ARGS)

unit: $(INSTALLED) ## the tests that need no service
	@$(BIN)/python -m pytest tests/unit $(ARGS)

check: format lint types contracts unit ## what must pass before a commit

format: $(INSTALLED) ## is everything formatted? (mend with: .venv/bin/ruff format)
	@$(BIN)/ruff format --check

lint: $(INSTALLED) ## ruff's rules
	@$(BIN)/ruff check

types: $(INSTALLED) ## mypy, strict
	@$(BIN)/mypy

contracts: $(INSTALLED) ## adapters -> exchange -> schemas, never back
	@$(BIN)/lint-imports

bench: $(INSTALLED) ## reading and judging beside the library; throughput and latency beside raw pass-through
	@$(BIN)/python -m tests.benchmarks
	@$(BIN)/bhx bench $(ARGS)

wheels: ## dist/: this project and all it needs, to install without a network
	@scripts/wheels.sh dist

constraints: ## pin newer versions of everything, with hashes
	@scripts/constraints.sh

clean: ## remove the environment and what the tools left
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
