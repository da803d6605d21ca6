"""Names and kinds of all data sources, without loading anything: `--help` and checks read this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceEntry:
    """What can be said of a source before it is loaded.

    Attributes:
        kinds: What it may hold: `"image"`, `"table"`.
        tasks: `"classification"`, `"regression"`.
        needs_data_dir: Whether `data_dir` is required, and as what: `"folder"`, `"file"` or None.
        num_classes: Number of classes where it is known beforehand.
        summary: One line for `--help`.
    """

    kinds: tuple[str, ...]
    tasks: tuple[str, ...]
    summary: str
    needs_data_dir: str | None = None
    num_classes: int | None = None


SOURCES: dict[str, SourceEntry] = {
    "digits": SourceEntry(("image",), ("classification",), "1,797 real 8×8 digits, shown as 32×32×3", None, 10),
    "breast_cancer": SourceEntry(
        ("table",), ("classification",), "569 patients, 30 features, malignant or benign", None, 2
    ),
    "diabetes": SourceEntry(("table",), ("regression",), "442 patients, 10 features, disease progression"),
    "cifar10": SourceEntry(("image",), ("classification",), "60,000 photographs, 32×32×3", None, 10),
    "folder": SourceEntry(
        ("image",), ("classification",), "images in root/<class>/ or root/{train,validation,test}/<class>/", "folder"
    ),
    "npz": SourceEntry(("image", "table"), ("classification", "regression"), "arrays x_train, y_train, …", "file"),
    "csv": SourceEntry(("table",), ("classification", "regression"), "a table with a target column", "file"),
}
