# Everything is installed into .venv; delete it, or run `make clean`, to start
# anew. PYTHON=... picks the interpreter that .venv is made with.

VENV ?= .venv
PYTHON ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
# What an installation depends on: when one of these changes, it is done again.
PACKAGING := setup.py pyproject.toml keras_nas/version.py

# TensorFlow reports the graphics card that it did not find as an error.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint format docs clean

help:
	@echo "make quickstart  search a small model, export it to .tflite"
	@echo "make test        run all tests, docstring examples included"
	@echo "make lint        check style and formatting"
	@echo "make format      fix style and formatting"
	@echo "make docs        build the documentation into docs/_build"
	@echo "make clean       remove .venv and everything that was built"

quickstart: $(VENV)/installed-examples
	$(BIN)/python examples/quickstart.py

# Two processes, each with one TensorFlow thread, so that they do not fight
# over two cores. A file's tests stay in one process and share its fixtures.
test: $(VENV)/installed-tests
	TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n 2 --dist loadfile --durations 10 \
		$(PYTEST_ARGS)

lint: $(VENV)/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/installed-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -E docs docs/_build
	@echo "open docs/_build/index.html"

clean:
	rm -rf $(VENV) _build dist *.egg-info docs/_build docs/api/generated
	rm -f docs/changelog.md docs/contributing.md docs/readme.md
	rm -rf dask_cluster_output deploy_output hardware_aware_output
	rm -rf quickstart_output tpu_output weight_sharing_output .pytest_cache
	rm -rf .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted installation is repeated.
$(VENV)/installed-%: $(PACKAGING) $(VENV)/made
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@

# A candidate is run, not only looked up: pyenv puts names on the path that
# start nothing.
$(VENV)/made:
	@for python in "$(PYTHON)" python3.11 python3.13 python3.12 python3; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= \
			sys.version_info[:2] <= (3, 13))' 2> /dev/null; then \
			if ! "$$python" -c 'import ensurepip, venv' 2> /dev/null; then \
				echo "$$python cannot make a virtual environment. On Debian" \
					"and Ubuntu: apt-get install python3-venv, or" \
					"python3.11-venv and so on for that version." >&2; \
				exit 1; \
			fi; \
			echo "making $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv $(VENV) && touch $@; \
			exit; \
		elif [ -n "$$python" ] && [ "$$python" = "$(PYTHON)" ]; then \
			echo "PYTHON=$$python is not a Python 3.11, 3.12 or 3.13." >&2; \
			exit 1; \
		fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 was found on the path. Install one, or" \
		"name it: make PYTHON=/where/it/is/bin/python3.11" >&2; \
	exit 1
