# The two commands of the README are `make demo` and `make test`; both set up everything they need:
# a virtual environment in .venv with the pinned packages of requirements.lock, and Debian packages when run as root.
PYTHON ?= python3
BIN := .venv/bin
DEMO_PACKAGES := nfdump
TEST_PACKAGES = $(DEMO_PACKAGES) $(shell cat tests/lab/packages.txt) chromium default-jre-headless fonts-ipafont-gothic pflogsumm

.DEFAULT_GOAL := help
.PHONY: help demo test bench eval jupyter lab lint lock clean debian-demo debian-test

help:
	@echo "make demo     sample -> lake -> findings -> simulation -> report, in demo/; a simulated ISP in demo-isp/"
	@echo "make test     all tests, the lab of real servers included (root)"
	@echo "make bench    speed against the named peers"
	@echo "make eval     how right findings is, on simulated ISPs with known truth"
	@echo "make jupyter  JupyterLab on the demo workspace"
	@echo "make lab      capture the sample anew with real servers (root)"
	@echo "make lint     ruff and mypy"
	@echo "make lock     write requirements.lock and requirements-spark.lock anew"

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "op25b needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian PACKAGES=python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Spark is half a gigabyte that the demo does without.
.venv/.spark: .venv/.installed requirements-spark.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-spark.lock
	@touch $@

# Installs what is missing of PACKAGES; servers are not started (RUNLEVEL=1). Without root it only says what is missing.
.PHONY: debian
debian:
	@missing=""; \
	for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing Debian packages:$$missing"; \
	    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else \
	    echo "missing Debian packages (as root: apt-get install$$missing)"; \
	  fi; \
	fi

debian-demo:
	@$(MAKE) --no-print-directory debian PACKAGES="$(DEMO_PACKAGES)"

debian-test:
	@$(MAKE) --no-print-directory debian PACKAGES="$(TEST_PACKAGES)"

demo: .venv/.installed debian-demo
	@rm -rf demo
	$(BIN)/op25b init demo
	@cp -r data/sample/. demo/
	$(BIN)/op25b -w demo ingest
	$(BIN)/op25b -w demo build
	$(BIN)/op25b -w demo findings --lang en
	$(BIN)/op25b -w demo simulate
	$(BIN)/op25b -w demo check
	$(BIN)/op25b -w demo report rollout-impact --lang ja
	$(BIN)/op25b -w demo report rollout-impact --lang en
	@echo; echo "A simulated ISP of 20,000 lines over five weeks, one access node of four exported whole, the others 1:100"
	@rm -rf demo-isp
	$(BIN)/op25b synth demo-isp --subscribers 20000 --days 35 --seed 2007 --sampling 100 --pilot 1
	$(BIN)/op25b -w demo-isp ingest --format csv > demo-isp/ingest.csv
	$(BIN)/op25b -w demo-isp build
	$(BIN)/op25b -w demo-isp findings --lang en --limit 20
	$(BIN)/op25b -w demo-isp simulate --per total
	$(BIN)/op25b -w demo-isp status
	$(BIN)/op25b -w demo-isp report rollout-impact --lang en
	@echo; echo "Open demo/reports/rollout-impact-en.html (or -ja.html) in a browser; of the simulated ISP"
	@echo "demo-isp/reports/rollout-impact-en.html. Who its customers really are is in demo-isp/truth.csv."

test: .venv/.spark debian-test
	$(BIN)/python -m pytest

bench: .venv/.spark debian-test
	$(BIN)/python -m tests.benchmarks

eval: .venv/.installed
	$(BIN)/python -m tests.evaluation

jupyter: .venv/.installed
	@test -d demo || $(MAKE) --no-print-directory demo
	cp notebooks/*.ipynb demo/
	$(BIN)/jupyter lab --notebook-dir=demo

lab: .venv/.installed debian-test
	$(BIN)/python -m tests.lab data/sample

lint: .venv/.spark
	$(BIN)/ruff check src tests
	$(BIN)/mypy

LOCKED = --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-header --no-annotate
lock:
	uv pip compile pyproject.toml --extra dev --extra jupyter $(LOCKED) -o requirements.lock
	sed -n 's/^spark = \["\(.*\)"\]$$/\1/p' pyproject.toml | uv pip compile - $(LOCKED) -o requirements-spark.lock

clean:
	rm -rf .venv demo demo-isp dist bench eval
