"""A trained model as its user needs it: the network, its classes, how a file becomes its input, when it says yes.

The commands that take a run away (predict, export, demo) all begin here.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.checks import ConfigError
from training.datasets.decode import DecodeSettings
from training.datasets.text import printable
from training.run import Run, RunError, open_run

if TYPE_CHECKING:
    import keras

DEFAULT_WORDS = "0.5 is the default; no report names another."


@dataclass(frozen=True)
class OperatingPoint:
    """Two classes: from which score on an example is called positive, and who said so.

    Attributes:
        threshold: Score of the positive class, 0…1; infinite where nothing is called positive.
        why: A sentence of the report, such as `Highest Youden's J on the validation examples`.
    """

    threshold: float = 0.5
    why: str = DEFAULT_WORDS


@dataclass(frozen=True)
class Trained:
    """What predicts.

    Attributes:
        model: Takes raw pixels 0…255, shape `(n, height, width, channels)`; ends in `probabilities`.
        scores: From raw pixels of a batch, any dtype, to float64 scores `(n, K)`, rows summing to 1.
        name: Of the run, or of the file.
        path: The `.keras` file.
        class_names: The K classes, in the order of the scores. Two: (negative, positive).
        decode: How an image file becomes the model's input.
        point: Two classes: the operating point of the run. None for more.
        run: The run; None for a file from elsewhere.
    """

    model: keras.Model
    scores: Callable[[np.ndarray], np.ndarray]
    name: str
    path: Path
    class_names: tuple[str, ...]
    decode: DecodeSettings
    point: OperatingPoint | None
    run: Run | None = None

    @property
    def positive(self) -> str | None:
        """The class that two classes are about."""
        return self.class_names[1] if len(self.class_names) == 2 else None

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Index of the predicted class of each row: at the operating point, or the highest score."""
        if self.point is not None:
            return (scores[:, 1] >= self.point.threshold).astype(np.int64)
        return scores.argmax(axis=1)


def open_trained(run: str | None, model_file: str | None = None, *, trust: bool = False) -> Trained:
    """Loads the model of a run, or a model file from elsewhere, the safe way.

    Args:
        run: The run directory.
        model_file: A `.keras` file instead; needs `trust`.
        trust: The user vouches for the origin of `model_file`. It is inspected and loaded in safe mode all the same.

    Raises:
        ConfigError: Both or neither is given, no trust, or the model does not classify images.
        RunError: No such run or file, a changed or hostile file.
    """
    if (run is None) == (model_file is None):
        raise ConfigError("name either a run (RUN=runs/train/…) or a model file (--model-file x.keras --trust).")
    return _of_run(open_run(run)) if run is not None else _of_file(Path(str(model_file)).expanduser(), trust)


def _of_run(run: Run) -> Trained:
    if not run.model.is_file():
        raise RunError(f"{run.path} holds no model.keras: the run ended before an epoch was saved. Train it again.")
    if warning := run.check(run.model):
        print(f"note: {warning}", file=sys.stderr)
    return _trained(run.model, run.path.absolute().name, run)


def _of_file(path: Path, trust: bool) -> Trained:
    if not path.is_file():
        raise RunError(f"There is no model file at {path}.")
    if not trust:
        raise ConfigError(
            f"{path} belongs to no run of yours, and a model can carry an attack. If you know where it comes from, say "
            "--trust; it is inspected and loaded in safe mode all the same."
        )
    return _trained(path, path.stem, None)


def _trained(path: Path, name: str, run: Run | None) -> Trained:
    from training.checkpoint import load_model, read_metadata
    from training.predictions import batch_scorer

    model = load_model(path)
    metadata = _checked(read_metadata(path), name)
    shape = model.inputs[0].shape[1:] if len(model.inputs) == 1 else ()
    if len(shape) != 3 or None in shape or metadata.get("kind", "image") != "image":
        raise ConfigError(
            f"{name} takes no images of a fixed size (input {list(shape)}), so files cannot be its input."
        )
    names = _class_names(metadata, model, name)
    return Trained(
        model=model,
        scores=batch_scorer(model),
        name=name,
        path=path,
        class_names=names,
        decode=_decode_settings(metadata.get("settings") or {}, shape, name),
        point=_operating_point(run) if len(names) == 2 else None,
        run=run,
    )


def _checked(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    """Metadata of the kinds that this project writes; a file from elsewhere could hold anything."""
    for key, kind in (("class_names", list), ("settings", dict)):
        if not isinstance(metadata.get(key) or kind(), kind):
            raise ConfigError(f"{name} holds {key} that are not of this project: {printable(metadata[key])[:80]}.")
    return metadata


def _class_names(metadata: Mapping[str, Any], model: keras.Model, name: str) -> tuple[str, ...]:
    """Names of the classes, the positive one last of two; `class 0`, … for a file that names none."""
    units = model.outputs[0].shape[-1] if len(model.outputs) == 1 and len(model.outputs[0].shape) == 2 else 0
    count = 2 if units == 1 else units
    names = tuple(str(item) for item in metadata.get("class_names") or [f"class {i}" for i in range(count)])
    if model.layers[-1].name == "output" or count < 2 or len(names) != count:
        raise ConfigError(f"{name} is no classifier that can be used here: {units} outputs, {len(names)} class names.")
    positive = metadata.get("positive")
    if count == 2 and positive in names and names[1] != positive:
        raise ConfigError(
            f"{name} names {printable(positive)} as its positive class, but scores {printable(names[1])}."
        )
    return names


def _decode_settings(settings: Mapping[str, Any], shape: tuple[int, ...], name: str) -> DecodeSettings:
    """How files become the input; the model's own shape decides about size and colour."""
    if shape[2] not in (1, 3):
        raise ConfigError(f"{name} takes {shape[2]} channels; image files have 1 or 3.")
    return DecodeSettings(
        image_size=(int(shape[0]), int(shape[1])),
        resize=settings.get("resize", "crop"),
        color_mode="rgb" if shape[2] == 3 else "grayscale",
    )


def _operating_point(run: Run | None) -> OperatingPoint:
    """The one that the run's report uses, whoever chose it."""
    try:
        report = json.loads((run.report / "report.json").read_text(encoding="utf-8")) if run else {}
        found = next(iter(report["splits"].values()))["operating_point"]
        threshold = math.inf if found["threshold"] is None else float(found["threshold"])
        return OperatingPoint(threshold, str(found["why"]))
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return OperatingPoint()
