"""`python -m training.explain RUN`: one page that shows what the network of a run has learned and how it decides."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.command import parse_config, run_main
from evaluation.embedding import EmbeddingError, choose
from evaluation.explain.errors import ExplainError
from evaluation.files import sha256, write_all
from models.catalog import CATALOG
from training import datasets
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml
from training.datasets.dataset import DataError, Dataset, Split
from training.results import relative
from training.run import Run, RunError, open_run
from training.startup import import_tensorflow

if TYPE_CHECKING:
    from evaluation.explain.page.content import PageSection
    from evaluation.explain.page.material import Material

DESCRIPTION = "Writes RUN/explain/index.html: what each layer sees, what decided, whether that is true, how it breaks."
SCHEMA = 1


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
        budget: Minutes after which no further part is begun; run it again to go on.
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
        material = _material(config, run, data)
        try:
            return _write(config, run, material)
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


def _material(config: ExplainConfig, run: Run, data: Dataset) -> Material:
    """Model and images, checked."""
    from evaluation.explain import tap
    from evaluation.explain.page.material import Material, PageSettings, check_material
    from training.checkpoint import load_model

    split = data.splits[config.split]
    named = _named_rows(config, split)
    rows = np.union1d(choose(split.y, config.max_images, config.seed), named).astype(np.intp)
    settings = PageSettings(
        layer=config.layer,
        methods=config.methods or (),
        class_index=_class_index(config, data),
        rows=tuple(int(row) for row in np.searchsorted(rows, named)),
        cases=config.cases,
        units=config.units,
        seed=config.seed,
    )
    model = load_model(run.model)
    material = Material(
        tapped=tap(model),
        images=_Rows(split, rows),
        y=split.y[rows],
        ids=[str(example) for example in split.ids[rows]],
        class_names=data.class_names,
        split=config.split,
        settings=settings,
    )
    check_material(material)
    return _with_stages(material, run)


def _with_stages(material: Material, run: Run) -> Material:
    """The same with the first filters of every epoch whose weights were kept; one that cannot be read is left out."""
    import dataclasses

    from evaluation.explain.filters import first_filters
    from training.checkpoint import load_model

    paths = sorted(run.snapshots.glob("epoch-*.weights.h5"))
    twin, stages = load_model(run.model) if paths else None, []
    for path in paths:
        try:
            twin.load_weights(path)  # type: ignore[union-attr]
            stages.append((f"epoch {int(path.name[6:9])}", first_filters(twin)))
        except (OSError, ValueError, KeyError) as error:
            print(f"note: {path.name} is left out: {' '.join(str(error).split())[:120]}", file=sys.stderr)
    return dataclasses.replace(material, stages=tuple(stages))


class _Rows:
    """Some rows of a split's images, read when they are asked for."""

    def __init__(self, split: Split, rows: np.ndarray):
        self._x, self._rows = split.x, rows
        self.shape = (len(rows), *split.x.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return self._x[self._rows[np.asarray(index)]]


def _named_rows(config: ExplainConfig, split: Split) -> np.ndarray:
    """Rows of the images that the settings name."""
    places = {str(example): row for row, example in enumerate(split.ids)}
    unknown = [name for name in config.images or () if name not in places]
    if unknown:
        raise ConfigError(
            f"images must be ids of the {config.split} split, as in splits.csv, such as {next(iter(places), '–')}. "
            f"Received: {unknown[0]}."
        )
    return np.array([places[name] for name in config.images or ()], dtype=np.intp)


def _class_index(config: ExplainConfig, data: Dataset) -> int | None:
    """The number of the class that the settings name."""
    if config.class_name is None:
        return None
    if config.class_name not in data.class_names:
        raise ConfigError(f"class_name must be one of {', '.join(data.class_names)}. Received: {config.class_name}.")
    return data.class_names.index(config.class_name)


def _write(config: ExplainConfig, run: Run, material: Material) -> Path:
    """Makes the parts that are missing, one after the other, and the page after each."""
    from evaluation.explain.page.render import SECTIONS, build_section

    folder, key, start = run.path / "explain", _key(config, run, material), time.monotonic()
    done = _kept(folder, key)
    for number, name in enumerate(SECTIONS, start=1):
        label = f"explain {number}/{len(SECTIONS)} {name}"
        if name in done:
            print(f"{label}: kept", flush=True)
        elif time.monotonic() - start > 60 * config.budget:
            print(f"{label}: left out, {config.budget:g} minutes are over; run it again to go on", flush=True)
        else:
            begun = time.monotonic()
            done[name] = build_section(name, material)
            _save(config, run, material, key, [done[one] for one in SECTIONS if one in done])
            print(f"{label}: {done[name].absent or f'{time.monotonic() - begun:.0f} s'}", flush=True)
    _save(config, run, material, key, [done[one] for one in SECTIONS if one in done])
    _remove_old(folder)
    return folder / "index.html"


def _key(config: ExplainConfig, run: Run, material: Material) -> str:
    """Tells whether parts that stand were made of the same model, images and settings."""
    parts = (SCHEMA, sha256(run.model), config.split, config.max_images, material.settings, len(material.stages))
    return hashlib.sha256(repr((parts, material.ids, run.read_record()["data"]["digest"])).encode()).hexdigest()


def _kept(folder: Path, key: str) -> dict[str, PageSection]:
    """The parts that stand and are whole, by name."""
    from evaluation.explain.page.content import section_from

    found: dict[str, PageSection] = {}
    try:
        data = json.loads((folder / "explain.json").read_text(encoding="utf-8"))
        entries = data["sections"] if data["key"] == key else []
    except (OSError, ValueError, KeyError, TypeError):
        return found
    for entry in entries:
        try:
            files = {one["file"]: (folder / one["file"]).read_bytes() for one in entry["figures"]}
            found[entry["name"]] = section_from(entry, files)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # torn: it is made again
    return found


def _save(config: ExplainConfig, run: Run, material: Material, key: str, sections: Sequence[PageSection]) -> None:
    """Pictures, explain.json and the page, whole or not at all."""
    from evaluation.explain.page.content import section_json
    from evaluation.explain.page.render import SECTIONS, render_page

    entries: list[dict[str, Any]] = []
    files: dict[str, bytes | str] = {}
    for section in sections:
        entry, pictures = section_json(section)
        entries.append(entry)
        files |= pictures
    missing = [name for name in SECTIONS if name not in {one.name for one in sections}]
    details = dict(_details(config, run, material))
    if missing:
        details["not made yet"] = ", ".join(missing)
    title = f"What {run.path.name} has learned"
    subtitle = f"{material.tapped.model.name}, seen through {len(material.y):,} {config.split} images."
    record = {"schema": SCHEMA, "key": key, "details": details, "missing": missing, "sections": entries}
    files["explain.json"] = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files["index.html"] = render_page(title, subtitle, sections, details)
    write_all(run.path / "explain", files)


def _details(config: ExplainConfig, run: Run, material: Material) -> Iterator[tuple[str, str]]:
    """What was explained, and with what."""
    record: dict[str, Any] = run.read_record()
    yield "run", run.path.name
    yield "model", f"{material.tapped.model.name}, {material.tapped.model.count_params():,} parameters"
    yield "model.keras SHA-256", sha256(run.model)
    yield "data SHA-256", str(record["data"]["digest"])
    trained = " (the model was trained on them)" if config.split == "train" else ""
    yield "images", f"{len(material.y):,} of the {config.split} split{trained}, drawn by seed {config.seed}"
    yield "layer of maps", material.tapped.find(config.layer).path
    yield "class explained", config.class_name or "the one predicted for each image"


def _remove_old(folder: Path) -> None:
    """Removes pictures that no part shows any more."""
    data = json.loads((folder / "explain.json").read_text(encoding="utf-8"))
    shown = {one["file"] for entry in data["sections"] for one in entry["figures"]}
    for path in (folder / "figures").glob("*"):
        if f"figures/{path.name}" not in shown:
            path.unlink(missing_ok=True)


def main() -> int:
    config = parse_config(
        ExplainConfig, sys.argv[1:], prog="python -m training.explain", description=DESCRIPTION, positional="run"
    )
    page = explain_run(config)
    print(f"\npage: {relative(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError, ExplainError, EmbeddingError)))
