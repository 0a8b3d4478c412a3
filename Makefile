# Two commands: `make book` and `make test`. Both create .venv, or reuse it.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HTML := _build/html/index.html
# Notebooks that took longer than this are checked, but not run again, by `make test`.
NBVAL_SECONDS ?= 300

# The same environment for every process, so that a second run gives the same outputs as the first.
export PYTHONHASHSEED := 0
export PYDEVD_DISABLE_FILE_VALIDATION := 1
export JUPYTER_PLATFORM_DIRS := 1
export JUPYTER_PREFER_ENV_PATH := 1

.DEFAULT_GOAL := help
.PHONY: help install book notebooks html pdf browser-tests test unit-tests notebook-tests student instructor clean distclean
.DELETE_ON_ERROR:

help:  ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@for candidate in "$${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do \
	  if command -v "$$candidate" >/dev/null && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    echo "Creating $(VENV) with $$($$candidate --version)"; \
	    exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo "diffad needs Python 3.11 or newer, and none was found; install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
	exit 1

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[book,test]'
	@touch $@

install: $(STAMP)  ## Create .venv with everything that the book and its tests need

book: html  ## Run the notebooks that changed, render the book, print where it lies
	@$(BIN)/python -m diffad.publish where $(HTML)

notebooks: $(STAMP)
	$(BIN)/python -m diffad.publish run

# A notebook that fails leaves the others built: the book is rendered all the same, and the command still fails.
# After a warning Sphinx forgets the pages it has read, or the same command would pass the second time.
html: $(STAMP)
	@failed=0; $(BIN)/python -m diffad.publish run || failed=1; \
	$(BIN)/jupyter-book build . -q -n -W --keep-going || { failed=1; rm -rf _build/.doctrees; }; \
	exit $$failed

pdf: $(STAMP)  ## Print the book to _build/diffad.pdf; needs Chromium, Chrome or Edge
	@$(BIN)/python -m diffad.publish pdf

# The pages one after another, then their speed alone: what runs beside a measurement would be measured too.
browser-tests: $(STAMP)  ## Open every page of the built book in Chromium: links, errors, sliders, search, accessibility
	$(BIN)/python -m pytest -m browser -n 2 tests/browser --ignore tests/browser/test_speed.py
	$(BIN)/python -m pytest -m browser -s tests/browser/test_speed.py

test: unit-tests notebook-tests  ## Run the unit tests, then run the notebooks again and compare their outputs

unit-tests: $(STAMP)
	MPLBACKEND=agg OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

notebook-tests: $(STAMP)
	@pages="$$($(BIN)/python -m diffad.publish reproducible --seconds $(NBVAL_SECONDS))"; \
	if [ -z "$$pages" ]; then echo "No executed notebook can be run again here."; exit 0; fi; \
	set -x; $(BIN)/python -m pytest --nbval --nbval-current-env -p diffad.publish.tolerance $$pages

student: $(STAMP)  ## Write the notebooks of the course without solutions, _build/student
	$(BIN)/python -m diffad.coursework student

instructor: $(STAMP)  ## The same with solutions and all tests, _build/instructor
	$(BIN)/python -m diffad.coursework instructor

clean:  ## Remove what was built; the next `make book` runs the notebooks again
	rm -rf _build

distclean: clean  ## Remove what was built, and .venv
	rm -rf $(VENV)
