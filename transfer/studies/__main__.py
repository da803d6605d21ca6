"""How far learned features serve other classes: three studies, each with a table, a figure and every single result.

    python -m transfer.studies --data-dir folder-with-cifar-10-batches-bin --folders photos

cuts: Yosinski's AnB, BnB, AnB+ and BnB+ on two halves of CIFAR-10; digits: 0 to 4, then 5 to 9; images: accuracy
against images per class, by ImageNet features and from scratch. A study that was cut goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from evaluation.command import parse_config, run_main
from evaluation.files import write_all
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.startup import import_tensorflow
from transfer.pretrained.catalog import TransferError
from transfer.studies.config import StudyConfig
from transfer.studies.pool import processes

Files = dict[str, bytes | str]
COLUMNS = ("accuracy", "trainable", "classes_a")


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(StudyConfig, sys.argv[1:], prog="python -m transfer.studies", description=__doc__)
    with processes(config.workers) as executor:
        import_tensorflow()
        return _run(config, executor)


def _run(config: StudyConfig, executor: Executor) -> int:
    """All studies; one whose data or weights are not to be had is left out and said, unless none is left.

    Raises:
        ConfigError, DataError, OSError: Settings, data or folders cannot be used.
    """
    left_out: list[DataError | TransferError] = []
    for name in config.studies:
        try:
            files = STUDIES[name](config, executor)
        except (DataError, TransferError) as error:
            left_out.append(error)
            print(f"{name}: left out. {error}", file=sys.stderr, flush=True)
            continue
        write_all(Path(config.output).expanduser(), files)
        print(next(text for path, text in files.items() if path.endswith(".md")))
        print(f"Written: {', '.join(str(Path(config.output) / path) for path in files)}", flush=True)
    if len(left_out) == len(config.studies):
        raise left_out[0]
    return 0


def _cuts(config: StudyConfig, executor: Executor) -> Files:
    """Tables, figure and results of the study of cuts."""
    from transfer.studies import cuts, drawing, tables

    rows = cuts.run(config, executor)
    curves, bases = tables.cut_curves(rows)
    results = [
        {"seed": net.seed, "kind": net.kind, "cut": net.cut} | {name: row[name] for name in COLUMNS}
        for net, row in rows.items()
    ]
    return {
        "transferability.md": tables.cuts_markdown(rows, config),
        "transferability.png": drawing.draw_cuts(curves, bases, layers=cuts.SHORT_NAMES),
        "transferability.csv": tables.csv_text(results),
    }


def _digits(config: StudyConfig, executor: Executor) -> Files:
    """Table, figure and results of the study of digits."""
    from transfer.studies import digits, sizes

    return sizes.digits_files(digits.run(config, executor), config)


def _images(config: StudyConfig, executor: Executor) -> Files:
    """Tables, figure and results of the study of images per class."""
    from transfer.studies import images, sizes

    if not config.folder_list:
        raise DataError("--folders names no folder of photographs.")
    return sizes.images_files(dict(images.run(config, folder, executor) for folder in config.folder_list), config)


STUDIES: dict[str, Callable[[StudyConfig, Executor], Files]] = {"cuts": _cuts, "digits": _digits, "images": _images}


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
