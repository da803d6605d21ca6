"""The checklist points at parts that exist; the methods name what the report used, and nothing else."""

import re
from types import SimpleNamespace

import pytest

from evaluation.report.methods import methods, methods_used
from evaluation.report.page import render_page
from evaluation.report.references import REFERENCES
from evaluation.report.standards import checklist
from tests.evaluation import report_data

CONTEXT = SimpleNamespace(image_of=None, training_curves=None)


def status(data, standard, item):
    (found,) = [one for one in checklist(data) if (one["standard"], one["item"]) == (standard, item)]
    return found["status"]


@pytest.mark.parametrize(
    "build", [report_data.binary_report, report_data.several_report, lambda: report_data.several_report(22)]
)
def test_every_place_that_the_checklist_names_is_on_the_page(build):
    data = build()
    page = render_page(data, {"test": [report_data.figure()]}, CONTEXT)
    places = {one["where"] for one in data["checklist"] if one["where"]}
    assert len(places) >= 5
    assert places <= set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def test_all_items_of_stard_2015_are_named_once():
    numbers = []
    for one in checklist(report_data.binary_report()):
        if one["standard"] == "STARD 2015":
            first, _, last = one["item"].partition("–")
            start, stop = (int(re.sub(r"\D", "", part)) for part in (first, last or first))
            numbers += range(start, stop + 1)
    assert sorted(set(numbers)) == list(range(1, 31))


def test_statuses_follow_what_the_report_holds():
    full = report_data.binary_report()
    bare = report_data.report({"test": report_data.binary_split()})
    assert (status(full, "STARD 2015", "16"), status(bare, "STARD 2015", "16")) == ("reported", "partly")
    assert (status(full, "TRIPOD+AI", "23a"), status(bare, "TRIPOD+AI", "23a")) == ("reported", "partly")
    assert (status(full, "STARD 2015", "17"), status(bare, "STARD 2015", "17")) == ("partly", "yours")
    assert status(bare, "STARD 2015", "24") == "reported"


def test_a_report_without_classes_has_no_checklist():
    assert checklist(report_data.regression_report()) == []


def test_methods_name_what_was_used_and_nothing_else():
    sentences, references = methods(report_data.binary_report())
    text = " ".join(sentences)
    for name in ("Wilson", "DeLong", "McNemar", "Holm", "Obuchowski and Rockette", "2,000 resamples, seed 0", "Bayes"):
        assert name in text
    for name in ("Clopper", "cluster bootstrap", "linearised", "Gorodkin", "weight"):
        assert name not in text
    assert all(sentence.endswith(".") for sentence in sentences)
    assert REFERENCES["hillis"] in references and REFERENCES["clopper"] not in references


def test_every_reference_is_cited_and_every_mark_has_a_reference():
    for build in (report_data.binary_report, report_data.several_report, report_data.regression_report):
        sentences, references = methods(build())
        marks = {int(mark) for group in re.findall(r"\[([\d, ]+)\]", " ".join(sentences)) for mark in group.split(",")}
        assert marks == set(range(1, len(references) + 1))


def test_grouped_examples_are_said_to_be_resampled_by_group():
    split = report_data.binary_split(groups=200)
    split["accuracy"] = report_data.estimate(0.9, 0.03, method="cluster-bootstrap")
    data = report_data.report({"test": split})
    assert "cluster-bootstrap" in methods_used(data)
    assert "whole groups were resampled" in " ".join(methods(data)[0])
