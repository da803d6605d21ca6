"""Code that runs an exported file, as the card shows it; a test runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LITERT = """\
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter({file!r})
source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
interpreter.resize_tensor_input(source["index"], pixels.shape)
interpreter.allocate_tensors()
interpreter.set_tensor(source["index"], pixels)
interpreter.invoke()
probabilities = interpreter.get_tensor(target["index"])"""

_CODE = {
    "keras": """\
import keras

probabilities = keras.saving.load_model({file!r}, safe_mode=True).predict(pixels)""",
    "saved_model": """\
import tensorflow as tf

loaded = tf.saved_model.load({file!r})
found = loaded.signatures["serving_default"](**{{{input!r}: tf.constant(pixels)}})
probabilities = found[{output!r}].numpy()""",
    "litert": _LITERT,
    "litert_dynamic": _LITERT,
    "litert_int8": _LITERT,
    "onnx": """\
import onnxruntime

session = onnxruntime.InferenceSession({file!r}, providers=["CPUExecutionProvider"])
probabilities = session.run([{output!r}], {{{input!r}: pixels}})[0]""",
}


def usage(row: Mapping[str, Any]) -> str:
    """A Markdown block of Python for a format that passed.

    Args:
        row: Of `formats` in `export.json`: `format`, `title`, `file` and the names of input and output.
    """
    names = {"input": row.get("input", ""), "output": row.get("output", "")}
    return f"{row['title']}:\n\n```python\n{_CODE[row['format']].format(file=row['file'], **names)}\n```"
