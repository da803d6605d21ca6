"""What all tests of the search share."""

import pytest

# keras-tuner 1.4.8 asks for its thread by names that Python has given up
OLD_NAMES = "ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tuning" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings(OLD_NAMES))
