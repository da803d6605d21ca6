"""Settings of `python -m evaluation`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluation.options import ReportSettings


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(ReportSettings):
    """What to evaluate and where the report goes.

    Attributes:
        predictions: CSV, Parquet or NPZ: y_true and one column p_<class> per class, or y_true,y_pred.
        positive: Two classes: the condition looked for; sensitivity speaks of it.
        output: Folder of the report; default: next to the file, as <name>-report.
        title: Heading of the report; default: the file's name.
        validation: Predictions of the validation examples, on which `rule` chooses the operating point.
        missing: Missing or indeterminate results: refuse, exclude (and count), or count as mistakes (worst-case).
        logits: The scores are logits, not probabilities.
        subgroups: Columns to report by; default: every other column with 2 to 20 values.
        compare: Other models' predictions of the same examples, to be compared.
        readers: CSV reader,id,decision or reader,id,rating: people who judged the same examples.
        images: Folder of the pictures that the column image names; default: the folder of the predictions.
    """

    predictions: Path
    positive: str | None = None
    output: Path | None = None
    title: str | None = None
    validation: Path | None = None
    missing: Literal["refuse", "exclude", "worst-case"] = "refuse"
    logits: bool = False
    subgroups: tuple[str, ...] | None = None
    compare: tuple[Path, ...] = ()
    readers: Path | None = None
    images: Path | None = None

    def __post_init__(self) -> None:
        """Refuses contradictory settings before anything is read."""
        super().__post_init__()
        names = [path.stem for path in (self.predictions, *self.compare)]
        if len(set(names)) < len(names):
            raise ValueError(f"compare: files must differ in their names, which name the models. Received: {names}")

    @property
    def output_dir(self) -> Path:
        """Where the report goes."""
        return self.output or self.predictions.with_name(f"{self.predictions.stem}-report")

    @property
    def shown_title(self) -> str:
        """Heading of the report, which also names the model where several are compared."""
        return self.title or (self.predictions.stem if self.compare else f"Evaluation of {self.predictions.name}")
