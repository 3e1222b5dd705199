# make setup | demo | test | avx2-test | board-test | ray-test | attack | lint | docs | dist | clean. Needs Python 3.11 or
# newer and nothing as root.
#
#   PYTHON=python3.12       the interpreter to build .venv from
#   PIP_ARGS='...'          further arguments of every `pip install`

PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
STAMP := .venv/.installed
AVX2_TESTS := $(foreach name,formats/c_array formats/formats nets/layers nets/nets checks/verify/verify_layers \
	pipeline/export/export pipeline/export/exportable pipeline/export/qat pipeline/export/rescue pipeline/export/rungs \
	pipeline/export/scheme pipeline/train/distillation pipeline/train/start/run_weights pipeline/train/progressive_resizing \
	pipeline/train/train,tests/$(dir $(name))test_$(notdir $(name)).py)

.DEFAULT_GOAL := help
.PHONY: help setup demo test avx2-test board-test ray-test attack lint docs dist clean

help:
	@sed -n '1,5p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "edgecnn needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 2 GB, some minutes the first time)"
	@# torch first and by itself: its pin then keeps every later package from asking for another build of it.
	@$(BIN)/python -m pip install -q $(PIP_ARGS) "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@rm -rf runs/demo
	@# One thread: the kernels of nets so small cost more to share than to compute.
	OMP_NUM_THREADS=1 $(BIN)/edgecnn run dscnn-digits mlp-digits vit-digits --output runs/demo

lint: $(STAMP)
	$(BIN)/ruff check edgecnn tests bench docs
	$(BIN)/ruff format --check edgecnn tests bench docs
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	@# One thread a process: two processes of one thread each are quicker here than the reverse.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile
	@if grep -qw avx512f /proc/cpuinfo 2>/dev/null; then $(MAKE) --no-print-directory avx2-test; fi

# Training and int8 once more with the kernels of a CPU that has AVX2 and no AVX-512: a newer one would hide its faults.
# ONNX Runtime cannot be told to: the tests emulate that CPU for it (emulated:x86-64-v3).
avx2-test: $(STAMP)
	OMP_NUM_THREADS=1 ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 EDGECNN_CPUINFO=$(CURDIR)/tests/support/avx2.cpuinfo \
		$(BIN)/pytest -n 2 --dist loadfile $(AVX2_TESTS)

board-test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/machines

# Sweeps on a Ray of this machine's own, whose workers are killed; 260 MB that nothing else here needs.
ray-test: $(STAMP)
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e '.[ray]'
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/studies/sweep/test_on_ray.py

# Kills, damaged and hostile input, full disks, load: an hour or two on two cores, on 127.0.0.1 only, as root for the
# full disks. The counts go to bench/results/attack.json.
attack: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python bench/attack

# What is generated of README and of the pages, and the site in docs/site.
docs: $(STAMP)
	$(BIN)/python docs/generate/write.py
	cd docs && ../$(BIN)/python -m zensical build --strict --clean

# Both wheels, and the demo from them in a clean environment, away from the checkout.
dist:
	rm -rf dist
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/python -m pip wheel -q $(PIP_ARGS) --no-deps -w dist . ./models/zoo
	dist/venv/bin/python -m pip install -q $(PIP_ARGS) "$$(grep '^torch==' constraints.txt)"
	dist/venv/bin/python -m pip install -q $(PIP_ARGS) -c constraints.txt \
		"$$(echo dist/edgecnn-*.whl)[train]" dist/edgecnn_zoo-*.whl
	cd dist && venv/bin/edgecnn selftest zoo:fashion-10k
	cd dist && OMP_NUM_THREADS=1 venv/bin/edgecnn run dscnn-digits mlp-digits vit-digits --output demo
	@ls -l dist/*.whl

clean:
	rm -rf .venv dist docs/site docs/.cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
