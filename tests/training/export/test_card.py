"""The card in words, whatever a name holds."""

import pytest

from training.export.card import card, parity_table
from training.export.facts import _backbone

TIMES = {"median": 1.5, "low": 1.25, "high": 2.0, "calls": 30}
ROW = {
    "format": "onnx",
    "title": "ONNX",
    "file": "model.onnx",
    "passed": True,
    "verdict": "largest difference 3.0e-07, 256 of 256 classes equal",
    "bytes": 2_116_937,
    "images": 256,
    "max_difference": 3e-7,
    "classes_equal": 256,
    "accuracy": {"estimate": 0.9, "low": 0.85, "high": 0.93},
    "latency_ms": {"1": TIMES, "32": TIMES},
    "runtime": "onnxruntime 1.0",
    "input": "pixels",
    "output": "probabilities",
}
FAILED = {"format": "litert", "title": "LiteRT", "file": "model.tflite", "passed": False, "verdict": "no | such\nop"}


def facts(**changes):
    found = {
        "name": "run-001",
        "made": "2026-01-02T03:04:05+00:00",
        "model": {"architecture": "gap_cnn", "parameters": 1234, "sha256": "a" * 64, "trained_in": "float32"},
        "input": {"shape": [None, 32, 24, 3], "resize": "crop"},
        "output": {"shape": [None, 3]},
        "classes": ["ants", "bees", "wasps"],
        "positive": None,
        "operating_point": None,
        "data": {"source": "folder", "name": "photos", "sha256": "b" * 64, "examples": {"train": 1000}},
        "backbone": None,
        "test": None,
        "proof": {"images": 256, "words": "all", "tolerance": 1e-4, "calibration": 9, "calibration_shared": 0},
        "formats": [ROW],
        "versions": {"keras": "3"},
        "hardware": {"processor": "CPU", "cores": 2},
    }
    return found | changes


def test_the_table_of_the_proof():
    rows = [line.split("|")[1:-1] for line in parity_table([ROW, FAILED], ["gap_cnn", "a`b"]).splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells[0][:3] == ["model", "format", "result"] and cells[0][5:7] == ["accuracy (95 % interval)", "size"]
    times = ["1.50 (1.25–2.00)", "1.50 (1.25–2.00)"]
    assert cells[2] == ["gap\\_cnn", "ONNX", "passed", "3.0e-07", "256 of 256", "90.0% (85.0%–93.0%)", "2.1 MB", *times]
    assert cells[3] == ["a\\`b", "LiteRT", "**failed**", *["–"] * 6]


def test_a_format_that_failed_is_said_and_has_no_file():
    text = card(facts(formats=[ROW, FAILED]))
    assert "- **LiteRT failed and is not in this folder**: no \\| such op." in text
    assert "`model.tflite`" not in text and "`model.onnx`" in text


def test_hostile_names_change_nothing_but_their_own_cell():
    evil = "a\n## Licence | x <script>`$"
    text = card(facts(name=evil, classes=[evil, "b"], positive=evil, operating_point={"threshold": 0.5, "why": evil},
                      output={"shape": [None, 1]}, data={"source": evil, "name": evil, "sha256": evil, "examples": {}},
                      hardware={"processor": evil, "cores": 1}))  # fmt: skip
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[0] == "# Model card: a \\#\\# Licence \\| x &lt;script&gt;\\`\\$"
    assert headings[1:] == [line for line in card(facts()).splitlines() if line.startswith("## ")]
    assert "<script>" not in text
    row = next(line for line in text.splitlines() if line.startswith("| 0 "))
    assert row.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        (None, "No pre-trained weights went into this network"),
        ("imagenet", "Begun with its ImageNet weights, the pre-trained network mobilenet\\_1: Howard. The licence of"),
        ("imagenet", "of the published weights is **Apache 2.0** (file's SHA-256 cccccccccccc…): keep its notice"),
        ("none", "The architecture is mobilenet\\_1: Howard. Its pre-trained weights were not used"),
        ("/tmp/mine.h5", "Begun with weights from a file, the pre-trained network mobilenet\\_1"),
    ],
)
def test_the_licence_is_that_of_the_backbone(backbone, words):
    found = backbone and {"backbone": "mobilenet_1", "weights": backbone, "weights_digest": "c" * 64,
                          "licence": "Apache 2.0", "citation": "Howard"}  # fmt: skip
    assert words in card(facts(backbone=found))


def test_weights_from_a_file_leave_no_path_of_this_machine():
    record = {"transfer": {"backbone": "mobilenet_1", "weights": "/home/ada/mine.h5", "weights_digest": "c" * 64}}
    assert _backbone(record)["weights"] == "file" and _backbone({}) is None
    assert _backbone({"transfer": {"weights": "imagenet"}})["weights"] == "imagenet"


def test_a_threshold_stands_in_full():
    point = {"threshold": 0.9999999403953552, "why": "Chosen."}
    text = card(facts(classes=["well", "ill"], positive="ill", operating_point=point, output={"shape": [None, 1]}))
    assert "where its score is at least 0.9999999403953552: Chosen." in text


@pytest.mark.parametrize(
    ("resize", "words"),
    [("crop", "cut out the centre: 32×24"), ("pad", "on black bars: 32×24"), ("stretch", "proportions: 32×24")],
)
def test_the_resize_rule_is_that_of_the_run(resize, words):
    assert words in card(facts(input={"shape": [None, 32, 24, 1], "resize": resize}))


def test_a_threshold_that_nothing_reaches_is_said():
    point = {"threshold": None, "why": "No one was ill."}
    text = card(facts(classes=["well", "ill"], positive="ill", operating_point=point, output={"shape": [None, 1]}))
    assert "at the run's operating point nothing is called so: No one was ill." in text
