# make fetch transform load: the main job. Everything sets up on its own what it needs, in .venv.
PYTHON ?= python3
INDICATORS ?= data/indicators.txt
BIN := .venv/bin
RUN := $(BIN)/intel-grapher
# The made-up campaign lies in this folder, data/ and import/; your own lists in a workspace apart from it.
ifeq ($(INDICATORS),data/indicators.txt)
SOURCES ?= threatcrowd internetdb doh
HERE := data/raw
else
WORK ?= own
HERE := $(WORK)/intel-grapher.toml
RUN += -C $(WORK)
endif
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
FLAGS ?=

# Each start of the command would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: newcomer prove test-long test-scale test-page bench-scale bench-transform bench-fetch bench-load bench-intake bench-export bench-edit bench-growth bench-ask bench-ui screenshots moving-picture help setup fetch transform load run test lint format types docs docs-check docs-site golden check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Run a command, with a dot every second so that one sees it is alive, and say how long it took.
alive = @printf '%s ' "$(1)"; begun=$$(date +%s); $(2) & job=$$!; \
	while kill -0 $$job 2>/dev/null; do printf .; sleep 1; done; \
	wait $$job && echo " done in $$(($$(date +%s) - begun)) s"
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

setup: .venv/ready ## Set up what running needs
	@echo "$(BIN)/intel-grapher is ready; $(BIN)/intel-grapher demo shows a made-up campaign"

.venv/ready: pyproject.toml requirements-run.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(call alive,Setting up .venv (once; half a minute or so),$(PIP) --require-hashes --requirement requirements-run.lock)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements.lock | .venv/ready
	$(call alive,Setting up what tests and checks need (once; a minute or so),$(PIP) --require-hashes --requirement requirements.lock)
	@touch $@

data/raw: | .venv/ready
	@$(RUN) cache add data/samples/raw

ifdef WORK
$(HERE): | .venv/ready
	@$(BIN)/intel-grapher -q init $(WORK)
endif

fetch: .venv/ready | $(HERE) ## Ask the sources about INDICATORS=data/indicators.txt; the samples answer these
	@$(RUN) fetch --file $(if $(WORK),$(abspath $(INDICATORS)),$(INDICATORS)) $(addprefix --source ,$(SOURCES)) $(FLAGS)

transform: .venv/ready ## Turn the cached replies into flat files in import/
	@$(RUN) transform $(FLAGS)

load: $(if $(filter neo4j,$(TO)),.venv/dev,.venv/ready) ## Load the flat files into the embedded graph (TO=neo4j: into Neo4j)
	@$(RUN) load --to $(or $(TO),embedded) $(FLAGS)

test: .venv/dev ## Run the tests (TESTS=tests/cache: a part)
	$(PYTEST) -m "not long" $(TESTS)

test-long: .venv/dev ## Run the longer searches for faults
	$(PYTEST) -m long $(TESTS)

# pyspark is half a gigabyte, so it is not among what all tests need.
.venv/spark: tests/requirements-spark.txt | .venv/dev
	$(call alive,Setting up Spark (once; a minute or so),$(PIP) --requirement $<)
	@touch $@

SCALE := tests/fetch/test_ledger.py tests/fetch/test_shared.py tests/test_objects.py tests/test_set_copy.py \
	tests/cache/test_listing.py tests/cache/test_mirror.py tests/transform/test_spark*.py
test-scale: .venv/spark ## Run what takes a store, a Redis or a Spark, the long ones too: each a real server on loopback
	$(PYTEST) $(SCALE)

prove: .venv/dev ## Break it on purpose: kills, power cuts, failed writes, flipped bits (FLAGS="--long --seed 7")
	$(BIN)/python tests/prove $(FLAGS)

newcomer: .venv/ready ## Do what a newcomer does, without a network, at 60, 80 and 140 columns (FLAGS=--short: no set-up)
	$(BIN)/python tests/newcomer $(FLAGS)

test-page: .venv/dev ## Run the page's tests alone (Debian's chromium; PAGE_ON_NEO4J=1: all of them on Neo4j, too)
	$(BIN)/python -m pytest tests/ui

lint: .venv/dev ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/oxlint --deny-warnings --ignore-pattern "**/vendor/**" etl/intel_grapher/ui/static

format: .venv/dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/dev .venv/js/ready ## Check types
	$(BIN)/mypy
	.venv/js/node_modules/.bin/tsc --project tests/ui/types

.venv/js/ready: tests/ui/types/package.json tests/ui/types/package-lock.json | .venv/dev
	@mkdir -p .venv/js
	@cp tests/ui/types/package*.json .venv/js
	@npm ci --prefix .venv/js --ignore-scripts --no-audit --no-fund --silent
	@touch $@

docs: .venv/dev ## Print the generated parts of the docs anew
	$(BIN)/cog -I docs -r README.md docs/*.md

docs-check: .venv/dev ## Check that the generated parts of the docs are fresh
	$(BIN)/cog -I docs --check --diff README.md docs/*.md

dist/docs-builder: docs/requirements.txt | .venv/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $@ -r $<
	@touch $@

docs-site: dist/docs-builder ## Build the site of the docs in dist/site (BUILDER=mkdocs: by another builder)
ifeq ($(BUILDER),mkdocs)
	PYTHONPATH=dist/docs-builder $(BIN)/python -m mkdocs build --strict
else
	@sed 's/^nav:/theme: { font: false }\n&/' mkdocs.yml > .docs-site.yml  # else its theme loads fonts from elsewhere
	@PYTHONPATH=dist/docs-builder $(BIN)/python -m zensical build --config-file .docs-site.yml; \
		ended=$$?; rm .docs-site.yml; exit $$ended
endif

golden: .venv/dev ## Count anew what the real replies beside the project give; read what changed
	RENEW_GOLDEN=1 $(BIN)/python -m pytest -q tests/transform/test_coverage.py

benchmarks/out/packages: benchmarks/requirements.txt | .venv/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $@ -r $<
	@touch $@

bench-transform: .venv/dev benchmarks/out/packages ## Measure the transform against pipelines written by hand (SIZE=small|full)
	PYTHONPATH=benchmarks/out/packages $(BIN)/python benchmarks/transform.py $(or $(SIZE),small)

benchmarks/out/requests-cache: benchmarks/requirements-fetch.txt | .venv/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $@ -r $<
	@touch $@

bench-fetch: .venv/dev benchmarks/out/requests-cache ## Measure fetching against limits, a bare loop, requests-cache (SIZE=small|full)
	$(BIN)/python benchmarks/fetch.py $(or $(SIZE),small)

bench-load: .venv/dev ## Measure the loading against bare tools and its peers, on a real Neo4j (SIZE=small|full)
	$(BIN)/python benchmarks/load.py $(or $(SIZE),small)

benchmarks/out/packages-intake: benchmarks/requirements-intake.txt | .venv/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $@ -r $<
	@touch $@

bench-intake: .venv/dev benchmarks/out/packages-intake ## Measure reading reports against kept extractors: precision, recall
	$(BIN)/python benchmarks/intake.py

bench-scale: .venv/spark ## Measure the transform on one machine and on Spark clusters on loopback (SIZE=small|full)
	$(BIN)/python benchmarks/scale.py $(or $(SIZE),small)

bench-export: .venv/dev ## Measure the exports against bare writers of the same facts (SIZE=small|full)
	$(BIN)/python benchmarks/export.py $(or $(SIZE),small)

bench-edit: .venv/dev ## Measure edits of a large graph against building it as a whole (SIZE=small|full)
	$(BIN)/python benchmarks/edit.py $(or $(SIZE),small)

bench-growth: .venv/dev ## Measure how work grows with the rows, and draw docs/performance.svg (SIZE=small|full)
	$(BIN)/python benchmarks/growth.py $(or $(SIZE),small) $(GRAPH)

bench-ask: .venv/dev ## Measure questions from a cold process, and how commands start (SIZE=small|full)
	$(BIN)/python benchmarks/ask.py $(or $(SIZE),small) $(GRAPH)

bench-ui: .venv/dev ## Measure the page and its questions in a real browser (SIZE=small|full)
	$(BIN)/python benchmarks/ui.py $(or $(SIZE),small)

screenshots: .venv/dev ## Take the pictures of the page anew, docs/page-*.png
	$(BIN)/python docs/screenshots.py

moving-picture: .venv/dev ## Take README's moving picture anew, docs/page.gif (Debian's ffmpeg)
	$(BIN)/python docs/moving_picture.py

check: lint types docs-check ## Lint, types and docs

clean: ## Remove what was made: files and graph, not the cache
	rm -rf import data/graph*
