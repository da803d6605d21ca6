"""Small data and an executor that runs jobs at once."""

from __future__ import annotations

from concurrent.futures import Executor, Future

import numpy as np
import pytest

from training.datasets.dataset import Dataset, Split


class AtOnce(Executor):
    """Runs a job when it is submitted, in this process."""

    def submit(self, function, /, *arguments, **keywords) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def at_once() -> AtOnce:
    return AtOnce()


def split_of(classes: int, each: int, size: int = 8, seed: int = 0) -> Split:
    """Noise whose brightness tells the class; the first pixel of an image holds its row."""
    rng = np.random.default_rng(seed)
    y = np.tile(np.arange(classes), each)
    x = rng.integers(0, 30, (len(y), size, size, 3)) + (y * (220 // classes))[:, None, None, None]
    x[:, 0, 0, 0] = np.arange(len(y))
    return Split(x.astype(np.uint8), y, np.array([f"{seed}/{row}" for row in range(len(y))]))


@pytest.fixture
def ten_classes() -> Dataset:
    """Ten classes, 12 training and 4 test images of each."""
    names = tuple("abcdefghij")
    train, test = split_of(10, 12), split_of(10, 4, seed=1)
    return Dataset("cifar10", "image", "classification", train, test, test, names, digest="0" * 64)
