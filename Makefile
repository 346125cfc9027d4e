# Each target sets up what it needs in .venv, once; another Python: make run PYTHON=python3.12

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
# torch for CPUs where no NVIDIA GPU is seen: the build that plain pip finds for x86-64 brings CUDA,
# gigabytes of it. Another one: make run TORCH_INDEX=https://download.pytorch.org/whl/cu128
NVIDIA ?= $(or $(wildcard /dev/nvidiactl),$(shell nvidia-smi -L 2>/dev/null | grep '^GPU'))
TORCH ?= $(shell grep '^torch==' constraints.txt)
TORCH_INDEX ?= $(if $(NVIDIA),,https://download.pytorch.org/whl/cpu)
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt

.PHONY: run test bench test-npu test-adapters test-gpu schema clean

run: $(VENV)/installed
	$(VENV)/bin/hetbench run quick

# Three at once also on two cores: tests wait for processes much of their time.
test: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 3 --dist worksteal --ignore=tests/reference_npu

bench: $(VENV)/installed-dev
	$(VENV)/bin/python -m pytest tests/benchmarks -o addopts="-q --strict-markers --import-mode=importlib" \
		--benchmark-columns=median,iqr,rounds

# A real asynchronous device, built with g++ when it is first asked for.
test-npu: $(VENV)/installed-dev
	$(VENV)/bin/python -m pytest -n 2 tests/reference_npu

test-adapters: $(VENV)/installed-dev
	$(VENV)/bin/python tests/adapters/run.py

test-gpu: $(VENV)/installed-dev
	$(VENV)/bin/python -m pytest -m gpu -v -rs

schema: $(VENV)/installed-dev
	$(VENV)/bin/python -m tests.schema > results/schema.json

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.10 or later was found; on Debian: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make environments; on Debian: apt-get install python3-venv"; exit 1; }

# torch first: what needs it takes the build that is there.
$(VENV)/installed: pyproject.toml setup.py constraints.txt .ci/torch | $(VENV)/bin/python
	@sh .ci/torch "$(VENV)" "$(TORCH)" "$(TORCH_INDEX)"
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "$(VENV): what the tests need, 90 MB to download, half a minute at 50 Mbit/s"
	$(PIP) --editable '.[openvino,dev]'
	@touch $@
