"""The page in a real browser: the explorer's numbers, sorting, hostile names, no request, no error, no overflow."""

from types import SimpleNamespace

import numpy as np
import pytest

from evaluation import ExampleColumns, evaluate
from evaluation.report import words
from evaluation.report.page import render_page
from evaluation.uncertainty.intervals import proportion
from tests.evaluation import report_data

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
IMAGE = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
CONTEXT = SimpleNamespace(image_of=lambda name: IMAGE, training_curves=None)
REPORTS = {
    "binary": report_data.binary_report,
    "hostile": report_data.hostile_report,
    "several": report_data.several_report,
    "many": lambda: report_data.several_report(22, labels=["n" * 60, *(f"class {i}" for i in range(21))]),
    "regression": report_data.regression_report,
}
OUTPUTS = """Object.fromEntries(Array.from(
    document.querySelectorAll('.explorer [data-out]'), one => [one.dataset.out, one.textContent]))"""
TO_POSITION = "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input', {bubbles: true})); }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pages")
    for name, build in REPORTS.items():
        data = build()
        figures = {split: [report_data.figure(), report_data.figure("T" * 80)] for split in data["splits"]}
        (made / f"{name}.html").write_text(render_page(data, figures, CONTEXT), encoding="utf-8")
    return made


def open_page(browser, folder, name, **options):
    """A page that keeps its requests and whatever goes wrong on it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
    page.problems, page.requests = [], []
    page.on("console", lambda message: page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("dialog", lambda dialog: page.problems.append(dialog.message))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((folder / f"{name}.html").as_uri())
    return page


@pytest.fixture
def opened(browser, folder):
    pages = []
    yield lambda name, **options: pages.append(open_page(browser, folder, name, **options)) or pages[-1]
    for page in pages:
        assert page.problems == []
        page.close()


@pytest.fixture(scope="module")
def shared_page(browser, folder):
    page = open_page(browser, folder, "binary")
    yield page
    page.close()


@pytest.fixture
def binary(shared_page):
    shared_page.locator(".reset").click()
    yield shared_page
    assert shared_page.problems == []


@pytest.fixture(scope="module")
def split():
    return report_data.binary_report()["splits"]["test"]


def outputs(page):
    """The text of every output of the explorer, by its name."""
    return page.evaluate(OUTPUTS)


def shown(page, name):
    """The text of an output of the explorer."""
    return outputs(page)[name]


def move(page, kind, to):
    """Sets a slider to a position."""
    page.locator(f".{kind}-slider").evaluate(TO_POSITION, str(to))


def expected(split, index, prevalence):
    """What the explorer must show at a kept point of the curve, from report.json's counts alone."""
    roc = split["roc"]
    tp, fp = roc["tp"][index], roc["fp"][index]
    fn, tn = roc["positives"] - tp, roc["negatives"] - fp
    found = {name: f"{value:,}" for name, value in {"tp": tp, "fp": fp, "fn": fn, "tn": tn}.items()}
    shares = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp), "precision": (tp, tp + fp)}
    shares |= {"npv": (tn, tn + fn), "accuracy": (tp + tn, tp + tn + fp + fn)}
    for name, counts in shares.items():
        one = report_data.share(*counts)
        found |= {name: words.percent(one["estimate"]), f"{name}-interval": words.interval(one)}
        found[f"{name}-counts"] = words.counts(one)
    se, sp = tp / roc["positives"], tn / roc["negatives"]
    positive, negative = se * prevalence + (1 - sp) * (1 - prevalence), sp * (1 - prevalence) + (1 - se) * prevalence
    found["precision_at_prevalence"] = words.percent(se * prevalence / positive if positive else None)
    found["npv_at_prevalence"] = words.percent(sp * (1 - prevalence) / negative if negative else None)
    lr = {"lr_positive": (se, fp / roc["negatives"]), "lr_negative": (fn / roc["positives"], sp)}
    for name, (above, below) in lr.items():
        found[name] = words.ratio(above / below if below else (float("inf") if above else None))
    return found | {"youden_j": words.decimal(se + sp - 1)}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.77, 0.99, 1.0])
def test_a_moved_slider_shows_the_numbers_of_the_report_at_that_threshold(binary, split, share):
    last = len(split["roc"]["tp"]) - 1
    index = round(share * last)
    move(binary, "threshold", last - index)
    found, wanted = outputs(binary), expected(split, index, 0.05)
    assert {name: found[name] for name in wanted} == wanted
    threshold = split["roc"]["threshold"][index]
    assert found["threshold"] == words.score(threshold)
    field = "" if threshold is None else words.score(threshold)
    assert binary.locator(".threshold-field").input_value() == field


def test_the_explorer_starts_with_the_figures_of_the_reports_own_table(binary, split):
    found, entry = outputs(binary), split["per_class"][1]
    for name in ("sensitivity", "specificity", "precision", "npv"):
        assert found[name] == words.percent(entry[name]["estimate"])
        assert found[f"{name}-interval"] == words.interval(entry[name])
        assert found[f"{name}-counts"] == words.counts(entry[name])
    assert found["accuracy"] == words.percent(split["accuracy"]["estimate"])
    assert found["precision_at_prevalence"] == words.percent(split["at_prevalence"]["precision"]["estimate"])
    assert (found["threshold"], found["prevalence"]) == ("0.43", "5.0%")
    assert "48 of them found, 2 missed" in found["thousand"]


def test_the_keyboard_moves_the_slider_to_both_ends(binary):
    slider = binary.locator(".threshold-slider")
    slider.focus()
    binary.keyboard.press("End")
    found = outputs(binary)
    assert (found["threshold"], found["precision"], found["lr_positive"]) == ("∞", "undefined", "undefined")
    assert (found["sensitivity"], found["specificity"]) == ("0.0%", "100.0%")
    binary.keyboard.press("Home")
    found = outputs(binary)
    assert (found["sensitivity"], found["npv"], found["fn"]) == ("100.0%", "undefined", "0")
    binary.keyboard.press("ArrowRight")
    assert shown(binary, "tn") == "1" and "NaN" not in binary.locator(".explorer").inner_text()
    assert slider.get_attribute("aria-valuetext").startswith("threshold 0.0")


def test_a_typed_threshold_takes_the_first_score_at_or_above_it(binary, split):
    roc, field = split["roc"], binary.locator(".threshold-field")
    for typed in (0.2, 0.61803, roc["threshold"][5], 2.0, -1.0):
        field.fill(str(typed))
        field.press("Enter")
        index = max(i for i, one in enumerate(roc["threshold"]) if one is None or one >= typed)
        assert (shown(binary, "tp"), shown(binary, "fp")) == (str(roc["tp"][index]), str(roc["fp"][index]))
    binary.locator(".reset").click()
    assert (shown(binary, "threshold"), shown(binary, "tp")) == ("0.43", "152")


@pytest.mark.parametrize("prevalence", [0.001, 0.023, 0.5, 0.999])
def test_a_moved_prevalence_moves_the_predictive_values_by_bayes(binary, split, prevalence):
    move(binary, "prevalence", f"{100 * prevalence:.1f}")
    found, value = outputs(binary), report_data.at_prevalence(split["per_class"][1], prevalence)
    assert found["precision_at_prevalence"] == words.percent(value["precision"]["estimate"])
    assert found["npv_at_prevalence"] == words.percent(value["npv"]["estimate"])
    assert found["prevalence"] == words.percent(prevalence)
    assert found["precision"] == words.percent(split["per_class"][1]["precision"]["estimate"])


def test_the_point_lies_on_the_curve_at_the_chosen_rates(binary, split):
    roc = split["roc"]
    move(binary, "threshold", len(roc["tp"]) - 1 - 100)
    x, y = (float(binary.locator(".curve-plot .point").get_attribute(key)) for key in ("cx", "cy"))
    assert (x - 46) / 300 == pytest.approx(roc["fp"][100] / roc["negatives"])
    assert 1 - (y - 12) / 300 == pytest.approx(roc["tp"][100] / roc["positives"])
    assert binary.locator(".curve-plot .reader").count() == 5


def test_changes_are_announced_politely_and_after_the_last_move(binary):
    live = binary.locator("[aria-live='polite']")
    move(binary, "threshold", 50)
    move(binary, "threshold", 0)
    sync_api.expect(live).to_contain_text("sensitivity 100.0%, specificity 0.")


def test_the_script_rounds_exactly_as_the_report_does(binary):
    page = binary
    rng = np.random.default_rng(0)
    counts = [(k, n) for n in (1, 3, 8, 16, 80, 400, 1000, 99991) for k in {0, 1, n // 3, n // 2, n - 1, n}]
    values = [k / n for k, n in counts] + rng.random(300).tolist() + [i / 400 for i in range(401)] + [0.99949, 0.9995]
    larger = [value * scale for value in values for scale in (1, 30, 5000)] + [10**9 / 3]
    for name, numbers in {
        "percent": values,
        "decimal": values,
        "ratio": larger,
        "count": larger,
        "score": larger,
    }.items():
        found = page.evaluate(f"values => values.map({name})", numbers)
        assert found == [getattr(words, name)(number) for number in numbers], name
    z = page.evaluate("JSON.parse(document.querySelector('.explorer script').textContent).z")
    for k, n in counts:
        one = proportion(k, n)
        assert page.evaluate("([k, n, z]) => wilson(k, n, z)", [k, n, z]) == pytest.approx(
            [one.low, one.high], abs=1e-15
        )


def test_a_click_on_a_heading_sorts_and_undefined_numbers_stay_last(opened):
    page = opened("several")
    table = page.locator("table.sortable").first
    heading = table.locator("thead th").nth(2)
    orders = []
    for expected_sort in ("descending", "ascending"):
        heading.locator("button").focus()
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == expected_sort
        orders.append([cell.split("\n")[0] for cell in table.locator("tbody td:nth-child(3)").all_inner_texts()])
    numbers = [[float(text.rstrip("%")) for text in order[:-1]] for order in orders]
    assert numbers[0] == sorted(numbers[0], reverse=True) == numbers[1][::-1] and len(set(numbers[0])) == 3
    assert all(order[-1].startswith("undefined") for order in orders)


def test_hostile_names_are_shown_as_text(opened):
    page, data = opened("hostile"), report_data.hostile_report()
    split = data["splits"]["<b>test</b>"]
    text = page.locator("main").inner_text()
    for name in (*split["labels"], split["mistakes"]["shown"][0]["id"], "<b>test</b>", "<i>sex</i>", data["title"]):
        assert name in text, name
    assert page.locator("main script:not([type='application/json'])").count() == 0
    assert page.locator("main b", has_text="test").count() == 0
    assert split["positive"] in shown(page, "thousand")


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_opens_offline_and_fits(opened, name):
    page = opened(name, color_scheme="dark" if name == "several" else "light")
    for width in (1280, 400, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in page.requests if not url.startswith(("data:", "file:"))] == []
    assert sum(url.startswith("file:") for url in page.requests) == 1
    assert min(page.evaluate("Array.from(document.images, one => one.naturalWidth)")) > 0


def test_dark_mode_and_print_change_the_page(opened):
    page = opened("binary", color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(23, 27, 31)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    assert not page.locator(".explorer").is_visible() and page.locator(".scroll table").first.is_visible()


def test_without_script_everything_but_the_explorer_is_there(opened):
    page = opened("binary", java_script_enabled=False)
    assert not page.locator(".explorer").is_visible()
    assert "needs JavaScript" in page.locator("noscript").text_content()
    assert page.get_by_text("152 of 160", exact=False).first.is_visible()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A report as users get it, with every figure, and its numbers."""
    rng = np.random.default_rng(5)
    y_true = rng.integers(0, 2, 300)
    score = 1 / (1 + np.exp(-rng.normal(size=300) - 1.5 * y_true + 1))
    columns = ExampleColumns(subgroups={"site": rng.choice(["<b>north</b>", "south"], 300)})
    report = evaluate(y_true, score, labels=["benign", "malignant"], columns=columns)
    return report.save(tmp_path_factory.mktemp("real"))


def test_the_slider_shows_what_report_json_says_at_every_threshold_of_its_table(browser, real):
    page = open_page(browser, real.folder, "index")
    rows = real.data["splits"]["predictions"]["threshold_table"]
    for row in rows:
        page.fill(".threshold-field", repr(row["threshold"]))
        page.keyboard.press("Enter")
        shown = page.evaluate(OUTPUTS)
        for name in ("sensitivity", "specificity", "precision", "npv"):
            assert shown[name] == words.percent(row[name]["estimate"]), (name, row["threshold"])
        assert [shown[name] for name in ("tp", "fp", "fn", "tn")] == [
            f"{row[name]:,}" for name in ("tp", "fp", "fn", "tn")
        ]
    assert len(rows) >= 5 and page.problems == []
    page.close()


@pytest.mark.parametrize("width", [1280, 400])
def test_a_whole_report_asks_nobody_and_fits(browser, real, width):
    page = open_page(browser, real.folder, "index")
    page.set_viewport_size({"width": width, "height": 900})
    outside = [url for url in page.requests if url != real.html_path.as_uri() and not url.startswith("data:")]
    sizes = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    images = page.evaluate("Array.from(document.images, one => one.naturalWidth)")
    assert (page.problems, outside) == ([], [])
    assert sizes[0] <= sizes[1] and len(images) >= 6 and min(images) > 0
    page.close()
