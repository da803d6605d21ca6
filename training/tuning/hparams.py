"""The trials for TensorBoard's HParams page, on request."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from training.tuning.table import Row


def write_hparams(folder: Path, row: Row, objective: str) -> None:
    """Writes one trial: its point, and what it scored.

    Args:
        folder: TensorBoard's; the trial gets a folder of its own inside.
        row: The trial; one that failed has a point only.
        objective: What the score is called.
    """
    from tensorboard.plugins.hparams import api

    writer = tf.summary.create_file_writer(str(folder / f"trial-{row.number:04d}"))
    with writer.as_default():
        api.hparams({name: _plain(value) for name, value in row.point.items()}, trial_id=f"trial {row.number}")
        if row.score is not None:
            tf.summary.scalar(objective, row.score, step=0)
    writer.close()


def _plain(value: object) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
