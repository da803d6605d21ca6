"""`python -m training.labs`: runs one lab or all. `make labs`, `make lab` and `make labs-list` forward to it."""

from __future__ import annotations

import dataclasses
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.labs import NAMES, load
from training.labs.lab import Lab, Parameters
from training.results import relative
from training.startup import import_tensorflow
from training.words import in_words

PROG = "python -m training.labs"
USAGE = f"""usage: {PROG} --list | NAME [--flag value ...] | --all [--small] [--seeds N] [--fresh] [--runs-dir DIR]

Each idea of the notes as an experiment: theory, figure and claims that are measured.
{PROG} NAME --help explains the options of a lab. NAME is one of:
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 1 where a lab failed or, by default options, a claim does not
    hold."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = arguments[0] if arguments else "--help"
    if first == "--list":
        print("\n".join(_listed()))
        return 0
    if first in ("-h", "--help"):
        print(USAGE + "\n".join(_listed()))
        return 0
    if first == "--all":
        chosen = parse_config(Parameters, arguments[1:], prog=f"{PROG} --all", description="Runs every lab.")
        return _make_all(chosen)
    lab = load(first)
    options = parse_config(
        lab.parameters, arguments[1:], prog=f"{PROG} {first}", description=f"{lab.title}. Worth trying: {lab.try_it}"
    )
    return _make_one(lab, smaller(lab, options) if options.small else options)


def _listed() -> Iterator[str]:
    """A line for each lab."""
    for index, name in enumerate(NAMES, start=1):
        yield f"{index:2d}  {name:24s}{_title(name)}"


def _title(name: str) -> str:
    """A lab's title, or why it cannot be loaded."""
    try:
        return load(name).title
    except Exception as error:
        return f"cannot be loaded: {_words(error)}"


def smaller(lab: Lab, options: Parameters) -> Parameters:
    """A lab's small form, with whatever differs from the defaults in the options given."""
    defaults = lab.parameters()
    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if getattr(options, field.name) != getattr(defaults, field.name)
    }
    return dataclasses.replace(lab.small, **given)


def _make_one(lab: Lab, options: Parameters) -> int:
    """Makes one lab; input that it refuses ends the command as any other."""
    code = _report(lab, options, "lab", refuse=(ConfigError, DataError))
    _write_index(options)
    from training.labs.making import folder_of

    print(f"page: {relative(folder_of(options.runs_dir, lab.name) / 'index.html')}")
    return code


def _make_all(chosen: Parameters) -> int:
    """Makes every lab; one that fails does not stop the others, and the page is renewed after each."""
    from training.labs.making import folder_of

    start, codes = time.monotonic(), []
    for index, name in enumerate(NAMES, start=1):
        label = f"labs {index}/{len(NAMES)} {name}"
        try:
            lab = load(name)
        except Exception as error:
            print(f"{label}: failed, {_words(error)}", flush=True)
            codes.append(1)
            continue
        codes.append(_report(lab, _of_all(lab, chosen), label))
        _write_index(chosen)
    page = folder_of(chosen.runs_dir) / "index.html"
    print(f"{len(NAMES)} labs in {in_words(time.monotonic() - start)}. page: {relative(page)}")
    return max(codes)


def _of_all(lab: Lab, chosen: Parameters) -> Parameters:
    """A lab's options under those of `--all`."""
    given: dict[str, Any] = {"runs_dir": chosen.runs_dir, "fresh": chosen.fresh, "small": chosen.small}
    if chosen.seeds != Parameters().seeds:
        given["seeds"] = chosen.seeds
    return dataclasses.replace(lab.small if chosen.small else lab.parameters(), **given)


def _report(lab: Lab, options: Parameters, label: str, *, refuse: tuple[type[Exception], ...] = ()) -> int:
    """Makes a lab, unless it stands, and says how it went."""
    from training.labs.making import make, standing, write_failure

    label = label if lab.name in label else f"{label} {lab.name}"
    start, record = time.monotonic(), standing(lab, options)
    if record is not None:
        return _say(record, f"{label}: kept")
    import_tensorflow()
    from training.forget import passing_models

    try:
        with passing_models():
            record, _ = make(lab, options)
    except OSError:
        raise
    except Exception as error:
        if isinstance(error, refuse):
            raise
        write_failure(lab, options, _words(error))
        print(f"{label}: failed, {_words(error)}", flush=True)
        return 1
    return _say(record, f"{label}: {time.monotonic() - start:.0f} s")


def _say(record: Mapping[str, Any], label: str) -> int:
    """A line, and one more for each claim that does not hold; returns the exit code."""
    failing = [one for one in record["claims"] if not one["holds"]]
    print(f"{label}, {len(record['claims']) - len(failing)} of {len(record['claims'])} claims hold", flush=True)
    for one in failing:
        print(f"  does not hold here: {one['claim']}: expected {one['expected']}, mean {one['mean']}", flush=True)
    return 1 if failing and record["defaults"] else 0


def _words(error: Exception) -> str:
    """An error nobody expected in one line, with the place where it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"


def _write_index(options: Parameters) -> None:
    """Writes the page of all labs from what stands."""
    from training.labs.making import folder_of, read
    from training.labs.page import render_page

    made: list[Any] = []
    for name in NAMES:
        try:
            lab = load(name)
        except Exception as error:
            lab = Lab(name, name, "", (), Parameters, Parameters(), lambda *_: None, "")  # type: ignore[arg-type]
            made.append((lab, {"failed": _words(error)}, {}))
            continue
        folder = folder_of(options.runs_dir, name)
        record = read(folder)
        files = [one["file"] for one in record["figures"]] if record is not None and "failed" not in record else []
        made.append((lab, record, {file: (folder / file).read_bytes() for file in files}))
    page = folder_of(options.runs_dir) / "index.html"
    write_atomically(page, render_page(made, title="Labs: the notes' ideas, measured"))


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
