"""The labs as one page that opens offline, in the notes' order and in the design of the evaluation report."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.report.rendering import resource, templates
from evaluation.report.tables import Table
from evaluation.report.words import number
from training.labs.lab import PLACES, Lab

Made = tuple[Lab, Mapping[str, Any] | None, Mapping[str, bytes]]
OUTCOMES = {True: "holds", False: "does not hold here"}
INTRODUCTION = (
    "Each lab takes one idea of the notes, says it with its formula, measures it and draws it. What the theory expects "
    "stands beside what was measured; a claim that does not hold is said so."
)


def render_page(labs: Sequence[Made], *, title: str, single: bool = False) -> str:
    """Fills the page's template.

    Args:
        labs: Each lab with what numbers.json holds of it (None: not made yet) and its pictures by file name.
        title: The heading.
        single: Whether the page is that of one lab, which needs no contents.

    Returns:
        HTML that refers to nothing outside itself; every text is escaped.
    """
    from markupsafe import Markup

    page = templates("training.labs").get_template("labs.html.j2")
    return page.render(
        title=title,
        single=single,
        introduction=INTRODUCTION,
        summary=_summary(labs),
        policy="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        style=Markup(resource("style.css")),
        sections=[_section(*one) for one in labs],
    )


def _summary(labs: Sequence[Made]) -> str:
    """How many labs stand, and how many of their claims hold."""
    made = [record for _, record, _ in labs if record is not None and "failed" not in record]
    claims = [one for record in made for one in record["claims"]]
    text = f"{len(made)} of {len(labs)} labs made; {sum(one['holds'] for one in claims)} of {len(claims)} claims hold."
    failed = [lab.name for lab, record, _ in labs if record is not None and "failed" in record]
    return text + (f" Failed: {', '.join(failed)}." if failed else "")


def _section(lab: Lab, record: Mapping[str, Any] | None, images: Mapping[str, bytes]) -> dict[str, Any]:
    """What the page shows of a lab."""
    failed = "" if record is None else record.get("failed", "")
    shown = {
        "lab": lab,
        "theory": [" ".join(part.split()) for part in lab.theory.strip().split("\n\n")],
        "failed": failed,
        "made": record is not None and not failed,
        "command": f'make lab NAME={lab.name} ARGS="{lab.try_it}"',
    }
    if record is None or failed:
        return shown
    failing = [one for one in record["claims"] if not one["holds"]]
    pictures = [(one["title"], one["caption"], _address(images[one["file"]]), True) for one in record["figures"]]
    return shown | {
        "paragraph": record["paragraph"],
        "pictures": [(picture, picture[1]) for picture in pictures],
        "failing": [f"{one['claim']}: expected {one['expected']}, measured {_measured(one)}." for one in failing],
        "claims": _table(record["claims"]),
        "made_with": _made_with(record),
        "changed": not record["defaults"],
    }


def _table(claims: Sequence[Mapping[str, Any]]) -> Table:
    """The claims, a row each."""
    rows = [
        (
            one["claim"],
            one["expected"],
            _measured(one),
            str(one["n"]),
            "holds" if one["holds"] else "does not hold here",
        )
        for one in claims
    ]
    header = ("What is claimed", "Expected", "Measured (mean ± sd)", "n", "")
    return Table("Claims", header, rows, text_columns=2, last_text=True)


def _measured(claim: Mapping[str, Any]) -> str:
    """Mean and spread."""
    text = number(claim["mean"])
    spread = claim["spread"]
    return text if spread is None else f"{text} ± {number(float(f'{spread:.2g}'))}"


def _made_with(record: Mapping[str, Any]) -> str:
    """The options and the time of a lab, in a line."""
    options = {name: value for name, value in record["parameters"].items() if name not in PLACES}
    texts = (f"{name} {' '.join(map(str, one)) if isinstance(one, list) else one}" for name, one in options.items())
    return f"Made with {', '.join(texts)}, in {record['seconds']:.0f} s."


def _address(content: bytes) -> str:
    """A PNG as a data: address."""
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
