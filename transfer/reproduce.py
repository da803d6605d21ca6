"""`python -m transfer.reproduce RUN`: trains a transfer run's settings again, as a new run, and compares the two."""

from __future__ import annotations

import dataclasses
import sys

from evaluation.command import parse_config, run_main
from training.reproduce import USER_ERRORS, Difference, ReproduceConfig, compare
from training.results import REPORTED, relative
from training.run import Run, RunError, open_run, package_versions
from training.startup import import_tensorflow, other_routines
from transfer.cases import CASES
from transfer.config import for_case, from_yaml

DESCRIPTION = "Trains a transfer run's recorded settings again, as a new run, and says how far apart the two are."
PROG = "python -m transfer.reproduce"


def reproduce(config: ReproduceConfig) -> tuple[Run, list[Difference]]:
    """Trains a run again and compares weights of the best epoch, history and predictions.

    The case that the first run chose and the precision that it measured are taken over, so that the two can agree.

    Returns:
        The new run, and one line per respect.

    Raises:
        RunError: The run is not complete, belongs to a group, or its data has changed.
        ConfigError, DataError, TrainingDiverged, OSError: As `transfer.finetune.transfer`.
    """
    run = open_run(config.run)
    record = run.read_record()
    if not run.model.is_file() or "validation" not in record:
        raise RunError(f"{run.path} did not end: there is nothing to compare with. Resume it first, or name another.")
    missing = [name for name in REPORTED if not (run.predictions / f"{name}.csv").is_file()]
    if missing:
        raise RunError(f"{run.path} has no predictions on {missing[0]} (make evaluate RUN={run.path} makes them).")
    precision = record["resolved"].get("fine_tuning_precision", "float32")
    case = CASES[record["transfer"]["case"]]
    changes = {name: value for name in ("data_dir", "verbose") if (value := getattr(config, name)) is not None}
    folder = run.path.resolve().parent
    if folder.name == "transfer":
        changes["runs_dir"] = str(folder.parent)
    import_tensorflow()
    from transfer.finetune import transfer

    settings = for_case(from_yaml(run.config, **changes), case)
    again = transfer(dataclasses.replace(settings, precision=precision)).run
    if again.read_record()["data"]["digest"] != record["data"]["digest"]:
        raise RunError(f"the data is not what {run.path.name} was trained on; {again.path} is another experiment.")
    return again, compare(run, again)


def main() -> int:
    config = parse_config(ReproduceConfig, sys.argv[1:], prog=PROG, description=DESCRIPTION, positional="run")
    recorded = open_run(config.run)
    again, found = reproduce(config)
    print(f"{relative(recorded.path)} and {relative(again.path)}:")
    for difference in found:
        print(f"  {difference}")
    identical = all(difference.identical for difference in found)
    if not identical and not from_yaml(recorded.config).deterministic:
        print("  note: the run was not trained with --deterministic; small differences grow from step to step")
    if not identical and recorded.read_record().get("versions") != package_versions():
        print("  note: versions differ from those in run.json")
    if not identical and (reason := other_routines(recorded.read_record())):
        print(f"  note: {reason}")
    return 0 if identical else 3


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=USER_ERRORS))
