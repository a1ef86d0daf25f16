# Two commands matter to a newcomer: `make demo` and `make test`. Both build .venv on first use.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DOCS_STAMP := .venv/.installed-docs
TOOLS_BIN := .venv-tools/bin
TOOLS_STAMP := .venv-tools/.installed
OLDEST_BIN := .venv-oldest/bin
OLDEST_STAMP := .venv-oldest/.installed
# One compute thread a process: the tests run in two processes, and more threads would fight over
# the cores. SCIPY_ARRAY_API lets scikit-learn's estimator checks run in full.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 SCIPY_ARRAY_API=1

.PHONY: install install-locked lock audit demo test test-isa test-oldest docs dist gpu lint format clean

install: $(STAMP)

# $(call build,ENVIRONMENT,CONSTRAINTS,EXTRA)
define build
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'sksubtomo needs Python 3.11 or newer; try: make PYTHON=python3.11')"
	test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -c $(2) -e ".[$(3)]"
	touch $(1)/.installed
endef

$(STAMP): pyproject.toml constraints.txt
	$(call build,.venv,constraints.txt,dev)

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

$(OLDEST_STAMP): pyproject.toml constraints-oldest.txt
	$(call build,.venv-oldest,constraints-oldest.txt,test)

# As `install`, from files only whose hashes are in requirements.lock. A build of PyTorch from another
# index has other hashes: install it into .venv first, and it stays.
install-locked:
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

$(TOOLS_STAMP):
	test -x $(TOOLS_BIN)/python || $(PYTHON) -m venv .venv-tools
	$(TOOLS_BIN)/python -m pip install --quiet --disable-pip-version-check uv pip-audit
	touch $@

# The hashes of all files that PyPI has of the versions in constraints.txt, for any platform.
lock: $(TOOLS_STAMP)
	printf 'hatchling\neditables\n' | $(TOOLS_BIN)/uv pip compile pyproject.toml - --all-extras \
		--constraints constraints.txt --universal --python-version 3.11.5 --generate-hashes \
		--no-annotate --no-header --quiet --default-index https://pypi.org/simple \
		--output-file requirements.lock

# Known vulnerabilities of the locked versions, where the index tells them.
audit: $(TOOLS_STAMP)
	$(TOOLS_BIN)/python tools/audit.py

demo: $(STAMP)
	$(BIN)/python docs/examples/plot_references.py --output demo_output
	$(BIN)/python docs/examples/plot_autoencoding_classifier.py --output demo_output

test: $(STAMP)
	$(TEST_ENV) $(BIN)/python -m pytest -n 2

# Folders whose results are numbers that a processor's kernels compute.
NUMERICAL := tests/_torch tests/alignment tests/augmentation tests/base tests/calibration \
	tests/decomposition tests/fourier tests/geometry tests/networks tests/neural_network tests/picking tests/semi_supervised tests/simulate \
	tests/training tests/test_common_conventions.py tests/test_common_precision.py

# These folders as on a processor with AVX2 only, then fits and predictions compared with those that
# use all of its instructions; the largest differences are printed.
test-isa: $(STAMP)
	$(TEST_ENV) ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 \
		$(BIN)/python -m pytest -n 2 -m "not slow and not network" $(NUMERICAL)
	$(TEST_ENV) $(BIN)/python -m pytest -s tests/isa

# The tests that are not slow, with every dependency but PyTorch at its declared floor.
test-oldest: $(OLDEST_STAMP)
	$(TEST_ENV) $(OLDEST_BIN)/python -m pytest -n 2 -m "not slow and not network"

# On a machine with a CUDA device, in twenty minutes: what only runs there, how fast it is, and
# the paper's tables. Rows go to benchmarks/results as they come; what is there is not done again.
gpu: $(STAMP)
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python benchmarks/references_device.py
	$(BIN)/python benchmarks/performance/run.py --device cuda --minutes 6
	$(BIN)/python benchmarks/paper_tables.py --set real --device cuda --minutes 5

# The site, with warnings as errors, into docs/_build/html. Examples whose text has not changed are
# not run again.
docs: $(DOCS_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going -b html docs docs/_build/html
	$(BIN)/python docs/_ext/check_links.py docs/_build/html

# The sdist and the wheel, installed into new environments and tried there; DIST_EXTRAS= leaves the
# extras out.
DIST_EXTRAS ?= data zarr plot report label monai distributed accelerate
dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python .ci/check_dist.py dist --extras $(DIST_EXTRAS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/codespell

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-oldest .venv-tools docs/_build docs/auto_examples docs/results docs/api/sksubtomo.*.rst demo_output .pytest_cache .mypy_cache .ruff_cache
