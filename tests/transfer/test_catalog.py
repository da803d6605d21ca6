"""The table of backbones without Keras: names, cuts, sizes, and the errors of what does not exist."""

from __future__ import annotations

import pytest

from training.checks import ConfigError
from transfer.pretrained.catalog import BACKBONES, CUTS, TransferError, cut_layer, entry, image_shape

# count_params() of keras.applications with include_top=False
PUBLISHED_PARAMETERS = {
    "mobilenet_0.25_128": 218_544,
    "mobilenet_0.75_192": 1_832_976,
    "mobilenet_1.0_224": 3_228_864,
    "mobilenet_v2_1.0_224": 2_257_984,
    "mobilenet_v3_small": 939_120,
    "mobilenet_v3_large": 2_996_352,
    "vgg16": 14_714_688,
    "vgg19": 20_024_384,
    "resnet50": 23_587_712,
    "resnet50_v2": 23_564_800,
    "inception_v3": 21_802_784,
    "xception": 20_861_480,
    "densenet121": 7_037_504,
    "efficientnet_v2_b0": 5_919_312,
    "convnext_tiny": 27_820_128,
}


def test_parameters_are_the_published_counts_of_all_backbones() -> None:
    assert {name: facts.parameters for name, facts in BACKBONES.items()} == PUBLISHED_PARAMETERS


@pytest.mark.parametrize("name", BACKBONES)
def test_an_entry_names_its_cuts_paper_and_licence(name: str) -> None:
    facts = BACKBONES[name]
    assert tuple(cut.name for cut in facts.cuts) == CUTS
    assert len({cut.layer for cut in facts.cuts}) == len(CUTS)
    assert "arXiv:" in facts.citation
    assert facts.licence in ("MIT", "Apache 2.0", "BSD 3-clause", "CC BY 4.0")
    assert facts.smallest_size < facts.default_size


def test_names_say_the_size_that_weights_were_trained_at() -> None:
    sizes = {name: facts.default_size for name, facts in BACKBONES.items() if name.split("_")[-1].isdigit()}
    assert len(sizes) == 4
    assert all(name.endswith(f"_{size}") for name, size in sizes.items())


def test_an_unknown_backbone_is_one_line_with_the_nearest_name() -> None:
    with pytest.raises(TransferError, match=r"^Unknown backbone\. Did you mean 'vgg16'\? .*backbone=vgg16x\.$"):
        entry("vgg16x")
    assert issubclass(TransferError, ConfigError)  # exit code 2


def test_a_cut_that_does_not_exist_is_refused_with_those_that_do() -> None:
    assert cut_layer("vgg16", "late") == "block4_pool"
    with pytest.raises(TransferError) as caught:
        cut_layer("vgg16", "block4")
    assert str(caught.value) == (
        "vgg16 has no such cut. Expected one of early, middle, late, last. Received: cut=block4."
    )


def test_image_shape_takes_none_a_number_or_height_and_width() -> None:
    assert image_shape("mobilenet_0.75_192", None) == (192, 192)
    assert image_shape("vgg16", 32) == (32, 32)
    assert image_shape("vgg16", (40, 64)) == (40, 64)


@pytest.mark.parametrize(("name", "size"), [("vgg16", 31), ("inception_v3", 74), ("xception", 70)])
def test_too_small_an_image_is_refused_with_the_smallest_size(name: str, size: int) -> None:
    with pytest.raises(TransferError) as caught:
        image_shape(name, (200, size))
    assert str(caught.value).startswith(f"{name} needs images of at least {size + 1} × {size + 1} pixels ")
    assert str(caught.value).endswith(f"Received: image_size=(200, {size}). Use a larger size.")
