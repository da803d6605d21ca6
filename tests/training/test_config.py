"""Settings: every impossible one is refused in one line, and the record reads back exactly."""

import pytest

from training.checks import ConfigError
from training.config import TrainConfig, from_yaml, to_yaml

REFUSED = {
    "unknown model": ({"model": "cifar_cn"}, "Received: model=cifar_cn. Did you mean cifar_cnn"),
    "unknown dataset": ({"dataset": "mnist"}, "dataset must be one of digits"),
    "regression on classes": ({"model": "mlp_regressor"}, "does regression, but digits holds classification"),
    "classes on regression": ({"model": "mlp_classifier", "dataset": "diabetes"}, "but diabetes holds regression"),
    "images on a table": ({"dataset": "breast_cancer"}, "takes image input, but breast_cancer holds table data"),
    "two classes of ten": ({"model": "logistic_regression"}, "separates 2 classes, but digits has 10"),
    "no gradient": ({"model": "perceptron", "dataset": "breast_cancer"}, "no gradient passes its step"),
    "folder without data": ({"dataset": "folder"}, "say which with --data-dir PATH"),
    "absent data": ({"dataset": "folder", "data_dir": "/no/such"}, "data_dir does not exist: /no/such"),
    "data for an embedded set": ({"data_dir": "/tmp"}, "is built in and reads no data_dir"),
    "file for a folder": ({"dataset": "folder", "data_dir": __file__}, "reads a folder. Received a file"),
    "folder for a file": ({"dataset": "npz", "data_dir": "/tmp"}, "reads a file. Received a folder"),
    "csv without target": ({"dataset": "csv", "data_dir": __file__, "model": "mlp_classifier"}, "--target COLUMN"),
    "target without csv": ({"target": "x"}, "names a column of --dataset csv"),
    "image size without folder": ({"image_size": (64, 64)}, "image_size belong to --dataset folder"),
    "tiny images": ({"dataset": "folder", "data_dir": "/tmp", "image_size": (4, 64)}, "at least 8 pixels"),
    "augmented table": ({"model": "mlp_classifier", "dataset": "breast_cancer", "flip": "both"}, "is for images"),
    "no epochs": ({"epochs": 0}, "epochs must be at least 1. Received: epochs=0."),
    "batch": ({"batch_size": -1}, "batch_size must be at least 1"),
    "patience": ({"patience": -1}, "patience must be 0"),
    "shift": (
        {"shift": 1.5},
        "shift must be a fraction between 0 and 0.9, or whole pixels from 1 upwards. Received: shift=1.5.",
    ),
    "rotation": ({"rotation": 270.0}, "between 0 and 180 degrees"),
    "momentum": ({"optimizer": "sgd", "momentum": 1.0}, "at least 0 and below 1"),
    "momentum of adam": ({"momentum": 0.9}, "momentum belongs to sgd, rmsprop and muon"),
    "nesterov": ({"optimizer": "sgd", "nesterov": True}, "nesterov needs sgd or muon with momentum"),
    "seed": ({"seed": -1}, "seed must be between 0"),
    "fraction": ({"validation_fraction": 0.0}, "must lie between 0 and 1"),
    "fractions": ({"validation_fraction": 0.5, "test_fraction": 0.5}, "must leave something to train on"),
    "rate": ({"learning_rate": 0.0}, "learning_rate must be positive"),
    "nan rate": ({"learning_rate": float("nan")}, "learning_rate must be positive"),
    "warmup alone": (
        {"warmup": 0.1},
        "warmup belongs to --schedule cosine, one_cycle or triangle. Received: schedule=constant, warmup=0.1.",
    ),
    "warmup": (
        {"schedule": "cosine", "warmup": 1.0},
        "warmup must be at least 0 and below 1. Received: warmup=1.0.",
    ),
    "decay": ({"weight_decay": -0.1}, "weight_decay must be 0 or more. Received: weight_decay=-0.1."),
    "clip": ({"gradient_clip": 0.0}, "gradient_clip must be positive. Received: gradient_clip=0.0."),
    "infinite clip": ({"gradient_clip": float("inf")}, "gradient_clip must be positive. Received: gradient_clip=inf."),
    "average": ({"ema": 1.0}, "ema must be between 0 and 1, such as 0.99. Received: ema=1.0."),
    "smoothing": (
        {"label_smoothing": 0.5},
        "label_smoothing must be at least 0 and below 0.5. Received: label_smoothing=0.5.",
    ),
    "smoothing of regression": (
        {"model": "mlp_regressor", "dataset": "diabetes", "label_smoothing": 0.1},
        "label_smoothing needs classes; mlp_regressor does regression.",
    ),
    "accuracy of regression": (
        {"model": "mlp_regressor", "dataset": "diabetes", "monitor": "val_accuracy"},
        "has no val_accuracy",
    ),
    "weights of regression": (
        {"model": "mlp_regressor", "dataset": "diabetes", "class_weight": "balanced"},
        "class_weight needs classes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_setting_is_refused_in_one_line(case):
    settings, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**settings)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_is_proposed_only_where_it_fits():
    with pytest.raises(ConfigError) as caught:
        TrainConfig(model="mlp_regressor")
    proposed = str(caught.value).split("Choose another model for digits: ")[1].rstrip(".").split(", ")
    for name in proposed:
        TrainConfig(model=name)
    assert "logistic_regression" not in proposed


def test_the_record_reads_back_exactly(tmp_path):
    config = TrainConfig(
        dataset="folder",
        data_dir=str(tmp_path),
        image_size=(64, 48),
        learning_rate=1e-5,
        hyperparameters={"filters": [4, 8], "dropout_rate": 0.0},
        positive="Bösartig: #1",
    )
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert from_yaml(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", "cannot be read as settings"),
        ("- a", "one setting a line"),
        ("modle: x", "modle"),
        ("epochs: x", "epochs: expected a whole number"),
        ("seed: null", "seed: expected"),
        ("image_size: [64]", "image_size: expected"),
    ],
)
def test_a_torn_or_foreign_record_is_refused(tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        from_yaml(tmp_path / "config.yaml")
