"""`tune(config)` and `go_on(request)`: a whole search under the lock of its directory, from settings to conclusion."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.files import write_atomically
from training.checks import ConfigError
from training.datasets.text import counted
from training.interrupt import orderly_end
from training.results import relative
from training.run import Run, open_run
from training.train import load_data
from training.tuning import resume as resuming
from training.tuning import search as searching
from training.tuning import start as starting
from training.tuning import trials
from training.tuning.channel import Place
from training.tuning.conclude import Conclusion, conclude, describe
from training.tuning.config import TuneConfig, write_settings
from training.tuning.oracles import FAILURES
from training.tuning.report import write_report
from training.tuning.search import Search
from training.tuning.snapshots import Snapshots
from training.tuning.table import Row, best_first

WHY = {
    "all trials": "all trials are done",
    "exhausted": "the space holds no further point",
    "time": "the time is over",
    "hopeless": f"{FAILURES} trials in a row failed",
}


@dataclass(frozen=True)
class TuneResult:
    """What a search ended with.

    Attributes:
        run: Its directory.
        rows: All trials.
        why: Why no further trial was run: `all trials`, `exhausted`, `time` or `hopeless`.
        conclusion: The comparison and the final run.
    """

    run: Run
    rows: tuple[Row, ...]
    why: str
    conclusion: Conclusion | None


def tune(
    config: TuneConfig,
    place: Place | None = None,
    *,
    files: Mapping[str, str] | None = None,
    subject: str | None = None,
) -> TuneResult:
    """Searches, and ends with the best setting compared and tested once.

    Args:
        config: All settings.
        place: Where workers of other machines find this search; None: it is alone.
        files: What else stands in the directory before the first trial: name → text.
        subject: What the page says was searched; default: model and data.

    Raises:
        ConfigError: The settings or the space do not fit the factory or the data, or no trial can be trained.
        DataError: The data cannot be used.
        KeyboardInterrupt: A signal asked for an end; a note says how to go on.
        OSError: The disk is full or not writable; what is finished is kept.
    """
    _check_workers(config, place)
    search = starting.start(config, files or {}, subject)
    with search.run.lock():
        return _work(search, place)


def check(config: TuneConfig) -> None:
    """Refuses what can be refused before any data is read.

    Raises:
        ConfigError: The space, the algorithm and the settings do not fit each other.
    """
    _check_workers(config, None)
    starting.check(config)


def _check_workers(config: TuneConfig, place: Place | None) -> None:
    if place is None and not config.workers:
        raise ConfigError("workers 0 leaves all trials to other machines: set the three variables of README.md first.")


def go_on(request: resuming.ResumeTuneConfig, place: Place | None = None) -> TuneResult:
    """Goes on with a search after its last finished trial.

    Args:
        request: Which search, and what may change.
        place: As `tune` takes it.

    Raises:
        AlreadyFinished: It is complete; nothing was changed.
        RunError: No search, no whole snapshot, another space, data or settings, or another process at work.
        ConfigError, DataError, KeyboardInterrupt, OSError: As `tune`.
    """
    run = open_run(request.resume)
    with run.lock():
        config = resuming.settings_for(run, request)
        _check_workers(config, place)
        return _work(_restored(run, config), place)


def _restored(run: Run, config: TuneConfig) -> Search:
    """The search as its snapshot has it, once everything that must be the same is."""
    run.remove_leftovers()
    state, torn = Snapshots(run.path).read()
    space = starting.space_of(config, run.path)
    oracle = starting.new_oracle_for(config, space)
    data = load_data(config.training)
    resuming.check_data(run, data)
    if state is not None:
        resuming.check_signature(run, state["signature"], starting.signature(config, data, oracle, space))
        oracle.set_state(state["oracle"])
        resuming.check_bound(run, config, len(oracle.trials))
    run.manifest.unlink(missing_ok=True)  # written last, it marks a search that is complete
    write_atomically(run.config, write_settings(config))  # what was changed now holds for workers, page and next time
    record = run.read_record() if run.record.exists() else {}
    base = starting.base_of(config, data, record.get("resolved", {}).get("precision"))
    before = state["elapsed"] if state else 0.0
    total = starting.total_of(config, oracle)
    search = Search(config, run, space, data, oracle, base, before=before, total=total)
    for note in (torn, resuming.note_of(state)):
        if note and config.verbose != "silent":
            print(note, flush=True)
    starting.record(search, resumed=[*record.get("resumed", []), resuming.entry_of(state)])
    return search


def _work(search: Search, place: Place | None) -> TuneResult:
    """Trials, then the conclusion; whatever cuts it short leaves a directory that can go on."""
    config, run = search.config, search.run
    if config.verbose != "silent":
        print(searching.begin_line(search), flush=True)
    try:
        with orderly_end() as stop:
            search = dataclasses.replace(search, stop=stop)
            why = trials.run_search(search, place)
            rows = tuple(search.rows)
            _say_end(search, why)
            if not best_first(rows, config.goal[1]):
                raise ConfigError(f"no trial could be trained. {rows[-1].reason if rows else 'There was no time.'}")
            conclusion = conclude(search)
    except BaseException as error:
        _record_end(search, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error)
        with contextlib.suppress(Exception):  # what stopped the search matters more than its page
            write_report(run)
        error.add_note(f"Finished trials are kept; go on with: make tune RESUME={relative(run.path)}")
        raise
    _record_end(search, "finished", why=WHY[why], conclusion=conclusion)
    write_report(run)
    run.write_manifest()
    return TuneResult(run, rows, why, conclusion)


def _say_end(search: Search, why: str) -> None:
    if search.config.verbose == "silent":
        return
    megabytes = searching.disk_use(search.run) / 1e6
    print(
        f"{counted(len(search.rows), 'trial')}, {WHY[why]}; {relative(search.run.path)} takes {megabytes:.1f} MB "
        f"(models of the best {search.config.keep})",
        flush=True,
    )


def _record_end(
    search: Search,
    ended: str,
    error: BaseException | None = None,
    *,
    why: str | None = None,
    conclusion: Conclusion | None = None,
) -> None:
    """What `run.json` says of the end; a full disk, which may be the reason itself, hides nothing."""
    rows = search.rows
    seconds = [row.seconds for row in rows if row.seconds is not None]
    outside = [row.seconds - row.fit_seconds for row in rows if row.seconds is not None and row.fit_seconds is not None]
    entries = {
        "ended": ended,
        "why": why,
        "error": None if error is None or ended == "interrupted" else " ".join(str(error).split())[:500],
        "trials": len(rows),
        "failed": sum(row.status == "failed" for row in rows),
        "seconds": round(search.elapsed, 1),
        "seconds_per_trial": round(statistics.fmean(seconds), 2) if seconds else None,
        "seconds_outside_fit_per_trial": round(statistics.fmean(outside), 2) if outside else None,
        "bytes": searching.disk_use(search.run),
        "winner": conclusion.winner.name if conclusion else None,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    try:
        search.run.update_record(**entries)
    except OSError:
        if error is None:
            raise


def summary(result: TuneResult) -> list[str]:
    """What the user reads at the end."""
    lines = [] if result.conclusion is None else describe(result.conclusion)
    return [*lines, f"search: {relative(result.run.report / 'index.html')}"]
