"""Sections that a caller adds: on the page, in Markdown and JSON, kept beside a run, whatever their pictures do."""

import html
import io
import json
import re
from importlib import resources
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from PIL import Image

from evaluation.report import ReportContext, build_report
from evaluation.report.markdown import render_markdown
from evaluation.report.page import render_page
from evaluation.report.sections import (
    FILE,
    WIDE,
    Section,
    SectionsError,
    read_figure,
    read_sections,
    sections_json,
    table_of,
    write_sections,
)
from tests.evaluation import report_data
from tests.evaluation.report_data import HOSTILE
from tests.evaluation.samples import binary

SCHEMA = json.loads(resources.files("evaluation.report").joinpath("schema.json").read_text(encoding="utf-8"))
PLAIN = SimpleNamespace(image_of=None, training_curves=None)


def picture(path, width=40, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((10, width, 3), dtype=np.uint8)).save(buffer, kind)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.fixture
def section(tmp_path):
    figures = [(picture(tmp_path / "map.png"), "a map"), (tmp_path / "gone.png", "what is gone")]
    table = (("Cut", "Accuracy", "n"), [("late", "97.4% (93.5–99.0)", np.int64(1500)), ("early", None, 0.123456)])
    return Section("Probes", ["First.", "Second."], figures, table, {"late": {"mean": np.float32(0.5), "bad": np.nan}})


def test_json_holds_plain_values_and_the_schema_describes_them(section):
    (found,), pictures = sections_json([section])
    assert found["numbers"] == {"late": {"mean": 0.5, "bad": None}}
    assert found["table"]["rows"] == [["late", "97.4% (93.5–99.0)", 1500], ["early", None, 0.123456]]
    assert found["figures"] == [
        {"file": "figures/section-1-1.png", "alt": "a map", "reason": None},
        {"file": None, "alt": "what is gone", "reason": "gone.png is missing"},
    ]
    assert pictures["figures/section-1-1.png"].content == section.figures[0][0].read_bytes()
    jsonschema.validate(json.loads(json.dumps(report_data.binary_report() | {"sections": [found]})), SCHEMA)


def test_numbers_stand_right_and_text_left_in_the_table(section):
    table = table_of(sections_json([section])[0][0])
    assert [[str(cell) for cell in row] for row in table.rows] == [
        ["late", "97.4% (93.5–99.0)", "1,500"],
        ["early", "–", "0.1235"],
    ]
    assert [table.is_text(column) for column in range(3)] == [True, False, False]
    last = Section("s", table=(("a", "b", "c"), [("1", 2, "why not")]))
    assert [table_of(sections_json([last])[0][0]).is_text(column) for column in range(3)] == [True, False, True]


def test_a_report_shows_sections_between_the_training_and_the_methods(section, tmp_path):
    context = ReportContext(sections=[section], verdict="good fit")
    report = build_report({"test": binary()}, title="t", context=context).save(tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    places = [page.index(f'<section id="{name}">') for name in ("training", "section-1", "methods")]
    assert places == sorted(places) and '<a href="#section-1">Probes</a>' in page
    assert 'alt="a map"' in page and page.count("gone.png is missing") == 1
    assert "It shows: what is gone" in page and "<p>Second.</p>" in page
    markdown = report.files["report.md"]
    assert "## Probes\n\nFirst.\n\nSecond.\n\n![a map](figures/section-1-1.png)" in markdown
    assert "A picture is missing here: gone.png is missing." in markdown and "1,500" in markdown
    assert (tmp_path / "report" / "figures" / "section-1-1.png").is_file()
    assert report.data["sections"][0]["title"] == "Probes"


def test_names_are_text_wherever_they_stand(tmp_path):
    path = picture(tmp_path / "map.png")
    hostile = Section(HOSTILE, [HOSTILE], [(path, HOSTILE), (tmp_path / "x.png", HOSTILE)], ((HOSTILE,), [(HOSTILE,)]))
    sections, pictures = sections_json([hostile])
    data = report_data.binary_report() | {"sections": sections}
    page = render_page(data, {}, PLAIN, pictures=pictures)
    assert HOSTILE not in page and page.count(html.escape(HOSTILE)) >= 6
    assert HOSTILE not in render_markdown(data, {})
    assert len(re.findall("<script", page)) == 2


@pytest.mark.parametrize(("width", "wide"), [(WIDE, True), (WIDE - 1, False)])
def test_wide_pictures_get_the_whole_page(tmp_path, width, wide):
    found, reason = read_figure(picture(tmp_path / "a.jpg", width, "JPEG"))
    assert (found.kind, found.wide, reason) == ("image/jpeg", wide, None)


@pytest.mark.parametrize("content", [b"", b"no picture", b"<svg onload='alert(1)'/>", "half", None])
def test_a_picture_that_cannot_be_read_is_named_and_nothing_else_happens(tmp_path, content):
    path = picture(tmp_path / "map.png", 400)
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(path.read_bytes()[:70] if content == "half" else content)
    found, reason = read_figure(path)
    assert found is None and reason.startswith("map.png cannot be read (") and "\n" not in reason


def test_sections_are_read_as_they_were_written_wherever_the_folder_is_now(section, tmp_path):
    write_sections(tmp_path, [section])
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    (found,) = read_sections(moved)
    assert [path for path, _ in found.figures] == [moved / "map.png", moved / "gone.png"]
    assert sections_json([found])[0] == sections_json([Section(**vars(section) | {"figures": found.figures})])[0]


def test_a_folder_without_sections_has_none(tmp_path):
    assert read_sections(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 2, "sections": []}',
        '{"schema": 1}',
        '{"schema": 1, "sections": [{"title": "t"}]}',
        '{"schema": 1, "sections": [{"title": " ", "paragraphs": [], "figures": [], "table": null, "numbers": {}}]}',
        '{"schema": 1, "sections": [{"title": "t", "paragraphs": "p", "figures": [], "table": null, "numbers": {}}]}',
        '{"schema": 1, "sections": [{"title": "t", "paragraphs": [], "figures": [], "table": 3, "numbers": {}}]}',
        "\xff" * 9,
    ],
)
def test_a_torn_or_foreign_file_is_refused_in_one_line(tmp_path, text):
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(SectionsError, match=r"cannot be read \(.*\), so the report lacks its sections") as caught:
        read_sections(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["../secret.png", "/etc/passwd", "link.png"])
def test_no_picture_from_outside_the_folder_gets_in(tmp_path, place):
    folder = tmp_path / "run"
    folder.mkdir()
    secret = picture(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(secret)
    write_sections(folder, [Section("t")])
    text = (folder / FILE).read_text(encoding="utf-8")
    (folder / FILE).write_text(text.replace('"figures": []', f'"figures": [{{"file": "{place}", "alt": "a"}}]'))
    with pytest.raises(SectionsError, match="must lie inside the folder"):
        read_sections(folder)
    with pytest.raises(ValueError, match="a picture must lie inside"):
        write_sections(folder, [Section("t", figures=[(secret, "a")])])


def test_rows_that_do_not_fit_and_an_empty_title_are_refused():
    with pytest.raises(ValueError, match="'t': row 2 of its table must have 2 cells, one for each column. Received: 1"):
        Section("t", table=(("a", "b"), [(1, 2), (1,)]))
    with pytest.raises(ValueError, match="needs a title"):
        Section(" ")
