"""What all figures share: colours, fonts, axes without global state, names and estimates as a legend shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from evaluation.uncertainty.intervals import Estimate

# Okabe & Ito's palette, told apart by colour-blind readers; a second round of curves gets another line style.
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, "#000000")
LINE_STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
HATCHES = ("", "////", "....", "xxxx")
GREY, DARK, RULE = "#8c8c8c", "#222222", "#e8e8e8"

# Widths in inches of a figure beside another and of one over the whole page.
HALF_WIDTH, FULL_WIDTH = 5.2, 8.6

# DejaVu Sans comes with matplotlib and lacks Chinese, Japanese, Korean and many smaller scripts.
_FALLBACK_FONTS = (
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "NanumGothic",
    "Microsoft YaHei",
    "SimHei",
    "Yu Gothic",
    "MS Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Hiragino Sans GB",
    "Heiti TC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Nirmala UI",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
)

EstimateLike = Estimate | Mapping[str, Any] | None


class Span(NamedTuple):
    """An estimate as it is drawn: value and interval, each None where undefined."""

    value: float | None
    low: float | None
    high: float | None


def span(estimate: EstimateLike) -> Span:
    """Value and interval of an `Estimate` or of an estimate in report.json.

    Args:
        estimate: An `Estimate`, a mapping with "estimate", "low" and "high", or None.

    Returns:
        The three numbers.
    """
    if estimate is None:
        return Span(None, None, None)
    if isinstance(estimate, Estimate):
        return Span(estimate.value, estimate.low, estimate.high)
    return Span(estimate["estimate"], estimate.get("low"), estimate.get("high"))


def arms(estimate: Span) -> tuple[float, float]:
    """How far the interval reaches below and above the value; 0 where there is none."""
    value, low, high = estimate
    if value is None or low is None or high is None:
        return 0.0, 0.0
    return max(0.0, value - low), max(0.0, high - value)


def described(name: str, estimate: EstimateLike, *, digits: int = 3) -> str:
    """A number with its interval for a legend, such as "AUC 0.912 (0.884 to 0.940)"; "" where it is undefined."""
    value, low, high = span(estimate)
    if value is None:
        return ""
    text = f"{name} {_rounded(value, digits)}"
    return text if low is None or high is None else f"{text} ({_rounded(low, digits)} to {_rounded(high, digits)})"


def named(name: str, text: str) -> str:
    """A curve's name before what it says, shortened; either may be empty."""
    label = ": ".join(one for one in (shorten(name), text) if one)
    return f" {label}" if label.startswith("_") else label  # matplotlib leaves labels with a leading _ out of legends


def shorten(name: str, length: int = 24) -> str:
    """A name of at most `length` characters on one line, cut in the middle so that both ends can be told apart.

    Characters that no SVG may hold, such as control codes, become a replacement character.
    """
    name = " ".join(name.split())
    name = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in name)
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - half]}…{name[-half:]}"


@lru_cache(maxsize=1)
def font_families() -> tuple[str, ...]:
    """DejaVu Sans and those of the fallback fonts that this machine has: matplotlib warns of any that it lacks."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in _FALLBACK_FONTS if name in installed))


def report_style() -> dict[Any, Any]:
    """Settings for `matplotlib.rc_context` under which the figures of a report are drawn."""
    return {
        "font.family": list(font_families()),  # of font.sans-serif, matplotlib would take the first alone
        "font.size": 10,
        "text.parse_math": False,
        "text.color": DARK,
        "axes.edgecolor": "#666666",
        "axes.labelcolor": DARK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": "#444444",
        "ytick.color": "#444444",
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "hatch.linewidth": 0.6,
        "svg.fonttype": "path",
        "svg.hashsalt": "groundwork",
    }


# A class may be named "$x$": names are text, whatever the settings of the caller say.
literal_text = matplotlib.rc_context({"text.parse_math": False})


def figure_of(ax: Axes) -> Figure:
    """The figure that holds an axes, also one inside a subfigure."""
    return cast(Figure, ax.get_figure(root=True))


def new_axes(ax: Axes | None, height: float, width: float = HALF_WIDTH) -> Axes:
    """The given axes, or those of a new figure that pyplot knows nothing of; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained").add_subplot() if ax is None else ax


def unit_square(ax: Axes) -> None:
    """Both axes from 0 to 1, of the same length, with a faint grid."""
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    grid(ax)


def grid(ax: Axes, axis: Any = "both") -> None:
    """Faint lines behind what is drawn."""
    ax.grid(axis=axis, color=RULE, linewidth=0.6)
    ax.set_axisbelow(True)


def legend_below(ax: Axes, names: Sequence[str], *, offset: float = -0.12, title: str | None = None) -> Legend | None:
    """Legend under the axes, where it hides no curve; two columns where the names are short.

    Args:
        ax: Axes with labelled artists.
        names: What the legend will hold, to judge the width.
        offset: Its upper edge, as a share of the axes' height.
        title: A line above the entries.
    """
    if not names:
        return None
    columns = 2 if len(names) > 1 and max(map(len, names)) <= 26 else 1
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, offset), "borderaxespad": 0}
    return ax.legend(ncols=columns, labelspacing=0.35, title=title, title_fontsize="small", alignment="left", **place)


def _rounded(value: float, digits: int) -> str:
    """A number with a fixed count of decimals; never rounded to 1 where it is below."""
    text = f"{value:.{digits}f}".replace("-", "−")
    return f">{1 - 10.0**-digits:.{digits}f}" if value < 1 and float(f"{value:.{digits}f}") == 1 else text
