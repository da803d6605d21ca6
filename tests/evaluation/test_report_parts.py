"""The parts of a report: rounding, Markdown, thumbnails."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from evaluation.predictions import Predictions
from evaluation.report import ReportContext, write_report
from evaluation.report.markdown import escape, render_markdown
from evaluation.report.numbers import report_numbers
from evaluation.report.page import thumbnail_address
from evaluation.report.plots import confusion_figure, roc_figure, shorten
from evaluation.report.words import decimal, interval, percent, signed
from tests.evaluation.samples import ids, several

MARKDOWN = """# A \\| b

## test (n = 4)

| Measure                     |   Estimate |   95% interval |         Counts |
|:----------------------------|-----------:|---------------:|---------------:|
| Accuracy                    |      75.0% |  30.1 to 95.4% |         3 of 4 |
| Sensitivity (recall), macro |      83.3% |                | 3 of 3 classes |
| Specificity, macro          |      88.9% |                | 3 of 3 classes |
| Precision, macro            |      83.3% |                | 3 of 3 classes |
| F1 score, macro             |      0.778 |                | 3 of 3 classes |
| AUC, macro                  |      0.958 |                | 3 of 3 classes |

### Confusion matrix

| Truth \\\\ predicted   |   x\\|y |   &lt;b&gt; |   c |
|:---------------------|-------:|------------:|----:|
| x\\|y                 |      1 |           1 |   0 |
| &lt;b&gt;            |      0 |           1 |   0 |
| c                    |      0 |           0 |   1 |
"""


def small():
    score = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    return Predictions(ids(4), np.array([0, 0, 1, 2]), score, ("x|y", "<b>", "c"), None)


def test_markdown_of_a_small_case_equals_its_literal():
    data = report_numbers({"test": small()}, title="A | b", context=ReportContext())
    assert render_markdown(data, {}).startswith(MARKDOWN)


def test_markdown_escapes_what_would_be_markup():
    assert escape("a_b*c|`d`[e]$f$\n<g>&") == r"a\_b\*c\|\`d\`\[e\]\$f\$ &lt;g&gt;&amp;"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "undefined"), (0, "0.0%"), (1, "100.0%"), (0.9999, ">99.9%"), (0.0001, "<0.1%"), (0.8333, "83.3%")],
)
def test_percentages_never_round_to_certainty(value, shown):
    assert percent(value) == shown


def test_other_numbers_are_rounded_as_read():
    assert (decimal(0.9999), decimal(1.0), decimal(0.8615), signed(-0.12345)) == (">0.999", "1.000", "0.862", "−0.1235")
    assert interval({"low": 0.9321, "high": 0.981}) == "93.2 to 98.1%"


@pytest.mark.parametrize(
    ("shape", "small", "kind", "mode"),
    [
        ((8, 8), True, "png", "L"),
        ((32, 32, 1), True, "png", "L"),
        ((32, 32, 3), True, "png", "RGB"),
        ((32, 20, 4), True, "png", "RGBA"),
        ((500, 400, 3), False, "jpeg", "RGB"),
    ],
)
def test_thumbnails_are_small_pictures(shape, small, kind, mode):
    address, is_small = thumbnail_address(np.full(shape, 100, dtype=np.uint8))
    prefix, content = address.split(",")
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (prefix, is_small, picture.mode) == (f"data:image/{kind};base64", small, mode)
    assert max(picture.size) <= 320


def test_an_array_that_is_no_image_is_refused():
    message = (
        r"^an example's image must be uint8 of shape \(h, w\) or \(h, w, c\). Received: float64 of shape \(4, 4\).$"
    )
    with pytest.raises(ValueError, match=message):
        thumbnail_address(np.zeros((4, 4)))


def test_worst_mistakes_appear_as_images_with_their_ids(tmp_path):
    predictions = several(n=200)
    image = np.arange(3 * 64, dtype=np.uint8).reshape(8, 8, 3)
    context = ReportContext(image_of=lambda name: image, max_mistakes=3)
    report = write_report({"test": predictions}, tmp_path, title="x", context=context)
    page = report.html_path.read_text(encoding="utf-8")
    shown = report.data["splits"]["test"]["mistakes"]["shown"]
    assert page.count('class="small"') == len(shown) == 3
    assert all(f'alt="Example {one["id"]}"' in page for one in shown)


def test_mistakes_without_images_appear_as_a_table(tmp_path):
    report = write_report(
        {"test": several(n=200)}, tmp_path, title="x", context=ReportContext(image_of=lambda name: None)
    )
    page = report.html_path.read_text(encoding="utf-8")
    first = report.data["splits"]["test"]["mistakes"]["shown"][0]
    assert 'class="mistakes"' not in page and f'<th scope="row">{first["id"]}</th>' in page


def test_long_names_keep_both_ends():
    assert shorten("a" * 30 + "z" * 30, 11) == "aaaaa…zzzzz"
    assert shorten("short", 11) == "short"


def test_confusion_matrix_shows_counts_and_row_shares():
    axes = confusion_figure([[3, 1], [0, 0]], ["a", "b"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3\n75%", "1\n25%", "0\n0%", "0\n0%"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert not confusion_figure(np.eye(21, dtype=int).tolist(), [str(i) for i in range(21)]).axes[0].texts


def test_roc_legend_names_every_class_up_to_ten_and_then_the_mean():
    for k, expected in ((3, 2), (12, 2)):
        predictions = several(k=k)
        numbers = report_numbers({"t": predictions}, title="x", context=ReportContext())["splits"]["t"]
        names = [text.get_text() for text in roc_figure(predictions, numbers).axes[0].get_legend().get_texts()]
        assert len(names) == expected
        assert names[0].startswith("AUC " if k == 3 else "each of 11 classes")
