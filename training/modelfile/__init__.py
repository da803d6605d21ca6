"""Inspects a `.keras` file before Keras sees it: nothing of it is run, extracted, or allocated beyond its own size.

Keras' safe mode was bypassed many times, so only what Keras writes for image models passes; all else is refused.
"""

from __future__ import annotations

from pathlib import Path

from training.modelfile.archive import CONFIG, METADATA, OWN, opened, read_json
from training.modelfile.config import check_config
from training.modelfile.refusal import AGAIN, Refusal, shown
from training.modelfile.size import check_size
from training.modelfile.weights import stored_parameters
from training.run import RunError


def check_model_file(path: Path) -> None:
    """Refuses a model file that is torn, or that could run code, reach other files or exhaust memory when loaded.

    Args:
        path: A `.keras` file, of this project or from elsewhere.

    Raises:
        RunError: In one line: the file, what was found in it, what was expected, what to do.

    Reference:
        CVE-2025-1550, -8747, -9905, -9906, -12058, -12638, -49655, CVE-2026-0897, -1462, -1669, -12479, -12481.
    """
    try:
        _check(path)
    except Refusal as refusal:
        raise _refused(path, str(refusal)) from None
    except Exception as error:  # a torn or hostile archive provokes anything, MemoryError among it
        raise _refused(path, f"it cannot be read ({shown(str(error))}). Expected a whole archive. {AGAIN}") from error


def _check(path: Path) -> None:
    """The four inspections, each of which relies on those before it."""
    with opened(path) as archive:
        for name in {METADATA, OWN} & set(archive.namelist()):
            read_json(archive, name)
        config = read_json(archive, CONFIG)
        check_config(config)
        stored = stored_parameters(archive)
    check_size(config, stored)


def _refused(path: Path, reason: str) -> RunError:
    return RunError(f"{path} cannot be loaded as a Keras model: {reason}")
