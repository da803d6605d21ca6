"""Runs a lab's small form and checks its claims."""

from training.labs.lab import Findings, Lab
from training.labs.making import run


def small(lab: Lab) -> Findings:
    """The findings of the small form, every claim of which holds: one beyond noise, which needs more seeds, on average.

    Args:
        lab: Which.
    """
    findings = run(lab, lab.small)
    for one in findings.claims:
        assert one.holds or (one.judged == "interval" and one.on_average), f"{one.text}: {one.values}"
    assert len(findings.pictures) >= 1
    for picture in findings.pictures:
        for ax in picture.figure.axes:
            assert ax.get_xlabel() or ax.get_ylabel(), f"{picture.name}: axes without labels"
        assert picture.title and picture.caption
    return findings
