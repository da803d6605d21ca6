"""What all tests of the search share."""

import sys

import pytest

from training.tuning.config import TuneConfig

# keras-tuner 1.4.8 asks for its thread by names that Python has given up
OLD_NAMES = "ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning"


SPACE = "learning_rate: [0.01, 0.1]\nl2: [0.0, 0.001]\n"


@pytest.fixture
def config(tmp_path) -> TuneConfig:
    (tmp_path / "space.yaml").write_text(SPACE)
    return TuneConfig(
        model="logistic_regression",
        dataset="breast_cancer",
        space=str(tmp_path / "space.yaml"),
        algorithm="grid",
        epochs=2,
        batch_size=128,
        final_seeds=0,
        runs_dir=str(tmp_path / "runs"),
        verbose="silent",
        deterministic=True,
    )


@pytest.fixture
def with_page():
    """The page of the search is part of the test."""


@pytest.fixture(autouse=True)
def no_page(request, monkeypatch):
    """Leaves out the page of a search, which takes longer than all else; tests that ask for `with_page` write it."""
    if "with_page" not in request.fixturenames and "training.tuning.session" in sys.modules:
        monkeypatch.setattr("training.tuning.session.write_report", lambda run: run.report / "index.html")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tuning" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings(OLD_NAMES))
