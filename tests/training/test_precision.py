"""Precision: chosen by a measurement of what training does, and never left behind."""

import keras
import pytest

from training import precision


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"float32": 10.0, "bfloat16": 5.0}, "mixed_bfloat16"),
        ({"float32": 10.0, "bfloat16": 9.0}, "float32"),
        ({"float32": 10.0, "bfloat16": 40.0}, "float32"),
    ],
)
def test_auto_takes_bfloat16_only_where_it_gains_a_fifth(monkeypatch, times, expected):
    monkeypatch.setattr(precision, "probe", lambda: times)
    assert precision.resolve("auto", "image") == (expected, times)


def test_a_given_precision_and_tables_are_not_probed(monkeypatch):
    monkeypatch.setattr(precision, "probe", lambda: pytest.fail("probed"))
    assert precision.resolve("mixed_bfloat16", "image") == ("mixed_bfloat16", {})
    assert precision.resolve("auto", "table") == ("float32", {})


def test_the_probe_times_a_training_step_in_both_formats():
    times = precision.probe()
    assert set(times) == {"float32", "bfloat16"} and all(value > 0 for value in times.values())


def test_both_formats_compute_the_same_step():
    exact, rounded = (float(precision._step(dtype)()) for dtype in ("float32", "bfloat16"))
    assert rounded == pytest.approx(exact, rel=0.05)


def test_a_policy_ends_with_its_block_even_after_an_error():
    former = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError), precision.policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == former
