"""The model card: what a stranger must know to use an export, out of `export.json` alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from evaluation.report.markdown import escape
from training.datasets.text import counted
from training.export.folder import CARD, FACTS, LABELS, REQUEST
from training.export.formats import FORMATS
from training.export.usage import usage

Facts = Mapping[str, Any]
PARITY = ("format", "result", "largest difference", "classes equal", "accuracy (95 % interval)", "size",
          "ms an image (batch 1)", "ms a batch of 32")  # fmt: skip
RESIZE = {
    "crop": "scale the shorter side to the size (bilinear, antialiased) and cut out the centre",
    "pad": "scale the picture so that all of it fits (bilinear, antialiased), centred on black bars",
    "stretch": "scale both sides to the size (bilinear, antialiased), whatever the picture's proportions",
}
LIMITS = (
    "It knows these classes only: a picture of anything else is given one of them all the same, often surely.",
    "Pictures that differ from its training data (another camera, place, population or way of cutting out) may be "
    "classified worse than the numbers above, and nothing in the output says so. Measure it on your own first.",
    "A score is no certainty. How well scores agree with frequencies stands in the report of the run.",
    "What is decided with it must be judged by who decides; it has not been examined as a medical or safety device.",
    "Sizes and times are of the machine named below; differences of the last digits between runtimes are rounding.",
)


def card(facts: Facts) -> str:
    """The card as Markdown.

    Args:
        facts: What `export.json` holds.
    """
    blocks = [f"# Model card: {escape(facts['name'])}", _what(facts)]
    blocks += ["## What it was trained on", _data(facts)]
    blocks += ["## How good it is", *_quality(facts)]
    blocks += ["## Classes", *_classes(facts)]
    blocks += ["## Input and output", _bullets(_contract(facts))]
    blocks += ["## Files", *_files(facts)]
    blocks += ["## Proof: every file in its own runtime", *_proof(facts)]
    blocks += ["## Licence", *_licence(facts)]
    blocks += ["## Limits", _bullets(map(escape, LIMITS))]
    blocks += ["## How it was made", _made(facts)]
    return "\n\n".join(blocks) + "\n"


def parity_table(rows: Sequence[Facts], first: Sequence[str] = ()) -> str:
    """One line for each format, as Markdown.

    Args:
        rows: `formats` of one or more `export.json`.
        first: What stands in a column `model` before each row, where the rows are of several models.
    """
    header = [*(["model"] if first else []), *PARITY]
    cells = [[*map(escape, first[at : at + 1]), *_cells(row)] for at, row in enumerate(rows)]
    return tabulate(cells, headers=header, tablefmt="github", disable_numparse=True)


def _cells(row: Facts) -> list[str]:
    """One row of the proof; dashes where a file never ran."""
    result = "passed" if row["passed"] else "**failed**"
    if "accuracy" not in row:
        return [escape(row["title"]), result, *["–"] * 6]
    difference = "not finite" if row["max_difference"] is None else f"{row['max_difference']:.1e}"
    times = [row["latency_ms"][size] for size in ("1", "32")]
    return [
        escape(row["title"]),
        result,
        difference,
        f"{row['classes_equal']:,} of {row['images']:,}",
        rate(row["accuracy"]),
        size_in_words(row["bytes"]),
        *(f"{one['median']:.2f} ({one['low']:.2f}–{one['high']:.2f})" for one in times),
    ]


def rate(value: Facts) -> str:
    """`94.4% (91.6%–96.4%)`; a number that is undefined is a dash."""
    if value.get("estimate") is None:
        return "–"
    if value.get("low") is None or value.get("high") is None:
        return f"{value['estimate']:.1%}"
    return f"{value['estimate']:.1%} ({value['low']:.1%}–{value['high']:.1%})"


def size_in_words(size: int) -> str:
    """`2.1 MB`, `33 kB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _bullets(lines: Sequence[str] | Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _what(facts: Facts) -> str:
    model = facts["model"]
    task = "tells two classes of images apart" if facts["positive"] else "names the class of an image"
    return (
        f"A neural network that {task}: {escape(model['architecture'])}, {model['parameters']:,} parameters, exported "
        f"on {escape(facts['made'][:10])}. This page is written for whoever receives the files and knows nothing else."
    )


def _data(facts: Facts) -> str:
    data = facts["data"]
    if data is None:
        return "Not recorded: the model file belonged to no run. Ask whoever made it."
    name = escape(data["source"]) + (f" ({escape(data['name'])})" if data["name"] else "")
    parts = ", ".join(f"{escape(part)} {count:,}" for part, count in data["examples"].items())
    roles = (
        "A final fit: training and validation images together set the weights, so only the test images judge it"
        if data.get("final_fit")
        else "Training images set the weights, validation images chose among them, the test images judge"
    )
    return (
        f"The data set {name}: {parts} images, SHA-256 {escape(str(data['sha256'])[:12])}…. {roles}: they were read "
        "for the numbers below alone."
    )


def _quality(facts: Facts) -> list[str]:
    test = facts["test"]
    if test is None:
        return ["No numbers of a test set came with the model; the table of the proof has those of its images."]
    names = [name for name in ("accuracy", "sensitivity", "specificity") if name in test]
    lines = [f"{name}{_of(name, facts)}: {rate(test[name])}{_counts(test[name])}" for name in names]
    return [f"On {counted(test['n'], 'test image')}, with 95 % intervals:", _bullets(lines)]


def _of(name: str, facts: Facts) -> str:
    return f" for {escape(facts['positive'])}" if name == "sensitivity" else ""


def _counts(value: Facts) -> str:
    if value.get("numerator") is None or value.get("denominator") is None:
        return ""
    return f", {value['numerator']:,} of {value['denominator']:,}"


def _classes(facts: Facts) -> list[str]:
    rows = [[str(index), escape(name)] for index, name in enumerate(facts["classes"])]
    table = tabulate(rows, headers=["index", "class"], tablefmt="github", disable_numparse=True)
    return [f"`{LABELS}` has them in this order, one a line.", table, *_positive(facts)]


def _positive(facts: Facts) -> list[str]:
    point = facts["operating_point"]
    if point is None:
        return ["The class of an image is that of its highest score."]
    name, why = escape(facts["positive"]), escape(point["why"])
    if point["threshold"] is None:
        return [f"The positive class is {name}; at the run's operating point nothing is called so: {why}"]
    return [
        f"The positive class, which the one score speaks of, is {name}. At the run's operating point an image counts "
        f"as {name} where its score is at least {point['threshold']!r}: {why} Another prevalence, or other costs of "
        "the two mistakes, want another threshold."
    ]


def _contract(facts: Facts) -> Iterator[str]:
    _, height, width, channels = facts["input"]["shape"]
    colour = "red, green, blue" if channels == 3 else "one grey value"
    yield (
        f"Input: float32, shape (batch, {height}, {width}, {channels}), **raw pixels 0…255** ({colour}), not scaled or "
        "normalised: what the network wants of them is done inside it. Any batch size."
    )
    yield (
        f"From a picture: turn it as its EXIF orientation says, take its first frame, put transparency on white, "
        f"{RESIZE[facts['input']['resize']]}: {height}×{width} pixels; then {colour}, 8 bits."
    )
    units = facts["output"]["shape"][1]
    if units == 1:
        name = escape(facts["positive"])
        yield f"Output: float32, shape (batch, 1): the probability of {name}, 0…1; that of the other class is the rest."
    else:
        yield f"Output: float32, shape (batch, {units}): one probability for each class, 0…1, which sum to 1."


def _files(facts: Facts) -> list[str]:
    good = [row for row in facts["formats"] if row["passed"]]
    rows = [[f"`{row['file']}`", _format(row), size_in_words(row["bytes"]), escape(row["runtime"])] for row in good]
    table = tabulate(rows, headers=["file", "format", "size", "proved with"], tablefmt="github", disable_numparse=True)
    beside = f"`{LABELS}` (the classes), `{FACTS}` (every number of this page), `manifest.json` (SHA-256 of every file)"
    request = f", `{REQUEST}` (a request for TensorFlow Serving)" if facts.get("request") else ""
    code = [usage(row) for row in good if not FORMATS[row["format"]].quantised]
    return [table, f"Beside them: {beside}{request}. `pixels` below is an array as described above.", *code]


def _format(row: Facts) -> str:
    return escape(row["title"]) + (f", opset {row['opset']}" if "opset" in row else "")


def _proof(facts: Facts) -> list[str]:
    proof, rows = facts["proof"], facts["formats"]
    lines = [
        f"Each file was run in its own runtime, in a process of its own, on {counted(proof['images'], 'image')} "
        f"({escape(proof['words'])}), and compared with the Keras model. A float format passes where all classes are "
        f"equal and no probability differs by more than {proof['tolerance']:g}; a quantised one where its accuracy is "
        "in the interval of the Keras model's.",
        parity_table(rows),
        "Times: median (quartiles) of repeated calls, the first ones left out.",
    ]
    if any(FORMATS[row["format"]].runtime == "litert" and "int8" in row["format"] for row in rows):
        shared = proof["calibration_shared"]
        same = f"; {shared:,} of them are among those compared" if shared else ", none of them among those compared"
        lines.append(f"Scales of the full-integer file: {counted(proof['calibration'], 'validation image')}{same}.")
    failed = [f"**{escape(row['title'])} failed and is not in this folder**: {escape(row['verdict'])}." for row in rows
              if not row["passed"]]  # fmt: skip
    return [*lines, *([_bullets(failed)] if failed else [])]


def _licence(facts: Facts) -> list[str]:
    backbone = facts["backbone"]
    rest = (
        "The weights were learnt from the data above, whose licence and consent may bind their use too; the code that "
        "trained and exported them is under the MIT licence."
    )
    if not backbone:
        known = "No pre-trained weights went into this network."
        return [rest if facts["data"] is None else f"{known} {rest}"]
    what = f"{escape(backbone['backbone'])}: {escape(backbone['citation'])}."
    if backbone["weights"] == "none":
        return [f"The architecture is {what} Its pre-trained weights were not used. {rest}"]
    source = "its ImageNet weights" if backbone["weights"] == "imagenet" else "weights from a file"
    return [
        f"Begun with {source}, the pre-trained network {what} The licence of the published weights is "
        f"**{escape(backbone['licence'])}** (file's SHA-256 {escape(str(backbone['weights_digest'])[:12])}…): keep its "
        f"notice and cite the paper. {rest}"
    ]


def _made(facts: Facts) -> str:
    versions = ", ".join(f"{escape(name)} {escape(number)}" for name, number in facts["versions"].items())
    hardware = facts["hardware"]
    model = facts["model"]
    mixed = model["trained_in"] not in (None, "float32")
    trained = f", trained in {escape(model['trained_in'])} and stored in float32" if mixed else ""
    return (
        f"`make export RUN=…` of Groundwork, from the model with SHA-256 {model['sha256'][:12]}…{trained}. "
        f"{escape(hardware['processor'])}, {hardware['cores']} cores; {versions}. This page is `{CARD}`."
    )
