"""Small folders of images, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Writes one image of random pixels; the suffix chooses the format."""

    def write(path: Path, *, seed: int = 0, size: tuple[int, int] = (12, 10), grey: bool = False) -> Path:
        shape = size if grey else (*size, 3)
        pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def make_folder(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """Writes `count` images for every class folder; each image differs from all others."""

    def make(*classes: str, count: int = 8, **image) -> Path:
        seed = 0
        for name in classes or ("cats", "dogs"):
            for i in range(count):
                seed += 1
                write_image(tmp_path / "root" / name / f"{i:02d}.png", seed=seed, **image)
        return tmp_path / "root"

    return make
