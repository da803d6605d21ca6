"""What counts as the same model, and what does not."""

import subprocess

import numpy as np
import pytest

from training.export.formats import FORMATS
from training.export.parity import Measured, Reference, RuntimeFailure, _reason, compare

FLOAT, INT8 = FORMATS["onnx"], FORMATS["litert_int8"]
LATENCIES = {1: np.arange(1.0, 6.0), 32: np.arange(5.0)}


def reference(outputs, y, threshold=None):
    def decide(scores):
        return scores.argmax(axis=1) if threshold is None else (scores[:, 1] >= threshold).astype(int)

    return Reference(np.asarray(outputs, np.float32), np.asarray(y), decide, threshold, 1e-4)


def judged(entry, outputs, expected):
    return compare(entry, Measured(np.asarray(outputs, np.float32), LATENCIES, {"runtime": "x 1"}), expected)


OUTPUTS = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]])


def test_the_same_numbers_pass():
    row = judged(FLOAT, OUTPUTS, reference(OUTPUTS, [0, 1, 0]))
    assert row["passed"] and row["max_difference"] == 0 and row["classes_equal"] == 3
    assert row["accuracy"]["correct"] == 2 and row["latency_ms"]["1"] == {"median": 3, "low": 2, "high": 4, "calls": 5}
    assert row["verdict"] == "largest difference 0.0e+00, 3 of 3 classes equal"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([2e-4, -2e-4, 0], "largest difference 2.0e-04 where 0.0001 is allowed, 3 of 3"),
        ([-0.6, 0.6, 0], "largest difference 6.0e-01 where 0.0001 is allowed, 2 of 3"),
        ([np.nan, 0, 0], "largest difference no finite number where 0.0001 is allowed"),
        ([np.inf, 0, 0], "largest difference no finite number"),
    ],
)
def test_one_image_that_differs_fails_all(change, words):
    row = judged(FLOAT, OUTPUTS + [change, [0, 0, 0], [0, 0, 0]], reference(OUTPUTS, [0, 1, 2]))
    assert not row["passed"] and words in row["verdict"]


def test_a_tie_that_rounding_decides_is_no_failure_but_is_said():
    close = np.array([[0.50001, 0.49999, 0], [0.2, 0.7, 0.1]])
    row = judged(FLOAT, close + [[-2e-5, 2e-5, 0], [0, 0, 0]], reference(close, [0, 1]))
    assert row["passed"] and row["classes_equal"] == 1
    assert "(1 of the others ties within the tolerance)" in row["verdict"]


def test_one_unit_is_judged_at_its_threshold():
    scores = np.array([[0.30], [0.20001], [0.1]])
    assert judged(FLOAT, scores - 2e-5, reference(scores, [1, 1, 0], 0.2))["ties_decided_otherwise"] == 1
    row = judged(FLOAT, scores - 5e-5, reference(scores, [1, 1, 0], 0.29999))
    assert row["accuracy"]["correct"] == 1 and row["classes_equal"] == 2 and row["passed"]


def test_accuracy_counts_only_images_whose_class_is_known():
    row = judged(FLOAT, OUTPUTS, reference(OUTPUTS, [0]))
    assert row["images"] == 3 and row["accuracy"]["n"] == 1 and row["accuracy"]["estimate"] == 1


def test_a_quantised_file_may_differ_as_long_as_it_is_as_accurate():
    y = np.arange(100) % 2
    sure = np.where(y[:, None] == [0, 1], 0.9, 0.1)
    few, many = sure.copy(), sure.copy()
    few[:3] = 1 - few[:3]
    many[:10] = 1 - many[:10]
    expected = reference(sure, y)
    assert judged(INT8, few, expected)["passed"]
    row = judged(INT8, many, expected)
    assert not row["passed"]
    assert "accuracy 90.0%, outside the Keras model's interval of 96.3% to 100.0%; 90 of 100" in row["verdict"]
    assert not judged(INT8, sure * np.nan, expected)["passed"]


def test_another_shape_is_no_comparison():
    with pytest.raises(RuntimeFailure, match=r"has the shape \(3, 2\), expected \(3, 3\)"):
        judged(FLOAT, OUTPUTS[:, :2], reference(OUTPUTS, [0, 1, 2]))


@pytest.mark.parametrize(
    ("code", "stderr", "words"),
    [
        (-9, "", "its runtime was ended by SIGKILL"),
        (1, "a\nValueError:  no  such op\n", "ValueError: no such op"),
        (3, "", "its runtime ended with code 3"),
    ],
)
def test_a_runtime_that_died_says_why(code, stderr, words):
    assert _reason(subprocess.CompletedProcess([], code, "", stderr)) == words
