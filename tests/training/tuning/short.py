"""`python -m training.tune` without the page of the search, which takes longer than all else."""

import sys

from evaluation.command import run_main
from training.tune import USER_ERRORS, main
from training.tuning import session

if __name__ == "__main__":
    session.write_report = lambda run: run.report / "index.html"
    sys.exit(run_main(main, user_errors=USER_ERRORS))
