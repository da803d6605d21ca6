"""Features at a cut: computed once, found again only while nothing that decides them has changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from training.augmentation import Augmentation
from training.checks import ConfigError
from training.datasets.dataset import DataError, Dataset, Split
from training.datasets.files import ImageFiles
from training.datasets.folder import load_folder
from transfer.bottleneck.extraction import Extractor
from transfer.bottleneck.taps import taps
from transfer.features import Features, FeatureSettings, augmented_features, by_cut, content_of, features, features_of

CONTENT = "0" * 64


def make_model(seed: int = 3, rescale: float = 1 / 255, channels: int = 4) -> keras.Model:
    pixels = keras.Input((6, 6, 3), name="pixels")
    x = keras.layers.Rescaling(rescale, name="rescaling")(pixels)
    x = keras.layers.Conv2D(channels, 3, kernel_initializer=keras.initializers.GlorotUniform(seed), name="conv1")(x)
    x = keras.layers.BatchNormalization(name="norm1")(x)
    return keras.Model(pixels, keras.layers.Dropout(0.5, name="drop1")(x))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return make_model()


@pytest.fixture
def split(rng) -> Split:
    x = rng.integers(0, 256, (11, 6, 6, 3)).astype(np.uint8)
    return Split(x, np.arange(11) % 2, np.array([f"{i}.png" for i in range(11)]))


@pytest.fixture
def settings(tmp_path) -> FeatureSettings:
    return FeatureSettings(tmp_path / "runs" / ".cache", limit_mb=1, batch_size=4)


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """One entry for every time that a split goes through the network."""
    calls: list[int] = []
    original = Extractor.batches
    monkeypatch.setattr(Extractor, "batches", lambda self, *a, **k: (calls.append(1), original(self, *a, **k))[1])
    return calls


def run(model, split, settings, content=CONTENT) -> Features:
    found = features(model, split, content=content, settings=settings)
    expected = np.concatenate([model(x[None].astype(np.float32), training=False) for x in split.x])
    np.testing.assert_allclose(found.array, expected, rtol=1e-5, atol=1e-6)
    return found


def test_a_second_time_nothing_is_computed_and_the_file_is_mapped(model, split, settings, computed):
    first, second = run(model, split, settings), run(model, split, settings)
    assert (first.from_cache, second.from_cache, len(computed)) == (False, True, 1)
    assert isinstance(second.array, np.memmap) and not second.array.flags.writeable
    assert second.array.tobytes() == first.array.tobytes()
    assert list(settings.folder.iterdir()) == [second.path]
    assert second.note == (
        f"Features of 11 images at drop1 stand in {second.path} (0.0 MB), checked: nothing was computed."
    )


def test_one_trace_serves_every_batch_and_split(model, split, settings):
    source = Extractor(model)
    for rows in (split, Split(split.x[:7], split.y[:7], split.ids[:7])):
        features(source, rows, content=CONTENT, settings=settings)
    assert source.step.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("change", ["weight", "statistic", "preprocessing", "content", "pixels", "order", "dtype"])
def test_whatever_decides_the_features_is_part_of_the_key(model, split, settings, computed, change):
    run(model, split, settings)
    if change == "weight":
        model = make_model(seed=4)
    elif change == "statistic":
        model = make_model()
        model.get_layer("norm1").moving_mean.assign(np.ones(4))
    elif change == "preprocessing":
        model = make_model(rescale=1 / 127)
    elif change == "pixels":
        x = split.x.copy()
        x[5] //= 2
        split = dataclasses.replace(split, x=x)
    elif change == "order":
        split = Split(split.x[::-1], split.y, split.ids[::-1])
    elif change == "dtype":
        features(model, split, content=CONTENT, settings=dataclasses.replace(settings, dtype="float16"))
    if change != "dtype":
        run(model, split, settings, content="1" * 64 if change == "content" else CONTENT)
    assert len(computed) == 2


def test_freezing_compiling_and_the_name_of_the_model_do_not_matter(split, settings, computed):
    run(make_model(), split, settings)
    other = make_model()
    other.trainable = False
    other.compile("adam", "mse")
    assert run(other, split, settings).from_cache
    assert len(computed) == 1


def test_float16_differs_by_the_stated_error_and_takes_half_the_room(model, split, settings):
    whole = features(model, split, content=CONTENT, settings=settings)
    half = features(model, split, content=CONTENT, settings=dataclasses.replace(settings, dtype="float16"))
    exact = whole.array.astype(np.float64)
    assert (np.abs(half.array - exact) <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25)).all()
    assert half.array.nbytes * 2 == whole.array.nbytes


def test_features_beyond_float16_and_features_that_are_not_finite_are_refused(split, settings):
    large = dataclasses.replace(settings, dtype="float16")
    with pytest.raises(ConfigError, match=r"features at drop1 reach .*, float16 ends at 6.55e\+04. Store them as fl"):
        features(make_model(rescale=1e6), split, content=CONTENT, settings=large)
    broken = make_model()
    broken.get_layer("norm1").moving_mean.assign([np.nan] * 4)
    with pytest.raises(DataError, match="features of 0.png at drop1 are not finite"):
        features(broken, split, content=CONTENT, settings=settings)
    assert not list(settings.folder.iterdir())


def test_images_of_another_size_are_refused_in_one_line(model, split, settings):
    wrong = dataclasses.replace(split, x=split.x[:, :5])
    with pytest.raises(DataError, match=r"takes images of \(6, 6, 3\). Received: \(5, 6, 3\). Set --image-size"):
        features(model, wrong, content=CONTENT, settings=settings)


def test_augmented_passes_differ_and_are_a_function_of_seed_pass_and_row(model, split, settings):
    how = Augmentation(shift=0.2, flip="horizontal", rotation=30)

    def draw(batch_size: int, passes: int, seed: int = 0) -> list[Features]:
        other = dataclasses.replace(
            settings, batch_size=batch_size, folder=None if batch_size == 11 else settings.folder
        )
        return augmented_features(model, split, how, passes=passes, seed=seed, content=CONTENT, settings=other)

    small, large = draw(4, passes=2), draw(11, passes=2)
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one.array, other.array, rtol=1e-5, atol=1e-6)
    plain = features(model, split, content=CONTENT, settings=settings)
    assert np.abs(small[0].array - small[1].array).max() > 0.01
    assert np.abs(small[0].array - plain.array).max() > 0.01
    assert np.abs(small[0].array - draw(11, passes=1, seed=1)[0].array).max() > 0.01
    assert [found.from_cache for found in draw(4, passes=3)] == [True, True, False]


def test_taps_give_the_mean_of_every_map_at_every_cut_in_one_pass(model, split, settings):
    tapped, widths = taps(model, {"early": "rescaling", "late": "drop1"})
    found = by_cut(features(tapped, split, content=CONTENT, settings=settings).array, widths)
    np.testing.assert_allclose(found["early"], split.x.mean(axis=(1, 2)) / 255, rtol=1e-5)
    late = features(model, split, content=CONTENT, settings=settings).array.mean(axis=(1, 2))
    np.testing.assert_allclose(found["late"], late, rtol=1e-4, atol=1e-6)
    assert widths == {"early": 3, "late": 4}


def test_splits_of_a_data_set_by_name_and_its_decoding_is_part_of_its_content(model, split, settings):
    other = Split(split.x[:4], split.y[:4], split.ids[:4])
    data = Dataset(
        "npz", "image", "classification", split, other, other, ("a", "b"), "d" * 64, settings={"resize": "crop"}
    )
    found = features_of(model, data, settings=settings)
    assert [len(found[name].array) for name in ("train", "validation")] == [11, 4]
    assert found["validation"].note.startswith("Features of 4 validation images at drop1 were computed in ")
    alone = features(model, split, content=content_of(data), settings=settings)
    assert (alone.key, alone.from_cache) == (found["train"].key, True)
    for changed in ({"resize": "pad"}, {"resize": "crop", "storage": "files"}):
        same = content_of(dataclasses.replace(data, settings=changed)) == content_of(data)
        assert same == (changed["resize"] == "crop")


def test_a_file_that_was_replaced_after_it_was_counted_gives_no_features(model, tmp_path, settings):
    """Whichever image it is: the key samples a few, and speaks of the file as it was."""
    random = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
    data = load_folder(tmp_path / "photos", image_size=(6, 6), memory_limit_mb=0, progress=False)
    assert isinstance(data.train.x, ImageFiles)
    replaced = Path(data.train.x.paths[7])
    was = replaced.read_bytes()
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(replaced)
    given = {"content": content_of(data), "settings": settings}
    with pytest.raises(DataError, match=rf"{replaced.name} was changed while it was in use"):
        features(model, data.train, **given)
    replaced.write_bytes(was)
    assert not features(model, data.train, **given).from_cache
