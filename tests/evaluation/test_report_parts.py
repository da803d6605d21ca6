"""The parts of a report: rounding, sentences, tables, Markdown, text, the page's data, thumbnails."""

import base64
import hashlib
import html
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evaluation.report import words
from evaluation.report.explorer import explorer_data, safe_json
from evaluation.report.headline import headline, headline_groups, leading
from evaluation.report.markdown import escape, render_markdown
from evaluation.report.page import LARGEST_SVG, render_page, thumbnail_address
from evaluation.report.studies import comparison_sentences, pairs_table, readers_sentences, readers_table
from evaluation.report.summary import summary
from evaluation.report.tables import confusion_table, per_class_table, subgroup_table
from evaluation.report.text import render_text
from tests.evaluation import report_data
from tests.evaluation.report_data import HOSTILE, estimate

PLAIN = SimpleNamespace(image_of=None, training_curves=None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "undefined"), (0, "0.0%"), (1, "100.0%"), (0.9999, ">99.9%"), (0.0001, "<0.1%"), (0.8333, "83.3%")],
)
def test_percentages_never_round_to_certainty(value, shown):
    assert words.percent(value) == shown


@pytest.mark.parametrize(
    ("show", "value", "shown"),
    [
        (words.decimal, 0.9999, ">0.999"),
        (words.decimal, 1.0, "1.000"),
        (words.decimal, -0.21, "−0.210"),
        (words.ratio, 3.7537, "3.75"),
        (words.ratio, 28.686, "28.7"),
        (words.ratio, 1234.5, "1,234"),
        (words.ratio, 0.13086, "0.131"),
        (words.ratio, 0.0001, "<0.001"),
        (words.ratio, float("inf"), "∞"),
        (words.points, 0.0444, "+4.4"),
        (words.points, -0.012, "−1.2"),
        (words.signed, -0.12345, "−0.1235"),
        (words.p_value, 0.00047, "<0.001"),
        (words.p_value, 0.0386, "0.039"),
        (words.p_value, 0.438, "0.44"),
        (words.p_value, 0.9999, ">0.99"),
        (words.p_value, None, ""),
        (words.count, 1234567, "1,234,567"),
        (words.count, 12.25, "12.2"),
        (words.score, None, "∞"),
        (words.score, 0.43, "0.43"),
    ],
)
def test_other_numbers_are_rounded_as_read(show, value, shown):
    assert show(value) == shown


def test_an_infinite_number_keeps_its_lower_limit_and_is_not_called_undefined():
    one = estimate(None, reason="infinite: no false positives", low=3.1, method="log")
    assert words.value_of(one, words.ratio) == "∞"
    assert words.interval(one, words.ratio) == "3.10 to ∞"
    assert words.value_of(estimate(None, reason="no positive examples"), words.ratio) == "undefined"


def test_the_summary_states_class_number_prevalence_threshold_and_what_is_missing():
    text = " ".join(summary(report_data.binary_report()["splits"]["test"], 0.95))
    for part in (
        "The model found 152 of 160 malignant examples (sensitivity 95.0%, 95% interval 90.4–97.4%)",
        "Positive class: malignant, the condition looked for; present in 160 of 600 (26.7%).",
        "called malignant where its score is at least 0.43. It gives the highest specificity",
        "3 were counted as mistakes (worst case): benign 1, malignant 2; 2 examples without a known truth were left",
    ):
        assert part in text


def test_the_summary_of_grouped_examples_says_how_intervals_came_about():
    text = " ".join(summary(report_data.binary_split(groups=212), 0.95))
    assert "600 examples of 212 groups, such as patients; intervals are by cluster bootstrap" in text


def test_main_numbers_of_two_classes_are_all_there_in_groups():
    groups = headline_groups(report_data.binary_report()["splits"]["test"])
    titles = ["Detection", "Predictive values", "Likelihood ratios", "Agreement", "Ranking", "Calibration"]
    assert [group.title for group in groups] == titles
    assert sum(len(group.measures) for group in groups) == 25
    assert all(one.value and one.meaning.endswith(".") for group in groups for one in group.measures)
    assert all(one.method for group in groups for one in group.measures if one.interval)


def test_a_number_without_interval_says_why():
    split = report_data.binary_split(mcc=estimate(0.5, note="no interval: every resample gives the same value"))
    (line,) = [one for one in headline(split) if one.name.startswith("Matthews")]
    assert (line.interval, line.method, line.span) == ("", "", None)
    assert line.meaning.endswith("No interval: every resample gives the same value.")


def test_several_classes_and_regressions_have_their_own_main_numbers():
    many = [one.name for one in headline(report_data.several_report(22)["splits"]["test"])]
    assert "Top-3 accuracy" in many and "AUC, macro" in many and "Prevalence" not in many
    regression = report_data.regression_report()["splits"]["test"]
    assert [one.value for one in leading(regression)] == ["1.21", "1.6", "0.9"]


def test_the_confusion_matrix_shows_counts_row_shares_and_sums():
    split = report_data.binary_split()
    split["confusion_matrix"] = [[3, 1], [0, 0]]
    rows = [[str(cell) for cell in row] for row in confusion_table(split).rows]
    assert rows == [["benign", "3 (75.0%)", "1 (25.0%)", "4"], ["malignant", "0", "0", "0"], ["All", "3", "1", "4"]]


def test_a_class_without_examples_is_undefined_with_its_reason():
    table = per_class_table(report_data.several_split(4), 0.95)
    assert str(table.rows[-1][2]) == "undefined (no positive examples)" and table.rows[-1][2].key is None
    assert "No examples of class d" in table.note and table.sortable


def test_small_subgroups_carry_their_warning():
    table = subgroup_table(report_data.binary_split(subgroups=report_data.subgroups()), 0.95)
    assert table.header[-1] == "Caution" and table.is_text(len(table.header) - 1)
    assert [row[-1] for row in table.rows] == ["", "", "", "", "Only 20 examples: the numbers are uncertain."]


def test_a_comparison_reads_without_explanation():
    first, second, third = comparison_sentences(report_data.comparison(), 0.95)
    assert first == (
        "Sensitivity of model 3 was higher than that of model 2: a difference of +4.4 percentage points (95% interval "
        "+0.1 to +8.7; McNemar exact, p = 0.039, p = 0.077 after Holm’s correction). With several pairs tested, "
        "chance alone could explain it; that does not show the two to be equal."
    )
    note = pairs_table(report_data.comparison(), 0.95).note
    assert "one may leave out 0 where the corrected p value is large" in note
    assert "was lower than" in second and "p < 0.001, p = 0.001 after Holm’s correction)." in third


def test_readers_read_without_explanation():
    study = report_data.readers()
    first, second, both = readers_sentences(study, 0.95)
    assert first == (
        "The model’s sensitivity was 87.8%, that of the average reader 81.1%: a difference of +6.7 percentage points "
        "(95% interval +2.7 to +10.7; p = 0.012). The model’s sensitivity was higher by more than chance would explain."
    )
    assert "a difference in specificity is not shown" in second and both.startswith("Readers and cases both")
    last = [str(cell) for cell in readers_table(study, 0.95).rows[-2]]
    assert last == ["Model at the readers’ mean specificity", "", "92.1% (89.1–95.1)", "at 80.6%"]


def test_the_explorer_starts_at_the_reports_own_counts():
    split = report_data.binary_split()
    data, entry = explorer_data(split, 0.95), split["per_class"][1]
    start = data["start"]
    assert (data["tp"][start], data["fp"][start]) == (entry["tp"], entry["fp"])
    assert data["threshold"][start] == 0.43 and len(data["tp"]) == len(split["roc"]["tp"])


def test_an_operating_point_that_thinning_left_out_is_put_back():
    split = report_data.binary_split()
    kept = [i for i in range(len(split["roc"]["tp"])) if i != explorer_data(split, 0.95)["start"]]
    for key in ("threshold", "tp", "fp"):
        split["roc"][key] = [split["roc"][key][i] for i in kept]
    data = explorer_data(split, 0.95)
    finite = data["threshold"][1:]
    assert data["threshold"][data["start"]] == 0.43 and finite == sorted(finite, reverse=True)
    assert data["tp"] == sorted(data["tp"]) and data["tp"][data["start"]] == split["per_class"][1]["tp"]


def test_grouped_examples_have_no_wilson_intervals_in_the_explorer():
    split = report_data.binary_split()
    split["per_class"][1]["sensitivity"] = estimate(0.9, 0.04, method="cluster-bootstrap", counts=(152, 160))
    assert explorer_data(split, 0.95)["z"] is None
    assert explorer_data(report_data.binary_split(roc=None), 0.95) is None


def test_json_cannot_end_its_element():
    value = {"name": f"</script>{HOSTILE}<!-- & \u2028"}
    text = safe_json(value)
    assert not set("<>&\u2028") & set(text) and json.loads(text) == value


def test_the_policy_allows_the_pages_script_and_no_other():
    page = render_page(report_data.binary_report(), {}, PLAIN)
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    source = f"script-src &#39;sha256-{digest}&#39;"
    assert policy == f"default-src &#39;none&#39;; img-src data:; style-src &#39;unsafe-inline&#39;; {source}"


def test_the_page_refers_to_nothing_outside_itself():
    page = render_page(report_data.hostile_report(), {"<b>test</b>": [report_data.figure()]}, PLAIN)
    assert not re.search(r"https?:|<link|url\(|@import", page)
    assert set(re.findall(r'src="([^",;]*)', page)) == {"data:image/svg+xml"}


def test_large_figures_are_pixels():
    figures = [report_data.figure("small"), report_data.figure("large", size=LARGEST_SVG)]
    page = render_page(report_data.several_report(), {"test": figures}, PLAIN)
    assert re.findall(r'src="([^",;]*)', page) == ["data:image/svg+xml", "data:image/png"]
    assert len(page) < 200_000


def test_an_exploratory_threshold_is_marked():
    point = report_data.operating_point(0.43, exploratory=True, chosen_on="the same examples")
    data = report_data.completed(report_data.report({"test": report_data.binary_split(operating_point=point)}))
    assert '<p class="caution"><strong>Exploratory.</strong>' in render_page(data, {}, PLAIN)
    assert "**Exploratory.**" in render_markdown(data, {}) and "Exploratory." in render_text(data)
    for shown in (render_page(data, {}, PLAIN), render_markdown(data, {}), render_text(data)):
        body = " ".join(re.sub(r"<script>.*", "", shown, flags=re.DOTALL).split())
        assert body.count("its score is at least 0.43") == body.count("Confirm them on other examples") == 1
    assert 'class="caution"' not in render_page(report_data.binary_report(), {}, PLAIN)


def test_names_are_text_in_the_page_and_in_markdown():
    data = report_data.hostile_report()
    page, markdown = render_page(data, {}, PLAIN), render_markdown(data, {})
    for tag in (HOSTILE, "<b>", "<i>", "<u>", "<em>b", "<em>v", "onerror=alert(1)>"):
        assert tag not in page and tag not in markdown, tag
    assert len(re.findall("<script", page)) == len(re.findall("</script>", page)) == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and r"\`\$x\$\` \| y" in markdown
    assert "{{ 7 * 7 }}" in page


def test_markdown_escapes_what_would_be_markup():
    assert escape("a_b*c|`d`[e]$f$\n<g>&") == r"a\_b\*c\|\`d\`\[e\]\$f\$ &lt;g&gt;&amp;"


def test_markdown_holds_the_same_parts_as_the_page():
    data = report_data.binary_report()
    markdown = render_markdown(data, {"test": [report_data.figure()]})
    headings = re.findall(r"^#+ (.*)$", markdown, flags=re.MULTILINE)
    for name in ("Confusion matrix", "Thresholds", "Subgroups", "Readers", "Worst mistakes", "Models compared"):
        assert name in headings
    assert headings[-4:] == ["References", "Definitions", "Details", "Notes"]
    assert "![ROC curve, for a test.](figures/test-roc.png)" in markdown
    assert "| Sensitivity (recall)" in markdown and "152 of 160 | Wilson" in markdown


def test_the_console_shows_every_main_number_once():
    data = report_data.binary_report()
    text = render_text(data)
    lines = next(part for part in text.split("\n\n") if part.startswith("Measure")).splitlines()[2:]
    for line, one in zip(lines, headline(data["splits"]["test"]), strict=True):
        assert line.startswith(one.name + " ") and f" {one.value} " in line
    assert text.endswith("67 of 600 examples were classified wrongly.")


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


def test_pictures_that_are_missing_are_counted_and_the_others_shown():
    data = report_data.binary_report()
    ids = [one["id"] for one in data["splits"]["test"]["mistakes"]["shown"]]
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    some = SimpleNamespace(image_of=lambda name: None if name in ids[:3] else image, training_curves=None)
    page = render_page(data, {}, some)
    assert (page.count("no picture</div>"), page.count('class="small"')) == (3, 5)
    assert "3 of their 8 pictures could not be found or read." in page and "--images" in page
    none = render_page(data, {}, SimpleNamespace(image_of=lambda name: None, training_curves=None))
    assert "8 of their 8 pictures could not be found or read." in none and "no picture</div>" not in none


def test_what_to_keep_in_mind_stands_in_every_format_and_names_the_flag():
    split = report_data.binary_split()
    area = split["per_class"][1]["auc"]
    area["note"] = "with an area above 0.9, DeLong's plain interval is too narrow; delong-logit covers better"
    split["per_class"][1]["dor"] = report_data.estimate(None, reason="0 ÷ 0")
    data = report_data.report({"test": split})
    data = report_data.completed(data)
    for shown in (render_page(data, {}, PLAIN), render_markdown(data, {}), render_text(data)):
        text = html.unescape(shown)
        assert text.count("the one on the logit scale (--auc-interval delong-logit) covers better") == 1
        assert "ndefined: 0 ÷ 0" in text


def test_a_table_of_classes_says_once_what_concerns_several():
    split = report_data.several_report()["splits"]["test"]
    for entry in split["per_class"][:2]:
        entry["auc"]["note"] = "no interval: a single positive example"
    first, second = (entry["label"] for entry in split["per_class"][:2])
    assert per_class_table(split, 0.95).note.count(f"AUC of {first} and {second}: no interval: a single") == 1


def test_worst_mistakes_appear_as_images_with_their_names_or_as_a_table():
    data = report_data.binary_report()
    shown = data["splits"]["test"]["mistakes"]["shown"]
    image = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    page = render_page(data, {}, SimpleNamespace(image_of=lambda name: image, training_curves=None))
    assert page.count('class="small"') == len(shown) == 8
    assert all(f'alt="Example {one["id"]}"' in page for one in shown)
    bare = render_page(data, {}, SimpleNamespace(image_of=lambda name: None, training_curves=None))
    assert 'class="mistakes"' not in bare and f'<th scope="row">{shown[0]["id"]}</th>' in bare
