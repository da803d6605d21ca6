"""`python -m training.explain RUN`: one page that shows what the network of a run has learned and how it decides."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluation.command import parse_config, run_main
from evaluation.embedding import EmbeddingError
from evaluation.explain.errors import ExplainError
from evaluation.files import sha256
from models.catalog import CATALOG
from training import datasets
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.datasets.dataset import DataError, Dataset
from training.explain_folder import SCHEMA, ExplainFolder
from training.explain_material import material_of
from training.results import relative
from training.run import Run, RunError, open_run
from training.startup import import_tensorflow

if TYPE_CHECKING:
    from evaluation.explain.page.material import Material

DESCRIPTION = "Writes RUN/explain/index.html: what each layer sees, what decided, whether that is true, how it breaks."


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Which run is explained, and by which images. Parts that stand already are not computed again.

    Attributes:
        run: The run directory, of training or of transfer.
        data_dir: Where the run's data is now, if it has moved.
        split: Whose images are shown; validation keeps the test set for the report.
        layer: Name of the layer whose maps and features are shown; default: the last feature map.
        methods: Such as grad_cam,saliency; default: those that suit the model.
        images: Ids of the images to explain, as in splits.csv; default: right and wrong ones are chosen.
        class_name: The class to explain in every image; default: the one that is predicted.
        max_images: At most so many images of the split pass through the network.
        cases: Right cases shown, and as many wrong ones.
        units: Units of each layer whose patches are shown.
        budget: Minutes after which no further part is begun (one always is); run it again to go on.
        seed: Of every choice.
    """

    run: str
    data_dir: str | None = None
    split: Literal["validation", "test", "train"] = "validation"
    layer: str | None = None
    methods: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    class_name: str | None = None
    max_images: int = 2000
    cases: int = 4
    units: int = 6
    budget: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("max_images", 10), ("cases", 1), ("units", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}. Received: {name}={getattr(self, name)}.")
        if not (self.budget > 0 and math.isfinite(self.budget)):
            raise ConfigError(f"budget must be a positive number of minutes. Received: budget={self.budget}.")


def explain_run(config: ExplainConfig) -> Path:
    """Writes `explain/` of a run, part by part, and renews its manifest.

    Args:
        config: Which run.

    Returns:
        The page.

    Raises:
        RunError: No run, no model, a changed file, or data that is not what the run was trained on.
        ConfigError: The run has no images or no classes, or the settings name what does not exist.
        ExplainError: The model has no convolution, or there is no such layer or method.
        DataError: The data cannot be read.
    """
    run = open_run(config.run)
    if not run.model.is_file():
        raise RunError(f"{run.path} holds no model.keras: the run ended before an epoch was saved. Train it again.")
    if warning := run.check(run.model):
        print(f"note: {warning}", file=sys.stderr)
    moved = {} if config.data_dir is None else {"data_dir": config.data_dir}
    settings = from_yaml(run.training_settings, **moved)
    data = _load(run, settings)
    with run.lock():
        import_tensorflow()
        material = material_of(config, run, data)
        try:
            return _write(config, _folder(config, run, material, settings), material)
        finally:
            run.write_manifest()


def _load(run: Run, settings: TrainConfig) -> Dataset:
    """The run's data, if it is a classifier of images and the data is what it was."""
    if CATALOG[settings.model].task != "classification" or "image" not in CATALOG[settings.model].kinds:
        raise ConfigError(f"{run.path.name} is no classifier of images ({settings.model}), so there is nothing to see.")
    data = datasets.load(settings, task="classification")
    if data.kind != "image":
        raise ConfigError(f"{run.path.name} was trained on a table ({data.name}); only models of images are explained.")
    expected = run.read_record().get("data", {}).get("digest")
    if expected != data.digest:
        raise RunError(
            f"the data is not what {run.path.name} was trained on: SHA-256 {data.digest[:12]}… where run.json has "
            f"{str(expected)[:12]}…. Point --data-dir to the data as it was, or train again."
        )
    return data


def _write(config: ExplainConfig, folder: ExplainFolder, material: Material) -> Path:
    """Makes the parts that are missing, one after the other, and the page after each."""
    from evaluation.explain.page.render import SECTIONS, build_section

    done, left, start, begun = folder.kept(), [], time.monotonic(), 0.0
    for number, name in enumerate(SECTIONS, start=1):
        label = f"explain {number}/{len(SECTIONS)} {name}"
        if name in done:
            print(f"{label}: kept", flush=True)
        elif begun and time.monotonic() - start > 60 * config.budget:
            left.append(name)
        else:
            begun = time.monotonic()
            done[name] = build_section(name, material)
            folder.save(done)
            print(f"{label}: {done[name].absent or f'{time.monotonic() - begun:.0f} s'}", flush=True)
    if left:
        print(f"left out, {config.budget:g} minutes are over; run it again to go on: {', '.join(left)}", flush=True)
    folder.save(done)
    return folder.page


def _folder(config: ExplainConfig, run: Run, material: Material, settings: TrainConfig) -> ExplainFolder:
    """Where the page goes, and what it is made of."""
    made_of = (sha256(run.model), config.split, config.max_images, material.settings, len(material.stages))
    parts = (SCHEMA, *made_of, material.ids, run.read_record()["data"]["digest"])
    return ExplainFolder(
        path=run.path / "explain",
        key=hashlib.sha256(repr(parts).encode()).hexdigest(),
        title=f"What {run.path.name} has learned",
        subtitle=f"{material.tapped.model.name}, seen through {len(material.y):,} {config.split} images.",
        details=dict(_details(config, run, material, settings)),
    )


def trained_on(split: str, settings: TrainConfig) -> bool:
    """Whether the network learned from the images of this split: a final fit also did from those of validation."""
    return split == "train" or (split == "validation" and settings.final_fit)


def _details(config: ExplainConfig, run: Run, material: Material, settings: TrainConfig) -> Iterator[tuple[str, str]]:
    """What was explained, and with what."""
    record: dict[str, Any] = run.read_record()
    yield "run", run.path.name
    yield "model", f"{material.tapped.model.name}, {material.tapped.model.count_params():,} parameters"
    yield "model.keras SHA-256", sha256(run.model)
    yield "data SHA-256", str(record["data"]["digest"])
    trained = " (the model was trained on them)" if trained_on(config.split, settings) else ""
    yield "images", f"{len(material.y):,} of the {config.split} split{trained}, drawn by seed {config.seed}"
    yield "layer of maps", material.tapped.find(config.layer).path
    yield "class explained", config.class_name or "the one predicted for each image"


def main() -> int:
    config = parse_config(
        ExplainConfig, sys.argv[1:], prog="python -m training.explain", description=DESCRIPTION, positional="run"
    )
    page = explain_run(config)
    print(f"\npage: {relative(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError, ExplainError, EmbeddingError)))
