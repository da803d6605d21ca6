"""Test-time augmentation: the test set scored from several views of each image, stated apart from the plain result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.predictions import Predictions
from evaluation.report.sections import Section
from evaluation.uncertainty.intervals import wilson_limits
from training.datasets.dataset import Dataset, Split

if TYPE_CHECKING:
    from training.predictions import LogitScorer

BATCH = 256
View = tuple[int, bool, float]  # pixels moved down and right, mirrored, weight in the mean of the logits
VIEWS: dict[str, tuple[View, ...]] = {
    "mirror": ((0, False, 1 / 2), (0, True, 1 / 2)),
    "mirror_shift": (
        (0, False, 1 / 4),
        (0, True, 1 / 4),
        *((move, mirrored, 1 / 8) for move in (-1, 1) for mirrored in (False, True)),
    ),
}
WORDS = {
    "mirror": "each image and its mirror image, half each",
    "mirror_shift": (
        "each image and its mirror image (half of the weight), and both moved by a pixel up and left and by a pixel "
        "down and right, reflected at the edge (the other half)"
    ),
}


def predict_views(scorer: LogitScorer, split: Split, data: Dataset, views: str) -> Predictions:
    """Scores from the weighted mean of the logits of several views.

    Args:
        scorer: The trained model, up to its logits.
        split: Images.
        data: Names of the classes.
        views: A key of `VIEWS`.

    Returns:
        Predictions in the split's own order.

    Reference:
        Jordan, 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498, section 3 (`mirror_shift`).
    """
    parts = []
    for start in range(0, len(split), BATCH):
        images = split.x[np.arange(start, min(start + BATCH, len(split)))]
        parts.append(sum(weight * scorer.logits(view_of(images, move, flip)) for move, flip, weight in VIEWS[views]))
    return Predictions(
        ids=split.ids,
        y_true=split.y.astype(np.int64),
        y_score=scorer.scores(np.concatenate(parts)),
        labels=data.class_names,
        positive=data.positive,
        groups=split.groups,
    )


def view_of(images: np.ndarray, move: int, mirrored: bool) -> np.ndarray:
    """One view of each image.

    Args:
        images: `(n, height, width, channels)`.
        move: Pixels that the content moves down and right; what comes in is the reflection at the outermost pixels.
        mirrored: Whether left and right change, after the move.
    """
    if move:
        reach, (height, width) = abs(move), images.shape[1:3]
        padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
        images = padded[:, reach - move :, reach - move :][:, :height, :width]
    return images[:, :, ::-1] if mirrored else images


def views_section(plain: Predictions, several: Predictions, views: str) -> Section:
    """Both accuracies side by side, and on how many images the two disagree."""
    right = [found.y_score.argmax(axis=1) == found.y_true for found in (plain, several)]
    rows, numbers = [], {}
    for name, key, hits in zip(("one view", "several views"), ("plain", "views"), right, strict=True):
        low, high = wilson_limits(int(hits.sum()), len(hits))
        rows.append([name, f"{hits.mean():.2%}", f"{low:.2%} to {high:.2%}", f"{int(hits.sum()):,} of {len(hits):,}"])
        numbers[key] = {"accuracy": float(hits.mean()), "low": low, "high": high, "correct": int(hits.sum())}
    mended, broken = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    paragraphs = [
        f"All numbers elsewhere on this page score each test image once. Here its logits are averaged over "
        f"{len(VIEWS[views])} views: {WORDS[views]}. Accuracy of the most likely class, with Wilson's 95% interval.",
        f"The views mend {mended:,} images and break {broken:,}."
        + (
            " They do harm here: a mirrored or moved image is not what this network learned." if broken > mended else ""
        ),
    ]
    facts: dict[str, Any] = {"views": views, "mended": mended, "broken": broken, "n": len(right[0]), **numbers}
    header = ["Scores from", "Accuracy", "95% interval", "Right"]
    return Section("Test-time augmentation", paragraphs, table=(header, rows), numbers=facts)
