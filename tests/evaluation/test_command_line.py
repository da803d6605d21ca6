"""Command lines from dataclasses."""

import dataclasses
import errno
from pathlib import Path
from typing import Any, Literal

import pytest

from evaluation.command import check_settings, parse_config, run_main


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a test.

    Attributes:
        source: Where the data is.
        epochs, batch_size: How long and how many.
        rate: Learning rate, 100% of it.
        resize: How images are fitted.
        image_size: Height and width.
        units: Units per layer.
        deterministic: Repeat exactly.
        hyperparameters: Keywords of the model.
        output: Folder of the results.
    """

    source: str = "digits"
    epochs: int = 5
    batch_size: int | None = None
    rate: float = 0.1
    resize: Literal["crop", "pad"] = "crop"
    image_size: tuple[int, int] | None = None
    units: tuple[int, ...] = (8, 4)
    deterministic: bool = False
    hyperparameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    output: Path | None = None

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1.\nReceived: epochs={self.epochs}.")


def parse(*argv, config_class=Settings, **options):
    return parse_config(config_class, argv, prog="python -m x", description="Tests.", positional="source", **options)


def changed(*argv):
    default = Settings()
    return {name: value for name, value in vars(parse(*argv)).items() if value != getattr(default, name)}


@dataclasses.dataclass(frozen=True)
class Places:
    """Several paths.

    Attributes:
        source: Where.
        paths: Which.
    """

    source: str = "here"
    paths: tuple[Path, ...] = ()


def test_a_path_that_exists_is_one_whatever_is_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.csv").touch()
    assert parse("--paths", "a,b.csv", config_class=Places).paths == (Path("a,b.csv"),)
    assert parse("x", "--paths", "c,d.csv", "e f", config_class=Places).paths == tuple(map(Path, ("c", "d.csv", "e f")))
    assert parse("x", "--paths", "[12]*.csv", config_class=Places).paths == (Path("[12]*.csv"),)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], {}),
        (["cifar10"], {"source": "cifar10"}),
        (["--epochs", "7", "folder", "--deterministic"], {"epochs": 7, "source": "folder", "deterministic": True}),
        (["--deterministic", "--no-deterministic"], {}),
        (["--batch-size=32", "--rate", "-0.5"], {"batch_size": 32, "rate": -0.5}),
        (["--batch-size", "null", "--rate", "1"], {"rate": 1.0}),
        (["--image-size", "64", "32"], {"image_size": (64, 32)}),
        (["--image-size", "64,32"], {"image_size": (64, 32)}),
        (["--image-size", "[64, 32]"], {"image_size": (64, 32)}),
        (["--image-size", "64", "--epochs", "3"], {"image_size": (64, 64), "epochs": 3}),
        (["--image-size", "null"], {}),
        (["--units", "3", "2", "1"], {"units": (3, 2, 1)}),
        (["--units", "3"], {"units": (3,)}),
        (["--hyperparameters.dropout_rate", "0"], {"hyperparameters": {"dropout_rate": 0}}),
        (["--output", "runs/a=b"], {"output": Path("runs/a=b")}),
    ],
)
def test_flags_become_fields(argv, expected):
    assert changed(*argv) == expected


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("source: npz\nepochs: 9\nbatch_size: 16\nimage_size: [3, 4]\nhyperparameters: {a: 1}\n")
    found = changed("--config", str(path), "--epochs", "2", "--hyperparameters.b", "x")
    assert found == {
        "source": "npz",
        "epochs": 2,
        "batch_size": 16,
        "image_size": (3, 4),
        "hyperparameters": {"a": 1, "b": "x"},
    }


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "many"], "--epochs: expected a whole number, received 'many'"),
        (["--epochs", "1.5"], "--epochs: expected a whole number, received '1.5'"),
        (["--epochs", "0"], "epochs must be at least 1. Received: epochs=0"),
        (["--epochs"], "--epochs: expected a value, received nothing"),
        (["--epochs", "--rate", "1"], "--epochs: expected a value, received '--rate'"),
        (["--rate", "fast"], "--rate: expected a number, received 'fast'"),
        (["--batch-size", "x"], "--batch-size: expected a whole number or null, received 'x'"),
        (["--resize", "stretch"], "--resize: expected one of crop, pad, received 'stretch'"),
        (
            ["--image-size", "big"],
            "--image-size: expected two whole numbers such as 64 64 (one number means both) or null, received '[big]'",
        ),
        (
            ["--deterministic=yes"],
            "--deterministic takes no value, received 'yes': write --deterministic or --no-deterministic",
        ),
        (["--hyperparameters", "3"], "--hyperparameters: expected keywords such as --name.keyword value, received '3'"),
        (["--epoch", "3"], "--epoch: no such flag; did you mean --epochs?"),
        (["--epochs.x", "3"], "--epochs.x: no such flag; did you mean --epochs?"),
        (["-z"], "-z: no such flag"),
        (["a", "b"], "expected a flag such as --name value, received 'b', which belongs to no flag"),
        (["--config", "missing.yaml"], "--config: expected an existing YAML file, received 'missing.yaml'"),
    ],
)
def test_bad_flags_give_one_line_and_code_2(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    assert capsys.readouterr() == ("", f"error: {message}; see --help\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "--config {path}: unknown key 'epoch'; did you mean epochs?"),
        ("epochs: many", "--config {path}: epochs: expected a whole number, received 'many'"),
        ("rate: null", "--config {path}: rate: expected a number, received null"),
        ("deterministic:", "--config {path}: deterministic: expected true or false, received null"),
        ("deterministic: maybe", "--config {path}: deterministic: expected true or false, received 'maybe'"),
        ("- a", "--config {path}: expected lines such as 'key: value', received ['a']"),
        ("", "--config {path}: expected lines such as 'key: value', received None"),
    ],
)
def test_bad_files_give_one_line_and_code_2(capsys, tmp_path, text, message):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(SystemExit) as stop:
        parse("--config", str(path))
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {message.format(path=path)}; see --help\n"


def test_null_in_a_file_is_read_where_the_field_allows_it(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("batch_size: null\nimage_size: null\noutput:\n")
    assert parse("--config", str(path)) == Settings()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        ({"image_size": [64, 48], "units": [3]}, {"image_size": (64, 48), "units": (3,)}),
        ({"hyperparameters": {"units": [1, 2]}}, {"hyperparameters": {"units": [1, 2]}}),
        (
            {"batch_size": None, "rate": 1, "output": "runs/a"},
            {"batch_size": None, "rate": 1.0, "output": Path("runs/a")},
        ),
        ({"source": "1.0", "deterministic": True}, {"source": "1.0", "deterministic": True}),
    ],
)
def test_checked_settings_are_ready_for_the_dataclass(settings, expected):
    found = check_settings(settings, Settings)
    assert found == expected and [type(value) for value in found.values()] == [type(v) for v in expected.values()]
    assert Settings(**found) == Settings(**expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": "x"}, "epochs: expected a whole number, received 'x'"),
        ({"epochs": 1.5}, "epochs: expected a whole number, received 1.5"),
        ({"epochs": None}, "epochs: expected a whole number, received null"),
        ({"image_size": 64}, "image_size: expected two whole numbers such as [64, 64] or null, received 64"),
        ({"units": 8}, "units: expected a list such as [64, 32], received 8"),
        ({"hyperparameters": None}, "hyperparameters: expected keywords such as {keyword: value}, received null"),
        ({"deterministic": "yes"}, "deterministic: expected true or false, received 'yes'"),
        ({"resize": "a\nb"}, "resize: expected one of crop, pad, received 'a\\nb'"),
        ({"epoch": 3}, "unknown key 'epoch'; did you mean epochs?"),
        ({3: 3}, "unknown key 3"),
    ],
)
def test_wrong_settings_are_refused_in_one_exact_line(settings, message):
    with pytest.raises(ValueError) as error:
        check_settings(settings, Settings)
    assert str(error.value) == message


def test_a_file_that_is_no_yaml_gives_one_line(capsys, tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("epochs: [1")
    with pytest.raises(SystemExit):
        parse("--config", str(path))
    error = capsys.readouterr().err
    assert error.startswith(f"error: --config {path}: not a YAML file: ") and error.count("\n") == 1


def test_help_explains_every_field_with_its_default(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help", choices_help="sources: digits, npz")
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    for part in (
        "usage: python -m x [SOURCE] [--flag value ...]",
        "--batch-size N How long and how many.",
        "Learning rate, 100% of it. (default: 0.1)",
        "--deterministic, --no-deterministic Repeat exactly. (default: no)",
        "--resize {crop,pad} How images are fitted. (default: crop)",
        "Where the data is. May stand first, without the flag. (default: digits)",
        "sources: digits, npz",
    ):
        assert part in text


def test_a_missing_required_field_is_named(capsys):
    required = dataclasses.make_dataclass("Required", [("source", Path)], frozen=True)
    with pytest.raises(SystemExit):
        parse(config_class=required)
    assert capsys.readouterr().err == "error: --source: expected a path, received nothing; see --help\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyError("a"), 2, "error: 'a'\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.csv"), 1, "error: a.csv: No such file\n"),
        (
            OSError(errno.ENOSPC, "No space left", "a.csv"),
            1,
            "error: a.csv: the disk is full. Free some space or choose another folder, then run the command again\n",
        ),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_expected_errors_become_one_line_and_a_code(capsys, error, code, message):
    def command():
        raise error

    assert run_main(command, user_errors=(KeyError,)) == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("error", [ValueError("wrong data."), OSError(errno.EACCES, "wrong data")])
def test_what_was_noted_on_the_way_up_ends_the_line(capsys, error):
    def command():
        error.add_note("The run is kept.")
        error.add_note("Go on with: make train")
        raise error

    run_main(command, user_errors=(ValueError,))
    assert capsys.readouterr().err == "error: wrong data. The run is kept. Go on with: make train\n"


def test_unexpected_errors_keep_their_traceback_and_codes_pass_through():
    def command():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_main(command, user_errors=(KeyError,))
    assert (run_main(lambda: None), run_main(lambda: 3)) == (0, 3)


def test_a_home_folder_that_does_not_exist_gives_one_line(capsys):
    message = (
        "a path starts with ~ and a user whose home folder cannot be found. Check the name or write the path in full"
    )
    assert run_main(lambda: Path("~no-such-user/x").expanduser() and 0) == 1
    assert capsys.readouterr().err == f"error: {message}\n"

    @dataclasses.dataclass(frozen=True)
    class Home:
        source: str = "x"

        def __post_init__(self):
            Path(self.source).expanduser()

    with pytest.raises(SystemExit):
        parse("~no-such-user/x", config_class=Home)
    assert capsys.readouterr().err == f"error: {message}; see --help\n"


def test_other_runtime_errors_keep_their_traceback():
    def command():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        run_main(command)
