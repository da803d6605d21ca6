"""What a measurement ran on, as its table says it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from training.run import processor


def machine(*packages: str) -> str:
    """Processor, cores, Python and the versions of the packages that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = "".join(f", {name} {version(name)}" for name in packages)
    return f"{processor()}, {cores} cores; Python {platform.python_version()}{versions}"
