"""Pathological loss curves: each is named, and its cure is not."""

from tests.training.labs.small import small
from training.labs.loss_curves import LAB


def test_the_diagnostics_name_each_pathology_and_no_cure():
    verdicts = {name: one["verdicts"][0].split(":")[0] for name, one in small(LAB).numbers.items()}
    assert verdicts == {
        "explosion": "diverged",
        "collapse": "collapsed",
        "dead ReLU": "dead units",
        "saturated outputs": "saturated",
        "leak": "leaked validation",
        "imbalance": "majority class only",
    }
