"""Hyperparameter search: keras-tuner's tuners and oracles, made dependable. `training.tune` is the command."""
