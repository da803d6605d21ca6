"""Predicts files with a trained run: one call from settings to result."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from evaluation.files import sha256
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.datasets.text import counted, printable
from training.predict.inputs import Inputs, find_inputs
from training.predict.journal import BEGUN, Begun, Journal
from training.results import relative
from training.run import RunError, new_run
from training.trained import Trained, open_trained
from training.words import in_words

if TYPE_CHECKING:
    from evaluation.report import Report
    from training.predict.stream import Scored

NAMED = 5  # bad files shown on the screen
LINE_SECONDS = 20.0  # between two lines of progress where there is no terminal


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Which model looks at which files.

    Attributes:
        run: The run directory.
        images: Folders, files or patterns such as photos/*.jpg; folders named as classes give the truth.
        model_file: A .keras file from elsewhere instead of a run; needs trust.
        trust: You vouch for the origin of model_file.
        labels: auto takes the truth from class folders and ends in a report; none ignores them.
        on_bad: skip names files that cannot be read and leaves them out; fail refuses to go on.
        batch_size: Images at once; None keeps the input within 64 MiB.
        top_k: Classes shown for each image.
        show: Images shown on the screen.
        output: The file of predictions; None: predictions.csv in a new folder runs_dir/predict/….
        resume: The folder of a prediction that was cut, or auto for the newest one.
        runs_dir: Folder of runs.
    """

    run: str | None = None
    images: tuple[Path, ...] = ()
    model_file: str | None = None
    trust: bool = False
    labels: Literal["auto", "none"] = "auto"
    on_bad: Literal["skip", "fail"] = "skip"
    batch_size: int | None = None
    top_k: int = 3
    show: int = 10
    output: str | None = None
    resume: str | None = None
    runs_dir: str = "runs"

    def __post_init__(self) -> None:
        for name, least in (("top_k", 1), ("show", 0), ("batch_size", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}. Received: {name}={value}.")
        if self.resume is None and not self.images:
            raise ConfigError("images must name folders, files or patterns (IMAGES=photos). Received: nothing.")


@dataclass(frozen=True)
class Prediction:
    """What came of it.

    Attributes:
        folder: Where the results stand.
        table: The file of predictions.
        bad: File → reason, for those that could not be read.
        report: Where the truth is known.
        lines: What a user reads about the scores.
    """

    folder: Path
    table: Path
    bad: dict[str, str]
    report: Report | None
    lines: list[str] = field(default_factory=list)


def predict_files(config: PredictConfig) -> Prediction:
    """Scores of every file, written as a file of predictions.

    Args:
        config: Which model, which files.

    Returns:
        The result. Files that cannot be read are left out and named.

    Raises:
        ConfigError, RunError: No such model, or one that does not take images.
        DataError: No files, none that can be read, or with `on_bad="fail"` one that cannot.
    """
    from training.predict.outcome import describe, report_on, write_bad, write_table

    folder = _cut_one(config) if config.resume else None
    if folder:
        config = _as_begun(folder, config)
    if config.output is not None:
        _check_output(Path(config.output).expanduser())
    trained = open_trained(config.run, config.model_file, trust=config.trust)
    inputs = find_inputs([str(path) for path in config.images], trained.class_names, labels=config.labels == "auto")
    journal = _journal(config, folder, trained, inputs)
    notes = _fill(config, trained, inputs, journal)
    table = Path(config.output).expanduser() if config.output else journal.folder / "predictions.csv"
    found = write_table(table, trained, inputs, journal)
    write_bad(journal.folder / "bad_files.csv", inputs, journal.bad)
    lines = list(describe(trained, inputs, journal, top_k=config.top_k, show=config.show))
    report = report_on(journal.folder, trained, inputs, found, notes) if found else None
    bad = {inputs.ids[row]: reason for row, reason in sorted(journal.bad.items())}
    journal.close()
    return Prediction(journal.folder, table, bad, report, [*lines, *_bad_lines(journal, inputs)])


def _check_output(path: Path) -> None:
    """Refuses a file that could not be written, before anything is computed."""
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"output must be a file in a folder that exists. Received: {printable(path)}.")


def _cut_one(config: PredictConfig) -> Path:
    """The folder of the prediction that goes on."""
    from training.predict.journal import SCORES

    if config.resume != "auto":
        return Path(str(config.resume)).expanduser()
    folders = [path.parent for path in (Path(config.runs_dir).expanduser() / "predict").glob(f"*/{SCORES}")]
    if not folders:
        raise RunError(f"no prediction in {config.runs_dir}/predict was cut, so there is nothing to resume.")
    return max(folders, key=lambda path: path.stat().st_mtime)


def _as_begun(folder: Path, config: PredictConfig) -> PredictConfig:
    """The settings that the prediction was begun with."""
    from training.predict.journal import read_begun

    settings = read_begun(folder).settings
    known = {item.name for item in dataclasses.fields(PredictConfig)}
    kept: dict[str, Any] = {name: value for name, value in settings.items() if name in known}
    kept |= {"images": tuple(map(Path, kept["images"])), "resume": str(folder), "trust": config.trust or kept["trust"]}
    return PredictConfig(**kept)


def _journal(config: PredictConfig, folder: Path | None, trained: Trained, inputs: Inputs) -> Journal:
    """The journal of this prediction, in its own folder."""
    settings = dataclasses.asdict(config) | {"resume": None, "images": [str(path) for path in config.images]}
    begun = Begun(settings, sha256(trained.path), inputs.digest, len(inputs), len(trained.class_names))
    folder = folder or new_run(config.runs_dir, "predict", trained.name, inputs.name[:60]).path
    if folder.joinpath(BEGUN).exists() and (folder / "predictions.csv").exists():
        raise RunError(f"{folder} is finished: its results are in predictions.csv.")
    return Journal(folder, begun)


def _fill(config: PredictConfig, trained: Trained, inputs: Inputs, journal: Journal) -> list[str]:
    """Predicts what the journal lacks; returns what there is to note."""
    from training.predict.stream import batch_size_for, largest_output, score_files

    size = config.batch_size or batch_size_for(trained.decode, largest_output(trained.model))
    for line in _opening(trained, inputs, journal):
        print(line, flush=True)
    begun = journal.done
    stream = score_files(
        inputs.paths[begun:], trained.decode, trained.scores, batch_size=size, num_classes=len(trained.class_names)
    )
    converted = 0
    with _how_to_go_on(journal.folder):
        for batch in _shown(stream, begun, len(inputs)):
            if batch.bad and config.on_bad == "fail":
                _refuse(batch.bad, inputs, journal.done)
            journal.append(batch.scores, batch.bad)
            converted += batch.converted
    if len(journal.bad) == len(inputs):
        raise _none_readable(journal, inputs)
    return _notes(trained, inputs, converted)


@contextmanager
def _how_to_go_on(folder: Path) -> Iterator[None]:
    """What was found is kept: says how to go on after Ctrl-C, and with a disk that is full."""
    words = f"Go on with: make predict RESUME={shlex.quote(relative(folder))}"
    try:
        yield
    except KeyboardInterrupt:
        print(words, file=sys.stderr)
        raise
    except OSError as error:
        error.add_note(words)
        raise


def _shown(stream: Iterable[Scored], begun: int, total: int) -> Iterator[Scored]:
    """The batches, with a bar on a terminal and a line now and then in a log file."""
    start = mark = time.perf_counter()
    done = begun
    with tqdm(total=total, initial=begun, desc="Predicting", unit="image", disable=None, leave=False) as bar:
        for batch in stream:
            yield batch
            done += len(batch.scores)
            bar.update(len(batch.scores))
            now = time.perf_counter()
            rate = (done - begun) / (now - start)
            if bar.disable and now - mark > LINE_SECONDS and done < total:
                mark = now
                print(
                    f"{done:,} of {total:,}, {rate:,.0f} images/s, {in_words((total - done) / rate)} left", flush=True
                )
    if done > begun:
        print(f"{counted(done - begun, 'image')} in {now - start:.1f} s, {rate:,.0f} images/s")


def _opening(trained: Trained, inputs: Inputs, journal: Journal) -> list[str]:
    """What a user wants to know before the first image."""
    height, width, channels = trained.decode.shape
    takes = f"{height}×{width} {'RGB' if channels == 3 else 'grey'}, {len(trained.class_names)} classes"
    lines = [f"{trained.name}: {takes}; {counted(len(inputs), 'file')}"]
    if trained.point:
        lines.append(
            f"{printable(trained.positive)} from a score of {trained.point.threshold:.4g} on: {trained.point.why}"
        )
    if journal.done:
        lines.append(f"goes on after {counted(journal.done, 'file')}")
    return [*lines, *(f"note: {note}" for note in inputs.notes), f"folder: {journal.folder}"]


def _notes(trained: Trained, inputs: Inputs, converted: int) -> list[str]:
    """What became of images with another number of channels; printed, and part of the report."""
    if not converted:
        return []
    words = (
        "grey, and the model takes RGB: their grey value was taken for red, green and blue"
        if trained.decode.shape[2] == 3
        else "colour, and the model takes grey: they lost their colour"
    )
    note = f"{converted:,} of {counted(len(inputs), 'image')} are stored in {words}."
    print(f"note: {note}", file=sys.stderr)
    return [note]


def _refuse(bad: dict[int, str], inputs: Inputs, done: int) -> None:
    row = min(bad)
    raise DataError(
        f"{printable(inputs.paths[done + row])} cannot be read as an image: {bad[row]}. Replace or remove it, or say "
        "--on-bad skip."
    )


def _none_readable(journal: Journal, inputs: Inputs) -> DataError:
    """No file is an image: the first reason stands for all."""
    journal.close()
    row = min(journal.bad)
    if len(inputs) == 1:
        return DataError(f"{printable(inputs.paths[row])} cannot be read as an image: {journal.bad[row]}.")
    return DataError(
        f"none of {counted(len(inputs), 'file')} can be read as an image; {printable(inputs.ids[row])}, for example: "
        f"{journal.bad[row]}. Expected JPEG, PNG, WebP, BMP, GIF, TIFF, PPM, JPEG 2000 or AVIF."
    )


def _bad_lines(journal: Journal, inputs: Inputs) -> list[str]:
    """One line for all files that were left out."""
    if not journal.bad:
        return []
    rows = sorted(journal.bad)
    named = "; ".join(f"{printable(inputs.ids[row])}: {journal.bad[row]}" for row in rows[:NAMED])
    more = f"; … ({len(rows) - NAMED} more in bad_files.csv)" if len(rows) > NAMED else ""
    return [f"skipped {counted(len(rows), 'file')} of {len(inputs):,} that cannot be read: {named}{more}"]
