"""Whitening filters: unit covariance on the images that they were computed from, and where training puts them."""

import numpy as np
import pytest

from models.speed import standardized
from training import datasets, whitening
from training.config import TrainConfig
from training.datasets.dataset import Split
from training.prepare import prepare
from training.whitening import patch_covariance, some_images, whitening_filters


@pytest.fixture
def smooth(rng):
    """Images whose neighbouring pixels and channels are correlated, as in photographs."""
    noise = rng.normal(size=(40, 12, 12, 3))
    return (noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2) + noise.mean(axis=3, keepdims=True)) + 0.7


def filtered(images, kernel):
    """Answers of all filters at all places, `(m, filters)`."""
    size = kernel.shape[0]
    places = range(images.shape[1] - size + 1)
    patches = [images[:, i : i + size, j : j + size].reshape(len(images), -1) for i in places for j in places]
    return np.concatenate(patches) @ kernel.reshape(-1, kernel.shape[3])


@pytest.mark.parametrize("size", [1, 2])
def test_filtered_patches_have_unit_covariance(smooth, size):
    kernel = whitening_filters(smooth, size=size, epsilon=0.0)
    half = kernel.shape[3] // 2
    answers = filtered(smooth, kernel)
    assert kernel.shape == (size, size, 3, 2 * size * size * 3) and kernel.dtype == np.float32
    np.testing.assert_allclose(np.cov(answers[:, :half].T, bias=True), np.eye(half), atol=2e-4)
    np.testing.assert_array_equal(answers[:, half:], -answers[:, :half])


def test_epsilon_leaves_little_variance_small_and_constant_images_finite(smooth):
    variances = np.linalg.eigvalsh(patch_covariance(smooth, 2))[::-1]
    flat = np.cov(filtered(smooth, whitening_filters(smooth, epsilon=4.0))[:, :12].T, bias=True)
    np.testing.assert_allclose(flat, np.diag(variances / (variances + 4.0)), atol=1e-4)
    assert variances[-1] / (variances[-1] + 4.0) < 0.3
    assert np.isfinite(whitening_filters(np.full((3, 5, 5, 1), 0.3))).all()


def test_large_images_take_no_more_memory_than_5000_small_ones():
    small, large = (
        Split(np.zeros((n, size, size, 1), np.uint8), np.zeros(n, int), np.arange(n))
        for n, size in ((6000, 8), (60, 640))
    )
    assert some_images(small.x).shape == (5000, 8, 8, 1)
    assert some_images(large.x).shape == (12, 640, 640, 1)


def test_chunks_of_large_images_give_the_same_filters(smooth, monkeypatch):
    whole = whitening_filters(smooth)
    monkeypatch.setattr(whitening, "CHUNK", 1)
    np.testing.assert_allclose(whitening_filters(smooth), whole, rtol=1e-5)


def test_training_computes_the_filters_from_its_own_split(tmp_path, rng):
    images = rng.integers(0, 256, (60, 25, 25, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=np.arange(60) % 3)
    settings = {"model": "cifar_speed", "dataset": "npz", "data_dir": str(tmp_path / "images.npz")}
    config = TrainConfig(**settings, precision="float32", hyperparameters={"filters": [4, 4, 4]})
    data = datasets.load(config, progress=False)
    model, twin, _ = prepare(config, data)
    expected = whitening_filters(standardized(data.train.x.astype(np.float32)))
    for one in (model, twin):
        np.testing.assert_allclose(one.get_layer("whitening").get_weights()[0], expected, rtol=1e-5)
