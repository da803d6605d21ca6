"""Real folders beside the project; skipped where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from training.datasets.folder import load_folder

SHARED = Path(os.environ.get("GROUNDWORK_SHARED", Path(__file__).parents[3].parent / "shared")) / "data"


def need(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"{SHARED / name} is absent")
    return SHARED / name


def test_mednist_loads_as_it_stands():
    data = load_folder(need("mednist"), progress=False)
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 6120,
        "validation": 1080,
        "test": 1800,
    }
    assert data.input_shape == (64, 64, 1)
    assert set(np.bincount(data.validation.y)) == {180}


def test_hymenoptera_streams_as_it_stands_in_memory():
    root = need("hymenoptera")
    memory = load_folder(root, image_size=(64, 48), resize="pad", progress=False)
    stream = load_folder(root, image_size=(64, 48), resize="pad", memory_limit_mb=1, progress=False)
    assert len(memory.validation) == 153
    np.testing.assert_array_equal(stream.test.x[np.arange(len(stream.test))], memory.test.x)
