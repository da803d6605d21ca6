"""The benchmark of convolutions: every variant and shape is measured, and said as what it is."""

from __future__ import annotations

import pytest

from benchmarks import convolutions
from benchmarks.convolutions import SHAPES, VARIANTS, ConvolutionsConfig, layer_table, measure, step_table
from training.checks import ConfigError


def test_ratios_are_taken_within_each_repeat():
    text = step_table({name: [4.0, 6.0] if name == "own" else [2.0, 1.0] for name in VARIANTS})
    assert "| TensorFlow's own routines" in text and "5.00 (4.00–6.00)" in text
    assert text.count("4.00 (2.00–6.00)") == len(VARIANTS) - 1 and "667" in text


def test_a_row_per_shape_says_the_largest_difference_and_how_many_products():
    rounds = [dict.fromkeys(SHAPES, (1.0, 0.5, 1e-05)), dict.fromkeys(SHAPES, (3.0, 1.0, 4e-05))]
    text = layer_table(rounds)
    assert "| 7×7, 256 → 256 " in text and "441 → 81" in text
    assert text.count("2.50 (2.00–3.00)") == len(SHAPES) and text.count("4e-05") == len(SHAPES)


def test_it_measures_every_variant_and_every_shape(monkeypatch):
    monkeypatch.setattr(convolutions, "SHAPES", ((3, 2, 2, 2),))
    monkeypatch.setattr(convolutions, "VARIANTS", {name: VARIANTS[name] for name in ("own", "bias")})
    _, task = convolutions.prepare_layers(2)
    (found,) = task().values()
    assert found[0] > 0 and found[1] > 0 and found[2] < 1e-5
    _, task = convolutions.prepare_step(2, 1, "1", VARIANTS["bias"][2])
    assert task() > 0


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        ConvolutionsConfig(repeats=0)


@pytest.mark.slow
def test_both_tables_are_measured():
    text = measure(ConvolutionsConfig(batch_size=4, steps=1, repeats=1))
    assert all(label in text for label, *_ in VARIANTS.values()) and "single convolutions of 1 maps" in text
