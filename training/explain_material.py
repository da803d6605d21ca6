"""What the page of `make explain` is made of: a run's model, images of one split, and filters of saved epochs."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import numpy as np

from evaluation.embedding import choose
from training.checks import ConfigError
from training.datasets.dataset import Dataset, Split
from training.run import Run

if TYPE_CHECKING:
    from evaluation.explain.page.material import Material
    from training.explain import ExplainConfig


def material_of(config: ExplainConfig, run: Run, data: Dataset) -> Material:
    """Model and images of a run, checked.

    Args:
        config: Which images, and how they are explained.
        run: The run; its model is whole.
        data: What it was trained on.

    Raises:
        ConfigError: The settings name an image or a class that does not exist.
        ExplainError: The model has no convolution, or there is no such layer or method.
    """
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
    from evaluation.explain.filters import first_filters
    from training.checkpoint import load_model

    paths = sorted(run.snapshots.glob("epoch-*.weights.h5"))
    twin, stages = load_model(run.model) if paths else None, []
    for path in paths:
        try:
            twin.load_weights(path)  # type: ignore[union-attr]
            stages.append((f"epoch {int(path.name.split('.')[0].removeprefix('epoch-'))}", first_filters(twin)))
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
