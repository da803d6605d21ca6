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
# $(call switches,NAMES): --deterministic for NAME=1, --no-deterministic for NAME=0.
switch = $(if $(filter 1 yes true,$($(1))),$(flag_name),$(if $(filter 0 no false,$($(1))),--no-$(patsubst --%,%,$(flag_name)),$(flag_name)=$(call quoted,$(1))))
switches = $(foreach name,$(1),$(call given,$(name),$(call switch,$(name))))
config = $(call given,CONFIG,--config $(call quoted,CONFIG))
args = $(call given,ARGS,$(ARGS))
run = $(call given,RUN,$(call quoted,RUN))
predictions = $(call given,PREDICTIONS,$(call quoted,PREDICTIONS))
gpu = $(filter 1 yes true,$(call given,GPU,$(GPU)))

RUNTIME := $(VENV)/.groundwork-$(if $(gpu),gpu,runtime)
DEV := $(VENV)/.groundwork-dev
TORCH := $(VENV)/.groundwork-bench
EXPORT_EXTRA := $(VENV)/.groundwork-export
DEMO_EXTRA := $(VENV)/.groundwork-demo

TRAIN := MODEL START DATASET DATA_DIR TARGET GROUP POSITIVE IMAGE_SIZE RESIZE COLOR_MODE ON_BAD MEMORY_LIMIT_MB CACHE CACHE_LIMIT_MB EPOCHS BATCH_SIZE \
	OPTIMIZER LEARNING_RATE MOMENTUM WARMUP MONITOR PATIENCE PRECISION SEED SPLIT_SEED SHIFT FLIP ROTATION ZOOM FILL TTA CLASS_WEIGHT \
	SCHEDULE WEIGHT_DECAY DECAY LABEL_SMOOTHING EMA LOOKAHEAD GRADIENT_CLIP RUNS_DIR STRATEGY VERBOSE
SWITCHES := TENSORBOARD DETERMINISTIC SNAPSHOTS NESTEROV FINAL_FIT FAST_MATH

TRANSFER := BACKBONE WEIGHTS CASE DATASET DATA_DIR POSITIVE IMAGE_SIZE IMAGES_PER_CLASS RESIZE ON_BAD MEMORY_LIMIT_MB CACHE CACHE_LIMIT_MB \
	EPOCHS HEAD_EPOCHS LEARNING_RATE HEAD_LEARNING_RATE LAYER_DECAY GRADUAL_UNFREEZING DROPOUT_RATE BATCH_SIZE MONITOR PATIENCE \
	CLASS_WEIGHT SHIFT FLIP ROTATION ZOOM AUGMENTED_PASSES PRECISION SEED SPLIT_SEED RUNS_DIR VERBOSE
TRANSFER_SWITCHES := DETERMINISTIC TSNE

FIND := LOWEST HIGHEST STEPS
TUNE := ALGORITHM SPACE MAX_TRIALS TIME OBJECTIVE SEEDS FOLDS KEEP FINALISTS FINAL_SEEDS WORKERS
HEAD := BACKBONE WEIGHTS CUT
FILES := POSITIVE OUTPUT TITLE VALIDATION COMPARE READERS IMAGES SUBGROUPS MISSING
REPORT := THRESHOLD RULE REQUIRED COST_RATIO PREVALENCE INTERVAL CONFIDENCE REPLICATES

PREDICT := IMAGES MODEL_FILE LABELS ON_BAD BATCH_SIZE TOP_K SHOW OUTPUT RUNS_DIR RESUME

EXPORT := FORMAT QUANTIZE DATA_DIR IMAGES CALIBRATION OUTPUT MODEL_FILE RUNS_DIR
SERVE := PORT DATA_DIR RUNS_DIR

DEMO := MODEL_FILE PORT TOP_K MAX_MEGABYTES MAX_MEGAPIXELS SECONDS

LABS := SEEDS RUNS_DIR
LAB_SWITCHES := SMALL FRESH

EXPLAIN := DATA_DIR SPLIT LAYER METHODS IMAGES MAX_IMAGES CASES UNITS BUDGET SEED

STUDY_FLAGS := STUDY DATA_DIR FOLDERS SEEDS IMAGES_PER_CLASS EPOCHS SIZES STEPS BACKBONE SCRATCH_SIZE PROCESSES STATE OUTPUT

# Each table has the name of its file in benchmarks/results.
BENCH_MINUTES := step convolutions training growth decoding evaluation
BENCH_ALL := $(BENCH_MINUTES) time_to_accuracy collapse cifar_search transfer cases explain tuning predict export coverage cifar_speed cifar_ablation
BENCHES = $(or $(call given,BENCH,$(if $(filter all,$(BENCH)),$(BENCH_ALL),$(BENCH))),$(BENCH_MINUTES))
bench_training = benchmarks.training --part throughput $(call flags,DATA_DIR REPEATS)
bench_step = benchmarks.step $(call flags,BATCH_SIZE REPEATS)
bench_convolutions = benchmarks.convolutions $(call flags,BATCH_SIZE REPEATS)
bench_growth = benchmarks.training --part growth $(call flags,DATA_DIR REPEATS)
bench_time_to_accuracy = benchmarks.training --part time_to_accuracy $(call flags,DATA_DIR SEEDS STATE)
bench_collapse = benchmarks.collapse $(call flags,DATA_DIR EPOCHS SEEDS AT_ONCE RUNS_DIR)
bench_cifar_search = benchmarks.cifar_search $(call flags,DATA_DIR ALGORITHM EPOCHS WORKERS FINAL_SEEDS RUNS_DIR)
bench_transfer = benchmarks.transfer $(call flags,HYMENOPTERA DATA_DIR SEEDS REPEATS STATE)
bench_cases = benchmarks.cases $(call flags,HYMENOPTERA MEDNIST DATA_DIR EPOCHS RUNS_DIR)
bench_explain = benchmarks.explain $(call flags,DATA_DIR REPEATS STATE)
bench_predict = benchmarks.predict $(call flags,RUN DATA_DIR REPEATS)
bench_cifar_speed = benchmarks.cifar_speed $(call flags,DATA_DIR SEEDS STATE) $(call switches,FINAL_FIT)
bench_cifar_ablation = benchmarks.cifar_ablation $(call flags,DATA_DIR EPOCHS FILTERS SEEDS STATE)
bench_export = benchmarks.export $(call flags,RUNS RUNS_DIR)
bench_tuning = benchmarks.tuning $(call flags,DATA_DIR REPEATS STATE)
bench_decoding = benchmarks.decoding $(call flags,REPEATS)
bench_evaluation = benchmarks.evaluation $(call flags,REPEATS)
bench_coverage = benchmarks.coverage
result = $(call given,RESULTS,--output $(call quoted,RESULTS)/$(1).md)

ifneq ($(filter tune,$(MAKECMDGOALS)),)
$(if $(filter 1 yes true,$(call given,FINE_TUNE,$(FINE_TUNE))),$(if $(call given,BACKBONE,x),,$(error FINE_TUNE fine-tunes a pre-trained network: say which, BACKBONE=…)))
endif

ifneq ($(filter evaluate,$(MAKECMDGOALS)),)
$(if $(run)$(predictions),,$(error say what to evaluate: RUN=runs/train/… or PREDICTIONS=file.csv))
endif

ifneq ($(filter export,$(MAKECMDGOALS)),)
$(if $(run)$(call given,MODEL_FILE,x),,$(error say which run: RUN=runs/train/… or runs/transfer/…))
endif

ifneq ($(filter serve,$(MAKECMDGOALS)),)
$(if $(run),,$(error say which run: RUN=runs/train/… or runs/transfer/…))
endif

ifneq ($(filter explain,$(MAKECMDGOALS)),)
$(if $(run),,$(error say which run to explain: RUN=runs/train/… or runs/transfer/…))
endif

ifneq ($(filter lab,$(MAKECMDGOALS)),)
$(if $(call given,NAME,x),,$(error say which lab: NAME=momentum; make labs-list lists them))
endif

ifneq ($(filter bench,$(MAKECMDGOALS)),)
$(foreach name,$(filter-out $(BENCH_ALL),$(BENCHES)),$(error BENCH must name some of $(BENCH_ALL), or all. Received: $(name)))
endif

ifneq ($(filter reproduce,$(MAKECMDGOALS)),)
$(if $(run),,$(error say which run to train again: RUN=runs/train/…))
endif

.PHONY: help setup train train-workers transfer lr-find tune runs evaluate explain predict export serve demo labs lab labs-list reproduce test test-slow lint format bench seeds study-transferability clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 16

setup: $(RUNTIME)  ## create the environment: VENV=.venv (reuses one), PYTHON=python3, GPU=1 (NVIDIA libraries)

train: $(RUNTIME)  ## train and report: MODEL DATASET DATA_DIR EPOCHS BATCH_SIZE SEED CONFIG=file.yaml RUNS_DIR TENSORBOARD=1 …, RESUME=runs/train/… or auto, ARGS="--any-flag"
	@$(BIN)/python -m training $(config) $(call flags,$(TRAIN) RESUME) $(call switches,$(SWITCHES)) $(args)

train-workers: $(RUNTIME)  ## train by several processes of this machine, as several machines would: WORKERS=2, and the variables of train
	@$(BIN)/python -m training.launch --workers $(or $(call given,WORKERS,$(call quoted,WORKERS)),2) $(config) $(call flags,$(TRAIN) RESUME) $(call switches,$(SWITCHES)) $(args)

tune: $(RUNTIME)  ## search hyperparameters, compare, test once: ALGORITHM=grid|random|hyperband|bayesian MAX_TRIALS TIME=30m SPACE=file.yaml SEEDS FOLDS WORKERS …, the variables of train; BACKBONE=… WEIGHTS CUT=early|middle|late|last: the head of a pre-trained network, FINE_TUNE=1: all of it; RESUME=runs/tune/…; RUN=runs/tune/… writes its page again
	@$(BIN)/python -m $(if $(call given,BACKBONE,x)$(wildcard $(RESUME)/head.yaml),transfer.tune,training.tune) $(if $(run),--report $(run),$(config) $(call flags,$(TRAIN) $(TUNE) $(if $(call given,BACKBONE,x),$(HEAD)) RESUME) $(call switches,$(SWITCHES) STOP_HOPELESS $(if $(call given,BACKBONE,x),FINE_TUNE))) $(args)

lr-find: $(RUNTIME)  ## propose a learning rate by a range test: the variables of train, LOWEST=1e-6 HIGHEST=10 STEPS=200
	@$(BIN)/python -m training.lr_find $(config) $(call flags,$(TRAIN) $(FIND)) $(call switches,$(SWITCHES)) $(args)

runs: $(RUNTIME)  ## list past runs with their scores, best on validation first: RUNS_DIR=runs SORT=validation|time|name JSON=1
	@$(BIN)/python -m training.runs $(call flags,RUNS_DIR SORT) $(call switches,JSON) $(args)

evaluate: $(RUNTIME)  ## report of a run: RUN=runs/train/… [DATA_DIR], or of any model: PREDICTIONS=file.csv POSITIVE VALIDATION COMPARE READERS OUTPUT …; RULE PREVALENCE …
	@$(if $(predictions),$(BIN)/python -m evaluation $(predictions) $(config) $(call flags,$(FILES) $(REPORT)) $(args),\
		$(BIN)/python -m training.evaluate $(run) $(config) $(call flags,DATA_DIR $(REPORT)) $(args))

explain: $(RUNTIME)  ## what the network of a run sees and how it decides, one page: RUN=runs/train/… or runs/transfer/… [LAYER METHODS IMAGES=id,id CLASS MAX_IMAGES BUDGET=minutes]
	@$(BIN)/python -m training.explain $(run) $(call flags,$(EXPLAIN)) $(call given,CLASS,--class-name $(call quoted,CLASS)) $(args)

predict: $(RUNTIME)  ## score image files by a run: RUN=runs/train/… IMAGES=folder, file or pattern; class folders end in a report [OUTPUT=file.csv ON_BAD=skip|fail TOP_K], RESUME=runs/predict/… or auto; MODEL_FILE=x.keras TRUST=1
	@$(BIN)/python -m training.predict $(run) $(call flags,$(PREDICT)) $(call switches,TRUST) $(args)

export: $(EXPORT_EXTRA)  ## a run for other runtimes, each file proved in its own, with a model card: RUN=runs/train/… FORMAT=keras|saved_model|litert|onnx|all QUANTIZE=none|dynamic|int8|all [DATA_DIR IMAGES=256 CALIBRATION=128 OUTPUT=folder]; MODEL_FILE=x.keras TRUST=1 DATA_DIR=folder
	@$(BIN)/python -m training.export $(run) $(call flags,$(EXPORT)) $(call switches,TRUST) $(args)

serve: $(RUNTIME)  ## the SavedModel of a run (exported now if it is not yet), checked, and the commands that serve it by TensorFlow Serving: RUN=runs/train/… [PORT=8501 DATA_DIR]
	@$(BIN)/python -m training.export.serving $(run) $(call flags,$(SERVE)) $(args)

demo: $(DEMO_EXTRA)  ## a page on this machine where dropped images meet a run: scores, operating point, Grad-CAM; RUN=runs/train/… or MODEL_FILE=x.keras TRUST=1 [PORT=8642 OPEN=1 TOP_K MAX_MEGABYTES MAX_MEGAPIXELS SECONDS]
	@$(BIN)/python -m training.demo $(run) $(call flags,$(DEMO)) $(call switches,TRUST OPEN) $(args)

labs: $(RUNTIME)  ## every idea of the notes as a measured experiment, one page in their order: RUNS_DIR=runs SEEDS=5 SMALL=1 (within minutes), FRESH=1 (makes again what stands)
	@$(BIN)/python -m training.labs --all $(call flags,$(LABS)) $(call switches,$(LAB_SWITCHES)) $(args)

lab: $(RUNTIME)  ## one of them: NAME=momentum ARGS="--beta 0.5" (ARGS=--help explains its options) SEEDS SMALL=1 FRESH=1
	@$(BIN)/python -m training.labs $(call quoted,NAME) $(call flags,$(LABS)) $(call switches,$(LAB_SWITCHES)) $(args)

labs-list: $(RUNTIME)  ## their names, in the notes' order
	@$(BIN)/python -m training.labs --list

transfer: $(RUNTIME)  ## adapt a network trained on ImageNet and report: DATA_DIR=folder BACKBONE=mobilenet_1.0_224 CASE=auto|1|2|3|4|all WEIGHTS=imagenet|file|none EPOCHS …, RESUME=runs/transfer/… or auto
	@$(BIN)/python -m transfer $(config) $(call flags,$(TRANSFER) RESUME) $(call switches,$(TRANSFER_SWITCHES)) $(args)

reproduce: $(RUNTIME)  ## train a run again and compare weights, history and predictions: RUN=runs/train/… or runs/transfer/… [DATA_DIR]
	@$(BIN)/python -m $(if $(findstring /transfer/,$(run)),transfer,training).reproduce $(run) $(call flags,DATA_DIR VERBOSE) $(args)

test: $(DEV)  ## run the tests, two files at a time: ARGS="-k name"
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile $(args)

test-slow: $(DEV)  ## run the proofs that take minutes
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -q -m slow $(args)

lint: $(DEV)  ## ruff (style, imports, format) and mypy (types)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(DEV)  ## put the code into the house format
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(RUNTIME) $(if $(filter training,$(BENCHES)),$(TORCH)) $(if $(filter export,$(BENCHES)),$(EXPORT_EXTRA))  ## tables of benchmarks/README.md: BENCH="training growth" or all (hours); default: those of minutes; DATA_DIR=folder with cifar-10-batches-bin REPEATS=5 SEEDS=5 STATE=file.jsonl RESULTS=folder
	@$(foreach name,$(BENCHES),echo "== $(name)" && $(BIN)/python -m $(bench_$(name)) $(call result,$(name)) $(args) &&) true

seeds: $(RUNTIME)  ## one recipe over several seeds, mean and spread: CONFIG=file.yaml COUNT=5 AT_ONCE=2 (at the same time) GO_ON=1 (after a crash), and the variables of train
	@$(BIN)/python -m benchmarks.seeds $(call flags,COUNT AT_ONCE) $(call switches,GO_ON) $(config) $(call flags,$(TRAIN)) $(call switches,$(SWITCHES)) $(args)

study-transferability: $(RUNTIME)  ## how far learned features serve other classes: DATA_DIR=folder with cifar-10-batches-bin FOLDERS=photos,more SEEDS=5 STUDY=cuts,digits,images OUTPUT=folder
	@$(BIN)/python -m transfer.studies $(config) $(call flags,$(STUDY_FLAGS)) $(args)

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

$(TORCH): benchmarks/requirements.txt | $(RUNTIME)
	@echo "Installing PyTorch, which one table measures, into $(VENV): a few minutes, once …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

$(EXPORT_EXTRA): requirements-export.txt | $(RUNTIME)
	@echo "Installing the converters and runtimes of LiteRT and ONNX into $(VENV): once …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-export.txt
	@touch $@

$(DEMO_EXTRA): requirements-demo.txt | $(RUNTIME)
	@echo "Installing what serves the demo's page into $(VENV): once …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-demo.txt
	@touch $@

$(DEV): requirements.txt requirements-demo.txt requirements-export.txt requirements-dev.txt | $(BIN)/python
	@echo "Installing the requirements and the test tools into $(VENV): a few minutes, once …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.groundwork-runtime $(DEMO_EXTRA) $(EXPORT_EXTRA)
