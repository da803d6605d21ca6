"""Settings of `python -m evaluation`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate and where the report goes.

    Attributes:
        predictions: CSV file of predictions: y_true and one column p_<class> per class, or y_true,y_pred.
        positive: Two classes: the condition looked for; sensitivity speaks of it.
        output: Folder of the report; default: next to the file, as <name>-report.
        title: Heading of the report; default: the file's name.
    """

    predictions: Path
    positive: str | None = None
    output: Path | None = None
    title: str | None = None

    @property
    def output_dir(self) -> Path:
        """Where the report goes."""
        return self.output or self.predictions.with_name(f"{self.predictions.stem}-report")
