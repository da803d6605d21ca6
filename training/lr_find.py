"""`python -m training.lr_find`: proposes a learning rate by a range test. `make lr-find` forwards to it."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.config import TrainConfig, to_yaml
from training.datasets.dataset import DataError
from training.results import relative
from training.run import Run, RunError, environment, new_run
from training.startup import import_tensorflow

if TYPE_CHECKING:
    from training.range_test import RangeTest

DESCRIPTION = "Raises the learning rate from step to step until the loss diverges, and proposes a rate."
RULE = "a third of the rate at the bottom of the smoothed loss"

SMALLEST, LARGEST = 1e-12, 1e6
OWN_SCHEDULE: dict[str, Any] = {  # the range is the schedule, whatever that of the settings is
    "schedule": "constant",
    "warmup": None,
    "rate_start": TrainConfig.rate_start,
    "rate_end": TrainConfig.rate_end,
}


@dataclass(frozen=True)
class LearningRateConfig(TrainConfig):
    __doc__ = (TrainConfig.__doc__ or "") + (
        "    lowest: Learning rate of the first step.\n"
        "    highest: Learning rate of the last step, unless the loss diverges before.\n"
        "    steps: Steps from the lowest to the highest rate.\n"
    )
    lowest: float = 1e-6
    highest: float = 10.0
    steps: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not SMALLEST <= self.lowest < self.highest <= LARGEST:
            raise ConfigError(
                f"lowest and highest must be rates between {SMALLEST:g} and {LARGEST:g}, in this order. "
                f"Received: lowest={self.lowest:g}, highest={self.highest:g}."
            )
        if self.steps < 20:
            raise ConfigError(f"steps must be at least 20, or the curve shows nothing. Received: steps={self.steps}.")

    @property
    def training(self) -> TrainConfig:
        """The settings of the run that the rate is sought for."""
        return TrainConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(TrainConfig)})


def find(config: LearningRateConfig) -> tuple[Run, RangeTest]:
    """Makes a range test on the training split and writes `runs/lr-find/<model>-<dataset>-NNN`.

    Args:
        config: Settings of the run to come, and the range. Schedule and learning rate are replaced by the range.

    Returns:
        The directory, which holds lr.csv, curve.png, run.json and, where there is a proposal, train.yaml: the same
        settings with the proposed rate. And the test itself.

    Raises:
        ConfigError: The settings do not fit the factory or the data.
        DataError: The data cannot be used.
    """
    from training.pipeline import batches, errors_in_words
    from training.prepare import class_weights, prepare
    from training.range_test import range_test
    from training.train import load_data

    settings = dataclasses.replace(config.training, **OWN_SCHEDULE, steps_per_execution=1)
    data = load_data(settings)
    model, _, plan = prepare(settings, data)
    training = batches(
        data.train,
        batch_size=plan.batch_size,
        shuffle_seed=config.seed,
        augmentation=plan.augmentation,
        class_weights=class_weights(config, data.train, data.num_classes),
    )
    bar = config.verbose == "bar" or (config.verbose == "auto" and sys.stdout.isatty())
    with errors_in_words():
        result = range_test(
            model, training, lowest=config.lowest, highest=config.highest, steps=config.steps, verbose=int(bar)
        )
    run = new_run(config.runs_dir, "lr-find", config.model, config.dataset)
    _write(run, config, result, {"digest": data.digest}, {"batch_size": plan.batch_size, "precision": plan.policy})
    return run, result


def _write(run: Run, config: LearningRateConfig, result: RangeTest, data: dict, resolved: dict) -> None:
    from training.range_test import draw

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("step", "learning_rate", "loss", "smoothed_loss"))
    columns = (result.rates.tolist(), result.losses.tolist(), result.smoothed.tolist())
    writer.writerows((step, *row) for step, row in enumerate(zip(*columns, strict=True), 1))
    write_atomically(run.path / "lr.csv", text.getvalue())
    if len(result.losses):
        draw(result, run.path / "curve.png", title=f"{config.model} on {config.dataset}, {config.optimizer}")
    if result.proposal is not None:
        chosen = dataclasses.replace(config.training, learning_rate=result.proposal)
        write_atomically(run.path / "train.yaml", to_yaml(chosen))
    run.update_record(
        **environment(),
        settings=dataclasses.asdict(config),
        data=data,
        resolved=resolved,
        proposal=result.proposal,
        rule=RULE,
        ended=result.ended,
    )
    run.write_manifest()


def describe(run: Run, result: RangeTest) -> str:
    """What the user reads: why it ended, the proposal, and how to use it."""
    lines = [f"range test: {len(result.rates)} steps; {result.ended}"]
    if result.proposal is None:
        lines.append("no proposal: the loss never fell. Try a higher --highest, a lower --lowest, or more --steps.")
    else:
        lines.append(f"proposed learning rate: {result.proposal:g}, {RULE}")
        if result.smoothed.argmin() == len(result.smoothed) - 1:
            lines.append("note: the loss was still falling at the end; a higher --highest may show a better rate.")
        lines.append(f"use it: make train CONFIG={relative(run.path / 'train.yaml')}")
    if len(result.losses):
        lines.append(f"curve: {relative(run.path / 'curve.png')}")
    return "\n".join(lines)


def main() -> int:
    config = parse_config(LearningRateConfig, sys.argv[1:], prog="python -m training.lr_find", description=DESCRIPTION)
    import_tensorflow()
    run, result = find(config)
    print(describe(run, result))
    return 0 if result.proposal is not None else 1


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError)))
