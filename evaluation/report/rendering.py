"""What every page is filled from: templates that escape each value, and the reports' own style and scripts."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

REPORT = "evaluation.report"


def templates(package: str = REPORT) -> jinja2.Environment:
    """Templates of a package and the parts of the report's, which escape every value and refuse names nobody gave.

    Args:
        package: Where the page's own template stands.
    """
    import jinja2

    places = dict.fromkeys((package, REPORT))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name, ".") for name in places]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = lambda cell: cell.replace("–", "\u2060–\u2060")
    return environment


def resource(name: str) -> str:
    """Text of a file beside the report's templates, such as `style.css`."""
    return resources.files(REPORT).joinpath(name).read_text(encoding="utf-8").strip()
