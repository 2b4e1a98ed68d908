# make book        the book, in _build/html/index.html
# make test        every test: the package, the chapters, the built book
# make check       the quick ones of them: no book, no browser, no chapter, no training run
# make fuzz        damaged files (FILES=10000) and mistyped commands (COMMANDS=2000): a sentence each
# make kill        KILLS=100 times SIGKILL at any moment: nothing half-written is read as whole
# make notebooks   run the chapters in place (ONLY=02_edges for one) and store the checked outputs
# make experiments  the grid of experiments, what has no rows yet; JOBS=2 runs at once;
#                  GRID=photographs DATA=folder for that of the aerial photographs
# make bench       speed and memory against the released schedule (LAYOUTS=folder of label PNGs)
# make slides      every figure of the chapters as a slide of 16:9, in _build/slides
# make print       the whole book as one PDF, in _build/print
# make repository  URL=https://github.com/OWNER/NAME writes the public address everywhere
# make release     source archive and wheel in dist/, checked, and tried in an empty environment
# make lock        write requirements.lock anew from the bounds in pyproject.toml
# make clean       remove the built book and the caches; the environment .venv stays

PYTHON ?= python3
ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
READY := $(ENVIRONMENT)/.ready
LOCKED_EXTRAS := book,test,train,segformer,lite,onnx,experiments
# Only what is imported is compiled, once, whatever the shell says: a hundred processes import it.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
# The folders of tests/ that `make check` runs; test_house holds them against the tree.
CHECKED := method fast readers files weights data cli house
WORKERS ?= 2
JOBS ?= 2
FILES ?= 10000
COMMANDS ?= 2000
KILLS ?= 100
WATCHED := PYTHONPATH=.:tests OMP_NUM_THREADS=1 ECGAN_QUIET=1 $(BIN)/python -m
GRID ?= grid

.DEFAULT_GOAL := book
.PHONY: book test check fuzz kill experiments bench notebooks slides print repository release lock
.PHONY: clean environment check-python

book: $(READY)
	$(BIN)/python -m book.tools.build

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(wildcard $(CHECKED:%=tests/%))

fuzz: $(READY)
	$(WATCHED) support.fuzz $(FILES) $(COMMANDS)

kill: $(READY)
	$(WATCHED) support.kills $(KILLS)

experiments: $(READY)
	$(BIN)/snakemake --snakefile experiments/Snakefile --cores $(JOBS) --keep-going --scheduler greedy \
	    --nolock --rerun-incomplete --config grid=ecgan/experiments/$(GRID).yaml data="$(DATA)"

bench: $(READY)
	$(BIN)/python benchmarks/bench.py $(if $(LAYOUTS),--layouts $(LAYOUTS))
	$(BIN)/python benchmarks/tricks.py $(if $(LAYOUTS),--layouts $(LAYOUTS))
	$(BIN)/python benchmarks/parts.py $(if $(LAYOUTS),--layouts $(LAYOUTS))

notebooks: $(READY)
	$(BIN)/python -m book.tools.notebooks $(ONLY)

slides: book
	$(BIN)/python -m book.tools.slides

print: book
	$(BIN)/python -m book.tools.print

repository: $(READY)
	$(BIN)/python -m book.tools.repository "$(URL)"

release: $(READY)
	$(BIN)/python $(PIP_INSTALL) --editable ".[release]"
	$(BIN)/python -m book.tools.release

environment: $(READY)

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo 'Python 3.11 or newer is needed: say which one with `make PYTHON=/path/to/python3.11`.'; exit 1; }

$(READY): requirements.lock pyproject.toml | check-python
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(BIN)/python $(PIP_INSTALL) --requirement requirements.lock
	$(BIN)/python $(PIP_INSTALL) --no-deps --editable .
	touch $@

lock: | check-python
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python $(PIP_INSTALL) "$$(grep '^torch==' requirements.lock)" ".[$(LOCKED_EXTRAS)]"
	{ head -n 1 requirements.lock; build/lock/bin/python -m pip freeze --exclude ecgan | sed 's/+cpu$$//'; } \
	    > build/requirements.lock
	mv build/requirements.lock requirements.lock

clean:
	rm -rf _build build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(ENVIRONMENT)/*' -prune -exec rm -rf {} +
