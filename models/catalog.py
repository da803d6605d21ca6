"""Names and kinds of all factories, without Keras: `--help` and early checks read this.

A test keeps this table and `models.FACTORIES` equal.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEntry:
    """What can be said of a factory before Keras is imported.

    Attributes:
        summary: One line for `--help`.
        kinds: Inputs that it takes: `"image"` (height, width, channels), `"table"` (features,).
        task: `"classification"` or `"regression"`.
        max_classes: 2 where it separates two classes only.
        gradient: False where no gradient reaches the weights (the perceptron's step).
        min_size: Smallest height and width of an image.
        from_file: Whether it goes on with a network from a file, which the setting `start` names.
    """

    summary: str
    kinds: tuple[str, ...] = ("image", "table")
    task: str = "classification"
    max_classes: int | None = None
    gradient: bool = True
    min_size: int = 1
    from_file: bool = False


IMAGE = ("image",)
CATALOG: dict[str, ModelEntry] = {
    "perceptron": ModelEntry("one unit with a step, two classes", max_classes=2, gradient=False),
    "logistic_regression": ModelEntry("one unit with a sigmoid, two classes", max_classes=2),
    "softmax_regression": ModelEntry("one linear layer with a softmax"),
    "linear_regression": ModelEntry("one linear layer for a number", task="regression"),
    "mlp_classifier": ModelEntry("hidden layers for classes"),
    "mlp_regressor": ModelEntry("hidden layers for a number", task="regression"),
    "mnist_mlp": ModelEntry("the notes' 512-512 network: 669,706 parameters on 28×28×1", IMAGE),
    "cifar_mlp": ModelEntry("the notes' 1000-512 network: 3,590,642 parameters on 32×32×3", IMAGE),
    "cifar_cnn": ModelEntry("the notes' CNN, Sequential: 528,054 parameters on 32×32×3", IMAGE, min_size=8),
    "cifar_cnn_functional": ModelEntry("the same graph by the functional API", IMAGE, min_size=8),
    "gap_cnn": ModelEntry("convolutions, global average pooling, one Dense: class activation maps", IMAGE, min_size=4),
    "dog_cnn": ModelEntry("the notes' dog-breed CNN: 19,189 parameters at 133 classes", IMAGE, min_size=15),
    "cifar_speed": ModelEntry("the network of CIFAR-10 speed records: 1,973,944 parameters", IMAGE, min_size=25),
    "saved": ModelEntry("a network that was trained before, from a file: --start FILE.keras", from_file=True),
}
