"""Scores of files, batch by batch, in order."""

import keras
import numpy as np
import pytest

from tests.training.predict.conftest import write_images
from training.datasets.decode import DecodeSettings, decode
from training.predict.stream import batch_size_for, largest_output, score_files

SETTINGS = DecodeSettings((12, 12))


def means(pixels):
    """Stands for a model: the mean of each channel."""
    return pixels.astype(float).mean(axis=(1, 2))


def run_stream(folder, batch_size, settings=SETTINGS):
    paths = sorted(folder.iterdir())
    classes = settings.shape[2]
    return paths, list(score_files(paths, settings, means, batch_size=batch_size, num_classes=classes))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_every_file_has_its_own_scores_in_order(tmp_path, batch_size):
    paths, batches = run_stream(write_images(tmp_path, 7), batch_size)
    expected = [decode(path, image_size=(12, 12)).astype(float).mean(axis=(0, 1)) for path in paths]
    np.testing.assert_allclose(np.vstack([batch.scores for batch in batches]), expected)
    assert [len(batch.scores) for batch in batches][0] == min(batch_size, 7)


def test_bad_files_are_rows_without_numbers(tmp_path):
    write_images(tmp_path, 5)
    (tmp_path / "01.png").write_bytes(b"")
    (tmp_path / "03.png").write_bytes((tmp_path / "02.png").read_bytes()[:200])
    _, batches = run_stream(tmp_path, 4)
    assert batches[0].bad == {1: "empty file", 3: "truncated"} and batches[1].bad == {}
    assert np.isnan(batches[0].scores).all(axis=1).tolist() == [False, True, False, True]


def test_a_batch_of_bad_files_never_reaches_the_model(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"not a picture")
    paths = sorted(tmp_path.iterdir())
    (batch,) = score_files(paths, SETTINGS, lambda pixels: pytest.fail("called"), batch_size=4, num_classes=2)
    assert batch.bad == {0: "not an image (text?)", 1: "not an image (text?)"}


def test_images_of_another_kind_are_counted(tmp_path):
    write_images(tmp_path, 3)
    write_images(tmp_path / "grey", 2, mode="L")
    for path in (tmp_path / "grey").iterdir():
        path.rename(tmp_path / f"grey-{path.name}")
    (tmp_path / "grey").rmdir()
    grey = DecodeSettings((12, 12), "crop", "grayscale")
    assert sum(batch.converted for batch in run_stream(tmp_path, 2)[1]) == 2
    assert sum(batch.converted for batch in run_stream(tmp_path, 2, grey)[1]) == 3


def test_a_batch_fits_memory():
    assert batch_size_for(DecodeSettings((32, 32))) == 256
    assert batch_size_for(DecodeSettings((224, 224))) == 111  # 64 MiB of float32
    assert batch_size_for(DecodeSettings((9000, 9000))) == 1
    assert batch_size_for(DecodeSettings((32, 32)), 32 * 1024**2) == 8  # 1 GiB of float32 out of one layer


def test_the_largest_output_is_that_of_any_layer():
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.UpSampling2D(50)(image)))
    assert largest_output(model) == 200 * 200 * 3
