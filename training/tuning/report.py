"""`report/` of a search: one page that opens offline, and its numbers as JSON. Written at its end or at any time."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.files import write_all
from evaluation.report.rendering import resource, templates
from training.checks import ConfigError
from training.run import Run, open_run
from training.tuning.config import TuneConfig, read_settings
from training.tuning.importance import Importances, importances
from training.tuning.table import Row, best_first, read_table
from training.tuning.verdict import Finding, finding

TEMPLATE = "report.html.j2"
LARGEST_SVG = 150_000


@dataclass(frozen=True)
class Material:
    """What a search left, as far as it has come.

    Attributes:
        run: Its directory.
        config: Its settings.
        rows: Trials.
        names: Hyperparameters, the most important first where that is known.
        record: `run.json`.
        conclusion: `conclusion.json`; None where there is none yet.
        importances: Of the hyperparameters.
    """

    run: Run
    config: TuneConfig
    rows: Sequence[Row]
    names: Sequence[str]
    record: Mapping[str, Any]
    conclusion: Mapping[str, Any] | None
    importances: Importances

    @property
    def ranked(self) -> list[Row]:
        return best_first(self.rows, self.config.goal[1])


@dataclass(frozen=True)
class Part:
    """A part of the page.

    Attributes:
        name, title: Of its place.
        notice: What to notice.
        figures: (title, alternative text, data: address, whether it needs the full width).
        tables: As the evaluation report shows them.
        caution: What to keep in mind; empty where there is nothing.
    """

    name: str
    title: str
    notice: str = ""
    figures: Sequence[tuple[str, str, str, bool]] = ()
    tables: Sequence[Any] = ()
    caution: str = ""


def read_material(run: Run) -> Material:
    """What the page is made of; no data set and no TensorFlow are needed.

    Raises:
        ConfigError, RunError: A file is missing or torn.
    """
    config = read_settings(run.config, for_page=True)
    rows, names = read_table(run.path / "trials.csv")
    path = run.path / "conclusion.json"
    try:
        conclusion = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    names = [name for name in names if not name.startswith("tuner/")]
    found = importances(rows, names)
    first = [one.name for one in found.entries]
    ordered = [*first, *(name for name in names if name not in first)]
    return Material(run, config, rows, ordered, run.read_record(), conclusion, found)


def write_report(run: Run) -> Path:
    """Writes `report/index.html` and `report/report.json`, also of a search that is at work or was cut.

    Args:
        run: Its directory.

    Returns:
        The page.

    Raises:
        ConfigError, RunError: As `read_material`.
        OSError: The disk is full or not writable; an old page still stands.
    """
    material = read_material(run)
    said = finding(material.rows, material.conclusion, material.config)
    page = _render(material, said)
    numbers = json.dumps(_numbers(material, said), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_all(run.report, {"report.json": numbers, "index.html": page})
    return run.report / "index.html"


def report_again(path: str) -> Path:
    """`write_report` for `--report`: a search that is complete gets a new manifest too.

    Raises:
        RunError, ConfigError, OSError: As `write_report`; or there is no search.
    """
    run = open_run(path)
    page = write_report(run)
    if run.manifest.is_file():
        run.write_manifest()
    return page


def _numbers(material: Material, said: Finding) -> dict[str, Any]:
    found = material.importances
    return {
        "schema": 1,
        "objective": material.config.goal[0],
        "verdict": said.sentences,
        "best_trial": material.ranked[0].number if material.ranked else None,
        "conclusion": material.conclusion,
        "importances": [vars(one) for one in found.entries],
        "importances_explained": found.explained,
        "importances_reason": found.reason or None,
    }


def _render(material: Material, said: Finding) -> str:
    """Fills the page's template; every name is escaped."""
    from markupsafe import Markup

    from evaluation.report.explorer import script_hash
    from training.tuning.parts import details, parts

    script = resource("sorting.js")
    page = templates("training.tuning").get_template(TEMPLATE)
    return page.render(
        title=f"Search: {material.record.get('subject', material.config.model + ' on ' + material.config.dataset)}",
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {script_hash(script)}",
        style=Markup(resource("style.css")),
        script=Markup(script),
        finding=said,
        parts=parts(material),
        details=details(material),
    )


def drawn(draw: Callable[..., Any], *given: Any) -> str:
    """A figure as a data: address, drawn in the style of the reports; vectors, or pixels where those would be large."""
    import matplotlib

    from evaluation.plots.rendering import render
    from evaluation.plots.style import report_style

    with matplotlib.rc_context(report_style()):
        png, svg = render(draw(*given))
    kind, content = ("svg+xml", svg) if len(svg) <= LARGEST_SVG else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
