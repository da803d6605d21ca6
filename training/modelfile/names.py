"""The classes and functions that a model file may name: those of Keras that image models are made of, and no other."""

from __future__ import annotations

import re
from typing import Any

from training.modelfile.refusal import refuse, shown

RUNS = "runs code that the file brings along"
READS = "reads files of this computer"
DANGEROUS = {
    "Lambda": RUNS,
    "__lambda__": RUNS,
    "TFSMLayer": "runs a program that lies elsewhere on the disk",
    "TorchModuleWrapper": RUNS,
    "JaxLayer": RUNS,
    "FlaxLayer": RUNS,
    "StringLookup": READS,
    "IntegerLookup": READS,
    "TextVectorization": READS,
    "get_file": "downloads files",
    "enable_unsafe_deserialization": "switches Keras' protection off",
}
# What reads files, calls other code or loops as often as the file says is left out, and so is what is no image's.
_LAYERS = """
    InputLayer Identity Masking Activation ReLU LeakyReLU PReLU ELU Softmax Dense EinsumDense Embedding Conv1D Conv2D
    Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D
    SeparableConv2D MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization
    Normalization Discretization Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout
    GaussianNoise AlphaDropout ActivityRegularization Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    Flatten Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D
    ZeroPadding1D ZeroPadding2D ZeroPadding3D Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
    Rescaling Resizing CenterCrop RandomCrop RandomFlip RandomRotation RandomZoom
    RandomTranslation RandomContrast RandomBrightness RandomErasing RandomShear RandomSaturation RandomHue
    RandomGrayscale RandomColorJitter RandomColorDegeneration RandomPosterization RandomSharpness RandomInvert
    RandomGaussianBlur RandomPerspective AutoContrast Solarization MixUp CutMix RandAugment AugMix
"""
_OPERATIONS = """
    Add Subtract Multiply TrueDivide Divide Negative Power Absolute Square Sqrt Exp Log Clip Maximum Minimum Mean Max
    Min Sum GetItem Reshape Transpose Concatenate Stack Squeeze ExpandDims Flip
"""
BY_NAME = {
    "keras": frozenset({"Sequential", "Model", "DTypePolicy"}),
    "keras.models": frozenset({"Sequential", "Model"}),
    "keras.dtype_policies": frozenset({"DTypePolicy"}),
    "keras.layers": frozenset(_LAYERS.split()),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    "keras.src.ops.numpy": frozenset(_OPERATIONS.split()),
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.ops.nn": frozenset({"Relu", "Relu6", "Sigmoid", "Silu", "HardSigmoid", "HardSilu", "Gelu", "Softmax"}),
}
TRAINING_PARTS = ("optimizers", "losses", "metrics")
PARTS = ("initializers", "regularizers", "constraints", "activations", *TRAINING_PARTS)
TRAINING = frozenset({f"keras.{part}" for part in TRAINING_PARTS} | {"keras.optimizers.schedules"})
WHOLE = frozenset(f"keras.{part}" for part in PARTS) | TRAINING
# this project's optimizers and schedules, registered with Keras
OWN_MODULES = ("training.rates", "training.schedules", "training.muon")
OWN_FUNCTIONS = ("smoothed_crossentropy",)
MODELS = ("Sequential", "Functional", "Model")


def check_name(entry: dict[str, Any], *, training: bool = False) -> None:
    """Refuses an object of the config unless Keras is known to write it for an image model.

    Args:
        entry: A dictionary of the config with `class_name`, `module` or `registered_name`.
        training: Whether it stands in the settings of training, which Keras does not read here. Elsewhere a metric
            would be made while the graph is read, at any size.
    """
    module, name, registered = entry.get("module"), entry.get("class_name"), entry.get("registered_name")
    if name == "function":
        name = entry.get("config")
    for word in (name, registered):
        plain = word.rpartition(">")[2] if isinstance(word, str) else ""
        if plain in DANGEROUS:
            refuse(f"its config names {shown(word)}, which {DANGEROUS[plain]}", "layers of images only")
    texts = isinstance(name, str) and isinstance(module, str) and isinstance(registered, str | None)
    misplaced = module in (*TRAINING, *OWN_MODULES) and not training
    if not texts or misplaced or not _known(entry, module, name, registered):
        refuse(f"its config names {_written(entry)}", "only Keras' own layers for images and what belongs to them")


def _known(entry: dict[str, Any], module: Any, name: Any, registered: Any) -> bool:
    """Whether the name stands in the tables, and is looked up in Keras and not among registered classes."""
    if entry["class_name"] == "function":
        return module == "builtins" and registered in (None, "function", name) and _is_function(name)
    if module in OWN_MODULES:
        return registered == f"groundwork>{name}" and name.isidentifier()
    if registered not in (None, name):
        return False
    if module in WHOLE:
        return re.fullmatch("[A-Z][A-Za-z0-9]*", name) is not None
    return name in BY_NAME.get(module, ())


def _is_function(name: str) -> bool:
    """Whether Keras has an activation, loss, metric, … of that name, which is what it looks up."""
    import keras

    if name in ("get", "serialize", "deserialize") or not re.fullmatch("[a-z_0-9]+", name):
        return False
    return name in OWN_FUNCTIONS or any(callable(getattr(getattr(keras, part), name, None)) for part in PARTS)


def _written(entry: dict[str, Any]) -> str:
    """An object's three names, as they stand in the file."""
    names = {key: entry[key] for key in ("module", "class_name", "registered_name") if entry.get(key) is not None}
    if entry.get("class_name") == "function":
        names["function"] = entry.get("config")
    return ", ".join(f"{key} {shown(value)}" for key, value in names.items()) or "no name"
