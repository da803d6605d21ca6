"""What parts of the page say of a model: finer maps, no picture twice, and whether any map beats chance and edges."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from evaluation.explain import FidelityRow, Tapped, tap
from evaluation.explain.fidelity import Curves
from evaluation.explain.page.decisions import boxes_section, maps_section, occlusion_section
from evaluation.explain.page.layers import _shown_layers, atlas_section
from evaluation.explain.page.material import Material, PageSettings, check_material
from evaluation.explain.page.truth import _better_than_baselines, _unchanged, _verdict
from evaluation.uncertainty.intervals import Estimate
from tests.evaluation.explain import cases


def material(tapped: Tapped, **settings) -> Material:
    """A few images and what the page takes."""
    images = cases.images_for(tapped.model, 12).astype(np.uint8)
    names = tuple("abcd")[: max(2, tapped.num_logits)]
    found = Material(
        tapped=tapped,
        images=images,
        y=np.arange(12) % len(names),
        ids=[f"image{number}" for number in range(12)],
        class_names=names,
        split="validation",
        settings=PageSettings(cases=1, units=1, **settings),
    )
    check_material(found)
    return found


def test_cam_and_grad_cam_are_shown_once_where_they_are_one_and_layer_cam_at_a_finer_layer():
    found = material(cases.tapped("mobilenet"))
    assert found.methods == ("class_activation_map", "layer_cam", "guided_backpropagation", "integrated_gradients")
    assert (found.places("class_activation_map"), found.places("layer_cam")) == ("8×8", "16×16")
    assert found.places("saliency") == "" and found.layer_of("integrated_gradients") is None
    named = material(cases.tapped("mobilenet"), layer="conv_pw_2_relu")
    assert named.layer_of("layer_cam") == named.layer_of("grad_cam") == "conv_pw_2_relu"
    assert material(cases.tapped("cifar_cnn")).methods[0] == "grad_cam"


def test_boxes_are_drawn_of_both_maps_and_a_box_around_everything_is_said_to_be_one():
    found = material(cases.tapped("mobilenet"))
    section = boxes_section(found)
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["CAM, 8×8", "LayerCAM, 16×16"] and len(section.figures) == 2
    assert table.header == ("Map", "above 20%", "above 40%", "above 60%")
    shares = [section.numbers[name]["median_share_of_image"] for name in ("class_activation_map", "layer_cam")]
    assert all(list(one) == sorted(one, reverse=True) for one in shares)
    wide = any(one[0] >= 0.8 for one in shares)
    assert any("take in most of the image" in text for text in section.findings) == wide


def test_occlusion_asks_for_the_true_class_or_the_one_that_is_named():
    tapped = cases.tapped("gap_cnn")
    plain, named = occlusion_section(material(tapped)), occlusion_section(material(tapped, class_index=2))
    assert "the probability of the true class" in plain.reading
    assert "the probability of c" in named.reading and named.tables[0].title == "Probability of c"
    assert set(named.numbers["classes"]) == {"c"} and len(set(plain.numbers["classes"])) > 1


def test_max_pooling_is_not_drawn_a_second_time_unless_it_is_named():
    pixels = keras.Input((8, 8, 3))
    features = keras.layers.Conv2D(4, 3, activation="relu", name="first")(pixels)
    features = keras.layers.MaxPooling2D(name="pool")(features)
    model = keras.Model(pixels, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(features)))
    found = material(tap(model))
    section = atlas_section(found)
    assert [figure.title.split(":")[0] for figure in section.figures] == ["first", "logits"]
    assert [row[0] for row in section.tables[0].rows] == ["first", "pool", "logits"]
    assert any(text.startswith("Max pooling is not drawn") for text in section.findings)
    named = replace(found, settings=replace(found.settings, layer="pool"))
    assert _shown_layers(named) == ["first", "pool", "logits"]


def test_a_method_beats_the_baselines_when_its_areas_do_image_by_image():
    noise = np.random.default_rng(0).normal(0, 0.01, (5, 20))

    def row(method, deletion, insertion):
        curves = [Curves(kind, np.array([0, 1.0]), np.repeat(level[:, None], 2, 1), np.zeros(20, np.int32))
                  for kind, level in (("deletion", deletion), ("insertion", insertion))]  # fmt: skip
        empty = Estimate(None)
        numbers = {"deletion": empty, "insertion": empty, "randomisation": empty, "pointing": None, "seconds": 1.0}
        maps = np.zeros((20, 1, 1), np.float32)
        return FidelityRow(
            method=method, baseline=method in ("random", "edges"), flagged=0, curves=tuple(curves), maps=maps, **numbers
        )

    levels = np.linspace(0.2, 0.8, 20)  # images differ far more than methods do
    random, edges = row("random", levels, levels + noise[0]), row("edges", levels + noise[1], levels)
    good = row("grad_cam", levels - 0.1 + noise[2], levels + noise[3])
    assert _better_than_baselines([good, random, edges]) == {"deletion": ["grad_cam"], "insertion": []}
    assert "by deletion: Grad-CAM; by insertion: none." in _verdict({"deletion": ["grad_cam"], "insertion": []})
    poor = row("saliency", levels + 0.1, levels + noise[4])
    assert _verdict(_better_than_baselines([poor, random, edges])).startswith("No method beats both baselines here")
    alike = replace(poor, randomisation=Estimate(0.7, 0.6, 0.8))
    assert "whatever the network: saliency." in _unchanged([good, alike, edges])[0]
    assert not _unchanged([replace(alike, randomisation=Estimate(0.6, 0.4, 0.8)), replace(alike, baseline=True)])


@pytest.mark.parametrize("method", ["occlusion", "saliency"])
def test_methods_without_a_layer_can_be_the_only_ones(method):
    section = maps_section(material(cases.tapped("gap_cnn"), methods=(method,)))
    assert section.numbers["methods"] == [method] and section.figures


def test_a_layer_that_is_the_finest_stays():
    pixels = keras.Input((8, 8, 3))
    features = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="only")(pixels)
    model = keras.Model(pixels, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(features)))
    found = material(tap(model))
    assert found.finer.path == "only" and found.places("layer_cam") == "8×8"
    assert replace(found.settings, layer="only").layer == "only"
