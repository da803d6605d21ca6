"""The quadrant of the four cases: what it says, what it draws, what it writes."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from evaluation.uncertainty.intervals import proportion
from transfer.cases import CASES
from transfer.comparison import quadrant
from transfer.comparison.quadrant import CaseResult, best_cases, draw_quadrant, verdict, write_cases


def result(case, correct=90, *, total=100, proposed=False, **changes):
    share = proportion(correct, total)
    limits = (share.value, share.low, share.high)
    made = CaseResult(case, CASES[case].title, *limits, correct, total, 12.4, 1538, f"run-{case}", proposed)
    return replace(made, **changes)


def diverged(case, **changes):
    return result(case, accuracy=math.nan, low=math.nan, high=math.nan, correct=0, **changes)


ALL = [result("4b", 95), result("1", 97, proposed=True), result("3", 98), result("2", 80), result("4a", 60)]


@pytest.mark.parametrize(
    ("results", "text"),
    [
        (
            ALL,
            "Best on validation: case 3, 98.0% (93.0–99.4). The measurement had proposed case 1, which reached 97.0% "
            "(91.5–99.0): −1.0 percentage points.",
        ),
        (
            [result("1", 98, proposed=True), result("3", 98)],
            "Best on validation: cases 1 and 3 alike, 98.0% (93.0–99.4). The measurement had proposed case 1: it is "
            "among the best.",
        ),
        ([result("2", 50)], "Best on validation: case 2, 50.0% (40.4–59.6)."),
        (
            [result("2", 50), diverged("3", proposed=True)],
            "Best on validation: case 2, 50.0% (40.4–59.6). The measurement had proposed case 3, whose training "
            "diverged.",
        ),
        ([diverged("2")], "No case reached an accuracy: every training diverged."),
    ],
)
def test_the_verdict_names_the_best_and_what_was_proposed(results, text):
    assert verdict(results) == text


def drawn_texts(results, monkeypatch, tmp_path):
    """Every text of the figure."""
    from matplotlib.text import Text

    found = []
    original = quadrant._caption

    def caption(given):
        found.append(given)
        return original(given)

    monkeypatch.setattr(quadrant, "_caption", caption)
    figures = []
    panels = quadrant._new_panels
    monkeypatch.setattr(quadrant, "_new_panels", lambda title: figures.append(panels(title)) or figures[-1])
    draw_quadrant(results, tmp_path / "quadrant.png", title="A <b>$title$")
    figure, fields = figures[0]
    return {place: [text.get_text() for text in ax.findobj(Text)] for place, ax in fields.items()}, figure


def test_every_field_holds_its_cases_with_their_numbers(monkeypatch, tmp_path):
    fields, _ = drawn_texts(ALL, monkeypatch, tmp_path)
    for (large, similar), names in {
        (True, True): ["3"],
        (True, False): ["4a", "4b"],
        (False, True): ["1"],
        (False, False): ["2"],
    }.items():
        found = fields[large, similar]
        assert [name for name in CASES if name in found] == names
        assert sum("of 100 · 12 s · 1,538 weights trained" in text for text in found) == len(names)
    assert "98.0% (93.0–99.4)" in fields[True, True] and "★ best" in fields[True, True]
    assert quadrant.PROPOSED in fields[False, True]
    marks = [text for texts in fields.values() for text in texts if text in ("★ best", quadrant.PROPOSED)]
    assert len(marks) == 2


def test_the_picture_is_legible_at_800_pixels_and_nothing_leaves_its_field(monkeypatch, tmp_path):
    fields, figure = drawn_texts(ALL, monkeypatch, tmp_path)
    with Image.open(tmp_path / "quadrant.png") as picture:
        width, inches = picture.width, figure.get_size_inches()[0]
    assert width == pytest.approx(144 * inches, rel=0.01)
    for ax in figure.axes:
        frame = ax.get_window_extent()
        for text in ax.texts:
            box = text.get_window_extent()
            assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            assert text.get_fontsize() * 800 / inches / 72 >= 10.5, text.get_text()


def test_all_fields_share_one_scale(monkeypatch, tmp_path):
    _, figure = drawn_texts(ALL, monkeypatch, tmp_path)
    places = {}
    for ax in figure.axes:
        for line in ax.lines:
            if line.get_marker() in ("o", "*"):
                places[round(float(line.get_xdata()[0]), 4)] = ax
    span = 3.8 - 0.8  # of the scale, from 50% (the tenth below the lowest limit) to 100%
    assert sorted(places) == pytest.approx([0.8 + span * (share - 0.5) / 0.5 for share in (0.6, 0.8, 0.95, 0.97, 0.98)])


def test_a_case_that_was_not_trained_says_so(monkeypatch, tmp_path):
    fields, _ = drawn_texts([result("1"), diverged("4a")], monkeypatch, tmp_path)
    assert [sum(text == "not trained" for text in fields[place]) for place in fields] == [1, 1, 0, 1]
    assert "none: diverged" in fields[True, False]


def test_the_tables_hold_the_same_numbers_in_the_order_of_the_notes(tmp_path):
    paths = write_cases([*ALL[:-1], diverged("4a")], tmp_path / "new")
    assert [path.name for path in paths] == ["cases.csv", "cases.json", "cases.md"]
    with open(paths[0], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    data = json.loads(paths[1].read_text(encoding="utf-8"))
    assert [row["case"] for row in rows] == [row["case"] for row in data["cases"]] == list(CASES)
    assert [row["best"] for row in rows] == ["False", "False", "True", "False", "False"]
    assert data["cases"][3]["accuracy"] is None and data["cases"][0]["accuracy"] == 0.97 == float(rows[0]["accuracy"])
    text = Path(paths[2]).read_text(encoding="utf-8")
    assert "97.0% (91.5–99.0) | 97 of 100" in text and "★ best on validation" in text and text.count("\n|") == 6


@pytest.mark.parametrize(
    ("results", "message"),
    [([], "at least one case. Received: none"), ([result("1"), result("1")], "one result. Received: 1, 1")],
)
def test_nothing_and_a_case_twice_are_refused(results, message, tmp_path):
    for use in (lambda: draw_quadrant(results, tmp_path / "q.png", title="t"), lambda: write_cases(results, tmp_path)):
        with pytest.raises(ValueError, match=message):
            use()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"), [({"case": "5"}, "case must be one of 1, 2"), ({"low": 0.99}, "must ascend between")]
)
def test_results_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(result("1"), **changes)


def test_equal_accuracies_share_the_first_place():
    assert best_cases([result("1", 98), result("2", 97), result("4b", 98)]) == ["1", "4b"]
