"""What the page shows of an image: scores, the class decided, the network's input, where Grad-CAM finds evidence."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from evaluation.explain.errors import ExplainError
from evaluation.explain.explanation import CONSTANT, NO_EVIDENCE, NOT_FINITE
from training.datasets.dataset import DataError
from training.demo.decoding import Decoded, Decoder
from training.trained import Trained

if TYPE_CHECKING:
    from evaluation.explain.tapped import Tapped

NO_CONVOLUTION = "This network has no convolution, so there is no feature map whose places Grad-CAM could weigh."
FLAGS: Mapping[str, str] = {
    NO_EVIDENCE: "Nothing in this image speaks for {name}: the map is nowhere above 0.",
    CONSTANT: "The map for {name} is the same everywhere, so it shows no place.",
    NOT_FINITE: "The map for {name} is not a number.",
}


class Answers:
    """Answers for one image at a time; not for several threads at once.

    Args:
        trained: The model, its classes and its operating point.
        decoder: Makes the network's input of a file.
    """

    def __init__(self, trained: Trained, decoder: Decoder) -> None:
        self.trained, self.decoder = trained, decoder

    @cached_property
    def _tapped(self) -> Tapped | str:
        """The model ready for Grad-CAM, or why it is not."""
        from evaluation.explain import tap
        from evaluation.explain.graph import feature_maps

        try:
            tapped = tap(self.trained.model)
            if not feature_maps(tapped.nodes):
                return NO_CONVOLUTION
            tapped.find()
            return tapped
        except ExplainError as error:
            return f"Grad-CAM is not defined for this network. {error}"

    @property
    def explains(self) -> bool:
        """Whether Grad-CAM is defined for this network."""
        return not isinstance(self._tapped, str)

    @property
    def heat_words(self) -> str:
        """What the overlay is made from, or why there is none."""
        if isinstance(self._tapped, str):
            return self._tapped
        node = self._tapped.find()
        rows, columns = node.shape[1:3]
        return f"Grad-CAM weighs the {rows}×{columns} places of layer {node.path}; between them it is interpolated."

    def warm_up(self) -> None:
        """Builds every graph, so that the first image waits no longer than the others."""
        self._answer(np.zeros(self.trained.decode.shape, np.uint8), None, {})

    def answer(self, data: bytes, class_index: int | None = None) -> dict[str, Any]:
        """All that the page shows.

        Args:
            data: Bytes of an image file.
            class_index: The class that Grad-CAM explains; None for the one decided.

        Returns:
            Plain values: `file` (`Header`), `note`, `scores` (K floats, as `make predict` writes them), `decided` (an
            index), `input` and `overlay` (data: addresses of PNG files; no overlay: None), `explained` (an index),
            `heat` (what to say about the overlay), `milliseconds`.

        Raises:
            BadImage: The bytes cannot be decoded, or may not.
            DataError: No such class, or the network gives no numbers.
        """
        count = len(self.trained.class_names)
        if class_index is not None and not 0 <= class_index < count:
            raise DataError(f"class_index must lie in 0…{count - 1}. Received: {class_index}.")
        begun = time.perf_counter()
        decoded = self.decoder.decode(data)
        file = {"file": asdict(decoded.header), "note": _note(decoded)}
        return file | self._answer(decoded.pixels, class_index, {"decode": _since(begun)})

    def _answer(self, pixels: np.ndarray, class_index: int | None, times: dict[str, float]) -> dict[str, Any]:
        """The part that the network gives."""
        begun = time.perf_counter()
        scores = self.trained.scores(pixels[np.newaxis])
        times["predict"] = _since(begun)
        if not np.isfinite(scores).all():
            raise DataError(f"{self.trained.name} gives NaN or infinity for this image: its weights are broken.")
        decided = int(self.trained.decide(scores)[0])
        explained = decided if class_index is None else class_index
        begun = time.perf_counter()
        overlay, words = self._heat(pixels, explained)
        times["explain"] = _since(begun)
        return {
            "scores": scores[0].tolist(),
            "decided": decided,
            "input": png_address(pixels),
            "overlay": overlay,
            "explained": explained,
            "heat": words,
            "milliseconds": times,
        }

    def _heat(self, pixels: np.ndarray, class_index: int) -> tuple[str | None, str]:
        """The picture with heat over it, as in `make explain`, and what there is to say about it."""
        if isinstance(self._tapped, str):
            return None, self._tapped
        from evaluation.explain import explain
        from evaluation.explain.figures_localise import overlay

        found = explain(self._tapped, pixels[np.newaxis], "grad_cam", class_index)
        if flag := found.flags[0]:
            signed = found.low_resolution
            if flag == CONSTANT and signed is not None and signed.max() <= 0:  # what is against a class is cut off at 0
                flag = NO_EVIDENCE
            return None, FLAGS[flag].format(name=self.trained.class_names[class_index])
        return png_address(overlay(pixels, found.heat[0])), ""


def png_address(pixels: np.ndarray) -> str:
    """uint8 `(height, width, 1 or 3)` as the data: address of a PNG file, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _note(decoded: Decoded) -> str:
    """What became of an image with another number of channels than the network takes."""
    takes_grey = decoded.pixels.shape[2] == 1
    if decoded.header.grey == takes_grey:
        return ""
    if takes_grey:
        return "Stored in colour, shown to it in grey."
    return "Stored in grey, shown to it as RGB."


def _since(begun: float) -> float:
    """Milliseconds."""
    return round(1000 * (time.perf_counter() - begun), 1)
