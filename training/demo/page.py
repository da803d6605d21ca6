"""The page: one file that asks nobody but its own server, and runs no script and no style but its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from math import isfinite
from typing import Any

from evaluation.report.explorer import safe_json, script_hash
from evaluation.report.rendering import resource, templates
from training.trained import Trained

PACKAGE = "training.demo"
UNKNOWN = "only images whose class is known can say that"
MOST_FILES = 50  # of one drop
RULES = {
    "crop": "the shorter side is brought to size and the middle kept",
    "pad": "all of it is kept, with black bars",
    "stretch": "height and width are brought to size, whatever its proportions",
}


@dataclass(frozen=True)
class Page:
    """What a browser gets.

    Attributes:
        html: The whole page.
        policy: The Content-Security-Policy that it comes with.
    """

    html: str
    policy: str


def render_page(
    trained: Trained, heat_words: str, *, explains: bool, top_k: int, max_bytes: int, max_pixels: int
) -> Page:
    """Fills the page's template; every name is escaped.

    Args:
        trained: The model.
        heat_words: What the overlay is made from, or why there is none.
        explains: Whether there is one.
        top_k: Classes shown for each image.
        max_bytes: Largest file.
        max_pixels: Largest picture.
    """
    from markupsafe import Markup

    style = f"{resource('style.css')}\n{_own('demo.css')}"
    script = _own("demo.js")
    html = (
        templates(PACKAGE)
        .get_template("demo.html.j2")
        .render(
            title=trained.name,
            subtitle=_subtitle(trained),
            point=_point(trained),
            heat_words=heat_words,
            explains=explains,
            limits=f"at most {max_bytes / 1e6:g} MB and {max_pixels / 1e6:g} megapixels",
            names=trained.class_names,
            quality="the run's report says that, with intervals" if trained.run else UNKNOWN,
            style=Markup(style),
            script=Markup(script),
            settings=Markup(safe_json(_settings(trained, top_k, max_bytes) | {"explains": explains})),
        )
    )
    return Page(html, _policy(style, script))


def _policy(style: str, script: str) -> str:
    """Only these; pictures from the answers and from dropped files; text never becomes markup."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {script_hash(style)}",
            f"script-src {script_hash(script)}",
            "img-src data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _settings(trained: Trained, top_k: int, max_bytes: int) -> dict[str, Any]:
    """What the script has to know."""
    threshold = trained.point.threshold if trained.point else None
    return {
        "names": trained.class_names,
        "topK": min(top_k, len(trained.class_names)),
        "threshold": threshold if threshold is not None and isfinite(threshold) else None,
        "size": trained.decode.image_size,
        "resize": trained.decode.resize,
        "maxBytes": max_bytes,
        "mostFiles": MOST_FILES,
    }


def _subtitle(trained: Trained) -> str:
    """What the network takes and gives."""
    height, width, channels = trained.decode.shape
    colours = "RGB" if channels == 3 else "grey"
    takes = f"{trained.model.count_params():,} parameters, {len(trained.class_names)} classes"
    return f"{takes}. It sees every image as {height}×{width} pixels, {colours}: {RULES[trained.decode.resize]}."


def _point(trained: Trained) -> str:
    """The operating point of two classes, in a sentence."""
    if trained.point is None:
        return ""
    threshold, why = trained.point.threshold, trained.point.why.rstrip(".")
    if not isfinite(threshold):
        return f"Nothing is called {trained.positive}, whatever its score. {why}."
    return f"{trained.positive} from a score of {threshold:.4g} on. {why}."


def _own(name: str) -> str:
    return resources.files(PACKAGE).joinpath(name).read_text(encoding="utf-8").strip()
