# Two commands do everything: `make run` (serving environment, no torch) and `make test` (full environment).
PYTHON ?= python3.11
SERVE := .venv-serve
FULL := .venv
SERVE_STAMP := $(SERVE)/.installed-$(shell cat requirements/serve.txt pyproject.toml | sha256sum | cut -c1-12)
FULL_STAMP := $(FULL)/.installed-$(shell cat requirements/serve.txt requirements/full.txt pyproject.toml | sha256sum | cut -c1-12)
QUIET := HF_HUB_OFFLINE=1 MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=1 RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

.PHONY: run test check repro bench knowledge schemas format clean

run: $(SERVE_STAMP)
	@$(SERVE)/bin/python -m knowledge_base.build
	@$(SERVE)/bin/xinglin models verify
	@$(SERVE)/bin/xinglin serve

test: $(FULL_STAMP) knowledge
	$(QUIET) $(FULL)/bin/python -m pytest

check: $(FULL_STAMP)
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/ruff check .
	$(FULL)/bin/mypy
	$(FULL)/bin/lint-imports
	$(FULL)/bin/python -m data_contracts.export --check
	$(FULL)/bin/python -m knowledge_base.check

repro: $(FULL_STAMP)
	$(QUIET) $(FULL)/bin/dvc repro

bench: $(FULL_STAMP) knowledge
	$(QUIET) $(FULL)/bin/python -m benchmarks.run

knowledge: $(FULL_STAMP)
	@$(FULL)/bin/python -m knowledge_base.build

schemas: $(FULL_STAMP)
	$(FULL)/bin/python -m data_contracts.export

format: $(FULL_STAMP)
	$(FULL)/bin/ruff format .
	$(FULL)/bin/ruff check --fix .

$(SERVE_STAMP):
	$(PYTHON) -m venv $(SERVE)
	$(SERVE)/bin/pip install -q -r requirements/serve.txt
	$(SERVE)/bin/pip install -q --no-deps -e .
	@rm -f $(SERVE)/.installed-* && touch $@

$(FULL_STAMP):
	$(PYTHON) -m venv $(FULL)
	$(FULL)/bin/pip install -q torch==2.13.0
	$(FULL)/bin/pip install -q -r requirements/full.txt
	$(FULL)/bin/pip install -q --no-deps -e .
	@rm -f $(FULL)/.installed-* && touch $@

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
