# Everything a newcomer runs: `make demo`, `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# builds of torch without CUDA, where the PyTorch project keeps them; empty: whatever pip is set up for
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
NVIDIA ?= $(wildcard /dev/nvidiactl)
FIGURES := out/performance

.PHONY: help setup demo test fuzz check format bench quality chaos models tools clean

help:  ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.installed  ## a virtual environment with residuald, its demo and its tests

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
ifneq ($(NVIDIA),)
	@echo "An NVIDIA device is here: pip fetches torch with CUDA, about 5 GB, and 0.3 GB of other packages. This takes a while."
else ifneq ($(TORCH_CPU_INDEX),)
	@echo "No NVIDIA device is here: pip fetches torch for the CPU, about 0.2 GB, and 0.3 GB of other packages."
	@$(BIN)/pip install --quiet --timeout 5 --retries 0 --no-deps --constraint constraints.txt \
		--index-url $(TORCH_CPU_INDEX) torch 2>/dev/null || \
		echo "$(TORCH_CPU_INDEX) gave no torch for the CPU: pip fetches the ordinary build. On Linux that" \
			"brings CUDA along, about 5 GB. (TORCH_CPU_INDEX= takes another index: make setup TORCH_CPU_INDEX=URL)"
endif
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup  ## broker, simulated devices, trainer and daemon on this terminal (ARGS="--help" lists its options)
	$(BIN)/residuald demo $(ARGS)

tools:  ## the real peers of the tests, from Debian packages, when missing
	tests/install-tools

# for two cores: who waits for a process leaves its core to a third and a fourth, and threads of torch would only be in each other's way
# The tests start hundreds of programs: wherever Python is told to write no bytecode, each of them compiles everything anew.
test: setup tools  ## all tests (ARGS="-k name" for some)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n 4 --dist worksteal $(ARGS)

fuzz: setup  ## every parser against a fuzzer (SECONDS=600 each; findings and what was learnt go to out/fuzz)
	@for harness in $(basename $(notdir $(wildcard tests/fuzz/harness/*.py))); do \
		mkdir -p out/fuzz/$$harness; \
		$(BIN)/python -m tests.fuzz.fuzz $$harness -max_total_time=$(or $(SECONDS),600) \
			-artifact_prefix=out/fuzz/$$harness- out/fuzz/$$harness || exit 1; \
	done

check: setup  ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -p no:randomly tests/unit/house

format: setup  ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup tools  ## how fast it is (ARGS=--quick for a first look)
	@for name in throughput latency scoring fitting memory stages; do \
		$(BIN)/python -m benchmarks.$$name --json $(FIGURES)/$$name.json --out $(FIGURES) $(ARGS) || exit 1; \
	done
	$(BIN)/python -m benchmarks.performance_page $(FIGURES)

quality: setup tools  ## how well anomalies are found (DATA=folder with the real recordings, ARGS=--quick)
	@for name in quality budget beats real_replay; do \
		$(BIN)/python -m benchmarks.$$name --data $(or $(DATA),../shared/data) $(ARGS) || exit 1; \
	done
	$(BIN)/python -m benchmarks.masking $(ARGS)
	$(BIN)/python -m benchmarks.lifecycle --data $(or $(DATA),../shared/data) $(ARGS)

chaos: setup tools  ## kill, cut and fill disks, five times over, and see nothing lost
	@mkdir -p out/chaos
	@for seed in 1 2 3 4 5; do \
		$(BIN)/python -m benchmarks.chaos --seed $$seed --json out/chaos/$$seed.json $(ARGS) || exit 1; \
	done
	$(BIN)/python -m benchmarks.chaos_report out/chaos/*.json

models: setup  ## fit the shipped models again, after a change of simulators or artifacts (commit what changes)
	$(BIN)/python configs/models/make.py $(ARGS)

clean:  ## remove what was built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
