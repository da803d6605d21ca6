# make help lists the targets. Variables are forwarded as flags; ARGS="--flag value" passes any other flag.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# $(call given,NAME,text): the text where NAME stands on the command line of make; the environment's is not meant for us.
# $(call flags,NAMES): --data-dir 'value' for each of NAMES given so.
given = $(if $(filter command,$(origin $(1))),$(2))
quoted = '$(subst ','\'',$(value $(1)))'
flag_name = --$(shell echo $(1) | tr 'A-Z_' 'a-z-')
flags = $(foreach name,$(1),$(call given,$(name),$(call flag_name,$(name)) $(call quoted,$(name))))
config = $(call given,CONFIG,--config $(call quoted,CONFIG))
args = $(call given,ARGS,$(ARGS))
run = $(call given,RUN,$(call quoted,RUN))
predictions = $(call given,PREDICTIONS,$(call quoted,PREDICTIONS))
gpu = $(filter 1 yes true,$(call given,GPU,$(GPU)))

RUNTIME := $(VENV)/.groundwork-$(if $(gpu),gpu,runtime)
DEV := $(VENV)/.groundwork-dev

TRAIN := MODEL DATASET DATA_DIR TARGET GROUP POSITIVE IMAGE_SIZE RESIZE COLOR_MODE ON_BAD EPOCHS BATCH_SIZE \
	OPTIMIZER LEARNING_RATE PATIENCE PRECISION SEED SPLIT_SEED SHIFT FLIP ROTATION ZOOM CLASS_WEIGHT \
	SCHEDULE WEIGHT_DECAY LABEL_SMOOTHING EMA GRADIENT_CLIP RUNS_DIR VERBOSE

FIND := LOWEST HIGHEST STEPS
FILES := POSITIVE OUTPUT TITLE VALIDATION COMPARE READERS IMAGES SUBGROUPS MISSING
REPORT := THRESHOLD RULE REQUIRED COST_RATIO PREVALENCE INTERVAL CONFIDENCE REPLICATES

ifneq ($(filter evaluate,$(MAKECMDGOALS)),)
$(if $(run)$(predictions),,$(error say what to evaluate: RUN=runs/train/… or PREDICTIONS=file.csv))
endif

ifneq ($(filter reproduce,$(MAKECMDGOALS)),)
$(if $(run),,$(error say which run to train again: RUN=runs/train/…))
endif

.PHONY: help setup train lr-find evaluate reproduce test test-slow lint format bench seeds clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

setup: $(RUNTIME)  ## create the environment: VENV=.venv (reuses one), PYTHON=python3, GPU=1 (NVIDIA libraries)

train: $(RUNTIME)  ## train and report: MODEL DATASET DATA_DIR EPOCHS BATCH_SIZE SEED CONFIG=file.yaml RUNS_DIR …, RESUME=runs/train/… or auto, ARGS="--any-flag"
	@$(BIN)/python -m training $(config) $(call flags,$(TRAIN) RESUME) $(args)

lr-find: $(RUNTIME)  ## propose a learning rate by a range test: the variables of train, LOWEST=1e-6 HIGHEST=10 STEPS=200
	@$(BIN)/python -m training.lr_find $(config) $(call flags,$(TRAIN) $(FIND)) $(args)

evaluate: $(RUNTIME)  ## report of a run: RUN=runs/train/… [DATA_DIR], or of any model: PREDICTIONS=file.csv POSITIVE VALIDATION COMPARE READERS OUTPUT …; RULE PREVALENCE …
	@$(if $(predictions),$(BIN)/python -m evaluation $(predictions) $(config) $(call flags,$(FILES) $(REPORT)) $(args),\
		$(BIN)/python -m training.evaluate $(run) $(config) $(call flags,DATA_DIR $(REPORT)) $(args))

reproduce: $(RUNTIME)  ## train a run again and compare weights, history and predictions: RUN=runs/train/… [DATA_DIR]
	@$(BIN)/python -m training.reproduce $(run) $(call flags,DATA_DIR VERBOSE) $(args)

test: $(DEV)  ## run the tests, two files at a time: ARGS="-k name"
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile $(args)

test-slow: $(DEV)  ## run the proofs that take minutes
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -q -m slow $(args)

lint: $(DEV)  ## ruff (style, imports, format) and mypy (types)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(DEV)  ## put the code into the house format
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(RUNTIME)  ## images/s against the notes' own script: DATA_DIR=folder with cifar-10-batches-bin, REPEATS=5
	@$(BIN)/python -m benchmarks.throughput $(call flags,DATA_DIR REPEATS) $(args)

seeds: $(RUNTIME)  ## one recipe over several seeds, mean and spread: CONFIG=file.yaml COUNT=5, and the variables of train
	@$(BIN)/python -m benchmarks.seeds $(call flags,COUNT) $(config) $(call flags,$(TRAIN)) $(args)

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else \
		f"error: Groundwork needs Python 3.11 to 3.13, and {sys.executable} is {v[0]}.{v[1]}. Give another one: make PYTHON=python3.12 …")'
	@echo "Creating the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt requirements-gpu.txt | $(BIN)/python
	@echo "Installing TensorFlow, Keras and what they need into $(VENV): a few minutes, once …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r $(if $(gpu),requirements-gpu.txt,requirements.txt)
	@touch $@

$(DEV): requirements.txt requirements-dev.txt | $(BIN)/python
	@echo "Installing the requirements and the test tools into $(VENV): a few minutes, once …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.groundwork-runtime
