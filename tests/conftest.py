"""Shared by all tests: where the optional data is, and small data sets that need none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as every command does before TensorFlow reads it, once


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
INHERITED = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "TF_CPP_MIN_LOG_LEVEL")


def user_environment() -> dict[str, str]:
    """The environment of a user's shell: without what `make test` adds to that of the tests."""
    return {name: value for name, value in os.environ.items() if name not in INHERITED}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder of real data; tests that need it skip where it is absent."""
    path = Path(os.environ.get("GROUNDWORK_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip("the optional folder of real data (GROUNDWORK_SHARED) is absent")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium by Playwright; tests that need it skip where either is absent."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded, so that a test that fails fails again."""
    return np.random.default_rng(0)


@pytest.fixture
def npz(tmp_path: Path, rng: np.random.Generator) -> Path:
    """96 images of 8×8×1 in three classes that brightness tells apart, in an .npz file."""
    labels = np.repeat(np.arange(3), 32)
    images = rng.integers(0, 60, (96, 8, 8, 1)) + (labels * 80)[:, None, None, None]
    path = tmp_path / "blobs.npz"
    np.savez(path, x_train=images.astype(np.uint8), y_train=labels, class_names=["dark", "grey", "light"])
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: begun last, it would keep one of two processes busy while the other idles."""
    items.sort(key=lambda item: item.path.name != "test_distributed.py")
