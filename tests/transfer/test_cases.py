"""The four cases as the notes state them."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from training.checks import ConfigError
from transfer.cases import CASES, Changes, Head, cases_of, quadrant
from transfer.pretrained.catalog import CUTS


def test_the_notes_statements_stand_in_the_table():
    stated = {
        name: (case.large, case.similar, case.cut, case.frozen, case.initialisation) for name, case in CASES.items()
    }
    assert stated == {
        "1": (False, True, "last", "backbone", "pretrained"),
        "2": (False, False, "early", "backbone", "pretrained"),
        "3": (True, True, "last", "nothing", "pretrained"),
        "4a": (True, False, "last", "nothing", "random"),
        "4b": (True, False, "last", "nothing", "pretrained"),
    }


def test_a_frozen_backbone_trains_the_head_alone_and_fine_tuning_comes_after_it_at_a_lower_rate():
    for case in CASES.values():
        parts = [phase.trainable for phase in case.phases]
        rates = [phase.learning_rate for phase in case.phases]
        expected = {"backbone": ["head"], "nothing": ["head", "all"]}[case.frozen]
        assert parts == (["all"] if case.initialisation == "random" else expected)
        assert rates == sorted(set(rates), reverse=True)


def test_option_b_of_the_fourth_case_does_what_the_third_does():
    third, other = dataclasses.asdict(CASES["3"]), dataclasses.asdict(CASES["4b"])
    assert {key for key in third if third[key] != other[key]} == {"number", "option", "title", "when", "similar"}


def test_frozen_features_are_never_augmented_and_random_weights_never_keep_old_statistics():
    for case in CASES.values():
        assert (case.frozen == "backbone") == (case.augmentation == Changes())
        assert (case.initialisation == "random") == (case.batch_norms == "training")
        assert case.cut in CUTS


def test_head_and_augmentation_are_the_keywords_of_the_functions_that_they_are_for():
    from training.augmentation import Augmentation
    from transfer.surgery import replace_head

    assert {field.name for field in dataclasses.fields(Head)} <= set(inspect.signature(replace_head).parameters)
    assert Augmentation(**dataclasses.asdict(CASES["3"].augmentation)).is_active


@pytest.mark.parametrize(
    ("name", "expected"), [("1", ["1"]), (4, ["4a", "4b"]), ("4b", ["4b"]), ("all", ["1", "2", "3", "4a", "4b"])]
)
def test_names_of_cases(name, expected):
    assert [case.name for case in cases_of(name)] == expected


def test_an_unknown_case_is_refused_with_the_names():
    with pytest.raises(ConfigError, match=r"case must be one of 1, 2, 3, 4, 4a, 4b, all. Received: case=5."):
        cases_of("5")


def test_quadrants():
    found = [quadrant(large=large, similar=similar) for large in (False, True) for similar in (True, False)]
    assert found == [1, 2, 3, 4]


def test_cases_and_similarity_load_no_tensorflow():
    code = "import sys, transfer.cases, transfer.similarity; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
